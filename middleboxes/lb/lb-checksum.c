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
#include "lb-checksum.h"

#include "lb-bytes.h"

uint32_t
lb_checksum_add(uint32_t sum, const void *data_, size_t len)
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

uint16_t
lb_checksum_finish(uint32_t sum)
{
    sum = (sum & 0xffff) + (sum >> 16);
    sum = (sum & 0xffff) + (sum >> 16);
    return ~sum;
}

void
lb_checksum_update(uint8_t checksum[2], const void *old_, const void *new_,
                   size_t len)
{
    const uint8_t *old = old_, *new = new_;
    uint32_t sum = (uint16_t) ~get_be16(checksum);

    for (size_t i = 0; i < len; i += 2) {
        sum += (uint16_t) ~get_be16(old + i);
        sum += get_be16(new + i);
    }
    put_be16(checksum, lb_checksum_finish(sum));
}
