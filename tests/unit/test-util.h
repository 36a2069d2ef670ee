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

#ifndef MBOX_TEST_UTIL_H
#define MBOX_TEST_UTIL_H 1

/* What the cmocka programs share: its headers in the order that it wants, and
 * random numbers that are the same in every run unless MBOX_TEST_SEED is set
 * in the environment. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

static uint64_t test_random_state;

/* The generator splitmix64. */
static inline uint64_t
test_random(void)
{
    if (!test_random_state) {
        const char *seed = getenv("MBOX_TEST_SEED");

        test_random_state = seed ? strtoull(seed, NULL, 0) : 1;
    }

    uint64_t z = test_random_state += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* A number less than 'n'. */
static inline uint32_t
test_random_range(uint32_t n)
{
    return test_random() % n;
}

static inline void
test_random_bytes(void *p_, size_t n)
{
    uint8_t *p = p_;

    for (size_t i = 0; i < n; i++) {
        p[i] = test_random() & 0xff;
    }
}

/* How often to try what is tried 'n' times: less often under valgrind, for
 * which MBOX_TEST_SHORT is set in the environment. */
static inline int
test_rounds(int n)
{
    return getenv("MBOX_TEST_SHORT") ? n / 20 : n;
}

/* A copy of 'n' bytes in a block of exactly that size, so that a sanitizer or
 * valgrind sees any access behind it.  The caller frees it. */
static inline void *
test_memdup(const void *p, size_t n)
{
    void *copy = malloc(n ? n : 1);

    assert_non_null(copy);
    if (n) {
        memcpy(copy, p, n);
    }
    return copy;
}

#endif /* test-util.h */
