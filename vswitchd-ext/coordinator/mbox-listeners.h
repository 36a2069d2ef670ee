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

#ifndef MBOX_LISTENERS_H
#define MBOX_LISTENERS_H 1

/* Where agents connect to
 * =======================
 *
 * The addresses that the configuration names, and always the socket in Open
 * vSwitch's run directory.  One that cannot be opened is tried again, and does
 * not disturb the others.
 *
 * Coordinator thread only. */

#include <stddef.h>

#include "openvswitch/shash.h"

struct ds;
struct mbox_channel;
struct mbox_config;

struct mbox_listeners {
    struct shash all;           /* By address; "struct mbox_listener_state". */
};

void mbox_listeners_init(struct mbox_listeners *);
void mbox_listeners_destroy(struct mbox_listeners *);

/* Opens and closes listeners as 'config' says. */
void mbox_listeners_configure(struct mbox_listeners *,
                              const struct mbox_config *);

/* Calls 'accepted' for new connections, which become its own: at most 'max' of
 * each listener.  Tries again what could not be opened. */
void mbox_listeners_run(struct mbox_listeners *, size_t max,
                        void (*accepted)(void *aux, struct mbox_channel *),
                        void *aux);
void mbox_listeners_wait(const struct mbox_listeners *);

void mbox_listeners_format(const struct mbox_listeners *, struct ds *);

#endif /* mbox-listeners.h */
