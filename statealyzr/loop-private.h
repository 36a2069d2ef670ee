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

#ifndef STATEALYZR_LOOP_PRIVATE_H
#define STATEALYZR_LOOP_PRIVATE_H 1

/* Shared by loop.c, loop-candidates.c and loop-choice.c only. */

#include <glib.h>
#include "loop.h"
#include "regions.h"

struct sa_loops_private {
    const struct sa_program *program;
    const struct sa_pta *pta;
    const struct sa_modref *modref;
    const struct sa_tables *tables;
    GStringChunk *strings;
    bool *live;                 /* By function: may be called from main(). */
    bool *reads;                /* By function: it or what it calls reads
                                 * packets. */
    GArray **reached;           /* By loop: functions called from it,
                                 * ascending. */
    GPtrArray *reasons;         /* By loop: GArray of struct sa_reason. */
};

/* Fills 'sites'. */
void sa_loops_find_sites(struct sa_loops *, const struct sa_sdg *);

/* Fills 'loops' but for what is chosen and why. */
void sa_loops_find_candidates(struct sa_loops *);

/* Chooses among the loops. */
void sa_loops_choose_best(struct sa_loops *);

/* Whether 'inner' is inside of 'outer', in its blocks or in what it calls. */
bool sa_loop_encloses(const struct sa_loops *, size_t outer, size_t inner);

/* Appends a reason why to 'loop'. */
void sa_loop_add_reason(struct sa_loops *, size_t loop, struct sa_loc,
                        const char *format, ...)
    __attribute__((format(printf, 4, 5)));

/* The name of the library function that is called at an instruction and for
 * which is(name) says true, or NULL. */
const char *sa_loops_library_call(const struct sa_loops *, uint32_t insn,
                                  bool (*is)(const struct sa_loops *,
                                             const char *name));
bool sa_loops_is_wait(const struct sa_loops *, const char *name);
bool sa_loops_is_open(const struct sa_loops *, const char *name);

/* The program's functions that are called or called back at an instruction,
 * appended to 'functions', a GArray of uint32_t. */
void sa_loops_called_at(const struct sa_loops *, uint32_t insn,
                        GArray *functions);

#endif /* loop-private.h */
