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

#ifndef STATEALYZR_ANALYSIS_H
#define STATEALYZR_ANALYSIS_H 1

/* What the later analyses start from: the program and what was found out about
 * it so far, in the order in which main() computes it.  Nothing here is owned
 * or changed by those that get it. */

#include "model.h"
#include "types.h"

struct sa_tables;
struct sa_pta;
struct sa_loops;
struct sa_modref;
struct sa_sdg;
struct sa_feasible;
struct sa_targets;
struct sa_procedures;

struct sa_analysis {
    const struct sa_program *program;
    struct sa_types *types;
    const struct sa_tables *tables;
    const struct sa_pta *pta;
    const struct sa_loops *loops;
    const struct sa_modref *modref;
    const struct sa_sdg *sdg;
    const struct sa_feasible *feasible;
    struct sa_targets *targets; /* NULL: as in 'pta'. */
    const struct sa_procedures *procedures; /* State procedures. */
};

#endif /* analysis.h */
