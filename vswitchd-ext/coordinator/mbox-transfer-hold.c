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
#include "mbox-transfer-private.h"

#include <limits.h>

#include "openvswitch/vlog.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_transfer_hold);

static struct vlog_rate_limit rl = VLOG_RATE_LIMIT_INIT(5, 20);

/* Releases. */

bool
mbox_hold_all_released(const struct mbox_transfer *t)
{
    return t->rest_released && !mbox_key_set_count(&t->keys);
}

/* Keeps in 'keys' those of the '*n' that are not released to D yet, and
 * records that they are now. */
static void
mbox_hold_mark_released(struct mbox_transfer *t, struct mbox_key *keys,
                        size_t *n)
{
    size_t n_new = 0;

    for (size_t i = 0; i < *n; i++) {
        if (t->rest_released
            ? mbox_key_set_remove(&t->keys, &keys[i])
            : mbox_key_set_add(&t->keys, &keys[i])) {
            keys[n_new++] = keys[i];
        }
    }
    *n = n_new;
}

/* Records that everything is released to D, except those of the 'n' 'keys'
 * that were not released before. */
static void
mbox_hold_mark_rest_released(struct mbox_transfer *t,
                             const struct mbox_key *keys, size_t n)
{
    struct mbox_key_set held;

    mbox_key_set_init(&held);
    for (size_t i = 0; i < n; i++) {
        if (mbox_key_set_contains(&t->keys, &keys[i]) == t->rest_released) {
            mbox_key_set_add(&held, &keys[i]);
        }
    }
    mbox_key_set_swap(&t->keys, &held);
    mbox_key_set_destroy(&held);
    t->rest_released = true;
}

static void
mbox_hold_release(struct mbox_transfer *t, enum mbox_select select,
                  struct mbox_key *keys, size_t n)
{
    if (select == MBOX_SELECT_KEYS) {
        mbox_hold_mark_released(t, keys, &n);
        if (n) {
            t->any_released = true;
            t->ops->dp_release(t->aux, select, keys, n, false);
        }
    } else if (!mbox_hold_all_released(t)) {
        mbox_hold_mark_rest_released(t, keys, n);

        struct mbox_key *held = mbox_key_set_array(&t->keys);
        t->any_released = true;
        t->ops->dp_release(t->aux, select, held,
                           mbox_key_set_count(&t->keys), false);
        t->mode = MBOX_TRANSFER_TARGET;
        free(held);
    }
    if (mbox_hold_all_released(t) && t->hold_end_us < 0) {
        t->hold_end_us = t->now_us;
    }
}

void
mbox_transfer_release_all(struct mbox_transfer *t)
{
    mbox_hold_release(t, MBOX_SELECT_ALL_EXCEPT, NULL, 0);
}

/* Leaves out those of the 'n' keys that are none of the transfer's, which is
 * not D's to say anything of.  S has announced its aliases by now: it has
 * frozen.  Returns how many keys are left. */
static size_t
mbox_hold_drop_foreign(struct mbox_transfer *t, struct mbox_key *keys,
                       size_t n)
{
    size_t n_left = 0;

    for (size_t i = 0; i < n; i++) {
        if (t->ops->dp_has_key(t->aux, &keys[i])) {
            keys[n_left++] = keys[i];
        }
    }
    if (n_left < n) {
        if (!t->n_foreign_keys) {
            mbox_transfer_note(t, &t->dst, "released flows that are not of "
                               "the transfer");
        }
        t->n_foreign_keys += n - n_left;
        VLOG_WARN_RL(&rl, "transfer %"PRIu32": left out %"PRIuSIZE" flows "
                     "that '%s' has released and that are not of it",
                     t->request.id, t->n_foreign_keys, t->dst.name);
    }
    return n_left;
}

void
mbox_hold_apply_pending(struct mbox_transfer *t)
{
    for (size_t i = 0; i < t->n_pending; i++) {
        struct mbox_pending_release *p = &t->pending[i];

        p->n = mbox_hold_drop_foreign(t, p->keys, p->n);
        mbox_hold_release(t, p->select, p->keys, p->n);
        free(p->keys);
    }
    t->n_pending = 0;
}

static bool
mbox_hold_recv_release(struct mbox_transfer *t, const struct mbox_msg *msg)
{
    if (t->installed || msg->n_keys > MBOX_MAX_KEYS - t->n_keys_received) {
        return false;
    }
    t->n_keys_received += msg->n_keys;
    if (msg->type == MBOX_MSG_INSTALLED
        && !mbox_transfer_recv_installed(t, msg)) {
        return false;
    }

    if (t->n_pending >= t->allocated_pending) {
        t->pending = x2nrealloc(t->pending, &t->allocated_pending,
                                sizeof *t->pending);
    }

    struct mbox_pending_release *p = &t->pending[t->n_pending++];
    if (msg->type == MBOX_MSG_INSTALLED) {
        /* All state is in place, so nothing needs to be held any more but
         * what stays. */
        p->select = MBOX_SELECT_ALL_EXCEPT;
        p->keys = t->stays;
        p->n = t->n_stays;
        t->stays = NULL;
    } else {
        p->select = msg->select;
        p->keys = mbox_transfer_get_keys(msg);
        p->n = msg->n_keys;
    }
    return true;
}

/* Flows that stay. */

#define MBOX_HOLD_STAYS_NAMED 8 /* The others are only counted. */

static bool
mbox_hold_recv_stays(struct mbox_transfer *t, const struct mbox_msg *msg)
{
    if (t->installed || t->stays || !msg->n_keys
        || msg->n_keys > MBOX_MAX_KEYS - t->n_keys_received) {
        return false;
    }
    t->n_keys_received += msg->n_keys;
    t->stays = mbox_transfer_get_keys(msg);
    t->n_stays = msg->n_keys;
    ovs_strlcpy(t->stays_text, msg->text, sizeof t->stays_text);
    return true;
}

/* All that can be D's is. */
static void
mbox_hold_leave_rest(struct mbox_transfer *t)
{
    size_t n = mbox_key_set_count(&t->keys);
    struct mbox_key *keys = mbox_key_set_array(&t->keys);
    struct ds names = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < n && i < MBOX_HOLD_STAYS_NAMED; i++) {
        char name[MBOX_KEY_STRLEN];

        ds_put_format(&names, "%s%s", i ? ", " : "",
                      mbox_key_format(&keys[i], name, sizeof name));
    }
    mbox_transfer_note(t, &t->src, "%"PRIuSIZE" %s (%s%s): %s", n,
                       n == 1 ? "flow stays" : "flows stay",
                       ds_cstr(&names),
                       n > MBOX_HOLD_STAYS_NAMED ? "..." : "",
                       t->stays_text);
    ds_destroy(&names);
    free(keys);
    mbox_transfer_split(t);
}

/* Messages. */

static bool
mbox_hold_recv_precopy(struct mbox_transfer *t, const struct mbox_msg *msg)
{
    bool first = !t->precopy_rounds;

    /* INSTALLED comes on another channel, so it may be here before a report
     * that was sent earlier. */
    if (msg->round <= t->precopy_rounds
        || (!t->installed && msg->n_chunks < t->chunks)) {
        return false;
    }

    uint64_t few = MAX(MBOX_PRECOPY_DIRTY, t->n_flows / 100);
    if (msg->n_dirty <= few
        || msg->round >= MBOX_PRECOPY_ROUNDS
        || (!first && msg->n_dirty >= t->precopy_dirty)) {
        t->precopy_enough = true;
    }
    t->precopy_rounds = msg->round;
    t->precopy_dirty = msg->n_dirty;
    if (!t->installed) {
        t->chunks = msg->n_chunks;
        t->bytes = msg->n_bytes;
    }
    return true;
}

static bool
mbox_hold_recv(struct mbox_transfer *t, struct mbox_agent *agent,
               const struct mbox_msg *msg)
{
    bool holding = (t->phase == MBOX_PHASE_HOLDING
                    || t->phase == MBOX_PHASE_RELEASING
                    || t->phase == MBOX_PHASE_SALVAGING);

    if (agent == &t->src) {
        return (msg->type == MBOX_MSG_PRECOPY
                && mbox_transfer_has_option(t, MBOX_OPT_PRECOPY)
                && (holding || t->phase == MBOX_PHASE_PRECOPY
                    || t->phase == MBOX_PHASE_ARMING)
                && mbox_hold_recv_precopy(t, msg));
    } else {
        return (holding
                && (msg->type == MBOX_MSG_STAYS
                    ? mbox_hold_recv_stays(t, msg)
                    : ((msg->type == MBOX_MSG_RELEASE
                        || msg->type == MBOX_MSG_INSTALLED)
                       && mbox_hold_recv_release(t, msg))));
    }
}

/* Phases. */

static void
mbox_hold_start(struct mbox_transfer *t)
{
    if (mbox_transfer_has_option(t, MBOX_OPT_PRECOPY)) {
        mbox_transfer_enter(t, MBOX_PHASE_PRECOPY);
        mbox_agent_send_simple(t, &t->src, MBOX_MSG_EXPORT);
    } else {
        mbox_transfer_enter(t, MBOX_PHASE_ARMING);
    }
}

static bool
mbox_hold_step_arming(struct mbox_transfer *t)
{
    if (!t->ops->dp_is_armed(t->aux)) {
        mbox_transfer_wake_at(t, t->now_us + MBOX_POLL_US);
        return false;
    }
    if (!mbox_transfer_is_recorded(t)) {
        return false;
    }

    mbox_transfer_enter(t, MBOX_PHASE_HOLDING);
    t->hold_start_us = t->now_us;
    mbox_transfer_set_mode(t, (t->request.guarantee == MBOX_GUARANTEE_NONE
                               ? MBOX_TRANSFER_DROP : MBOX_TRANSFER_HOLD));
    mbox_tracer_start(t);
    return true;
}

static bool
mbox_hold_check_limit(struct mbox_transfer *t)
{
    if (t->ops->dp_is_over_limit(t->aux)) {
        mbox_transfer_fail(t, NULL, "too many packets held");
        return false;
    }
    mbox_transfer_wake_at(t, t->now_us + MBOX_POLL_US);
    return true;
}

bool
mbox_hold_is_order_safe(const struct mbox_transfer *t)
{
    return (t->request.guarantee != MBOX_GUARANTEE_ORDER_PRESERVING
            || t->tracer.port_seen
            || !t->src.port_live);
}

static bool
mbox_hold_step_holding(struct mbox_transfer *t)
{
    if (t->tracer.control_seen) {
        t->frozen = true;
    }
    if (!t->frozen || !mbox_hold_is_order_safe(t)) {
        if (!mbox_tracer_run(t)) {
            mbox_transfer_fail(t, &t->src, "no tracer of %u came back",
                               t->tracer.tries);
            return true;
        }
    } else if (t->n_pending) {
        mbox_transfer_enter(t, MBOX_PHASE_RELEASING);
        return true;
    }
    return !mbox_hold_check_limit(t);
}

static bool
mbox_hold_step_releasing(struct mbox_transfer *t)
{
    mbox_hold_apply_pending(t);
    if (mbox_transfer_drain(t, false)) {
        return true;
    }
    if (!mbox_hold_all_released(t)) {
        if (t->installed) {
            mbox_hold_leave_rest(t);
            return true;
        }
        return !mbox_hold_check_limit(t);
    }
    if ((t->installed || t->salvaged) && t->ops->dp_is_drained(t->aux)) {
        mbox_transfer_commit(t);
        return true;
    }
    return false;
}

static bool
mbox_hold_step(struct mbox_transfer *t)
{
    switch ((int) t->phase) {
    case MBOX_PHASE_PRECOPY:
        if (t->precopy_enough) {
            mbox_transfer_enter(t, MBOX_PHASE_ARMING);
            return true;
        }
        return false;

    case MBOX_PHASE_ARMING:
        return mbox_hold_step_arming(t);

    case MBOX_PHASE_HOLDING:
        return mbox_hold_step_holding(t);

    case MBOX_PHASE_RELEASING:
        return mbox_hold_step_releasing(t);

    default:
        OVS_NOT_REACHED();
    }
}

/* Failures. */

static bool
mbox_hold_is_forward_only(const struct mbox_transfer *t)
{
    return (t->phase == MBOX_PHASE_RELEASING
            && mbox_hold_all_released(t)
            && (t->installed || t->salvaged));
}

static void
mbox_hold_resolve(struct mbox_transfer *t)
{
    if (t->tracer.control_seen) {
        t->frozen = true;
    }
    if (!mbox_agent_is_usable(&t->dst) || !t->frozen) {
        mbox_transfer_roll_back(t);
    } else if (!t->src.live && !t->salvaged
               && !(t->installed && mbox_hold_all_released(t))) {
        /* What D has said just before counts. */
        mbox_transfer_salvage(t);
    } else if (mbox_hold_all_released(t)) {
        /* D has said that everything is in place.  If INSTALLED does not
         * follow, do without. */
        if (!t->installed && t->timed_out) {
            t->salvaged = true;
        }
    } else if (!t->any_released) {
        mbox_transfer_roll_back(t);
    } else {
        mbox_transfer_split(t);
    }
}

const struct mbox_method_class mbox_method_hold = {
    .start = mbox_hold_start,
    .step = mbox_hold_step,
    .recv = mbox_hold_recv,
    .resolve = mbox_hold_resolve,
    .is_forward_only = mbox_hold_is_forward_only,
};
