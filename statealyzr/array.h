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

#ifndef STATEALYZR_ARRAY_H
#define STATEALYZR_ARRAY_H 1

/* Arrays of numbers, and relations between numbers as compressed rows. */

#include <glib.h>
#include <stdint.h>

/* Sorts a GArray of uint32_t and drops repeated ones. */
void sa_sort_unique(GArray *);

struct sa_pair {
    uint32_t from, to;
};

/* For each number below 'n', an ascending list of numbers without repeats. */
struct sa_csr {
    size_t *starts;             /* n + 1. */
    uint32_t *to;
    uint32_t n;
};

/* Makes the relation of a GArray of struct sa_pair. */
void sa_csr_init(struct sa_csr *, uint32_t n, const GArray *pairs);
void sa_csr_destroy(struct sa_csr *);

static inline const uint32_t *
sa_csr_get(const struct sa_csr *csr, uint32_t from, uint32_t *n)
{
    *n = csr->starts[from + 1] - csr->starts[from];
    return csr->to + csr->starts[from];
}

#endif /* array.h */
