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

#ifndef STATEALYZR_SLICE_H
#define STATEALYZR_SLICE_H 1

/* Slicing and chopping
 * ====================
 *
 * Horwitz, Reps, Binkley (1990), in two phases; chopping as in Reps, Rosay,
 * "Precise interprocedural chopping" (FSE 1995).
 *
 * A path matches calls with returns: it goes up out of procedures (or over
 * calls, by summary edges), then down into procedures, and never up again by
 * another call than the one it came down by.  Through memory it starts anew
 * (sdg.h). */

#include "sdg.h"

struct sa_slice_options {
    enum sa_dep dep;            /* Follow dependences up to this kind. */
    const bool *functions;      /* By function id: stay in these (and in
                                 * memory).  NULL: all. */
    /* If nonnull, a vertex for which this says true is not gone through: it is
     * neither in the slice nor followed.  Seeds are not asked for. */
    bool (*skip)(uint32_t vertex, void *aux);
    void *aux;
};

struct sa_slice;

/* What depends on any of the seeds, directly or not, seeds included. */
struct sa_slice *sa_slice_forward(const struct sa_sdg *,
                                  const uint32_t seeds[], size_t n_seeds,
                                  const struct sa_slice_options *);
/* What any of the seeds depends on, seeds included. */
struct sa_slice *sa_slice_backward(const struct sa_sdg *,
                                   const uint32_t seeds[], size_t n_seeds,
                                   const struct sa_slice_options *);
/* What is on a path from one of 'from' to one of 'to'. */
struct sa_slice *sa_slice_chop(const struct sa_sdg *,
                               const uint32_t from[], size_t n_from,
                               const uint32_t to[], size_t n_to,
                               const struct sa_slice_options *);
void sa_slice_destroy(struct sa_slice *);

bool sa_slice_has(const struct sa_slice *, uint32_t vertex);
/* Any vertex of this instruction (for a call, of its arguments and result). */
bool sa_slice_has_insn(const struct sa_slice *, uint32_t insn);

/* All its vertices, in the order in which they were reached, nearest first
 * (a chop's: by number). */
const uint32_t *sa_slice_vertices(const struct sa_slice *, size_t *n);

/* Which vertex led to this one first: one step nearer to a seed along a
 * shortest path.  SA_NONE for a seed and for a vertex not in the slice.  For a
 * chop, nearer to 'from' (inside of a call that is stepped over: SA_NONE). */
uint32_t sa_slice_previous(const struct sa_slice *, uint32_t vertex);

/* The whole path from a seed to 'vertex' in the direction of the dependence
 * (of a backward slice: from 'vertex' to the seed), vertices that are internal
 * left out; g_free() it.  NULL if it is not in the slice. */
uint32_t *sa_slice_path(const struct sa_slice *, uint32_t vertex, size_t *n);

#endif /* slice.h */
