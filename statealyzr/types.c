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

/* Types from DWARF-like metadata (see "Source Level Debugging with LLVM").
 *
 * Every source file describes its types anew, so that after linking "struct
 * flow" is there several times.  Structs, unions and enumerations are told
 * apart by tag, name, place and members; what is derived from them (pointer,
 * array, typedef) by what it is derived from.  In metadata that was made up
 * anything may refer to anything: loops here are over chains and work lists,
 * with bounds. */

#include "types.h"

#include <glib.h>
#include <string.h>
#include "enumerators.h"

/* DWARF tags and flags of LLVM's metadata. */
enum {
    TAG_ARRAY = 0x01, TAG_CLASS = 0x02, TAG_ENUM = 0x04, TAG_MEMBER = 0x0d,
    TAG_POINTER = 0x0f, TAG_STRUCT = 0x13, TAG_SUBROUTINE = 0x15,
    TAG_TYPEDEF = 0x16, TAG_UNION = 0x17, TAG_BASE = 0x24, TAG_CONST = 0x26,
    TAG_VOLATILE = 0x35, TAG_RESTRICT = 0x37, TAG_ATOMIC = 0x47
};

/* Operands, as of LLVM 19. */
enum {
    OP_BASE_TYPE = 3,           /* DIDerivedType, DICompositeType. */
    OP_ELEMENTS = 4             /* DICompositeType. */
};

#define MAX_CHAIN 64            /* "int *const *[]..." derivations. */
#define MAX_NESTING 64          /* Structs in structs. */

struct sa_types {
    LLVMContextRef context;
    GPtrArray *types;           /* struct sa_type *, by id. */
    GHashTable *by_metadata;    /* LLVMMetadataRef -> struct sa_type *. */
    GHashTable *by_key;         /* Identity as a string -> struct sa_type *. */
    GHashTable *by_name;        /* Without "struct " -> struct sa_type *. */
    GHashTable *definitions;    /* "struct flow" -> defined sa_type. */
    GPtrArray *structs;         /* Canonical, defined ones. */
    GPtrArray *unfilled;        /* LLVMMetadataRef of new structs. */
    GPtrArray *typedefs;        /* That await the layout. */
    GStringChunk *strings;
    guint n_sized;              /* So many have their arrays' sizes. */
    struct sa_type *void_type;
};

static unsigned int
tag_of(LLVMMetadataRef md)
{
    switch (LLVMGetMetadataKind(md)) {
    case LLVMDIBasicTypeMetadataKind:
    case LLVMDIDerivedTypeMetadataKind:
    case LLVMDICompositeTypeMetadataKind:
    case LLVMDISubroutineTypeMetadataKind:
        return LLVMGetDINodeTag(md);
    default:
        return 0;
    }
}

static const char *
keep(struct sa_types *ts, const char *s, size_t n)
{
    return n ? g_string_chunk_insert_len(ts->strings, s, n) : "";
}

static const char *
name_of(struct sa_types *ts, LLVMMetadataRef md)
{
    size_t n = 0;
    const char *s = LLVMDITypeGetName(md, &n);
    return keep(ts, s, s ? n : 0);
}

/* The operands of a node; a null one, and one that is a constant, is NULL. */
static LLVMMetadataRef *
operands(struct sa_types *ts, LLVMMetadataRef md, unsigned int *n)
{
    LLVMValueRef node = LLVMMetadataAsValue(ts->context, md);
    *n = 0;
    if (!LLVMIsAMDNode(node)) {
        return NULL;
    }
    *n = LLVMGetMDNodeNumOperands(node);
    LLVMValueRef *values = g_new0(LLVMValueRef, *n + 1);
    LLVMMetadataRef *mds = g_new0(LLVMMetadataRef, *n + 1);
    LLVMGetMDNodeOperands(node, values);
    for (unsigned int i = 0; i < *n; i++) {
        if (values[i] && !LLVMIsAConstant(values[i])) {
            mds[i] = LLVMValueAsMetadata(values[i]);
        }
    }
    g_free(values);
    return mds;
}

static LLVMMetadataRef
operand(struct sa_types *ts, LLVMMetadataRef md, unsigned int i)
{
    unsigned int n;
    LLVMMetadataRef *mds = operands(ts, md, &n);
    LLVMMetadataRef found = mds && i < n ? mds[i] : NULL;
    g_free(mds);
    return found;
}

static struct sa_loc
loc_of(struct sa_types *ts, LLVMMetadataRef md, const char **directory)
{
    struct sa_loc loc = { "", LLVMDITypeGetLine(md), 0 };
    LLVMMetadataRef file = LLVMDIScopeGetFile(md);
    *directory = "";
    if (file) {
        unsigned int n = 0;
        const char *s = LLVMDIFileGetFilename(file, &n);
        loc.file = keep(ts, s, s ? n : 0);
        while (g_str_has_prefix(loc.file, "./")) {
            loc.file += 2;
        }
        s = LLVMDIFileGetDirectory(file, &n);
        *directory = keep(ts, s, s ? n : 0);
    }
    return loc;
}

static struct sa_type *
new_type(struct sa_types *ts, enum sa_type_kind kind)
{
    struct sa_type *t = g_new0(struct sa_type, 1);
    t->kind = kind;
    t->id = ts->types->len;
    t->name = "";
    t->loc.file = "";
    t->canonical = t;
    g_ptr_array_add(ts->types, t);
    return t;
}

static void
note_name(struct sa_types *ts, struct sa_type *t, const char *name)
{
    if (*name && !g_hash_table_contains(ts->by_name, name)) {
        g_hash_table_insert(ts->by_name, (char *) name, t);
    }
}

/* The type of 'key', which is freed; '*is_new' if it was made now. */
static struct sa_type *
intern(struct sa_types *ts, char *key, enum sa_type_kind kind, bool *is_new)
{
    struct sa_type *t = g_hash_table_lookup(ts->by_key, key);
    *is_new = !t;
    if (!t) {
        t = new_type(ts, kind);
        g_hash_table_insert(ts->by_key, key, t);
    } else {
        g_free(key);
    }
    return t;
}

/* What is not derived from another type. */

static bool
is_float(const char *name)
{
    return strstr(name, "float") || strstr(name, "double")
           || strstr(name, "_Float") || strstr(name, "bf16");
}

static struct sa_type *
base_type(struct sa_types *ts, LLVMMetadataRef md)
{
    const char *name = name_of(ts, md);
    uint64_t bits = LLVMDITypeGetSizeInBits(md);
    bool is_new;
    struct sa_type *t = intern(ts, g_strdup_printf("base %s %"PRIu64, name,
                                                   bits),
                               is_float(name) ? SA_TYPE_FLOAT : SA_TYPE_INT,
                               &is_new);
    if (is_new) {
        t->name = name;
        t->size = bits / 8;
        t->is_signed = (!g_str_has_prefix(name, "unsigned")
                        && strcmp(name, "_Bool") && strcmp(name, "bool"));
    }
    return t;
}

static bool
is_struct_tag(unsigned int tag)
{
    return tag == TAG_STRUCT || tag == TAG_UNION || tag == TAG_CLASS;
}

static const char *
full_name(struct sa_types *ts, unsigned int tag, const char *name)
{
    if (!*name) {
        return "";
    }
    char *s = g_strconcat(tag == TAG_UNION ? "union "
                          : tag == TAG_ENUM ? "enum " : "struct ", name, NULL);
    const char *kept = g_string_chunk_insert(ts->strings, s);
    g_free(s);
    return kept;
}

static bool
is_declaration(LLVMMetadataRef md)
{
    return (LLVMDITypeGetFlags(md) & LLVMDIFlagFwdDecl) != 0;
}

/* Appends to 'key' what tells one struct from another of the same name. */
static void
append_members(struct sa_types *ts, LLVMMetadataRef md, GString *key)
{
    LLVMMetadataRef list = operand(ts, md, OP_ELEMENTS);
    unsigned int n = 0;
    LLVMMetadataRef *mds = list ? operands(ts, list, &n) : NULL;
    for (unsigned int i = 0; i < n; i++) {
        if (mds[i] && tag_of(mds[i]) == TAG_MEMBER) {
            size_t len = 0;
            const char *s = LLVMDITypeGetName(mds[i], &len);
            g_string_append_printf(key, " %.*s@%"PRIu64, s ? (int) len : 0,
                                   s ? s : "",
                                   LLVMDITypeGetOffsetInBits(mds[i]));
        }
    }
    g_free(mds);
}

static struct sa_type *
composite_type(struct sa_types *ts, LLVMMetadataRef md, unsigned int tag)
{
    const char *name = name_of(ts, md);
    const char *full = full_name(ts, tag, name);
    if (is_declaration(md) && *full) {
        struct sa_type *definition = g_hash_table_lookup(ts->definitions,
                                                         full);
        if (definition) {
            return definition;
        }
    }

    const char *directory;
    struct sa_loc loc = loc_of(ts, md, &directory);
    uint64_t bits = LLVMDITypeGetSizeInBits(md);
    GString *key = g_string_new(NULL);
    if (is_declaration(md)) {
        g_string_printf(key, "declared %u %s", tag, name);
    } else {
        g_string_printf(key, "%u %s %"PRIu64" %s %s %u", tag, name, bits,
                        directory, loc.file, loc.line);
        append_members(ts, md, key);
    }

    enum sa_type_kind kind = (tag == TAG_ENUM ? SA_TYPE_INT
                              : is_declaration(md) ? SA_TYPE_OPAQUE
                              : tag == TAG_UNION ? SA_TYPE_UNION
                              : SA_TYPE_STRUCT);
    bool is_new;
    struct sa_type *t = intern(ts, g_string_free(key, FALSE), kind, &is_new);
    if (is_new) {
        t->name = full;
        t->loc = loc;
        t->size = bits / 8;
        if (tag == TAG_ENUM) {
            t->enumerators = sa_enumerators(ts->context, md, ts->strings,
                                            &t->n_enumerators);
        }
        if (kind == SA_TYPE_STRUCT || kind == SA_TYPE_UNION) {
            g_ptr_array_add(ts->unfilled, md);
            g_ptr_array_add(ts->unfilled, t);
            if (*full && !g_hash_table_contains(ts->definitions, full)) {
                g_hash_table_insert(ts->definitions, (char *) full, t);
            }
            if (kind == SA_TYPE_STRUCT) {
                g_ptr_array_add(ts->structs, t);
            }
        }
        note_name(ts, t, name);
    }
    return t;
}

/* Derived types. */

static struct sa_type *
pointer_to(struct sa_types *ts, const struct sa_type *target, uint64_t bits)
{
    bool is_new;
    struct sa_type *t = intern(ts, g_strdup_printf("* %"PRIu32, target->id),
                               SA_TYPE_POINTER, &is_new);
    if (is_new) {
        t->target = target;
        t->size = bits / 8;
    }
    return t;
}

static struct sa_type *
array_of(struct sa_types *ts, const struct sa_type *target, uint64_t n)
{
    bool is_new;
    struct sa_type *t = intern(ts, g_strdup_printf("[%"PRIu64"] %"PRIu32, n,
                                                   target->id),
                               SA_TYPE_ARRAY, &is_new);
    if (is_new) {
        t->target = target;
        t->n_elements = n;
    }
    return t;
}

/* The number of elements of a DISubrange, 0 if it is not constant. */
static uint64_t
subrange_count(struct sa_types *ts, LLVMMetadataRef md)
{
    LLVMValueRef node = LLVMMetadataAsValue(ts->context, md);
    if (!LLVMIsAMDNode(node) || LLVMGetMDNodeNumOperands(node) < 1) {
        return 0;
    }
    LLVMValueRef *values = g_new0(LLVMValueRef,
                                  LLVMGetMDNodeNumOperands(node));
    LLVMGetMDNodeOperands(node, values);
    uint64_t n = 0;
    if (values[0] && LLVMIsAConstantInt(values[0])
        && LLVMGetIntTypeWidth(LLVMTypeOf(values[0])) <= 64) {
        int64_t count = LLVMConstIntGetSExtValue(values[0]);
        n = count > 0 ? count : 0;
    }
    g_free(values);
    return n;
}

static struct sa_type *
arrays_of(struct sa_types *ts, struct sa_type *t, LLVMMetadataRef md)
{
    LLVMMetadataRef list = operand(ts, md, OP_ELEMENTS);
    unsigned int n = 0;
    LLVMMetadataRef *mds = list ? operands(ts, list, &n) : NULL;
    for (unsigned int i = n; i-- > 0;) {
        if (mds[i] && LLVMGetMetadataKind(mds[i])
                      == LLVMDISubrangeMetadataKind) {
            t = array_of(ts, t, subrange_count(ts, mds[i]));
        }
    }
    g_free(mds);
    return t;
}

static struct sa_type *
typedef_of(struct sa_types *ts, LLVMMetadataRef md, struct sa_type *target)
{
    const char *name = name_of(ts, md);
    bool is_new;
    struct sa_type *t = intern(ts, g_strdup_printf("typedef %s %"PRIu32, name,
                                                   target->id),
                               target->kind, &is_new);
    if (is_new) {
        struct sa_type *canonical = (struct sa_type *) target->canonical;
        const char *directory;
        t->name = name;
        t->loc = loc_of(ts, md, &directory);
        t->canonical = canonical;
        if (!*canonical->name && (canonical->kind == SA_TYPE_STRUCT
                                  || canonical->kind == SA_TYPE_UNION)) {
            canonical->name = name;
        }
        note_name(ts, t, name);
        g_ptr_array_add(ts->typedefs, t);
    }
    return t;
}

static bool
is_derived(unsigned int tag)
{
    switch (tag) {
    case TAG_POINTER:
    case TAG_CONST:
    case TAG_VOLATILE:
    case TAG_RESTRICT:
    case TAG_ATOMIC:
    case TAG_TYPEDEF:
    case TAG_ARRAY:
        return true;
    default:
        return false;
    }
}

static struct sa_type *
leaf_type(struct sa_types *ts, LLVMMetadataRef md)
{
    unsigned int tag = tag_of(md);
    if (tag == TAG_BASE) {
        return base_type(ts, md);
    } else if (is_struct_tag(tag) || tag == TAG_ENUM) {
        return composite_type(ts, md, tag);
    } else if (tag == TAG_SUBROUTINE) {
        bool is_new;
        return intern(ts, g_strdup("function"), SA_TYPE_FUNCTION, &is_new);
    } else {
        return ts->void_type;
    }
}

/* The type of 'md', with structs still empty and typedefs without layout. */
static struct sa_type *
resolve(struct sa_types *ts, LLVMMetadataRef md)
{
    LLVMMetadataRef chain[MAX_CHAIN];
    size_t n = 0;
    struct sa_type *t = NULL;

    while (md && n < MAX_CHAIN
           && !(t = g_hash_table_lookup(ts->by_metadata, md))) {
        chain[n++] = md;
        if (!is_derived(tag_of(md))) {
            break;
        }
        md = operand(ts, md, OP_BASE_TYPE);
    }
    if (!t) {
        t = ts->void_type;
    }
    while (n-- > 0) {
        md = chain[n];
        switch (tag_of(md)) {
        case TAG_POINTER:
            t = pointer_to(ts, t, LLVMDITypeGetSizeInBits(md));
            break;
        case TAG_CONST:
        case TAG_VOLATILE:
        case TAG_RESTRICT:
        case TAG_ATOMIC:
            break;
        case TAG_TYPEDEF:
            t = typedef_of(ts, md, t);
            break;
        case TAG_ARRAY:
            t = arrays_of(ts, t, md);
            break;
        default:
            t = leaf_type(ts, md);
        }
        g_hash_table_insert(ts->by_metadata, md, t);
    }
    return t;
}

static void
fill_members(struct sa_types *ts, LLVMMetadataRef md, struct sa_type *t)
{
    LLVMMetadataRef list = operand(ts, md, OP_ELEMENTS);
    unsigned int n = 0;
    LLVMMetadataRef *mds = list ? operands(ts, list, &n) : NULL;
    struct sa_member *members = g_new0(struct sa_member, n + 1);
    size_t n_members = 0;
    for (unsigned int i = 0; i < n; i++) {
        if (mds[i] && tag_of(mds[i]) == TAG_MEMBER) {
            struct sa_member *m = &members[n_members++];
            m->name = name_of(ts, mds[i]);
            m->bit_offset = LLVMDITypeGetOffsetInBits(mds[i]);
            m->bit_size = LLVMDITypeGetSizeInBits(mds[i]);
            m->is_bit_field = (LLVMDITypeGetFlags(mds[i])
                               & LLVMDIFlagBitField) != 0;
            m->type = resolve(ts, operand(ts, mds[i], OP_BASE_TYPE));
        }
    }
    t->members = members;
    t->n_members = n_members;
    g_free(mds);
}

/* Sizes of arrays follow from their elements, which may be structs that are
 * described later; a chain of arrays has higher ids outside. */
static void
set_array_sizes(struct sa_types *ts)
{
    for (; ts->n_sized < ts->types->len; ts->n_sized++) {
        struct sa_type *t = g_ptr_array_index(ts->types, ts->n_sized);
        uint64_t size;
        if (t->kind == SA_TYPE_ARRAY && t->canonical == t
            && !__builtin_mul_overflow(t->target->canonical->size,
                                       t->n_elements, &size)) {
            t->size = size;
        }
    }
}

static struct sa_type *
add_type(struct sa_types *ts, LLVMMetadataRef md)
{
    struct sa_type *t = resolve(ts, md);
    while (ts->unfilled->len) {
        struct sa_type *s = g_ptr_array_steal_index(ts->unfilled,
                                                    ts->unfilled->len - 1);
        LLVMMetadataRef smd = g_ptr_array_steal_index(ts->unfilled,
                                                      ts->unfilled->len - 1);
        fill_members(ts, smd, s);
    }
    set_array_sizes(ts);
    for (guint i = 0; i < ts->typedefs->len; i++) {
        struct sa_type *td = g_ptr_array_index(ts->typedefs, i);
        const struct sa_type *c = td->canonical;
        td->kind = c->kind;
        td->size = c->size;
        td->is_signed = c->is_signed;
        td->target = c->target;
        td->n_elements = c->n_elements;
        td->members = c->members;
        td->n_members = c->n_members;
    }
    g_ptr_array_set_size(ts->typedefs, 0);
    return t;
}

/* All metadata of the program. */

struct walk {
    GHashTable *seen;
    GPtrArray *work;
    GPtrArray *found;           /* Types, in the order of being met. */
};

static void
walk_add(struct walk *w, LLVMMetadataRef md)
{
    if (md && g_hash_table_add(w->seen, md)) {
        g_ptr_array_add(w->work, md);
    }
}

static void
walk_run(struct sa_types *ts, struct walk *w)
{
    while (w->work->len) {
        LLVMMetadataRef md = g_ptr_array_steal_index(w->work,
                                                     w->work->len - 1);
        if (tag_of(md)) {
            g_ptr_array_add(w->found, md);
        }
        unsigned int n;
        LLVMMetadataRef *mds = operands(ts, md, &n);
        for (unsigned int i = n; i-- > 0;) {
            walk_add(w, mds[i]);
        }
        g_free(mds);
    }
}

static void
find_types(struct sa_types *ts, const struct sa_program *p, GPtrArray *found)
{
    struct walk w = { g_hash_table_new(NULL, NULL), g_ptr_array_new(), found };

    unsigned int n = LLVMGetNamedMetadataNumOperands(p->module, "llvm.dbg.cu");
    LLVMValueRef *units = g_new0(LLVMValueRef, n + 1);
    LLVMGetNamedMetadataOperands(p->module, "llvm.dbg.cu", units);
    for (unsigned int i = 0; i < n; i++) {
        walk_add(&w, LLVMValueAsMetadata(units[i]));
        walk_run(ts, &w);
    }
    g_free(units);
    for (uint32_t i = 0; i < p->n_functions; i++) {
        walk_add(&w, LLVMGetSubprogram(p->functions[i].value));
        walk_run(ts, &w);
    }
    for (uint32_t i = 0; i < p->n_values; i++) {
        const struct sa_variable *v = sa_value_variable(p, i);
        if (v) {
            walk_add(&w, v->type);
            walk_run(ts, &w);
        }
    }
    g_hash_table_destroy(w.seen);
    g_ptr_array_free(w.work, TRUE);
}

struct sa_types *
sa_types_create(const struct sa_program *p)
{
    struct sa_types *ts = g_new0(struct sa_types, 1);
    ts->context = p->context;
    ts->types = g_ptr_array_new();
    ts->by_metadata = g_hash_table_new(NULL, NULL);
    ts->by_key = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    ts->by_name = g_hash_table_new(g_str_hash, g_str_equal);
    ts->definitions = g_hash_table_new(g_str_hash, g_str_equal);
    ts->structs = g_ptr_array_new();
    ts->unfilled = g_ptr_array_new();
    ts->typedefs = g_ptr_array_new();
    ts->strings = g_string_chunk_new(65536);
    ts->void_type = new_type(ts, SA_TYPE_VOID);
    ts->void_type->name = "void";

    GPtrArray *found = g_ptr_array_new();
    find_types(ts, p, found);
    /* Definitions first, for those who declare only. */
    for (guint i = 0; i < found->len; i++) {
        LLVMMetadataRef md = g_ptr_array_index(found, i);
        if (is_struct_tag(tag_of(md)) && !is_declaration(md)) {
            resolve(ts, md);
        }
    }
    add_type(ts, NULL);
    for (guint i = 0; i < found->len; i++) {
        LLVMMetadataRef md = g_ptr_array_index(found, i);
        if (tag_of(md) != TAG_MEMBER) {
            resolve(ts, md);
        }
    }
    add_type(ts, NULL);
    g_ptr_array_free(found, TRUE);
    return ts;
}

void
sa_types_destroy(struct sa_types *ts)
{
    if (!ts) {
        return;
    }
    for (guint i = 0; i < ts->types->len; i++) {
        struct sa_type *t = g_ptr_array_index(ts->types, i);
        if (t->canonical == t) {
            g_free((struct sa_member *) t->members);
            g_free((struct sa_enumerator *) t->enumerators);
        }
    }
    g_ptr_array_set_free_func(ts->types, g_free);
    g_ptr_array_free(ts->types, TRUE);
    g_hash_table_destroy(ts->by_metadata);
    g_hash_table_destroy(ts->by_key);
    g_hash_table_destroy(ts->by_name);
    g_hash_table_destroy(ts->definitions);
    g_ptr_array_free(ts->structs, TRUE);
    g_ptr_array_free(ts->unfilled, TRUE);
    g_ptr_array_free(ts->typedefs, TRUE);
    g_string_chunk_free(ts->strings);
    g_free(ts);
}

const struct sa_type *
sa_type_of(struct sa_types *ts, LLVMMetadataRef md)
{
    if (!md) {
        return ts->void_type;
    }
    const struct sa_type *t = g_hash_table_lookup(ts->by_metadata, md);
    return t ? t : add_type(ts, md);
}

const struct sa_type *
sa_type_by_name(const struct sa_types *ts, const char *name)
{
    const struct sa_type *t = g_hash_table_lookup(ts->definitions, name);
    return t ? t : g_hash_table_lookup(ts->by_name, name);
}

const struct sa_type *const *
sa_types_structs(const struct sa_types *ts, size_t *n)
{
    *n = ts->structs->len;
    return (const struct sa_type *const *) ts->structs->pdata;
}

/* The member of 't' that has the byte at 'offset'. */
static const struct sa_member *
member_at(const struct sa_type *t, uint64_t offset)
{
    for (size_t i = 0; i < t->n_members; i++) {
        const struct sa_member *m = &t->members[i];
        uint64_t first = m->bit_offset / 8;
        uint64_t end = ((uint64_t) m->bit_offset + m->bit_size + 7) / 8;
        if (offset >= first && offset < end) {
            return m;
        }
    }
    const struct sa_member *last = (t->n_members
                                    ? &t->members[t->n_members - 1] : NULL);
    if (last && last->type->kind == SA_TYPE_ARRAY && !last->type->n_elements
        && offset >= last->bit_offset / 8) {
        return last;
    }
    return NULL;
}

const struct sa_type *
sa_type_part(const struct sa_type *t, uint64_t offset, uint64_t size)
{
    for (int depth = 0; depth < MAX_NESTING; depth++) {
        const struct sa_member *m;

        if (!offset && t->size == size) {
            return t;
        } else if (t->kind == SA_TYPE_ARRAY && t->target->size) {
            offset %= t->target->size;
            t = t->target;
        } else if ((m = member_at(t, offset))) {
            offset -= m->bit_offset / 8;
            t = m->type;
        } else {
            break;
        }
    }
    return NULL;
}

const struct sa_type *
sa_type_path(const struct sa_type *t, uint64_t offset, char **pathp)
{
    GString *path = g_string_new(NULL);
    for (int depth = 0; depth < MAX_NESTING; depth++) {
        if (t->kind == SA_TYPE_STRUCT || t->kind == SA_TYPE_UNION) {
            const struct sa_member *m = member_at(t, offset);
            if (!m) {
                break;
            }
            if (*m->name) {
                g_string_append_printf(path, "%s%s", path->len ? "." : "",
                                       m->name);
            }
            offset -= m->bit_offset / 8;
            t = m->type;
        } else if (t->kind == SA_TYPE_ARRAY) {
            if (!t->target->size || (t->n_elements && offset >= t->size)) {
                break;
            }
            g_string_append(path, "[]");
            offset %= t->target->size;
            t = t->target;
        } else if (offset && offset >= t->size) {
            break;
        } else {
            *pathp = g_string_free(path, FALSE);
            return t;
        }
    }
    g_string_free(path, TRUE);
    *pathp = NULL;
    return NULL;
}
