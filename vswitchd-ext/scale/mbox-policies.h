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

#ifndef MBOX_POLICIES_H
#define MBOX_POLICIES_H 1

/* The classes' policies
 * =====================
 *
 * Binds each class's decisions (mbox-policy.h) to its setting in the database,
 * to the figures of its instances, and to the operations of scaling
 * (mbox-scales.h).  At the end of each interval the figures that were asked
 * for at its beginning are judged: what the ports have counted, by the main
 * thread, and the number of flows and processor time, by the agents
 * (STATS_REQUEST).
 *
 * Coordinator thread only. */

#include "openvswitch/shash.h"

#include "mbox-msg.h"
#include "mbox-options.h"
#include "mbox-policy.h"

struct ds;
struct mbox_coordinator;

struct mbox_class_policy {
    char class_name[MBOX_NAME_MAX + 1];
    char *setting;              /* NULL: there is none any more. */
    struct mbox_policy_config config;   /* If 'setting'. */
    struct mbox_space space;            /* Likewise. */
    struct mbox_policy policy;
    struct shash samples;       /* "struct mbox_policy_sample"s, by name of
                                 * the instance. */
    long long next_ms;          /* End of the interval. */
    bool busy;                  /* At the end of the last one. */
    bool disturbed;             /* A transfer or an operation of the class has
                                 * ended since then. */
    char *blocked;              /* Why there was no scale-out then, or NULL. */

    uint64_t n_outs, n_ins;     /* Operations that were started. */
    uint64_t n_refused;         /* That could not be. */
    uint64_t n_failed;          /* That were, and did not succeed. */
    char *last;                 /* The last of all these; NULL if none. */
    char open[MBOX_NAME_MAX + 1];       /* Instance of the operation that was
                                         * started, until its end has been
                                         * seen; "" if there is none. */
    char *why;                          /* Of that operation. */
};

struct mbox_policies {
    struct shash classes;       /* "struct mbox_class_policy"s. */
};

void mbox_policies_init(struct mbox_policies *);
void mbox_policies_destroy(struct mbox_policies *);

/* Parses the value of other_config:mbox-policy-CLASS, with the flow space in
 * it.  Returns NULL, or a message that the caller frees; then there is nothing
 * to destroy. */
char *mbox_policies_parse(const char *, struct mbox_policy_config *,
                          struct mbox_space *);

/* Takes over what the registry has of settings. */
void mbox_policies_configure(struct mbox_coordinator *);

/* To be called when a transfer or an operation of the class has ended: figures
 * from before say nothing any more, and a pause begins. */
void mbox_policies_disturb(struct mbox_policies *, const char *class_name);

void mbox_policies_run(struct mbox_coordinator *);
void mbox_policies_wait(struct mbox_coordinator *);

/* Appends a line to what mbox/show says of a class, if it has a policy. */
void mbox_policies_put_class(const struct mbox_policies *,
                             const char *class_name, struct ds *);

/* Handler of mbox/policy, see mbox-commands.c. */
char *mbox_command_policy(struct mbox_coordinator *, uint64_t request,
                          const struct mbox_options *, char **out);

#endif /* mbox-policies.h */
