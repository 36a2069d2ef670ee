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

/* Objects and their nodes
 *
 * After Pearce, Kelly, Hankin: "Efficient Field-Sensitive Pointer Analysis
 * of C" (TOPLAS 2007), with byte offsets instead of field numbers, so that
 * casts between structs mean what they mean in memory.
 *
 * Memory from malloc() has no type.  What it is used as becomes known
 * during the analysis: the first struct type that its start is accessed as
 * gives its layout, and a larger one that fits replaces it. */

/* Offsets of an object without a layout that are told apart. */
#define MAX_FREE_NODES 256
#define MAX_FREE_OFFSET 65536

/* Fields that are stepped through one by one if something that is no array is
 * indexed. */
#define MAX_STEPS 16

#define MAX_PART_DEPTH 32       /* Structs in structs. */

uint32_t
pta_new_object(struct sa_pta *pta, const struct object *template)
{
    struct object o = *template;

    if (o.layout && !o.layout->size) {
        o.layout = NULL;
    }
    o.nodes = g_array_new(FALSE, FALSE, sizeof(struct object_node));
    g_array_append_val(pta->objects, o);
    return pta->objects->len - 1;
}

void
pta_declare_object(struct sa_pta *pta, struct object *o, LLVMTypeRef type,
                   const struct sa_variable *variable)
{
    if (LLVMTypeIsSized(type)) {
        o->size = LLVMABISizeOfType(pta->program->layout, type);
        o->layout = sa_layout_of_llvm(pta->layouts, type);
    }
    if (variable && variable->type) {
        const struct sa_type *t = sa_type_of(pta->types, variable->type);
        if (t->size && t->size == o->size) {
            o->type = t;
            o->layout = sa_layout_of_type(pta->layouts, t);
        }
    }
}

void
pta_object_uninit(struct object *o)
{
    g_array_free(o->nodes, TRUE);
    if (o->cursors) {
        g_array_free(o->cursors, TRUE);
    }
    if (o->copies_from) {
        g_array_free(o->copies_from, TRUE);
    }
}

bool
pta_is_tail(const struct object *o, uint64_t offset)
{
    return o->tail && offset >= o->base + o->layout->size;
}

/* Where the part of an object ends that an access of unknown length through a
 * pointer to 'offset' is taken to stay in, PTA_UNBOUNDED if that is all of
 * it. */
uint64_t
pta_part_end(const struct object *o, uint64_t offset)
{
    if (!o->layout || !o->declared || offset < o->base
        || pta_is_tail(o, offset)) {
        return PTA_UNBOUNDED;
    }
    uint64_t end = sa_layout_part_end(o->layout, offset - o->base);
    return end < o->layout->size ? o->base + end : PTA_UNBOUNDED;
}

/* The offset that stands for 'offset'; returns false if it is outside. */
static bool
canonicalize(const struct object *o, int64_t offset, uint64_t *canonical)
{
    if (!o->layout && !o->modulus) {
        *canonical = offset;
        return offset >= 0 && (!o->size || (uint64_t) offset < o->size);
    } else if (o->base && offset < (int64_t) o->base) {
        *canonical = 0;
        return offset >= 0 || !o->layout;
    } else if (!o->layout) {
        int64_t rest = (offset - (int64_t) o->base) % (int64_t) o->modulus;
        *canonical = o->base + (rest < 0 ? rest + (int64_t) o->modulus : rest);
        return true;
    } else if (offset < 0) {
        return false;
    }

    uint64_t rest = offset - o->base;
    if (o->tail && rest >= o->layout->size) {
        *canonical = o->base + o->layout->size;
        return true;
    } else if (rest >= o->layout->size && !sa_layout_is_flexible(o->layout)) {
        if (!o->repeats
            && (!o->size || o->size <= o->base + o->layout->size)) {
            return false;
        }
        rest %= o->layout->size;
    }
    *canonical = o->base + o->layout->offsets[sa_layout_leaf(o->layout, rest)];
    return true;
}

/* The position of the first node at or after 'offset'. */
static guint
find_node(const struct object *o, uint64_t offset)
{
    guint low = 0, high = o->nodes->len;

    while (low < high) {
        guint middle = low + (high - low) / 2;

        if (g_array_index(o->nodes, struct object_node, middle).offset
            < offset) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* Gives the existing nodes of an object the offsets that stand for theirs
 * since its layout changed; those that now have the same are united. */
static void
renumber(struct sa_pta *pta, uint32_t object)
{
    GArray *old = pta_object(pta, object)->nodes;

    pta_object(pta, object)->nodes = g_array_new(FALSE, FALSE,
                                                 sizeof(struct object_node));
    for (guint i = 0; i < old->len; i++) {
        struct object_node n = g_array_index(old, struct object_node, i);
        struct object *o = pta_object(pta, object);

        if (!canonicalize(o, n.offset, &n.offset)) {
            n.offset = 0;
        }
        guint at = find_node(o, n.offset);
        struct object_node *other = (at < o->nodes->len
                                     ? &g_array_index(o->nodes,
                                                      struct object_node, at)
                                     : NULL);
        if (other && other->offset == n.offset) {
            pta_unite_nodes(pta, other->node, n.node);
        } else {
            g_array_insert_val(o->nodes, at, n);
            pta_vertex(pta, n.node)->offset = n.offset;
        }
    }
    g_array_free(old, TRUE);
    pta_object(pta, object)->relaid = pta->relaid = true;
}

uint64_t
pta_gcd(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t c = a % b;
        a = b;
        b = c;
    }
    return a;
}

void
pta_set_modulus(struct sa_pta *pta, uint32_t object, uint64_t stride)
{
    struct object *o = pta_object(pta, object);
    uint64_t modulus = pta_gcd(stride, o->modulus);

    if (!o->layout && modulus != o->modulus) {
        o->modulus = modulus;
        renumber(pta, object);
    }
}

/* Takes note that the memory of an object is used as a struct, of which 'gep'
 * is an access. */
static void
consider_layout(struct sa_pta *pta, uint32_t object, uint64_t offset,
                const struct gep *gep)
{
    struct object *o = pta_object(pta, object);
    const struct sa_layout *l = gep->layout;

    if (!l || !l->size || o->declared || pta->by_types || offset != o->base
        || (o->layout && l->size <= o->layout->size)
        || (o->size && o->size < o->base + l->size)) {
        return;
    }
    o->layout = l;
    o->type = gep->type;
    o->modulus = 0;
    o->repeats = !o->size || o->size >= o->base + 2 * l->size;
    renumber(pta, object);
}

uint32_t
pta_existing_node(const struct sa_pta *pta, uint32_t object, int64_t offset)
{
    const struct object *o = pta_object(pta, object);
    uint64_t canonical;

    if (canonicalize(o, offset, &canonical)) {
        guint at = find_node(o, canonical);
        const struct object_node *n = &g_array_index(o->nodes,
                                                     struct object_node, at);
        if (at < o->nodes->len && n->offset == canonical) {
            return n->node;
        }
    }
    return SA_NONE;
}

bool
pta_holds_pointers(const struct sa_pta *pta, uint32_t node)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);

    if (v->numeric) {
        return false;
    }
    if (o->declared && !o->layout && o->type && o->type->kind == SA_TYPE_INT
        && o->type->size > 1 && o->type->size < 8 && v->offset >= o->base) {
        return false;           /* An array of numbers. */
    }
    return (!o->declared || !o->layout || v->offset < o->base
            || pta_is_tail(o, v->offset)
            || o->layout->pointers[sa_layout_leaf(o->layout,
                                                  v->offset - o->base)]);
}

static void
connect_cursor(struct sa_pta *pta, uint32_t node, void *cursor_)
{
    const struct cursor *cursor = cursor_;

    if (pta_is_code_member(pta, node)) {
        return;
    }
    if (pta_holds_pointers(pta, node)) {
        pta_add_edge(pta, node, cursor->node);
    }
    if (pta_is_writable(pta, node)) {
        pta_add_edge(pta, cursor->stored, node);
    }
}

uint32_t
pta_node(struct sa_pta *pta, uint32_t object, int64_t offset)
{
    struct object *o = pta_object(pta, object);
    uint64_t canonical;

    if (!canonicalize(o, offset, &canonical)) {
        return SA_NONE;
    }
    guint at = find_node(o, canonical);
    if (at < o->nodes->len) {
        struct object_node *n = &g_array_index(o->nodes, struct object_node,
                                               at);
        if (n->offset == canonical) {
            return n->node;
        }
    }
    if (!o->layout && (o->nodes->len >= MAX_FREE_NODES
                       || canonical > MAX_FREE_OFFSET)) {
        pta_set_modulus(pta, object, 1);
        return pta_node(pta, object, canonical);
    }

    struct object_node n = { .offset = canonical,
                             .node = pta_new_variable(pta) };
    pta_vertex(pta, n.node)->object = object;
    pta_vertex(pta, n.node)->offset = canonical;
    o = pta_object(pta, object);
    uint32_t filter = pta_node_filter(pta, o, canonical);
    pta_vertex(pta, n.node)->filter = filter;
    g_array_append_val(pta->filtered_nodes, n.node);
    g_array_insert_val(o->nodes, at, n);
    if (pta->by_types) {
        pta_share_field(pta, n.node);
        o = pta_object(pta, object);
    }
    for (guint i = 0; o->cursors && i < o->cursors->len; i++) {
        struct cursor c = g_array_index(o->cursors, struct cursor, i);
        if (canonical >= c.start && canonical < c.end) {
            connect_cursor(pta, n.node, &c);
        }
    }
    pta_node_created(pta, n.node);
    return n.node;
}

uint32_t
pta_cursor(struct sa_pta *pta, uint32_t object, uint64_t start, uint64_t end)
{
    struct object *o = pta_object(pta, object);

    if (!o->cursors) {
        o->cursors = g_array_new(FALSE, FALSE, sizeof(struct cursor));
    }
    for (guint i = 0; i < o->cursors->len; i++) {
        const struct cursor *c = &g_array_index(o->cursors, struct cursor, i);
        if (c->start == start && c->end == end) {
            return c->node;
        }
    }
    struct cursor c = { .start = start, .end = end };
    pta_node(pta, object, start);
    o = pta_object(pta, object);
    c.node = pta_new_variable(pta);
    c.stored = pta_new_variable(pta);
    struct vertex *v = pta_vertex(pta, c.node);
    v->object = object;
    v->offset = start;
    v->end = end;
    v->stored = c.stored;
    g_array_append_val(o->cursors, c);
    g_array_append_val(pta->filtered_nodes, c.node);
    pta_object_range(pta, object, start, end - start, false, connect_cursor,
                     &c);
    return c.node;
}

struct emit {
    struct sa_pta *pta;
    uint32_t object;
    void (*cb)(struct sa_pta *, uint32_t node, void *aux);
    void *aux;
};

static void
emit(const struct emit *e, int64_t offset)
{
    uint32_t node = pta_node(e->pta, e->object, offset);

    if (node != SA_NONE) {
        e->cb(e->pta, node, e->aux);
    }
}

/* Moves by 'distance' in an object without a layout. */
static void
emit_free(const struct emit *e, int64_t offset, int64_t distance)
{
    const struct object *o = pta_object(e->pta, e->object);
    int64_t base = o->base, modulus = o->modulus;

    if (modulus && offset >= base && offset + distance < base) {
        /* To what is before the first element, or from a later one. */
        if (base) {
            emit(e, 0);
        }
        distance = distance % modulus + modulus;
    }
    emit(e, offset + distance);
}

/* As sa_layout_array(), in an object. */
static bool
find_array(const struct object *o, int64_t offset, uint64_t stride,
           int64_t *start, int64_t *end)
{
    uint64_t canonical, s, e;

    if (!canonicalize(o, offset, &canonical) || canonical < o->base) {
        return false;
    } else if (pta_is_tail(o, canonical)) {
        *start = canonical;
        *end = INT64_MAX;
        return true;
    } else if (sa_layout_array(o->layout, canonical - o->base, stride, &s,
                               &e)) {
        *start = o->base + s;
        *end = o->base + e;
        return true;
    } else if (o->repeats && stride % o->layout->size == 0) {
        *start = o->base;
        *end = o->size ? o->size : INT64_MAX;
        return true;
    }
    return false;
}

/* A variable index at 'offset'. */
static void
emit_indexed(const struct emit *e, const struct gep *gep, int64_t offset)
{
    struct object *o = pta_object(e->pta, e->object);
    int64_t start, end;

    if (find_array(o, offset, gep->stride, &start, &end)) {
        emit(e, offset);
        return;
    }

    /* What is no array is walked through. */
    uint64_t canonical;
    if (!canonicalize(o, offset, &canonical)) {
        return;
    } else if (canonical < o->base) {
        emit(e, offset);
        return;
    }
    uint64_t last = o->base + sa_layout_part_end(o->layout,
                                                 canonical - o->base);
    if (gep->extent) {
        last = MIN(last, canonical + gep->extent);
    }
    if (e->pta->by_types && gep->layout) {
        emit(e, canonical);
    } else if (gep->stride > 1
               && (last - canonical) / gep->stride <= MAX_STEPS) {
        for (; canonical < last; canonical += gep->stride) {
            emit(e, canonical);
        }
    } else if (sa_layout_leaf_end(o->layout, canonical - o->base)
               >= last - o->base) {
        emit(e, canonical);
    } else {
        e->cb(e->pta, pta_cursor(e->pta, e->object, canonical, last), e->aux);
    }
}

/* Whether a 'part' begins at 'offset' of 'type'.  The recursion is bounded. */
static bool
has_part(const struct sa_type *type, uint64_t offset,
         const struct sa_type *part, int depth)
{
    if (depth > MAX_PART_DEPTH) {
        return false;
    } else if (type->size) {
        offset %= type->size;
    }
    if (!offset && type->canonical == part->canonical) {
        return true;
    } else if (type->kind == SA_TYPE_ARRAY) {
        return has_part(type->target, offset, part, depth + 1);
    }
    for (size_t i = 0; i < type->n_members; i++) {
        const struct sa_member *m = &type->members[i];
        uint64_t start = m->bit_offset / 8;

        if (offset >= start && offset - start < m->type->size
            && has_part(m->type, offset - start, part, depth + 1)) {
            return true;
        }
    }
    return false;
}

bool
pta_has_part(const struct sa_type *type, uint64_t offset,
             const struct sa_type *part)
{
    return has_part(type, offset, part, 0);
}

/* Whether 'gep' takes what is at 'offset' for a struct for which there is
 * no room: the head of a list, say, that is taken for the element whose
 * first member a list's links are. */
static bool
overruns(const struct object *o, const struct gep *gep, int64_t offset)
{
    int64_t rest = offset + gep->arithmetic - (int64_t) o->base;

    return (gep->layout && o->declared && o->size && !o->tail && rest >= 0
            && (uint64_t) rest < o->layout->size
            && !sa_layout_is_flexible(o->layout)
            && gep->layout->size > (sa_layout_part_end(o->layout, rest)
                                    - rest));
}

/* Whether 'gep' takes what is at 'offset' for a struct that it is not declared
 * as. */
static bool
differs(const struct sa_pta *pta, const struct object *o,
        const struct gep *gep, int64_t offset)
{
    int64_t start = offset + gep->arithmetic;

    return (pta->by_types && gep->unambiguous && o->declared && o->type
            && start >= (int64_t) o->base && !pta_is_tail(o, offset)
            && !pta_may_be(o->type, start - o->base, gep->type));
}

/* From a member to its struct, by types: any such struct. */
static void
apply_container(const struct emit *e, const struct gep *gep, uint32_t node)
{
    struct emit to = *e;

    if (pta_is_wild(pta_object(e->pta, e->object))) {
        e->cb(e->pta, node, e->aux);
    }
    to.object = pta_class(e->pta, gep->container);
    emit(&to, gep->path);
}

/* Whether 'gep' takes what is at 'offset' for a struct that it cannot be. */
static bool
clashes(const struct object *o, const struct gep *gep, int64_t offset)
{
    int64_t rest = offset + gep->arithmetic - (int64_t) o->base;

    return (gep->unambiguous && o->declared && rest >= 0
            && (uint64_t) rest < o->layout->size
            && !sa_layout_agrees(o->layout, rest, gep->layout));
}

void
pta_apply_gep(struct sa_pta *pta, const struct gep *gep, uint32_t node,
              void (*cb)(struct sa_pta *, uint32_t node, void *aux),
              void *aux)
{
    struct emit e = { .pta = pta, .cb = cb, .aux = aux };

    pta_apply_code(pta, gep, node, cb, aux);
    const struct vertex *v = pta_vertex(pta, node);
    e.object = v->object;
    if (pta_is_cursor(pta, node)) {
        int64_t offset = v->offset + gep->arithmetic + gep->path;

        if (gep->arithmetic + gep->path < 0 && !gep->stride) {
            emit(&e, offset);   /* From a member to its struct. */
        }
        cb(pta, node, aux);
        return;
    }
    consider_layout(pta, e.object, v->offset, gep);
    node = pta_same(pta, node);
    int64_t offset = pta_vertex(pta, node)->offset;

    struct object *o = pta_object(pta, e.object);
    if (!o->layout) {
        if (gep->stride) {
            pta_set_modulus(pta, e.object, gep->stride);
            offset = pta_vertex(pta, pta_same(pta, node))->offset;
        }
        emit_free(&e, offset, gep->arithmetic + gep->path);
        return;
    }

    if (pta->by_types && gep->container) {
        apply_container(&e, gep, node);
        return;
    } else if (overruns(o, gep, offset) || clashes(o, gep, offset)
               || differs(pta, o, gep, offset)) {
        return;
    }

    /* From a member to its struct, but a list has a head, too, which is in
     * none: a program that takes it for an element does not work. */
    if (gep->container && o->declared && o->type
        && offset + gep->arithmetic >= (int64_t) o->base
        && !pta_is_tail(o, offset)) {
        if (has_part(o->type, offset + gep->arithmetic - o->base,
                     gep->container, 0)) {
            emit(&e, offset + gep->arithmetic + gep->path);
        }
        return;
    }

    /* A pointer into an array is to its first element, so that arithmetic may
     * stay in the array even if it appears to leave it. */
    int64_t offsets[2] = { offset + gep->arithmetic };
    int64_t start, end;
    size_t n = 1;
    if (gep->arithmetic
        && find_array(o, offset, ABS(gep->arithmetic), &start, &end)
        && (offsets[0] < start || offsets[0] >= end)) {
        offsets[n++] = offset;
    }
    for (size_t i = 0; i < n; i++) {
        if (gep->stride) {
            emit_indexed(&e, gep, offsets[i] + gep->path);
        } else {
            emit(&e, offsets[i] + gep->path);
        }
    }
}

/* Calls 'cb' for the existing nodes from 'offset' up to 'end'. */
static void
existing_range(struct sa_pta *pta, uint32_t object, uint64_t offset,
               uint64_t end,
               void (*cb)(struct sa_pta *, uint32_t node, void *aux),
               void *aux)
{
    /* The callback may create nodes. */
    GArray *nodes = pta_object(pta, object)->nodes;
    guint first = find_node(pta_object(pta, object), offset);
    guint last = find_node(pta_object(pta, object), end);

    if (last <= first + 1) {
        if (last > first) {
            cb(pta, g_array_index(nodes, struct object_node, first).node, aux);
        }
        return;
    }
    GArray *copy = g_array_sized_new(FALSE, FALSE, sizeof(struct object_node),
                                     last - first);

    g_array_append_vals(copy, &g_array_index(nodes, struct object_node, first),
                        last - first);
    for (guint i = 0; i < copy->len; i++) {
        cb(pta, g_array_index(copy, struct object_node, i).node, aux);
    }
    g_array_free(copy, TRUE);
}

void
pta_object_range(struct sa_pta *pta, uint32_t object, uint64_t offset,
                 uint64_t size, bool create,
                 void (*cb)(struct sa_pta *, uint32_t node, void *aux),
                 void *aux)
{
    const struct object *o = pta_object(pta, object);

    if (!o->layout) {
        bool all = !size || o->modulus;
        if (o->modulus) {
            offset = offset < o->base ? 0 : o->base;
        }
        existing_range(pta, object, offset,
                       all ? UINT64_MAX : offset + size, cb, aux);
        return;
    }

    uint64_t end = size ? offset + size : pta_part_end(o, offset);
    uint64_t limit = o->base + o->layout->size;
    bool tail = o->tail && end > limit;
    if (sa_layout_is_flexible(o->layout)) {
        limit++;
    }
    if (end > limit) {
        if (o->repeats && offset > o->base) {
            offset = o->base;   /* Wraps to the next element. */
        }
        end = limit;
    }
    struct emit e = { .pta = pta, .object = object, .cb = cb, .aux = aux };
    uint64_t base = o->base, first = offset;
    uint64_t n_steps = 2 * (uint64_t) o->layout->n_leaves + 16;
    const struct sa_layout *l = o->layout;
    for (; offset < end && n_steps; n_steps--) {
        uint64_t canonical;

        o = pta_object(pta, object);
        if (!canonicalize(o, offset, &canonical)) {
            break;
        }
        if (create) {
            emit(&e, canonical);
        } else {
            existing_range(pta, object, canonical, canonical + 1, cb, aux);
        }
        offset = (offset < base ? base
                  : base + sa_layout_leaf_end(l, offset - base));
        /* Elements of an array have the same leaves as its first. */
        uint64_t array, until;
        if (offset >= base && offset < end
            && sa_layout_repeats(l, offset - base, &array, &until)
            && first <= base + array) {
            offset = base + until;
        }
    }
    if (tail && create) {
        emit(&e, limit);
    } else if (tail) {
        existing_range(pta, object, limit, limit + 1, cb, aux);
    }
}
