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

#include "buffer.h"

#include <errno.h>

void
mb_buffer_init(struct mb_buffer *buffer, size_t limit)
{
    buffer->head = NULL;
    buffer->tail = &buffer->head;
    buffer->n = 0;
    buffer->bytes = 0;
    buffer->limit = limit;
}

void
mb_buffer_uninit(struct mb_buffer *buffer)
{
    struct mb_packet *packet;

    while ((packet = mb_buffer_pop(buffer))) {
        mb_packet_free(packet);
    }
}

int
mb_buffer_push(struct mb_buffer *buffer, struct mb_packet *packet)
{
    if (packet->len > buffer->limit - buffer->bytes) {
        return -ENOBUFS;
    }

    struct mb_packet *copy = mb_packet_clone(packet);
    if (!copy) {
        return -ENOMEM;
    }
    mb_packet_free(packet);
    *buffer->tail = copy;
    buffer->tail = &copy->next;
    buffer->n++;
    buffer->bytes += copy->len;
    return 0;
}

struct mb_packet *
mb_buffer_pop(struct mb_buffer *buffer)
{
    struct mb_packet *packet = buffer->head;

    if (packet) {
        buffer->head = packet->next;
        if (!buffer->head) {
            buffer->tail = &buffer->head;
        }
        packet->next = NULL;
        buffer->n--;
        buffer->bytes -= packet->len;
    }
    return packet;
}
