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

#ifndef STATEALYZR_WALKS_H
#define STATEALYZR_WALKS_H 1

/* How a program comes to an entry of a container, seen from a pointer to it:
 * by walking (a loop or recursion replaces the pointer by what it finds
 * through it), or by an index that is computed. */

#include "packet.h"

struct sa_walk {
    bool walked;                /* In a loop that goes on from entry to entry,
                                 * and 'insn' is in that loop. */
    bool indexed;               /* Loaded from, or an element of, an array at
                                 * an index that is not constant. */
    uint32_t index_fields;      /* Of the packet, that the index has. */
};

/* How the base of 'pointer', as used by 'insn', was found. */
struct sa_walk sa_walk_find(const struct sa_analysis *,
                            const struct sa_packet *, LLVMValueRef pointer,
                            uint32_t insn);

/* 'pointer' without what is added to it within the entry. */
LLVMValueRef sa_walk_base(LLVMValueRef pointer);

/* Whether 'value' is, possibly after going through variables and arithmetic of
 * pointers, computed from 'from'. */
bool sa_walk_leads_to(LLVMValueRef from, LLVMValueRef value);

#endif /* walks.h */
