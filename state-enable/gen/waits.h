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

#ifndef GEN_WAITS_H
#define GEN_WAITS_H 1

/* Programs that get packets from sockets of the kernel: they wait for these in
 * their packet loop, and while they wait state can move. */

#include <llvm-c/Core.h>
#include "plan.h"

/* Decides whether the program is of that kind: plan->waits.  Calls that wait
 * are in one function, or in those that are in 'named'.  Says in the report
 * which these are, or why it is not. */
void waits_find(LLVMModuleRef, struct plan *, char *const *named);

/* Whether it is a function of the C library that waits. */
bool waits_is_wait(const char *name);

/* Redirects these, and what opens sockets, to the runtime. */
void waits_redirect(LLVMModuleRef, const struct plan *);

#endif /* waits.h */
