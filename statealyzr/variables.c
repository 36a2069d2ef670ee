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

#include "model-private.h"

#include <string.h>

/* The variables of the source, from debug information
 *
 * Follows "Source Level Debugging with LLVM" (llvm.dbg.declare,
 * llvm.dbg.value). The operands of nodes are in the order of LLVM 19's
 * DebugInfoMetadata.h. */

enum {
    TYPE_OF_SUBPROGRAM = 4,     /* DISubprogram. */
    TYPES_OF_SUBROUTINE = 3,    /* DISubroutineType: the result, parameters. */
    SCOPE_OF_BLOCK = 1,         /* DILexicalBlock, DILexicalBlockFile. */
    NAME_OF_VARIABLE = 1,       /* DILocalVariable, DIGlobalVariable. */
    TYPE_OF_VARIABLE = 3
};

/* Operand 'i' of 'node', or NULL. */
static LLVMMetadataRef
node_operand(const struct sa_program *p, LLVMMetadataRef node, unsigned int i)
{
    LLVMMetadataRef operand = NULL;
    LLVMValueRef value = LLVMMetadataAsValue(p->context, node);
    unsigned int n = LLVMGetMDNodeNumOperands(value);

    if (i < n) {
        LLVMValueRef *operands = g_new(LLVMValueRef, n);
        LLVMGetMDNodeOperands(value, operands);
        operand = operands[i] ? LLVMValueAsMetadata(operands[i]) : NULL;
        g_free(operands);
    }
    return operand;
}

const char *
sa_node_string(const struct sa_program *p, LLVMMetadataRef node,
               unsigned int i)
{
    LLVMMetadataRef operand = node_operand(p, node, i);
    unsigned int n;

    if (!operand || LLVMGetMetadataKind(operand) != LLVMMDStringMetadataKind) {
        return "";
    }
    const char *s = LLVMGetMDString(LLVMMetadataAsValue(p->context, operand),
                                    &n);
    return g_string_chunk_insert_len(p->private->strings, s, n);
}

const char *
sa_scope_file(const struct sa_program *p, LLVMMetadataRef scope)
{
    LLVMMetadataRef file = scope ? LLVMDIScopeGetFile(scope) : NULL;
    unsigned int n;

    /* The verifier does not look at the files of blocks. */
    if (!file || LLVMGetMetadataKind(file) != LLVMDIFileMetadataKind) {
        return "";
    }
    const char *name = g_hash_table_lookup(p->private->files, file);
    if (!name) {
        const char *s = LLVMDIFileGetFilename(file, &n);
        for (; s && n > 2 && s[0] == '.' && s[1] == '/'; n -= 2) {
            s += 2;
        }
        char *copy = g_string_chunk_insert_len(p->private->strings,
                                               s ? s : "", s ? n : 0);
        g_hash_table_insert(p->private->files, file, copy);
        name = copy;
    }
    return name;
}

/* Whether the debug information says that 'scope' is within a function. */
static bool
is_function_scope(const struct sa_program *p, LLVMMetadataRef scope)
{
    for (int depth = 0; scope && depth < 10000; depth++) {
        switch (LLVMGetMetadataKind(scope)) {
        case LLVMDISubprogramMetadataKind:
            return true;
        case LLVMDILexicalBlockMetadataKind:
        case LLVMDILexicalBlockFileMetadataKind:
            scope = node_operand(p, scope, SCOPE_OF_BLOCK);
            break;
        default:
            return false;
        }
    }
    return false;
}

/* The function whose subprogram 'scope' is in, or SA_NONE. */
static uint32_t
scope_function(const struct sa_program *p, GHashTable *subprograms,
               LLVMMetadataRef scope)
{
    for (int depth = 0; scope && depth < 10000; depth++) {
        LLVMMetadataKind kind = LLVMGetMetadataKind(scope);

        if (kind == LLVMDISubprogramMetadataKind) {
            gpointer id = g_hash_table_lookup(subprograms, scope);
            return id ? GPOINTER_TO_UINT(id) - 1 : SA_NONE;
        } else if (kind != LLVMDILexicalBlockMetadataKind
                   && kind != LLVMDILexicalBlockFileMetadataKind) {
            break;
        }
        scope = node_operand(p, scope, SCOPE_OF_BLOCK);
    }
    return SA_NONE;
}

static struct sa_variable *
new_variable(const struct sa_program *p, LLVMMetadataRef node)
{
    LLVMMetadataRef file = LLVMDIVariableGetFile(node);
    struct sa_variable *v = g_new0(struct sa_variable, 1);

    v->name = sa_node_string(p, node, NAME_OF_VARIABLE);
    v->loc.file = file ? sa_scope_file(p, file) : "";
    v->loc.line = LLVMDIVariableGetLine(node);
    v->type = node_operand(p, node, TYPE_OF_VARIABLE);
    return v;
}

static void
collect_global(struct sa_program *p, GHashTable *subprograms,
               LLVMValueRef global)
{
    size_t n;
    LLVMValueMetadataEntry *entries = LLVMGlobalCopyAllMetadata(global, &n);

    for (size_t i = 0; i < n; i++) {
        LLVMMetadataRef md = LLVMValueMetadataEntriesGetMetadata(entries, i);

        if (LLVMGetMetadataKind(md)
            != LLVMDIGlobalVariableExpressionMetadataKind) {
            continue;
        }
        LLVMMetadataRef node = LLVMDIGlobalVariableExpressionGetVariable(md);
        if (!node) {
            continue;
        }
        LLVMMetadataRef scope = LLVMDIVariableGetScope(node);
        LLVMLinkage linkage = LLVMGetLinkage(global);
        struct sa_variable *v = new_variable(p, node);
        v->function = scope_function(p, subprograms, scope);
        v->is_static = (linkage == LLVMInternalLinkage
                        || linkage == LLVMPrivateLinkage
                        || is_function_scope(p, scope));
        g_hash_table_insert(p->private->variables, global, v);
        break;
    }
    LLVMDisposeValueMetadataEntries(entries);
}

static bool
is_metadata(LLVMValueRef value)
{
    return LLVMGetTypeKind(LLVMTypeOf(value)) == LLVMMetadataTypeKind;
}

/* Records the variable that an intrinsic tells of. */
static void
collect_local(struct sa_program *p, uint32_t function, LLVMValueRef call)
{
    LLVMValueRef location = LLVMGetOperand(call, 0);
    LLVMValueRef variable = LLVMGetOperand(call, 1);

    if (!is_metadata(location) || !is_metadata(variable)
        || (LLVMGetMetadataKind(LLVMValueAsMetadata(location))
            != LLVMLocalAsMetadataMetadataKind)) {
        return;
    }
    LLVMMetadataRef node = LLVMValueAsMetadata(variable);
    LLVMValueRef value;
    LLVMGetMDNodeOperands(location, &value);
    if (!value
        || LLVMGetMetadataKind(node) != LLVMDILocalVariableMetadataKind) {
        return;
    }
    struct sa_variable *v = g_hash_table_lookup(p->private->variables, value);
    if (v) {
        LLVMMetadataRef type = node_operand(p, node, TYPE_OF_VARIABLE);
        if (!v->other_type && type != v->type) {
            v->other_type = type;
        }
        return;
    }
    v = new_variable(p, node);
    v->function = function;
    g_hash_table_insert(p->private->variables, value, v);
}

void
sa_program_collect_variables(struct sa_program *p)
{
    GHashTable *subprograms = g_hash_table_new(NULL, NULL);
    GPtrArray *intrinsics = g_ptr_array_new();

    for (uint32_t i = 0; i < p->n_functions; i++) {
        LLVMValueRef f = p->functions[i].value;
        LLVMMetadataRef subprogram = LLVMGetSubprogram(f);

        if (subprogram) {
            g_hash_table_insert(subprograms, subprogram,
                                GUINT_TO_POINTER(i + 1));
        }
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
             b = LLVMGetNextBasicBlock(b)) {
            for (LLVMValueRef insn = LLVMGetFirstInstruction(b); insn;
                 insn = LLVMGetNextInstruction(insn)) {
                if (LLVMIsADbgInfoIntrinsic(insn)) {
                    if (LLVMIsADbgVariableIntrinsic(insn)) {
                        collect_local(p, i, insn);
                    }
                    g_ptr_array_add(intrinsics, insn);
                }
            }
        }
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(p->module); g;
         g = LLVMGetNextGlobal(g)) {
        collect_global(p, subprograms, g);
    }
    for (guint i = 0; i < intrinsics->len; i++) {
        LLVMInstructionEraseFromParent(intrinsics->pdata[i]);
    }
    g_ptr_array_free(intrinsics, TRUE);
    g_hash_table_destroy(subprograms);
}

const struct sa_variable *
sa_value_variable(const struct sa_program *p, uint32_t value)
{
    return (value < p->n_values
            ? g_hash_table_lookup(p->private->variables, p->values[value])
            : NULL);
}

bool
sa_same_variable(const struct sa_program *p, uint32_t a, uint32_t b)
{
    const struct sa_variable *x = sa_value_variable(p, a);
    const struct sa_variable *y = sa_value_variable(p, b);

    return (x && y && x->function == y->function
            && x->loc.line == y->loc.line && !strcmp(x->loc.file, y->loc.file)
            && !strcmp(x->name, y->name));
}

LLVMMetadataRef
sa_function_return_type(const struct sa_program *p, uint32_t function)
{
    LLVMMetadataRef node = LLVMGetSubprogram(p->functions[function].value);

    node = node ? node_operand(p, node, TYPE_OF_SUBPROGRAM) : NULL;
    if (node && (LLVMGetMetadataKind(node)
                 == LLVMDISubroutineTypeMetadataKind)) {
        node = node_operand(p, node, TYPES_OF_SUBROUTINE);
        return (node && LLVMGetMetadataKind(node) == LLVMMDTupleMetadataKind
                ? node_operand(p, node, 0) : NULL);
    }
    return NULL;
}
