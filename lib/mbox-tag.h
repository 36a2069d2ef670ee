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

#ifndef MBOX_TAG_H
#define MBOX_TAG_H 1

/* The on-wire tag
 * ===============
 *
 * 12 bytes between the MAC addresses and the EtherType, like a VLAN tag:
 *
 *      0                   1                   2                   3
 *      0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1 2 3 4 5 6 7 8 9 0 1
 *     +-------------------------------+---------------+---------------+
 *     |        EtherType 0x88B5       |  version = 1  |     kind      |
 *     +-------------------------------+---------------+---------------+
 *     |                          transfer id                          |
 *     +---------------------------------------------------------------+
 *     |                        sequence number                        |
 *     +---------------------------------------------------------------+
 *     |  the packet's own EtherType or VLAN header follows ...
 *
 * 0x88B5 is IEEE 802 Local Experimental EtherType 1.  The tag exists only
 * between a switch and a middlebox port, only during a transfer, and is in no
 * header field that belongs to the packet's owner.
 *
 * It carries the "do-not-buffer tag" and the "tracer packet" of US 9,705,785
 * (columns 7 and 8). A tracer is a frame of its own whose inner EtherType is
 * 0x88B6 (Local Experimental 2), padded to 60 bytes, from and to the MAC
 * addresses given by its sender. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MBOX_TAG_ETHERTYPE 0x88b5
#define MBOX_TRACER_ETHERTYPE 0x88b6
#define MBOX_TAG_LEN 12
#define MBOX_TAG_VERSION 1
#define MBOX_TRACER_LEN 60

enum mbox_tag_kind {
    MBOX_TAG_DO_NOT_BUFFER = 1, /* To D: process at once, keep no copy. */
    MBOX_TAG_RETURNED = 2,      /* From S: dequeued, not processed. */
    MBOX_TAG_TRACER = 3,        /* To S, and back from it: nothing follows. */
    MBOX_TAG_LAST = 4,          /* To D: no do-not-buffer packet follows. */
    MBOX_TAG_DUPLICATE = 5,     /* To a controller: a copy. */
};
#define MBOX_TAG_N_KINDS 5

struct mbox_tag {
    enum mbox_tag_kind kind;
    uint32_t id;                /* Transfer id. */
    uint32_t seq;
};

/* Inserts 'tag' into the frame of '*len' bytes at 'frame', which must have
 * room for MBOX_TAG_LEN more ('size' is its capacity). Returns 0, -EMSGSIZE if
 * it does not fit, -EINVAL if the frame is shorter than 14 bytes. */
int mbox_tag_push(void *frame, size_t *len, size_t size,
                  const struct mbox_tag *tag);

/* Same, for callers that have MBOX_TAG_LEN bytes of headroom: 'frame' points
 * to the frame, and the tagged frame begins at frame - MBOX_TAG_LEN. */
void mbox_tag_push_headroom(uint8_t *frame, const struct mbox_tag *tag);

/* If the frame carries a well-formed tag, stores it in '*tag' and returns
 * true.  An unknown version or kind, or a truncated tag, gives false. */
bool mbox_tag_peek(const void *frame, size_t len, struct mbox_tag *tag);

/* True if the frame's EtherType is the tag's, well-formed or not. */
bool mbox_tag_is_tagged(const void *frame, size_t len);

/* Removes the tag by moving the MAC addresses forward: the untagged frame
 * begins at frame + MBOX_TAG_LEN.  The frame must be well-formed. */
void mbox_tag_pop(uint8_t *frame);

/* Writes a tracer frame of MBOX_TRACER_LEN bytes to 'frame'. */
void mbox_tag_make_tracer(uint8_t frame[MBOX_TRACER_LEN],
                          const uint8_t dst_mac[6], const uint8_t src_mac[6],
                          const struct mbox_tag *tag);

/* "do_not_buffer", "returned", "tracer", "last", "duplicate"; NULL if 'kind'
 * is unknown.  The second returns false for an unknown name. */
const char *mbox_tag_kind_to_string(enum mbox_tag_kind);
bool mbox_tag_kind_from_string(const char *, enum mbox_tag_kind *);

#ifdef __cplusplus
}
#endif

#endif /* mbox-tag.h */
