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

#ifndef STATEALYZR_CALL_H
#define STATEALYZR_CALL_H 1

/* Small questions about call instructions. */

#include "model.h"

static inline bool
sa_is_call(LLVMOpcode opcode)
{
    return opcode == LLVMCall || opcode == LLVMInvoke || opcode == LLVMCallBr;
}

/* How many arguments are not variable ones. */
unsigned int sa_call_n_fixed(LLVMValueRef call);

/* Whether argument 'arg' (from 0; negative: no) is a constant number. */
bool sa_call_constant(LLVMValueRef call, int arg, uint64_t *);

/* The constant string that a global is, to g_free(), or NULL. */
char *sa_constant_string(LLVMValueRef global);

#endif /* call.h */
