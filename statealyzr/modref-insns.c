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

/* What each instruction reads and writes: loads, stores, calls of library
 * functions, copies of structures.
 *
 * The set of an access depends only on what its pointer points to and on its
 * size, and the points-to analysis gives many pointers the same set. */

/* Key of the memory of accesses that were looked at before. */
struct access_key {
    const uint32_t *ids;
    uint32_t n;
    uint64_t size;
};

/* Accesses. */

struct collector {
    struct sa_modref *mr;
    GHashTable *accesses;       /* struct access_key -> set + 1. */
    GArray *reads, *writes;     /* Of the instruction at hand. */
    GArray *scratch;
};

static guint
access_hash(gconstpointer p)
{
    const struct access_key *k = p;

    return g_direct_hash(k->ids) ^ k->n * 31 ^ (guint) k->size * 0x9e3779b1u;
}

static gboolean
access_equal(gconstpointer a, gconstpointer b)
{
    const struct access_key *x = a, *y = b;

    return x->ids == y->ids && x->n == y->n && x->size == y->size;
}

/* Collects nodes, each once. */
struct unique {
    bool *marks;
    GArray *nodes;
};

static void
add_node(uint32_t node, void *unique_)
{
    struct unique *unique = unique_;

    if (!unique->marks[node]) {
        unique->marks[node] = true;
        g_array_append_val(unique->nodes, node);
    }
}

/* Adds the nodes of an access of 'size' bytes through the pointer that a value
 * is to 'nodes'. */
static void
add_nodes(const struct sa_modref *mr, uint32_t value, uint64_t size,
          GArray *nodes)
{
    struct unique unique = { mr->marks, nodes };
    guint start = nodes->len;

    sa_pta_access(mr->pta, value, size, add_node, &unique);
    for (guint i = start; i < nodes->len; i++) {
        mr->marks[g_array_index(nodes, uint32_t, i)] = false;
    }
}

/* The set of an access of 'size' bytes through 'pointer'. */
static uint32_t
access_set(struct collector *c, LLVMValueRef pointer, uint64_t size)
{
    uint32_t value = sa_value_id(c->mr->program, pointer);
    if (value == SA_NONE) {
        return 0;
    }

    size = sa_pta_extent(c->mr->pta, value, size);

    /* A pointer may point between nodes: then the set is empty, and yet not
     * all accesses through it are. */
    struct sa_nodes to = sa_pta_value(c->mr->pta, value);
    struct access_key key = { to.ids, to.n, size };
    gpointer known = to.n ? g_hash_table_lookup(c->accesses, &key) : NULL;
    if (known) {
        return GPOINTER_TO_UINT(known) - 1;
    }

    g_array_set_size(c->scratch, 0);
    add_nodes(c->mr, value, size, c->scratch);
    uint32_t set = sa_modref_intern(c->mr, c->scratch);
    if (to.n) {
        g_hash_table_insert(c->accesses, g_memdup2(&key, sizeof key),
                            GUINT_TO_POINTER(set + 1));
    }
    return set;
}

static void
add_access(struct collector *c, GArray *nodes, LLVMValueRef pointer,
           uint64_t size)
{
    struct sa_nodes s = sa_modref_get(c->mr, access_set(c, pointer, size));

    g_array_append_vals(nodes, s.ids, s.n);
}

/* Adds all nodes of the objects that the nodes 'in' hold pointers to, from
 * where these point on.  'nodes' may be 'in'. */
static void
add_contents(const struct sa_modref *mr, const GArray *in, GArray *nodes)
{
    /* Many nodes hold the same set. */
    GHashTable *seen = g_hash_table_new(NULL, NULL);
    guint end = in->len, start = nodes->len;

    for (guint i = 0; i < end; i++) {
        uint32_t holder = g_array_index(in, uint32_t, i);
        struct sa_nodes to = sa_pta_content(mr->pta, holder);
        if (!to.n || !g_hash_table_add(seen, (gpointer) to.ids)) {
            continue;
        }
        for (uint32_t j = 0; j < to.n; j++) {
            const struct sa_object *o
                = &mr->objects[mr->nodes[to.ids[j]].object];
            for (uint32_t node = to.ids[j];
                 node < o->first_node + o->n_nodes && !mr->marks[node];
                 node++) {
                mr->marks[node] = true;
                g_array_append_val(nodes, node);
            }
        }
    }
    for (guint i = start; i < nodes->len; i++) {
        mr->marks[g_array_index(nodes, uint32_t, i)] = false;
    }
    g_hash_table_destroy(seen);
    sa_sort_unique(nodes);
}

/* Library calls. */

/* The bytes that an effect says are accessed, 0 if that is not constant. */
static uint64_t
effect_size(LLVMValueRef call, const struct sa_effect *e)
{
    uint64_t size, count;

    if (!sa_call_constant(call, e->size, &size)) {
        return 0;
    }
    if (e->count == SA_NO_ARG) {
        return size;
    }
    return sa_call_constant(call, e->count, &count) ? size * count : 0;
}

/* Calls 'add_access' for argument 'arg' of the call as effects have it. */
static void
add_argument(struct collector *c, GArray *nodes, LLVMValueRef call, int arg,
             uint64_t size)
{
    unsigned int n = LLVMGetNumArgOperands(call);

    if (arg == SA_RETURN) {
        add_access(c, nodes, call, size);
    } else if (arg == SA_VARARGS) {
        for (unsigned int i = sa_call_n_fixed(call); i < n; i++) {
            add_access(c, nodes, LLVMGetOperand(call, i), 0);
        }
    } else if (arg >= 0 && arg < (int) n) {
        add_access(c, nodes, LLVMGetOperand(call, arg), size);
    }
}

/* How many pointers are followed to what a library reaches from an argument:
 * from a struct msghdr to its iovec and to what that points to, from a va_list
 * to where the arguments are and to what these point to. */
enum { DEEP = 2 };

/* As add_argument(), and what pointers there lead to, 'depth' of them. */
static void
add_deep(struct collector *c, GArray *nodes, LLVMValueRef call, int arg,
         uint64_t size, int depth)
{
    GArray *all = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    add_argument(c, all, call, arg, size);
    while (depth--) {
        add_contents(c->mr, all, all);
    }
    g_array_append_vals(nodes, all->data, all->len);
    g_array_free(all, TRUE);
}

static void add_copy(struct collector *, uint32_t insn, LLVMValueRef to,
                     LLVMValueRef from, uint64_t size);

static void
add_effect(struct collector *c, uint32_t insn, LLVMValueRef call,
           const struct sa_effect *e)
{
    unsigned int n_args = LLVMGetNumArgOperands(call);
    uint64_t size = effect_size(call, e);

    switch (e->kind) {
    case SA_EFFECT_NONE:
    case SA_EFFECT_FREE:
    case SA_EFFECT_ASSIGN:
    case SA_EFFECT_STORE_STATIC:
        break;
    case SA_EFFECT_ALLOC:
    case SA_EFFECT_LOAD_STATIC:
        /* What calloc() writes is nothing that depends on anything. */
        if (e->to >= 0) {
            add_argument(c, c->writes, call, e->to, sizeof(void *));
        }
        break;
    case SA_EFFECT_STATIC:
        /* The library's object is made anew by the call. */
        add_deep(c, c->writes, call, e->to, 0, e->to >= 0 ? 1 : 0);
        break;
    case SA_EFFECT_REALLOC:
        add_argument(c, c->reads, call, e->from, 0);
        add_argument(c, c->writes, call, e->to, 0);
        break;
    case SA_EFFECT_STORE:
        add_argument(c, c->writes, call, e->to, sizeof(void *));
        break;
    case SA_EFFECT_LOAD:
        add_argument(c, c->reads, call, e->from, sizeof(void *));
        break;
    case SA_EFFECT_COPY:
        add_argument(c, c->reads, call, e->from, size);
        add_argument(c, c->writes, call, e->to, size);
        if (size && e->to >= 0 && e->to < (int) n_args
            && e->from >= 0 && e->from < (int) n_args) {
            add_copy(c, insn, LLVMGetOperand(call, e->to),
                     LLVMGetOperand(call, e->from), size);
        }
        break;
    case SA_EFFECT_WRITE:
        add_deep(c, c->writes, call, e->to, size, e->deep ? DEEP : 0);
        break;
    case SA_EFFECT_READ:
        add_deep(c, c->reads, call, e->from, size, e->deep ? DEEP : 0);
        break;
    case SA_EFFECT_CALL:
        for (size_t i = 0; i < e->n_args; i++) {
            if (e->args[i].deref) {
                add_argument(c, c->reads, call, e->args[i].arg, 0);
            }
        }
        break;
    }
}

/* What a call that receives packets reads and writes beyond its effects. */
static void
add_packet_read(struct collector *c, uint32_t insn, LLVMValueRef call,
                const struct sa_packet_read *r)
{
    if (r->callback == SA_NO_ARG) {
        if (r->iovec) {
            add_argument(c, c->reads, call, r->packet, 0);
        } else if (r->indirect) {
            add_argument(c, c->writes, call, r->packet, sizeof(void *));
        }
    }
    sa_modref_packet(c->mr, insn, r, c->writes);
}

/* What va_start() makes: the list, and the arguments it leads to. */
static void
add_va_start(struct collector *c, LLVMValueRef call)
{
    GArray *list = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    add_argument(c, list, call, 0, 0);
    g_array_append_vals(c->writes, list->data, list->len);
    add_contents(c->mr, list, c->writes);
    g_array_free(list, TRUE);
}

/* Reads and writes all that pointer arguments point to. */
static void
add_unknown(struct collector *c, LLVMValueRef call)
{
    unsigned int n = LLVMGetNumArgOperands(call);

    for (unsigned int i = 0; i < n; i++) {
        LLVMValueRef arg = LLVMGetOperand(call, i);
        if (LLVMGetTypeKind(LLVMTypeOf(arg)) == LLVMPointerTypeKind) {
            add_access(c, c->reads, arg, 0);
            add_access(c, c->writes, arg, 0);
        }
    }
}

static void
add_intrinsic(struct collector *c, uint32_t insn, LLVMValueRef call,
              const char *name)
{
    if (g_str_has_prefix(name, "llvm.memcpy")
        || g_str_has_prefix(name, "llvm.memmove")) {
        uint64_t size;
        if (!sa_call_constant(call, 2, &size)) {
            size = 0;
        }
        add_argument(c, c->reads, call, 1, size);
        add_argument(c, c->writes, call, 0, size);
        if (size) {
            add_copy(c, insn, LLVMGetOperand(call, 0),
                     LLVMGetOperand(call, 1), size);
        }
    } else if (g_str_has_prefix(name, "llvm.memset")) {
        uint64_t size;
        add_argument(c, c->writes, call, 0,
                     sa_call_constant(call, 2, &size) ? size : 0);
    } else if (g_str_has_prefix(name, "llvm.va_start")) {
        add_va_start(c, call);
    } else if (g_str_has_prefix(name, "llvm.va_copy")) {
        add_argument(c, c->reads, call, 1, 0);
        add_argument(c, c->writes, call, 0, 0);
    } else if (g_str_has_prefix(name, "llvm.masked.")
               || g_str_has_prefix(name, "llvm.vp.")) {
        add_unknown(c, call);
    }
}

static void
add_call(struct collector *c, uint32_t insn, LLVMValueRef call)
{
    const struct sa_program *p = c->mr->program;
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(c->mr->pta, insn, &n);

    if (LLVMIsAInlineAsm(LLVMGetCalledValue(call))) {
        add_unknown(c, call);
        return;
    }

    for (uint32_t i = 0; i < n; i++) {
        const struct sa_function *f = &p->functions[callees[i]];
        const struct sa_packet_read *r
            = sa_tables_packet_read(c->mr->tables, f->name);
        if (r) {
            add_packet_read(c, insn, call, r);
        }
        if (f->defined) {
            continue;
        }
        if (g_str_has_prefix(f->name, "llvm.")) {
            add_intrinsic(c, insn, call, f->name);
            continue;
        }
        const struct sa_library_call *l = sa_tables_library(c->mr->tables,
                                                            f->name);
        for (size_t j = 0; l && j < l->n_effects; j++) {
            add_effect(c, insn, call, &l->effects[j]);
        }
        if (!l && !r) {
            add_unknown(c, call);
        }
    }
}

/* An instruction other than a load or a store. */
static void
add_insn(struct collector *c, uint32_t insn)
{
    const struct sa_insn *i = &c->mr->program->insns[insn];
    LLVMTargetDataRef layout = c->mr->program->layout;

    switch (i->opcode) {
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg: {
        uint64_t size = LLVMStoreSizeOfType(
            layout, LLVMTypeOf(LLVMGetOperand(i->value, 1)));
        add_access(c, c->reads, LLVMGetOperand(i->value, 0), size);
        add_access(c, c->writes, LLVMGetOperand(i->value, 0), size);
        break;
    }
    case LLVMVAArg:
        add_access(c, c->reads, LLVMGetOperand(i->value, 0), 0);
        add_access(c, c->writes, LLVMGetOperand(i->value, 0), 0);
        add_contents(c->mr, c->reads, c->reads);
        break;
    case LLVMCall:
    case LLVMInvoke:
    case LLVMCallBr:
        add_call(c, insn, i->value);
        break;
    default:
        break;
    }
}

void
sa_modref_packet(const struct sa_modref *mr, uint32_t insn,
                 const struct sa_packet_read *r, GArray *nodes)
{
    const struct sa_program *p = mr->program;
    LLVMValueRef call = p->insns[insn].value;
    GPtrArray *pointers = g_ptr_array_new();

    if (r->callback != SA_NO_ARG) {
        uint32_t n;
        const uint32_t *handlers = sa_pta_callbacks(mr->pta, insn, &n);
        for (uint32_t i = 0; i < n; i++) {
            const struct sa_function *f = &p->functions[handlers[i]];
            if (f->defined && r->packet >= 0
                && r->packet < (int) f->n_params) {
                g_ptr_array_add(pointers,
                                p->values[f->first_param + r->packet]);
            }
        }
    } else if (r->packet == SA_RETURN) {
        g_ptr_array_add(pointers, call);
    } else if (r->packet >= 0
               && r->packet < (int) LLVMGetNumArgOperands(call)) {
        g_ptr_array_add(pointers, LLVMGetOperand(call, r->packet));
    }

    GArray *at = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (guint i = 0; i < pointers->len; i++) {
        uint32_t value = sa_value_id(p, g_ptr_array_index(pointers, i));
        if (value != SA_NONE) {
            add_nodes(mr, value, 0, at);
        }
    }
    g_ptr_array_free(pointers, TRUE);

    bool handed = r->callback != SA_NO_ARG;
    if (!handed && (r->indirect || r->iovec)) {
        GArray *inner = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        add_contents(mr, at, inner);
        g_array_append_vals(nodes, inner->data, inner->len);
        if (r->iovec) {
            /* A struct msghdr leads to a struct iovec first. */
            add_contents(mr, inner, nodes);
        }
        g_array_free(inner, TRUE);
    } else {
        g_array_append_vals(nodes, at->data, at->len);
    }
    g_array_free(at, TRUE);
    sa_sort_unique(nodes);
}

/* Copies of structures. */

/* How the bytes from 'base' to base + 'size' of an object are split into
 * nodes: offsets from 'base'.  False if they cannot be told apart. */
static bool
get_layout(const struct sa_modref *mr, uint32_t base, uint64_t size,
           GArray *offsets)
{
    const struct sa_object *o = &mr->objects[mr->nodes[base].object];
    uint32_t end = o->first_node + o->n_nodes;

    g_array_set_size(offsets, 0);
    if (o->collapsed) {
        return false;
    }
    for (uint32_t node = base; node < end; node++) {
        uint32_t offset = mr->nodes[node].offset - mr->nodes[base].offset;
        if (offset >= size) {
            break;
        }
        g_array_append_val(offsets, offset);
    }
    return offsets->len > 1;
}

/* Distributes what one side of a copy may access to the parts: nodes of an
 * object with the layout 'offsets' each to its part, others to all. */
static void
add_parts(struct sa_modref *mr, struct sa_nodes bases, uint64_t size,
          const GArray *offsets, GArray **parts)
{
    GArray *layout = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (uint32_t i = 0; i < bases.n; i++) {
        const struct sa_object *o
            = &mr->objects[mr->nodes[bases.ids[i]].object];
        bool same = get_layout(mr, bases.ids[i], size, layout)
                    && layout->len == offsets->len
                    && !memcmp(layout->data, offsets->data,
                               layout->len * sizeof(uint32_t));
        for (guint part = 0; part < offsets->len; part++) {
            uint32_t node = bases.ids[i] + (same ? part : 0);
            if (same) {
                g_array_append_val(parts[part], node);
            } else {
                /* From the first node on, or, if it is an array that is
                 * wrapped around, all. */
                for (node = o->first_node;
                     node < o->first_node + o->n_nodes; node++) {
                    g_array_append_val(parts[part], node);
                }
            }
        }
    }
    g_array_free(layout, TRUE);
}

static void
add_copy(struct collector *c, uint32_t insn, LLVMValueRef to,
         LLVMValueRef from, uint64_t size)
{
    struct sa_modref *mr = c->mr;
    uint32_t to_id = sa_value_id(mr->program, to);
    uint32_t from_id = sa_value_id(mr->program, from);
    if (to_id == SA_NONE || from_id == SA_NONE) {
        return;
    }

    struct sa_nodes into = sa_pta_value(mr->pta, to_id);
    struct sa_nodes out_of = sa_pta_value(mr->pta, from_id);
    GArray *offsets = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool found = false;
    for (uint32_t i = 0; i < into.n && !found; i++) {
        found = get_layout(mr, into.ids[i], size, offsets);
    }
    if (found) {
        GArray **reads = g_new(GArray *, offsets->len);
        GArray **writes = g_new(GArray *, offsets->len);
        for (guint i = 0; i < offsets->len; i++) {
            reads[i] = g_array_new(FALSE, FALSE, sizeof(uint32_t));
            writes[i] = g_array_new(FALSE, FALSE, sizeof(uint32_t));
        }
        add_parts(mr, out_of, size, offsets, reads);
        add_parts(mr, into, size, offsets, writes);
        for (guint i = 0; i < offsets->len; i++) {
            struct sa_copy copy = {
                .insn = insn,
                .read_set = sa_modref_intern(mr, reads[i]),
                .write_set = sa_modref_intern(mr, writes[i]),
            };
            g_array_append_val(mr->copies, copy);
            g_array_free(reads[i], TRUE);
            g_array_free(writes[i], TRUE);
        }
        g_free(reads);
        g_free(writes);
    }
    g_array_free(offsets, TRUE);
}

void
sa_modref_collect(struct sa_modref *mr)
{
    struct collector c = {
        .mr = mr,
        .accesses = g_hash_table_new_full(access_hash, access_equal, g_free,
                                          NULL),
        .reads = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .writes = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .scratch = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    for (uint32_t insn = 0; insn < mr->program->n_insns; insn++) {
        const struct sa_insn *i = &mr->program->insns[insn];
        LLVMTargetDataRef layout = mr->program->layout;

        if (i->opcode == LLVMLoad) {
            mr->read_set[insn] = access_set(
                &c, LLVMGetOperand(i->value, 0),
                LLVMStoreSizeOfType(layout, LLVMTypeOf(i->value)));
            continue;
        } else if (i->opcode == LLVMStore) {
            LLVMTypeRef type = LLVMTypeOf(LLVMGetOperand(i->value, 0));
            mr->write_set[insn] = access_set(
                &c, LLVMGetOperand(i->value, 1),
                LLVMStoreSizeOfType(layout, type));
            continue;
        }
        g_array_set_size(c.reads, 0);
        g_array_set_size(c.writes, 0);
        add_insn(&c, insn);
        mr->read_set[insn] = sa_modref_intern(mr, c.reads);
        mr->write_set[insn] = sa_modref_intern(mr, c.writes);
    }
    g_hash_table_destroy(c.accesses);
    g_array_free(c.reads, TRUE);
    g_array_free(c.writes, TRUE);
    g_array_free(c.scratch, TRUE);
}
