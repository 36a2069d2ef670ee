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

#ifndef GEN_EVIDENCE_PRIVATE_H
#define GEN_EVIDENCE_PRIVATE_H 1

#include <llvm-c/Target.h>
#include "evidence.h"

#define TRACE_MAX 400

struct evidence {
    LLVMModuleRef module;
    LLVMTargetDataRef td;
    GHashTable *said;           /* Strings. */
    GHashTable *stores;         /* Member -> GPtrArray of stored values. */
    GPtrArray *nexts;           /* Names of members, by twos: what follows in
                                 * the first is what was behind the second. */
    GHashTable *frees;          /* "FUNCTION PARAMETER" -> how many bytes
                                 * before what it leads to is freed. */
    GHashTable *descriptors;    /* "FUNCTION PARAMETER": it is one. */
    GHashTable *callers;        /* Function -> GPtrArray of calls. */
    GHashTable *indexes;        /* Variable, as place_name() has it, ->
                                 * GPtrArray of index values. */
    GArray *trees;              /* struct evidence_tree. */
    GHashTable *threads;        /* As of handlers_of_threads(). */
};

/* Looks for what heads.c lists. */
void evidence_see_head(struct evidence *, LLVMValueRef insn);

/* Looks for what buffers.c lists. */
void evidence_see_buffer(struct evidence *, LLVMValueRef insn);

/* Looks for trees, when all else has been seen. */
void evidence_collect_trees(struct evidence *);

#endif /* evidence-private.h */
