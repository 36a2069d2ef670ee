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

#ifndef CACHE_PROGRAM_H
#define CACHE_PROGRAM_H 1

/* The program mbox-cache: the proxy with libmbox. */

#include "mb-program.h"
#include "proxy.h"

struct program {
    struct mb_program mp;
    const char *config_file;    /* NULL: defaults. */
    bool check_config;
    struct proxy_config config;
    struct proxy *proxy;
};

/* Changes when the layout of chunks does. */
#define CACHE_STATE_VERSION 1

/* cache-transfer.c */
extern const struct mbox_state_ops cache_flow_ops;
extern const struct mbox_state_ops cache_object_ops;
extern const struct mbox_state_ops cache_config_ops;

#endif /* cache-program.h */
