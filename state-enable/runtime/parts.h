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

#ifndef STATE_PARTS_H
#define STATE_PARTS_H 1

/* What an image has of the objects of a type
 * ==========================================
 *
 * All their bytes but those of pointers, which it has references for, of
 * members that hooks move, and of what is left out.  Both instances know from
 * the program's tables which these are. */

#include "private.h"

struct st_parts {
    uint32_t size;              /* Of all parts. */
    uint32_t n;
    struct st_part {
        uint32_t offset, size;
    } parts[];                  /* In this order. */
};

/* Without what has one of the bits 'without' in st_left_out.outputs, at most
 * one of which is that of an output function.  NULL if memory is short. */
const struct st_parts *st_parts_get(struct st *, uint32_t type,
                                    uint64_t without);

/* Copies the parts of 'n' objects of the type, which follow each other. */
void st_parts_pack(const struct st_parts *, const struct st_type *,
                   uint8_t *packed, const uint8_t *objects, uint64_t n);

/* The inverse.  All else of the objects is zeros then. */
void st_parts_unpack(const struct st_parts *, const struct st_type *,
                     uint8_t *objects, const uint8_t *packed, uint64_t n);

void st_parts_uninit(struct st *);

#endif /* parts.h */
