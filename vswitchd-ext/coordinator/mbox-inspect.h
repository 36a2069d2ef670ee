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

#ifndef MBOX_INSPECT_H
#define MBOX_INSPECT_H 1

/* Looking at an instance's state
 * ==============================
 *
 * The command mbox/state has an instance export its state, as if for a copy,
 * to the coordinator itself, which gives it to the user and then aborts the
 * copy.  To the instance that is a source of a transfer with MBOX_OPT_INSPECT:
 * it changes nothing, and may overlap with any other.
 *
 * Coordinator thread only. */

#include <stdbool.h>
#include <stdint.h>
#include "openvswitch/list.h"

struct mbox_conn;
struct mbox_coordinator;
struct mbox_instance;
struct mbox_msg;
struct mbox_options;
struct mbox_space;

/* Most bytes of state of one answer, so that nothing else waits long while it
 * is written, and most inspections at a time.  So many of one instance may
 * also be over and wait for it to end. */
#define MBOX_INSPECT_BYTES (4 * 1024 * 1024)
#define MBOX_INSPECT_MAX 8

struct mbox_inspections {
    struct ovs_list list;       /* "struct mbox_inspection"s. */
};

void mbox_inspections_init(struct mbox_inspections *);
void mbox_inspections_destroy(struct mbox_inspections *);

/* Answers 'request' later with the state of 'space' and 'scopes' at the live
 * instance, as the options 'output', 'layout' and 'timeout' say.  Returns
 * NULL, or an error message for the caller to free. */
char *mbox_inspect(struct mbox_coordinator *, uint64_t request,
                   const struct mbox_instance *, uint32_t scopes,
                   const struct mbox_space *, const struct mbox_options *);

/* Takes a message with a transfer's id.  Returns false if it is none of an
 * inspection. */
bool mbox_inspections_recv(struct mbox_coordinator *, struct mbox_conn *,
                           const struct mbox_msg *);
void mbox_inspections_agent_lost(struct mbox_coordinator *,
                                 struct mbox_conn *, const char *why);

/* Ends those whose time is over. */
void mbox_inspections_run(struct mbox_coordinator *);
void mbox_inspections_wait(struct mbox_coordinator *);

#endif /* mbox-inspect.h */
