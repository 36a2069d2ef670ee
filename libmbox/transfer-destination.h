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

#ifndef MB_TRANSFER_DESTINATION_H
#define MB_TRANSFER_DESTINATION_H 1

/* What the files of the destination's role share
 * ==============================================
 *
 * destination-state.c imports state and releases flows, destination-packets.c
 * buffers and replays packets, transfer-destination.c begins and ends. */

#include "transfer.h"

/* Do-not-buffer packets that are kept behind a gap in their numbers. */
#define MB_AHEAD 128

/* How long a source may bring no state on the state channel of a transfer in
 * doubt, and how long the channel may last in all. */
#define MB_SILENCE_NS (UINT64_C(10) * 1000 * 1000 * 1000)
#define MB_DOUBT_NS (UINT64_C(300) * 1000 * 1000 * 1000)

/* Flags of entries in 'states'. */
#define STATE_PUT 0x01          /* It is here because of this transfer. */
#define STATE_RELEASED 0x02     /* RELEASE named it. */
#define STATE_MERGED 0x04       /* Cannot be taken back. */

/* So many frames of the state channel are looked at before they are
 * received. */
#define MB_NEXT_CHUNKS 8

/* A chunk of per-flow state that was looked at. */
struct mb_next_chunk {
    size_t frame_len;
    struct mbox_key key;        /* Its main key, canonical. */
    uint32_t hash;              /* What mb_table_prefetch() says of it. */
    struct mbox_msg msg;        /* See mbox_chunk_decode_flow(). */
};

enum mb_sweep {
    SWEEP_NONE,
    SWEEP_ALL,                  /* Delete everything that was put. */
    SWEEP_UNSELECTED,           /* Only what COMMIT did not select. */
};

struct mb_destination {
    struct mb_transfer *t;

    /* State. */
    struct mb_pending *pending; /* One per worker. */
    uint32_t scopes;            /* MBOX_SCOPE_*: what may come. */
    bool streaming;             /* STREAM came. */
    bool frozen;                /* FROZEN came. */
    bool installed;             /* END came. */
    bool more;                  /* The state channel may have more. */
    uint64_t silence_end;       /* In doubt: 'now' + MB_SILENCE_NS when state
                                 * last came... */
    uint64_t doubt_end;         /* ...but never later than this. */
    uint32_t seq;               /* Of the last chunk. */
    uint64_t n_chunks, n_bytes, n_gone;
    uint64_t n_ended;           /* States that were here and are gone. */
    struct mb_table states;     /* Main keys of chunks, canonical. */
    struct mb_next_chunk next[MB_NEXT_CHUNKS];  /* A ring of the frames that
                                                 * are received next. */
    unsigned int i_next, n_next;    /* The first of them, and how many. */
    size_t next_len;            /* Bytes of all of them. */
    const struct mb_next_chunk *now;    /* The one that was received, if it was
                                         * looked at. */
    uint64_t n_flows;           /* Per-flow entries with STATE_PUT. */

    /* Release. */
    bool released_except;       /* All were released but 'except'. */
    struct mb_table except;
    struct mb_keys stays;       /* Flows whose state S cannot send. */
    char stays_text[MBOX_TEXT_MAX + 1];     /* Why. */
    struct mb_keys batch;       /* Of the next RELEASE. */
    bool released;              /* Some RELEASE was sent. */

    /* Packets. */
    bool buffering;
    bool replaying;             /* LAST came, 'buffer' is being processed. */
    bool flushed;
    bool over_limit;
    struct mb_table aliases;    /* Method events: keys of flows that have
                                 * several. */
    struct mb_buffer buffer;
    uint32_t n_dnb;             /* Do-not-buffer packets, all in sequence. */
    struct mb_packet *ahead[MB_AHEAD];  /* By number; ones that overtook a
                                         * lost one. */
    uint64_t n_replayed;        /* Of 'buffer'. */
    uint64_t n_routed;          /* Untagged packets that were processed, method
                                 * events. */
    uint32_t n_returned;

    /* The end. */
    enum mbox_msg_type answer;  /* COMMITTED or ABORTED; 0: nobody is there. */
    bool ending;                /* No state is accepted any more. */
    bool returning;             /* Packets go back. */
    enum mb_sweep sweep;
    uint32_t next_sweep;        /* In 'states'. */
    struct mb_table commit_keys;
    enum mbox_select commit_select;
};

/* destination-state.c */

/* Flows of the space that are here. */
uint64_t mb_destination_count_flows(const struct mb_destination *);

/* Reads the state channel until 'deadline'. */
void mb_destination_run_state(struct mb_destination *, uint64_t deadline);
void mb_destination_recv_relay(struct mb_destination *,
                               const struct mbox_msg *);

/* When an orphan gives the state channel up. */
uint64_t mb_destination_doubt_end(const struct mb_destination *);

/* Sends the RELEASE that is being collected. */
void mb_destination_send_batch(struct mb_destination *);

/* Deletes a state, which need not exist. */
int mb_destination_del_state(struct mb_destination *, uint8_t scope,
                             const struct mbox_key *);

/* destination-packets.c */

void mb_destination_recv_packet(struct mb_destination *,
                                const struct mbox_msg *);

/* Processes what was buffered until 'deadline'; newcomers join the tail.
 * Returns true when nothing is left and the destination does not buffer any
 * more. */
bool mb_destination_run_replay(struct mb_destination *, uint64_t deadline);

/* Sends back what was buffered.  Returns true when nothing is left. */
bool mb_destination_run_return(struct mb_destination *, uint64_t deadline);
void mb_destination_send_flushed(struct mb_destination *);

#endif /* transfer-destination.h */
