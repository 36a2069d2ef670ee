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

#ifndef STATE_IMAGE_READ_H
#define STATE_IMAGE_READ_H 1

/* An image (image.h) that was read and found valid as far as its own bytes and
 * the static objects of this instance tell: every length, index, offset and
 * type is right.  Its objects are blocks of the heap, with pointers to each
 * other and to what is static here; nothing of the program leads to them. */

#include "private.h"

struct st_image_object {
    uint8_t *start;             /* A block of its own. */
    uint32_t size, offset;
    uint32_t type, structure;   /* Or ST_NONE. */
    bool wanted;
    bool owned;                 /* By a member of another, just one. */
    bool needed;                /* A node that one behind it refers to. */
    uint32_t buckets[ST_LISTS_MAX];
    uint32_t node;              /* The node that it belongs to: an index. */
    uint64_t n_hooked;          /* The first members that hooks move: those
                                 * that are set, and not the program's. */
};

struct st_image {
    const uint8_t *placement;
    struct st_image_object *objects;
    uint32_t n_objects;
    uint64_t without;           /* The bit of the output function that it was
                                 * sent for, 0 if it has all.  What was left
                                 * out is zeros. */
};

int st_image_read(struct st *, bool per_flow, const void *data, size_t,
                  struct st_image *);

/* Frees all blocks that the program has not got. */
void st_image_uninit(struct st *, struct st_image *);

#endif /* image-read.h */
