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

#ifndef MBOX_FUZZ_H
#define MBOX_FUZZ_H 1

/* A fuzz target defines both functions.  With clang -fsanitize=fuzzer the
 * first is all that is used; otherwise fuzz-main.c drives it.  See
 * tests/fuzz/README.md. */

#include <stddef.h>
#include <stdint.h>

/* Tries one input.  Returns 0; aborts if something is wrong. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Writes a random valid input of at most 'size' bytes to 'data'.  Returns its
 * length. */
size_t fuzz_make_input(uint8_t *data, size_t size);

#define FUZZ_MAX_INPUT 4096

/* Aborts with a message. */
#define FUZZ_CHECK(CONDITION)                                           \
    do {                                                                \
        if (!(CONDITION)) {                                             \
            fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__,          \
                    #CONDITION);                                        \
            abort();                                                    \
        }                                                               \
    } while (0)

#endif /* fuzz.h */
