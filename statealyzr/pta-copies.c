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

/* Copies of memory (memcpy, structs by value)
 *
 * Between m places to copy from and n to copy to there were m * n edges for
 * each field.  A copy has a vertex of its own for each distance from its
 * start, so that there are m + n. */

static struct copy *
get_copy(const struct sa_pta *pta, uint32_t copy)
{
    return &g_array_index(pta->copies, struct copy, copy);
}

struct target {
    const struct copy_part *part;
    uint64_t offset;
    uint64_t copied;            /* Bytes in all; 0 if unknown. */
};

/* Leads a part of a copy of 'size' bytes (0: unknown) to a node.  Functions
 * stay where their members are (pta-code.c). */
static void
connect_node(struct sa_pta *pta, const struct copy_part *part, uint64_t size,
             uint32_t node)
{
    bool kept = ((part->source == COPY_CODE && pta_is_untyped(pta, node))
                 || (part->source == COPY_BYTES && size != sizeof(void *)
                     && pta_is_code_member(pta, node)));

    if (!kept && pta_is_writable(pta, node)) {
        pta_add_edge(pta, part->vertex, node);
    }
}

static void
add_target(struct sa_pta *pta, uint32_t node, void *target_)
{
    const struct target *t = target_;

    if ((pta_vertex(pta, node)->offset - t->offset) % t->part->modulus == 0) {
        connect_node(pta, t->part, t->copied, node);
    }
}

/* The node for all of the struct or array that a copy as one begins at. */
static uint32_t
whole_of(struct sa_pta *pta, uint32_t node)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);

    if (v->stored != SA_NONE || !o->layout || v->offset < o->base
        || v->offset - o->base >= o->layout->size) {
        return node;
    }
    uint64_t end = MIN(pta_part_end(o, v->offset),
                       o->base + o->layout->size);
    return (o->base + sa_layout_leaf_end(o->layout, v->offset - o->base) >= end
            ? node : pta_cursor(pta, v->object, v->offset, end));
}

/* Leads a part of a copy to one of the places that are copied to. */
static void
connect_part(struct sa_pta *pta, const struct copy_part *part, uint64_t size,
             uint32_t to)
{
    const struct vertex *v = pta_vertex(pta, pta_same(pta, to));
    uint32_t object = v->object;
    uint64_t end = (size ? v->offset + size
                    : pta_part_end(pta_object(pta, object), v->offset));

    if (v->stored != SA_NONE) {
        if (part->source != COPY_CODE) {
            pta_add_edge(pta, part->vertex, v->stored);
        }
        return;
    }
    uint64_t offset = v->offset + part->distance;
    if (offset >= end) {
        return;
    }

    uint32_t node = pta_node(pta, object, offset);
    if (node != SA_NONE) {
        connect_node(pta, part, size, node);
    }
    if (part->modulus) {
        /* From an array: to whatever is there. */
        struct target t = { .part = part, .offset = offset, .copied = size };
        if (!pta_object(pta, object)->layout) {
            pta_set_modulus(pta, object, part->modulus);
        }
        pta_object_range(pta, object, offset,
                         MIN(end - offset, part->extent), true, add_target,
                         &t);
    }
}

/* The node at 'offset' may stand for all elements of an array: extends its
 * part to these, up to 'size' bytes from where the copy begins.  Elements that
 * are smaller than a pointer, characters, stay at one place: there are many of
 * these, and hardly ever a pointer in them. */
static void
extend_part(const struct object *o, uint64_t offset, uint64_t size,
            struct copy_part *part)
{
    uint64_t stride, end;

    if (o->layout && offset >= o->base
        && offset < o->base + o->layout->size
        && sa_layout_recurs(o->layout, offset - o->base, &stride, &end)
        && stride >= sizeof(void *)
        && (!size || part->distance + stride < size)) {
        part->modulus = stride;
        part->extent = end - (offset - o->base);
        if (size) {
            part->extent = MIN(part->extent, size - part->distance);
        }
    }
}

/* Completes 'part' with the vertex of the copy's part at this distance, which
 * is extended if it is shorter; returns whether it is new, or was. */
static bool
find_part(struct sa_pta *pta, struct copy *copy, struct copy_part *part)
{
    for (guint i = 0; i < copy->parts->len; i++) {
        struct copy_part *p = &g_array_index(copy->parts, struct copy_part,
                                             i);
        if (p->distance == part->distance && p->modulus == part->modulus
            && p->source == part->source) {
            bool is_shorter = p->extent < part->extent;

            p->extent = MAX(p->extent, part->extent);
            *part = *p;
            return is_shorter;
        }
    }
    part->vertex = pta_new_variable(pta);
    g_array_append_val(copy->parts, *part);
    return true;
}

/* Adds what a node holds to a copy from its object. */
static void
copy_node(struct sa_pta *pta, const struct copy_from *from, uint32_t node)
{
    uint64_t offset = pta_vertex(pta, pta_same(pta, from->node))->offset;
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);
    struct copy *copy = get_copy(pta, from->copy);
    bool cursor = v->stored != SA_NONE;
    struct copy_part part = { .modulus = (o->layout || v->offset < o->base
                                          ? 0 : o->modulus),
                              .extent = PTA_UNBOUNDED };

    if (!cursor && !pta_holds_pointers(pta, node)) {
        return;
    } else if (cursor) {
        part.modulus = 1;
    } else if (part.modulus && offset >= o->base) {
        uint64_t start = (offset - o->base) % part.modulus;
        part.distance = ((v->offset - o->base + part.modulus - start)
                         % part.modulus);
    } else if (v->offset >= offset
               && (copy->size || v->offset < pta_part_end(o, offset))) {
        part.distance = v->offset - offset;
        extend_part(o, v->offset, copy->size, &part);
    } else {
        return;
    }
    if (copy->size && part.distance >= copy->size) {
        return;
    } else if (pta->by_types && copy->size != sizeof(void *)) {
        part.source = (pta_is_untyped(pta, node) ? COPY_BYTES
                       : pta_is_code_member(pta, node) ? COPY_CODE
                       : COPY_OTHER);
    }

    bool is_new = find_part(pta, copy, &part);
    pta_add_edge(pta, node, part.vertex);
    if (is_new) {
        struct nodeset to = { .blocks = NULL };
        uint64_t size = copy->size;
        uint32_t id;

        nodeset_union(&to, &copy->to, NULL);
        NODESET_FOR_EACH (id, &to) {
            connect_part(pta, &part, size, id);
        }
        nodeset_clear(&to);
    }
}

void
pta_copy_to(struct sa_pta *pta, uint32_t copy, uint32_t node)
{
    uint32_t all = get_copy(pta, copy)->all;

    if (all != SA_NONE) {
        uint32_t whole = whole_of(pta, node);
        uint32_t stored = pta_vertex(pta, whole)->stored;

        if (stored != SA_NONE) {
            pta_add_edge(pta, all, stored);
        } else if (pta_is_writable(pta, whole)) {
            pta_add_edge(pta, all, whole);
        }
        return;
    }
    nodeset_add(&get_copy(pta, copy)->to, node);
    for (guint i = 0; i < get_copy(pta, copy)->parts->len; i++) {
        struct copy_part part = g_array_index(
            get_copy(pta, copy)->parts, struct copy_part, i);
        connect_part(pta, &part, get_copy(pta, copy)->size, node);
    }
}

static void
copy_existing(struct sa_pta *pta, uint32_t node, void *from)
{
    copy_node(pta, from, node);
}

void
pta_copy_from(struct sa_pta *pta, uint32_t copy, uint32_t node)
{
    uint32_t all = get_copy(pta, copy)->all;

    if (all != SA_NONE) {
        uint32_t whole = whole_of(pta, node);

        if (pta_is_cursor(pta, whole) || pta_holds_pointers(pta, whole)) {
            pta_add_edge(pta, whole, all);
        }
        return;
    }
    const struct vertex *v = pta_vertex(pta, node);
    struct object *o = pta_object(pta, v->object);
    struct copy_from from = { .copy = copy, .node = node };

    if (v->stored != SA_NONE) {
        copy_node(pta, &from, node);
        return;
    }
    if (nodeset_add(&get_copy(pta, copy)->from, node)) {
        if (!o->copies_from) {
            o->copies_from = g_array_new(FALSE, FALSE, sizeof from);
        }
        g_array_append_val(o->copies_from, from);
    }
    pta_object_range(pta, v->object, v->offset, get_copy(pta, copy)->size,
                     false, copy_existing, &from);
}

void
pta_node_created(struct sa_pta *pta, uint32_t node)
{
    g_array_append_val(pta->new_nodes, node);
}

void
pta_copy_new_nodes(struct sa_pta *pta)
{
    for (guint i = 0; i < pta->new_nodes->len; i++) {
        uint32_t node = g_array_index(pta->new_nodes, uint32_t, i);
        uint32_t object = pta_vertex(pta, node)->object;

        for (guint j = 0; ; j++) {
            GArray *copies = pta_object(pta, object)->copies_from;
            if (!copies || j >= copies->len) {
                break;
            }
            struct copy_from from = g_array_index(copies, struct copy_from,
                                                  j);
            copy_node(pta, &from, pta_same(pta, node));
        }
    }
    g_array_set_size(pta->new_nodes, 0);
}

void
pta_copies_destroy(struct sa_pta *pta)
{
    for (guint i = 0; i < pta->copies->len; i++) {
        struct copy *copy = get_copy(pta, i);

        g_array_free(copy->parts, TRUE);
        nodeset_clear(&copy->to);
        nodeset_clear(&copy->from);
    }
    g_array_free(pta->copies, TRUE);
}
