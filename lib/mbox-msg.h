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

#ifndef MBOX_MSG_H
#define MBOX_MSG_H 1

/* Control and state messages
 * ==========================
 *
 * One frame on a channel is
 *
 *     u32 length     bytes after this field, 8 ... MBOX_MSG_MAX
 *     u16 type       enum mbox_msg_type
 *     u16 flags      bit 0: MBOX_MSG_F_OPTIONAL, may be skipped if unknown
 *     u32 id         transfer id, 0 if the message is not about one
 *     ...            the type's fixed fields, then optional fields, each
 *                    u16 type, u16 length, bytes; unknown ones are skipped
 *
 * Documentation/wire-formats.md has every field.  "C" is the coordinator, "S"
 * the source and "D" the destination of a transfer, "A" any agent.
 *
 * A decoder checks everything it hands out: enums are in range, strings
 * end, counts fit the length, flow spaces are well-formed. */

#include "mbox-space.h"
#include "mbox-wire.h"

#ifdef __cplusplus
extern "C" {
#endif

#define MBOX_PROTOCOL_VERSION 1
#define MBOX_MSG_MAX (16 * 1024 * 1024)
#define MBOX_MSG_HEADER_LEN 12
#define MBOX_NAME_MAX 63        /* Instances and classes: [A-Za-z0-9_.-]+. */
#define MBOX_TEXT_MAX 1023
#define MBOX_ADDRESS_MAX 127
#define MBOX_WHY_MAX 255
#define MBOX_FINGERPRINT_LEN 64 /* SHA-256 in hexadecimal digits. */

/* Most transfers that an instance takes part in, and so most that it can be in
 * doubt about: it refuses more, so that it can ask about all of them. */
#define MBOX_OPEN_MAX 64

enum mbox_msg_type {
    /* Any connection, either direction. */
    MBOX_MSG_ERROR = 1,         /* 'code', 'text'. Ends the transfer 'id', or
                                 * the connection if 'id' is 0. */
    MBOX_MSG_ECHO_REQUEST = 2,
    MBOX_MSG_ECHO_REPLY = 3,    /* 'id' as in the request. */

    /* Handshake. */
    MBOX_MSG_HELLO = 4,         /* A to C: 'version', 'name', 'class_name',
                                 * 'schema', 'scopes', 'text' (product);
                                 * optional: 'options', MBOX_OPT_RELAY if it
                                 * cannot receive descriptors, whatever the
                                 * coordinator's end of the channel is; 'run',
                                 * which identifies its process; 'n_open',
                                 * how many OPEN messages will follow;
                                 * 'outputs', names of functions, separated by
                                 * commas, that 'output' of PREPARE can be. */
    MBOX_MSG_WELCOME = 5,       /* C to A: 'version', 'epoch'. */

    /* Transfers. */
    MBOX_MSG_PREPARE = 10,      /* C to A: 'role', 'method', 'guarantee',
                                 * 'scopes', 'options', 'epoch', 'name' (the
                                 * peer), 'space'.  Carries the descriptor of
                                 * the state channel unless MBOX_OPT_RELAY.
                                 * Optional: 'run' of the peer.  With RELAY,
                                 * 'token' asks for a state channel over TLS:
                                 * D listens, S connects to 'address', and
                                 * 'fingerprint' is that of the certificate
                                 * that the peer has to show.  'describe', with
                                 * MBOX_OPT_INSPECT, asks S for LAYOUT.
                                 * 'output' has S send only what this output
                                 * function needs. */
    MBOX_MSG_PREPARED = 11,     /* A to C: 'n_flows' that match now.  Optional:
                                 * 'address' of the state channel over TLS, at
                                 * which D listens, or to which S has
                                 * connected; or 'why' not. */
    MBOX_MSG_EXPORT = 12,       /* C to S: start to send state. */
    MBOX_MSG_PRECOPY = 13,      /* S to C: 'round', 'n_chunks', 'n_bytes'
                                 * so far, 'n_dirty' left; D has what was sent
                                 * (it answered an ECHO_REQUEST, unless state
                                 * is relayed). */
    MBOX_MSG_RETURN = 14,       /* C to S: freeze the flow space at once, and
                                 * return its packets, or discard them if the
                                 * guarantee is none. Method events. */
    MBOX_MSG_RETURNING = 15,    /* S to C: from here on it does. */
    MBOX_MSG_BUFFER = 16,       /* C to D: keep the flow space's untagged
                                 * packets unprocessed. */
    MBOX_MSG_BUFFERING = 17,    /* D to C: from here on it does. */
    MBOX_MSG_TRACER_SEEN = 18,  /* A to C: 'seq' of a tracer or last tag that
                                 * it dequeued, 'n_packets' returned so far
                                 * (S) or do-not-buffer ones processed (D). */
    MBOX_MSG_RELEASE = 19,      /* D to C: state is in place for 'keys', or for
                                 * every flow of the space except 'keys'
                                 * ('select'). */
    MBOX_MSG_INSTALLED = 20,    /* D to C: all state is in place: 'n_flows',
                                 * 'n_chunks', 'n_bytes', 'n_gone' (states
                                 * that D had until they ended). */
    MBOX_MSG_PACKET = 21,       /* Either way, via=channel: 'kind', 'seq',
                                 * 'data' is a whole untagged frame. */
    MBOX_MSG_FLUSHED = 22,      /* D to C: it has processed 'n_packets'
                                 * do-not-buffer packets, the last one, and
                                 * 'n_buffered' of its own buffer. */
    MBOX_MSG_COMMIT = 23,       /* C to A: final. S deletes the state of
                                 * 'keys'/'select' and thaws; what is not
                                 * selected stays at S, and D deletes it.
                                 * optional: 'more', if it is not all: then
                                 * the next COMMIT goes on with 'keys', and
                                 * only the last one has an effect. */
    MBOX_MSG_COMMITTED = 24,    /* A to C: 'n_flows' deleted, 'n_discarded'
                                 * packets (guarantee none). */
    MBOX_MSG_ABORT = 25,        /* C to A: 'text'. S thaws; D deletes what it
                                 * installed and returns what it buffered
                                 * (RETURNED, the way of the transfer) before
                                 * it answers. */
    MBOX_MSG_ABORTED = 26,      /* A to C: 'n_packets' that it returned in the
                                 * whole transfer. */
    MBOX_MSG_RELAY = 27,        /* Either way: 'data' is one whole frame of the
                                 * state channel of transfer 'id'. */
    MBOX_MSG_STATS_REQUEST = 28, /* C to A. */
    MBOX_MSG_STATS = 29,        /* A to C: 'n_packets', 'n_bytes', 'n_flows'
                                 * (UINT64_MAX: the MB does not know),
                                 * 'n_discarded', 'n_buffered'.  Optional:
                                 * 'cpu_ns' that its process has run, at
                                 * 'clock_ns' of its clock. */

    /* Transfers in doubt: the connection ended before their end was known
     * here.  'epoch' is theirs. */
    MBOX_MSG_OPEN = 30,         /* A to C: 'epoch', 'role', 'name' (the peer),
                                 * 'run' (the peer's), 'space'.  D: the flows
                                 * of 'keys'/'select' may have been processed
                                 * here.  optional: 'more', if the keys go on
                                 * in another OPEN, the same otherwise. */
    MBOX_MSG_RESOLVE = 31,      /* C to A: 'epoch', 'code': 0 as if COMMIT came
                                 * with 'keys'/'select', otherwise as if ABORT
                                 * came; ENOENT if the coordinator knows of no
                                 * such transfer.  optional: 'more', as with
                                 * COMMIT. */
    MBOX_MSG_RESOLVED = 32,     /* A to C: 'epoch'. It is done. */

    MBOX_MSG_ALIASES = 33,      /* S to C: packets of the flow space's flows
                                 * also come under 'keys' (address
                                 * translation), in either direction.  More
                                 * may follow; all that S knows of come before
                                 * PREPARED, others before TRACER_SEEN or
                                 * before a packet under them is returned. */

    /* State channel, S to D. */
    MBOX_MSG_STREAM = 40,       /* First: 'class_name', 'schema', 'epoch'.
                                 * Over TLS another one with 'token' precedes.
                                 * Optional: 'n_flows', about how many will
                                 * come. */
    MBOX_MSG_CHUNK = 41,        /* 'scope', 'keys' (>= 1 unless config or
                                 * all-flows), 'seq', 'crc', 'data';
                                 * optional: 'merge'. */
    MBOX_MSG_GONE = 42,         /* 'scope', 'keys': ended since it was sent. */
    MBOX_MSG_FROZEN = 43,       /* No flow of the space changes any more; what
                                 * D has is final except 'keys'/'select':
                                 * those chunks follow. */
    MBOX_MSG_END = 44,          /* 'n_chunks', 'n_bytes', 'n_gone' sent. */
    MBOX_MSG_LAYOUT = 45,       /* After STREAM, if PREPARE has 'describe' and
                                 * S knows: 'data' says what the chunks have
                                 * where. */
    MBOX_MSG_STAYS = 46,        /* Before END, and D tells C before INSTALLED:
                                 * state of 'keys' cannot be sent, because of
                                 * 'text'.  These flows are not D's: COMMIT
                                 * does not select them.  Method hold. */
};

#define MBOX_MSG_F_OPTIONAL 0x0001

enum mbox_role { MBOX_ROLE_SOURCE = 1, MBOX_ROLE_DESTINATION = 2 };

enum mbox_method {
    MBOX_METHOD_HOLD = 1,
    MBOX_METHOD_EVENTS = 2,
    MBOX_METHOD_COPY = 3,       /* Snapshot, S goes on. */
};

enum mbox_guarantee {
    MBOX_GUARANTEE_NONE = 1,
    MBOX_GUARANTEE_LOSS_FREE = 2,
    MBOX_GUARANTEE_ORDER_PRESERVING = 3,
};

/* Scopes of state, a bit each. */
enum mbox_scope {
    MBOX_SCOPE_PER_FLOW = 1,
    MBOX_SCOPE_MULTI_FLOW = 2,
    MBOX_SCOPE_ALL_FLOWS = 4,
    MBOX_SCOPE_CONFIG = 8,
};
#define MBOX_SCOPE_MASK 15

/* Options of a transfer, a bit each. */
#define MBOX_OPT_PRECOPY 0x01
#define MBOX_OPT_EARLY_RELEASE 0x02
#define MBOX_OPT_VIA_CHANNEL 0x04
#define MBOX_OPT_RELAY 0x08     /* State goes in MBOX_MSG_RELAY. */
#define MBOX_OPT_REPLICA 0x10   /* Rounds of pre-copy until told otherwise:
                                 * each EXPORT begins one. */
#define MBOX_OPT_INSPECT 0x20   /* A copy to the coordinator, which will end
                                 * with ABORT. */
#define MBOX_OPT_MASK 0x3f

/* What 'keys' stands for. */
enum mbox_select {
    MBOX_SELECT_KEYS = 1,       /* Just these. */
    MBOX_SELECT_ALL_EXCEPT = 2, /* The whole space but these. */
};

/* A message in memory.  Which fields matter is said at each type; others are
 * ignored by the encoder and zero, or empty strings, after decoding.  After
 * decoding, pointers borrow from the buffer that was decoded. */
struct mbox_msg {
    enum mbox_msg_type type;
    uint32_t id;

    uint16_t version;
    uint16_t code;              /* Positive errno value. */
    uint32_t seq;
    uint32_t crc;
    uint32_t round;
    uint32_t scopes;            /* MBOX_SCOPE_* mask. */
    uint32_t options;           /* MBOX_OPT_* mask. */
    uint64_t epoch;             /* Identifies one run of the coordinator. */
    uint64_t run;               /* Identifies one run of an instance. */
    uint64_t token;             /* Random. */
    uint64_t schema;            /* Identifies the layout of state. */
    enum mbox_role role;
    enum mbox_method method;
    enum mbox_guarantee guarantee;
    enum mbox_scope scope;
    enum mbox_select select;
    uint8_t kind;               /* enum mbox_tag_kind. */
    uint32_t n_open;
    bool more;                  /* The keys go on in another message. */
    bool merge;                 /* The source keeps its own: combine. */
    bool describe;              /* LAYOUT is wanted. */

    uint64_t n_flows;
    uint64_t n_chunks;
    uint64_t n_bytes;
    uint64_t n_dirty;
    uint64_t n_gone;
    uint64_t n_packets;
    uint64_t n_buffered;
    uint64_t n_discarded;
    uint64_t cpu_ns;
    uint64_t clock_ns;

    struct mbox_space space;

    const uint8_t *key_data;    /* 'n_keys' encoded keys; see below. */
    uint32_t n_keys;
    const void *data;
    size_t data_len;

    /* Long, so that only the first byte is cleared.  Nothing may follow. */
    char name[MBOX_NAME_MAX + 1];
    char address[MBOX_ADDRESS_MAX + 1];
    char why[MBOX_WHY_MAX + 1];
    char fingerprint[MBOX_FINGERPRINT_LEN + 1];
    char output[MBOX_NAME_MAX + 1];
    char outputs[MBOX_TEXT_MAX + 1];
    char class_name[MBOX_NAME_MAX + 1];
    char text[MBOX_TEXT_MAX + 1];
};

/* Bytes of one encoded key. */
#define MBOX_KEY_WIRE_LEN 40

void mbox_msg_init(struct mbox_msg *, enum mbox_msg_type, uint32_t id);

/* Appends the whole frame of 'msg' to 'w', whose 'error' tells of failure (a
 * frame never goes out in part: on error 'w' is as long as before).  The keys
 * are 'keys[0 ... n_keys)'; 'msg->key_data' is used instead if 'keys' is
 * null.  An enum, mask or name that mbox_msg_decode() would refuse gives
 * -EINVAL. */
void mbox_msg_encode(const struct mbox_msg *msg, const struct mbox_key *keys,
                     struct mbox_writer *w);

/* Looks at the 'len' bytes at 'data', the start of a channel's input.  Returns
 * the length of the first whole frame, 0 if more bytes are needed, -EPROTO if
 * no valid frame can begin so (length out of range). */
int mbox_msg_frame_length(const void *data, size_t len);

/* Decodes the frame of exactly 'len' bytes at 'data'. Returns 0, -EPROTO if it
 * is malformed, -EOPNOTSUPP if its type is unknown and not optional, -EAGAIN
 * if its type is unknown and optional (skip it).  'msg' is cleared first.
 * Control characters in 'text' become '?', so that it may be printed. */
int mbox_msg_decode(const void *data, size_t len, struct mbox_msg *msg);

/* Gets key 'i' (< msg->n_keys) of a decoded message. */
void mbox_msg_get_key(const struct mbox_msg *, uint32_t i, struct mbox_key *);

/* CRC-32 (that of zlib) of a chunk's payload, to be stored in 'crc' and
 * checked by D before anything is imported. */
uint32_t mbox_msg_crc(const void *data, size_t len);

/* True if 's' is a valid name of an instance or class. */
bool mbox_name_is_valid(const char *s);

/* Names as used on the command line and in messages: "prepare", "hold",
 * "order-preserving", "per-flow", ... NULL for unknown values; the from_string
 * functions return false for unknown names. */
const char *mbox_msg_type_to_string(enum mbox_msg_type);
const char *mbox_method_to_string(enum mbox_method);
const char *mbox_guarantee_to_string(enum mbox_guarantee);
const char *mbox_scope_to_string(enum mbox_scope);
bool mbox_method_from_string(const char *, enum mbox_method *);
bool mbox_guarantee_from_string(const char *, enum mbox_guarantee *);
bool mbox_scope_from_string(const char *, enum mbox_scope *);

#ifdef __cplusplus
}
#endif

#endif /* mbox-msg.h */
