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

#ifndef MBOX_USAGE_H
#define MBOX_USAGE_H 1

/* What tenants use
 * ================
 *
 * A class may belong to a tenant.  State, flows and instances stay within
 * their class, and so within the tenant; here is added up what they cost:
 *
 *     - how long instances were there, from when an Interface names them
 *       until none does.  An agent alone is not accounted: what class it is
 *       of it only says.  This is exact: mbox_usage_account() is called before
 *       anything changes.
 *
 *     - the packets and bytes that the switch sent to their ports, read every
 *       MBOX_USAGE_READ_MS, when ports come, after each transfer, and when
 *       ovs-vswitchd exits.  What a port counts before its first reading, and
 *       between the last one and its end, is missing.
 *
 *     - the flows and the state that transfers moved.
 *
 * The accounts are in external_ids:mbox-usage of the Open_vSwitch table, so
 * that they outlive ovs-vswitchd.  They are written every MBOX_USAGE_WRITE_MS,
 * if they change, and when ovs-vswitchd exits: what is lost if it is killed is
 * what was used since then.
 *
 * Where no class has a tenant nothing is read, added up or written.
 *
 * Coordinator thread only. */

#include <stdbool.h>
#include <stdint.h>

#include "openvswitch/shash.h"

struct ds;
struct mbox_coordinator;
struct mbox_transfer_report;

#define MBOX_USAGE_READ_MS 10000
#define MBOX_USAGE_WRITE_MS 60000

/* Key of external_ids. */
#define MBOX_USAGE_KEY "mbox-usage"

/* Figures are INT64_MAX at most, see mbox_usage_add(). */
struct mbox_account {
    uint64_t instance_ms;       /* Sum over the instances. */
    uint64_t packets, bytes;
    uint64_t flows_moved, state_bytes;
};

struct mbox_usage {
    struct shash tenants;       /* "struct mbox_account"s, by tenant. */
    long long accounted_ms;     /* Until when instances are. */
    long long read_ms, write_ms;        /* When to do so next. */
    bool dirty;                 /* Not as written. */
    bool changed;               /* To be written to the database now. */
};

void mbox_usage_init(struct mbox_usage *, long long now_ms);
void mbox_usage_destroy(struct mbox_usage *);

/* The account of a tenant, which is made if there is none. */
struct mbox_account *mbox_usage_get(struct mbox_usage *, const char *tenant);

/* Adds 'n' to a figure of an account, which stays INT64_MAX once it would be
 * more: agents say how many flows and bytes moved, and must not make the sum
 * less, or one that mbox_usage_parse() does not read. */
void mbox_usage_add(uint64_t *figure, uint64_t n);

/* The accounts as text, sorted, for the caller to free; and back, adding to
 * what there is.  They are words
 *
 *     TENANT=INSTANCE_MS/PACKETS/BYTES/FLOWS/STATE_BYTES
 *
 * and those that make no sense are left out, with a warning. */
char *mbox_usage_format(const struct mbox_usage *);
void mbox_usage_parse(struct mbox_usage *, const char *);

/* mbox-usage-count.c: from the coordinator into the accounts. */

/* Adds the time until now, with the instances and tenants as they are.  To be
 * called before these change, or the accounts are read. */
void mbox_usage_account(struct mbox_coordinator *);

/* Adds what ports have counted since they were read last. */
void mbox_usage_count_ports(struct mbox_coordinator *);

/* Adds a transfer that has ended. */
void mbox_usage_add_transfer(struct mbox_coordinator *, const char *class_name,
                             const struct mbox_transfer_report *);

/* Has the accounts written, if they have changed. */
void mbox_usage_write(struct mbox_coordinator *);

/* Asks for the ports' counters, and has the accounts written, when it is
 * time. */
void mbox_usage_run(struct mbox_coordinator *);
void mbox_usage_wait(struct mbox_coordinator *);

/* What mbox/usage answers; the caller frees it. */
char *mbox_usage_show(struct mbox_coordinator *, bool json);

#endif /* mbox-usage.h */
