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

#ifndef GEN_HANDLERS_H
#define GEN_HANDLERS_H 1

#include <glib.h>
#include <llvm-c/Core.h>
#include <llvm-c/Target.h>

/* What handlers of signals may call: functions of the program, each with one
 * handler that does. */
GHashTable *handlers_find(LLVMModuleRef, LLVMTargetDataRef);

/* What threads may call that the program starts, each with a function that one
 * begins with; but not for threads that read packets. */
GHashTable *handlers_of_threads(LLVMModuleRef, LLVMTargetDataRef);

#endif /* handlers.h */
