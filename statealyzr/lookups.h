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

#ifndef STATEALYZR_LOOKUPS_H
#define STATEALYZR_LOOKUPS_H 1

/* Lookups: where a member of an entry that was walked to, or found by an
 * index, is compared with something that has a field of the packet. */

#include "packet.h"
#include "state.h"

struct sa_lookup {
    uint32_t variable;          /* The member, or the declared table. */
    uint32_t via;               /* If the member is of another structure: the
                                 * member of the entry that points there; else
                                 * SA_NONE. */
    uint32_t structure;         /* Of the member, or SA_NONE. */
    uint32_t offset;            /* Within the entry. */
    uint32_t base;              /* Of the first entry in the variable. */
    uint32_t size;              /* Bytes compared. */
    uint32_t fields;            /* Of the other side, as a bit set. */
    uint32_t insn;
    bool walked;                /* Else only found by an index. */
};

/* struct sa_lookup, by instruction; g_array_unref(). */
GArray *sa_lookups_find(const struct sa_analysis *, const struct sa_state *,
                        const struct sa_packet *);

#endif /* lookups.h */
