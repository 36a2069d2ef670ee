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

#ifndef TEST_TRANSFER_WORLD_H
#define TEST_TRANSFER_WORLD_H 1

/* A small world for the transfer state machine: a switch with traffic, two
 * middleboxes with their agents, and everything between them, in simulated
 * time.  It is deterministic: the same scenario gives the same run.
 *
 * Everything moves on links, which are first in, first out.  One dispatched
 * item of a link is one *event*; a fault can be injected behind any of them.
 *
 * The middleboxes keep for each flow the number of its next packet, so that
 * a packet that is lost, repeated, overtaken, or processed without the state
 * of those before it shows at once. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/list.h"
#include "mbox-transfer.h"

enum {
    WORLD_FLOWS = 6,            /* Most flows of a scenario. */
    WORLD_PACKETS = 4096,       /* Most packets of a flow. */
};

enum world_link {
    LINK_C2S, LINK_C2D,         /* Control messages. */
    LINK_S2C, LINK_D2C,
    LINK_STATE,                 /* State messages, S to D. */
    LINK_PORT_S, LINK_PORT_D,   /* Packets that a middlebox will dequeue. */
    LINK_OUT_S, LINK_OUT_D,     /* Packets that it sends. */
    LINK_DUP,                   /* Duplicates to the coordinator. */
    LINK_EXPORT,                /* Next slice of S's export. */
    LINK_TRAFFIC,               /* Next packet of the traffic. */
    LINK_ARM,                   /* The steering object is armed. */
    N_LINKS
};

enum world_fault {
    FAULT_NONE,
    FAULT_KILL_S, FAULT_KILL_D, /* The process dies. */
    FAULT_DISCONNECT_S, FAULT_DISCONNECT_D, /* Only its connection. */
    FAULT_SEND_S, FAULT_SEND_D, /* Same, noticed when something is sent. */
    FAULT_PORT_S, FAULT_PORT_D, /* Its port is removed. */
    FAULT_HANG_S, FAULT_HANG_D, /* It does nothing any more. */
    FAULT_ERROR_S, FAULT_ERROR_D,   /* Its agent reports an error. */
    FAULT_UNEXPECTED_S, FAULT_UNEXPECTED_D, /* Sends what makes no sense. */
    FAULT_CANCEL,
    FAULT_LIMIT,                /* Too many packets are held. */
    FAULT_TRACERS,              /* Every tracer to S is lost. */
    FAULT_TRACER_COPIES,        /* Every tracer from S's port is lost. */
    FAULT_COUNTS,               /* D installs less than S sent. */
    N_FAULTS
};
const char *world_fault_to_string(enum world_fault);

struct world_scenario {
    const char *name;
    enum mbox_method method;
    enum mbox_guarantee guarantee;
    uint32_t options;
    enum mbox_last_packet last_packet;
    unsigned int n_flows;       /* 0: nothing matches. */
    unsigned int interval_us;   /* Mean time between two packets. */
    unsigned int service_us;    /* Time that a middlebox takes per packet. */
    unsigned int delay_us;      /* Of links, at most. */
    unsigned int arm_us;        /* Until the object is armed. */
    unsigned int port_loss;     /* Tagged packets lost, per thousand. */
    unsigned int n_before;      /* Packets before the transfer begins. */
    unsigned int n_packets;     /* Packets in all. */
    uint64_t seed;
    bool agents_ignore_pacing;  /* They answer no pacing tracer. */
    bool dp_open_fails;

    /* A fault besides that of world_run(), FAULT_NONE usually. */
    enum world_fault second_fault;
    unsigned long second_fault_at;
};

struct world_mb {
    enum mbox_role role;
    bool alive;                 /* Process runs. */
    bool hung;
    bool connected;             /* Control connection, both ways. */
    bool refuses;               /* Sending to it fails. */
    bool port_up;

    struct { bool present; uint32_t next; } state[WORLD_FLOWS];

    /* The agent's part of the transfer. */
    bool open;
    struct mbox_msg prepare;

    /* Source. */
    bool frozen, returning;
    uint32_t n_returned;
    uint64_t n_discarded;
    bool sent[WORLD_FLOWS];
    uint32_t sent_next[WORLD_FLOWS];
    enum { EXPORT_IDLE, EXPORT_ROUND, EXPORT_FINAL } exporting;
    unsigned int export_flow;
    uint32_t round;
    uint64_t n_chunks;

    /* Destination. */
    bool put[WORLD_FLOWS];
    bool released[WORLD_FLOWS];
    bool stream_final, ended;
    uint64_t n_put;
    bool buffering;
    struct ovs_list buffer;     /* Own buffer. */
    struct ovs_list early;      /* Do-not-buffer packets that overtook. */
    uint32_t flushed;           /* Do-not-buffer packets processed. */
};

struct world_packet {
    uint32_t flow, seq;
};

struct world {
    struct world_scenario scenario;
    enum world_fault fault;
    unsigned long fault_at;     /* Event behind which it happens. */
    bool fault_done, second_fault_done;
    bool trace;

    long long now_us;
    uint64_t random;
    unsigned long n_events;
    struct ovs_list links[N_LINKS];
    long long link_free_us[N_LINKS];

    struct mbox_transfer *transfer;
    struct mbox_transfer_request request;
    struct mbox_transfer_report report;
    struct mbox_key keys[WORLD_FLOWS];
    struct world_mb src, dst;

    /* Switch. */
    bool dp_open, dp_armed, over_limit;
    bool lose_tracers, lose_tracer_copies, wrong_counts;
    enum mbox_transfer_mode mode;
    bool mode_to_source;        /* TARGET means the source. */
    struct {
        enum { FLOW_NONE, FLOW_HELD, FLOW_DRAINING, FLOW_RELEASED } state;
        bool to_source;
        struct ovs_list queue;
    } flows[WORLD_FLOWS];
    struct mbox_transfer_dp_stats stats;
    enum mbox_role assigned[WORLD_FLOWS];
    enum mbox_transfer_result recorded; /* OPEN: nothing. */
    long long recorded_us;      /* When the database has it. */
    unsigned int n_emitted;

    /* What became of each packet. */
    uint32_t n_sent[WORLD_FLOWS];
    uint8_t processed[WORLD_FLOWS][WORLD_PACKETS];
    bool excused[WORLD_FLOWS][WORLD_PACKETS];
    bool left[WORLD_FLOWS][WORLD_PACKETS];  /* Its output arrived. */
    uint32_t last_processed[WORLD_FLOWS];   /* Sequence number plus 1. */
    uint32_t last_left[WORLD_FLOWS];

    /* Verdicts. */
    unsigned int n_dropped;     /* At dp_close. */
    unsigned int n_repeated, n_reordered, n_reordered_out, n_mismatched;
    unsigned int n_lost_tagged; /* Returned packets lost on the way. */
    char complaint[256];
};

/* Runs 'scenario' with one fault, behind event 'fault_at', to its end.  The
 * caller reads the verdicts and destroys it. */
struct world *world_run(const struct world_scenario *, enum world_fault,
                        unsigned long fault_at, bool trace);
void world_destroy(struct world *);

/* Checks what must hold after any run; with two faults, only that it ended and
 * left nothing behind.  Returns null if all is well, otherwise what is not. */
const char *world_check(struct world *);

/* The rest is for the files of the world: test-transfer-world.c has the links
 * and runs it, test-transfer-mb.c has the middleboxes and their agents,
 * test-transfer-switch.c the switch and the operations of the transfer. */

/* What travels on a link. */
struct item {
    struct ovs_list node;
    long long at_us;            /* When it arrives. */
    enum { ITEM_MSG, ITEM_PACKET, ITEM_TRACER, ITEM_EOF, ITEM_TICK } kind;
    struct world_packet packet;
    struct mbox_tag tag;        /* 'tag.kind' 0: not tagged. */
    uint8_t *frame;             /* ITEM_MSG: encoded. */
    size_t frame_len;
};

#define WORLD_FRAME_LEN 60

uint32_t world_random(struct world *, uint32_t n);
bool world_chance(struct world *, unsigned int per_thousand);
struct item *item_create(int kind);
void item_destroy(struct item *);
long long link_delay(struct world *);
void link_put(struct world *, enum world_link, struct item *,
              long long delay_us);
void link_put_tick(struct world *, enum world_link, long long delay_us);
void link_put_packet(struct world *, enum world_link, struct world_packet,
                     int tag_kind, uint32_t seq);
void link_put_tracer(struct world *, enum world_link, int tag_kind,
                     uint32_t seq);
void link_put_msg(struct world *, enum world_link, const struct mbox_msg *,
                  const struct mbox_key *keys);

/* Loses a packet, or what is on a link, for a reason that is not the
 * coordinator's. */
void world_excuse(struct world *, struct world_packet);
void link_lose(struct world *, enum world_link);

void frame_make(struct world_packet, uint8_t frame[WORLD_FRAME_LEN]);
struct world_packet frame_parse(const void *frame, size_t len);
int world_find_key(const struct world *, const struct mbox_key *);

struct world_mb *world_mb(struct world *, enum mbox_role);
enum world_link mb_out(const struct world_mb *);
void mb_send_msg(struct world *, struct world_mb *, const struct mbox_msg *,
                 const struct mbox_key *keys);
void mb_send_simple(struct world *, struct world_mb *, enum mbox_msg_type);
void mb_answer_tracer(struct world *, struct world_mb *, uint32_t seq);
void mb_lose_buffers(struct world *, struct world_mb *);
void world_disconnect(struct world *, struct world_mb *);
void world_kill(struct world *, struct world_mb *);

void src_export_slice(struct world *);
void src_recv_packet(struct world *, struct world_packet);
void src_recv_tracer(struct world *, uint32_t seq);
void src_recv_msg(struct world *, const struct mbox_msg *);

void dst_recv_packet(struct world *, struct world_packet,
                     const struct mbox_tag *);
void dst_recv_last(struct world *, uint32_t seq);
void dst_recv_state(struct world *, const struct mbox_msg *);
void dst_recv_state_eof(struct world *);
void dst_recv_msg(struct world *, const struct mbox_msg *);

void switch_recv_out(struct world *, struct world_mb *, struct item *);
void traffic_tick(struct world *);
extern const struct mbox_transfer_ops world_ops;

#endif /* test-transfer-world.h */
