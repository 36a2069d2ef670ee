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

#include "transfer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Keys per RELEASE. */
#define RELEASE_BATCH 512

/* Buffered packets that a slice takes out at least: more than can arrive
 * between two slices, or a slow middlebox under load would never catch up. */
#define REPLAY_MIN (4 * MB_BURST)

/* Flags of entries in 'states'. */
#define STATE_PUT 0x01          /* It is here because of this transfer. */
#define STATE_RELEASED 0x02     /* RELEASE named it. */
#define STATE_MERGED 0x04       /* Cannot be taken back. */

enum sweep {
    SWEEP_NONE,
    SWEEP_ALL,                  /* Delete everything that was put. */
    SWEEP_UNRELEASED,           /* Only what was not released. */
    SWEEP_UNSELECTED,           /* Only what COMMIT did not select. */
};

struct mb_destination {
    struct mb_transfer *t;

    /* State. */
    bool streaming;             /* STREAM came. */
    bool frozen;                /* FROZEN came. */
    bool installed;             /* END came. */
    bool more;                  /* The state channel may have more. */
    uint32_t seq;               /* Of the last chunk. */
    uint64_t n_chunks, n_bytes, n_gone;
    struct mb_table states;     /* Main keys of chunks, canonical. */
    uint64_t n_flows;           /* Per-flow entries with STATE_PUT. */

    /* Release. */
    bool released_except;       /* All were released but 'except'. */
    struct mb_table except;
    struct mb_keys batch;       /* Of the next RELEASE. */
    bool released;              /* Some RELEASE was sent. */

    /* Packets. */
    bool buffering;
    bool replaying;             /* LAST came, 'buffer' is being processed. */
    bool flushed;
    bool over_limit;
    struct mb_buffer buffer;
    uint32_t n_dnb;             /* Do-not-buffer packets, all in sequence. */
    uint64_t n_replayed;        /* Of 'buffer'. */
    uint32_t n_returned;

    /* The end. */
    enum mbox_msg_type answer;  /* COMMITTED or ABORTED; 0: nobody is there. */
    bool ending;                /* No state is accepted any more. */
    bool returning;             /* Packets go back. */
    enum sweep sweep;
    uint32_t next_sweep;        /* In 'states'. */
    struct mb_table commit_keys;
    enum mbox_select commit_select;
};

static void
count_flow(const struct mb_destination *d, unsigned int worker,
           uint64_t *n_flows);

struct mb_destination *
mb_destination_create(struct mb_transfer *t, uint64_t *n_flows)
{
    struct mb_destination *d = calloc(1, sizeof *d);

    if (!d) {
        mb_transfer_fail(t, ENOMEM, "prepare");
        return NULL;
    }
    d->t = t;
    mb_table_init(&d->states);
    mb_table_init(&d->except);
    mb_table_init(&d->commit_keys);
    mb_keys_init(&d->batch);

    /* Up to 'buffer_limit' is kept, then the transfer fails; what comes until
     * the coordinator aborts it is kept, too, within reason. */
    mb_buffer_init(&d->buffer, 2 * t->env->buffer_limit);

    *n_flows = 0;
    if (t->scopes & MBOX_SCOPE_PER_FLOW && t->env->mb_ops->per_flow) {
        for (unsigned int i = 0; i < t->env->n_workers; i++) {
            count_flow(d, i, n_flows);
        }
    }
    return d;
}

void
mb_destination_destroy(struct mb_destination *d)
{
    mb_table_uninit(&d->states);
    mb_table_uninit(&d->except);
    mb_table_uninit(&d->commit_keys);
    mb_keys_uninit(&d->batch);
    mb_buffer_uninit(&d->buffer);
    free(d);
}

uint64_t
mb_destination_n_buffered(const struct mb_destination *d)
{
    return d->buffer.n;
}

/* Calls of state functions in the worker that owns the state. */

struct state_call {
    const struct mb_env *env;
    const struct mbox_state_ops *ops;
    unsigned int worker;
    const struct mbox_key *key;
    const struct mbox_space *space;
    const void *data;
    size_t len;
    enum mbox_put_mode mode;
    uint64_t n;
    int error;
};

static int
count_cb(const struct mbox_key *key, void *n_)
{
    uint64_t *n = n_;

    (void) key;
    ++*n;
    return 0;
}

static void
call_list(void *call_)
{
    struct state_call *call = call_;

    call->ops->list(call->env->mb_aux, call->worker, call->space, count_cb,
                    &call->n);
}

static void
call_put(void *call_)
{
    struct state_call *call = call_;

    call->error = call->ops->put(call->env->mb_aux, call->worker, call->key,
                                 call->data, call->len, call->mode);
}

static void
call_del(void *call_)
{
    struct state_call *call = call_;

    call->error = call->ops->del(call->env->mb_aux, call->worker, call->key);
    if (call->error == -ENOENT) {
        call->error = 0;
    }
}

static int
do_call(struct state_call *call, unsigned int worker, mb_call_fn *fn)
{
    call->worker = worker;
    call->env->ops->call(call->env->aux, worker, fn, call);
    return call->error;
}

static void
count_flow(const struct mb_destination *d, unsigned int worker,
           uint64_t *n_flows)
{
    struct state_call call = {
        .env = d->t->env, .ops = d->t->env->mb_ops->per_flow,
        .space = &d->t->space,
    };

    do_call(&call, worker, call_list);
    *n_flows += call.n;
}

/* Imports one state.  Configuration goes to every worker, other state to one,
 * and where it replaces, others forget their shares. */
static int
put_state(struct mb_destination *d, uint8_t scope, const struct mbox_key *key,
          const void *data, size_t len, enum mbox_put_mode mode)
{
    const struct mb_env *env = d->t->env;
    unsigned int owner = mb_worker_of(key, env->n_workers);
    struct state_call call = {
        .env = env, .ops = mb_state_ops(env->mb_ops, scope), .key = key,
        .data = data, .len = len, .mode = mode,
    };

    for (unsigned int i = 0; i < env->n_workers; i++) {
        int error = 0;

        if (i == owner || scope == MBOX_STATE_CONFIG) {
            error = do_call(&call, i, call_put);
        } else if (scope != MBOX_STATE_PER_FLOW && mode == MBOX_PUT_REPLACE) {
            error = do_call(&call, i, call_del);
        }
        if (error) {
            return error;
        }
    }
    return 0;
}

static int
del_state(struct mb_destination *d, uint8_t scope, const struct mbox_key *key)
{
    const struct mb_env *env = d->t->env;
    struct state_call call = {
        .env = env, .ops = mb_state_ops(env->mb_ops, scope), .key = key,
    };

    return do_call(&call, mb_worker_of(key, env->n_workers), call_del);
}

/* Release. */

static bool
releases(const struct mb_destination *d)
{
    return d->t->method == MBOX_METHOD_HOLD;
}

static void
send_release(struct mb_destination *d, enum mbox_select select,
             const struct mbox_key *keys, uint32_t n, const uint8_t *key_data)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_RELEASE, d->t->id);
    msg.select = select;
    msg.n_keys = n;
    msg.key_data = key_data;
    mb_transfer_send(d->t, &msg, keys);
    d->released = true;
}

static void
send_batch(struct mb_destination *d)
{
    if (d->batch.n) {
        send_release(d, MBOX_SELECT_KEYS, d->batch.keys, d->batch.n, NULL);
        d->batch.n = 0;
        d->t->env->ops->control_flush(d->t->env->aux);
    }
}

/* The flow of all keys of 'msg' is final here. */
static void
release_keys(struct mb_destination *d, const struct mbox_msg *msg,
             uint32_t index)
{
    if (!releases(d) || !(d->t->options & MBOX_OPT_EARLY_RELEASE)
        || !d->frozen || msg->scope != MBOX_SCOPE_PER_FLOW) {
        return;
    }
    if (index != MB_NO_ENTRY) {
        d->states.entries[index].flags |= STATE_RELEASED;
    }
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key;

        mbox_msg_get_key(msg, i, &key);
        if (!mb_keys_add(&d->batch, &key)) {
            mb_transfer_fail(d->t, ENOMEM, "release");
        }
    }
    if (d->batch.n >= RELEASE_BATCH) {
        send_batch(d);
    }
}

static bool
is_released(const struct mb_destination *d, const struct mb_entry *entry)
{
    return (entry->flags & STATE_RELEASED
            || (d->released_except
                && mb_table_find(&d->except, MBOX_STATE_PER_FLOW, &entry->key)
                   == MB_NO_ENTRY));
}

/* Adds the keys of 'msg', made canonical, to 'table'. */
static bool
add_keys(struct mb_table *table, const struct mbox_msg *msg)
{
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key, canonical;

        mbox_msg_get_key(msg, i, &key);
        mbox_key_canonical(&key, &canonical);
        if (mb_table_insert(table, MBOX_STATE_PER_FLOW, &canonical)
            == MB_NO_ENTRY) {
            return false;
        }
    }
    return true;
}

/* The state channel. */

static void
recv_stream(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;
    struct mb_env *env = t->env;

    if (d->streaming) {
        mb_transfer_unexpected(t, msg);
    } else if (strcmp(msg->class_name, env->class_name)) {
        mb_transfer_fail(t, EINVAL, "%s is of class \"%s\", not \"%s\"",
                         t->peer, msg->class_name, env->class_name);
    } else if (msg->schema != env->schema) {
        mb_transfer_fail(t, EINVAL,
                         "state of %s has schema %#llx, here it is %#llx",
                         t->peer, (unsigned long long) msg->schema,
                         (unsigned long long) env->schema);
    } else if (msg->epoch != t->epoch) {
        mb_transfer_fail(t, ESTALE, "state of %s is of another epoch",
                         t->peer);
    } else {
        d->streaming = true;
    }
}

/* Returns the key under which the state of 'msg' is kept. */
static struct mbox_key
main_key(const struct mbox_msg *msg, uint32_t i)
{
    struct mbox_key key, canonical;

    if (msg->scope == MBOX_SCOPE_ALL_FLOWS
        || msg->scope == MBOX_SCOPE_CONFIG) {
        memset(&key, 0, sizeof key);
        return key;
    }
    mbox_msg_get_key(msg, i, &key);
    if (msg->scope == MBOX_SCOPE_MULTI_FLOW) {
        return key;
    }
    mbox_key_canonical(&key, &canonical);
    return canonical;
}

/* Checks that state of this scope may come. */
static bool
check_scope(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;
    const struct mb_env *env = t->env;

    if (!(msg->scope & t->scopes & mb_state_scopes(env->mb_ops))) {
        const char *scope = mbox_scope_to_string(msg->scope);

        mb_transfer_fail(t, EOPNOTSUPP, "%s state from %s",
                         scope ? scope : "unknown", t->peer);
        return false;
    }
    if (!msg->n_keys && msg->scope <= MBOX_SCOPE_MULTI_FLOW) {
        mb_transfer_fail(t, EPROTO, "state without a key from %s", t->peer);
        return false;
    }
    return true;
}

static void
recv_chunk(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (!check_scope(d, msg)) {
        return;
    }
    if (msg->seq != d->seq + 1) {
        mb_transfer_fail(t, EPROTO, "chunk %u from %s after chunk %u",
                         msg->seq, t->peer, d->seq);
        return;
    }
    if (mbox_msg_crc(msg->data, msg->data_len) != msg->crc) {
        mb_transfer_fail(t, EBADMSG, "checksum of chunk %u from %s",
                         msg->seq, t->peer);
        return;
    }

    struct mbox_key key = main_key(msg, 0);
    uint32_t index = mb_table_insert(&d->states, msg->scope, &key);
    if (index == MB_NO_ENTRY) {
        mb_transfer_fail(t, ENOMEM, "import of state");
        return;
    }

    int error = put_state(d, msg->scope, &key, msg->data, msg->data_len,
                          msg->merge ? MBOX_PUT_MERGE : MBOX_PUT_REPLACE);
    if (error) {
        char s[MBOX_KEY_STRLEN];

        mb_transfer_fail(t, -error, "import of state (%s)",
                         mbox_key_format(&key, s, sizeof s));
        return;
    }

    struct mb_entry *entry = &d->states.entries[index];
    if (msg->scope == MBOX_SCOPE_PER_FLOW && !(entry->flags & STATE_PUT)) {
        d->n_flows++;
    }
    entry->flags |= STATE_PUT | (msg->merge ? STATE_MERGED : 0);
    d->seq++;
    d->n_chunks++;
    d->n_bytes += msg->data_len;
    release_keys(d, msg, index);
}

static void
recv_gone(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (!check_scope(d, msg)) {
        return;
    }
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key = main_key(msg, i);
        uint32_t index = mb_table_find(&d->states, msg->scope, &key);

        if (index != MB_NO_ENTRY
            && d->states.entries[index].flags & STATE_PUT) {
            int error = del_state(d, msg->scope, &key);
            if (error) {
                mb_transfer_fail(t, -error, "delete of ended state");
                return;
            }
            d->states.entries[index].flags &= ~STATE_PUT;
            d->n_flows -= msg->scope == MBOX_SCOPE_PER_FLOW;
        }
        d->n_gone++;
    }
    release_keys(d, msg, MB_NO_ENTRY);
}

static void
recv_frozen(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (d->frozen || !releases(d)) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    d->frozen = true;
    if (t->options & MBOX_OPT_EARLY_RELEASE
        && msg->select == MBOX_SELECT_ALL_EXCEPT) {
        send_release(d, MBOX_SELECT_ALL_EXCEPT, NULL, msg->n_keys,
                     msg->key_data);
        t->env->ops->control_flush(t->env->aux);

        d->released_except = true;
        if (!add_keys(&d->except, msg)) {
            mb_transfer_fail(t, ENOMEM, "release");
        }
    }
}

static void
recv_end(struct mb_destination *d, const struct mbox_msg *end)
{
    struct mb_transfer *t = d->t;
    struct mbox_msg msg;

    if (end->n_chunks != d->n_chunks || end->n_bytes != d->n_bytes
        || end->n_gone != d->n_gone) {
        mb_transfer_fail(t, EPROTO, "%s sent %llu chunks of %llu bytes and "
                         "%llu ended, %llu, %llu and %llu arrived", t->peer,
                         (unsigned long long) end->n_chunks,
                         (unsigned long long) end->n_bytes,
                         (unsigned long long) end->n_gone,
                         (unsigned long long) d->n_chunks,
                         (unsigned long long) d->n_bytes,
                         (unsigned long long) d->n_gone);
        return;
    }

    d->installed = true;
    if (releases(d)) {
        d->batch.n = 0;
        send_release(d, MBOX_SELECT_ALL_EXCEPT, NULL, 0, NULL);
        d->released_except = true;
        mb_table_uninit(&d->except);
    }
    mbox_msg_init(&msg, MBOX_MSG_INSTALLED, t->id);
    msg.n_flows = d->n_flows;
    msg.n_chunks = d->n_chunks;
    msg.n_bytes = d->n_bytes;
    msg.n_gone = d->n_gone;
    mb_transfer_send(t, &msg, NULL);
    t->env->ops->control_flush(t->env->aux);
}

static void
recv_state(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (t->failed || d->ending) {
        return;
    }
    if (d->installed || (!d->streaming && msg->type != MBOX_MSG_STREAM)) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    switch ((unsigned int) msg->type) {
    case MBOX_MSG_STREAM:
        recv_stream(d, msg);
        break;
    case MBOX_MSG_CHUNK:
        recv_chunk(d, msg);
        break;
    case MBOX_MSG_GONE:
        recv_gone(d, msg);
        break;
    case MBOX_MSG_FROZEN:
        recv_frozen(d, msg);
        break;
    case MBOX_MSG_END:
        recv_end(d, msg);
        break;
    default:
        mb_transfer_unexpected(t, msg);
        break;
    }
}

static void
recv_relay(struct mb_destination *d, const struct mbox_msg *relay)
{
    struct mb_transfer *t = d->t;
    struct mbox_msg msg;

    if (!(t->options & MBOX_OPT_RELAY)) {
        mb_transfer_unexpected(t, relay);
        return;
    }

    int error = mbox_msg_decode(relay->data, relay->data_len, &msg);
    if (!error) {
        recv_state(d, &msg);
    } else if (error != -EAGAIN) {
        mb_transfer_fail(t, -error, "state from %s", t->peer);
    }
}

/* Reads the state channel. */
static void
run_state(struct mb_destination *d, uint64_t deadline)
{
    struct mb_transfer *t = d->t;
    struct mb_env *env = t->env;
    int error = mbox_channel_run(t->state);

    while (!t->failed && !d->installed) {
        struct mbox_msg msg;
        int recv_error = mbox_channel_recv(t->state, &msg, NULL, NULL, NULL);

        if (recv_error) {
            if (recv_error != -EAGAIN || error) {
                mb_transfer_fail(t, -(recv_error != -EAGAIN
                                      ? recv_error : error),
                                 "state channel from %s", t->peer);
            }
            d->more = false;
            break;
        }
        d->more = true;
        recv_state(d, &msg);
        if (env->ops->now(env->aux) >= deadline) {
            break;
        }
    }
    send_batch(d);
    if (d->installed && t->state) {
        d->more = false;
        mbox_channel_close(t->state);
        t->state = NULL;
    }
}

/* Packets. */

static void
send_flushed(struct mb_destination *d)
{
    struct mbox_msg msg;

    mbox_msg_init(&msg, MBOX_MSG_FLUSHED, d->t->id);
    msg.n_packets = d->n_dnb;
    msg.n_buffered = d->n_replayed;
    mb_transfer_send(d->t, &msg, NULL);
    d->t->env->ops->control_flush(d->t->env->aux);
}

static void
process(struct mb_destination *d, struct mb_packet *packet)
{
    struct mb_env *env = d->t->env;

    packet->replayed = true;
    packet->timestamp = env->ops->now(env->aux);
    mb_packet_parse(packet);
    mb_count(&env->replayed, 1);
    env->ops->process(env->aux, packet);
}

/* Do-not-buffer packet number 'seq'.  They are processed strictly in
 * sequence: behind a gap the coordinator sends again what is missing. */
static void
recv_dnb(struct mb_destination *d, uint32_t seq, struct mb_packet *packet)
{
    if (seq != d->n_dnb + 1 || d->flushed || d->replaying || d->ending) {
        mb_packet_free(packet);
        return;
    }
    d->n_dnb++;
    process(d, packet);
}

/* No do-not-buffer packet comes after number 'seq'. */
static void
recv_last(struct mb_destination *d, uint32_t seq)
{
    if (d->flushed) {
        send_flushed(d);
    } else if (d->replaying || d->ending) {
        return;
    } else if (seq == d->n_dnb) {
        d->replaying = true;
    } else {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_TRACER_SEEN, d->t->id);
        msg.seq = seq;
        msg.n_packets = d->n_dnb;
        mb_transfer_send(d->t, &msg, NULL);
        d->t->env->ops->control_flush(d->t->env->aux);
    }
}

bool
mb_destination_recv_tagged(struct mb_destination *d,
                           const struct mbox_tag *tag,
                           struct mb_packet *packet)
{
    if (d->t->method != MBOX_METHOD_EVENTS) {
        return false;
    }
    if (tag->kind == MBOX_TAG_DO_NOT_BUFFER) {
        mb_packet_pop_tag(packet);
        recv_dnb(d, tag->seq, packet);
        return true;
    }
    if (tag->kind == MBOX_TAG_LAST) {
        recv_last(d, tag->seq);
        mb_packet_free(packet);
        return true;
    }
    return false;
}

static void
recv_packet(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (t->method != MBOX_METHOD_EVENTS
        || (msg->kind != MBOX_TAG_DO_NOT_BUFFER
            && msg->kind != MBOX_TAG_LAST)) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    if (msg->kind == MBOX_TAG_LAST) {
        recv_last(d, msg->seq);
        return;
    }

    struct mb_packet *packet = mb_packet_new(msg->data, msg->data_len);
    if (!packet) {
        mb_transfer_fail(t, ENOMEM, "packet %u of %zu bytes", msg->seq,
                         msg->data_len);
        return;
    }
    recv_dnb(d, msg->seq, packet);
}

bool
mb_destination_filter(struct mb_destination *d, struct mb_packet *packet)
{
    struct mb_transfer *t = d->t;

    if (!d->buffering || !mbox_space_contains(&t->space, &packet->key)) {
        return false;
    }
    if (d->returning && !d->buffer.n) {
        mb_transfer_return(t, packet, ++d->n_returned);
        return true;
    }

    if (!d->over_limit
        && d->buffer.bytes + packet->len > t->env->buffer_limit) {
        d->over_limit = true;
        mb_transfer_fail(t, ENOBUFS, "buffered packets reached the limit of "
                         "%zu bytes", t->env->buffer_limit);
    }
    if (mb_buffer_push(&d->buffer, packet)) {
        mb_transfer_fail(t, ENOBUFS, "buffering of a packet");
        mb_count(&t->env->discarded, 1);
        mb_packet_free(packet);
    }
    return true;
}

/* Processes what was buffered until 'deadline'; newcomers join the tail.
 * Returns true when nothing is left. */
static bool
run_replay(struct mb_destination *d, uint64_t deadline)
{
    struct mb_env *env = d->t->env;

    for (unsigned int n = 1; d->buffer.n; n++) {
        d->n_replayed++;
        process(d, mb_buffer_pop(&d->buffer));
        if (n >= REPLAY_MIN && env->ops->now(env->aux) >= deadline) {
            return false;
        }
    }
    env->ops->barrier(env->aux);
    d->buffering = false;
    return true;
}

/* The same for packets that go back. */
static bool
run_return(struct mb_destination *d, uint64_t deadline)
{
    struct mb_env *env = d->t->env;

    for (unsigned int n = 1; d->buffer.n; n++) {
        if (env->ops->control_backlog(env->aux) > MB_BACKLOG_MAX) {
            return false;
        }
        mb_transfer_return(d->t, mb_buffer_pop(&d->buffer), ++d->n_returned);
        if (n >= REPLAY_MIN && env->ops->now(env->aux) >= deadline) {
            return false;
        }
    }
    return true;
}

/* The end. */

static bool
must_delete(const struct mb_destination *d, const struct mb_entry *entry)
{
    if (!(entry->flags & STATE_PUT) || entry->flags & STATE_MERGED
        || entry->scope == MBOX_STATE_CONFIG) {
        return false;
    }
    switch (d->sweep) {
    case SWEEP_NONE:
        break;
    case SWEEP_ALL:
        return true;
    case SWEEP_UNRELEASED:
        return (entry->scope != MBOX_STATE_PER_FLOW
                ? !d->released : !is_released(d, entry));
    case SWEEP_UNSELECTED:
        return (entry->scope == MBOX_STATE_PER_FLOW
                && ((mb_table_find(&d->commit_keys, MBOX_STATE_PER_FLOW,
                                   &entry->key) != MB_NO_ENTRY)
                    != (d->commit_select == MBOX_SELECT_KEYS)));
    }
    return false;
}

/* Deletes states until 'deadline'.  Returns true when it is through. */
static bool
run_sweep(struct mb_destination *d, uint64_t deadline)
{
    struct mb_env *env = d->t->env;

    while (d->sweep != SWEEP_NONE && d->next_sweep < d->states.n) {
        struct mb_entry *entry = &d->states.entries[d->next_sweep++];

        if (must_delete(d, entry)) {
            int error = del_state(d, entry->scope, &entry->key);
            if (error) {
                char text[128];

                snprintf(text, sizeof text, "transfer %u: delete: %s",
                         d->t->id, strerror(-error));
                env->ops->log(env->aux, 3 /* LOG_ERR */, text);
            }
            entry->flags &= ~STATE_PUT;
            d->n_flows -= entry->scope == MBOX_STATE_PER_FLOW;
        }
        if (!(d->next_sweep % 16) && env->ops->now(env->aux) >= deadline) {
            return false;
        }
    }
    return true;
}

static void
run_end(struct mb_destination *d, uint64_t deadline)
{
    struct mb_transfer *t = d->t;

    if (d->returning ? !run_return(d, deadline)
        : d->buffering && !run_replay(d, deadline)) {
        return;
    }
    if (!run_sweep(d, deadline)) {
        return;
    }

    t->finished = true;
    d->buffering = false;
    if (d->answer) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, d->answer, t->id);
        msg.n_flows = d->n_flows;
        mb_transfer_send(t, &msg, NULL);
    }
}

void
mb_destination_run(struct mb_destination *d, uint64_t deadline)
{
    struct mb_transfer *t = d->t;

    if (t->finished) {
        return;
    }
    if (d->ending) {
        run_end(d, deadline);
        return;
    }
    send_batch(d);
    if (t->state && !t->failed) {
        run_state(d, deadline);
    }
    if (d->replaying && !t->failed && run_replay(d, deadline)) {
        d->replaying = false;
        d->flushed = true;
        send_flushed(d);
    }
}

uint64_t
mb_destination_wake(const struct mb_destination *d)
{
    const struct mb_env *env = d->t->env;

    if (d->ending) {
        return (d->returning
                && env->ops->control_backlog(env->aux) > MB_BACKLOG_MAX
                ? MB_NEVER : 0);
    }
    if (d->t->failed) {
        return MB_NEVER;
    }
    return d->more || d->replaying || d->batch.n ? 0 : MB_NEVER;
}

static void
recv_buffer(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;
    struct mbox_msg answer;

    if (t->method != MBOX_METHOD_EVENTS || d->flushed || d->replaying) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    d->buffering = true;
    mbox_msg_init(&answer, MBOX_MSG_BUFFERING, t->id);
    mb_transfer_send(t, &answer, NULL);
}

static void
recv_commit(struct mb_destination *d, const struct mbox_msg *msg)
{
    if (!d->installed && !d->released) {
        mb_transfer_unexpected(d->t, msg);
        return;
    }
    d->ending = true;
    d->answer = MBOX_MSG_COMMITTED;
    if (msg->select != MBOX_SELECT_ALL_EXCEPT || msg->n_keys) {
        d->sweep = SWEEP_UNSELECTED;
        d->commit_select = msg->select;
        if (!add_keys(&d->commit_keys, msg)) {
            mb_transfer_fail(d->t, ENOMEM, "commit");
        }
    }
}

static void
recv_abort(struct mb_destination *d)
{
    d->ending = true;
    d->answer = MBOX_MSG_ABORTED;
    d->returning = d->buffering;
    d->sweep = SWEEP_ALL;
}

void
mb_destination_recv(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (d->ending) {
        return;
    }
    switch ((unsigned int) msg->type) {
    case MBOX_MSG_BUFFER:
        recv_buffer(d, msg);
        break;
    case MBOX_MSG_RELAY:
        recv_relay(d, msg);
        break;
    case MBOX_MSG_PACKET:
        recv_packet(d, msg);
        break;
    case MBOX_MSG_COMMIT:
        recv_commit(d, msg);
        break;
    case MBOX_MSG_ABORT:
        recv_abort(d);
        break;
    case MBOX_MSG_ERROR:
        t->failed = true;       /* The coordinator's: it will abort. */
        break;
    default:
        mb_transfer_unexpected(t, msg);
        break;
    }
}

/* Nobody can say who owns what.  Flows that were released, or whose packets
 * came here already, are here; others are still at the source. */
void
mb_destination_disconnected(struct mb_destination *d)
{
    d->answer = 0;
    d->returning = false;
    if (!d->ending) {
        d->ending = true;
        d->sweep = (d->n_dnb || d->buffer.n || d->flushed ? SWEEP_NONE
                    : SWEEP_UNRELEASED);
    }
}
