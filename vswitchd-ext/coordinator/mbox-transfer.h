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

#ifndef MBOX_TRANSFER_H
#define MBOX_TRANSFER_H 1

/* The transfer state machine
 * ==========================
 *
 * One 'struct mbox_transfer' takes one move or copy from request to answer.
 * It is pure logic: the clock, the two agents and the steering object are
 * behind 'struct mbox_transfer_ops', so tests drive it without a switch.
 * Everything runs in one thread and never blocks.
 *
 * Method hold (DESIGN: "what a colocated switch makes possible"):
 *
 *     PREPARING   PREPARE to both; PREPARED from both.  The steering object is
 *                 opened and arms itself meanwhile.
 *     PRECOPY     EXPORT to S, which streams chunks to D and reports rounds;
 *                 ends when few flows are dirty, or rounds do not help.
 *     ARMING      waits for the steering object, and until the database has a
 *                 record of the transfer (mbox-record.h), which is made at the
 *                 beginning.
 *     HOLDING     mode HOLD; tracer to S, sent again up to a fixed number of
 *                 times.  S freezes when it dequeues it, reports TRACER_SEEN,
 *                 sends it back out of its port, and streams the rest.
 *                 Order-preserving: nothing is released before the tracer has
 *                 come back through S's port, behind S's own output.
 *     RELEASING   D reports RELEASE for flows whose state is in place; their
 *                 queues are drained to D, then their live traffic follows.
 *     COMMITTING  INSTALLED and drained: the assignment is made, the steering
 *                 object closed.  When the database has it, COMMIT to both.
 *     DONE
 *
 * Method events (US 9,705,785, columns 5-8):
 *
 *     PREPARING   as above, and until there is a record.
 *     STOPPING    RETURN to S: it stops processing and returns (or, guarantee
 *                 none, discards) what it dequeues.  Order-preserving: BUFFER
 *                 to D.
 *     EXPORTING   EXPORT to S, until D reports INSTALLED.  Returned packets go
 *                 to the controller buffer.
 *     DUPLICATING mode DUP (order-preserving), until the first duplicate or
 *                 one grace period without traffic.
 *     ROUTING     mode TARGET; tracer to S.  Until the last packet is back:
 *                 the tracer, or the packet equal to the last duplicate.  (The
 *                 tracer is waited for with guarantee none, too: what S still
 *                 has queued must not meet a source that has committed.)
 *     FLUSHING    the controller buffer goes to D, tagged do-not-buffer, then
 *                 LAST; until FLUSHED.
 *     COMMITTING, DONE as above.
 *
 * Method copy: PREPARING, EXPORTING, DONE.
 *
 * Replicas (method hold, 'every_ms' in the request):
 *
 *     PREPARING   as above, but without steering object or record.
 *     REPLICATING EXPORT to S begins a round, which PRECOPY ends: the first is
 *                 of all flows, the others of what has changed since.  A round
 *                 that is due while another is in progress is skipped.  If S
 *                 is lost, or a round fails or takes longer than the timeout,
 *                 the phase goes on without: both are sent ERROR, and D keeps
 *                 what it has.  Ends when D is lost, when S is back on another
 *                 connection, by cancelling it, or by
 *                 mbox_transfer_fail_over():
 *     ARMING...   If S is there, as method hold, with what has changed since
 *                 the last round.
 *     STOPPING    If S is not, or does not answer: both are sent ERROR; until
 *                 D says so, too.  Then D takes over what it has (see
 *                 mbox-transfer-replica.c), by RELEASING if packets are held.
 *     COMMITTING, DONE as above.
 *
 * Failure
 * =======
 *
 * Until the first release (hold), or until D may have processed a packet
 * (events), everything is undone: ROLLBACK sends ABORT to both, waits for
 * ABORTED from those that live, then sends what is held to S, in order.  A
 * rollback of method events first holds the flow space and lets a tracer push
 * what S has queued out of it, because S processes what it dequeues once it is
 * thawed.
 *
 * Afterwards there are four cases:
 *
 *     - Every flow was released: the transfer goes on to its end.
 *     - Some were: SPLITTING assigns just those, and when the database has
 *       that, sends COMMIT with them to both; when S has thawed, the rest is
 *       released to S.  The result is a *split*.
 *     - S died after it froze: SALVAGING keeps what S had sent, and releases
 *       everything to D.  The report's error says if state was missing.
 *     - D died: all releases are taken back to S, whose state is that of the
 *       freeze.  The report's error says so.
 *
 * Every wait for an agent is bounded, so every transfer ends. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "mbox-msg.h"
#include "mbox-tag.h"

struct ds;
struct json;
struct mbox_transfer;

enum mbox_last_packet { MBOX_LAST_BY_TRACER, MBOX_LAST_BY_DUPLICATE };

struct mbox_transfer_request {
    uint32_t id;
    uint64_t epoch;
    char class_name[MBOX_NAME_MAX + 1];
    char src[MBOX_NAME_MAX + 1];
    char dst[MBOX_NAME_MAX + 1];
    struct mbox_space space;
    enum mbox_method method;
    enum mbox_guarantee guarantee;
    uint32_t scopes;            /* MBOX_SCOPE_* mask. */
    char output[MBOX_NAME_MAX + 1];     /* Only what this output function
                                         * needs; "": all. */
    uint32_t options;           /* MBOX_OPT_* mask. */
    enum mbox_last_packet last_packet;
    long long every_ms;         /* Replica: interval between rounds; 0 for a
                                 * transfer that is none. */
    long long timeout_ms;       /* For the whole transfer up to commit; 0 for
                                 * none.  Replica: for the first round. */
    unsigned int tracer_tries;  /* Default 10. */
    unsigned int tracer_interval_ms;    /* Default 10. */
    size_t buffer_limit;        /* Bytes of the controller buffer of method
                                 * events at which the transfer is rolled back
                                 * (at twice that, once it cannot be, packets
                                 * are dropped and counted); 0 means 64 MiB. */
    char state_path[MBOX_WHY_MAX + 32]; /* How state travels, for reports. */
};

/* Modes mirror enum mbox_steer_mode; kept apart so that this file does not
 * need the datapath. */
enum mbox_transfer_mode {
    MBOX_TRANSFER_PASS, MBOX_TRANSFER_DUP, MBOX_TRANSFER_HOLD,
    MBOX_TRANSFER_DROP, MBOX_TRANSFER_TARGET,
};

/* Figures of the steering object that the state machine and report need. */
struct mbox_transfer_dp_stats {
    uint64_t n_packets, n_held, cur_held, cur_bytes, max_bytes, n_drained;
    uint64_t n_dup;             /* Copies made; some may never come. */
    uint64_t n_dropped, n_overflow, n_flows_held;
    uint64_t hold_max_ns, hold_sum_ns, hold_histogram[24];
};

/* Outcome of a transfer. */
enum mbox_transfer_result {
    MBOX_TRANSFER_OPEN,
    MBOX_TRANSFER_MOVED,        /* Everything as asked. */
    MBOX_TRANSFER_ROLLED_BACK,  /* Nothing moved. */
    MBOX_TRANSFER_SPLIT,        /* Some flows moved, some stayed. */
};

struct mbox_transfer_ops {
    long long (*now_us)(void *aux);

    /* Sends to the agent in 'role'.  For PREPARE, the implementation attaches
     * the state channel's descriptor, or sets MBOX_OPT_RELAY. Returns 0 or a
     * negative errno value (the agent is gone). */
    int (*send)(void *aux, enum mbox_role role, const struct mbox_msg *,
                const struct mbox_key *keys);

    /* Bytes that wait to be sent to the agent in 'role'.  When they get less,
     * a step is made soon. */
    size_t (*backlog)(void *aux, enum mbox_role role);

    /* Ends the agent's connection, because of 'why'. */
    void (*disconnect)(void *aux, enum mbox_role role, const char *why);

    /* The steering object; semantics as in mbox-steer.h. */
    int (*dp_open)(void *aux);
    bool (*dp_is_armed)(void *aux);
    void (*dp_set_mode)(void *aux, enum mbox_transfer_mode);
    bool (*dp_has_key)(void *aux, const struct mbox_key *);
    void (*dp_release)(void *aux, enum mbox_select, const struct mbox_key *,
                       size_t n, bool to_source);
    void (*dp_hold_packet)(void *aux, const void *frame, size_t len);
    size_t (*dp_drain)(void *aux, size_t max);
    bool (*dp_is_drained)(void *aux);
    bool (*dp_is_over_limit)(void *aux);
    void (*dp_get_stats)(void *aux, struct mbox_transfer_dp_stats *);
    void (*dp_close)(void *aux);

    /* Frames to an instance's port. */
    int (*port_send)(void *aux, enum mbox_role, const void *frame, size_t,
                     const struct mbox_tag *tag);
    int (*port_send_tracer)(void *aux, enum mbox_role, enum mbox_tag_kind,
                            uint32_t seq);

    /* Makes the assignment durable, as mbox_steer_assign() does.  Without the
     * steering object it takes effect at once, for flows that are S's, or
     * returns a negative errno value and changes nothing, see
     * mbox_class_move(). */
    int (*assign)(void *aux, enum mbox_select, struct mbox_key *, size_t n);

    /* Makes undone what assign() has changed. */
    void (*assign_back)(void *aux);

    /* Writes the assignments, and that the transfer is open or how it ends, to
     * the database, so that an agent can be told after whatever crash.
     * is_recorded() tells when they are there. */
    void (*record)(void *aux, enum mbox_transfer_result);
    bool (*is_recorded)(void *aux);
};

struct mbox_transfer *mbox_transfer_create(
    const struct mbox_transfer_request *, const struct mbox_transfer_ops *,
    void *aux);
void mbox_transfer_destroy(struct mbox_transfer *);

/* Inputs. */
void mbox_transfer_recv(struct mbox_transfer *, enum mbox_role from,
                        const struct mbox_msg *);
void mbox_transfer_agent_lost(struct mbox_transfer *, enum mbox_role,
                              const char *why);
void mbox_transfer_port_lost(struct mbox_transfer *, enum mbox_role,
                             const char *why);

/* The instance in this role asks for more than can be: the transfer fails, or
 * if it can only go on, says so. */
void mbox_transfer_refuse(struct mbox_transfer *, enum mbox_role,
                          const char *why);

/* A tagged frame (tag already removed) from the port of the instance in
 * 'from'.  Returns false if the transfer did not expect it (the caller counts
 * and drops it). */
bool mbox_transfer_recv_tagged(struct mbox_transfer *, enum mbox_role from,
                               const struct mbox_tag *, const void *frame,
                               size_t len);

/* A duplicate from mode DUP. */
void mbox_transfer_recv_dup(struct mbox_transfer *, const void *frame,
                            size_t len);
void mbox_transfer_cancel(struct mbox_transfer *, const char *why);

/* Replicas.  One can fail over as soon as its first round is complete, once;
 * the failover has 'timeout_ms' as a transfer has. */
bool mbox_transfer_is_replica(const struct mbox_transfer *);
bool mbox_transfer_can_fail_over(const struct mbox_transfer *);
void mbox_transfer_fail_over(struct mbox_transfer *, long long timeout_ms);

/* Makes all progress that is possible now.  Call after inputs, when armed, and
 * when mbox_transfer_wake_us() has passed. */
void mbox_transfer_run(struct mbox_transfer *);

/* When mbox_transfer_run() must be called even without input: a time as of
 * now_us(), LLONG_MIN for at once, LLONG_MAX for never. */
long long mbox_transfer_wake_us(const struct mbox_transfer *);

/* Outputs. */
bool mbox_transfer_is_done(const struct mbox_transfer *);

struct mbox_replica_report {
    uint64_t rounds;            /* Complete. */
    uint64_t skipped;
    uint64_t chunks, bytes;     /* Of the last complete one. */
    long long age_us;           /* Since its begin, or, if the replica was
                                 * failed over, until that; -1: none yet. */
    long long lost_us;          /* From its begin until S was lost; -1: S was
                                 * not. */
    bool cut_off;               /* There are no more rounds. */
    enum {
        MBOX_FAILOVER_NONE,
        MBOX_FAILOVER_OPEN,     /* Going on. */
        MBOX_FAILOVER_COMPLETE, /* S gave the rest: nothing is missing. */
        MBOX_FAILOVER_STALE,    /* D took over without. */
    } failover;
};

struct mbox_transfer_report {
    enum mbox_transfer_result result;
    const char *phase;          /* "pre-copy", "holding", ... */
    char error[MBOX_TEXT_MAX + 1];      /* "" or instance, step, cause. */
    uint64_t flows_moved, chunks, state_bytes, gone;
    uint64_t precopy_rounds;
    struct mbox_replica_report replica;     /* Zeros if it is none. */
    uint64_t packets_seen, packets_held, packets_returned, packets_dup;
    uint64_t packets_discarded; /* Guarantee none; S's count. */
    uint64_t packets_lost;      /* Known lost: overflow, gaps in returned
                                 * sequence numbers, late packets dropped. */
    uint64_t tracers_sent;
    uint64_t max_held_bytes;
    long long start_us;         /* The request, as of now_us(). */
    long long transfer_us;      /* From the request (of the failover, if there
                                 * was one) until everything is D's, or
                                 * is undone.  What follows a move, the
                                 * database and the end at the agents, delays
                                 * nobody's packets; 'phases' has it. */
    long long hold_us;          /* Flip to the last release; method events:
                                 * from when S stopped to FLUSHED. */
    double hold_ms_max;         /* Longest time that one packet was held, or
                                 * (method events) from its return until the
                                 * destination said that it has processed
                                 * it. */
    /* Timeline: when each phase was entered, in us since the request. */
    size_t n_phases;
    struct { const char *phase; long long at_us; } phases[16];
};
void mbox_transfer_get_report(const struct mbox_transfer *,
                              struct mbox_transfer_report *);

/* Appends the report to 'ds' as text, several lines (of a replica's own part
 * only: one, without its end), for a person; or returns
 * it as one JSON object, which the caller owns.  'request' is the transfer's.
 * Neither needs the transfer to exist still. */
void mbox_transfer_report_format(const struct mbox_transfer_request *request,
                                 const struct mbox_transfer_report *,
                                 struct ds *ds);
void mbox_replica_report_format(const struct mbox_transfer_request *request,
                                const struct mbox_replica_report *,
                                struct ds *ds);
struct json *mbox_transfer_report_to_json(
    const struct mbox_transfer_request *request,
    const struct mbox_transfer_report *);

/* "in progress", "moved" ("copied" if a copy), "rolled back", "split". */
const char *mbox_transfer_result_to_string(enum mbox_method,
                                           enum mbox_transfer_result);

#endif /* mbox-transfer.h */
