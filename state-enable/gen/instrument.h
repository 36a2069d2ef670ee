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

#ifndef GEN_INSTRUMENT_H
#define GEN_INSTRUMENT_H 1

/* Tracking of what the program writes
 * ===================================
 *
 * Before each statement that may write to what moves, the program tells the
 * runtime where it is about to write, and which variables: bits, as
 * program-tables.h has them.  What an address is of, and whether anybody needs
 * to know, the runtime finds out; here only that is left out which cannot be
 * an entry: variables of functions, and variables of the program without
 * entries.
 *
 * A point that tells of it serves all writes to the same object that come with
 * it: see instrument-prune.c. */

#include <glib.h>
#include <llvm-c/Core.h>
#include "plan.h"

struct instrumented {
    guint n_writes;             /* Each of one bit: points without pruning. */
    guint n_points;             /* That are left. */
    guint n_functions;          /* That have some. */
    GPtrArray *unknown;         /* What it is of which it is not known what it
                                 * writes, as functions of libraries; sorted.
                                 * None: all writes are known. */
    GPtrArray *handlers;        /* Writes to what may move by handlers of
                                 * signals: "on_hup(): struct flow.a". */
};

/* To be called once calls go to the runtime, and before other code is added.
 * Sets plan->bits and writes_known.  Returns false, with a message to stderr,
 * if the tables of what libraries do cannot be read. */
bool instrument(LLVMModuleRef, struct plan *, struct instrumented *);
void instrumented_uninit(struct instrumented *);

#endif /* instrument.h */
