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

#include "pta-private.h"

/* What accesses of memory touch
 *
 * Which nodes the bytes from a node on are in depends on nothing but that node
 * and the number of bytes, which most often is that of a scalar, or all there
 * are.  It is asked for again and again, by each set that the node is in, and
 * therefore remembered. */

/* Nodes that an access from a node on touches. */
struct node_range {
    uint32_t first, n;          /* Results' nodes: consecutive... */
    uint32_t *ids;              /* ...or these, if not NULL. */
    bool known;
};

static void
collect_node(struct sa_pta *pta, uint32_t vertex, void *ids)
{
    g_array_append_val((GArray *) ids,
                       pta->result_ids[pta_same(pta, vertex)]);
}

/* Collects the nodes of an access of 'size' bytes through a pointer to
 * 'vertex'. */
static void
collect_range(const struct sa_pta *pta, uint32_t vertex, uint64_t size,
              GArray *ids)
{
    const struct vertex *v = pta_vertex(pta, vertex);

    if (pta_is_cursor(pta, vertex)) {
        size = size ? MAX(size, v->end - v->offset) : 0;
    }
    pta_object_range((struct sa_pta *) pta, v->object, v->offset, size, false,
                     collect_node, ids);
}

static void
set_range(struct node_range *range, const GArray *ids)
{
    const uint32_t *data = (const uint32_t *) ids->data;
    bool consecutive = true;

    for (guint i = 1; i < ids->len && consecutive; i++) {
        consecutive = data[i] == data[0] + i;
    }
    range->known = true;
    range->first = ids->len ? data[0] : 0;
    range->n = ids->len;
    range->ids = consecutive ? NULL : g_memdup2(data, ids->len * sizeof *data);
}

/* The range of an access of 'size' bytes through a pointer to 'vertex', which
 * is entry 'at' of '*table', of 'n' entries, made if it is NULL. */
static const struct node_range *
find_range(const struct sa_pta *pta, struct node_range **table, uint32_t n,
           uint32_t at, uint32_t vertex, uint64_t size)
{
    if (!*table) {
        *table = g_new0(struct node_range, n);
    }
    struct node_range *range = &(*table)[at];
    if (!range->known) {
        GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        collect_range(pta, vertex, size, ids);
        set_range(range, ids);
        g_array_free(ids, TRUE);
    }
    return range;
}

static void
visit_range(const struct node_range *range,
            void (*cb)(uint32_t node, void *aux), void *aux)
{
    for (uint32_t i = 0; i < range->n; i++) {
        cb(range->ids ? range->ids[i] : range->first + i, aux);
    }
}

static void
free_ranges(struct node_range *ranges, uint32_t n)
{
    for (uint32_t i = 0; ranges && i < n; i++) {
        g_free(ranges[i].ids);
    }
    g_free(ranges);
}

void
pta_ranges_destroy(struct sa_pta *pta)
{
    for (uint32_t size = 0; size <= PTA_MAX_RANGE; size++) {
        free_ranges(pta->ranges[size], pta->n_result_nodes);
    }
    g_free(pta->ranges);
    free_ranges(pta->cursor_ranges[0], pta->vertices->len);
    free_ranges(pta->cursor_ranges[1], pta->vertices->len);
    g_free(pta->cursor_ranges);
}

/* An access that is not remembered. */
static void
visit_vertex(const struct sa_pta *pta, uint32_t vertex, uint64_t size,
             void (*cb)(uint32_t node, void *aux), void *aux)
{
    GArray *ids = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    collect_range(pta, vertex, size, ids);
    for (guint i = 0; i < ids->len; i++) {
        cb(g_array_index(ids, uint32_t, i), aux);
    }
    g_array_free(ids, TRUE);
}

void
sa_pta_access_some(const struct sa_pta *pta, uint32_t value, uint64_t size,
                   bool (*keep)(uint32_t node, void *aux),
                   void (*cb)(uint32_t node, void *aux), void *aux)
{
    const struct result_set *set = pta_value_set(pta, value);

    for (uint32_t i = 0; set && i < set->nodes.n; i++) {
        uint32_t node = set->nodes.ids[i];
        uint32_t vertex = pta->result_vertices[node];

        if (keep && !keep(node, aux)) {
            continue;
        } else if (size <= PTA_MAX_RANGE) {
            visit_range(find_range(pta, &pta->ranges[size],
                                   pta->n_result_nodes, node, vertex, size),
                        cb, aux);
        } else {
            visit_vertex(pta, vertex, size, cb, aux);
        }
    }
    for (uint32_t i = 0; set && i < set->n_cursors; i++) {
        uint32_t vertex = set->cursors[i];
        const struct vertex *v = pta_vertex(pta, vertex);

        /* Up to the length of the part that a cursor is in, it is the same. */
        if (size <= v->end - v->offset) {
            visit_range(find_range(pta, &pta->cursor_ranges[size > 0],
                                   pta->vertices->len, vertex, vertex, size),
                        cb, aux);
        } else {
            visit_vertex(pta, vertex, size, cb, aux);
        }
    }
}

void
sa_pta_access(const struct sa_pta *pta, uint32_t value, uint64_t size,
              void (*cb)(uint32_t node, void *aux), void *aux)
{
    sa_pta_access_some(pta, value, size, NULL, cb, aux);
}

void
sa_pta_cursors(const struct sa_pta *pta, uint32_t value,
               void (*cb)(uint32_t node, void *aux), void *aux)
{
    const struct result_set *set = pta_value_set(pta, value);

    for (uint32_t i = 0; set && i < set->n_cursors; i++) {
        visit_vertex(pta, set->cursors[i], 1, cb, aux);
    }
}
