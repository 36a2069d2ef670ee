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

#include "enumerators.h"

#include <stdlib.h>
#include <string.h>

/* Operands, as of LLVM 19. */
enum { OP_ENUMERATOR_NAME = 0, OP_ELEMENTS = 4 };

static LLVMValueRef
operand(LLVMValueRef node, unsigned int i)
{
    unsigned int n = LLVMIsAMDNode(node) ? LLVMGetMDNodeNumOperands(node) : 0;
    if (i >= n) {
        return NULL;
    }
    LLVMValueRef *values = g_new0(LLVMValueRef, n);
    LLVMGetMDNodeOperands(node, values);
    LLVMValueRef value = values[i];
    g_free(values);
    return value;
}

/* The value, which is no operand and has no function in LLVM's C API, but is
 * printed. */
static bool
get_value(LLVMValueRef enumerator, int64_t *value)
{
    char *text = LLVMPrintValueToString(enumerator);
    const char *at = strstr(text, "!DIEnumerator(name: \"");
    at = at ? strstr(at, "\", value: ") : NULL;
    if (at) {
        at += strlen("\", value: ");
        *value = *at == '-' ? strtoll(at, NULL, 10) : strtoull(at, NULL, 10);
    }
    LLVMDisposeMessage(text);
    return at != NULL;
}

struct sa_enumerator *
sa_enumerators(LLVMContextRef context, LLVMMetadataRef enumeration,
               GStringChunk *strings, size_t *n_found)
{
    LLVMValueRef list = operand(LLVMMetadataAsValue(context, enumeration),
                                OP_ELEMENTS);
    unsigned int n = (list && LLVMIsAMDNode(list)
                      ? LLVMGetMDNodeNumOperands(list) : 0);
    LLVMValueRef *values = g_new0(LLVMValueRef, n + 1);
    struct sa_enumerator *found = g_new0(struct sa_enumerator, n + 1);

    *n_found = 0;
    if (n) {
        LLVMGetMDNodeOperands(list, values);
    }
    for (unsigned int i = 0; i < n; i++) {
        LLVMValueRef name = (values[i]
                             ? operand(values[i], OP_ENUMERATOR_NAME) : NULL);
        struct sa_enumerator *e = &found[*n_found];

        if (name && LLVMIsAMDString(name) && get_value(values[i], &e->value)) {
            unsigned int len;
            const char *text = LLVMGetMDString(name, &len);

            e->name = g_string_chunk_insert_len(strings, text, len);
            ++*n_found;
        }
    }
    g_free(values);
    return found;
}
