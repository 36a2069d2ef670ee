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

#include <glib.h>
#include <string.h>
#include "array.h"
#include "call.h"

/* Follows Banning (POPL 1979); see modref.h.  Sets of nodes are interned: the
 * set of an access depends only on what its pointer points to and on its size,
 * and the points-to analysis gives many pointers the same set. */

/* Key of the memory of accesses that were looked at before. */
struct access_key {
    const uint32_t *ids;
    uint32_t n;
    uint64_t size;
};

struct sa_modref {
    const struct sa_program *program;
    const struct sa_pta *pta;
    const struct sa_tables *tables;
    const struct sa_object *objects;
    const struct sa_node *nodes;
    uint32_t n_nodes;

    uint32_t *read_set, *write_set;     /* By instruction. */
    GArray *pool;               /* uint32_t: the members of all sets. */
    GArray *starts;             /* size_t: of each set in 'pool', and an end. */
    GHashTable *interned;       /* Set number + 1 -> itself; by content. */
    GArray *copies;             /* struct sa_copy, by instruction. */
    struct sa_csr sets_of_node; /* Sets that a node is in. */
    struct sa_csr readers, writers;     /* Instructions with a set. */
    struct sa_csr callees;              /* By function. */
};

/* Sets. */

static const struct sa_modref *set_context;     /* Of the hash functions. */

static struct sa_nodes
set_get(const struct sa_modref *mr, uint32_t set)
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
    struct sa_nodes s = set_get(set_context, GPOINTER_TO_UINT(p) - 1);
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
    struct sa_nodes x = set_get(set_context, GPOINTER_TO_UINT(a) - 1);
    struct sa_nodes y = set_get(set_context, GPOINTER_TO_UINT(b) - 1);

    return x.n == y.n && !memcmp(x.ids, y.ids, x.n * sizeof *x.ids);
}

/* The number of the set of 'nodes', which this sorts. */
static uint32_t
set_intern(struct sa_modref *mr, GArray *nodes)
{
    sa_sort_unique(nodes);

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

static void
add_node(uint32_t node, void *nodes)
{
    g_array_append_val((GArray *) nodes, node);
}

/* The set of an access of 'size' bytes through 'pointer'. */
static uint32_t
access_set(struct collector *c, LLVMValueRef pointer, uint64_t size)
{
    uint32_t value = sa_value_id(c->mr->program, pointer);
    if (value == SA_NONE) {
        return 0;
    }

    struct sa_nodes to = sa_pta_value(c->mr->pta, value);
    if (!to.n) {
        return 0;
    }
    struct access_key key = { to.ids, to.n, size };
    gpointer known = g_hash_table_lookup(c->accesses, &key);
    if (known) {
        return GPOINTER_TO_UINT(known) - 1;
    }

    g_array_set_size(c->scratch, 0);
    sa_pta_access(c->mr->pta, value, size, add_node, c->scratch);
    uint32_t set = set_intern(c->mr, c->scratch);
    g_hash_table_insert(c->accesses, g_memdup2(&key, sizeof key),
                        GUINT_TO_POINTER(set + 1));
    return set;
}

static void
add_access(struct collector *c, GArray *nodes, LLVMValueRef pointer,
           uint64_t size)
{
    struct sa_nodes s = set_get(c->mr, access_set(c, pointer, size));

    g_array_append_vals(nodes, s.ids, s.n);
}

/* Adds all nodes of the objects that the nodes 'in' hold pointers to, from
 * where these point on. */
static void
add_contents(const struct sa_modref *mr, const GArray *in, GArray *nodes)
{
    guint end = in->len;

    for (guint i = 0; i < end; i++) {
        uint32_t holder = g_array_index(in, uint32_t, i);
        struct sa_nodes to = sa_pta_content(mr->pta, holder);
        for (uint32_t j = 0; j < to.n; j++) {
            const struct sa_object *o
                = &mr->objects[mr->nodes[to.ids[j]].object];
            for (uint32_t node = to.ids[j];
                 node < o->first_node + o->n_nodes; node++) {
                g_array_append_val(nodes, node);
            }
        }
    }
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
    case SA_EFFECT_LOAD_STATIC:
        break;
    case SA_EFFECT_ALLOC:
        /* What calloc() writes is nothing that depends on anything. */
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
    case SA_EFFECT_STATIC:
        add_argument(c, c->writes, call, e->to, size);
        break;
    case SA_EFFECT_READ:
        add_argument(c, c->reads, call, e->from, size);
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
        if (f->defined) {
            continue;
        }
        if (g_str_has_prefix(f->name, "llvm.")) {
            add_intrinsic(c, insn, call, f->name);
            continue;
        }
        const struct sa_library_call *l = sa_tables_library(c->mr->tables,
                                                            f->name);
        const struct sa_packet_read *r
            = sa_tables_packet_read(c->mr->tables, f->name);
        for (size_t j = 0; l && j < l->n_effects; j++) {
            add_effect(c, insn, call, &l->effects[j]);
        }
        if (r) {
            add_packet_read(c, insn, call, r);
        }
        if (!l && !r) {
            add_unknown(c, call);
        }
    }
}

static void
add_insn(struct collector *c, uint32_t insn)
{
    const struct sa_insn *i = &c->mr->program->insns[insn];
    LLVMTargetDataRef layout = c->mr->program->layout;

    switch (i->opcode) {
    case LLVMLoad:
        add_access(c, c->reads, LLVMGetOperand(i->value, 0),
                   LLVMStoreSizeOfType(layout, LLVMTypeOf(i->value)));
        break;
    case LLVMStore:
        add_access(c, c->writes, LLVMGetOperand(i->value, 1),
                   LLVMStoreSizeOfType(
                       layout, LLVMTypeOf(LLVMGetOperand(i->value, 0))));
        break;
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
            sa_pta_access(mr->pta, value, 0, add_node, at);
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
                .read_set = set_intern(mr, reads[i]),
                .write_set = set_intern(mr, writes[i]),
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
        struct sa_nodes s = set_get(mr, set);
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
    mr->read_set = g_new0(uint32_t, program->n_insns);
    mr->write_set = g_new0(uint32_t, program->n_insns);
    mr->pool = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    mr->starts = g_array_new(FALSE, TRUE, sizeof(size_t));
    g_array_set_size(mr->starts, 1);
    mr->interned = g_hash_table_new(set_hash, set_equal);
    mr->copies = g_array_new(FALSE, FALSE, sizeof(struct sa_copy));

    struct collector c = {
        .mr = mr,
        .accesses = g_hash_table_new_full(access_hash, access_equal, g_free,
                                          NULL),
        .reads = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .writes = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
        .scratch = g_array_new(FALSE, FALSE, sizeof(uint32_t)),
    };
    set_intern(mr, c.scratch);          /* Set 0. */
    for (uint32_t insn = 0; insn < program->n_insns; insn++) {
        g_array_set_size(c.reads, 0);
        g_array_set_size(c.writes, 0);
        add_insn(&c, insn);
        mr->read_set[insn] = set_intern(mr, c.reads);
        mr->write_set[insn] = set_intern(mr, c.writes);
    }
    g_hash_table_destroy(c.accesses);
    g_array_free(c.reads, TRUE);
    g_array_free(c.writes, TRUE);
    g_array_free(c.scratch, TRUE);

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
    return set_get(mr, mr->read_set[insn]);
}

struct sa_nodes
sa_modref_writes(const struct sa_modref *mr, uint32_t insn)
{
    return set_get(mr, mr->write_set[insn]);
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
    return set_get(mr, set);
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
            struct sa_nodes s = set_get(mr, sets[insn]);
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
