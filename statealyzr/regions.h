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

#ifndef STATEALYZR_REGIONS_H
#define STATEALYZR_REGIONS_H 1

/* Loops of a control flow graph
 * =============================
 *
 * Its strongly connected regions, and those that are left in each without its
 * header, and so on (Steensgaard 1993; for reducible graphs these are the
 * natural loops of the "Dragon Book", section 9.6).  Strongly connected
 * components as in Tarjan, "Depth-first search and linear graph algorithms"
 * (1972), without recursion. */

#include <glib.h>
#include "model.h"

struct sa_region {
    uint32_t header;            /* Block by which it is entered (the first one,
                                 * if there are several). */
    GArray *blocks;             /* uint32_t, ascending. */
};

/* Appends the regions of a function, outer ones before inner ones, to
 * 'regions', a GArray of struct sa_region; the caller frees their blocks. */
void sa_find_regions(const struct sa_program *, uint32_t function,
                     GArray *regions);

bool sa_region_has(const struct sa_region *, uint32_t block);

/* Whether it ends by itself after a number of turns: where it starts or goes
 * back, it ends depending on a local that each turn steps on (a counter, a
 * pointer along an array or list), or when a list is empty whose first element
 * each turn takes off. */
bool sa_region_is_bounded(const struct sa_program *,
                          const struct sa_region *);

#endif /* regions.h */
