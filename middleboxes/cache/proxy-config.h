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

#ifndef PROXY_CONFIG_H
#define PROXY_CONFIG_H 1

/* The configuration file of mbox-cache, which its manual page describes. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PROXY_MAX_PORTS 16

struct proxy_config {
    uint16_t ports[PROXY_MAX_PORTS];    /* TCP, of servers. */
    size_t n_ports;
    uint32_t memory;            /* Of the store, MiB. */
    uint32_t max_object;        /* KiB. */
    uint32_t max_flows;
    uint32_t socket_buffer;     /* KiB, of each socket and direction. */
    uint32_t request_timeout, idle_timeout, stall_timeout;      /* s. */
    uint32_t mtu;               /* Bytes. */
};

/* The defaults, without a file. */
void proxy_config_init(struct proxy_config *);

/* Reads the file 'name', after proxy_config_init().  Returns 0, or a negative
 * errno value and stores a malloc()ed message in '*errp': "FILE:LINE: what is
 * wrong: remedy". */
int proxy_config_load(struct proxy_config *, const char *name, char **errp);

/* The same from a string of 'len' bytes, which need not end in a null byte. */
int proxy_config_parse(struct proxy_config *, const char *name,
                       const char *text, size_t len, char **errp);

bool proxy_config_has_port(const struct proxy_config *, uint16_t port);

#endif /* proxy-config.h */
