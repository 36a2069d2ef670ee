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

#ifndef MBOX_TRANSFER_PRIVATE_H
#define MBOX_TRANSFER_PRIVATE_H 1

/* What the files of the transfer state machine share.
 *
 *     mbox-transfer.c         inputs, phases, failure
 *     mbox-transfer-agent.c   what is sent to the two agents
 *     mbox-transfer-keys.c    sets of flow keys, lists of packets
 *     mbox-transfer-pace.c    tracers, and pacing what is sent to an instance
 *     mbox-transfer-hold.c    method hold
 *     mbox-transfer-events.c  method events
 *     mbox-transfer-copy.c    method copy
 *     mbox-transfer-replica.c replicas: rounds, failover
 *     mbox-transfer-undo.c    rollback, split, salvage
 *     mbox-transfer-report.c  figures, text, JSON
 *
 * Inputs record what happened; only mbox_transfer_run() changes the phase, so
 * that no operation is ever started from within another. */

#include "mbox-transfer.h"
#include "bitmap.h"
#include "compiler.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"

enum mbox_phase {
    MBOX_PHASE_PREPARING,
    MBOX_PHASE_PRECOPY,
    MBOX_PHASE_REPLICATING,
    MBOX_PHASE_ARMING,
    MBOX_PHASE_HOLDING,
    MBOX_PHASE_RELEASING,
    MBOX_PHASE_STOPPING,
    MBOX_PHASE_EXPORTING,
    MBOX_PHASE_DUPLICATING,
    MBOX_PHASE_ROUTING,
    MBOX_PHASE_FLUSHING,
    MBOX_PHASE_SALVAGING,
    MBOX_PHASE_SPLITTING,
    MBOX_PHASE_ROLLBACK,
    MBOX_PHASE_COMMITTING,
    MBOX_PHASE_DONE,
    MBOX_N_PHASES
};

/* How long to wait for an agent that must answer for the transfer to end. */
#define MBOX_ANSWER_US (1000 * 1000)

/* How long to wait for the database before S is frozen, before COMMIT, and
 * before a split is taken back. */
#define MBOX_RECORD_US (2000 * 1000)

/* How long D of a replica may take to say that it imports nothing more. */
#define MBOX_STOP_US (5 * 1000 * 1000)

/* How long D is given, once S has died, to install what S had sent. */
#define MBOX_SALVAGE_US (200 * 1000)

/* When D reports that the state channel broke, S has probably died: how long
 * to wait for that news, which decides between rollback and salvage. */
#define MBOX_SUSPECT_US (50 * 1000)

/* Duplicating ends after this long without traffic; and so long may packets
 * that S returned before it died be on their way. */
#define MBOX_GRACE_US (10 * 1000)

/* How often to look at conditions of the datapath that give no wake-up. */
#define MBOX_POLL_US 1000

/* Pre-copy ends when this few flows are dirty, or 1 % of them, or after this
 * many rounds, or when a round leaves no fewer than the one before. */
#define MBOX_PRECOPY_DIRTY 16
#define MBOX_PRECOPY_ROUNDS 8

/* Most keys that D may release one by one, to bound memory. */
#define MBOX_MAX_KEYS (4 * 1024 * 1024)

/* Keys in one COMMIT, and how many bytes may wait for an agent when another is
 * sent. */
#define MBOX_COMMIT_KEYS 65536
#define MBOX_COMMIT_BACKLOG (1024 * 1024)

/* A set of canonical flow keys. */
struct mbox_key_set {
    struct hmap map;
};

void mbox_key_set_init(struct mbox_key_set *);
void mbox_key_set_destroy(struct mbox_key_set *);
void mbox_key_set_clear(struct mbox_key_set *);
void mbox_key_set_swap(struct mbox_key_set *, struct mbox_key_set *);
size_t mbox_key_set_count(const struct mbox_key_set *);
bool mbox_key_set_contains(const struct mbox_key_set *,
                           const struct mbox_key *);

/* These return false if 'key' was there already, or was not there. */
bool mbox_key_set_add(struct mbox_key_set *, const struct mbox_key *key);
bool mbox_key_set_remove(struct mbox_key_set *, const struct mbox_key *key);

/* Returns the keys in an array of mbox_key_set_count() elements, which the
 * caller must free; NULL if there are none. */
struct mbox_key *mbox_key_set_array(const struct mbox_key_set *);

/* Returns the keys of 'msg', canonical, in an array of 'msg->n_keys' elements
 * that the caller must free; NULL if there are none. */
struct mbox_key *mbox_transfer_get_keys(const struct mbox_msg *msg);

/* Packets in order, each of which has a sequence number: its index plus 1. */
struct mbox_frame {
    void *data;                 /* Null once it is not needed any more. */
    size_t len;
    uint32_t seq;               /* As the agent that returned it said. */
    long long since_us;         /* When it came. */
};

struct mbox_frames {
    struct mbox_frame *frames;
    size_t n, allocated;
    size_t n_freed;             /* Frames before this index are freed. */
    size_t bytes, max_bytes;    /* Memory now and at most. */
    long long max_us;           /* Longest time that one was needed. */
};

void mbox_frames_destroy(struct mbox_frames *);

/* Inserts a copy of a frame behind those of lower 'seq', but not before the
 * first 'n_fixed' ones.  (What is too long for a port with a tag comes by the
 * channel, past what comes by the port.) */
void mbox_frames_insert(struct mbox_frames *, size_t n_fixed, uint32_t seq,
                        const void *, size_t len, long long now_us);
void mbox_frames_free_to(struct mbox_frames *, size_t end, long long now_us);

/* Pacing
 * ======
 *
 * A burst of held packets would overrun an instance's port.  So behind every
 * MBOX_WINDOW packets goes a tracer, and at most two windows are under way
 * until the instance reports that it has dequeued it.  An instance that does
 * not answer is sent a window each MBOX_TIMED_US instead, then two, four, ...,
 * so that any rate of arrivals is outrun in the end. */
#define MBOX_WINDOW 64
#define MBOX_WINDOWS 2
#define MBOX_TIMED_US 1000
#define MBOX_TIMED_MAX 4096
#define MBOX_PACE_TRIES 3

/* Tracers of a pacer have this bit in 'seq', others do not. */
#define MBOX_PACE_SEQ 0x80000000u

struct mbox_pacer {
    uint64_t sent, acked;       /* Packets. */
    uint64_t marked;            /* 'sent' when the newest tracer was sent. */
    uint32_t serial;            /* Of the newest tracer. */
    uint32_t first_serial;      /* Answers to older ones do not count. */
    uint64_t upto[2 * MBOX_WINDOWS];    /* 'marked', by serial. */
    unsigned int tries;
    long long resend_us;        /* When to send the tracer again. */
    bool timed;
    unsigned int slice, budget; /* Sent, and allowed, now, if 'timed'. */
    long long next_us;          /* When the next may go, if 'timed'. */
};

/* The tracer that finds the last packet in S's queue. */
struct mbox_tracer {
    bool active;
    uint32_t first_seq;         /* Those of an earlier use do not count. */
    uint32_t seq;               /* Newest one sent. */
    unsigned int tries;
    long long resend_us;
    bool control_seen;          /* TRACER_SEEN. */
    bool port_seen;             /* It came back through S's port. */
    uint64_t n_packets;         /* What TRACER_SEEN said. */
};

enum mbox_agent_stage {
    MBOX_AGENT_UNTOLD,          /* It does not know of the transfer. */
    MBOX_AGENT_OPEN,            /* PREPARE was sent. */
    MBOX_AGENT_ABORTING,        /* ABORT was sent. */
    MBOX_AGENT_COMMITTING,      /* COMMIT is sent. */
    MBOX_AGENT_FINISHED,        /* It has answered that. */
};

/* How far behind the highest sequence number a returned packet may come. */
#define MBOX_SEQ_WINDOW 4096

struct mbox_agent {
    enum mbox_role role;
    const char *name;
    bool live;                  /* Its control connection. */
    bool port_live;
    enum mbox_agent_stage stage;
    bool prepared;
    long long answer_by;        /* ABORTING, COMMITTING: not to wait for it
                                 * any longer. */
    size_t n_told;              /* COMMITTING: keys sent. */
    bool all_told;              /* And the last part. */
    uint32_t last_seq;          /* Highest of the packets it returned. */
    uint64_t n_returned;        /* How many of them are here. */
    uint64_t n_said;            /* How many it says that it returned. */
    uint64_t n_missing;         /* Of them, counted as lost. */
    unsigned long seen[BITMAP_N_LONGS(MBOX_SEQ_WINDOW)]; /* By seq, modulo. */
    uint64_t n_said_returned;   /* As ABORTED says. */
    struct mbox_pacer pacer;
};

/* A RELEASE that waits for the tracer. */
struct mbox_pending_release {
    enum mbox_select select;
    struct mbox_key *keys;
    size_t n;
};

/* Hashes of the last packets of a stream, newest at [(n - 1) % size]. */
#define MBOX_TRAIL_LEN 64
struct mbox_trail {
    uint64_t hashes[MBOX_TRAIL_LEN];
    uint64_t n;
};

/* How a method reacts.  In its own phases only; the common ones are in
 * mbox-transfer.c and mbox-transfer-undo.c. */
struct mbox_method_class {
    /* Both agents are prepared: enters the method's first phase. */
    void (*start)(struct mbox_transfer *);

    /* Makes progress.  Returns true if it should be called again at once. */
    bool (*step)(struct mbox_transfer *);

    /* Takes a message.  Returns false if it is not expected. */
    bool (*recv)(struct mbox_transfer *, struct mbox_agent *,
                 const struct mbox_msg *);

    /* Something failed: changes the phase, or decides to go on. */
    void (*resolve)(struct mbox_transfer *);

    /* True if the transfer can only go on in its present phase. */
    bool (*is_forward_only)(const struct mbox_transfer *);
};

extern const struct mbox_method_class mbox_method_hold;
extern const struct mbox_method_class mbox_method_events;
extern const struct mbox_method_class mbox_method_copy;
extern const struct mbox_method_class mbox_method_replica;

/* What there is of a replica besides a transfer.  Times are as of now_us(), -1
 * for never. */
struct mbox_replica {
    long long next_us;          /* When the next round is due. */
    long long begun_us;         /* The round in progress; -1: there is none. */
    long long complete_us;      /* Begin of the last complete round. */
    long long lost_us;          /* S's connection ended. */
    long long failover_us;      /* mbox_transfer_fail_over(). */
    uint64_t skipped;           /* Rounds. */
    uint64_t round_chunks, round_bytes;     /* Of the last complete round. */
    bool cut_off;               /* There are no more rounds. */
    bool dst_stopped;           /* D has said that it imports nothing more. */
    long long stop_until;       /* How long to wait for that. */
    bool forced;                /* The failover goes on without S. */
};

struct mbox_transfer {
    struct mbox_transfer_request request;
    const struct mbox_transfer_ops *ops;
    void *aux;
    const struct mbox_method_class *method;

    long long start_us;
    long long now_us;           /* As of the current step. */
    long long deadline_us;      /* LLONG_MAX if there is none, any more. */
    bool timed_out;             /* It has passed. */
    long long wake_us;

    enum mbox_phase phase;
    bool started;
    enum mbox_transfer_result result;
    struct ds error;
    bool failing;               /* resolve() is to be called. */
    bool cancelled;             /* By mbox_transfer_cancel(). */
    long long suspect_until;    /* See MBOX_SUSPECT_US; else LLONG_MAX. */
    bool dst_starved;           /* D has said that its channel broke. */

    struct mbox_agent src, dst;
    struct mbox_tracer tracer;

    /* Steering object. */
    bool dp_is_open;
    enum mbox_transfer_mode mode;
    struct mbox_transfer_dp_stats dp_stats;     /* As of its closing. */

    /* State, as agents report it. */
    uint64_t n_flows;           /* Matched at S when it prepared. */
    uint64_t precopy_rounds, precopy_dirty;
    bool precopy_enough;
    bool frozen;                /* S has frozen the flow space. */
    bool installed;
    uint64_t flows, chunks, bytes, gone;
    uint64_t discarded;         /* By S, guarantee none. */

    /* Method hold: what was released to D.  Before 'rest_released' it is
     * 'keys', afterwards everything but 'keys'. */
    struct mbox_pending_release *pending;
    size_t n_pending, allocated_pending;
    size_t n_keys_received;
    size_t n_foreign_keys;      /* Of these, that were left out. */
    bool any_released, rest_released;
    struct mbox_key_set keys;

    /* Method hold: flows whose state S cannot send, from STAYS to INSTALLED,
     * and why. */
    struct mbox_key *stays;
    size_t n_stays;
    char stays_text[MBOX_TEXT_MAX + 1];

    struct mbox_replica replica;

    /* Method events. */
    bool returning, buffering;
    struct mbox_frames buffer;  /* Returned by S: the controller buffer. */
    struct mbox_frames dst_buffer;      /* Returned by D, in a rollback. */
    struct mbox_trail dups, returns;
    long long dup_until;
    long long grace_until;      /* See MBOX_GRACE_US. */
    bool last_known;            /* Nothing more comes back from S. */
    bool last_sent;             /* LAST is out, and nothing before it lost. */
    uint32_t last_seq;          /* Its sequence number. */
    uint32_t late_seq;          /* Of the last packet sent behind it. */
    unsigned int last_tries;
    long long last_resend_us;
    uint64_t flushed_seen;      /* Most do-not-buffer packets D reported. */
    bool flush_by_channel;      /* The port has lost a packet. */
    bool flushed;

    /* The end. */
    bool told;                  /* COMMIT is sent. */
    enum mbox_select commit_select;     /* What it says. */
    struct mbox_key *commit_keys;
    size_t n_commit_keys;
    bool recorded;              /* The database has something of it. */
    long long record_by;        /* Do without the database from then on. */

    /* Undoing. */
    enum mbox_undo_step {
        MBOX_UNDO_RECORD,       /* No record says that it has split. */
        MBOX_UNDO_QUIESCE,      /* Empty the queues of the instances. */
        MBOX_UNDO_ABORT,        /* Wait until S has thawed. */
        MBOX_UNDO_RESEND,       /* Give S back what was buffered. */
        MBOX_UNDO_DRAIN,        /* And what the switch holds. */
    } undo_step;
    bool quiesce_src, quiesce_dst;      /* Whose queues are to be emptied. */
    long long undo_until;       /* Bound of the current step. */
    long long salvage_until;
    bool salvaged;              /* S died; D has what there was. */
    bool released_back;         /* The rest was released to S. */

    /* Figures. */
    uint64_t packets_returned, packets_dup, packets_lost, tracers_sent;
    long long hold_start_us, hold_end_us;       /* -1: never. */
    long long phase_us[MBOX_N_PHASES];          /* Likewise. */
    enum mbox_phase phases[MBOX_N_PHASES];      /* In order of entry. */
    size_t n_phases;
    long long done_us;
};

/* mbox-transfer-report.c. */
const char *mbox_phase_to_string(enum mbox_phase);

/* Copies the report's error, or as many whole characters of it as fit: it must
 * stay UTF-8. */
void mbox_transfer_copy_error(const struct mbox_transfer *,
                              char error[MBOX_TEXT_MAX + 1]);

/* mbox-transfer.c. */
void mbox_transfer_enter(struct mbox_transfer *, enum mbox_phase);
void mbox_transfer_finish(struct mbox_transfer *, enum mbox_transfer_result);

/* Adds to the report's error: the instance 'agent' (may be null), the step and
 * the cause. */
void mbox_transfer_note(struct mbox_transfer *, const struct mbox_agent *,
                        const char *format, ...) OVS_PRINTF_FORMAT(3, 4);

/* Same, and makes the next step resolve the failure. */
void mbox_transfer_fail(struct mbox_transfer *, const struct mbox_agent *,
                        const char *format, ...) OVS_PRINTF_FORMAT(3, 4);

/* Opens the steering object and records that the transfer is open.  Returns 0
 * or a negative errno value, with the transfer as it was. */
int mbox_transfer_open_dp(struct mbox_transfer *);

/* Asks for a step at 'when_us'. */
void mbox_transfer_wake_at(struct mbox_transfer *, long long when_us);

void mbox_transfer_set_mode(struct mbox_transfer *, enum mbox_transfer_mode);
void mbox_transfer_close_dp(struct mbox_transfer *);
void mbox_transfer_get_dp_stats(const struct mbox_transfer *,
                                struct mbox_transfer_dp_stats *);

/* Makes the move final: writes the assignment, ends the override.  The agents
 * are told when it is recorded.  Returns 0 or, without the steering object, a
 * negative errno value, with the transfer as it was. */
int mbox_transfer_commit(struct mbox_transfer *);

/* Records that the transfer is open, or how it ends.
 * mbox_transfer_is_recorded() is true when the database has it, or has not
 * taken it for too long; otherwise asks for a step then. */
void mbox_transfer_record(struct mbox_transfer *, enum mbox_transfer_result);
bool mbox_transfer_is_recorded(struct mbox_transfer *);

/* True once the agents may be told how the transfer ends, and only once. */
bool mbox_transfer_may_tell(struct mbox_transfer *);

/* Takes INSTALLED.  Returns false if its counts cannot be right. */
bool mbox_transfer_recv_installed(struct mbox_transfer *,
                                  const struct mbox_msg *);

/* mbox-transfer-agent.c. */
void mbox_agent_init(struct mbox_agent *, enum mbox_role, const char *name);
void mbox_agent_set_lost(struct mbox_transfer *, struct mbox_agent *,
                         const char *why);

/* Sends to an agent.  An agent that cannot be sent to is lost. */
void mbox_agent_send(struct mbox_transfer *, struct mbox_agent *,
                     const struct mbox_msg *, const struct mbox_key *keys);
void mbox_agent_send_simple(struct mbox_transfer *, struct mbox_agent *,
                            enum mbox_msg_type);
void mbox_agent_prepare(struct mbox_transfer *, struct mbox_agent *,
                        const struct mbox_agent *peer);
void mbox_agent_abort(struct mbox_transfer *, struct mbox_agent *);

/* Starts to tell the agent what 'commit_select' and 'commit_keys' say.  Calls
 * of mbox_agent_is_finished() go on with it. */
void mbox_agent_commit(struct mbox_transfer *, struct mbox_agent *);

/* True if the agent has answered ABORT or COMMIT, or never will. */
bool mbox_agent_is_finished(struct mbox_transfer *, struct mbox_agent *);

/* mbox-transfer-pace.c. */

/* How many packets may be sent to 'agent' now. */
size_t mbox_pacer_credit(struct mbox_transfer *, struct mbox_agent *);

/* 'n' packets were sent to 'agent'. */
void mbox_pacer_sent(struct mbox_transfer *, struct mbox_agent *, size_t n);

/* 'agent' has dequeued the tracer 'seq'.  Returns false if that is not one of
 * the pacer's that still counts.  '*upto' is the number of packets that were
 * sent before it, '*newest' is set if there is no newer tracer. */
bool mbox_pacer_find(const struct mbox_agent *, uint32_t seq, uint64_t *upto,
                     bool *newest);
void mbox_pacer_ack(struct mbox_agent *, uint64_t upto);

/* Sends a tracer behind everything that was sent to 'agent'.  True once it has
 * been acknowledged, or no answer can be expected any more. */
void mbox_pacer_mark(struct mbox_transfer *, struct mbox_agent *);
bool mbox_pacer_is_marked(const struct mbox_agent *);

/* Everything after the last acknowledged packet will be sent again. */
void mbox_pacer_rewind(struct mbox_agent *);

/* Sends lost tracers again. */
void mbox_pacer_run(struct mbox_transfer *, struct mbox_agent *);

/* Starts to send the tracer to S. */
void mbox_tracer_start(struct mbox_transfer *);

/* Sends it again if it is time.  Returns false once all tries are used up. */
bool mbox_tracer_run(struct mbox_transfer *);
bool mbox_tracer_counts(const struct mbox_transfer *, uint32_t seq);

/* Sends what the steering object drains, to D or ('to_source') to S and, in a
 * split, D.  Returns true if it sent anything. */
bool mbox_transfer_drain(struct mbox_transfer *, bool to_source);

/* mbox-transfer-hold.c. */

/* Applies the releases that wait for the tracer. */
void mbox_hold_apply_pending(struct mbox_transfer *);

/* True if nothing that S sent before it froze can still be overtaken. */
bool mbox_hold_is_order_safe(const struct mbox_transfer *);
void mbox_transfer_release_all(struct mbox_transfer *);
bool mbox_hold_all_released(const struct mbox_transfer *);

/* mbox-transfer-events.c. */

/* A packet that S (or D, in a rollback) gave back.  Returns false if it is not
 * expected. */
bool mbox_events_recv_returned(struct mbox_transfer *, struct mbox_agent *,
                               uint32_t seq, const void *frame, size_t len);
void mbox_events_recv_dup(struct mbox_transfer *, const void *, size_t len);

/* True if everything that S has returned is here, as far as that can be
 * known: the tracer is back the way that the guarantee needs. */
bool mbox_events_is_queue_empty(const struct mbox_transfer *);

/* True if packets go to D by the control channel: because it was asked for, or
 * since the port has lost one (it may be too long for it with a tag). */
bool mbox_events_is_via_channel(const struct mbox_transfer *);

/* Counts a packet that 'agent' returned as number 'seq'.  Returns false if it
 * did before, or if that cannot be told any more. */
bool mbox_agent_accept_seq(struct mbox_transfer *, struct mbox_agent *,
                           uint32_t seq);

/* 'agent' has said that it returned 'n_said' packets, and no more can come:
 * counts those that did not. */
void mbox_agent_count_missing(struct mbox_transfer *, struct mbox_agent *,
                              uint64_t n_said);

/* Goes on from a salvage: to routing and flushing. */
void mbox_events_go_forward(struct mbox_transfer *);

/* mbox-transfer-undo.c. */
void mbox_transfer_roll_back(struct mbox_transfer *);
void mbox_transfer_split(struct mbox_transfer *);
void mbox_transfer_salvage(struct mbox_transfer *);
bool mbox_transfer_step_undo(struct mbox_transfer *);
void mbox_transfer_resolve_undo(struct mbox_transfer *);

static inline bool
mbox_transfer_has_option(const struct mbox_transfer *t, uint32_t option)
{
    return (t->request.options & option) != 0;
}

static inline bool
mbox_agent_is_usable(const struct mbox_agent *agent)
{
    return agent->live && agent->port_live;
}

#endif /* mbox-transfer-private.h */
