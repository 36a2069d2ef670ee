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

#ifndef MBOX_MAILBOX_H
#define MBOX_MAILBOX_H 1

/* Mails between the main thread and the coordinator
 * =================================================
 *
 * Each direction is a queue.  A mail is owned by whoever has it: the sender
 * until it is posted, then the receiver, who destroys it. */

#include "guarded-list.h"
#include "latch.h"
#include "odp-util.h"
#include "openvswitch/list.h"
#include "openvswitch/shash.h"
#include "openvswitch/types.h"
#include "ovs-atomic.h"
#include "packets.h"
#include "smap.h"
#include "sset.h"
#include "svec.h"

#include "mbox-msg.h"

/* An Interface with other_config:mbox-class. */
struct mbox_iface_config {
    char *iface;                /* Interface name. */
    char *bridge;
    char *name;                 /* Instance. */
    char *class_name;
    char dp_name[64];           /* dpif_name(), "" if it has no port. */
    odp_port_t port;            /* ODPP_NONE if it has no port. */
    struct eth_addr mac;
    char *error;                /* Why it has no port; NULL if it has one. */
};

/* What the database says.  Plain data: both threads' functions on it are
 * those of this file. */
struct mbox_config {
    struct mbox_iface_config *ifaces; /* Sorted by Interface name. */
    size_t n_ifaces, allocated_ifaces;
    struct sset listen;         /* Channel addresses besides the default. */
    char *private_key;          /* PEM files, or NULL. */
    char *certificate;
    char *ca_cert;
    bool verify_names;          /* A certificate must name the instance. */
    unsigned long long hold_limit; /* Bytes. */
    int probe_ms;               /* Interval of keepalive probes; 0: none. */
    struct smap class_settings; /* Keys that mbox_config_setting_class()
                                 * knows. */
    bool in_use;                /* False if the database does not mention
                                 * anything of ours. */
    char *assignments;          /* To be restored: only in the first mail. */
    char *open;                 /* Likewise, the records of transfers. */
    char *commits;
    char *scales;               /* Likewise, see mbox-scales.h. */
    char *usage;                /* Likewise, see mbox-usage.h. */
};

/* Keys of external_ids that have these. */
#define MBOX_ASSIGNMENTS_KEY "mbox-assignments"
#define MBOX_OPEN_KEY "mbox-open"
#define MBOX_COMMITS_KEY "mbox-commits"

#define MBOX_DEFAULT_HOLD_LIMIT (64ULL * 1024 * 1024)
#define MBOX_DEFAULT_PROBE_MS 5000

struct mbox_config *mbox_config_create(void);
void mbox_config_destroy(struct mbox_config *);
struct mbox_iface_config *mbox_config_add_iface(struct mbox_config *);

/* If 'key' of other_config is a setting of a class, "mbox-default-CLASS",
 * "mbox-no-instance-CLASS", "mbox-instantiator-CLASS", "mbox-policy-CLASS" or
 * "mbox-tenant-CLASS", returns where CLASS begins, otherwise NULL. */
const char *mbox_config_setting_class(const char *key);

/* Returns a text that is the same if and only if the configurations are, but
 * for 'assignments'.  The caller frees it. */
char *mbox_config_fingerprint(const struct mbox_config *);

enum mbox_mail_type {
    /* To the coordinator. */
    MBOX_MAIL_CONFIG,           /* 'config'. */
    MBOX_MAIL_COMMAND,          /* 'request', 'argv'. */
    MBOX_MAIL_PORTS,            /* 'ports'. */

    /* To the main thread. */
    MBOX_MAIL_READ_PORTS,       /* Answered by MBOX_MAIL_PORTS. */
    MBOX_MAIL_REPLY,            /* 'request', 'success', 'text', 'serial'. */
    MBOX_MAIL_ASSIGNMENTS,      /* 'text' (JSON), 'usage' (each NULL if it has
                                 * not changed), 'open', 'commits', 'scales',
                                 * 'serial'. */
};

struct mbox_mail {
    struct ovs_list node;
    enum mbox_mail_type type;
    struct mbox_config *config;
    uint64_t request;           /* Identifies a command of unixctl. */
    struct svec argv;
    struct shash ports;         /* See mbox_ports_read(). */
    bool success;
    bool json;                  /* REPLY: 'text' is one JSON object. */
    char *text;
    char *open;
    char *commits;
    char *scales;
    char *usage;
    uint64_t serial;            /* ASSIGNMENTS: number of this state.  REPLY:
                                 * state that the answer is about, or 0. */
};

struct mbox_mail *mbox_mail_create(enum mbox_mail_type);
void mbox_mail_destroy(struct mbox_mail *);

struct mbox_mailbox {
    struct guarded_list to_coordinator;
    struct latch wake;          /* Mail for the coordinator. */
    struct latch exit;          /* It is to stop. */
    struct guarded_list to_main;
    struct seq *main_seq;       /* Changes when there is mail for main. */
    atomic_uint64_t durable;    /* Serial of the ASSIGNMENTS that the database
                                 * has. */
};

void mbox_mailbox_init(struct mbox_mailbox *);
void mbox_mailbox_destroy(struct mbox_mailbox *);
void mbox_mailbox_to_coordinator(struct mbox_mailbox *, struct mbox_mail *);
void mbox_mailbox_to_main(struct mbox_mailbox *, struct mbox_mail *);

/* Main tells, and wakes, the coordinator. */
void mbox_mailbox_set_durable(struct mbox_mailbox *, uint64_t serial);
uint64_t mbox_mailbox_get_durable(const struct mbox_mailbox *);

/* Next mail, or NULL. */
struct mbox_mail *mbox_mailbox_next_for_coordinator(struct mbox_mailbox *);
struct mbox_mail *mbox_mailbox_next_for_main(struct mbox_mailbox *);

#endif /* mbox-mailbox.h */
