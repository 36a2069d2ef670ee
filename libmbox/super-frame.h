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

#ifndef MB_SUPER_FRAME_H
#define MB_SUPER_FRAME_H 1

/* Super-frames that go on as they came
 * ====================================
 *
 * A middlebox gets the segments of a super-frame, see offload.h: what it
 * counts must not depend on the sender's card, nor on whether a transfer,
 * whose tags go on segments, is under way.  But if it only looks at packets
 * and all segments come back in order, what they were cut from can be sent
 * instead: one packet for the kernel rather than dozens. */

#include "packet.h"

/* Does as mb_offload_segment(), but takes 'frame' over unless it fails: it
 * stays until the last segment is freed. */
bool mb_super_frame_cut(struct mb_packet *frame, size_t mss,
                        struct mb_packet **tail);

/* How many segments there are of the frame of which 'packet' is the first; 1
 * for any other packet. */
unsigned int mb_super_frame_begins(const struct mb_packet *packet);

/* Returns the frame, all segments of which 'packets' begin with, untagged, and
 * stores their number.  Null if there is none; then stores 1. */
struct mb_packet *mb_super_frame_of(struct mb_packet *const packets[],
                                    unsigned int n, unsigned int *n_segments);

#endif /* super-frame.h */
