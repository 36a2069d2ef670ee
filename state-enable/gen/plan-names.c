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

/* Names that several structs of the program have, in different files.  What is
 * known by names of structs, such as who frees a member, is of all of them. */

#include <llvm-c/Target.h>
#include <string.h>
#include "plan.h"

/* Whether two definitions lay out the same: it may be one struct, which
 * several files have from a header. */
static bool
is_alike(LLVMTargetDataRef td, LLVMTypeRef a, LLVMTypeRef b)
{
    unsigned int n = LLVMCountStructElementTypes(a);

    if (n != LLVMCountStructElementTypes(b)
        || LLVMABISizeOfType(td, a) != LLVMABISizeOfType(td, b)) {
        return false;
    }
    for (unsigned int i = 0; i < n; i++) {
        if (LLVMOffsetOfElement(td, a, i) != LLVMOffsetOfElement(td, b, i)) {
            return false;
        }
    }
    return true;
}

/* Notes a type that code looks into; 'types' has the first one of each
 * name. */
static void
note_type(struct plan *plan, LLVMTargetDataRef td, GHashTable *types,
          LLVMTypeRef type)
{
    const char *llvm_name = (LLVMGetTypeKind(type) == LLVMStructTypeKind
                             ? LLVMGetStructName(type) : NULL);

    if (!llvm_name || LLVMIsOpaqueStruct(type)) {
        return;
    }
    char *name = evidence_struct_name(llvm_name);
    LLVMTypeRef first = g_hash_table_lookup(types, name);

    if (!first) {
        g_hash_table_insert(types, g_strdup(name), type);
    } else if (first != type && !is_alike(td, first, type)) {
        g_hash_table_add(plan->shared_names, g_strdup(name));
    }
    g_free(name);
}

static void
note_code(struct plan *plan, LLVMModuleRef module)
{
    LLVMTargetDataRef td = LLVMGetModuleDataLayout(module);
    GHashTable *types = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                              NULL);

    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
             b = LLVMGetNextBasicBlock(b)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
                 i = LLVMGetNextInstruction(i)) {
                if (LLVMGetInstructionOpcode(i) == LLVMGetElementPtr) {
                    note_type(plan, td, types,
                              LLVMGetGEPSourceElementType(i));
                }
            }
        }
    }
    g_hash_table_destroy(types);
}

/* Where a type is defined, however the file was called. */
static char *
definition(struct json_object *type)
{
    struct json_object *at = json_list(type, "location");
    char *file = g_path_get_basename(at ? json_text(at, "file") : "");
    char *s = g_strdup_printf("%s:%"G_GINT64_FORMAT, file,
                              at ? json_number(at, "line") : 0);

    g_free(file);
    return s;
}

/* What the analyser tells of: it knows structs apart that are alike. */
static void
note_types(struct plan *plan)
{
    GHashTable *places = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                               g_free);
    size_t n = json_object_array_length(plan->types);

    for (size_t i = 0; i < n; i++) {
        struct json_object *t = json_object_array_get_idx(plan->types, i);
        const char *name = json_text(t, "name");

        if (strcmp(json_text(t, "kind"), "struct")
            || !g_str_has_prefix(name, "struct ")) {
            continue;
        }
        char *place = definition(t);
        const char *first = g_hash_table_lookup(places, name);
        if (!first) {
            g_hash_table_insert(places, (char *) name, place);
            continue;
        } else if (strcmp(first, place)) {
            g_hash_table_add(plan->shared_names,
                             g_strdup(name + strlen("struct ")));
        }
        g_free(place);
    }
    g_hash_table_destroy(places);
}

void
plan_find_shared_names(struct plan *plan, LLVMModuleRef module)
{
    note_code(plan, module);
    note_types(plan);
}

bool
plan_name_is_shared(const struct plan *plan, const char *tag)
{
    return g_hash_table_contains(plan->shared_names, tag);
}
