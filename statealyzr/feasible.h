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

#ifndef STATEALYZR_FEASIBLE_H
#define STATEALYZR_FEASIBLE_H 1

/* What may be executed once the packet loop runs
 * ==============================================
 *
 * Functions that both the start-up code and the packet loop call, but the loop
 * with few values of a parameter: "create", "which option".  Interprocedural
 * conditional constant propagation (Callahan, Cooper, Kennedy, Torczon,
 * "Interprocedural constant propagation", SIGPLAN 1986, with the conditions of
 * Wegman and Zadeck, 1991; paths.h), of what is reached from the bodies of the
 * chosen loops and from what is called beside them (threads, timers, handlers
 * of signals and events) only: a parameter has the values that calls give it
 * there, which by the branches they are under can be executed.
 *
 * Results of calls and what is read from memory may be anything, what a
 * library calls may get any arguments, and all of a function is executed that
 * is still active from before: those that the loop is in or called from. */

#include "loop.h"
#include "model.h"
#include "pta.h"
#include "tables.h"

struct sa_feasible;

struct sa_feasible *sa_feasible_find(const struct sa_program *,
                                     const struct sa_pta *,
                                     const struct sa_tables *,
                                     const struct sa_loops *);
void sa_feasible_destroy(struct sa_feasible *);

/* Whether a block may be executed, in a chosen loop, called from it, or beside
 * it. */
bool sa_feasible_has_block(const struct sa_feasible *, uint32_t block);

/* Whether other calls than those of the program, in blocks that may be
 * executed, call a function, or it is active from before the loop. */
bool sa_feasible_is_root(const struct sa_feasible *, uint32_t function);

/* Which values the parameters of a function have that is called there, for
 * people: "create is 0", "option is 1 or 2, file is not 0"; "" if they may
 * have any.  g_free(). */
char *sa_feasible_params(const struct sa_feasible *, uint32_t function);

/* For --stats. */
struct sa_feasible_stats {
    uint32_t n_functions;       /* Reached. */
    uint32_t n_blocks;          /* Theirs. */
    uint32_t n_executed;        /* Of these. */
    uint32_t n_runs;            /* Of paths.h. */
};
struct sa_feasible_stats sa_feasible_get_stats(const struct sa_feasible *);

#endif /* feasible.h */
