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

#include <inttypes.h>
#include <string.h>
#include "members.h"

/* Memory told apart by types only
 *
 * After Heintze, Tardieu: "Ultra-fast Aliasing Analysis using CLA" (PLDI
 * 2001), field-based: what is stored in a member of a struct is in that member
 * of all structs of the type.  A *class* is the object that stands for all of
 * a type, within others, too; what is declared to point to a struct points to
 * its class from the start, and nothing needs to be propagated to it but
 * pointers to memory of no type (malloc() that nothing tells the type of,
 * characters), and to structs that begin alike.  Pointers of no type (void *,
 * characters) get what flows to them.  So sets have as many members as there
 * are types, at most.
 *
 * The result has the nodes of the program's variables and allocations again:
 * for a class, that of each which has such a struct.  The address of a
 * variable itself is that of no other.
 *
 * Sound as long as memory that is declared as one struct is not used as
 * another, which does not begin alike, by pointers that are declared so; as
 * long as pointers are kept in no member that is declared as a number, other
 * than uintptr_t; and as long as what walks through a struct byte by byte
 * takes no pointers from there. */

#define MAX_DEPTH 32            /* Types within types. */

/* Where a struct is in an object. */
struct place {
    uint32_t object;
    uint64_t offset;
};

struct pta_classes {
    GHashTable *objects;        /* struct sa_type * -> object + 1. */
    GHashTable *shared;         /* What is alike -> object + 1. */
    GHashTable *fields;         /* Struct and offset -> vertex + 1. */
    GHashTable *places;         /* struct sa_type * -> GArray of struct place.
                                 * Of the result. */
    uint32_t bytes;             /* What is in memory of no type. */
};

void
pta_classes_init(struct sa_pta *pta)
{
    struct pta_classes *classes = g_new0(struct pta_classes, 1);

    classes->objects = g_hash_table_new(NULL, NULL);
    classes->shared = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                            NULL);
    classes->fields = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                            NULL);
    classes->places = g_hash_table_new_full(NULL, NULL, NULL,
                                            (GDestroyNotify) g_array_unref);
    classes->bytes = SA_NONE;
    pta->classes = classes;
}

void
pta_classes_destroy(struct sa_pta *pta)
{
    g_hash_table_destroy(pta->classes->objects);
    g_hash_table_destroy(pta->classes->shared);
    g_hash_table_destroy(pta->classes->fields);
    g_hash_table_destroy(pta->classes->places);
    g_free(pta->classes);
}

/* Types. */

const struct sa_type *
pta_element(const struct sa_type *t)
{
    while (t && t->kind == SA_TYPE_ARRAY) {
        t = t->target;
    }
    return t ? t->canonical : NULL;
}

bool
pta_is_aggregate(const struct sa_type *t)
{
    return (t && t->size
            && (t->kind == SA_TYPE_STRUCT || t->kind == SA_TYPE_UNION));
}

/* Calls 'cb' for what a struct, union or array has at 'offset', with the
 * offset therein, until it returns true; returns whether it has. */
static bool
any_part(const struct sa_type *type, uint64_t offset,
         bool (*cb)(const struct sa_type *, uint64_t offset, const void *aux),
         const void *aux)
{
    if (type->kind == SA_TYPE_ARRAY) {
        return (!type->target->size
                || cb(type->target, offset % type->target->size, aux));
    }
    for (size_t i = 0; i < type->n_members; i++) {
        const struct sa_member *m = &type->members[i];
        uint64_t start = m->bit_offset / 8;

        if (offset >= start && (offset - start < m->type->size
                                || !m->type->size)
            && cb(m->type, offset - start, aux)) {
            return true;
        }
    }
    return false;
}

/* Whether a pointer may be stored at 'offset' of 'type'.  The recursion is as
 * deep as the type. */
static bool
may_hold_pointer(const struct sa_type *type, uint64_t offset,
                 const void *aux)
{
    switch (type->kind) {
    case SA_TYPE_INT:
        return (!strcmp(type->name, "uintptr_t")
                || !strcmp(type->name, "intptr_t"));
    case SA_TYPE_FLOAT:
        return false;
    case SA_TYPE_ARRAY:
        /* Room for anything at the end of a struct. */
        return ((!type->n_elements && type->target->size == 1)
                || any_part(type, offset, may_hold_pointer, aux));
    case SA_TYPE_STRUCT:
    case SA_TYPE_UNION:
        return any_part(type, offset, may_hold_pointer, aux);
    default:
        return true;
    }
}

static bool
points_to_anything(const struct sa_type *t)
{
    return (t->target->kind == SA_TYPE_VOID
            || t->target->kind == SA_TYPE_OPAQUE
            || (t->target->kind == SA_TYPE_INT && t->target->size == 1));
}

static bool
may_be_scalar(const struct sa_type *type, uint64_t offset, const void *scalar_)
{
    const struct sa_type *scalar = scalar_;

    switch (type->kind) {
    case SA_TYPE_INT:
        return (scalar->kind == SA_TYPE_INT || type->size == 1
                || type->size == sizeof(void *));
    case SA_TYPE_POINTER:
        return (scalar->kind == SA_TYPE_POINTER
                && (points_to_anything(type) || points_to_anything(scalar)
                    || type->target->canonical == scalar->target->canonical
                    || (type->target->kind == scalar->target->kind
                        && type->target->kind != SA_TYPE_STRUCT)));
    case SA_TYPE_FLOAT:
        return false;
    case SA_TYPE_ARRAY:
    case SA_TYPE_STRUCT:
    case SA_TYPE_UNION:
        return any_part(type, offset, may_be_scalar, scalar);
    default:
        return true;
    }
}

bool
pta_may_be_scalar(const struct sa_type *type, uint64_t offset,
                  const struct sa_type *scalar)
{
    return may_be_scalar(type, offset, scalar);
}

/* Whether the members of 'a' are the first ones of 'b'. */
static bool
is_prefix(const struct sa_type *a, const struct sa_type *b)
{
    if (a->n_members > b->n_members) {
        return false;
    }
    for (size_t i = 0; i < a->n_members; i++) {
        if (a->members[i].bit_offset != b->members[i].bit_offset
            || a->members[i].bit_size != b->members[i].bit_size
            || strcmp(a->members[i].name, b->members[i].name)) {
            return false;
        }
    }
    return a->n_members > 0;
}

bool
pta_begins_alike(const struct sa_type *a, const struct sa_type *b)
{
    return ((sa_type_is_foreign(a) && sa_type_is_foreign(b))
            || is_prefix(a, b) || is_prefix(b, a));
}

bool
pta_may_be(const struct sa_type *type, uint64_t offset,
           const struct sa_type *part)
{
    const struct sa_type *t = pta_element(type);
    char *path = NULL;

    if (!pta_is_aggregate(t)) {
        return t->kind == SA_TYPE_INT;
    } else if (pta_has_part(type, offset, part)
               || (!offset && pta_begins_alike(t, part->canonical))) {
        return true;
    }
    t = sa_type_path(type, offset, &path);
    g_free(path);
    return t && t->kind == SA_TYPE_INT;
}

/* Objects. */

bool
pta_is_wild(const struct object *o)
{
    const struct sa_type *t = pta_element(o->type);

    return !o->declared || (t && t->kind == SA_TYPE_INT);
}

uint32_t
pta_class(struct sa_pta *pta, const struct sa_type *t)
{
    gpointer known = g_hash_table_lookup(pta->classes->objects, t->canonical);

    if (known) {
        return GPOINTER_TO_UINT(known) - 1;
    }
    struct object o = {
        .kind = SA_OBJECT_HEAP, .insn = SA_NONE, .caller = SA_NONE,
        .function = SA_NONE, .type = t->canonical,
        .layout = sa_layout_of_type(pta->layouts, t->canonical),
        .repeats = true, .declared = true, .is_class = true
    };
    uint32_t id = pta_new_object(pta, &o);
    g_hash_table_insert(pta->classes->objects, (gpointer) t->canonical,
                        GUINT_TO_POINTER(id + 1));
    return id;
}

uint32_t
pta_shared_object(struct sa_pta *pta, const struct object *template)
{
    struct object o = *template;

    o.repeats = true;
    o.size = 0;
    o.caller = SA_NONE;
    char *key = g_strdup_printf("%d %"PRIu32" %"PRIu64" %d", o.kind,
                                o.type->canonical->id, o.base, o.tail);
    gpointer known = g_hash_table_lookup(pta->classes->shared, key);
    if (known) {
        g_free(key);
        return GPOINTER_TO_UINT(known) - 1;
    }
    uint32_t id = pta_new_object(pta, &o);
    g_hash_table_insert(pta->classes->shared, key, GUINT_TO_POINTER(id + 1));
    return id;
}

bool
pta_in_element(const struct object *o, uint64_t offset, uint64_t *inner)
{
    const struct sa_type *t = pta_element(o->type);

    if (!o->declared || !o->layout || !pta_is_aggregate(t)
        || offset < o->base || pta_is_tail(o, offset)) {
        return false;
    }
    *inner = (offset - o->base) % t->size;
    return true;
}

uint32_t
pta_classify(struct sa_pta *pta, uint32_t node)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);
    uint64_t offset;

    return (pta->by_types && !o->is_class && v->stored == SA_NONE
            && pta_in_element(o, v->offset, &offset)
            ? pta_node(pta, pta_class(pta, pta_element(o->type)), offset)
            : node);
}

/* The innermost struct, or the outermost union, that has what is at '*offset'
 * of a type, and the offset therein. */
static const struct sa_type *
find_owner(const struct sa_type *t, uint64_t *offset)
{
    const struct sa_type *owner = NULL;
    uint64_t at = *offset;

    for (int depth = 0; t && depth < MAX_DEPTH; depth++) {
        const struct sa_type *next = NULL;

        t = t->canonical;
        if (t->kind == SA_TYPE_ARRAY && t->target->size) {
            at %= t->target->size;
            next = t->target;
        } else if (pta_is_aggregate(t)) {
            owner = t;
            *offset = at;
            for (size_t i = 0; t->kind == SA_TYPE_STRUCT && !next
                 && i < t->n_members; i++) {
                const struct sa_member *m = &t->members[i];
                uint64_t start = m->bit_offset / 8;

                if (at >= start && at - start < m->type->size) {
                    next = m->type;
                    at -= start;
                }
            }
        }
        t = next;
    }
    return owner;
}

/* Makes a new node, or vertex 'first' if there is none yet, stand for both. */
static void
share(struct sa_pta *pta, uint32_t node, uint32_t *first)
{
    if (*first == SA_NONE) {
        *first = node;
    } else {
        pta_vertex(pta, node)->rep = pta_find(pta, *first);
    }
}

/* Whether what is at 'offset' of an object, in no struct, is in the set of all
 * memory of no type. */
static bool
is_bytes(const struct object *o, uint64_t offset)
{
    return pta_is_wild(o) || (o->layout && pta_is_tail(o, offset));
}

bool
pta_is_untyped(const struct sa_pta *pta, uint32_t node)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);
    uint64_t offset;

    return (o->kind == SA_OBJECT_LIBRARY || o->kind == SA_OBJECT_ARGUMENTS
            || (o->kind != SA_OBJECT_FUNCTION
                && !pta_in_element(o, v->offset, &offset)
                && is_bytes(o, v->offset)));
}

void
pta_share_field(struct sa_pta *pta, uint32_t node)
{
    struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);
    const struct sa_type *t = pta_element(o->type);
    uint64_t offset;

    if (o->kind == SA_OBJECT_FUNCTION) {
        v->numeric = true;
    } else if (o->kind == SA_OBJECT_LIBRARY
               || o->kind == SA_OBJECT_ARGUMENTS) {
        return;
    } else if (pta_in_element(o, v->offset, &offset)) {
        if (!may_hold_pointer(t, offset, NULL)) {
            v->numeric = true;
            return;
        }
        const struct sa_type *owner = find_owner(t, &offset);
        char *key = g_strdup_printf("%"PRIu32" %"PRIu64, owner->id, offset);
        gpointer known = g_hash_table_lookup(pta->classes->fields, key);
        uint32_t first = known ? GPOINTER_TO_UINT(known) - 1 : SA_NONE;

        share(pta, node, &first);
        if (known) {
            g_free(key);
            return;
        }
        g_hash_table_insert(pta->classes->fields, key,
                            GUINT_TO_POINTER(first + 1));
        pta_seed_filter(pta, node);
    } else if (is_bytes(o, v->offset)) {
        share(pta, node, &pta->classes->bytes);
    }
}

void
pta_seed_filter(struct sa_pta *pta, uint32_t vertex)
{
    const struct sa_type *t
        = (pta->by_types
           ? pta_filter_struct(pta, pta_vertex(pta, vertex)->filter) : NULL);

    if (t) {
        pta_add_points_to(pta, vertex, pta_node(pta, pta_class(pta, t), 0));
    }
}

/* Results. */

/* The largest struct that what 'vertex' points to is used as, by the variables
 * that its value is copied to, which has no more than 'size' bytes, unless
 * that is 0; NULL if there is none. */
static const struct sa_type *
used_type(struct sa_pta *pta, uint32_t vertex, uint64_t size)
{
    const uint32_t bytes = (pta->classes->bytes == SA_NONE ? SA_NONE
                            : pta_find(pta, pta->classes->bytes));
    struct nodeset seen = { .blocks = NULL };
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    const struct sa_type *best = NULL;

    vertex = pta_find(pta, vertex);
    nodeset_add(&seen, vertex);
    g_array_append_val(work, vertex);
    for (guint i = 0; i < work->len; i++) {
        vertex = g_array_index(work, uint32_t, i);
        const struct sa_type *t = pta_filter_struct(
            pta, pta_vertex(pta, vertex)->filter);
        if (t) {
            if ((!size || t->size <= size)
                && (!best || t->size > best->size
                    || (t->size == best->size && t->id < best->id))) {
                best = t;
            }
        } else if (vertex != bytes) {
            uint32_t to;
            NODESET_FOR_EACH (to, &pta_vertex(pta, vertex)->succs) {
                to = pta_find(pta, to);
                if (nodeset_add(&seen, to)) {
                    g_array_append_val(work, to);
                }
            }
        }
    }
    nodeset_clear(&seen);
    g_array_free(work, TRUE);
    return best;
}

/* Memory whose type was unknown is what it is used as. */
void
pta_infer_types(struct sa_pta *pta)
{
    for (uint32_t i = 0; i < pta->objects->len; i++) {
        struct object *o = pta_object(pta, i);
        uint32_t insn = o->caller != SA_NONE ? o->caller : o->insn;

        if (o->kind != SA_OBJECT_HEAP || o->declared
            || (LLVMGetTypeKind(LLVMTypeOf(pta->program->insns[insn].value))
                != LLVMPointerTypeKind)) {
            continue;
        }
        uint32_t vertex = pta_value_vertex(
            pta, pta->program->insns[insn].value, 0);
        const struct sa_type *t = used_type(pta, vertex,
                                            o->size - MIN(o->size, o->base));
        if (t) {
            o->type = t;
            o->layout = sa_layout_of_type(pta->layouts, t);
            o->modulus = 0;
            o->repeats = true;
        }
    }
}

static void
add_places(struct sa_pta *pta, uint32_t object, const struct sa_type *t,
           uint64_t offset, int depth)
{
    t = pta_element(t);
    if (!pta_is_aggregate(t) || depth > MAX_DEPTH) {
        return;
    }
    GArray *places = g_hash_table_lookup(pta->classes->places, t);
    if (!places) {
        places = g_array_new(FALSE, FALSE, sizeof(struct place));
        g_hash_table_insert(pta->classes->places, (gpointer) t, places);
    }
    struct place place = { object, offset };
    g_array_append_val(places, place);
    for (size_t i = 0; i < t->n_members; i++) {
        add_places(pta, object, t->members[i].type,
                   offset + t->members[i].bit_offset / 8, depth + 1);
    }
}

void
pta_find_members(struct sa_pta *pta)
{
    for (uint32_t i = 0; i < pta->objects->len; i++) {
        const struct object *o = pta_object(pta, i);

        if (!o->is_class && o->layout && o->type) {
            add_places(pta, i, o->type, o->base, 0);
        }
    }
}

static void
add_result(struct sa_pta *pta, uint32_t node, void *ids)
{
    g_array_append_val((GArray *) ids, pta->result_ids[pta_same(pta, node)]);
}

bool
pta_expand(struct sa_pta *pta, uint32_t node, GArray *ids)
{
    const struct vertex *v = pta_vertex(pta, node);
    const struct object *o = pta_object(pta, v->object);

    if (!o->is_class) {
        return false;
    }
    GArray *places = g_hash_table_lookup(pta->classes->places, o->type);
    for (guint i = 0; places && i < places->len; i++) {
        const struct place *p = &g_array_index(places, struct place, i);
        uint64_t offset = p->offset + v->offset;
        uint32_t at = pta_existing_node(pta, p->object, offset);

        if (v->stored != SA_NONE) {
            pta_object_range(pta, p->object, offset, v->end - v->offset,
                             false, add_result, ids);
        } else if (at != SA_NONE) {
            add_result(pta, at, ids);
        }
    }
    return true;
}

uint32_t
pta_direct_node(struct sa_pta *pta, uint32_t value)
{
    LLVMValueRef v = pta->program->values[value];
    int64_t sum = 0;

    while (LLVMIsAGetElementPtrInst(v)) {
        struct gep gep = { .dst = SA_NONE };

        pta_describe_gep(pta, v, &gep);
        if (!gep.layout || gep.arithmetic) {
            return SA_NONE;
        }
        sum += gep.path;
        v = LLVMGetOperand(v, 0);
    }

    uint32_t object = SA_NONE;
    int64_t offset = 0;
    if (LLVMIsAAllocaInst(v)) {
        uint32_t id = sa_value_id(pta->program, v);
        object = id == SA_NONE ? SA_NONE : pta->value_objects[id];
    } else if (!LLVMIsAConstant(v)
               || LLVMGetTypeKind(LLVMTypeOf(v)) != LLVMPointerTypeKind
               || !pta_constant_address(pta, v, &object, &offset)) {
        return SA_NONE;
    }
    return (object == SA_NONE ? SA_NONE
            : pta_existing_node(pta, object, sum + offset));
}
