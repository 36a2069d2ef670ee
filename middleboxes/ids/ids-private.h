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

#ifndef IDS_PRIVATE_H
#define IDS_PRIVATE_H 1

/* What ids.c and ids-state.c share. */

#include "ids.h"
#include "ids-sig.h"
#include "ids-tcp.h"

struct ids {
    struct ids_config config;
    const struct ids_rules *rules;
    struct ids_table table;
    struct ids_scanner *scanner;
    struct ids_tcp_limits limits;
    struct ids_stats stats;
    uint64_t now;
};

/* Frees 'flow', which is in no table, with all it has. */
void ids_flow_destroy(struct ids *, struct ids_flow *);

/* When 'flow' is to be looked at next. */
uint64_t ids_flow_wake_time(const struct ids_flow *);

#endif /* ids-private.h */
