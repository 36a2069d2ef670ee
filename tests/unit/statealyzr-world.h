/*
 * Copyright (c) 2026 The ovs-mbox authors.
 *
 * Licensed under the Apache License, Version 2.0 (the "License");
 * you may not use this file except in compliance with the License.
 * You may obtain a copy of the License at:
 *
 *     http://www.apache.org/licenses/LICENSE-2.0
 *
 * Unless required by applicable law or agreed to in writing, software
 * distributed under the License is distributed on an "AS IS" BASIS,
 * WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
 * See the License for the specific language governing permissions and
 * limitations under the License.
 */

#ifndef STATEALYZR_WORLD_H
#define STATEALYZR_WORLD_H 1

/* Small C programs for the tests of the state analyser: compiled by clang at
 * the time of the test, and analysed up to the dependence graph.
 *
 * A line of a program is named by a comment of one word on it, as in
 *
 *     sink(x);    // sink1
 */

#include "loop.h"
#include "modref.h"
#include "procedures.h"
#include "pta.h"
#include "sdg.h"
#include "slice.h"
#include "tables.h"
#include "types.h"

struct world {
    const char *source;
    struct sa_program *program;
    struct sa_types *types;
    struct sa_tables *tables;
    struct sa_pta *pta;
    struct sa_modref *modref;
    struct sa_sdg *sdg;
};

/* Compiles and analyses 'source'; fails the test if that does not work. */
void world_init(struct world *, const char *source);
void world_destroy(struct world *);

/* The number of the line named 'name'; fails the test if there is none. */
unsigned int world_line(const struct world *, const char *name);

/* The first instruction with 'opcode' on the line named 'name'; fails the test
 * if there is none. */
uint32_t world_insn(const struct world *, const char *name, LLVMOpcode opcode);

uint32_t world_function(const struct world *, const char *name);

/* Whether any instruction of the line named 'name' is in the slice. */
bool world_slice_has(const struct world *, const struct sa_slice *,
                     const char *name);

#endif /* statealyzr-world.h */
