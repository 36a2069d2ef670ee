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

#ifndef MB_TRANSFER_H
#define MB_TRANSFER_H 1

/* Transfers, as an instance takes part in them
 * ============================================
 *
 * The logic of both roles.  Clock, coordinator, packets and workers are behind
 * 'struct mb_env', so that it can be driven without a network; the state
 * channel is a struct mbox_channel, e.g. over a socketpair.  All of it runs in
 * the I/O thread and never blocks, except that mb_env's 'call' waits for a
 * worker to finish at most one burst.
 *
 * A transfer that fails says so with one ERROR and then waits for ABORT,
 * frozen or buffering as it was, so that nothing is processed in two places.
 *
 * If the coordinator's connection ends first, see transfer-doubt.c. */

#include <poll.h>
#include "buffer.h"
#include "copied.h"
#include "dirty.h"
#include "mbox-channel.h"
#include "mbox-msg.h"
#include "packet.h"
#include "pending.h"
#include "port.h"
#include "state.h"

/* Between packet bursts a transfer works for this long at most. */
#define MB_SLICE_NS (100 * 1000)

/* A source stops producing while more than this waits in the state channel. */
#define MB_BACKLOG_MAX (512 * 1024)

/* FROZEN names at most this many keys; if more are dirty, all state counts as
 * such. */
#define MB_FROZEN_KEYS_MAX 100000

#define MB_NEVER UINT64_MAX

typedef void mb_call_fn(void *arg);

struct mb_env_ops {
    /* Monotonic time, ns. */
    uint64_t (*now)(void *aux);

    /* Queues a message to the coordinator, or writes what is queued. */
    void (*control_send)(void *aux, const struct mbox_msg *,
                         const struct mbox_key *keys);
    void (*control_flush)(void *aux);
    size_t (*control_backlog)(void *aux);

    /* Runs 'fn' in 'worker', between two packets, and waits for it. */
    void (*call)(void *aux, unsigned int worker, mb_call_fn *fn, void *arg);

    /* Returns when every packet given to 'process' has been processed and
     * what it caused to be sent has been sent. */
    void (*barrier)(void *aux);

    /* Has the middlebox process a packet; takes it over. */
    void (*process)(void *aux, struct mb_packet *);

    /* Sends out of packet->port; takes it over.  Sent at 'barrier', or when
     * the I/O thread has done its burst.  False: the frame is too long for
     * the port, and still the caller's. */
    bool (*transmit)(void *aux, struct mb_packet *);

    void (*log)(void *aux, int level, const char *message);
};

struct mb_env {
    const struct mb_env_ops *ops;
    void *aux;

    const struct mbox_ops *mb_ops;
    void *mb_aux;
    unsigned int n_workers;
    struct mb_tracker **trackers;   /* Heads of lists, one per worker. */
    struct mb_pending **pending;    /* Likewise. */

    char name[MBOX_NAME_MAX + 1];
    char class_name[MBOX_NAME_MAX + 1];
    uint64_t schema;
    size_t buffer_limit;
    char *layout;               /* What chunks have where, or NULL. */
    char *outputs;              /* Names of output functions, as in HELLO, or
                                 * NULL. */

    /* The coordinator's channel if it is over TLS and open, or null: a state
     * channel shows the same certificate, at the same address. */
    const struct mbox_channel *control;

    struct mb_copied *copied;   /* Of sources; freed by the env's owner. */

    uint64_t returned, discarded, replayed;     /* For mbox_get_stats(). */

    /* Frozen flow spaces.  The middlebox's timers stand still meanwhile: its
     * state is on its way, and a flow must not end in two places.  Written by
     * the I/O thread; atomic. */
    unsigned int n_frozen;
};

static inline bool
mb_env_is_frozen(const struct mb_env *env)
{
    return __atomic_load_n(&env->n_frozen, __ATOMIC_ACQUIRE) != 0;
}

struct mb_transfer {
    struct mb_transfer *next;
    struct mb_env *env;
    uint32_t id;
    enum mbox_role role;
    enum mbox_method method;
    enum mbox_guarantee guarantee;
    uint32_t scopes;
    uint32_t options;
    uint64_t epoch;
    char peer[MBOX_NAME_MAX + 1];
    uint64_t peer_run;
    uint64_t n_flows;           /* When it was prepared. */
    bool describe;              /* The layout is asked for. */
    int output;                 /* Source: of env->outputs; -1: all state. */
    struct mbox_space space;

    struct mbox_channel *state; /* Null with MBOX_OPT_RELAY. */
    struct mb_direct *direct;   /* State channel over TLS in the making. */
    bool failed;                /* ERROR was sent. */
    bool orphan;                /* The coordinator's connection ended. */
    bool in_doubt;              /* And only the coordinator knows how the
                                 * transfer ends. */
    bool asked;                 /* OPEN was sent on this connection. */
    bool resolved;              /* RESOLVE came. */
    bool must_ask;              /* mb_transfer_ask_again(). */
    bool finished;              /* Nothing is left to do: destroy it. */
    struct mb_source *source;
    struct mb_destination *destination;
};

/* A transfer whose pre-copy goes on until the coordinator ends it or, with a
 * tracer or by COMMIT, has the destination take over. */
static inline bool
mb_transfer_is_replica(const struct mb_transfer *t)
{
    return (t->options & MBOX_OPT_REPLICA) != 0;
}

/* True if what D has of shared state is replaced by what S has, not merged
 * with it. */
static inline bool
mb_transfer_replaces(const struct mb_transfer *t)
{
    return t->method == MBOX_METHOD_COPY || mb_transfer_is_replica(t);
}

/* Makes a transfer of a PREPARE (takes over 'fd', the state channel's, or -1)
 * and answers it.  'others' are the live ones.  Returns null if it answered
 * ERROR. */
struct mb_transfer *mb_transfer_create(struct mb_env *,
                                       const struct mbox_msg *prepare, int fd,
                                       const struct mb_transfer *others);
void mb_transfer_destroy(struct mb_transfer *);

/* A message from the coordinator about this transfer. */
void mb_transfer_recv(struct mb_transfer *, const struct mbox_msg *);

/* A packet whose tag names this transfer, the tag still on it.  Returns true
 * if the transfer took the packet over; false if it has no place in it. */
bool mb_transfer_recv_tagged(struct mb_transfer *, const struct mbox_tag *,
                             struct mb_packet *);

/* An ordinary packet, before it is processed.  Returns true if the transfer
 * took it over: it is returned, discarded or kept. */
bool mb_transfer_filter(struct mb_transfer *, struct mb_packet *);

/* Makes progress until about 'deadline'. */
void mb_transfer_run(struct mb_transfer *, uint64_t deadline);

/* When mb_transfer_run() must be called even without input; 0 for at once. */
uint64_t mb_transfer_wake(const struct mb_transfer *);
void mb_transfer_wait(const struct mb_transfer *, struct pollfd *);

/* The coordinator's connection ended.  Afterwards run until 'finished', which
 * if 'in_doubt' takes an answer of the coordinator. */
void mb_transfer_disconnected(struct mb_transfer *);

/* Makes the question of a transfer in doubt, with keys that are added to
 * 'keys'.  False: it cannot be asked yet.  Asking settles it: nothing is
 * imported any more. */
bool mb_transfer_get_open(struct mb_transfer *, struct mbox_msg *,
                          struct mb_keys *keys);

/* The answer. */
void mb_transfer_resolve(struct mb_transfer *, const struct mbox_msg *);

/* Packets that it keeps unprocessed. */
uint64_t mb_transfer_n_buffered(const struct mb_transfer *);

/* The worker that owns the flow 'key' (either direction), or another state
 * with that key. */
unsigned int mb_worker_of(const struct mbox_key *key, unsigned int n_workers);

/* State channels over TLS, transfer-direct.c.  As long as it is in the making,
 * the transfer is one with MBOX_OPT_RELAY. */

/* D listens, or S connects, as 'prepare' says.  Returns null, and stores in
 * 'why' (MBOX_WHY_MAX + 1 bytes) the cause, if that cannot be. */
struct mb_direct *mb_direct_create(const struct mb_env *,
                                   const struct mbox_msg *prepare, char *why);
void mb_direct_destroy(struct mb_direct *);

/* Makes progress.  Returns 0 once '*chp' is the state channel, -EAGAIN, or
 * another negative errno value, with the cause in 'why', if it must be done
 * without.  (Writes to 'why' in any case.) */
int mb_direct_run(struct mb_direct *, struct mbox_channel **chp, char *why);
uint64_t mb_direct_wake(const struct mb_direct *);
void mb_direct_wait(const struct mb_direct *, struct pollfd *);

/* "ssl:HOST:PORT". */
const char *mb_direct_address(const struct mb_direct *);

/* For the roles.
 * -------------- */

/* Sends 'msg' to the coordinator. */
void mb_transfer_send(struct mb_transfer *, const struct mbox_msg *,
                      const struct mbox_key *keys);

/* Adds the keys of the message, made canonical.  False: memory is short. */
bool mb_transfer_add_keys(struct mb_table *, const struct mbox_msg *);

/* Fails the transfer: "NAME: WHAT: strerror(code)" goes to the coordinator. */
void mb_transfer_fail(struct mb_transfer *, int code, const char *what, ...)
    __attribute__((format(printf, 3, 4)));

/* Memory is short for the keys of COMMIT or RESOLVE.  Nothing was done, and
 * nothing may be done with a part of them: 'must_ask' makes the agent end its
 * connection, which puts the transfer in doubt, so that it is asked about on
 * the next one. */
void mb_transfer_ask_again(struct mb_transfer *);

/* Answers a message that has no place in the present phase. */
void mb_transfer_unexpected(struct mb_transfer *, const struct mbox_msg *);

/* Sends 'packet' back unprocessed as number 'seq', the way the transfer says,
 * and takes it over. */
void mb_transfer_return(struct mb_transfer *, struct mb_packet *,
                        uint32_t seq);

/* Has the middlebox process 'packet', which was kept, and takes it over. */
void mb_transfer_replay(struct mb_transfer *, struct mb_packet *);

/* Drops what 'buffer' has. */
void mb_transfer_discard(struct mb_transfer *, struct mb_buffer *);

/* transfer-source.c */
struct mb_source *mb_source_create(struct mb_transfer *, uint64_t *n_flows);
void mb_source_destroy(struct mb_source *);
void mb_source_recv(struct mb_source *, const struct mbox_msg *);
bool mb_source_recv_tagged(struct mb_source *, const struct mbox_tag *,
                           struct mb_packet *);
bool mb_source_filter(struct mb_source *, struct mb_packet *);

/* True if the flow 'key', whichever direction of it, is frozen. */
bool mb_source_is_frozen(const struct mb_source *,
                         const struct mbox_key *key);
void mb_source_run(struct mb_source *, uint64_t deadline);
uint64_t mb_source_wake(const struct mb_source *);

/* The connection ended.  Returns true if the transfer is in doubt; otherwise
 * it ends by itself. */
bool mb_source_disconnected(struct mb_source *);

/* Forgets the keys of a COMMIT or RESOLVE of which not all have come. */
void mb_source_forget_commit(struct mb_source *);

/* transfer-destination.c */
struct mb_destination *mb_destination_create(struct mb_transfer *,
                                             uint64_t *n_flows);
void mb_destination_destroy(struct mb_destination *);
void mb_destination_recv(struct mb_destination *, const struct mbox_msg *);
bool mb_destination_recv_tagged(struct mb_destination *,
                                const struct mbox_tag *, struct mb_packet *);
bool mb_destination_filter(struct mb_destination *, struct mb_packet *);
void mb_destination_run(struct mb_destination *, uint64_t deadline);
uint64_t mb_destination_wake(const struct mb_destination *);
bool mb_destination_disconnected(struct mb_destination *);
void mb_destination_forget_commit(struct mb_destination *);

/* Stores which flows may have been processed here.  False: memory is short. */
bool mb_destination_get_owned(const struct mb_destination *,
                              enum mbox_select *, struct mb_keys *);
uint64_t mb_destination_n_buffered(const struct mb_destination *);

#endif /* transfer.h */
