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

#include "control.h"

#include <string.h>
#include "regions.h"

/* The control flow graph of one function: number 0 is the end, and number
 * i + 1 its i-th block. */
struct cfg {
    uint32_t n;                 /* Of numbers. */
    struct sa_csr out, in;      /* Successors, predecessors. */
    uint32_t *when;             /* Number -> its index in 'left'. */
    uint32_t *left;             /* Numbers in the order in which a depth first
                                 * walk from the end, backwards, left them. */
    uint32_t n_left;
    uint32_t *ipdom;            /* Immediate post-dominator. */
};

void
sa_block_successors(const struct sa_program *p, uint32_t block,
                    GArray *successors)
{
    LLVMValueRef end = LLVMGetBasicBlockTerminator(p->blocks[block].value);
    unsigned int n = end ? LLVMGetNumSuccessors(end) : 0;

    for (unsigned int i = 0; i < n; i++) {
        uint32_t to = sa_block_id(p, LLVMGetSuccessor(end, i));
        if (to != SA_NONE) {
            g_array_append_val(successors, to);
        }
    }
}

static void
get_edges(const struct sa_program *p, uint32_t function, GArray *edges)
{
    const struct sa_function *f = &p->functions[function];
    GArray *successors = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (uint32_t i = 0; i < f->n_blocks; i++) {
        g_array_set_size(successors, 0);
        sa_block_successors(p, f->first_block + i, successors);
        for (guint j = 0; j < successors->len; j++) {
            uint32_t to = g_array_index(successors, uint32_t, j);
            struct sa_pair edge = { i + 1, to - f->first_block + 1 };
            g_array_append_val(edges, edge);
        }
        if (!successors->len) {
            struct sa_pair edge = { i + 1, 0 };
            g_array_append_val(edges, edge);
        }
    }
    g_array_free(successors, TRUE);
}

/* Walks backwards from 'root', which 'seen' does not have yet. */
static void
walk(struct cfg *cfg, uint32_t root, bool *seen)
{
    GArray *stack = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    struct sa_pair top = { root, 0 };   /* Number, index of the next edge. */

    seen[root] = true;
    g_array_append_val(stack, top);
    while (stack->len) {
        struct sa_pair *t = &g_array_index(stack, struct sa_pair,
                                           stack->len - 1);
        uint32_t n;
        const uint32_t *in = sa_csr_get(&cfg->in, t->from, &n);
        if (t->to < n) {
            uint32_t next = in[t->to++];
            if (!seen[next]) {
                seen[next] = true;
                top = (struct sa_pair) { next, 0 };
                g_array_append_val(stack, top);
            }
        } else {
            cfg->when[t->from] = cfg->n_left;
            cfg->left[cfg->n_left++] = t->from;
            g_array_set_size(stack, stack->len - 1);
        }
    }
    g_array_free(stack, TRUE);
}

static void
invert(struct cfg *cfg, const GArray *edges)
{
    GArray *back = g_array_sized_new(FALSE, FALSE, sizeof(struct sa_pair),
                                     edges->len);

    for (guint i = 0; i < edges->len; i++) {
        const struct sa_pair *e = &g_array_index(edges, struct sa_pair, i);
        struct sa_pair edge = { e->to, e->from };
        g_array_append_val(back, edge);
    }
    sa_csr_init(&cfg->out, cfg->n, edges);
    sa_csr_init(&cfg->in, cfg->n, back);
    g_array_free(back, TRUE);
}

/* Adds edges to the end from the headers of loops that lead nowhere. */
static void
add_ends(const struct sa_program *p, uint32_t function, const bool *seen,
         GArray *edges)
{
    const struct sa_function *f = &p->functions[function];
    GArray *regions = g_array_new(FALSE, FALSE, sizeof(struct sa_region));
    GArray *successors = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    sa_find_regions(p, function, regions);
    for (guint i = 0; i < regions->len; i++) {
        struct sa_region *r = &g_array_index(regions, struct sa_region, i);
        uint32_t header = r->header - f->first_block + 1;
        bool endless = !seen[header];

        g_array_set_size(successors, 0);
        for (guint j = 0; j < r->blocks->len && endless; j++) {
            sa_block_successors(p, g_array_index(r->blocks, uint32_t, j),
                                successors);
        }
        for (guint j = 0; j < successors->len && endless; j++) {
            endless = sa_region_has(r, g_array_index(successors, uint32_t,
                                                     j));
        }
        if (endless) {
            struct sa_pair edge = { header, 0 };
            g_array_append_val(edges, edge);
        }
        g_array_free(r->blocks, TRUE);
    }
    g_array_free(regions, TRUE);
    g_array_free(successors, TRUE);
}

/* Orders the numbers; makes all of them lead to the end. */
static void
order(struct cfg *cfg, const struct sa_program *p, uint32_t function,
      GArray *edges)
{
    bool *seen = g_new0(bool, cfg->n);

    invert(cfg, edges);
    walk(cfg, 0, seen);
    if (cfg->n_left < cfg->n) {
        add_ends(p, function, seen, edges);
        sa_csr_destroy(&cfg->out);
        sa_csr_destroy(&cfg->in);
        invert(cfg, edges);
        memset(seen, 0, cfg->n * sizeof *seen);
        cfg->n_left = 0;
        walk(cfg, 0, seen);
    }
    g_free(seen);
}

static void
find_post_dominators(struct cfg *cfg)
{
    bool changed = true;

    for (uint32_t i = 0; i < cfg->n; i++) {
        cfg->ipdom[i] = SA_NONE;
    }
    cfg->ipdom[0] = 0;
    while (changed) {
        changed = false;
        for (uint32_t i = cfg->n_left - 1; i-- > 0; ) {
            uint32_t b = cfg->left[i];
            uint32_t n, best = SA_NONE;
            const uint32_t *out = sa_csr_get(&cfg->out, b, &n);
            for (uint32_t j = 0; j < n; j++) {
                uint32_t x = out[j];
                if (cfg->ipdom[x] == SA_NONE) {
                    continue;
                }
                while (best != SA_NONE && x != best) {
                    if (cfg->when[x] < cfg->when[best]) {
                        x = cfg->ipdom[x];
                    } else {
                        best = cfg->ipdom[best];
                    }
                }
                best = x;
            }
            if (cfg->ipdom[b] != best) {
                cfg->ipdom[b] = best;
                changed = true;
            }
        }
    }
}

void
sa_control_dependences(const struct sa_program *p, uint32_t function,
                       GArray *pairs)
{
    const struct sa_function *f = &p->functions[function];
    struct cfg cfg = { .n = f->n_blocks + 1 };
    if (!f->n_blocks) {
        return;
    }

    GArray *edges = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    cfg.when = g_new0(uint32_t, cfg.n);
    cfg.left = g_new0(uint32_t, cfg.n);
    cfg.ipdom = g_new(uint32_t, cfg.n);
    get_edges(p, function, edges);
    order(&cfg, p, function, edges);
    find_post_dominators(&cfg);

    /* The branch whose dependents a block was counted among last. */
    uint32_t *last = g_new0(uint32_t, cfg.n);
    bool *depends = g_new0(bool, cfg.n);
    for (uint32_t a = 1; a < cfg.n; a++) {
        /* An edge to the end beside one other is not in the program. */
        uint32_t n;
        const uint32_t *out = sa_csr_get(&cfg.out, a, &n);
        bool branches = n > 1 + (out[0] == 0);
        for (uint32_t j = 0; branches && j < n; j++) {
            for (uint32_t b = out[j]; b && b != cfg.ipdom[a];
                 b = cfg.ipdom[b]) {
                if (last[b] == a) {
                    break;
                }
                last[b] = a;
                depends[b] = depends[b] || b != a;
                struct sa_pair pair = {
                    f->first_block + a - 1, f->first_block + b - 1
                };
                g_array_append_val(pairs, pair);
            }
        }
    }

    /* What is executed whenever the function is called: all that
     * post-dominates its first block. */
    for (uint32_t b = 1; b; b = cfg.ipdom[b]) {
        depends[b] = false;
    }
    for (uint32_t b = 1; b < cfg.n; b++) {
        if (!depends[b]) {
            struct sa_pair pair = { SA_NONE, f->first_block + b - 1 };
            g_array_append_val(pairs, pair);
        }
    }

    g_free(last);
    g_free(depends);
    g_free(cfg.when);
    g_free(cfg.left);
    g_free(cfg.ipdom);
    sa_csr_destroy(&cfg.out);
    sa_csr_destroy(&cfg.in);
    g_array_free(edges, TRUE);
}
