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

#ifndef STATE_IMAGE_H
#define STATE_IMAGE_H 1

/* State as bytes
 * ==============
 *
 * Another form has another number in IMAGE_MAGIC, and another schema in
 * instance.c.
 *
 *   u32 IMAGE_MAGIC, u64 build
 *   u8  1 if it is of a flow, else 0; and, if it has only what an output
 *       function needs, twice 1 + the index of that
 *   u32 size, values of the placement variables (placement.h)
 *   u16 n_types; of each: string name, u64 layout
 *   u32 n_objects; of each:
 *     u16 type (index in n_types), or IMAGE_BYTES
 *     u16 structure, or IMAGE_NO_NODE
 *     u8  whether it is what was asked for, or what that needs
 *     u32 size of its block, u32 offset of the object in the block
 *     u32 bucket in each list of the structure
 *     of the block's bytes, those before the object, what parts.h says of
 *       the object, or of each of those that follow each other, and the rest
 *     for each pointer that is in use, not left out, and no link: u8 kind and
 *       IMAGE_NULL
 *       IMAGE_OBJECT  u32 index, u32 offset in its block
 *       IMAGE_NODE    u32 index
 *       IMAGE_STATIC  u32 variable, u64 fingerprint, u32 number, u64 offset
 *       IMAGE_SYMBOL  u32 index, u64 offset
 *   of each object, for each member in use that a hook moves: u32 size, the
 *   hook's bytes
 *
 * What is only to be looked at (mbox-state(8)) has IMAGE_MAGIC_LOOK instead;
 * of a pointer that cannot be moved, IMAGE_REFUSED and a string why; and of
 * each such member: u8 kind, of enum image_look, and IMAGE_LOOK_BYTES u32 size
 * and bytes, the others a string.  Or, if there is a reason why it cannot be
 * read: u32 IMAGE_MAGIC_UNREADABLE, string why.  Neither is ever imported.
 *
 * Numbers are big-endian, except in the bytes of blocks, which are as in
 * memory: both instances are the same build.  Nodes come behind those that
 * they refer to, and directly before the other objects that they own. */

#define IMAGE_MAGIC 0x4d535432  /* "MST2": format 2 */
#define IMAGE_MAGIC_FORMAT 0xff /* Digit of the format. */
#define IMAGE_MAGIC_LOOK 0x4d534c32             /* "MSL2" */
#define IMAGE_MAGIC_UNREADABLE 0x4d535532       /* "MSU2" */

/* Blocks of one image, together: no more than if it had all their bytes. */
#define IMAGE_BLOCKS_MAX MBOX_WRITER_LIMIT

#define IMAGE_BYTES 0xffff
#define IMAGE_NO_NODE 0xffff

enum image_reference {
    IMAGE_NULL, IMAGE_OBJECT, IMAGE_NODE, IMAGE_STATIC, IMAGE_SYMBOL,
    IMAGE_REFUSED,              /* In a look only. */
};

/* What a look has of a member that a hook moves. */
enum image_look {
    IMAGE_LOOK_BYTES,           /* What would be moved. */
    IMAGE_LOOK_TEXT,            /* What the hook's describe() says. */
    IMAGE_LOOK_ERROR,           /* Nothing: why. */
};

#endif /* image.h */
