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

#include "transfer-destination.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "mbox-chunk.h"

/* Keys per RELEASE. */
#define RELEASE_BATCH 512

/* The clock is looked at after as many messages, or bytes of state. */
#define CLOCK_STATES 8
#define CLOCK_BYTES (16 * 1024)

/* Most flows that a source is believed to have before it has sent them. */
#define MAX_RESERVED (1024 * 1024)

/* Calls of state functions in the worker that owns the state. */

struct state_call {
    const struct mb_env *env;
    const struct mbox_state_ops *ops;
    unsigned int worker;
    const struct mbox_key *key;
    const struct mbox_space *space;
    struct mb_pending *pending; /* Where to note a flow. */
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

    if (call->pending && !mb_pending_add(call->pending, call->key)) {
        call->error = -ENOMEM;
        return;
    }
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

uint64_t
mb_destination_count_flows(const struct mb_destination *d)
{
    const struct mb_env *env = d->t->env;
    struct state_call call = {
        .env = env, .ops = env->mb_ops->per_flow, .space = &d->t->space,
    };

    if (!call.ops || !(d->t->scopes & MBOX_SCOPE_PER_FLOW)) {
        return 0;
    }
    for (unsigned int i = 0; i < env->n_workers; i++) {
        do_call(&call, i, call_list);
    }
    return call.n;
}

/* Imports one state.  Configuration goes to every worker, other state to one,
 * and where it replaces, others forget their shares.  'note' says that it is a
 * flow whose key does not tell that it is pending. */
static int
put_state(struct mb_destination *d, uint8_t scope, const struct mbox_key *key,
          const void *data, size_t len, enum mbox_put_mode mode, bool note)
{
    const struct mb_env *env = d->t->env;
    unsigned int owner = mb_worker_of(key, env->n_workers);
    struct state_call call = {
        .env = env, .ops = mb_state_ops(env->mb_ops, scope), .key = key,
        .data = data, .len = len, .mode = mode,
        .pending = note ? &d->pending[owner] : NULL,
    };

    bool forget = (scope != MBOX_STATE_PER_FLOW && scope != MBOX_STATE_CONFIG
                   && mode == MBOX_PUT_REPLACE);
    int error = 0;

    /* Before the owner puts it: the workers may share one state. */
    for (unsigned int i = 0; forget && !error && i < env->n_workers; i++) {
        if (i != owner) {
            error = do_call(&call, i, call_del);
        }
    }
    for (unsigned int i = 0; !error && i < env->n_workers; i++) {
        if (i == owner || scope == MBOX_STATE_CONFIG) {
            error = do_call(&call, i, call_put);
        }
    }
    return error;
}

int
mb_destination_del_state(struct mb_destination *d, uint8_t scope,
                         const struct mbox_key *key)
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

void
mb_destination_send_batch(struct mb_destination *d)
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
        mb_destination_send_batch(d);
    }
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
        mb_table_reserve(&d->states, (msg->n_flows < MAX_RESERVED
                                      ? msg->n_flows : MAX_RESERVED));
    }
}

/* Returns the key under which the state of 'msg' is kept. */
static struct mbox_key
main_key(const struct mbox_msg *msg, uint32_t i)
{
    struct mbox_key key;

    if (msg->scope == MBOX_SCOPE_ALL_FLOWS
        || msg->scope == MBOX_SCOPE_CONFIG) {
        memset(&key, 0, sizeof key);
        return key;
    }
    mbox_msg_get_key(msg, i, &key);
    if (msg->scope == MBOX_SCOPE_PER_FLOW) {
        mbox_key_canonical(&key, &key);
    }
    return key;
}

/* Checks that state of this scope may come. */
static bool
check_scope(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (!(msg->scope & d->scopes)) {
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

/* True if a chunk's flow is in the flow space by another than its main key. */
static bool
is_in_space_by_other(const struct mb_destination *d,
                     const struct mbox_msg *msg)
{
    for (uint32_t i = 1; i < msg->n_keys; i++) {
        struct mbox_key other;

        mbox_msg_get_key(msg, i, &other);
        if (mb_flow_is_in_space(&d->t->space, &other)) {
            return true;
        }
    }
    return false;
}

/* True if the state of a chunk is to be combined with what is here.  A copy
 * replaces an earlier one: only shares of one copy are combined. */
static bool
must_merge(const struct mb_destination *d, const struct mbox_msg *msg,
           const struct mbox_key *key)
{
    if (!msg->merge || !mb_transfer_replaces(d->t)) {
        return msg->merge;
    }

    uint32_t index = mb_table_find(&d->states, msg->scope, key);
    return (index != MB_NO_ENTRY
            && d->states.entries[index].flags & STATE_PUT);
}

/* Looks at the chunks that are received next, so that when their turn comes
 * their entries in 'states' are in the cache, and the middlebox's, too. */
static void
look_ahead(struct mb_destination *d)
{
    const struct mb_env *env = d->t->env;
    void (*prefetch)(void *, unsigned int, const struct mbox_key *)
        = env->n_workers == 1 ? env->mb_ops->prefetch : NULL;

    while (d->n_next < MB_NEXT_CHUNKS) {
        struct mb_next_chunk *next = &d->next[(d->i_next + d->n_next)
                                              % MB_NEXT_CHUNKS];
        const void *frame = mbox_channel_peek(d->t->state, d->next_len,
                                              &next->frame_len);

        if (!frame
            || !mbox_chunk_decode_flow(frame, next->frame_len, &next->msg,
                                       &next->key)) {
            break;
        }
        mbox_key_canonical(&next->key, &next->key);
        next->hash = mb_table_prefetch(&d->states, MBOX_STATE_PER_FLOW,
                                       &next->key);
        if (prefetch) {
            prefetch(env->mb_aux, 0, &next->key);
        }
        d->next_len += next->frame_len;
        d->n_next++;
    }
}

/* Receives the next message of the state channel: one that was looked at, or
 * else into '*buf'.  Returns 0 and the message in '*msgp', or a negative errno
 * value as mbox_channel_recv() does. */
static int
recv_next(struct mb_destination *d, struct mbox_msg *buf,
          const struct mbox_msg **msgp)
{
    struct mbox_channel *ch = d->t->state;

    look_ahead(d);
    if (d->n_next) {
        d->now = &d->next[d->i_next];
        d->i_next = (d->i_next + 1) % MB_NEXT_CHUNKS;
        d->n_next--;
        d->next_len -= d->now->frame_len;
        mbox_channel_skip(ch, d->now->frame_len);
        *msgp = &d->now->msg;
        return 0;
    }
    *msgp = buf;
    return mbox_channel_recv(ch, buf, NULL, NULL, NULL);
}

static void
recv_chunk(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (!check_scope(d, msg)) {
        return;
    }

    struct mbox_key key = d->now ? d->now->key : main_key(msg, 0);
    uint32_t hash = (d->now ? d->now->hash
                     : mb_table_prefetch(&d->states, msg->scope, &key));
    bool other = (msg->scope == MBOX_SCOPE_PER_FLOW
                  && !mb_flow_is_in_space(&t->space, &key));
    if (other && !is_in_space_by_other(d, msg)) {
        mb_transfer_fail(t, EPROTO, "state from %s of a flow that is not in "
                         "the flow space", t->peer);
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

    bool merge = must_merge(d, msg, &key);
    int error = put_state(d, msg->scope, &key, msg->data, msg->data_len,
                          merge ? MBOX_PUT_MERGE : MBOX_PUT_REPLACE, other);
    if (error) {
        char s[MBOX_KEY_STRLEN];

        mb_transfer_fail(t, -error, "import of state (%s)",
                         mbox_key_format(&key, s, sizeof s));
        return;
    }

    uint32_t index = mb_table_insert_hashed(&d->states, hash, msg->scope,
                                            &key);
    if (index == MB_NO_ENTRY) {
        mb_destination_del_state(d, msg->scope, &key);
        mb_transfer_fail(t, ENOMEM, "import of state");
        return;
    }

    if (msg->scope == MBOX_SCOPE_PER_FLOW && msg->n_keys > 1
        && t->method == MBOX_METHOD_EVENTS
        && !mb_transfer_add_keys(&d->aliases, msg)) {
        mb_transfer_fail(t, ENOMEM, "aliases of flows");
    }

    struct mb_entry *entry = &d->states.entries[index];
    if (msg->scope == MBOX_SCOPE_PER_FLOW && !(entry->flags & STATE_PUT)) {
        d->n_flows++;
    }
    entry->flags |= STATE_PUT | (merge ? STATE_MERGED : 0);
    d->seq++;
    d->n_chunks++;
    d->n_bytes += msg->data_len;
    release_keys(d, msg, index);
}

/* True if an earlier copy of the flow space may have put this state. */
static bool
may_be_copied(const struct mb_destination *d, enum mbox_scope scope,
              const struct mbox_key *key)
{
    return (d->t->method == MBOX_METHOD_COPY && scope == MBOX_SCOPE_PER_FLOW
            && mb_flow_is_in_space(&d->t->space, key));
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

        bool is_put = (index != MB_NO_ENTRY
                       && d->states.entries[index].flags & STATE_PUT);

        if (is_put || may_be_copied(d, msg->scope, &key)) {
            int error = mb_destination_del_state(d, msg->scope, &key);
            if (error) {
                mb_transfer_fail(t, -error, "delete of ended state");
                return;
            }
            d->n_ended++;
        }
        if (is_put) {
            d->n_flows -= msg->scope == MBOX_SCOPE_PER_FLOW;
            mb_table_remove(&d->states, index);
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
        if (!mb_transfer_add_keys(&d->except, msg)) {
            mb_transfer_fail(t, ENOMEM, "release");
        }
    }
}

static void
recv_stays(struct mb_destination *d, const struct mbox_msg *msg)
{
    struct mb_transfer *t = d->t;

    if (!d->frozen || d->stays.n) {
        mb_transfer_unexpected(t, msg);
        return;
    }
    snprintf(d->stays_text, sizeof d->stays_text, "%s", msg->text);
    for (uint32_t i = 0; i < msg->n_keys; i++) {
        struct mbox_key key;

        mbox_msg_get_key(msg, i, &key);
        mbox_key_canonical(&key, &key);
        if (!mb_keys_add(&d->stays, &key)) {
            mb_transfer_fail(t, ENOMEM, "flows that stay");
            return;
        }
    }
}

/* Releases everything but flows that stay, of which the coordinator hears
 * first. */
static void
release_rest(struct mb_destination *d)
{
    struct mb_transfer *t = d->t;

    if (d->stays.n) {
        struct mbox_msg msg;

        mbox_msg_init(&msg, MBOX_MSG_STAYS, t->id);
        msg.n_keys = d->stays.n;
        memcpy(msg.text, d->stays_text, sizeof msg.text);
        mb_transfer_send(t, &msg, d->stays.keys);
    }
    d->batch.n = 0;
    send_release(d, MBOX_SELECT_ALL_EXCEPT, d->stays.keys, d->stays.n, NULL);
    d->released_except = true;
    mb_table_uninit(&d->except);
    for (size_t i = 0; i < d->stays.n; i++) {
        if (mb_table_insert(&d->except, MBOX_STATE_PER_FLOW,
                            &d->stays.keys[i]) == MB_NO_ENTRY) {
            mb_transfer_fail(t, ENOMEM, "flows that stay");
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
        release_rest(d);
    }
    mbox_msg_init(&msg, MBOX_MSG_INSTALLED, t->id);
    msg.n_flows = d->n_flows;
    msg.n_chunks = d->n_chunks;
    msg.n_bytes = d->n_bytes;
    msg.n_gone = d->n_ended;
    mb_transfer_send(t, &msg, NULL);
    t->env->ops->control_flush(t->env->aux);
}

/* The source wants to know when everything before this is imported.  If the
 * answer cannot be sent, it has ended meanwhile, and what it sent last still
 * comes. */
static void
recv_echo(struct mb_destination *d, const struct mbox_msg *request)
{
    struct mb_transfer *t = d->t;
    struct mbox_msg msg;

    if (!t->state) {
        mb_transfer_unexpected(t, request);
        return;
    }
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REPLY, t->id);
    mbox_channel_send(t->state, &msg, NULL, -1);
    mbox_channel_flush(t->state);
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
    case MBOX_MSG_STAYS:
        recv_stays(d, msg);
        break;
    case MBOX_MSG_END:
        recv_end(d, msg);
        break;
    case MBOX_MSG_ECHO_REQUEST:
        recv_echo(d, msg);
        break;
    default:
        mb_transfer_unexpected(t, msg);
        break;
    }
}

void
mb_destination_recv_relay(struct mb_destination *d,
                          const struct mbox_msg *relay)
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

uint64_t
mb_destination_doubt_end(const struct mb_destination *d)
{
    return d->silence_end < d->doubt_end ? d->silence_end : d->doubt_end;
}

/* In doubt, the question waits for the end of the state channel.  A source
 * that brings no state for long, though its host is there and whatever else it
 * says, does not put it off; nor does one that never ends. */
static void
check_silence(struct mb_destination *d, bool progress)
{
    struct mb_env *env = d->t->env;
    uint64_t now = env->ops->now(env->aux);

    if (progress) {
        d->silence_end = now + MB_SILENCE_NS;
    }
    if (now >= mb_destination_doubt_end(d) && !d->installed) {
        mb_transfer_fail(d->t, ETIMEDOUT, "state channel from %s",
                         d->t->peer);
    }
}

/* Reads the state channel. */
void
mb_destination_run_state(struct mb_destination *d, uint64_t deadline)
{
    struct mb_transfer *t = d->t;
    struct mb_env *env = t->env;
    int error = mbox_channel_run(t->state);
    uint64_t before = d->n_chunks + d->n_gone;
    unsigned int n = 0;
    size_t n_bytes = 0;

    while (!t->failed && !d->installed) {
        struct mbox_msg buf;
        const struct mbox_msg *msg;
        int recv_error = recv_next(d, &buf, &msg);

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
        recv_state(d, msg);
        d->now = NULL;
        n_bytes += msg->data_len;
        if (++n >= CLOCK_STATES || n_bytes >= CLOCK_BYTES) {
            if (env->ops->now(env->aux) >= deadline) {
                break;
            }
            n = n_bytes = 0;
        }
    }
    if (t->orphan) {
        check_silence(d, d->n_chunks + d->n_gone != before);
    }
    mb_destination_send_batch(d);
    if (d->installed && t->state) {
        d->more = false;
        mbox_channel_close(t->state);
        t->state = NULL;
    }
}
