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

#ifndef MB_OFFLOAD_H
#define MB_OFFLOAD_H 1

/* Work that a sender left to the network card
 * ===========================================
 *
 * Frames of a local sender (a container, a virtual machine) may reach a port
 * before their checksum is computed or before they are cut to the size of the
 * wire.  A middlebox shall see, and tags shall go on, frames as they are on a
 * wire. */

#include <stdint.h>
#include "packet.h"

/* Stores the internet checksum of the bytes from 'start' to the frame's end at
 * 'start' + 'offset', which holds the pseudo-header's sum.  Ignores positions
 * outside of the frame. */
void mb_offload_checksum(uint8_t *frame, size_t len, size_t start,
                         size_t offset);

/* Cuts the TCP or UDP super-frame at 'packet' (parsed or not) into frames with
 * at most 'mss' bytes of payload, complete with lengths, identification,
 * sequence numbers, flags and checksums, and appends them to '*tail'.
 * 'packet' remains the caller's.  Returns false, and appends nothing, if
 * 'packet' is not TCP or UDP over IP, 'mss' is 0 or memory is short. */
bool mb_offload_segment(const struct mb_packet *packet, size_t mss,
                        struct mb_packet **tail);

#endif /* offload.h */
