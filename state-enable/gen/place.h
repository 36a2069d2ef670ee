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

#ifndef GEN_PLACE_H
#define GEN_PLACE_H 1

/* What an address in the program is of. */

#include <glib.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>
#include <stdbool.h>
#include <stdint.h>

#define PLACE_LEVELS 6

struct place {
    LLVMValueRef global;        /* Or NULL. */
    LLVMValueRef base;          /* The pointer that the expression begins with,
                                 * if it is no global. */
    LLVMValueRef index;         /* A variable index, the last; or NULL. */
    uint64_t offset;            /* Of a global. */
    uint64_t array;             /* If 'index': where the outermost array that
                                 * is indexed begins in the global. */

    /* Members, from the outermost to the innermost struct. */
    struct {
        const char *name;       /* Of LLVM's type. */
        uint64_t offset;        /* In that struct. */
        bool indexed;           /* Within an array in it, at a variable
                                 * index. */
        uint64_t array;         /* Then where that array begins. */
    } levels[PLACE_LEVELS];
    unsigned int n_levels;
};

void place_of(LLVMTargetDataRef, LLVMValueRef pointer, struct place *);

/* The variable that has a place, "V"; of one that is a struct, the member that
 * begins so far in it: "V+16".  NULL if it is in no variable.  Lives on. */
const char *place_name(const struct place *);

/* What a value may be, through conversions, phis and selects, each once; and
 * of that, the loads. */
void place_sources(LLVMValueRef, GPtrArray *sources);
void place_loads(LLVMValueRef, GPtrArray *loads);

/* Through conversions. */
LLVMValueRef place_strip(LLVMValueRef);

/* Whether an instruction calls; and whether a function is used otherwise than
 * to call it. */
bool place_is_call(LLVMValueRef insn);
bool place_is_taken(LLVMValueRef function);

#endif /* place.h */
