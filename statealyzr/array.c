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

#include "array.h"

#include <stdlib.h>

static int
compare_u32(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *) a, y = *(const uint32_t *) b;

    return x < y ? -1 : x > y;
}

/* Sorts v[0..n) and returns how many are left without repeats. */
static size_t
sort_unique(uint32_t *v, size_t n)
{
    size_t sorted = 1;
    while (sorted < n && v[sorted - 1] < v[sorted]) {
        sorted++;
    }
    if (sorted >= n) {
        return n;
    }

    qsort(v, n, sizeof *v, compare_u32);
    size_t kept = 1;
    for (size_t i = 1; i < n; i++) {
        if (v[i] != v[kept - 1]) {
            v[kept++] = v[i];
        }
    }
    return kept;
}

void
sa_sort_unique(GArray *array)
{
    g_array_set_size(array,
                     sort_unique((uint32_t *) array->data, array->len));
}

void
sa_csr_init(struct sa_csr *csr, uint32_t n, const GArray *pairs)
{
    const struct sa_pair *p = (const struct sa_pair *) pairs->data;

    csr->n = n;
    csr->starts = g_new0(size_t, n + 1);
    csr->to = g_new(uint32_t, pairs->len);
    for (guint i = 0; i < pairs->len; i++) {
        csr->starts[p[i].from + 1]++;
    }
    for (uint32_t i = 0; i < n; i++) {
        csr->starts[i + 1] += csr->starts[i];
    }

    size_t *next = g_memdup2(csr->starts, (n + 1) * sizeof *next);
    for (guint i = 0; i < pairs->len; i++) {
        csr->to[next[p[i].from]++] = p[i].to;
    }
    g_free(next);

    /* Sort and close the gaps. */
    size_t end = 0, start = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t stop = csr->starts[i + 1];
        size_t kept = sort_unique(csr->to + start, stop - start);
        csr->starts[i] = end;
        for (size_t j = 0; j < kept; j++) {
            csr->to[end++] = csr->to[start + j];
        }
        start = stop;
    }
    csr->starts[n] = end;
}

void
sa_csr_destroy(struct sa_csr *csr)
{
    g_free(csr->starts);
    g_free(csr->to);
}
