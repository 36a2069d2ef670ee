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

#ifndef IDS_RULES_H
#define IDS_RULES_H 1

/* Detection rules
 * ===============
 *
 * A useful subset of the rule language of Snort and Suricata; mbox-ids(8)
 * documents it.  A rule set is read once and does not change afterwards, so
 * that any number of threads may share it.
 *
 *     alert tcp 10.0.0.0/8 any -> any [80,8000:8080] (msg:"Example";
 *         flow:to_server; content:"/bin/sh"; nocase; sid:1; rev:2;)
 *
 * A rule matches when each of its 'content' and 'pcre' patterns has been seen
 * in the payload that one side of a flow sent: in the reassembled stream for
 * TCP, whatever the segmentation, and in one datagram for UDP. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

/* Directions of a flow. */
enum ids_dir { IDS_TO_SERVER, IDS_TO_CLIENT };

/* A set of addresses: in it are those in some 'in' prefix (any address if
 * there are none) and in no 'out' prefix. */
struct ids_prefix {
    uint8_t addr[16];           /* As in struct mbox_key. */
    uint8_t len;                /* 0 to 128: IPv4 prefixes have 96 added. */
    bool negated;
};
struct ids_addr_set {
    struct ids_prefix *prefixes;
    size_t n;
};

/* A set of ports, likewise. */
struct ids_port_range {
    uint16_t first, last;
    bool negated;
};
struct ids_port_set {
    struct ids_port_range *ranges;
    size_t n;
};

/* One pattern, as Vectorscan takes it. */
struct ids_pattern {
    char *regex;
    unsigned int flags;         /* HS_FLAG_*. */
    uint64_t min_offset;        /* Of the match's end in the payload. */
    uint64_t max_offset;        /* UINT64_MAX: no limit. */
    uint32_t rule;              /* Index of the rule it belongs to. */
};

struct ids_rule {
    uint32_t sid, rev;
    uint8_t priority;           /* 1 (most severe) to 255; 3 by default. */
    uint8_t proto;              /* IPPROTO_TCP, IPPROTO_UDP, or 0: both. */
    bool both_ways;             /* "<>". */
    bool to_server, to_client;  /* Directions it looks at. */
    struct ids_addr_set src, dst;
    struct ids_port_set src_ports, dst_ports;
    char *msg;
    char *classtype;            /* Or NULL. */
    uint32_t first_pattern, n_patterns;
    unsigned int line;          /* Where it is in its file. */
};

struct ids_rules {
    char *file;
    struct ids_rule *rules;
    size_t n_rules;
    struct ids_pattern *patterns;
    size_t n_patterns;
    uint8_t hash[32];           /* SHA-256 of the rules' text without comments
                                 * and blank lines. */
};

/* Reads the rules in the file 'name'.  Returns 0 and a rule set that the
 * caller must destroy, or a negative errno value and in '*errp' a malloc()ed
 * message of the form "FILE:LINE: CAUSE". */
int ids_rules_load(const char *name, struct ids_rules **, char **errp);

/* Same, for the 'len' bytes of text at 'text'; 'name' is for messages. */
int ids_rules_parse(const char *name, const char *text, size_t len,
                    struct ids_rules **, char **errp);

void ids_rules_destroy(struct ids_rules *);

/* True if 'rule' looks at what is sent from the source to the destination of
 * 'key', a packet's own key, being direction 'dir' of its flow. */
bool ids_rule_applies(const struct ids_rule *rule, const struct mbox_key *key,
                      enum ids_dir dir);

#endif /* ids-rules.h */
