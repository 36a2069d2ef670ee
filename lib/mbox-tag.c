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

#include "mbox-tag.h"

#include <errno.h>
#include <string.h>

/* Destination and source MAC address. */
#define MACS_LEN 12
#define ETH_LEN 14

static const char *const kind_names[] = {
    [MBOX_TAG_DO_NOT_BUFFER] = "do_not_buffer",
    [MBOX_TAG_RETURNED] = "returned",
    [MBOX_TAG_TRACER] = "tracer",
    [MBOX_TAG_LAST] = "last",
    [MBOX_TAG_DUPLICATE] = "duplicate",
};

static void
put_u16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value & 0xff;
}

static void
put_u32(uint8_t *p, uint32_t value)
{
    put_u16(p, value >> 16);
    put_u16(p + 2, value & 0xffff);
}

static uint32_t
get_u32(const uint8_t *p)
{
    return ((uint32_t) p[0] << 24 | (uint32_t) p[1] << 16
            | (uint32_t) p[2] << 8 | p[3]);
}

/* Writes the MBOX_TAG_LEN bytes of 'tag' at 'p'. */
static void
put_tag(uint8_t *p, const struct mbox_tag *tag)
{
    put_u16(p, MBOX_TAG_ETHERTYPE);
    p[2] = MBOX_TAG_VERSION;
    p[3] = tag->kind;
    put_u32(p + 4, tag->id);
    put_u32(p + 8, tag->seq);
}

int
mbox_tag_push(void *frame_, size_t *len, size_t size,
              const struct mbox_tag *tag)
{
    uint8_t *frame = frame_;

    if (*len < ETH_LEN) {
        return -EINVAL;
    }
    if (size < *len || size - *len < MBOX_TAG_LEN) {
        return -EMSGSIZE;
    }
    memmove(frame + MACS_LEN + MBOX_TAG_LEN, frame + MACS_LEN,
            *len - MACS_LEN);
    put_tag(frame + MACS_LEN, tag);
    *len += MBOX_TAG_LEN;
    return 0;
}

void
mbox_tag_push_headroom(uint8_t *frame, const struct mbox_tag *tag)
{
    memmove(frame - MBOX_TAG_LEN, frame, MACS_LEN);
    put_tag(frame - MBOX_TAG_LEN + MACS_LEN, tag);
}

bool
mbox_tag_is_tagged(const void *frame_, size_t len)
{
    const uint8_t *frame = frame_;

    return (len >= ETH_LEN
            && frame[MACS_LEN] == MBOX_TAG_ETHERTYPE >> 8
            && frame[MACS_LEN + 1] == (MBOX_TAG_ETHERTYPE & 0xff));
}

bool
mbox_tag_peek(const void *frame, size_t len, struct mbox_tag *tag)
{
    /* A tagged frame has an EtherType of its own behind the tag. */
    if (len < ETH_LEN + MBOX_TAG_LEN || !mbox_tag_is_tagged(frame, len)) {
        return false;
    }

    const uint8_t *p = (const uint8_t *) frame + MACS_LEN;
    if (p[2] != MBOX_TAG_VERSION || !p[3] || p[3] > MBOX_TAG_N_KINDS) {
        return false;
    }
    tag->kind = p[3];
    tag->id = get_u32(p + 4);
    tag->seq = get_u32(p + 8);
    return true;
}

void
mbox_tag_pop(uint8_t *frame)
{
    memmove(frame + MBOX_TAG_LEN, frame, MACS_LEN);
}

void
mbox_tag_make_tracer(uint8_t frame[MBOX_TRACER_LEN], const uint8_t dst_mac[6],
                     const uint8_t src_mac[6], const struct mbox_tag *tag)
{
    memset(frame, 0, MBOX_TRACER_LEN);
    memcpy(frame, dst_mac, 6);
    memcpy(frame + 6, src_mac, 6);
    put_tag(frame + MACS_LEN, tag);
    put_u16(frame + MACS_LEN + MBOX_TAG_LEN, MBOX_TRACER_ETHERTYPE);
}

const char *
mbox_tag_kind_to_string(enum mbox_tag_kind kind)
{
    return ((unsigned int) kind <= MBOX_TAG_N_KINDS
            ? kind_names[kind] : NULL);
}

bool
mbox_tag_kind_from_string(const char *s, enum mbox_tag_kind *kind)
{
    for (unsigned int i = 1; i <= MBOX_TAG_N_KINDS; i++) {
        if (!strcmp(s, kind_names[i])) {
            *kind = i;
            return true;
        }
    }
    return false;
}
