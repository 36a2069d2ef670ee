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

#ifndef MBOX_SCALES_H
#define MBOX_SCALES_H 1

/* Open operations of scaling, and past ones
 * =========================================
 *
 * Binds each operation's state machine (mbox-scale.h) to the class's
 * instantiator (mbox-instantiator.h), the registry, the transfers and the
 * database.  There is at most one operation for each class at a time.
 *
 * Coordinator thread only. */

#include "openvswitch/list.h"

#include "mbox-options.h"
#include "mbox-scale.h"
#include "svec.h"

struct ds;
struct json;
struct mbox_coordinator;
struct mbox_instance;
struct mbox_instantiator;

#define MBOX_SCALES_MAX_PAST 100

/* Key of external_ids: instances that may have to be removed, as
 * "CLASS/INSTANCE", separated by spaces. */
#define MBOX_SCALE_KEY "mbox-scale"

struct mbox_scale_op {
    struct ovs_list node;       /* In 'open' or 'past'. */
    struct mbox_coordinator *coordinator;
    struct mbox_scale_request request;
    struct mbox_scale *scale;
    char class_name[MBOX_NAME_MAX + 1];
    char instance[MBOX_NAME_MAX + 1];   /* Comes, or goes. */
    char peer[MBOX_NAME_MAX + 1];       /* Where flows come from, or go to;
                                         * "" if none. */
    struct mbox_space space;    /* To be moved. */
    struct mbox_options options; /* Of its move; 'args' is empty. */

    char *program;              /* Path of the instantiator, NULL if ... */
    char *program_error;        /* ... there is none, because of this. */
    struct svec env;            /* For it. */
    struct mbox_instantiator *instantiator;     /* Runs, or NULL. */

    uint32_t transfer;          /* The last one; 0 if there was none. */
    uint64_t n_flows;           /* That it moved. */
    bool recorded;
    uint64_t record_serial;     /* Of the state that has the record. */
    struct ovs_list waiters;    /* "struct mbox_waiter"s. */
};

struct mbox_scales {
    struct ovs_list open;       /* "struct mbox_scale_op"s. */
    struct ovs_list past;       /* Likewise, newest first. */
    size_t n_past;
    bool changed;               /* The records, since they were written. */
};

void mbox_scales_init(struct mbox_scales *);

/* Kills instantiators that run.  Leaves the records as they are. */
void mbox_scales_destroy(struct mbox_coordinator *);

/* Starts to remove what 's', the records of an earlier run, names. */
void mbox_scales_restore(struct mbox_coordinator *, const char *s);

/* Formats the records for the database.  The caller frees it. */
char *mbox_scales_format_records(const struct mbox_scales *);

void mbox_scales_run(struct mbox_coordinator *);
void mbox_scales_wait(struct mbox_coordinator *);

/* The open operation, otherwise the last one, on 'instance'; or NULL. */
struct mbox_scale_op *mbox_scales_find(const struct mbox_scales *,
                                       const char *instance);

/* Returns an error message, which the caller frees, if 'instance' is just
 * being created or removed. */
char *mbox_scales_check_free(const struct mbox_scales *, const char *instance);

/* Returns an error message, which the caller frees, if an instance of the
 * class is just being created or removed. */
char *mbox_scales_check_class(const struct mbox_scales *,
                              const char *class_name);

/* True if any flow is assigned to 'instance'. */
bool mbox_scale_has_flows(const char *class_name, const char *instance);

/* True if flows without assignment go to 'instance', or may. */
bool mbox_scale_is_default(const struct mbox_coordinator *,
                           const struct mbox_instance *);

/* Narrows 'space' to the 'share'th of 'share_of' equal parts of the source
 * addresses, by their lowest bits; 'share_of' is a power of two, up to 128.
 * Returns NULL, or an error message that the caller frees. */
char *mbox_scale_take_share(unsigned int share, unsigned int share_of,
                            struct mbox_space *);

/* Handlers of the commands, see mbox-commands.c. */
char *mbox_command_scale_out(struct mbox_coordinator *, uint64_t request,
                             const struct mbox_options *, char **out);
char *mbox_command_scale_in(struct mbox_coordinator *, uint64_t request,
                            const struct mbox_options *, char **out);

/* Makes an operation, of which the caller fills in 'request', 'space' and
 * 'options', and then starts or destroys it. */
struct mbox_scale_op *mbox_scale_op_create(struct mbox_coordinator *,
                                           const char *class_name,
                                           const char *instance,
                                           const char *peer);
void mbox_scale_op_start(struct mbox_scale_op *);
void mbox_scale_op_destroy(struct mbox_scale_op *);

/* Adds a command that is answered when the operation is done.  It has
 * succeeded if the operation has, or, with 'cancels', if it has not. */
void mbox_scale_op_add_waiter(struct mbox_scale_op *, uint64_t request,
                              bool json, bool cancels);
void mbox_scale_op_cancel(struct mbox_scale_op *, const char *why);
bool mbox_scale_op_is_open(const struct mbox_scale_op *);

/* What commands answer: a report; and for mbox/list and mbox/show the open
 * operations, as lines or an array. */
char *mbox_scale_op_show(const struct mbox_scale_op *, bool json);
void mbox_scales_put_open(const struct mbox_scales *, struct ds *);
struct json *mbox_scales_to_json(const struct mbox_scales *);

#endif /* mbox-scales.h */
