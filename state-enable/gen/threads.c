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

/* Threads beside the one that reads packets, in which the runtime is. */

#include <string.h>
#include "evidence-private.h"

/* Whether an instruction computes where a member of a struct is. */
static bool
is_member_of(LLVMValueRef insn, const char *tag)
{
    LLVMTypeRef type = (LLVMIsAGetElementPtrInst(insn)
                        ? LLVMGetGEPSourceElementType(insn) : NULL);
    const char *name = (type && LLVMGetTypeKind(type) == LLVMStructTypeKind
                        ? LLVMGetStructName(type) : NULL);
    char *own = name ? evidence_struct_name(name) : NULL;
    bool is = own && !strcmp(own, tag);

    g_free(own);
    return is;
}

static bool
uses(LLVMValueRef f, const char *tag)
{
    for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
         b = LLVMGetNextBasicBlock(b)) {
        for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
             i = LLVMGetNextInstruction(i)) {
            if (is_member_of(i, tag)) {
                return true;
            }
        }
    }
    return false;
}

const char *
evidence_thread(const struct evidence *e, const char *tag)
{
    const char *first = NULL;
    GHashTableIter iter;
    gpointer f, start;

    g_hash_table_iter_init(&iter, e->threads);
    while (g_hash_table_iter_next(&iter, &f, &start)) {
        size_t n;
        const char *name = LLVMGetValueName2(start, &n);

        if ((!first || strcmp(name, first) < 0) && uses(f, tag)) {
            first = name;
        }
    }
    return first;
}
