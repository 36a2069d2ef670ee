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

#include "waits.h"

#include <string.h>
#include <sys/socket.h>
#include "place.h"
#include "rewrite.h"

static const char *const waits[] = {
    "epoll_wait", "epoll_pwait", "poll", "ppoll", "select", "pselect", NULL
};

bool
waits_is_wait(const char *name)
{
    return g_strv_contains(waits, name);
}

/* The program's functions that call a function of a library, in 'callers'. */
static void
add_callers(LLVMValueRef f, GPtrArray *callers)
{
    for (LLVMUseRef use = LLVMGetFirstUse(f); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if (place_is_call(user) && LLVMGetCalledValue(user) == f) {
            LLVMValueRef caller
                = LLVMGetBasicBlockParent(LLVMGetInstructionParent(user));

            if (!g_ptr_array_find(callers, caller, NULL)) {
                g_ptr_array_add(callers, caller);
            }
        }
    }
}

/* Whether it opens sockets that are of no protocol above IP. */
static bool
opens_packets(LLVMValueRef socket_)
{
    for (LLVMUseRef use = LLVMGetFirstUse(socket_); use;
         use = LLVMGetNextUse(use)) {
        LLVMValueRef call = LLVMGetUser(use);

        if (place_is_call(call) && LLVMGetCalledValue(call) == socket_) {
            LLVMValueRef domain = LLVMGetOperand(call, 0);

            if (LLVMIsAConstantInt(domain)
                && LLVMConstIntGetZExtValue(domain) == AF_PACKET) {
                return true;
            }
        }
    }
    return false;
}

static bool
say_callers(struct plan *plan, const GPtrArray *callers, char *const *named)
{
    bool ok = true;

    for (guint i = 0; i < callers->len; i++) {
        size_t n;
        const char *name = LLVMGetValueName2(callers->pdata[i], &n);
        bool is_named = g_strv_contains((const char *const *) named, name);

        ok &= is_named || (callers->len == 1 && !*named);
        plan_say(plan, "waits for packets in %s()%s", name,
                 *named && !is_named ? ", which is not named" : "");
    }
    for (; *named; named++) {
        bool found = false;

        for (guint i = 0; i < callers->len; i++) {
            size_t n;

            found |= !strcmp(LLVMGetValueName2(callers->pdata[i], &n),
                             *named);
        }
        if (!found) {
            plan_say(plan, "not supported: %s() does not wait", *named);
            ok = false;
        }
    }
    return ok;
}

void
waits_find(LLVMModuleRef module, struct plan *plan, char *const *named)
{
    LLVMValueRef opens = rewrite_declared(module, "socket");
    GPtrArray *callers = g_ptr_array_new();
    const char *taken = NULL;

    for (const char *const *name = waits; *name; name++) {
        LLVMValueRef f = rewrite_declared(module, *name);

        if (f) {
            add_callers(f, callers);
            taken = place_is_taken(f) ? *name : taken;
        }
    }
    if (opens && (callers->len || taken) && !opens_packets(opens)) {
        plan->waits = say_callers(plan, callers, named) && !taken;
        if (taken) {
            plan_say(plan, "not supported: it calls %s() by a pointer, and "
                     "where it waits is not known", taken);
        } else if (!plan->waits) {
            plan_say(plan, "not supported: it waits in several functions, and "
                     "state can move in the packet loop only: if they are all "
                     "called there, name them: MBOX_STATE_WAIT in mbox-cc(1)");
        }
    }
    g_ptr_array_unref(callers);
}

void
waits_redirect(LLVMModuleRef module, const struct plan *plan)
{
    if (plan->waits) {
        rewrite_redirect(module, "socket");
        for (const char *const *name = waits; *name; name++) {
            rewrite_redirect(module, *name);
        }
    }
}
