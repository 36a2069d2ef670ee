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

#include "layout.h"

#include <glib.h>

#define MAX_DEPTH 64            /* Types within types. */
#define MAX_LEAVES 20000        /* A type with more is not divided. */

struct sa_layouts {
    const struct sa_program *program;
    GHashTable *by_type;        /* struct sa_type * -> struct sa_layout *. */
    GHashTable *by_llvm;        /* LLVMTypeRef -> struct sa_layout *. */
    GPtrArray *all;
    const struct sa_layout *unknown;
};

static const struct sa_layout *layout_of_type(struct sa_layouts *,
                                              const struct sa_type *,
                                              int depth);
static const struct sa_layout *layout_of_llvm(struct sa_layouts *,
                                              LLVMTypeRef, int depth);

/* Building. */

static void
add_item(GArray *items, uint64_t start, uint64_t end,
         const struct sa_layout *element, bool pointers)
{
    struct sa_layout_item item = { .start = start, .end = end,
                                   .element = element, .pointers = pointers };
    g_array_append_val(items, item);
}

/* Adds the items of a member at 'offset', but for what earlier members cover,
 * as a bit field may its neighbours' bytes. */
static void
add_member(GArray *items, uint64_t offset, const struct sa_layout *member)
{
    for (uint32_t i = 0; i < member->n_items; i++) {
        const struct sa_layout_item *item = &member->items[i];
        uint64_t covered = (items->len
                            ? g_array_index(items, struct sa_layout_item,
                                            items->len - 1).end
                            : 0);

        if (offset + item->start >= covered) {
            struct sa_layout_item moved = *item;

            moved.start += offset;
            moved.end += offset;
            g_array_append_val(items, moved);
        }
    }
}

/* Takes note of the parts of a struct: a member at 'offset', and its own. */
static void
add_parts(GArray *parts, uint64_t offset, const struct sa_layout *member)
{
    bool is_array = member->n_items == 1 && member->items[0].element;

    if (member->is_struct || is_array) {
        struct sa_layout_part part = { offset, offset + member->size };
        g_array_append_val(parts, part);
    }
    for (uint32_t i = 0; i < member->n_parts; i++) {
        struct sa_layout_part part = { offset + member->parts[i].start,
                                       offset + member->parts[i].end };
        g_array_append_val(parts, part);
    }
}

/* Makes a layout of the items and parts, which it takes; 'parts' is NULL if it
 * is no struct. */
static const struct sa_layout *
finish(struct sa_layouts *layouts, uint64_t size, GArray *items,
       GArray *parts)
{
    struct sa_layout *l = g_new0(struct sa_layout, 1);
    struct sa_layout_item *item = (struct sa_layout_item *) items->data;
    uint64_t n_leaves = 0;

    if (!items->len || item->start) {
        struct sa_layout_item head = {
            .end = items->len ? item->start : size, .pointers = true
        };
        g_array_insert_val(items, 0, head);
    }
    for (guint i = 0; i < items->len; i++) {
        item = &g_array_index(items, struct sa_layout_item, i);
        item->first_leaf = n_leaves;
        n_leaves += item->element ? item->element->n_leaves : 1;
    }
    if (n_leaves > MAX_LEAVES) {
        g_array_set_size(items, 0);
        add_item(items, 0, size, NULL, true);
        n_leaves = 1;
    }

    l->size = size;
    l->n_leaves = n_leaves;
    l->offsets = g_new(uint64_t, n_leaves);
    l->sizes = g_new(uint32_t, n_leaves);
    l->pointers = g_new(bool, n_leaves);
    l->kinds = g_new0(uint8_t, n_leaves);
    for (guint i = 0; i < items->len; i++) {
        item = &g_array_index(items, struct sa_layout_item, i);
        if (!item->element) {
            l->offsets[item->first_leaf] = item->start;
            l->sizes[item->first_leaf] = MIN(item->end - item->start,
                                             UINT32_MAX);
            l->pointers[item->first_leaf] = item->pointers;
            l->kinds[item->first_leaf] = item->kind;
            continue;
        }
        for (uint32_t j = 0; j < item->element->n_leaves; j++) {
            l->offsets[item->first_leaf + j] = (item->start
                                                + item->element->offsets[j]);
            l->sizes[item->first_leaf + j] = item->element->sizes[j];
            l->pointers[item->first_leaf + j]
                = item->pointers || item->element->pointers[j];
            l->kinds[item->first_leaf + j]
                = (item->pointers || item->element->size == 1
                   ? SA_LEAF_ANY : item->element->kinds[j]);
        }
    }
    if (parts) {
        l->is_struct = true;
        l->n_parts = parts->len;
        l->parts = (struct sa_layout_part *) g_array_free(parts, FALSE);
    }
    l->n_items = items->len;
    l->items = (struct sa_layout_item *) g_array_free(items, FALSE);
    g_ptr_array_add(layouts->all, l);
    return l;
}

static GArray *
new_parts(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct sa_layout_part));
}

static GArray *
new_items(void)
{
    return g_array_new(FALSE, FALSE, sizeof(struct sa_layout_item));
}

static const struct sa_layout *
scalar(struct sa_layouts *layouts, uint64_t size)
{
    GArray *items = new_items();

    add_item(items, 0, size, NULL, true);
    return finish(layouts, size, items, NULL);
}

static void
add_array(GArray *items, uint64_t size, const struct sa_layout *element)
{
    /* Characters may be the room for anything. */
    if (element->size) {
        add_item(items, 0, size, element,
                 element->size == 1 && (size >= 8 || !size));
    } else {
        add_item(items, 0, size, NULL, true);
    }
}

/* From debug information. */

static void
add_union(struct sa_layouts *layouts, GArray *items, GArray *parts,
          const struct sa_type *t, int depth)
{
    const struct sa_layout *best = NULL;

    for (size_t i = 0; i < t->n_members; i++) {
        const struct sa_layout *l = layout_of_type(
            layouts, t->members[i].type, depth + 1);
        if (!best || l->n_leaves > best->n_leaves
            || (l->n_leaves == best->n_leaves && l->size > best->size)) {
            best = l;
        }
    }
    if (best) {
        add_member(items, 0, best);
        add_parts(parts, 0, best);
        if (best->size < t->size) {
            add_item(items, best->size, t->size, NULL, true);
        }
        for (guint i = 0; i < items->len; i++) {
            struct sa_layout_item *item = &g_array_index(
                items, struct sa_layout_item, i);
            item->pointers |= t->size >= 8;
            item->kind = SA_LEAF_ANY;
        }
    }
}

static int
compare_members(const void *a_, const void *b_)
{
    const struct sa_member *const *a = a_;
    const struct sa_member *const *b = b_;

    return ((*a)->bit_offset > (*b)->bit_offset)
           - ((*a)->bit_offset < (*b)->bit_offset);
}

static void
add_struct(struct sa_layouts *layouts, GArray *items, GArray *parts,
           const struct sa_type *t, int depth)
{
    const struct sa_member **members = g_new(const struct sa_member *,
                                             t->n_members + 1);

    for (size_t i = 0; i < t->n_members; i++) {
        members[i] = &t->members[i];
    }
    qsort(members, t->n_members, sizeof *members, compare_members);
    for (size_t i = 0; i < t->n_members; i++) {
        const struct sa_member *m = members[i];

        if (m->is_bit_field) {
            uint64_t end = (m->bit_offset + m->bit_size + 7) / 8;
            struct sa_layout_item item = {
                .end = end - m->bit_offset / 8, .kind = SA_LEAF_NUMBER
            };
            struct sa_layout bits = { .items = &item, .n_items = 1 };
            add_member(items, m->bit_offset / 8, &bits);
        } else {
            const struct sa_layout *l = layout_of_type(layouts, m->type,
                                                       depth + 1);
            add_member(items, m->bit_offset / 8, l);
            add_parts(parts, m->bit_offset / 8, l);
        }
    }
    g_free(members);
}

static enum sa_leaf_kind
leaf_kind(const struct sa_type *t)
{
    if (t->kind == SA_TYPE_POINTER) {
        return (t->target->kind == SA_TYPE_FUNCTION ? SA_LEAF_CODE
                : t->target->kind == SA_TYPE_VOID ? SA_LEAF_ANY
                : SA_LEAF_DATA);
    }
    return t->size && t->size < 8 ? SA_LEAF_NUMBER : SA_LEAF_ANY;
}

static const struct sa_layout *
layout_of_type(struct sa_layouts *layouts, const struct sa_type *t, int depth)
{
    const struct sa_layout *l;

    if (!t || depth > MAX_DEPTH) {
        return layouts->unknown;
    }
    l = g_hash_table_lookup(layouts->by_type, t);
    if (l) {
        return l;
    }

    /* Damaged debug information may have a struct that is within itself. */
    g_hash_table_insert(layouts->by_type, (gpointer) t,
                        (gpointer) layouts->unknown);
    GArray *items = new_items();
    bool is_struct = t->kind == SA_TYPE_STRUCT || t->kind == SA_TYPE_UNION;
    GArray *parts = is_struct ? new_parts() : NULL;
    switch (t->kind) {
    case SA_TYPE_STRUCT:
        add_struct(layouts, items, parts, t, depth);
        break;
    case SA_TYPE_UNION:
        add_union(layouts, items, parts, t, depth);
        break;
    case SA_TYPE_ARRAY:
        add_array(items, t->size, layout_of_type(layouts, t->target,
                                                 depth + 1));
        break;
    case SA_TYPE_VOID:
    case SA_TYPE_INT:
    case SA_TYPE_FLOAT:
    case SA_TYPE_POINTER:
    case SA_TYPE_FUNCTION:
    case SA_TYPE_OPAQUE:
    default:
        add_item(items, 0, t->size, NULL, t->size >= 8 || !t->size);
        g_array_index(items, struct sa_layout_item, 0).kind = leaf_kind(t);
        break;
    }
    l = finish(layouts, t->size, items, parts);
    g_hash_table_insert(layouts->by_type, (gpointer) t, (gpointer) l);
    return l;
}

/* From LLVM's types. */

static const struct sa_layout *
layout_of_llvm(struct sa_layouts *layouts, LLVMTypeRef t, int depth)
{
    LLVMTargetDataRef td = layouts->program->layout;
    const struct sa_layout *l;

    if (!t || depth > MAX_DEPTH || !LLVMTypeIsSized(t)) {
        return layouts->unknown;
    }
    l = g_hash_table_lookup(layouts->by_llvm, t);
    if (l) {
        return l;
    }

    uint64_t size = LLVMABISizeOfType(td, t);
    switch (LLVMGetTypeKind(t)) {
    case LLVMStructTypeKind: {
        GArray *items = new_items();
        GArray *parts = new_parts();
        unsigned int n = LLVMCountStructElementTypes(t);

        for (unsigned int i = 0; i < n; i++) {
            uint64_t offset = LLVMOffsetOfElement(td, t, i);
            const struct sa_layout *member = layout_of_llvm(
                layouts, LLVMStructGetTypeAtIndex(t, i), depth + 1);
            add_member(items, offset, member);
            add_parts(parts, offset, member);
        }
        l = finish(layouts, size, items, parts);
        break;
    }
    case LLVMArrayTypeKind: {
        GArray *items = new_items();

        add_array(items, size, layout_of_llvm(layouts, LLVMGetElementType(t),
                                              depth + 1));
        l = finish(layouts, size, items, NULL);
        break;
    }
    default:
        l = scalar(layouts, size);
        break;
    }
    g_hash_table_insert(layouts->by_llvm, t, (gpointer) l);
    return l;
}

/* The interface. */

struct sa_layouts *
sa_layouts_create(const struct sa_program *program)
{
    struct sa_layouts *layouts = g_new0(struct sa_layouts, 1);

    layouts->program = program;
    layouts->by_type = g_hash_table_new(NULL, NULL);
    layouts->by_llvm = g_hash_table_new(NULL, NULL);
    layouts->all = g_ptr_array_new();
    layouts->unknown = scalar(layouts, 0);
    return layouts;
}

void
sa_layouts_destroy(struct sa_layouts *layouts)
{
    if (layouts) {
        for (guint i = 0; i < layouts->all->len; i++) {
            struct sa_layout *l = layouts->all->pdata[i];
            g_free(l->offsets);
            g_free(l->sizes);
            g_free(l->pointers);
            g_free(l->kinds);
            g_free(l->items);
            g_free(l->parts);
            g_free(l);
        }
        g_ptr_array_free(layouts->all, TRUE);
        g_hash_table_destroy(layouts->by_type);
        g_hash_table_destroy(layouts->by_llvm);
        g_free(layouts);
    }
}

const struct sa_layout *
sa_layout_of_type(struct sa_layouts *layouts, const struct sa_type *t)
{
    return layout_of_type(layouts, t, 0);
}

const struct sa_layout *
sa_layout_of_llvm(struct sa_layouts *layouts, LLVMTypeRef t)
{
    return layout_of_llvm(layouts, t, 0);
}

/* The last item that starts at or before 'offset'. */
static const struct sa_layout_item *
find_item(const struct sa_layout *l, uint64_t offset)
{
    uint32_t low = 0, high = l->n_items;

    while (high - low > 1) {
        uint32_t middle = low + (high - low) / 2;

        if (l->items[middle].start <= offset) {
            low = middle;
        } else {
            high = middle;
        }
    }
    return &l->items[low];
}

uint32_t
sa_layout_leaf(const struct sa_layout *l, uint64_t offset)
{
    uint32_t leaf = 0;

    for (;;) {
        const struct sa_layout_item *item = find_item(l, offset);

        leaf += item->first_leaf;
        if (!item->element) {
            return leaf;
        }
        offset = (offset - item->start) % item->element->size;
        l = item->element;
    }
}

uint64_t
sa_layout_part_end(const struct sa_layout *l, uint64_t offset)
{
    uint64_t base = 0, around = UINT64_MAX, starting = 0;

    for (;;) {
        const struct sa_layout_item *item = find_item(l, offset);

        if (!offset) {
            starting = MAX(starting, base + l->size);
        }
        if (l->n_items > 1) {
            around = MIN(around, base + l->size);
        }
        for (uint32_t i = 0; i < l->n_parts; i++) {
            const struct sa_layout_part *part = &l->parts[i];

            if (part->start == offset) {
                starting = MAX(starting, base + part->end);
            } else if (part->start < offset && offset < part->end) {
                around = MIN(around, base + part->end);
            }
        }
        if (!item->element) {
            uint64_t end = base + (item->end ? item->end : l->size);
            starting = starting >= end ? starting : 0;
            return starting ? starting : around != UINT64_MAX ? around : end;
        }
        base += item->start;
        offset = (offset - item->start) % item->element->size;
        l = item->element;
    }
}

bool
sa_layout_is_flexible(const struct sa_layout *l)
{
    const struct sa_layout_item *last = &l->items[l->n_items - 1];

    return last->element && last->start == last->end;
}

uint64_t
sa_layout_leaf_end(const struct sa_layout *l, uint64_t offset)
{
    uint64_t base = 0;

    for (;;) {
        const struct sa_layout_item *item = find_item(l, offset);
        uint64_t end = (item + 1 < l->items + l->n_items ? item[1].start
                        : MAX(l->size, item->end));

        if (!item->element || item->element->n_leaves == 1) {
            return base + MAX(end, offset + 1);
        }
        uint64_t index = (offset - item->start) / item->element->size;
        base += item->start + index * item->element->size;
        offset -= item->start + index * item->element->size;
        l = item->element;
    }
}

bool
sa_layout_agrees(const struct sa_layout *whole, uint64_t offset,
                 const struct sa_layout *part)
{
    for (uint32_t i = 0; i < part->n_leaves; i++) {
        uint64_t at = offset + part->offsets[i];

        if (at >= whole->size) {
            return true;
        }
        uint8_t a = part->kinds[i];
        uint8_t b = whole->kinds[sa_layout_leaf(whole, at)];
        if (a != SA_LEAF_ANY && b != SA_LEAF_ANY && a != b) {
            return false;
        }
    }
    return true;
}

bool
sa_layout_repeats(const struct sa_layout *l, uint64_t offset,
                  uint64_t *start, uint64_t *end)
{
    uint64_t base = 0;
    bool found = false;

    for (;;) {
        const struct sa_layout_item *item = find_item(l, offset);

        if (!item->element) {
            return found;
        }
        uint64_t index = (offset - item->start) / item->element->size;
        if (index && offset < item->end) {
            *start = base + item->start;
            *end = base + item->end;
            found = true;
        }
        base += item->start + index * item->element->size;
        offset -= item->start + index * item->element->size;
        l = item->element;
    }
}

bool
sa_layout_recurs(const struct sa_layout *l, uint64_t offset,
                 uint64_t *stride, uint64_t *end)
{
    uint64_t base = 0;
    bool found = false;

    for (;;) {
        const struct sa_layout_item *item = find_item(l, offset);

        if (!item->element) {
            return found;
        }
        uint64_t size = item->element->size;
        bool flexible = item->start == item->end;

        found = flexible || item->end - item->start > size;
        *stride = size;
        *end = flexible ? UINT64_MAX : base + item->end;
        base += item->start;
        offset = (offset - item->start) % size;
        l = item->element;
    }
}

bool
sa_layout_array(const struct sa_layout *l, uint64_t offset, uint64_t stride,
                uint64_t *start, uint64_t *end)
{
    uint64_t base = 0;
    bool found = false;

    for (;;) {
        const struct sa_layout_item *item = find_item(l, offset);

        if (!item->element) {
            return found;
        }
        if (stride % item->element->size == 0) {
            *start = base + item->start;
            *end = base + item->end;
            found = true;
        }
        base += item->start;
        offset = (offset - item->start) % item->element->size;
        l = item->element;
    }
}
