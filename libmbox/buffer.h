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

#ifndef MB_BUFFER_H
#define MB_BUFFER_H 1

/* Packets kept during a transfer, in order of arrival
 * ===================================================
 *
 * "The second middlebox may provide separate storage locations for the
 * buffered packets and the ongoing packets of the given flow" (US 9,705,785,
 * column 2): this is the second one, at the destination. */

#include "packet.h"

struct mb_buffer {
    struct mb_packet *head;
    struct mb_packet **tail;
    size_t n;                   /* Packets. */
    size_t bytes;               /* Of their frames. */
    size_t limit;               /* Of 'bytes'. */
};

void mb_buffer_init(struct mb_buffer *, size_t limit);
void mb_buffer_uninit(struct mb_buffer *);      /* Frees what it holds. */

/* Appends a copy of 'packet' and frees 'packet': ports have few packets.
 * Returns 0; or -ENOBUFS if it would not fit, -ENOMEM, and the caller still
 * owns 'packet'. */
int mb_buffer_push(struct mb_buffer *, struct mb_packet *packet);

/* Removes and returns the oldest packet; NULL if there is none. */
struct mb_packet *mb_buffer_pop(struct mb_buffer *);

#endif /* buffer.h */
