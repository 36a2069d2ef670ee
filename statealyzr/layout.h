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

#ifndef STATEALYZR_LAYOUT_H
#define STATEALYZR_LAYOUT_H 1

/* How an object is divided into fields
 * ====================================
 *
 * The points-to analysis tells apart the *leaves* of an object: the scalar
 * members of its structs, where nested structs are flattened and all
 * elements of an array are one ("a[3].x" is the leaf "a[].x").  Every byte
 * of an object is in exactly one leaf: padding belongs to the leaf before
 * it, and a union has the leaves of the member that has most, plus one for
 * bytes beyond. */

#include "types.h"

/* What the source declares a leaf to be. */
enum sa_leaf_kind {
    SA_LEAF_ANY,                /* Anything: in a union, characters, an integer
                                 * as wide as a pointer, void *, unknown. */
    SA_LEAF_NUMBER,             /* Too small for a pointer. */
    SA_LEAF_DATA,               /* A pointer to data. */
    SA_LEAF_CODE                /* A pointer to a function. */
};

/* One leaf, or an array with the leaves of its elements. */
struct sa_layout_item {
    uint64_t start, end;        /* Bytes in the layout. */
    const struct sa_layout *element;    /* NULL for a leaf. */
    bool pointers;              /* A leaf may hold pointers. */
    enum sa_leaf_kind kind;
    uint32_t first_leaf;
};

/* A struct, union or array within a struct. */
struct sa_layout_part {
    uint64_t start, end;        /* Bytes. */
};

struct sa_layout {
    uint64_t size;              /* Bytes. */
    struct sa_layout_part *parts;   /* Not those within arrays. */
    uint32_t n_parts;
    bool is_struct;             /* Or union. */
    uint32_t n_leaves;
    uint64_t *offsets;          /* Of each leaf, in the first elements. */
    uint32_t *sizes;            /* Of each leaf. */
    bool *pointers;             /* Whether a leaf may hold a pointer: it is
                                 * large enough, or in a union. */
    uint8_t *kinds;             /* enum sa_leaf_kind of each leaf. */
    struct sa_layout_item *items;   /* Ascending, the first at 0. */
    uint32_t n_items;
};

struct sa_layouts;
struct sa_layouts *sa_layouts_create(const struct sa_program *);
void sa_layouts_destroy(struct sa_layouts *);

/* Never NULL; of one leaf if the type is of unknown size, or too large to
 * divide. */
const struct sa_layout *sa_layout_of_type(struct sa_layouts *,
                                          const struct sa_type *);
const struct sa_layout *sa_layout_of_llvm(struct sa_layouts *, LLVMTypeRef);

/* The leaf that has the byte at 'offset', which is less than the size. */
uint32_t sa_layout_leaf(const struct sa_layout *, uint64_t offset);

/* Where the bytes end that are in the same leaf as the one at 'offset'. */
uint64_t sa_layout_leaf_end(const struct sa_layout *, uint64_t offset);

/* Whether 'part', the layout of a struct, can be meant by memory that 'whole'
 * has the layout of, from 'offset' on: no leaf is a number here and a pointer
 * there, or a pointer to data and one to code. */
bool sa_layout_agrees(const struct sa_layout *whole, uint64_t offset,
                      const struct sa_layout *part);

/* If 'offset' is in another than the first element of arrays, the bounds of
 * the innermost of these, in which the same leaves come again; else false. */
bool sa_layout_repeats(const struct sa_layout *, uint64_t offset,
                       uint64_t *start, uint64_t *end);

/* If the leaf at 'offset', in the first elements of arrays, comes again in the
 * innermost of these, the size of its elements and its end, UINT64_MAX if that
 * is unknown; else false. */
bool sa_layout_recurs(const struct sa_layout *, uint64_t offset,
                      uint64_t *stride, uint64_t *end);

/* Whether it ends with an array of unknown length. */
bool sa_layout_is_flexible(const struct sa_layout *);

/* The end of what a pointer to 'offset' is most likely a pointer into: the
 * largest struct or array that begins there, or else the innermost struct
 * around it. */
uint64_t sa_layout_part_end(const struct sa_layout *, uint64_t offset);

/* If 'offset' is in arrays, the size of an element, and the bounds, of the
 * innermost array whose elements' size divides 'stride' (in its first element,
 * if it is within another array); returns false if there is none. */
bool sa_layout_array(const struct sa_layout *, uint64_t offset,
                     uint64_t stride, uint64_t *start, uint64_t *end);

#endif /* layout.h */
