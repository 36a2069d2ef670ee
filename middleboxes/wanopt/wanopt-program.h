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

#ifndef WANOPT_PROGRAM_H
#define WANOPT_PROGRAM_H 1

/* The program mbox-wanopt: what main.c and wanopt-transfer.c share. */

#include "mb-program.h"
#include "mbox.h"
#include "wanopt.h"

struct program {
    struct mb_program mp;
    const char *config_file;
    bool check_config;
    bool log_flows;

    struct wanopt_config *config;
    struct wanopt *wanopt;
};

/* State functions for libmbox; 'aux' is the struct program. */
extern const struct mbox_state_ops wanopt_flow_ops;
extern const struct mbox_state_ops wanopt_chunk_ops;
extern const struct mbox_state_ops wanopt_config_ops;

#endif /* wanopt-program.h */
