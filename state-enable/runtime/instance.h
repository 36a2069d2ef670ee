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

#ifndef STATE_INSTANCE_H
#define STATE_INSTANCE_H 1

/* The program as an instance of libmbox
 * =====================================
 *
 * If MBOX_NAME is in the environment when the program starts, its packets come
 * through libmbox and its state can be moved.  If not, nothing here does
 * anything. */

#include <stdbool.h>
#include <stdint.h>
#include "program-tables.h"

/* Written by mbox-state-gen. */
extern const struct st_program mbox_state_program;

/* The form of what st_get() writes.  Whether the programs are alike, each
 * chunk tells, so that the one that refuses can name what differs. */
#define ST_SCHEMA UINT64_C(0x7374617465000003)

struct st_instance;

/* A packet of the program; valid during the call. */
typedef void st_packet_fn(void *aux, const uint8_t *frame, size_t len,
                          uint64_t monotonic_ns);

/* The same for a program that gets what is in its packets from the kernel, and
 * so after the step in which they come.  Returns whether the packet is the
 * program's; if not, it passes on. */
struct mbox_packet;
typedef bool st_take_fn(void *aux, const struct mbox_packet *);

bool st_instance_is_wanted(void);

/* Opens the port of MBOX_PORT, by default the network interface.  Returns NULL
 * with a message in '*error', which is to be freed. */
struct st_instance *st_instance_open(const char *interface, st_packet_fn *,
                                     void *aux, char **error);
struct st_instance *st_instance_open_later(st_take_fn *, void *aux,
                                           char **error);
void st_instance_close(struct st_instance *);

/* Waits for at most 'ns' for packets or what the coordinator asks, and does
 * what there is.  Returns 0 or a negative errno value. */
int st_instance_step(struct st_instance *, uint64_t ns);

/* A descriptor that is readable when there is something to do. */
int st_instance_fd(const struct st_instance *);

int st_instance_send(struct st_instance *, const void *frame, size_t);
void st_instance_stats(const struct st_instance *, uint64_t *received,
                       uint64_t *dropped);

#endif /* instance.h */
