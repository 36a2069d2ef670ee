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

#ifndef GEN_REWRITE_H
#define GEN_REWRITE_H 1

/* Changes to the program itself: calls of libpcap and of the heap go to the
 * runtime, and what the tables name gets a name that they can use. */

#include <glib.h>
#include <llvm-c/Core.h>
#include "plan.h"

/* What the name of a function of the runtime begins with that is called
 * instead of one of a library. */
#define REWRITE_PREFIX "mbox_state_"

/* A function of a library that the program uses, or NULL. */
LLVMValueRef rewrite_declared(LLVMModuleRef, const char *name);

/* Redirects all calls of it, if there are any. */
void rewrite_redirect(LLVMModuleRef, const char *name);

/* Redirects the calls, less those of waits_redirect().  Says in the report
 * what packet reads are not covered; returns whether any is.  'waits' as in
 * waits_find(). */
bool rewrite_calls(LLVMModuleRef, struct plan *, char *const *waits);

/* Whether this is the runtime's for one of these. */
bool rewrite_is_replaced(const char *name);

/* Whether this is one of the runtime's that sends state, and has the program
 * process packets, if there are any. */
bool rewrite_steps(const char *name);

/* Whether the program sends packets by libpcap.  To be asked before. */
bool rewrite_sends(LLVMModuleRef);

/* After each statement that sets a placement variable, has the runtime replace
 * the value by that of the class. */
void rewrite_placement(LLVMModuleRef, const struct plan *);

struct rewrite_symbol {
    char *name;                 /* In the program. */
    char *alias;
    uint64_t size;
    enum st_target target;      /* As in struct st_symbol. */
    uint32_t type;
};

/* Names all variables and constants of the program, all functions whose
 * address is taken, and those that the runtime calls. */
GArray *rewrite_symbols(LLVMModuleRef, const struct plan *);

/* The alias of a variable or function, of its name. */
const char *rewrite_alias(const GArray *symbols, const char *name);

#endif /* rewrite.h */
