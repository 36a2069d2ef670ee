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

/* The on-wire tag: any frame. */

#include "mbox-tag.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mbox_tag tag;

    if (!mbox_tag_peek(data, size, &tag)) {
        return 0;
    }
    FUZZ_CHECK(mbox_tag_is_tagged(data, size));
    FUZZ_CHECK(mbox_tag_kind_to_string(tag.kind));

    /* Taking it off and putting it back changes nothing. */
    uint8_t *copy = malloc(size);
    size_t len = size - MBOX_TAG_LEN;
    if (copy) {
        memcpy(copy, data, size);
        mbox_tag_pop(copy);
        memmove(copy, copy + MBOX_TAG_LEN, len);
        FUZZ_CHECK(!mbox_tag_push(copy, &len, size, &tag));
        FUZZ_CHECK(len == size && !memcmp(copy, data, size));
        free(copy);
    }
    return 0;
}

size_t
fuzz_make_input(uint8_t *data, size_t size)
{
    static const struct mbox_tag tag = {
        .kind = MBOX_TAG_RETURNED, .id = 1, .seq = 2,
    };
    size_t len = 20;

    memset(data, 0x55, len);
    mbox_tag_push(data, &len, size, &tag);
    return len;
}
