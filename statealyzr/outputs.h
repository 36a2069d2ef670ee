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

#ifndef STATEALYZR_OUTPUTS_H
#define STATEALYZR_OUTPUTS_H 1

/* Outputs
 * =======
 *
 * For each output function (outputs.json) the backward slice from its calls
 * (StateAlyzr, NSDI 2016, section 4.4), and so the updateable variables that
 * can influence what is sent or logged. */

#include "state.h"

struct sa_output {
    const char *function;
    const char *kind;
    GArray *calls;              /* uint32_t, instructions, ascending. */
};

struct sa_outputs;
struct sa_outputs *sa_outputs_run(const struct sa_analysis *,
                                  const struct sa_state *);
void sa_outputs_destroy(struct sa_outputs *);

/* By kind, then name. */
const struct sa_output *sa_outputs_list(const struct sa_outputs *, size_t *n);

/* Whether a variable influences an output, and, if so, in '*insn' an
 * instruction of the slice that reads it. */
bool sa_outputs_influences(const struct sa_outputs *, uint32_t variable,
                           size_t output, uint32_t *insn);

#endif /* outputs.h */
