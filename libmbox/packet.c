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

#include "packet.h"

#include <stdlib.h>
#include <string.h>

static void
heap_free(struct mb_packet *packet)
{
    free(packet);
}

struct mb_packet *
mb_packet_new(const void *frame, size_t len)
{
    if (len > MB_FRAME_MAX) {
        return NULL;
    }

    struct mb_packet *packet = malloc(sizeof *packet + MB_HEADROOM + len);
    if (!packet) {
        return NULL;
    }
    memset(packet, 0, sizeof *packet);
    packet->data = (uint8_t *) (packet + 1) + MB_HEADROOM;
    packet->len = len;
    packet->headroom = MB_HEADROOM;
    packet->free = heap_free;
    if (frame) {
        memcpy(packet->data, frame, len);
    }
    return packet;
}

struct mb_packet *
mb_packet_clone(const struct mb_packet *packet)
{
    struct mb_packet *clone = mb_packet_new(packet->data, packet->len);
    if (clone) {
        clone->port = packet->port;
        clone->replayed = packet->replayed;
        clone->timestamp = packet->timestamp;
        clone->key = packet->key;
        clone->layout = packet->layout;
    }
    return clone;
}

void
mb_packet_free(struct mb_packet *packet)
{
    if (packet) {
        packet->free(packet);
    }
}

bool
mb_packet_push_tag(struct mb_packet *packet, const struct mbox_tag *tag)
{
    if (packet->headroom < MBOX_TAG_LEN || packet->len < 14) {
        return false;
    }
    mbox_tag_push_headroom(packet->data, tag);
    packet->data -= MBOX_TAG_LEN;
    packet->headroom -= MBOX_TAG_LEN;
    packet->len += MBOX_TAG_LEN;
    return true;
}

void
mb_packet_pop_tag(struct mb_packet *packet)
{
    mbox_tag_pop(packet->data);
    packet->data += MBOX_TAG_LEN;
    packet->headroom += MBOX_TAG_LEN;
    packet->len -= MBOX_TAG_LEN;
}

void
mb_packet_parse(struct mb_packet *packet)
{
    mbox_key_extract(packet->data, packet->len, &packet->key,
                     &packet->layout);
}
