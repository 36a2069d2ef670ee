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

/* Whether the order of a list matters. */

#include "container.h"
#include "evidence-private.h"

/* Whether a pointer may be to the link of an entry other than 'own', and not
 * only of that where the container begins or ends. */
static bool
is_link_of_other(const struct evidence *e,
                 const struct evidence_container *c, LLVMValueRef pointer,
                 LLVMValueRef own)
{
    GPtrArray *sources = g_ptr_array_new();
    bool is = false;

    place_sources(pointer, sources);
    for (guint i = 0; i < sources->len && !is; i++) {
        struct place p;

        place_of(e->td, sources->pdata[i], &p);
        LLVMValueRef base = p.base ? place_strip(p.base) : NULL;
        LLVMValueRef from = (base && LLVMIsALoadInst(base)
                             ? place_strip(LLVMGetOperand(base, 0)) : NULL);
        is = (base && base != own && container_is_link(c, &p)
              && !(from && !LLVMIsAPHINode(from)
                   && container_is_head(e, c, from)));
    }
    g_ptr_array_free(sources, TRUE);
    return is;
}

/* Whether the link of 'entry' is set, in the same function, to what the link
 * of another one leads to. */
static bool
takes_link(const struct evidence *e, const struct evidence_container *c,
           LLVMValueRef entry)
{
    for (LLVMUseRef use = LLVMGetFirstUse(entry); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef gep = LLVMGetUser(use);
        struct place p;

        place_of(e->td, gep, &p);
        if (!p.base || place_strip(p.base) != entry
            || !container_is_link(c, &p)) {
            continue;
        }
        for (LLVMUseRef u = LLVMGetFirstUse(gep); u;
             u = LLVMGetNextUse(u)) {
            LLVMValueRef store = LLVMGetUser(u);
            LLVMValueRef value = (LLVMIsAStoreInst(store)
                                  ? place_strip(LLVMGetOperand(store, 0))
                                  : NULL);

            if (value && LLVMIsALoadInst(value)
                && is_link_of_other(e, c, LLVMGetOperand(value, 0), entry)) {
                return true;
            }
        }
    }
    return false;
}

bool
container_has_order(const struct evidence *e,
                    const struct evidence_container *c)
{
    for (LLVMValueRef f = LLVMGetFirstFunction(e->module); f;
         f = LLVMGetNextFunction(f)) {
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f); b;
             b = LLVMGetNextBasicBlock(b)) {
            for (LLVMValueRef i = LLVMGetFirstInstruction(b); i;
                 i = LLVMGetNextInstruction(i)) {
                LLVMValueRef value = (LLVMIsAStoreInst(i)
                                      ? place_strip(LLVMGetOperand(i, 0))
                                      : NULL);

                if (value && !LLVMIsAConstant(value)
                    && !container_is_linked(e, c, value)
                    && LLVMGetTypeKind(LLVMTypeOf(value))
                       == LLVMPointerTypeKind
                    && is_link_of_other(e, c, LLVMGetOperand(i, 1), value)
                    && takes_link(e, c, value)) {
                    return true;
                }
            }
        }
    }
    return false;
}
