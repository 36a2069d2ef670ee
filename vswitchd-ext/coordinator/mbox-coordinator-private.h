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

#ifndef MBOX_COORDINATOR_PRIVATE_H
#define MBOX_COORDINATOR_PRIVATE_H 1

/* What the parts of the coordinator's thread share.  See mbox-coordinator.h
 * for who owns what. */

#include "mbox-conn.h"
#include "mbox-inspect.h"
#include "mbox-mailbox.h"
#include "mbox-policies.h"
#include "mbox-record.h"
#include "mbox-registry.h"
#include "mbox-resolve.h"
#include "mbox-scales.h"
#include "mbox-transfers.h"
#include "mbox-usage.h"

struct mbox_coordinator {
    struct mbox_mailbox *mailbox;
    uint64_t epoch;             /* Identifies this run. */
    struct mbox_registry registry;
    struct mbox_conns conns;
    struct mbox_transfers transfers;
    struct mbox_inspections inspections;
    struct mbox_records records;
    struct mbox_resolver resolver;
    struct mbox_scales scales;
    struct mbox_policies policies;
    struct mbox_usage usage;
    size_t hold_limit;          /* Bytes, of all held packets together. */
    uint64_t assignments_serial; /* Number of the last state of the
                                  * assignments and records that was sent to
                                  * main. */
    bool assignments_changed;   /* Since then. */
    bool ports_wanted;          /* Set by whoever needs what the ports have
                                 * counted; they are read soon. */
    bool ports_asked;           /* The main thread has not answered yet. */
    long long ports_ms;         /* When it may be asked again. */
    bool exiting;               /* The main thread waits for this one. */
};

/* Reading the ports costs the main thread time for each of them.  So it is
 * asked once for all who want it, not again before it has answered, and not
 * more often than this, in ms. */
#define MBOX_READ_PORTS_MS 100

/* The thread's main function; 'arg' is the mailbox. */
void *mbox_coordinator_main(void *arg);

/* Answers a command. 'serial' is as in struct mbox_mail. Takes 'text'. */
void mbox_coordinator_reply(struct mbox_coordinator *, uint64_t request,
                            bool success, bool json, char *text,
                            uint64_t serial);

/* Sends the assignments and the records to the main thread if they have
 * changed. */
void mbox_coordinator_publish_assignments(struct mbox_coordinator *);

/* Executes a command of unixctl, mbox-commands.c. */
void mbox_command_execute(struct mbox_coordinator *, uint64_t request,
                          const struct svec *argv);

/* What commands share, mbox-commands.c.  Each returns NULL if successful,
 * otherwise an error message that the caller frees. */

/* Parses a flow space, with --one-way. */
char *mbox_command_parse_space(const struct mbox_options *, const char *,
                               struct mbox_space *);
char *mbox_command_find_instance(const struct mbox_coordinator *,
                                 const char *name, struct mbox_instance **);

/* Checks that options that belong to one method come with it. */
char *mbox_command_check_method(const struct mbox_options *);

/* Opens a transfer as 'options' say, but for method and arguments. */
char *mbox_command_open_transfer(struct mbox_coordinator *, enum mbox_method,
                                 const struct mbox_options *, const char *src,
                                 const char *dst, const struct mbox_space *,
                                 struct mbox_open_transfer **);

/* Answers a command that has opened a transfer: when it is done, or with
 * --async at once, by '*out'. */
void mbox_command_answer_later(struct mbox_open_transfer *, uint64_t request,
                               const struct mbox_options *, char **out);

/* mbox/failover, mbox-replica-commands.c. */
char *mbox_command_failover(struct mbox_coordinator *, uint64_t request,
                            const struct mbox_options *, char **out);

/* Assignments as JSON, mbox-assignments.c:
 * {"CLASS": [{"match": "tcp,nw_src=10.0.0.0/24", "instance": "ids2"}, ...]},
 * in order of decreasing precedence. */
struct json *mbox_assignments_to_json(const struct mbox_registry *);

/* The same for the database.  There, several flows of one instance may be one
 * entry: {"flows": "tcp,10.0.0.1:5>10.0.0.2:80 ...", "instance": "ids2"}, as
 * mbox_key_format() writes them.  The caller frees it. */
char *mbox_assignments_to_string(const struct mbox_registry *);

/* Assigns what 's' says, in either form.  Returns NULL, or a message for the
 * caller to free that says what could not be restored. */
char *mbox_assignments_restore(struct mbox_registry *, const char *s);

/* Stores the assignments of a class in '*list', which is initially empty. */
void mbox_assignments_get(const char *class_name,
                          struct mbox_assignments *list);

/* Makes undone what has changed from 'before' to 'after', but not what has
 * changed since. */
void mbox_assignments_undo(const char *class_name,
                           const struct mbox_assignments *before,
                           const struct mbox_assignments *after);

#endif /* mbox-coordinator-private.h */
