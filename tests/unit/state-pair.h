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

#ifndef STATE_PAIR_H
#define STATE_PAIR_H 1

/* Two instances of the program, both in this process: both are told of blocks
 * that are freed. */

#include "program-state.h"
#include "state-world.h"

struct pair {
    struct world a, b;
    struct st *sa, *sb;
};

/* What the runtime said last. */
extern char pair_message[512];
st_log_fn pair_keep_message;

void pair_start(struct pair *);
void pair_finish(struct pair *);

/* Packets of connections 'first' and so on. */
void pair_fill(struct world *, uint32_t first, uint32_t n);

/* Exports, and imports what was exported. */
int pair_copy(struct st *from, struct st *to, bool per_flow, struct mbox_key,
              bool merge);

#endif /* state-pair.h */
