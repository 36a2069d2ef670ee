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

#ifndef STATEALYZR_MODREF_H
#define STATEALYZR_MODREF_H 1

/* What instructions and procedures read and write
 * ================================================
 *
 * After Banning, "An efficient way to find the side effects of procedure calls
 * and the aliases of variables" (POPL 1979), with memory named by the nodes of
 * the points-to analysis (pta.h).
 *
 * The sets of an instruction are those of the instruction alone: a load's, a
 * store's, or what a call does inside library functions (by library.json and
 * packet-reads.json).  What a call does in functions of the program is in the
 * sets of those functions.  A library function that no table knows is taken to
 * read and write what its pointer arguments point to, one level deep: it does
 * not know the program's structures.
 *
 * Equal sets are stored once ("sets"): thousands of accesses through pointers
 * that may point to the same things cost one copy. */

#include <glib.h>
#include "model.h"
#include "pta.h"
#include "tables.h"

struct sa_modref;

struct sa_modref *sa_modref_run(const struct sa_program *,
                                const struct sa_pta *,
                                const struct sa_tables *);
void sa_modref_destroy(struct sa_modref *);

/* Nodes that an instruction itself reads or may write. */
struct sa_nodes sa_modref_reads(const struct sa_modref *, uint32_t insn);
struct sa_nodes sa_modref_writes(const struct sa_modref *, uint32_t insn);

/* The same as the number of a set; two instructions have the same set if and
 * only if they have the same number.  Set 0 is the empty one. */
uint32_t sa_modref_read_set(const struct sa_modref *, uint32_t insn);
uint32_t sa_modref_write_set(const struct sa_modref *, uint32_t insn);
struct sa_nodes sa_modref_set(const struct sa_modref *, uint32_t set);
uint32_t sa_modref_n_sets(const struct sa_modref *);

/* A copy between objects of the same layout (assignment of a struct, memcpy()
 * of one) copies each member to the same member: these are its parts, beside
 * the sets of the whole.  None if the layouts differ: then anything read may
 * be in anything written. */
struct sa_copy {
    uint32_t insn;
    uint32_t read_set, write_set;
};
const struct sa_copy *sa_modref_copies(const struct sa_modref *,
                                       uint32_t insn, uint32_t *n);
/* Those of all instructions, by instruction. */
const struct sa_copy *sa_modref_all_copies(const struct sa_modref *,
                                           uint32_t *n);

/* Instructions that read or write a node themselves, ascending; g_free(). */
uint32_t *sa_modref_readers(const struct sa_modref *, uint32_t node,
                            uint32_t *n);
uint32_t *sa_modref_writers(const struct sa_modref *, uint32_t node,
                            uint32_t *n);

/* Adds the nodes into which a call that receives packets puts them to 'nodes',
 * a GArray of uint32_t, and sorts it. */
void sa_modref_packet(const struct sa_modref *, uint32_t insn,
                      const struct sa_packet_read *, GArray *nodes);

/* Nodes that a function reads or writes, itself and through all that it calls,
 * ascending; of functions[0..n) together.  Computed at each call (a walk of
 * the call graph below the functions): a whole table of it would be quadratic
 * in large programs.  Caller frees with g_free(). */
uint32_t *sa_modref_transitive(const struct sa_modref *, bool writes,
                               const uint32_t functions[], size_t n_functions,
                               uint32_t *n);

/* Functions that a function calls, by calls and by callbacks of library
 * functions it calls, ascending. */
const uint32_t *sa_modref_callees(const struct sa_modref *, uint32_t function,
                                  uint32_t *n);

/* Functions reachable by calls and callbacks from roots[0..n), which are
 * included: sets reached[f].  'reached' has room for all functions; those that
 * are set already are not followed. */
void sa_modref_reach(const struct sa_modref *, const uint32_t roots[],
                     size_t n_roots, bool *reached);

#endif /* modref.h */
