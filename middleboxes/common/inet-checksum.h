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

#ifndef INET_CHECKSUM_H
#define INET_CHECKSUM_H 1

/* Internet checksums (RFC 1071) and their incremental update (RFC 1624).
 * Checksums are bytes in a packet, at any alignment. */

#include <stddef.h>
#include <stdint.h>

/* The sum of 'len' bytes at 'data' (all but the last part of something must be
 * an even number of bytes) and of 'sum', the sum of what came before, or 0. */
uint32_t inet_csum_add(uint32_t sum, const void *data, size_t len);

/* The sum of the pseudo-header of TCP, UDP or ICMPv6 between two addresses,
 * which are as in struct mbox_key; 'len' is that of the transport header and
 * what follows it. */
uint32_t inet_csum_pseudo(uint8_t family, const uint8_t src[16],
                          const uint8_t dst[16], uint8_t proto, size_t len);

/* The checksum for such a sum, in host order. */
uint16_t inet_csum_finish(uint32_t sum);

/* Makes the checksum at 'checksum' right after 'len' bytes 'old', an even
 * number at an even offset, were replaced by 'new': equation 3 of RFC 1624. */
void inet_csum_update(uint8_t checksum[2], const void *old, const void *new,
                      size_t len);

#endif /* inet-checksum.h */
