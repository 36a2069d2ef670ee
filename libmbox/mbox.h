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

#ifndef MBOX_H
#define MBOX_H 1

/* libmbox: the middlebox half of moving flows with their state
 * ============================================================
 *
 * A middlebox (MB) that links libmbox registers a packet handler and, for each
 * scope of state it keeps, functions that list, export, import and delete that
 * state.  The library does the rest: packet I/O, the agent that talks to the
 * switch's coordinator, the state channel, on-wire tags, freezing, buffering
 * and replay of packets, and the tracking of flows that change while they are
 * being copied.  State is opaque bytes to everyone but the MB.
 *
 * Without a coordinator the program works as if the library only did packet
 * I/O; it goes on trying to reach the coordinator in the background.
 *
 * Threads
 * =======
 *
 * mbox_run() runs the whole instance.  With one worker (the default) every
 * callback runs in the thread that called mbox_run().  With N > 1 workers,
 * that thread reads packets and hands them to N threads by a symmetric hash of
 * the flow; 'packet', 'tick', and the state functions for a flow run in the
 * worker that owns the flow, with its number in 'worker', so an MB can keep
 * its tables per worker without locks.  State of scope multi-flow, all-flows
 * and config is asked for of every worker in turn ('worker' says whose share).
 * Only mbox_stop(), mbox_dirty() and mbox_send() may be called from other
 * contexts, as said there.
 *
 * Packets are processed run to completion, so between two calls of 'packet'
 * state is consistent: that is when the library exports it. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"           /* Flow keys; installed beside this header. */

#ifdef __cplusplus
extern "C" {
#endif

struct mbox;
struct mbox_space;

/* A packet that is being processed.  Valid during the callback only. */
struct mbox_packet {
    uint8_t *data;              /* Ethernet frame; may be changed in place. */
    size_t len;                 /* May be made smaller. */
    size_t capacity;            /* 'len' may be made larger up to this. */
    uint64_t timestamp;         /* CLOCK_MONOTONIC at dequeue, in ns. */
    unsigned int port;          /* Index of the port it came from. */
    struct mbox_key key;
    struct mbox_packet_layout layout;
    bool replayed;              /* It was buffered during a transfer. */
};

enum mbox_verdict {
    MBOX_DROP = 0,
    MBOX_FORWARD = 1,           /* Out of the port's peer: with one port, the
                                 * same port; with two, the other one. */
};

/* Scopes of state (US 2018/0095773 calls them per-flow, multi-flow and
 * all-flows state). */
enum mbox_state_scope {
    MBOX_STATE_PER_FLOW = 1,    /* Keyed by one flow's canonical key. */
    MBOX_STATE_MULTI_FLOW = 2,  /* Keyed by part of a key, e.g. a host. */
    MBOX_STATE_ALL_FLOWS = 4,   /* One for the instance. */
    MBOX_STATE_CONFIG = 8,      /* Static configuration. */
};

/* How an imported chunk relates to what the importer already has. */
enum mbox_put_mode {
    MBOX_PUT_REPLACE,           /* Moved, or a newer version: overwrite. */
    MBOX_PUT_MERGE,             /* The source keeps its own: combine. */
};

/* Receives the keys that 'list' finds.  Returns nonzero to stop. */
typedef int mbox_list_cb(const struct mbox_key *, void *aux);

/* Receives one exported chunk: call it exactly once from 'get' with return 0.
 * The bytes are copied before it returns. */
struct mbox_chunk;
void mbox_chunk_append(struct mbox_chunk *, const void *, size_t);

/* A flow whose packets can also arrive under another key (address translation)
 * adds those keys to its chunk.  See also mbox_alias() and 'list_aliases'. */
void mbox_chunk_add_key(struct mbox_chunk *, const struct mbox_key *);

/* For which output function the state is wanted: an index into what
 * mbox_set_outputs() was given, or -1: all of it.  What the function does not
 * need may be left out; -ENODATA from 'get' says that it needs nothing of this
 * state.  'put' then does without, as if that had just begun. */
int mbox_chunk_output(const struct mbox_chunk *);

/* True if the state is for mbox-state(8) to be looked at, and is not imported:
 * 'get' may write whatever tells most, in a form that 'put' refuses, and need
 * not stop anything. */
bool mbox_chunk_is_look(const struct mbox_chunk *);

/* Says in a few words of ASCII why 'get' is about to return an error, for the
 * command's answer, beside or in place of 'strerror' of that. */
void mbox_chunk_explain(struct mbox_chunk *, const char *why);

/* State functions of one scope.  All return 0 or a negative errno value; a
 * failure fails the transfer, with 'strerror' of it in the command's answer,
 * except -ENOENT from 'get': the state has ended meanwhile. */
struct mbox_state_ops {
    /* Calls 'cb' for each state whose flows may lie in 'space' (use
     * mbox_space_match()). */
    int (*list)(void *aux, unsigned int worker, const struct mbox_space *space,
                mbox_list_cb *cb, void *cb_aux);

    /* Exports the state of 'key'.  -EAGAIN: it cannot be read while it may
     * change; ask again when its flow is frozen (mbox_is_frozen()).  Such
     * state cannot be copied.  Another error than -ENOMEM of a flow that is
     * frozen: it stays while others move (method hold).  -ENODATA: see
     * mbox_chunk_output(). */
    int (*get)(void *aux, unsigned int worker, const struct mbox_key *key,
               struct mbox_chunk *chunk);

    /* Imports.  'data' comes from 'get' of an instance with equal class and
     * schema, and its checksum is right, but it must be validated like any
     * input.  Until the transfer ends a flow is pending: see
     * mbox_is_pending(). */
    int (*put)(void *aux, unsigned int worker, const struct mbox_key *key,
               const void *data, size_t len, enum mbox_put_mode mode);

    /* Forgets the state of 'key' without side effects such as a log record of
     * its end: it lives on in another instance. -ENOENT is no error. */
    int (*del)(void *aux, unsigned int worker, const struct mbox_key *key);
};

struct mbox_ops {
    /* Processes one packet.  Required. */
    enum mbox_verdict (*packet)(void *aux, unsigned int worker,
                                struct mbox_packet *);

    /* Called at least every 100 ms, between packets, for the MB's own timers.
     * 'now' is CLOCK_MONOTONIC in ns.  Not called while a flow space is frozen
     * because its state is leaving, so that no timer ends a flow that goes on
     * elsewhere.  May be null. */
    void (*tick)(void *aux, unsigned int worker, uint64_t now);

    /* State functions; null for scopes that the MB does not keep. */
    const struct mbox_state_ops *per_flow;
    const struct mbox_state_ops *multi_flow;
    const struct mbox_state_ops *all_flows;     /* 'key' is all zeros. */
    const struct mbox_state_ops *config;        /* 'key' is all zeros. */

    /* The number of flows held now, for mbox/policy, and to make room when
     * they are listed.  May be null: then it is not known. */
    uint64_t (*n_flows)(void *aux, unsigned int worker);

    /* For messages of the library ('level' as in syslog(3)).  May be null:
     * stderr. */
    void (*log)(void *aux, int level, const char *message);

    /* Calls 'cb' for each other key, under which packets of a flow arrive too,
     * of each per-flow state whose own key may lie in 'space'.  Without it a
     * transfer knows of such a key only once the state was read, and packets
     * under it that come before are processed after the flow was to stand
     * still.  Null if no flow has another key. */
    int (*list_aliases)(void *aux, unsigned int worker,
                        const struct mbox_space *space, mbox_list_cb *cb,
                        void *cb_aux);

    /* A hint: 'get', 'put' or 'del' of the per-flow state of 'flow' comes
     * soon, after some work on others.  Where more state is kept than fits
     * into the processor's caches, begin here to fetch what the look-up
     * needs (__builtin_prefetch()).  'flow' need not exist.  May be null. */
    void (*prefetch)(void *aux, unsigned int worker,
                     const struct mbox_key *flow);
};

struct mbox_options {
    size_t size;                /* sizeof(struct mbox_options): ABI check. */
    const char *name;           /* Instance; [A-Za-z0-9_.-]{1,63}. */
    const char *class_name;     /* "ids", ... */
    const char *product;        /* Name and version, for mbox/show. */
    uint64_t schema;            /* Change it when the layout of chunks does. */

    /* "unix:PATH", "ssl:HOST:PORT" or "serial:PATH"; null: no coordinator. */
    const char *coordinator;
    const char *private_key, *certificate, *ca_cert;    /* For ssl:. */

    /* "afpacket:IFNAME", or "dpdk:NAME" for the ethdev of that name after
     * rte_eal_init() with 'dpdk_args' (split at spaces), e.g.
     * "--no-huge --no-pci -m 256
     *  --vdev=net_virtio_user0,path=/run/s1,server=1". */
    const char *ports[2];
    unsigned int n_ports;       /* 1 or 2. */
    const char *dpdk_args;

    unsigned int n_workers;     /* 0 means 1. */
    size_t buffer_limit;        /* Bytes of packets that a transfer may make it
                                 * buffer; 0 means 64 MiB. */
};

/* Creates an instance.  Everything is copied but 'ops' and 'aux'.  Opens the
 * ports.  On failure returns a negative errno value and, if 'errp' is nonnull,
 * a malloc()ed message that names the cause and the remedy. */
int mbox_create(const struct mbox_options *, const struct mbox_ops *ops,
                void *aux, struct mbox **, char **errp);
void mbox_destroy(struct mbox *);

/* Runs until mbox_stop().  Returns 0, or a negative errno value if packet I/O
 * fails for good. */
int mbox_run(struct mbox *);

/* Makes mbox_run() return.  Async-signal-safe; any thread. */
void mbox_stop(struct mbox *);

/* Says that the state of 'key' changed other than by processing a packet of
 * that flow: by a timer, or by a packet of another flow.  (A packet's own flow
 * is tracked by the library.) For multi-flow state, whose changes the library
 * cannot see, the MB calls it at every change.  Call from a callback. Costs
 * one branch while nothing is being copied. */
void mbox_dirty(struct mbox *, unsigned int worker, enum mbox_state_scope,
                const struct mbox_key *key);

/* Says that from now on packets of the flow 'key' arrive under 'alias', too,
 * in either direction, because its addresses are translated.  Both are handled
 * by 'worker'.  Call from 'packet' when that is decided, not from 'put'; the
 * chunk of the flow must have the key (mbox_chunk_add_key()).  A transfer
 * stops and returns, and the destination buffers, such packets with the flow's
 * others.  Costs one branch while nothing is being moved. */
void mbox_alias(struct mbox *, unsigned int worker, const struct mbox_key *key,
                const struct mbox_key *alias);

/* True while the flow 'key' is on its way to this instance: 'put' may have
 * been called for it, but the source still has it, processes its packets, and
 * ends it when it ends; should the transfer fail, 'del' will be called.  Ask
 * before a timer ends a flow, and if it is pending, look at it again later, or
 * its end would be told of twice.  (Packets of a flow come here only once it
 * belongs here, so that what they do need not ask.)  Call from a callback.
 * Costs one branch while nothing is on its way. */
bool mbox_is_pending(const struct mbox *, unsigned int worker,
                     const struct mbox_key *key);

/* True while the flow 'key' is frozen in this instance: its state is leaving,
 * and no packet of it is given to 'packet'.  What changes it otherwise, such
 * as a socket that becomes readable, must wait, too: until 'del' is called, or
 * until this is false again, because the transfer has failed.  Call from a
 * callback.  Costs one branch while nothing is frozen.  For instances with one
 * worker. */
bool mbox_is_frozen(const struct mbox *, const struct mbox_key *key);

/* Has the library wait for 'fd', e.g. an epoll instance, with its own
 * descriptors, and call 'ready', with the 'aux' of mbox_create(), between
 * packets whenever it is readable; also while flows are frozen.  Once, before
 * mbox_run().  For instances with one worker. */
void mbox_watch(struct mbox *, int fd, void (*ready)(void *aux));

/* Says, for mbox-state(8), what the chunks of this instance have where: JSON
 * as in Documentation/state-layout.md, which is copied.  For generated code;
 * what an MB writes by hand is shown as bytes.  Before mbox_run().  Returns 0
 * or -ENOMEM. */
int mbox_set_layout(struct mbox *, const char *layout);

/* Announces the output functions for which state can be asked for (option
 * --output of mbox/move and mbox/copy): 'n' names of [A-Za-z0-9_.-]{1,63},
 * less than 1,023 characters in all, which are copied.  Before mbox_run().
 * Returns 0, -EINVAL, or -ENOMEM. */
int mbox_set_outputs(struct mbox *, const char *const *names, unsigned int n);

/* Sends a frame of the MB's own making from port 'port'.  Call from a
 * callback.  Returns 0 or a negative errno value. */
int mbox_send(struct mbox *, unsigned int worker, unsigned int port,
              const void *frame, size_t len);

/* True if 'key', as one flow, is in 'space'. For partial keys (hosts) see
 * mbox_space_match_host(). */
bool mbox_space_match(const struct mbox_space *, const struct mbox_key *key);

/* For multi-flow state kept under one address ('family' 4 or 6, 16 bytes as in
 * struct mbox_key).  MBOX_MATCH_ALL: every flow with this source or
 * destination is in 'space', so that the state moves with them;
 * MBOX_MATCH_SOME: some are, so that it is copied and merged. */
enum mbox_match { MBOX_MATCH_NONE, MBOX_MATCH_SOME, MBOX_MATCH_ALL };
enum mbox_match mbox_space_match_host(const struct mbox_space *,
                                      uint8_t family, const uint8_t addr[16]);

/* Counters since the start. */
struct mbox_stats {
    uint64_t rx_packets, rx_bytes, tx_packets, tx_bytes;
    uint64_t rx_dropped;        /* Lost before the MB could read them. */
    uint64_t tx_dropped;        /* Could not be sent. */
    uint64_t bad_tags;          /* Tagged packets of no live transfer. */
    uint64_t returned;          /* Sent back unprocessed in transfers. */
    uint64_t discarded;         /* Not processed, guarantee none. */
    uint64_t replayed;          /* Processed after having been buffered. */
};
void mbox_get_stats(const struct mbox *, struct mbox_stats *);

const char *mbox_version(void);

#ifdef __cplusplus
}
#endif

#endif /* mbox.h */
