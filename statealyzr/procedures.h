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

#ifndef STATEALYZR_PROCEDURES_H
#define STATEALYZR_PROCEDURES_H 1

/* State procedures
 * ================
 *
 * Paragraphs 59 to 61 of US 2018/0095773 A1: the procedures that may make or
 * use state.
 *
 * - called: reached by calls and callbacks from the body of a chosen loop,
 *   under conditions that may hold there (feasible.h).
 *   All of them: one that does not depend on the packet (a timer) still
 *   changes what the next packet finds.
 * - data dependent: not called from the loop, but executed beside it (other
 *   threads and processes, signal handlers, what is registered to be called
 *   later) and in the forward slice of what state procedures write: queued
 *   work.  Initialisation and what runs after the loop has ended are not:
 *   they see no packets' data while packets are processed. */

#include "feasible.h"
#include "loop.h"
#include "model.h"
#include "modref.h"
#include "pta.h"
#include "sdg.h"

struct sa_procedure {
    uint32_t function;
    bool loop;                  /* Contains a chosen loop; of it only the body
                                 * counts, unless it is also called. */
    bool called;
    bool data_dependent;
    uint32_t via;               /* Instruction that shows it: the call by which
                                 * it is reached from the loop first, or the
                                 * first instruction that depends on state. */
    struct sa_reasons why;
};

struct sa_procedures {
    struct sa_procedure *procedures;    /* By function id. */
    size_t n_procedures;
    bool *functions;            /* By function id: is a state procedure (loop
                                 * procedures included); as for slices. */
    struct sa_procedures_private *private;
};

struct sa_procedures *sa_procedures_find(const struct sa_program *,
                                         const struct sa_pta *,
                                         const struct sa_modref *,
                                         const struct sa_sdg *,
                                         const struct sa_tables *,
                                         const struct sa_loops *,
                                         const struct sa_feasible *);
void sa_procedures_destroy(struct sa_procedures *);

/* Whether an instruction may be executed for a packet: in a state procedure,
 * in a block that may be executed for how that is called (feasible.h), and for
 * a loop procedure that is not called, in the loop's body. */
bool sa_procedures_has_insn(const struct sa_procedures *, uint32_t insn);

/* Whether an instruction is in a state procedure, but not in a block that may
 * be executed. */
bool sa_procedures_skips_insn(const struct sa_procedures *, uint32_t insn);

/* Whether functions that the call at 'insn' hands to a library are called at
 * another time than during this call. */
bool sa_calls_later(const struct sa_program *, const struct sa_pta *,
                    const struct sa_tables *, uint32_t insn);

#endif /* procedures.h */
