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

#ifndef STATEALYZR_MODEL_H
#define STATEALYZR_MODEL_H 1

/* The program as the analyses see it
 * ==================================
 *
 * A whole C program as one LLVM module, with functions, basic blocks,
 * instructions and values numbered densely from 0 in module order.  The
 * numbers index arrays; they depend on nothing but the input, so that every
 * result that is sorted by them is the same in every run.
 *
 * The module is what clang-19 emits before optimisation ("-O0 -g -Xclang
 * -disable-O0-optnone"), on which sa_program_load() runs LLVM's "mem2reg":
 * locals whose address is not taken are values in SSA form and everything else
 * is memory, which is what the points-to analysis (pta.h) is about.  The names
 * and types of locals that became values are kept (sa_value_variable()).
 *
 * The intrinsics of debug information are removed after that: what is numbered
 * is code.
 *
 * Everything here is owned by the struct sa_program, read-only once loaded,
 * and used by one thread. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <llvm-c/Core.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/Target.h>

#define SA_NONE UINT32_MAX      /* "No such function, instruction, value." */

/* A place in the source.  'file' is relative as the compiler was given it, ""
 * if there is no debug information. */
struct sa_loc {
    const char *file;
    unsigned int line;          /* From 1, 0 if unknown. */
    unsigned int column;
};

struct sa_function {
    LLVMValueRef value;
    const char *name;           /* Of the symbol. */
    const char *source_name;    /* As in the source ("static" renamed by the
                                 * linker has the name of the source here). */
    struct sa_loc loc;
    bool defined;               /* Has a body. */
    bool address_taken;         /* May be called through a pointer. */
    bool is_static;
    bool variadic;
    uint32_t first_block, n_blocks;
    uint32_t first_insn, n_insns;
    uint32_t first_param, n_params; /* Value ids of the formal parameters. */
};

struct sa_block {
    LLVMBasicBlockRef value;
    uint32_t function;
    uint32_t first_insn, n_insns;
};

struct sa_insn {
    LLVMValueRef value;
    LLVMOpcode opcode;
    uint32_t function;
    uint32_t block;
    uint32_t result;            /* Value id, SA_NONE for void. */
};

struct sa_program {
    LLVMContextRef context;
    LLVMModuleRef module;
    LLVMTargetDataRef layout;
    bool has_debug_info;        /* In every function with a body. */

    struct sa_function *functions;  /* Defined and declared. */
    uint32_t n_functions;
    struct sa_block *blocks;
    uint32_t n_blocks;
    struct sa_insn *insns;
    uint32_t n_insns;
    LLVMValueRef *values;       /* Globals, parameters, what instructions
                                 * result in, constants that are operands. */
    uint32_t n_values;

    struct sa_program_private *private;
};

/* Reads bitcode (or textual IR) files, links them, verifies the module,
 * runs mem2reg and numbers it.  Returns NULL with '*errorp' a message that
 * names the file, the cause and the remedy (free it): a file that cannot be
 * read, is no bitcode, is of another LLVM version, does not verify, defines
 * a symbol that another one defines (two mains), or no file at all. */
struct sa_program *sa_program_load(char *const files[], size_t n_files,
                                   char **errorp);
void sa_program_destroy(struct sa_program *);

/* Ids of LLVM's objects; SA_NONE if it is not part of the program. */
uint32_t sa_value_id(const struct sa_program *, LLVMValueRef);
uint32_t sa_insn_id(const struct sa_program *, LLVMValueRef insn);
uint32_t sa_block_id(const struct sa_program *, LLVMBasicBlockRef);
uint32_t sa_function_id(const struct sa_program *, LLVMValueRef function);
uint32_t sa_function_by_name(const struct sa_program *, const char *name);

struct sa_loc sa_insn_loc(const struct sa_program *, uint32_t insn);

/* A variable of the source. */
struct sa_variable {
    const char *name;
    struct sa_loc loc;
    uint32_t function;          /* SA_NONE for a global; the function for its
                                 * statics, locals and parameters. */
    bool is_static;             /* File or function static. */
    LLVMMetadataRef type;       /* DIType, NULL if unknown; see types.h. */
    LLVMMetadataRef other_type; /* Of a later variable that has the same value:
                                 * "struct flow *f = arg;"; or NULL. */
};

/* The variable that a global, an alloca, a parameter or an SSA value (by
 * dbg.declare or dbg.value) holds, or NULL.  A value may hold several
 * variables in turn; this is the first. */
const struct sa_variable *sa_value_variable(const struct sa_program *,
                                            uint32_t value);

/* Whether two values hold the same variable. */
bool sa_same_variable(const struct sa_program *, uint32_t a, uint32_t b);

/* The DIType of what a function returns, NULL if that is void or unknown. */
LLVMMetadataRef sa_function_return_type(const struct sa_program *,
                                        uint32_t function);

#endif /* model.h */
