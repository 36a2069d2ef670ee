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

/* Binary search trees, as the macros of BSD's <sys/tree.h> and programs after
 * their manner have them.  Of two functions f(HEAD, NODE), where HEAD is
 * always the address of the same variable,
 *
 *   one inserts   it makes NODE the root, clears two links of NODE, which are
 *                 its children, and compares NODE with others by a function;
 *                 some of these were found by the one link, some by the other
 *   one removes   it makes a child the root, and the first does not call it
 *
 * and the one that compares gives an int, and looks at nothing but the two
 * nodes, of which it compares no pointers, and constants.  None of them calls
 * what is not in the program: they do not free a node, or print it.  A list
 * that is kept in order is no tree: it is searched by one of its links, or
 * these are each other's inverse.  What is not just so is no tree. */

#include <string.h>
#include "evidence-private.h"
#include "place.h"

#define CALLERS_MAX 8           /* Between a call and where HEAD is known. */

struct tree {
    struct evidence_tree t;
    struct evidence *e;
    LLVMValueRef insert, remove, compare, variable;
    GHashTable *callees;        /* Functions that 'insert' calls, and so on,
                                 * and itself. */
    unsigned int searched;      /* Children that NODE is compared with. */
};

static const char *
name_of(LLVMValueRef v)
{
    size_t n;

    return LLVMGetValueName2(v, &n);
}

/* The function that an instruction calls, or NULL. */
static LLVMValueRef
callee(LLVMValueRef insn)
{
    LLVMValueRef f = LLVMIsACallInst(insn) ? LLVMGetCalledValue(insn) : NULL;

    return f && LLVMIsAFunction(f) ? f : NULL;
}

typedef bool insn_cb(LLVMValueRef insn, void *aux);

/* Calls 'cb' for each instruction until it returns false. */
static bool
for_each_instruction(LLVMValueRef f, insn_cb *cb, void *aux)
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
         b = LLVMGetNextBasicBlock(b)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
             i = LLVMGetNextInstruction(i)) {
            if (!cb(i, aux)) {
                return false;
            }
        }
    }
    return true;
}

static bool
is_pointer(LLVMValueRef v)
{
    return LLVMGetTypeKind(LLVMTypeOf(v)) == LLVMPointerTypeKind;
}

static bool
is_pair_function(LLVMValueRef f)
{
    return (!LLVMIsDeclaration(f) && LLVMCountParams(f) == 2
            && is_pointer(LLVMGetParam(f, 0))
            && is_pointer(LLVMGetParam(f, 1)));
}

/* Where HEAD is. */

/* Sets '*variable' and '*offset' to what a pointer always is, or returns
 * false; '*variable' is what was found before. */
static bool
resolve(const struct evidence *e, LLVMValueRef pointer, uint64_t offset,
        unsigned int depth, LLVMValueRef *variable, uint64_t *found)
{
    struct place p;

    place_of(e->td, pointer, &p);
    offset += p.offset;
    if (p.index || depth > CALLERS_MAX) {
        return false;
    }
    if (p.global) {
        if (*variable && (*variable != p.global || *found != offset)) {
            return false;
        }
        *variable = p.global;
        *found = offset;
        return true;
    }
    if (!LLVMIsAArgument(p.base)) {
        return false;
    }

    LLVMValueRef f = LLVMGetParamParent(p.base);
    GPtrArray *calls = g_hash_table_lookup(e->callers, f);
    unsigned int parameter = 0;
    while (LLVMGetParam(f, parameter) != p.base) {
        parameter++;
    }
    for (guint i = 0; calls && i < calls->len; i++) {
        if (!resolve(e, LLVMGetOperand(calls->pdata[i], parameter), offset,
                     depth + 1, variable, found)) {
            return false;
        }
    }
    return calls != NULL;
}

/* The variable that is the first argument of all calls of a function. */
static bool
find_head(const struct evidence *e, LLVMValueRef f, LLVMValueRef *variable,
          uint64_t *offset)
{
    *variable = NULL;
    *offset = 0;
    return resolve(e, LLVMGetParam(f, 0), 0, 0, variable, offset);
}

/* What inserts. */

static void
add_offset(GArray *offsets, uint64_t offset)
{
    for (guint i = 0; i < offsets->len; i++) {
        if (g_array_index(offsets, uint64_t, i) == offset) {
            return;
        }
    }
    g_array_append_val(offsets, offset);
}

struct inserting {
    const struct evidence *e;
    LLVMValueRef head, node, compare;
    uint64_t root;
    unsigned int n_roots, n_compares;
    const char *type;           /* LLVM's, of the node. */
    GArray *set, *cleared;      /* Offsets of pointers. */
};

static bool
see_inserting(LLVMValueRef insn, void *in_)
{
    struct inserting *in = in_;
    LLVMValueRef f = callee(insn);

    if (f && is_pair_function(f)
        && LLVMGetTypeKind(LLVMTypeOf(insn)) == LLVMIntegerTypeKind
        && place_strip(LLVMGetOperand(insn, 0)) == in->node) {
        in->n_compares += in->compare != f;
        in->compare = f;
    }
    if (!LLVMIsAStoreInst(insn) || !is_pointer(LLVMGetOperand(insn, 0))) {
        return true;
    }

    LLVMValueRef value = place_strip(LLVMGetOperand(insn, 0));
    struct place to;
    place_of(in->e->td, LLVMGetOperand(insn, 1), &to);
    if (to.base == in->head && value == in->node && !to.index) {
        in->n_roots += !in->n_roots || in->root != to.offset;
        in->root = to.offset;
    } else if (to.base == in->node && to.n_levels) {
        in->type = to.levels[0].name;
        add_offset(in->set, to.offset);
        if (LLVMIsAConstantPointerNull(value)) {
            add_offset(in->cleared, to.offset);
        }
    }
    return true;
}

static gint
compare_offsets(gconstpointer a_, gconstpointer b_)
{
    uint64_t a = *(const uint64_t *) a_, b = *(const uint64_t *) b_;

    return a < b ? -1 : a > b;
}

/* Sets the links, if the function is one that inserts. */
static bool
inserts(struct tree *tree, LLVMValueRef f)
{
    struct inserting in = {
        .e = tree->e, .head = LLVMGetParam(f, 0), .node = LLVMGetParam(f, 1),
        .set = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
        .cleared = g_array_new(FALSE, FALSE, sizeof(uint64_t)),
    };

    for_each_instruction(f, see_inserting, &in);
    bool ok = (in.n_roots == 1 && in.n_compares == 1 && in.cleared->len == 2
               && in.set->len <= 3);
    if (ok) {
        g_array_sort(in.cleared, compare_offsets);
        tree->insert = f;
        tree->compare = in.compare;
        tree->t.node = evidence_struct_name(in.type);
        tree->t.root = in.root;
        tree->t.parent = UINT32_MAX;
        for (guint i = 0; i < 2; i++) {
            tree->t.children[i] = g_array_index(in.cleared, uint64_t, i);
        }
        for (guint i = 0; i < in.set->len; i++) {
            uint64_t offset = g_array_index(in.set, uint64_t, i);

            if (offset != tree->t.children[0]
                && offset != tree->t.children[1]) {
                tree->t.parent = offset;
            }
        }
    }
    g_array_free(in.set, TRUE);
    g_array_free(in.cleared, TRUE);
    return ok;
}

/* What compares. */

static void
add_read(struct tree *tree, const struct place *p, uint64_t size)
{
    struct evidence_range range = { p->offset, size };

    g_array_append_val(tree->t.compared, range);
}

static bool
is_node(LLVMValueRef compare, const struct place *p)
{
    return (!p->index && (p->base == LLVMGetParam(compare, 0)
                          || p->base == LLVMGetParam(compare, 1)));
}

/* A call of memcmp() with parts of the nodes. */
static bool
see_memcmp(struct tree *tree, LLVMValueRef call)
{
    LLVMValueRef size = LLVMGetOperand(call, 2);

    for (unsigned int i = 0; i < 2; i++) {
        struct place p;

        place_of(tree->e->td, LLVMGetOperand(call, i), &p);
        if (!is_node(tree->compare, &p) || !LLVMIsAConstantInt(size)) {
            return false;
        }
        add_read(tree, &p, LLVMConstIntGetZExtValue(size));
    }
    return true;
}

static bool
is_memcmp(LLVMValueRef f)
{
    return !strcmp(name_of(f), "memcmp") || !strcmp(name_of(f), "bcmp");
}

static bool
is_intrinsic(LLVMValueRef f)
{
    return g_str_has_prefix(name_of(f), "llvm.");
}

static bool
is_constant(const struct place *p)
{
    return p->global && !p->index && LLVMIsGlobalConstant(p->global);
}

static bool
gives_int(LLVMValueRef f)
{
    LLVMTypeRef type = LLVMGetReturnType(LLVMGlobalGetValueType(f));

    return (LLVMGetTypeKind(type) == LLVMIntegerTypeKind
            && LLVMGetIntTypeWidth(type) == 32);
}

static bool
see_comparing(LLVMValueRef insn, void *tree_)
{
    struct tree *tree = tree_;
    LLVMValueRef f = callee(insn);
    struct place p;

    switch ((int) LLVMGetInstructionOpcode(insn)) {
    case LLVMLoad:
        place_of(tree->e->td, LLVMGetOperand(insn, 0), &p);
        if (is_node(tree->compare, &p)) {
            if (is_pointer(insn)) {
                return false;
            }
            add_read(tree, &p, LLVMABISizeOfType(tree->e->td,
                                                 LLVMTypeOf(insn)));
            return true;
        }
        return is_constant(&p);
    case LLVMCall:
        return (f && (is_intrinsic(f)
                      || (is_memcmp(f) && see_memcmp(tree, insn))));
    case LLVMStore:
    case LLVMInvoke:
    case LLVMCallBr:
    case LLVMAtomicRMW:
    case LLVMAtomicCmpXchg:
        return false;
    }
    return true;
}

/* What is called. */

/* Adds a function, all that it calls, and so on.  Returns false if one of them
 * is not in the program, or not known. */
static bool add_callees(LLVMValueRef f, GHashTable *callees);

static bool
add_callee(LLVMValueRef insn, void *callees)
{
    LLVMValueRef f = callee(insn);

    if (!f) {
        return (!LLVMIsACallInst(insn) && !LLVMIsAInvokeInst(insn)
                && !LLVMIsACallBrInst(insn));
    }
    return (LLVMIsDeclaration(f) ? is_intrinsic(f) || is_memcmp(f)
            : add_callees(f, callees));
}

static bool
add_callees(LLVMValueRef f, GHashTable *callees)
{
    return (!g_hash_table_add(callees, f)
            || for_each_instruction(f, add_callee, callees));
}

/* The child, 0 or 1, that is loaded at 'from'; -1: it is none. */
static int
child_at(const struct tree *tree, const struct place *from)
{
    int child = -1;

    if (from->n_levels) {
        char *name = evidence_struct_name(from->levels[0].name);

        for (int i = 0; i < 2; i++) {
            if (!strcmp(name, tree->t.node)
                && from->offset == tree->t.children[i]) {
                child = i;
            }
        }
        g_free(name);
    }
    return child;
}

/* The children that a value may be: a bit for each. */
static unsigned int
children_of(const struct tree *tree, LLVMValueRef value)
{
    GPtrArray *loads = g_ptr_array_new();
    unsigned int children = 0;

    place_loads(value, loads);
    for (guint i = 0; i < loads->len; i++) {
        struct place from;

        place_of(tree->e->td, LLVMGetOperand(loads->pdata[i], 0), &from);
        int child = child_at(tree, &from);
        children |= child < 0 ? 0 : 1u << child;
    }
    g_ptr_array_free(loads, TRUE);
    return children;
}

/* How NODE's place is found. */

static bool
see_search(LLVMValueRef insn, void *tree_)
{
    struct tree *tree = tree_;

    if (callee(insn) == tree->compare) {
        tree->searched |= children_of(tree, LLVMGetOperand(insn, 1));
    }
    return true;
}

/* Whether NODE is compared with what both links of others lead to.  Without a
 * link to the parent they must not be each other's inverse, either; code that
 * rotates may look as if they were. */
static bool
searches(struct tree *tree)
{
    const uint32_t *c = tree->t.children;
    GHashTableIter iter;
    void *f;

    g_hash_table_iter_init(&iter, tree->callees);
    while (g_hash_table_iter_next(&iter, &f, NULL)) {
        for_each_instruction(f, see_search, tree);
    }
    return (tree->searched == 3
            && (tree->t.parent != UINT32_MAX
                || !(evidence_has(tree->e, "pair %s %u %u", tree->t.node,
                                  c[0], c[1])
                     || evidence_has(tree->e, "pair %s %u %u", tree->t.node,
                                     c[1], c[0]))));
}

/* What removes. */

/* Returns false if a child becomes the root. */
static bool
keeps_root(LLVMValueRef insn, void *tree_)
{
    const struct tree *tree = tree_;
    struct place to;

    if (!LLVMIsAStoreInst(insn) || !is_pointer(LLVMGetOperand(insn, 0))) {
        return true;
    }
    place_of(tree->e->td, LLVMGetOperand(insn, 1), &to);
    LLVMValueRef f = LLVMGetBasicBlockParent(LLVMGetInstructionParent(insn));
    if (to.base != LLVMGetParam(f, 0) || to.offset != tree->t.root) {
        return true;
    }

    return !children_of(tree, LLVMGetOperand(insn, 0));
}

static bool
removes(struct tree *tree, LLVMValueRef f)
{
    LLVMValueRef variable;
    uint64_t offset;

    return (!g_hash_table_contains(tree->callees, f)
            && !for_each_instruction(f, keeps_root, tree)
            && find_head(tree->e, f, &variable, &offset)
            && variable == tree->variable && offset == tree->t.head);
}

/* The one function that removes and that no other such one calls. */
static bool
find_remove(struct tree *tree)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(tree->e->module); f;
         f = LLVMGetNextFunction(f)) {
        if (!is_pair_function(f) || !removes(tree, f)) {
            continue;
        }
        if (tree->remove) {
            return false;
        }
        tree->remove = f;
    }
    return tree->remove != NULL;
}

/* All. */

static void
tree_clear(struct evidence_tree *t)
{
    g_free(t->node);
    if (t->compared) {
        g_array_free(t->compared, TRUE);
    }
}

static void
see_function(struct evidence *e, LLVMValueRef f)
{
    struct tree tree = { .e = e, .callees = g_hash_table_new(NULL, NULL) };

    tree.t.compared = g_array_new(FALSE, FALSE, sizeof(struct evidence_range));
    bool ok = (inserts(&tree, f)
               && gives_int(tree.compare)
               && find_head(e, f, &tree.variable, &tree.t.head)
               && for_each_instruction(tree.compare, see_comparing, &tree));
    ok = (ok && add_callees(f, tree.callees) && searches(&tree)
          && find_remove(&tree) && add_callees(tree.remove, tree.callees));
    if (ok) {
        tree.t.variable = name_of(tree.variable);
        tree.t.insert = name_of(tree.insert);
        tree.t.remove = name_of(tree.remove);
        tree.t.compare = name_of(tree.compare);
        g_array_append_val(e->trees, tree.t);
    } else {
        tree_clear(&tree.t);
    }
    g_hash_table_destroy(tree.callees);
}

void
evidence_collect_trees(struct evidence *e)
{
    e->trees = g_array_new(FALSE, FALSE, sizeof(struct evidence_tree));
    g_array_set_clear_func(e->trees, (GDestroyNotify) tree_clear);
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f;
         f = LLVMGetNextFunction(f)) {
        if (is_pair_function(f)) {
            see_function(e, f);
        }
    }
}

const GArray *
evidence_trees(const struct evidence *e)
{
    return e->trees;
}
