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

#include "call.h"

#include <glib.h>

unsigned int
sa_call_n_fixed(LLVMValueRef call)
{
    return MIN(LLVMCountParamTypes(LLVMGetCalledFunctionType(call)),
               LLVMGetNumArgOperands(call));
}

bool
sa_call_constant(LLVMValueRef call, int arg, uint64_t *value)
{
    if (arg < 0 || arg >= (int) LLVMGetNumArgOperands(call)) {
        return false;
    }

    LLVMValueRef v = LLVMGetOperand(call, arg);
    if (!LLVMIsAConstantInt(v)
        || LLVMGetIntTypeWidth(LLVMTypeOf(v)) > 64) {
        return false;
    }
    *value = LLVMConstIntGetZExtValue(v);
    return true;
}

char *
sa_constant_string(LLVMValueRef global)
{
    LLVMValueRef init = LLVMIsAGlobalVariable(global)
                        ? LLVMGetInitializer(global) : NULL;
    if (!init || !LLVMIsAConstantDataSequential(init)
        || !LLVMIsConstantString(init)) {
        return NULL;
    }

    size_t length;
    const char *s = LLVMGetAsString(init, &length);
    return g_strndup(s, length);
}
