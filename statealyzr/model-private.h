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

#ifndef STATEALYZR_MODEL_PRIVATE_H
#define STATEALYZR_MODEL_PRIVATE_H 1

/* Shared by model.c and variables.c only. */

#include <glib.h>
#include "model.h"

struct sa_program_private {
    GHashTable *value_ids;      /* LLVMValueRef -> id + 1. */
    GHashTable *insn_ids;
    GHashTable *block_ids;
    GHashTable *function_ids;
    GHashTable *function_names; /* char * -> id + 1. */
    GHashTable *files;          /* DIFile -> char *. */
    GHashTable *variables;      /* LLVMValueRef -> struct sa_variable *. */
    GStringChunk *strings;
};

/* The name of the file of a DIScope, never NULL. */
const char *sa_scope_file(const struct sa_program *, LLVMMetadataRef scope);

/* Operand 'i' of a node of debug information if it is a string, or "". */
const char *sa_node_string(const struct sa_program *, LLVMMetadataRef node,
                           unsigned int i);

/* Collects the variables of all functions and globals; then removes the
 * intrinsics that tell of them, which nothing else needs.  The functions
 * must be numbered, their instructions need not. */
void sa_program_collect_variables(struct sa_program *);

#endif /* model-private.h */
