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

#ifndef LB_CONFIG_H
#define LB_CONFIG_H 1

/* The configuration file of mbox-lb: services and their backends.
 * mbox-lb(8) describes the syntax. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_NAME_MAX 63

enum lb_mode {
    LB_NAT,                     /* Rewrites addresses and ports, both ways. */
    LB_DSR,                     /* Direct server return: rewrites MACs only. */
};

enum lb_check {
    LB_CHECK_TCP,               /* A SYN is answered by SYN and ACK. */
    LB_CHECK_PING,              /* An echo request is answered. */
    LB_CHECK_ARP,               /* An ARP or neighbor solicitation is. */
};

/* States of a connection; each has its own idle time. */
enum lb_state {
    LB_SYN,                     /* SYN seen. */
    LB_OPEN,
    LB_FIN,                     /* One side has sent FIN. */
    LB_CLOSED,                  /* Both have, or one has sent RST. */
    LB_DATAGRAMS,               /* UDP. */
    LB_N_STATES
};

/* "syn", "open", "fin", "closed", "udp". */
const char *lb_state_to_string(enum lb_state);

struct lb_backend_config {
    char name[LB_NAME_MAX + 1];
    uint8_t addr[16];           /* As in struct mbox_key. */
    uint16_t port;
    uint32_t weight;
};

struct lb_service_config {
    char name[LB_NAME_MAX + 1];
    uint8_t family;             /* 4 or 6. */
    uint8_t proto;              /* IPPROTO_TCP or IPPROTO_UDP. */
    uint8_t addr[16];           /* The virtual address (VIP). */
    uint16_t port;
    enum lb_mode mode;
    enum lb_check check;
    uint16_t check_port;        /* 0: the port of the backend. */
    uint32_t interval;          /* Between checks, ms. */
    uint32_t rise, fall;        /* Checks until it counts. */
    struct lb_backend_config *backends;
    size_t n_backends;
};

struct lb_config {
    uint8_t mac[6];             /* The virtual MAC address. */
    bool has_mac;
    uint32_t table_size;        /* Of Maglev tables. */
    uint32_t max_connections;
    uint32_t timeouts[LB_N_STATES];     /* Seconds. */
    struct lb_service_config *services;
    size_t n_services;
    uint64_t digest;            /* Of all the above. */
};

/* Reads the file 'name'.  Returns 0, or a negative errno value and stores a
 * malloc()ed message in '*errp': "FILE:LINE: what is wrong: remedy". */
int lb_config_load(const char *name, struct lb_config **, char **errp);

/* The same from a string of 'len' bytes, which need not end in a null byte. */
int lb_config_parse(const char *name, const char *text, size_t len,
                    struct lb_config **, char **errp);

void lb_config_destroy(struct lb_config *);

/* The family of an address of a configuration, in which IPv6 addresses are not
 * IPv4-mapped ones. */
uint8_t lb_address_family(const uint8_t addr[16]);

#endif /* lb-config.h */
