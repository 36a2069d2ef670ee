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

#ifndef IDS_PROGRAM_H
#define IDS_PROGRAM_H 1

/* The program mbox-ids: what main.c and ids-transfer.c share. */

#include "ids-scan.h"
#include "ids.h"
#include "mb-program.h"
#include "mbox.h"

struct ids_rules;

#define MAX_WORKERS 64

struct worker {
    struct program *program;
    unsigned int index;
    struct ids *ids;
    struct ids_stats stats;     /* Copied for worker 0 at each tick. */
    size_t n_flows;
};

struct program {
    struct mb_program mp;
    const char *rules_file;
    const char *state_key_file;
    const char *capture;        /* --read. */
    size_t capacity;            /* --capacity, or 0. */
    struct ids_scan_config scan_config;

    struct ids_rules *rules;
    struct ids_sigs *sigs;
    struct ids_scan *scan;
    struct worker workers[MAX_WORKERS];
    uint64_t start;             /* CLOCK_MONOTONIC, ns. */
    uint64_t wall;              /* The same in us since 1970. */
};

/* State functions for libmbox; 'aux' is the struct program. */
extern const struct mbox_state_ops ids_flow_ops;
extern const struct mbox_state_ops ids_scan_ops;
extern const struct mbox_state_ops ids_config_ops;

#endif /* ids-program.h */
