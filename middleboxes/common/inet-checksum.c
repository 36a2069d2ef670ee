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

#include <config.h>
#include "inet-checksum.h"

#include "bytes.h"

uint32_t
inet_csum_add(uint32_t sum, const void *data_, size_t len)
{
    const uint8_t *data = data_;
    uint64_t total = sum;

    for (; len >= 2; data += 2, len -= 2) {
        total += get_be16(data);
    }
    if (len) {
        total += data[0] << 8;
    }
    return (total & 0xffff) + (total >> 16 & 0xffff) + (total >> 32);
}

uint32_t
inet_csum_pseudo(uint8_t family, const uint8_t src[16], const uint8_t dst[16],
                 uint8_t proto, size_t len)
{
    size_t skip = family == 4 ? 12 : 0;
    uint8_t rest[] = { 0, proto, len >> 8, len };
    uint32_t sum = inet_csum_add(0, src + skip, 16 - skip);

    sum = inet_csum_add(sum, dst + skip, 16 - skip);
    return inet_csum_add(sum, rest, sizeof rest);
}

uint16_t
inet_csum_finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

void
inet_csum_update(uint8_t checksum[2], const void *old_, const void *new_,
                 size_t len)
{
    const uint8_t *old = old_, *new = new_;
    uint32_t sum = (uint16_t) ~get_be16(checksum);

    for (size_t i = 0; i < len; i += 2) {
        sum += (uint16_t) ~get_be16(old + i);
        sum += get_be16(new + i);
    }
    put_be16(checksum, inet_csum_finish(sum));
}
