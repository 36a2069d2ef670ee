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

#ifndef GEN_CONTAINER_H
#define GEN_CONTAINER_H 1

/* Where entries are put in and taken out, as the bitcode has it. */

#include "evidence.h"
#include "place.h"

/* A list or a tree of the structure that the evidence calls 'tag'. */
struct evidence_container {
    const char *tag;
    const char *first, *last;   /* As in the evidence, or NULL. */
    uint32_t next, prev;        /* Offsets of its links, or UINT32_MAX. */
    const char *insert, *remove;        /* Functions, or NULL. */
};

/* Whether a pointer may be to where the container begins or ends. */
bool container_is_head(const struct evidence *,
                       const struct evidence_container *,
                       LLVMValueRef pointer);

/* Whether a place is a link of an entry. */
bool container_is_link(const struct evidence_container *,
                       const struct place *);

/* Whether a value was read from a link. */
bool container_is_linked(const struct evidence *,
                         const struct evidence_container *,
                         LLVMValueRef value);

/* Whether the program puts entries between others of a list, as in
 * "n->next = *p; *p = n" where p may be &x->next: then their order matters. */
bool container_has_order(const struct evidence *,
                         const struct evidence_container *);

#endif /* container.h */
