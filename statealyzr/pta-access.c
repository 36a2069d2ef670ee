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

static const struct node_range *
find_range(const struct sa_pta *pta, uint32_t node, uint64_t size,
           GArray *scratch)
{
    if (!pta->ranges[size]) {
        pta->ranges[size] = g_new0(struct node_range, pta->n_result_nodes);
    }
    struct node_range *range = &pta->ranges[size][node];
    if (!range->known) {
        g_array_set_size(scratch, 0);
        collect_range(pta, pta->result_vertices[node], size, scratch);
        set_range(range, scratch);
    }
    return range;
}

void
pta_ranges_destroy(struct sa_pta *pta)
{
    for (uint32_t size = 0; size <= PTA_MAX_RANGE; size++) {
        for (uint32_t i = 0; pta->ranges[size] && i < pta->n_result_nodes;
             i++) {
            g_free(pta->ranges[size][i].ids);
        }
        g_free(pta->ranges[size]);
    }
    g_free(pta->ranges);
}

void
sa_pta_access(const struct sa_pta *pta, uint32_t value, uint64_t size,
              void (*cb)(uint32_t node, void *aux), void *aux)
{
    const struct result_set *set = pta_value_set(pta, value);
    GArray *scratch = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (uint32_t i = 0; set && i < set->nodes.n; i++) {
        struct node_range all = { .n = 0 };
        const struct node_range *range = &all;

        if (size <= PTA_MAX_RANGE) {
            range = find_range(pta, set->nodes.ids[i], size, scratch);
        } else {
            g_array_set_size(scratch, 0);
            collect_range(pta, pta->result_vertices[set->nodes.ids[i]], size,
                          scratch);
            all.n = scratch->len;
            all.ids = (uint32_t *) scratch->data;
        }
        for (uint32_t j = 0; j < range->n; j++) {
            cb(range->ids ? range->ids[j] : range->first + j, aux);
        }
    }
    g_array_set_size(scratch, 0);
    for (uint32_t i = 0; set && i < set->n_cursors; i++) {
        collect_range(pta, set->cursors[i], size, scratch);
    }
    for (guint i = 0; i < scratch->len; i++) {
        cb(g_array_index(scratch, uint32_t, i), aux);
    }
    g_array_free(scratch, TRUE);
}
