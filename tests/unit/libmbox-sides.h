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

#ifndef LIBMBOX_SIDES_H
#define LIBMBOX_SIDES_H 1

/* Both roles of a transfer, driven by a scripted coordinator: no network, no
 * clock, no thread. */

#include "libmbox-world.h"
#include "transfer-destination.h"

#define EPOCH 77
#define ID 5

/* One instance. */
struct side {
    struct checker checker;
    struct mb_env env;
    struct mb_tracker *trackers[1];
    struct mb_pending *pending[1];
    struct mb_transfer *t;
    uint64_t clock;
    struct mbox_writer control; /* To the coordinator. */
    size_t control_ofs;
    struct mb_buffer out;       /* Sent packets. */
    size_t max_frame;
    uint32_t n_barriers;
    bool relay;
    const char *output;         /* Of PREPARE, or NULL. */
};

struct world {
    struct side s, d;
    struct mbox_channel *peer;  /* Of a side whose peer is the test. */
    uint32_t next[4096];        /* Number of a flow's next packet. */
};

void side_init(struct side *side, const char *name);
void side_uninit(struct side *side);

/* Feeds the next packet of 'flow' to 'side', as if from its port. */
void feed(struct world *w, struct side *side, uint32_t flow,
          const struct mbox_tag *tag);
bool feed_tracer(struct side *side, enum mbox_tag_kind kind, uint32_t seq);

/* Next message to the coordinator; returns false if there is none. */
bool next_msg(struct side *side, struct mbox_msg *msg);
void expect(struct side *side, enum mbox_msg_type type, struct mbox_msg *msg);
void expect_none(struct side *side);
void command(struct side *side, enum mbox_msg_type type);

/* Lets both sides work until they have nothing to do. */
void settle(struct world *w);

/* Moves S's RELAY messages to D. Others stay. */
void relay(struct world *w);
void progress(struct world *w);
struct mb_transfer *prepare(struct side *side, enum mbox_role role,
                            enum mbox_method method,
                            enum mbox_guarantee guarantee, uint32_t options,
                            unsigned int bits, int fd);
void world_init(struct world *w);
void world_uninit(struct world *w);

/* Prepares both sides with 'n' flows at S. */
void world_prepare(struct world *w, enum mbox_method method,
                   enum mbox_guarantee guarantee, uint32_t options,
                   uint32_t n);

/* Prepares one side whose peer on the state channel is the test. */
void lone_prepare(struct world *w, struct side *side, enum mbox_role role,
                  enum mbox_method method, uint32_t options);
void commit(struct world *w, uint64_t n_flows);

/* Every flow is at 'side', with the number of its last packet. */
void assert_state_at(struct world *w, struct side *side, uint32_t n);

/* The tracer came back, and only it. */
void expect_tracer(struct side *side, uint32_t seq);
void send_peer(struct world *w, const struct mbox_msg *msg,
               const struct mbox_key *keys);
void send_stream(struct world *w);

/* Gives D the do-not-buffer packet 'seq', the next one of 'flow'. */
void give_dnb(struct world *w, bool via_channel, uint32_t flow, uint32_t seq);
void give_last(struct world *w, bool via_channel, uint32_t seq);

/* Gives 'side' the coordinator's answer about a transfer in doubt, or a part
 * of it. */
void resolve_part(struct side *side, bool commit, enum mbox_select select,
                  const struct mbox_key *keys, uint32_t n, bool more);
void resolve(struct side *side, bool commit, enum mbox_select select,
             const struct mbox_key *keys, uint32_t n);

#endif /* libmbox-sides.h */
