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

#include <errno.h>
#include <time.h>

#include "mbox-steer-private.h"

#include "openvswitch/vlog.h"
#include "util.h"

#include "mbox-assign.h"
#include "mbox-inject.h"
#include "mbox-tag.h"
#include "mbox-upcall.h"

VLOG_DEFINE_THIS_MODULE(mbox_steer);

/* Keys handled, and packets sent, for each time the steering mutex is taken:
 * what a PMD may have to wait for. */
#define KEY_BURST 64
#define DRAIN_BURST 32

/* How often new aliases arm an object again while somebody waits for that. */
#define MAX_LATE_ARMS 4

/* Arming. */

atomic_bool mbox_steer_flush_wanted = ATOMIC_VAR_INIT(false);

static struct ovs_mutex flush_mutex = OVS_MUTEX_INITIALIZER;
static size_t n_flush_wanted OVS_GUARDED_BY(flush_mutex) = 0;

static void
want_flush(bool want)
{
    ovs_mutex_lock(&flush_mutex);
    n_flush_wanted += want ? 1 : -1;
    atomic_store_explicit(&mbox_steer_flush_wanted, n_flush_wanted > 0,
                          memory_order_release);
    ovs_mutex_unlock(&flush_mutex);
}

static void
steer_unref(struct mbox_steer *steer)
{
    if (ovs_refcount_unref(&steer->refs) == 1) {
        mbox_aliases_destroy(&steer->aliases);
        free(steer->base);
        free(steer);
    }
}

static void
arm_second_grace_period_over(struct mbox_steer *steer)
{
    unsigned int orig;

    want_flush(false);
    atomic_sub_explicit(&steer->n_arming, 1, &orig, memory_order_release);
    steer_unref(steer);
    mbox_upcall_wake();
}

static void
arm_first_grace_period_over(struct mbox_steer *steer)
{
    ovsrcu_postpone(arm_second_grace_period_over, steer);
}

/* Call after 'steer' was published and the fast generation is 0. */
static void
arm(struct mbox_steer *steer)
{
    unsigned int orig;

    ovs_refcount_ref(&steer->refs);
    atomic_add_explicit(&steer->n_arming, 1, &orig, memory_order_relaxed);
    want_flush(true);
    ovsrcu_postpone(arm_first_grace_period_over, steer);
}

bool
mbox_steer_is_armed(struct mbox_steer *steer)
{
    unsigned int n_arming;

    steer->awaited = true;
    atomic_read_explicit(&steer->n_arming, &n_arming, memory_order_acquire);
    return !n_arming;
}

/* Arms 'steer' again because of a new alias.  Where these keep coming, that
 * would go on for ever, so those that come late are no reason. */
static void
arm_again(struct mbox_steer *steer)
{
    if (!steer->awaited || steer->n_late_arms < MAX_LATE_ARMS) {
        steer->n_late_arms += steer->awaited;
        arm(steer);
    }
}

/* Opening and closing. */

static struct mbox_steer_set *
get_open(const struct mbox_class *class)
    OVS_REQUIRES(mbox_class_mutex)
{
    return ovsrcu_get_protected(struct mbox_steer_set *, &class->open);
}

/* Replaces the class's set of open transfers by one with 'add' and without
 * 'remove', either of which may be NULL. */
static void
replace_open(struct mbox_class *class, struct mbox_steer *add,
             const struct mbox_steer *remove)
    OVS_REQUIRES(mbox_class_mutex)
{
    struct mbox_steer_set *old = get_open(class);
    size_t n_old = old ? old->n : 0;
    struct mbox_steer_set *new
        = xmalloc(sizeof *new + (n_old + 1) * sizeof *new->steers);

    new->n = 0;
    for (size_t i = 0; i < n_old; i++) {
        if (old->steers[i] != remove) {
            new->steers[new->n++] = old->steers[i];
        }
    }
    if (add) {
        new->steers[new->n++] = add;
    }
    class->n_open = new->n;
    if (!new->n) {
        free(new);
        new = NULL;
    }
    ovsrcu_set(&class->open, new);
    mbox_class_update_fast_gen(class);
    if (old) {
        ovsrcu_postpone(free, old);
    }
}

int
mbox_steer_open(const char *class_name, uint32_t id,
                const struct mbox_space *space,
                const char *src_name, const char *dst_name,
                struct mbox_steer **steerp)
{
    struct mbox_class *class;
    int error = 0;

    *steerp = NULL;
    class = mbox_class_from_name(class_name);
    if (!class) {
        return -ENODEV;
    }

    ovs_mutex_lock(&mbox_class_mutex);
    const struct mbox_class_view *view = mbox_class_get_view(class);
    const struct mbox_class_member *src
        = mbox_class_view_find(view, NULL, src_name);
    const struct mbox_class_member *dst
        = mbox_class_view_find(view, NULL, dst_name);
    const struct mbox_steer_set *open = get_open(class);

    if (!src || !dst) {
        error = -ENODEV;
    } else if (src == dst) {
        error = -EINVAL;
    } else if (strcmp(src->port.dp_name, dst->port.dp_name)) {
        error = -EXDEV;
    }
    for (size_t i = 0; open && i < open->n && !error; i++) {
        if (mbox_space_overlaps(&open->steers[i]->space, space)) {
            error = -EEXIST;
        }
    }
    if (!error) {
        error = mbox_move_space(class, view, src->port.dp_name, space,
                                src_name, dst_name, false, 0);
    }

    if (!error) {
        struct mbox_steer *steer = xzalloc(sizeof *steer);

        steer->class = class;
        steer->id = id;
        steer->space = *space;
        steer->has_ports = mbox_space_has_ports(space);
        ovs_strzcpy(steer->src, src_name, sizeof steer->src);
        ovs_strzcpy(steer->dst, dst_name, sizeof steer->dst);
        ovs_strzcpy(steer->dp_name, src->port.dp_name, sizeof steer->dp_name);
        steer->base = mbox_class_view_clone(view);
        steer->base_port = src->port.odp_port;
        ovs_refcount_init(&steer->refs);
        atomic_init(&steer->n_arming, 0);
        mbox_aliases_init(&steer->aliases);

        ovs_mutex_lock(&class->steer_mutex);
        steer->mode = MBOX_STEER_PASS;
        steer->src_port = src->port.odp_port;
        steer->dst_port = dst->port.odp_port;
        mbox_hold_init(&steer->hold);
        ovs_mutex_unlock(&class->steer_mutex);

        replace_open(class, steer, NULL);
        arm(steer);
        *steerp = steer;
    }
    ovs_mutex_unlock(&mbox_class_mutex);
    return error;
}

int
mbox_steer_add_aliases(struct mbox_steer *steer, const struct mbox_key *keys,
                       size_t n)
{
    bool changed = false;
    int error = 0;

    for (size_t i = 0; i < n; i++) {
        struct mbox_key key;

        mbox_key_canonical(&keys[i], &key);
        if (mbox_space_contains(&steer->space, &keys[i])
            || mbox_aliases_contain(&steer->aliases, &key)) {
            continue;
        } else if (mbox_aliases_count(&steer->aliases) >= MBOX_ALIASES_MAX) {
            error = -E2BIG;
            break;
        }
        changed |= mbox_aliases_add(&steer->aliases, &key);
    }

    ovs_mutex_lock(&steer->class->steer_mutex);
    bool pass = steer->mode == MBOX_STEER_PASS;
    ovs_mutex_unlock(&steer->class->steer_mutex);
    if (changed && pass) {
        arm_again(steer);
    }
    return error;
}

bool
mbox_steer_has_alias(const struct mbox_steer *steer,
                     const struct mbox_key *key)
{
    struct mbox_key canonical;

    mbox_key_canonical(key, &canonical);
    return mbox_aliases_contain(&steer->aliases, &canonical);
}

bool
mbox_steer_has_key(const struct mbox_steer *steer, const struct mbox_key *key)
{
    return (mbox_space_has_flow(&steer->space, key)
            || mbox_steer_has_alias(steer, key));
}

void
mbox_steer_assign(struct mbox_steer *steer, enum mbox_select select,
                  struct mbox_key *keys, size_t n)
{
    struct mbox_class *class = steer->class;
    const struct mbox_class_view *base = steer->base;
    bool all = select == MBOX_SELECT_ALL_EXCEPT;

    ovs_mutex_lock(&mbox_class_mutex);
    ovs_version_t version = mbox_assign_begin(class);
    if (all) {
        mbox_move_space(class, base, steer->dp_name, &steer->space,
                        steer->src, steer->dst, true, version);

        size_t n_aliases;
        struct mbox_key *aliases = mbox_aliases_except(&steer->aliases, keys,
                                                       n, &n_aliases);
        mbox_move_keys(class, base, steer->dp_name, aliases, n_aliases,
                       steer->src, steer->dst, version);
        free(aliases);
    }
    mbox_move_keys(class, base, steer->dp_name, keys, n, steer->src,
                   all ? steer->src : steer->dst, version);
    mbox_assign_publish(class);
    ovs_mutex_unlock(&mbox_class_mutex);
}

void
mbox_steer_close(struct mbox_steer *steer)
{
    struct mbox_class *class = steer->class;
    size_t n_lost;

    ovs_mutex_lock(&mbox_class_mutex);
    ovs_mutex_lock(&class->steer_mutex);
    steer->closed = true;
    ovs_mutex_unlock(&class->steer_mutex);

    /* No other thread looks at it any more, and with many flows this takes
     * longer than a PMD should wait. */
    n_lost = mbox_hold_destroy(&steer->hold);

    replace_open(class, NULL, steer);
    mbox_class_reclaim_rules(class);
    ovs_mutex_unlock(&mbox_class_mutex);

    if (n_lost) {
        uint64_t orig;

        VLOG_ERR("%s: transfer %"PRIu32" ended with %"PRIuSIZE" packets "
                 "held, which are lost", class->name, steer->id, n_lost);
        atomic_add_relaxed(&class->n_dropped, n_lost, &orig);
    }
    ovsrcu_postpone(steer_unref, steer);
}

ovs_version_t
mbox_steer_oldest_version(const struct mbox_class *class)
{
    const struct mbox_steer_set *open = get_open(class);
    ovs_version_t oldest = OVS_VERSION_MAX;

    for (size_t i = 0; open && i < open->n; i++) {
        oldest = MIN(oldest, open->steers[i]->base->version);
    }
    return oldest;
}

static odp_port_t
find_port(const struct mbox_class_view *view, const struct mbox_steer *steer,
          const char *instance)
{
    const struct mbox_class_member *member
        = mbox_class_view_find(view, steer->dp_name, instance);

    return member ? member->port.odp_port : ODPP_NONE;
}

void
mbox_steer_update_ports(struct mbox_class *class)
{
    const struct mbox_class_view *view = mbox_class_get_view(class);
    const struct mbox_steer_set *open = get_open(class);

    for (size_t i = 0; open && i < open->n; i++) {
        struct mbox_steer *steer = open->steers[i];

        ovs_mutex_lock(&class->steer_mutex);
        steer->src_port = find_port(view, steer, steer->src);
        steer->dst_port = find_port(view, steer, steer->dst);
        ovs_mutex_unlock(&class->steer_mutex);
    }
}

/* Deciding. */

enum mbox_steer_fate
mbox_steer_decide(const struct mbox_steer *steer, const struct mbox_key *key,
                  bool *dup)
{
    bool to_source = steer->to_source;

    *dup = false;
    switch (mbox_hold_get(&steer->hold, key, &to_source)) {
    case MBOX_HOLD_HELD:
    case MBOX_HOLD_DRAINING:
        return MBOX_FATE_HOLD;

    case MBOX_HOLD_RELEASED:
        return to_source ? MBOX_FATE_SOURCE : MBOX_FATE_TARGET;

    case MBOX_HOLD_NONE:
        break;
    }

    switch (steer->mode) {
    case MBOX_STEER_PASS:
        return MBOX_FATE_SOURCE;

    case MBOX_STEER_DUP:
        *dup = true;
        return MBOX_FATE_SOURCE;

    case MBOX_STEER_HOLD:
        return MBOX_FATE_HOLD;

    case MBOX_STEER_DROP:
        return MBOX_FATE_DROP;

    case MBOX_STEER_TARGET:
        return to_source ? MBOX_FATE_SOURCE : MBOX_FATE_TARGET;
    }
    OVS_NOT_REACHED();
}

static uint64_t
now_ns(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * UINT64_C(1000000000) + ts.tv_nsec;
}

void
mbox_steer_hold(struct mbox_steer *steer, const struct mbox_key *key,
                const struct dp_packet *packet)
{
    mbox_hold_push(&steer->hold, key, packet, now_ns());
    if (!steer->told_high && mbox_hold_is_high()) {
        steer->told_high = true;
        mbox_upcall_wake();
    }
}

/* Modes and releases. */

void
mbox_steer_set_mode(struct mbox_steer *steer, enum mbox_steer_mode mode)
{
    if (mode != MBOX_STEER_PASS) {
        ovs_assert(mbox_steer_is_armed(steer));
        mbox_inject_flush(steer->dp_name);
    }

    ovs_mutex_lock(&steer->class->steer_mutex);
    if (mode == MBOX_STEER_HOLD) {
        mbox_hold_take_back(&steer->hold);
    }
    steer->mode = mode;
    ovs_mutex_unlock(&steer->class->steer_mutex);
}

/* Keeps or releases 'keys', a few at a time so that no PMD waits long.  Order
 * does not matter: the flows are independent. */
static void
for_keys(struct mbox_steer *steer, const struct mbox_key *keys, size_t n,
         bool keep, bool to_source)
{
    for (size_t i = 0; i < n; ) {
        ovs_mutex_lock(&steer->class->steer_mutex);
        bool create = steer->mode != MBOX_STEER_TARGET;
        for (size_t j = 0; j < KEY_BURST && i < n; i++, j++) {
            struct mbox_key key;

            mbox_key_canonical(&keys[i], &key);
            if (keep) {
                mbox_hold_keep(&steer->hold, &key, create);
            } else {
                mbox_hold_release(&steer->hold, &key, to_source, create);
            }
        }
        ovs_mutex_unlock(&steer->class->steer_mutex);
    }
}

void
mbox_steer_release(struct mbox_steer *steer, enum mbox_select select,
                   const struct mbox_key *keys, size_t n, bool to_source)
{
    for_keys(steer, keys, n, select == MBOX_SELECT_ALL_EXCEPT, to_source);
    if (select == MBOX_SELECT_ALL_EXCEPT) {
        ovs_mutex_lock(&steer->class->steer_mutex);
        mbox_hold_release_all(&steer->hold, to_source);
        if (steer->mode != MBOX_STEER_TARGET) {
            steer->mode = MBOX_STEER_TARGET;
            steer->to_source = to_source;
        }
        ovs_mutex_unlock(&steer->class->steer_mutex);
    }
}

void
mbox_steer_hold_packet(struct mbox_steer *steer, struct dp_packet *packet)
{
    odp_port_t port = ODPP_NONE;
    struct mbox_key key;
    bool dup;

    mbox_key_extract(dp_packet_data(packet), dp_packet_size(packet), &key,
                     NULL);
    mbox_key_canonical(&key, &key);

    ovs_mutex_lock(&steer->class->steer_mutex);
    switch (mbox_steer_decide(steer, &key, &dup)) {
    case MBOX_FATE_SOURCE:
        port = steer->src_port;
        steer->n_dropped += port == ODPP_NONE;
        break;

    case MBOX_FATE_TARGET:
        port = steer->dst_port;
        steer->n_dropped += port == ODPP_NONE;
        break;

    case MBOX_FATE_HOLD:
        mbox_steer_hold(steer, &key, packet);
        break;

    case MBOX_FATE_DROP:
        steer->n_dropped++;
        break;
    }
    ovs_mutex_unlock(&steer->class->steer_mutex);

    if (port != ODPP_NONE) {
        mbox_inject(steer->dp_name, 1, &packet, &port);
    } else {
        dp_packet_delete(packet);
    }
}

/* Sending. */

size_t
mbox_steer_drain(struct mbox_steer *steer, size_t max)
{
    size_t n = 0;

    while (n < max) {
        struct dp_packet *packets[DRAIN_BURST];
        odp_port_t ports[DRAIN_BURST];
        bool to_source[DRAIN_BURST];
        size_t n_popped;

        ovs_mutex_lock(&steer->class->steer_mutex);
        n_popped = mbox_hold_pop(&steer->hold, MIN(max - n, DRAIN_BURST),
                                 now_ns(), packets, to_source);
        for (size_t i = 0; i < n_popped; i++) {
            ports[i] = to_source[i] ? steer->src_port : steer->dst_port;
            steer->n_dropped += ports[i] == ODPP_NONE;
        }
        ovs_mutex_unlock(&steer->class->steer_mutex);

        if (!n_popped) {
            break;
        }
        mbox_inject(steer->dp_name, n_popped, packets, ports);
        n += n_popped;
    }
    return n;
}

bool
mbox_steer_is_drained(const struct mbox_steer *steer)
{
    bool drained;

    ovs_mutex_lock(&steer->class->steer_mutex);
    drained = mbox_hold_is_drained(&steer->hold);
    ovs_mutex_unlock(&steer->class->steer_mutex);
    return drained;
}

int
mbox_steer_send(const char *class_name, const char *instance,
                struct dp_packet *packet)
{
    const struct mbox_class *class = mbox_class_from_name(class_name);
    const struct mbox_class_member *member = NULL;

    if (class) {
        member = mbox_class_view_find(mbox_class_get_view(class), NULL,
                                      instance);
    }
    if (!member) {
        dp_packet_delete(packet);
        return -ENODEV;
    }
    return mbox_inject(member->port.dp_name, 1, &packet,
                       &member->port.odp_port);
}

int
mbox_steer_send_tracer(const char *class_name, const char *instance,
                       enum mbox_tag_kind kind, uint32_t id, uint32_t seq)
{
    const struct mbox_class *class = mbox_class_from_name(class_name);
    const struct mbox_class_member *member = NULL;

    if (class) {
        member = mbox_class_view_find(mbox_class_get_view(class), NULL,
                                      instance);
    }
    if (!member) {
        return -ENODEV;
    }

    const struct mbox_tag tag = { .kind = kind, .id = id, .seq = seq };
    struct dp_packet *packet = dp_packet_new(MBOX_TRACER_LEN);

    mbox_tag_make_tracer(dp_packet_put_uninit(packet, MBOX_TRACER_LEN),
                         member->port.mac.ea, member->port.mac.ea, &tag);
    return mbox_inject(member->port.dp_name, 1, &packet,
                       &member->port.odp_port);
}

/* Limits and figures. */

void
mbox_steer_set_limits(size_t limit_bytes, size_t limit_packets)
{
    mbox_hold_set_limits(limit_bytes, limit_packets);
}

size_t
mbox_steer_get_held_bytes(void)
{
    return mbox_hold_get_bytes();
}

size_t
mbox_steer_get_held_packets(void)
{
    return mbox_hold_get_packets();
}

bool
mbox_steer_is_over_limit(const struct mbox_steer *steer)
{
    bool over;

    ovs_mutex_lock(&steer->class->steer_mutex);
    over = (steer->hold.n_overflow
            || (steer->hold.cur_held && mbox_hold_is_high()));
    ovs_mutex_unlock(&steer->class->steer_mutex);
    return over;
}

void
mbox_steer_get_stats(const struct mbox_steer *steer,
                     struct mbox_steer_stats *stats)
{
    ovs_mutex_lock(&steer->class->steer_mutex);
    const struct mbox_hold *hold = &steer->hold;

    *stats = (struct mbox_steer_stats) {
        .n_packets = steer->n_packets,
        .n_held = hold->n_held,
        .held_bytes = hold->held_bytes,
        .cur_held = hold->cur_held,
        .cur_bytes = hold->cur_bytes,
        .max_bytes = hold->max_bytes,
        .n_drained = hold->n_popped,
        .n_dup = steer->n_dup,
        .n_dropped = steer->n_dropped,
        .n_overflow = hold->n_overflow,
        .n_flows_held = hold->n_flows_held,
        .hold_max_ns = hold->max_ns,
        .hold_sum_ns = hold->sum_ns,
    };
    BUILD_ASSERT(sizeof stats->hold_histogram == sizeof hold->histogram);
    memcpy(stats->hold_histogram, hold->histogram,
           sizeof stats->hold_histogram);
    ovs_mutex_unlock(&steer->class->steer_mutex);
}
