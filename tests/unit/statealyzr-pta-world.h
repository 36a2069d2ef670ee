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

#ifndef STATEALYZR_PTA_WORLD_H
#define STATEALYZR_PTA_WORLD_H 1

/* Small C programs for the tests of the points-to analysis: compiled by clang
 * at the time of the test. */

#include "pta-private.h"

/* A program that was analysed. */
struct world {
    struct sa_program *program;
    struct sa_types *types;
    struct sa_tables *tables;
    struct sa_pta *pta;
};

/* Loads a file of bitcode; fails the test if that does not work. */
struct world world_load_bitcode(char *file);
/* The same with 'source', C, which it compiles first. */
struct world world_load(const char *source);
/* The same, and runs the analysis. */
struct world world_analyse(const char *source);
void world_destroy(struct world *);

/* A set of nodes as "a b+8 heap@3", sorted; to be freed. */
char *world_describe(const struct world *, struct sa_nodes);

#endif /* statealyzr-pta-world.h */
