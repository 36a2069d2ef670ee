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

#ifndef STATEALYZR_LOOP_H
#define STATEALYZR_LOOP_H 1

/* The packet-processing loop
 * ==========================
 *
 * First step of US 2018/0095773 A1 (paragraphs 51 and 58): loops that read
 * packets by one of the calls of packet-reads.json, directly or through calls.
 * Loops of the control flow graph are its strongly connected regions, nested
 * (Steensgaard, "Sequentializing program dependence graphs for irreducible
 * programs", 1993), so that one made by goto counts; a call such as
 * pcap_loop() or event_base_dispatch() is a loop, too: in the library, with
 * the handlers as its body.
 *
 * Which is chosen: the outermost that waits for packets itself, rather than
 * only in a loop inside, and has no bound (one that counts or walks a list has
 * one).  A loop around all that merely starts the program over is not it.
 * Programs may have more than one, as alternatives (live and from a file,
 * client and server): those that mostly run the same procedures are chosen
 * together, and their state is the state of any of them. */

#include "model.h"
#include "modref.h"
#include "pta.h"
#include "result.h"
#include "sdg.h"
#include "tables.h"

/* A call that reads a packet. */
struct sa_read_site {
    uint32_t insn;
    const struct sa_packet_read *read;
};

struct sa_loop {
    uint32_t function;          /* The loop procedure. */
    uint32_t header;            /* Block it is entered by, or of the call. */
    uint32_t insn;              /* Where to show it: an instruction. */
    uint32_t call;              /* That call, or SA_NONE. */
    const uint32_t *blocks;     /* Of the loop, ascending; none for a call. */
    size_t n_blocks;
    const uint32_t *handlers;   /* Functions that the library calls. */
    size_t n_handlers;
    const uint32_t *reads;      /* Indexes of read sites that it reaches. */
    size_t n_reads;
    bool bounded;               /* Counts, or walks a list. */
    bool waits;                 /* Itself, not only in a loop inside. */
    uint32_t wait_depth;        /* How many calls away the wait is. */
    bool opens;                 /* Makes packet sources itself. */
    size_t n_reached;           /* Procedures called from it. */
    bool chosen;
    struct sa_reasons why;
};

struct sa_loops {
    struct sa_read_site *sites; /* By instruction. */
    size_t n_sites;
    struct sa_loop *loops;      /* That read packets, by place; those that are
                                 * inside another one as well. */
    size_t n_loops;
    size_t n_chosen;
    char *problem;              /* NULL, or what to tell the user: no loop (and
                                 * what was looked for), or several chosen. */
    struct sa_loops_private *private;
};

struct sa_loops *sa_loops_find(const struct sa_program *,
                               const struct sa_pta *,
                               const struct sa_modref *,
                               const struct sa_sdg *,
                               const struct sa_tables *);
void sa_loops_destroy(struct sa_loops *);

/* The user's choice (--loop) instead: "FUNCTION", "FUNCTION:LINE" or
 * "FILE:LINE", of any loop that reads packets (FUNCTION alone: its outermost),
 * or, if it is none of these, any function: then all of the function is taken
 * to be executed for each packet.  False with '*errorp' (to free) if there is
 * none such. */
bool sa_loops_choose(struct sa_loops *, const char *spec, char **errorp);

/* Whether an instruction is in the body of a chosen loop; calls are not
 * followed. */
bool sa_loops_has_insn(const struct sa_loops *, uint32_t insn);

/* Sets callers[f] for functions that are still on the stack while a chosen
 * loop runs: loop procedures and their callers. */
void sa_loops_mark_callers(const struct sa_loops *, bool *callers);

/* Whether a packet may be received by this call, and how, or NULL. */
const struct sa_packet_read *sa_loops_read_at(const struct sa_loops *,
                                              uint32_t insn);

/* Nodes of the points-to analysis that the packet is put into by the reads
 * that the chosen loops reach.  Ascending; g_free(). */
uint32_t *sa_loops_packet_nodes(const struct sa_loops *, size_t *n);

/* Fills the loops of a result; the strings stay those of the loops. */
void sa_loops_to_result(const struct sa_loops *, struct sa_result *);

#endif /* loop.h */
