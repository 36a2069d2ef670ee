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

#ifndef MBOX_UPCALL_H
#define MBOX_UPCALL_H 1

/* Packets and news for the coordinator
 * ====================================
 *
 * A queue from every thread that runs datapath actions to the one thread that
 * calls mbox_steer_recv() and mbox_steer_wait() (mbox-steer.h).  Lock-free for
 * the producers, bounded, and without a system call for each packet: the
 * consumer is woken up only if it is about to sleep. */

#include "mbox-steer.h"

/* Appends a copy of 'packet'.  If the queue is full that is lost, and counted.
 * 'port' and 'dp_name' are where it came in, for INGRESS. */
void mbox_upcall_send(enum mbox_upcall_reason, uint32_t id, odp_port_t port,
                      const char *dp_name, const struct dp_packet *packet);

/* Makes mbox_steer_wait() wake up once. */
void mbox_upcall_wake(void);

#endif /* mbox-upcall.h */
