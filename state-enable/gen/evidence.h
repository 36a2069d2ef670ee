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

#ifndef GEN_EVIDENCE_H
#define GEN_EVIDENCE_H 1

/* What a program's code shows of its structures
 * =============================================
 *
 * The analyser says what is state and what keys it.  To rebuild a structure
 * one has to know more of how the program keeps it: which links are each
 * other's inverse, which variables they start from, what is freed through a
 * member, what counts what.  All of it is found in single statements of the
 * program, after mem2reg, such as "h->next->prev = h->prev".
 *
 * A member is named "STRUCT OFFSET" with the struct that has it and all
 * structs around that one in the same expression. */

#include <glib.h>
#include <llvm-c/Core.h>
#include <stdbool.h>
#include <stdint.h>

struct evidence;

struct evidence *evidence_collect(LLVMModuleRef);
void evidence_destroy(struct evidence *);

/* A statement was seen: words of a kind, as evidence.c lists them. */
bool evidence_has(const struct evidence *, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* What follows after the words, each once, sorted; free with
 * g_ptr_array_unref(). */
GPtrArray *evidence_after(const struct evidence *, const char *format, ...)
    G_GNUC_PRINTF(2, 3);

/* Whether what is stored in a member was converted from network to host order
 * on the way from a packet.  -1: not known. */
int evidence_host_order(const struct evidence *, const char *struct_name,
                        uint64_t offset);

/* A binary search tree: trees.c says what makes one. */
struct evidence_range {
    uint64_t offset, size;
};

struct evidence_tree {
    const char *variable;       /* Has its head at 'head', and in that its
                                 * root at 'root'. */
    uint64_t head, root;
    char *node;                 /* Struct. */
    uint32_t children[2], parent;       /* Offsets; 'parent' or UINT32_MAX. */
    const char *insert, *remove, *compare;      /* Functions. */
    GArray *compared;           /* struct evidence_range: what of nodes the
                                 * last looks at. */
};

/* All, as struct evidence_tree. */
const GArray *evidence_trees(const struct evidence *);

/* What a thread begins with that may use the struct of this name, other than
 * the one that reads packets: a function, or NULL. */
const char *evidence_thread(const struct evidence *, const char *tag);

/* Variables that decide which element of the array is taken; sorted. */
GPtrArray *evidence_placement(const struct evidence *, const char *array);

/* "struct.flow.12" -> "flow"; free it. */
char *evidence_struct_name(const char *llvm_name);

#endif /* evidence.h */
