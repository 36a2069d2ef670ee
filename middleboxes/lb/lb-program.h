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

#ifndef LB_PROGRAM_H
#define LB_PROGRAM_H 1

/* The program mbox-lb: what main.c and lb-transfer.c share. */

#include "lb.h"
#include "mb-program.h"
#include "mbox.h"

struct program {
    struct mb_program mp;
    const char *config_file;
    bool check_config;
    bool log_connections;
    uint8_t addrs[2][16];       /* See struct lb_setup. */

    struct lb_config *config;
    struct lb *lb;
};

/* State functions for libmbox; 'aux' is the struct program. */
int lb_list_aliases(void *, unsigned int worker, const struct mbox_space *,
                    mbox_list_cb *, void *aux);
extern const struct mbox_state_ops lb_conn_ops;
extern const struct mbox_state_ops lb_health_ops;
extern const struct mbox_state_ops lb_config_ops;

#endif /* lb-program.h */
