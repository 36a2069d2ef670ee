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

#include <config.h>

#include "mbox-upcall.h"

#include "coverage.h"
#include "latch.h"
#include "mpsc-queue.h"
#include "openvswitch/poll-loop.h"
#include "ovs-thread.h"

COVERAGE_DEFINE(mbox_upcall);
COVERAGE_DEFINE(mbox_upcall_overflow);

/* Bounds of the queue.  Duplicates and returned packets are what a transfer
 * has in flight for some milliseconds. */
#define MAX_PACKETS (64 * 1024)
#define MAX_BYTES (64 * 1024 * 1024)

static struct mpsc_queue queue = MPSC_QUEUE_INITIALIZER(&queue);
static atomic_size_t n_packets = ATOMIC_VAR_INIT(0);
static atomic_size_t n_bytes = ATOMIC_VAR_INIT(0);

/* Sleep and wake-up: the consumer sets 'idle', then looks at 'news' and at the
 * queue; a producer appends or sets 'news', then looks at 'idle'.  Fences
 * between the two steps of each make at least one of them see the other. */
static atomic_bool idle = ATOMIC_VAR_INIT(false);
static atomic_bool news = ATOMIC_VAR_INIT(false);

static struct latch *
wake_latch(void)
{
    static struct ovsthread_once once = OVSTHREAD_ONCE_INITIALIZER;
    static struct latch latch;

    if (ovsthread_once_start(&once)) {
        latch_init(&latch);
        ovsthread_once_done(&once);
    }
    return &latch;
}

static void
wake_if_idle(void)
{
    bool was_idle;

    atomic_thread_fence(memory_order_seq_cst);
    atomic_read_relaxed(&idle, &was_idle);
    if (was_idle) {
        bool expected = true;

        if (atomic_compare_exchange_strong(&idle, &expected, false)) {
            latch_set(wake_latch());
        }
    }
}

void
mbox_upcall_wake(void)
{
    atomic_store_relaxed(&news, true);
    wake_if_idle();
}

static size_t
upcall_bytes(const struct dp_packet *packet)
{
    return (sizeof(struct mbox_upcall) + sizeof *packet
            + dp_packet_size(packet));
}

static void
unreserve(size_t bytes)
{
    size_t orig;

    atomic_sub_relaxed(&n_packets, 1, &orig);
    atomic_sub_relaxed(&n_bytes, bytes, &orig);
}

static bool
reserve(size_t bytes)
{
    size_t old_packets, old_bytes;

    atomic_add_relaxed(&n_packets, 1, &old_packets);
    atomic_add_relaxed(&n_bytes, bytes, &old_bytes);
    if (old_packets >= MAX_PACKETS || old_bytes + bytes > MAX_BYTES) {
        unreserve(bytes);
        return false;
    }
    return true;
}

void
mbox_upcall_send(enum mbox_upcall_reason reason, uint32_t id, odp_port_t port,
                 const char *dp_name, const struct dp_packet *packet)
{
    if (!reserve(upcall_bytes(packet))) {
        COVERAGE_INC(mbox_upcall_overflow);
        mbox_upcall_wake();
        return;
    }

    struct mbox_upcall *upcall = xzalloc(sizeof *upcall);
    upcall->reason = reason;
    upcall->id = id;
    upcall->port = port;
    ovs_strzcpy(upcall->dp_name, dp_name, sizeof upcall->dp_name);
    upcall->packet = dp_packet_clone(packet);

    COVERAGE_INC(mbox_upcall);
    mpsc_queue_insert(&queue, &upcall->node);
    wake_if_idle();
}

struct mbox_upcall *
mbox_steer_recv(void)
{
    struct mpsc_queue_node *node;

    mpsc_queue_acquire(&queue);
    node = mpsc_queue_pop(&queue);
    mpsc_queue_release(&queue);
    if (!node) {
        return NULL;
    }

    struct mbox_upcall *upcall = CONTAINER_OF(node, struct mbox_upcall, node);
    unreserve(upcall_bytes(upcall->packet));
    return upcall;
}

void
mbox_upcall_destroy(struct mbox_upcall *upcall)
{
    if (upcall) {
        dp_packet_delete(upcall->packet);
        free(upcall);
    }
}

void
mbox_steer_wait(void)
{
    struct latch *latch = wake_latch();
    bool has_news;
    bool is_empty;

    latch_poll(latch);
    atomic_store_relaxed(&idle, true);
    atomic_thread_fence(memory_order_seq_cst);

    atomic_read_relaxed(&news, &has_news);
    mpsc_queue_acquire(&queue);
    is_empty = !mpsc_queue_tail(&queue);
    mpsc_queue_release(&queue);
    if (has_news || !is_empty) {
        atomic_store_relaxed(&idle, false);
        atomic_store_relaxed(&news, false);
        poll_immediate_wake();
    } else {
        latch_wait(latch);
    }
}
