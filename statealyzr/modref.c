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

#include "modref.h"

#include <string.h>
#include "call.h"
#include "modref-private.h"

/* Follows Banning (POPL 1979); see modref.h.  What each instruction does
 * itself is found in modref-insns.c; here the sets are interned and
 * indexed. */

/* Sets. */

static const struct sa_modref *set_context;     /* Of the hash functions. */

struct sa_nodes
sa_modref_get(const struct sa_modref *mr, uint32_t set)
{
    const size_t *starts = (const size_t *) mr->starts->data;

    return (struct sa_nodes) {
        .ids = (const uint32_t *) mr->pool->data + starts[set],
        .n = starts[set + 1] - starts[set],
    };
}

static guint
set_hash(gconstpointer p)
{
    struct sa_nodes s = sa_modref_get(set_context, GPOINTER_TO_UINT(p) - 1);
    guint hash = s.n;

    for (uint32_t i = 0; i < s.n; i++) {
        hash = (hash ^ s.ids[i]) * 0x9e3779b1u;
        hash ^= hash >> 15;
    }
    return hash;
}

static gboolean
set_equal(gconstpointer a, gconstpointer b)
{
    struct sa_nodes x = sa_modref_get(set_context, GPOINTER_TO_UINT(a) - 1);
    struct sa_nodes y = sa_modref_get(set_context, GPOINTER_TO_UINT(b) - 1);

    return x.n == y.n
           && (!x.n || !memcmp(x.ids, y.ids, x.n * sizeof *x.ids));
}

/* Sorts 'nodes' and drops repeated ones.  Large sets are a good part of all
 * nodes: then marking them is faster than comparing them. */
static void
sort_nodes(const struct sa_modref *mr, GArray *nodes)
{
    uint32_t *ids = (uint32_t *) nodes->data, low = UINT32_MAX, high = 0;
    guint n = 0;

    for (guint i = 0; i < nodes->len; i++) {
        low = MIN(low, ids[i]);
        high = MAX(high, ids[i]);
    }
    if (nodes->len < 64 || (high - low) / 16 > nodes->len) {
        sa_sort_unique(nodes);
        return;
    }
    for (guint i = 0; i < nodes->len; i++) {
        mr->marks[ids[i]] = true;
    }
    for (uint32_t node = low; node <= high; node++) {
        if (mr->marks[node]) {
            mr->marks[node] = false;
            ids[n++] = node;
        }
    }
    g_array_set_size(nodes, n);
}

uint32_t
sa_modref_intern(struct sa_modref *mr, GArray *nodes)
{
    sort_nodes(mr, nodes);

    uint32_t set = mr->starts->len - 1;
    g_array_append_vals(mr->pool, nodes->data, nodes->len);
    size_t end = mr->pool->len;
    g_array_append_val(mr->starts, end);

    set_context = mr;
    gpointer key = GUINT_TO_POINTER(set + 1), old;
    if (g_hash_table_lookup_extended(mr->interned, key, &old, NULL)) {
        g_array_set_size(mr->starts, set + 1);
        g_array_set_size(mr->pool,
                         g_array_index(mr->starts, size_t, set));
        return GPOINTER_TO_UINT(old) - 1;
    }
    g_hash_table_add(mr->interned, key);
    return set;
}

/* The whole. */

static void
collect_callees(struct sa_modref *mr)
{
    const struct sa_program *p = mr->program;
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));

    for (uint32_t insn = 0; insn < p->n_insns; insn++) {
        if (!sa_is_call(p->insns[insn].opcode)) {
            continue;
        }
        for (int callback = 0; callback < 2; callback++) {
            uint32_t n;
            const uint32_t *fs = callback
                                 ? sa_pta_callbacks(mr->pta, insn, &n)
                                 : sa_pta_callees(mr->pta, insn, &n);
            for (uint32_t i = 0; i < n; i++) {
                struct sa_pair pair = { p->insns[insn].function, fs[i] };
                g_array_append_val(pairs, pair);
            }
        }
    }
    sa_csr_init(&mr->callees, p->n_functions, pairs);
    g_array_free(pairs, TRUE);
}

/* Makes the index from sets to the instructions that have them. */
static void
index_by_set(struct sa_modref *mr, const uint32_t *sets, struct sa_csr *csr)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));

    for (uint32_t insn = 0; insn < mr->program->n_insns; insn++) {
        if (sets[insn]) {
            struct sa_pair pair = { sets[insn], insn };
            g_array_append_val(pairs, pair);
        }
    }
    sa_csr_init(csr, sa_modref_n_sets(mr), pairs);
    g_array_free(pairs, TRUE);
}

static void
index_by_node(struct sa_modref *mr)
{
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));

    for (uint32_t set = 0; set < sa_modref_n_sets(mr); set++) {
        struct sa_nodes s = sa_modref_get(mr, set);
        for (uint32_t i = 0; i < s.n; i++) {
            struct sa_pair pair = { s.ids[i], set };
            g_array_append_val(pairs, pair);
        }
    }
    sa_csr_init(&mr->sets_of_node, mr->n_nodes, pairs);
    g_array_free(pairs, TRUE);
}

struct sa_modref *
sa_modref_run(const struct sa_program *program, const struct sa_pta *pta,
              const struct sa_tables *tables)
{
    struct sa_modref *mr = g_new0(struct sa_modref, 1);
    uint32_t n_objects;

    mr->program = program;
    mr->pta = pta;
    mr->tables = tables;
    mr->objects = sa_pta_objects(pta, &n_objects);
    mr->nodes = sa_pta_nodes(pta, &mr->n_nodes);
    mr->marks = g_new0(bool, mr->n_nodes);
    mr->read_set = g_new0(uint32_t, program->n_insns);
    mr->write_set = g_new0(uint32_t, program->n_insns);
    mr->pool = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    mr->starts = g_array_new(FALSE, TRUE, sizeof(size_t));
    g_array_set_size(mr->starts, 1);
    mr->interned = g_hash_table_new(set_hash, set_equal);
    mr->copies = g_array_new(FALSE, FALSE, sizeof(struct sa_copy));

    GArray *empty = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    sa_modref_intern(mr, empty);        /* Set 0. */
    g_array_free(empty, TRUE);
    sa_modref_collect(mr);
    index_by_set(mr, mr->read_set, &mr->readers);
    index_by_set(mr, mr->write_set, &mr->writers);
    index_by_node(mr);
    collect_callees(mr);
    return mr;
}

void
sa_modref_destroy(struct sa_modref *mr)
{
    if (mr) {
        g_free(mr->marks);
        g_free(mr->read_set);
        g_free(mr->write_set);
        g_array_free(mr->pool, TRUE);
        g_array_free(mr->starts, TRUE);
        g_hash_table_destroy(mr->interned);
        g_array_free(mr->copies, TRUE);
        sa_csr_destroy(&mr->sets_of_node);
        sa_csr_destroy(&mr->readers);
        sa_csr_destroy(&mr->writers);
        sa_csr_destroy(&mr->callees);
        g_free(mr);
    }
}

struct sa_nodes
sa_modref_reads(const struct sa_modref *mr, uint32_t insn)
{
    return sa_modref_get(mr, mr->read_set[insn]);
}

struct sa_nodes
sa_modref_writes(const struct sa_modref *mr, uint32_t insn)
{
    return sa_modref_get(mr, mr->write_set[insn]);
}

uint32_t
sa_modref_read_set(const struct sa_modref *mr, uint32_t insn)
{
    return mr->read_set[insn];
}

uint32_t
sa_modref_write_set(const struct sa_modref *mr, uint32_t insn)
{
    return mr->write_set[insn];
}

struct sa_nodes
sa_modref_set(const struct sa_modref *mr, uint32_t set)
{
    return sa_modref_get(mr, set);
}

uint32_t
sa_modref_n_sets(const struct sa_modref *mr)
{
    return mr->starts->len - 1;
}

const struct sa_copy *
sa_modref_copies(const struct sa_modref *mr, uint32_t insn, uint32_t *n)
{
    const struct sa_copy *copies = (const struct sa_copy *) mr->copies->data;
    size_t low = 0, high = mr->copies->len;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (copies[mid].insn < insn) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    *n = 0;
    while (low + *n < mr->copies->len && copies[low + *n].insn == insn) {
        (*n)++;
    }
    return &copies[low];
}

const struct sa_copy *
sa_modref_all_copies(const struct sa_modref *mr, uint32_t *n)
{
    *n = mr->copies->len;
    return (const struct sa_copy *) mr->copies->data;
}

/* The instructions with any set that 'node' is in. */
static uint32_t *
insns_of_node(const struct sa_modref *mr, const struct sa_csr *insns,
              uint32_t node, uint32_t *n)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    uint32_t n_sets;
    const uint32_t *sets = sa_csr_get(&mr->sets_of_node, node, &n_sets);

    for (uint32_t i = 0; i < n_sets; i++) {
        uint32_t n_insns;
        const uint32_t *v = sa_csr_get(insns, sets[i], &n_insns);
        g_array_append_vals(all, v, n_insns);
    }
    sa_sort_unique(all);
    *n = all->len;
    return (uint32_t *) g_array_free(all, FALSE);
}

uint32_t *
sa_modref_readers(const struct sa_modref *mr, uint32_t node, uint32_t *n)
{
    return insns_of_node(mr, &mr->readers, node, n);
}

uint32_t *
sa_modref_writers(const struct sa_modref *mr, uint32_t node, uint32_t *n)
{
    return insns_of_node(mr, &mr->writers, node, n);
}

const uint32_t *
sa_modref_callees(const struct sa_modref *mr, uint32_t function, uint32_t *n)
{
    return sa_csr_get(&mr->callees, function, n);
}

void
sa_modref_reach(const struct sa_modref *mr, const uint32_t roots[],
                size_t n_roots, bool *reached)
{
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (size_t i = 0; i < n_roots; i++) {
        if (!reached[roots[i]]) {
            reached[roots[i]] = true;
            g_array_append_val(work, roots[i]);
        }
    }
    while (work->len) {
        uint32_t f = g_array_index(work, uint32_t, work->len - 1);
        g_array_set_size(work, work->len - 1);

        uint32_t n;
        const uint32_t *callees = sa_csr_get(&mr->callees, f, &n);
        for (uint32_t i = 0; i < n; i++) {
            if (!reached[callees[i]]) {
                reached[callees[i]] = true;
                g_array_append_val(work, callees[i]);
            }
        }
    }
    g_array_free(work, TRUE);
}

uint32_t *
sa_modref_transitive(const struct sa_modref *mr, bool writes,
                     const uint32_t functions[], size_t n_functions,
                     uint32_t *n)
{
    const struct sa_program *p = mr->program;
    const uint32_t *sets = writes ? mr->write_set : mr->read_set;
    bool *reached = g_new0(bool, p->n_functions);
    bool *in = g_new0(bool, mr->n_nodes);
    bool *seen = g_new0(bool, sa_modref_n_sets(mr));

    sa_modref_reach(mr, functions, n_functions, reached);
    *n = 0;
    for (uint32_t f = 0; f < p->n_functions; f++) {
        uint32_t end = p->functions[f].first_insn + p->functions[f].n_insns;
        for (uint32_t insn = p->functions[f].first_insn;
             reached[f] && p->functions[f].defined && insn < end; insn++) {
            if (seen[sets[insn]]) {
                continue;
            }
            seen[sets[insn]] = true;
            struct sa_nodes s = sa_modref_get(mr, sets[insn]);
            for (uint32_t i = 0; i < s.n; i++) {
                *n += !in[s.ids[i]];
                in[s.ids[i]] = true;
            }
        }
    }

    uint32_t *nodes = g_new(uint32_t, *n);
    for (uint32_t node = 0, i = 0; node < mr->n_nodes; node++) {
        if (in[node]) {
            nodes[i++] = node;
        }
    }
    g_free(reached);
    g_free(in);
    g_free(seen);
    return nodes;
}
