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

#ifndef WANOPT_CONFIG_H
#define WANOPT_CONFIG_H 1

/* The configuration file of mbox-wanopt: the networks of the two sites, and
 * their secret.  mbox-wanopt(8) describes the syntax. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "wanopt-cipher.h"

#define WANOPT_MAX_NETS 64

struct wanopt_net {
    uint8_t family;             /* 4 or 6. */
    uint8_t bits;               /* Of 'addr' that count, from its start. */
    uint8_t addr[16];           /* As in struct mbox_key; the rest is 0. */
};

struct wanopt_nets {
    struct wanopt_net nets[WANOPT_MAX_NETS];
    size_t n;
};

struct wanopt_config {
    struct wanopt_nets local, remote;
    uint8_t key[WANOPT_KEY_LEN];
    bool has_key;
    uint32_t memory;            /* Of the dictionary, MiB. */
    uint32_t waiting_memory;    /* Of packets that wait, MiB. */
    uint32_t max_flows;
    uint32_t level;             /* Of compression; 0: none. */
};

/* Reads the file 'name'.  Returns 0, or a negative errno value and stores a
 * malloc()ed message in '*errp': "FILE:LINE: what is wrong: remedy". */
int wanopt_config_load(const char *name, struct wanopt_config **,
                       char **errp);

/* The same from a string of 'len' bytes, which need not end in a null byte. */
int wanopt_config_parse(const char *name, const char *text, size_t len,
                        struct wanopt_config **, char **errp);

void wanopt_config_destroy(struct wanopt_config *);

bool wanopt_nets_have(const struct wanopt_nets *, uint8_t family,
                      const uint8_t addr[16]);

#endif /* wanopt-config.h */
