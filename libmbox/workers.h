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

#ifndef MB_WORKERS_H
#define MB_WORKERS_H 1

/* Several workers
 * ===============
 *
 * The I/O thread hands packets to workers through one ring each, and gets them
 * back, processed, through another: it alone reads, sends and frees packets,
 * so ports and transfers need no locks.  A worker's packets stay in order.
 * With one worker none of this exists. */

#include "dirty.h"
#include "mbox.h"
#include "packet.h"

struct mb_workers;

/* Room in each direction of each worker. */
#define MB_RING_SIZE 1024

/* Starts 'n' workers.  'wake_fd' (an eventfd) is written when a packet waits
 * for mb_workers_collect() after mb_workers_prepare_sleep().  Workers do not
 * call 'tick' while '*n_frozen' (atomic) is not 0.  Returns null if threads or
 * memory are short. */
struct mb_workers *mb_workers_start(unsigned int n, unsigned int n_ports,
                                    const struct mbox_ops *ops, void *aux,
                                    struct mb_tracker **trackers,
                                    int wake_fd,
                                    const unsigned int *n_frozen);

/* Stops them; what is still queued is not processed, but freed. */
void mb_workers_stop(struct mb_workers *);

/* Hands 'packet' to 'worker', which may notice only at the next
 * mb_workers_kick().  Returns false if its ring is full. */
bool mb_workers_push(struct mb_workers *, unsigned int worker,
                     struct mb_packet *packet);

/* Wakes the workers that were given packets since the last call. */
void mb_workers_kick(struct mb_workers *);

/* Returns the next packet that comes back, or null. */
struct mb_packet *mb_workers_collect(struct mb_workers *);

/* True if every packet that was pushed has been processed.  What came back
 * before can then be collected. */
bool mb_workers_are_idle(const struct mb_workers *);

/* Has 'worker' run 'fn' before its next packet; then mb_workers_is_called()
 * until it has.  One call at a time. */
void mb_workers_call(struct mb_workers *, unsigned int worker,
                     void (*fn)(void *), void *arg);
bool mb_workers_is_called(const struct mb_workers *, unsigned int worker);

/* From a worker: gives 'packet' to the I/O thread, to be sent.  Returns false
 * if the ring is full. */
bool mb_workers_give(struct mb_workers *, unsigned int worker,
                     struct mb_packet *packet);

/* The I/O thread is about to sleep, or awake again.  Returns false, and it
 * must not sleep, if something waits to be collected. */
bool mb_workers_prepare_sleep(struct mb_workers *);
void mb_workers_awake(struct mb_workers *);

#endif /* workers.h */
