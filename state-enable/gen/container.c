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

/* Where a container's links are. */

#include "container.h"

#include <string.h>
#include "evidence-private.h"

bool
container_is_head(const struct evidence *e, const struct evidence_container *c,
                  LLVMValueRef pointer)
{
    GPtrArray *sources = g_ptr_array_new();
    bool is = false;

    place_sources(pointer, sources);
    for (guint i = 0; i < sources->len && !is; i++) {
        struct place p;

        place_of(e->td, sources->pdata[i], &p);
        const char *name = place_name(&p);
        is = name && (!g_strcmp0(name, c->first)
                      || !g_strcmp0(name, c->last));
    }
    g_ptr_array_free(sources, TRUE);
    return is;
}

bool
container_is_link(const struct evidence_container *c, const struct place *p)
{
    for (unsigned int i = 0; i < p->n_levels; i++) {
        char *tag = evidence_struct_name(p->levels[i].name);
        bool is = (!strcmp(tag, c->tag)
                   && (p->levels[i].offset == c->next
                       || p->levels[i].offset == c->prev));

        g_free(tag);
        if (is) {
            return true;
        }
    }
    return false;
}

bool
container_is_linked(const struct evidence *e,
                    const struct evidence_container *c, LLVMValueRef value)
{
    struct place from;

    if (!LLVMIsALoadInst(value)) {
        return false;
    }
    place_of(e->td, LLVMGetOperand(value, 0), &from);
    return container_is_link(c, &from);
}
