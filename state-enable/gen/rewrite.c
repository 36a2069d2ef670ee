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

#include "rewrite.h"

#include <string.h>
#include <llvm-c/DebugInfo.h>
#include <llvm-c/Target.h>
#include "place.h"
#include "waits.h"

static const char *const replaced[] = {
    "malloc", "calloc", "realloc", "reallocarray", "strdup", "strndup", "free",
    "pcap_open_live", "pcap_create", "pcap_close", "pcap_dispatch",
    "pcap_loop", "pcap_next", "pcap_next_ex", "pcap_breakloop",
    "pcap_setfilter", "pcap_setdirection", "pcap_setnonblock",
    "pcap_getnonblock", "pcap_fileno", "pcap_get_selectable_fd", "pcap_stats",
    "pcap_inject", "pcap_sendpacket", NULL
};

/* Those of them in which packets are read. */
static const char *const covered_reads[] = {
    "pcap_dispatch", "pcap_loop", "pcap_next", "pcap_next_ex", NULL
};

/* Reads that the runtime does not have. */
static const char *const unsupported[] = {
    "recvfrom", "recvmsg", "recvmmsg", "rte_eth_rx_burst", NULL
};

LLVMValueRef
rewrite_declared(LLVMModuleRef module, const char *name)
{
    LLVMValueRef f = LLVMGetNamedFunction(module, name);

    return f && LLVMIsDeclaration(f) && LLVMGetFirstUse(f) ? f : NULL;
}

bool
rewrite_sends(LLVMModuleRef module)
{
    return (rewrite_declared(module, "pcap_inject")
            || rewrite_declared(module, "pcap_sendpacket"));
}

void
rewrite_redirect(LLVMModuleRef module, const char *name)
{
    LLVMValueRef f = rewrite_declared(module, name);

    if (f) {
        char *ours = g_strconcat(REWRITE_PREFIX, name, NULL);
        LLVMSetValueName2(f, ours, strlen(ours));
        g_free(ours);
    }
}

bool
rewrite_calls(LLVMModuleRef module, struct plan *plan, char *const *waits)
{
    bool reads = false;

    for (const char *const *name = covered_reads; *name; name++) {
        reads |= rewrite_declared(module, *name) != NULL;
    }

    plan->waits = false;
    if (!reads) {
        waits_find(module, plan, waits);
    }
    for (const char *const *name = unsupported; *name && !plan->waits;
         name++) {
        if (rewrite_declared(module, *name)) {
            plan_say(plan, "%s: %s() is not replaced: packets that it reads "
                     "do not come through libmbox",
                     reads ? "note" : "not supported", *name);
        }
    }
    if (!reads && !plan->waits) {
        plan_say(plan, "not supported: the program does not read packets by "
                 "pcap_dispatch(), pcap_loop(), pcap_next() or "
                 "pcap_next_ex(), nor wait for sockets");
    }
    for (const char *const *name = replaced; *name; name++) {
        rewrite_redirect(module, *name);
    }
    return reads || plan->waits;
}

/* Whether a name is that of the runtime's function for one of 'names'. */
static bool
is_ours(const char *name, const char *const names[])
{
    bool found = false;

    if (g_str_has_prefix(name, REWRITE_PREFIX)) {
        for (size_t i = 0; names[i]; i++) {
            found |= !strcmp(name + strlen(REWRITE_PREFIX), names[i]);
        }
    }
    return found;
}

bool
rewrite_is_replaced(const char *name)
{
    return is_ours(name, replaced);
}

bool
rewrite_steps(const char *name)
{
    return (is_ours(name, covered_reads)
            || !strcmp(name, REWRITE_PREFIX "pcap_close"));
}

/* Inserts mbox_state_start_value(name, address, size) behind an
 * instruction. */
static void
insert_start_value(LLVMModuleRef module, LLVMBuilderRef builder,
                   LLVMValueRef insn, LLVMValueRef variable, uint64_t size)
{
    LLVMContextRef context = LLVMGetModuleContext(module);
    LLVMTypeRef pointer = LLVMPointerTypeInContext(context, 0);
    LLVMTypeRef types[] = {
        pointer, pointer, LLVMInt64TypeInContext(context),
    };
    LLVMTypeRef type = LLVMFunctionType(LLVMVoidTypeInContext(context), types,
                                        3, false);
    LLVMValueRef f = LLVMGetNamedFunction(module, "mbox_state_start_value");
    size_t n;

    if (!f) {
        f = LLVMAddFunction(module, "mbox_state_start_value", type);
    }
    LLVMPositionBuilderBefore(builder, LLVMGetNextInstruction(insn));
    LLVMSetCurrentDebugLocation2(builder, LLVMInstructionGetDebugLoc(insn));
    LLVMValueRef arguments[] = {
        LLVMBuildGlobalStringPtr(builder, LLVMGetValueName2(variable, &n),
                                 "mbox_state_start_name"),
        variable,
        LLVMConstInt(types[2], size, false),
    };
    LLVMBuildCall2(builder, type, f, arguments, 3, "");
}

void
rewrite_placement(LLVMModuleRef module, const struct plan *plan)
{
    LLVMBuilderRef builder
        = LLVMCreateBuilderInContext(LLVMGetModuleContext(module));

    for (guint i = 0; i < plan->plan_variables->len; i++) {
        const struct plan_variable *v
            = &g_array_index(plan->plan_variables, struct plan_variable, i);
        LLVMValueRef variable = LLVMGetNamedGlobal(module, v->symbol);
        GPtrArray *setters = g_ptr_array_new();

        for (LLVMUseRef use = (v->role == ST_PLACEMENT && variable
                               ? LLVMGetFirstUse(variable) : NULL);
             use; use = LLVMGetNextUse(use)) {
            LLVMValueRef user = LLVMGetUser(use);

            if ((LLVMIsAStoreInst(user)
                 && LLVMGetOperand(user, 1) == variable)
                || LLVMIsACallInst(user)) {
                g_ptr_array_add(setters, user);
            }
        }
        for (guint j = 0; j < setters->len; j++) {
            insert_start_value(module, builder, setters->pdata[j], variable,
                               v->size);
        }
        g_ptr_array_free(setters, TRUE);
    }
    LLVMDisposeBuilder(builder);
}

static void
add_symbol(GArray *symbols, LLVMModuleRef module, LLVMValueRef v,
           LLVMTypeRef type, uint64_t size, enum st_target target,
           uint32_t plan_type)
{
    size_t n;
    struct rewrite_symbol s = {
        .name = g_strdup(LLVMGetValueName2(v, &n)),
        .alias = g_strdup_printf("mbox_state_symbol_%u", symbols->len),
        .size = size,
        .target = target,
        .type = plan_type,
    };
    LLVMValueRef alias = LLVMAddAlias2(module, type, 0, v, s.alias);

    LLVMSetLinkage(alias, LLVMExternalLinkage);
    LLVMSetVisibility(alias, LLVMHiddenVisibility);
    g_array_append_val(symbols, s);
}

/* Whether objects of a type of the plan are of that of LLVM. */
static bool
same_struct(const struct plan_type *t, LLVMTypeRef type, uint64_t size)
{
    const char *llvm = LLVMGetStructName(type);
    const char *tag = strchr(t->name, ' ');

    if (!llvm || !tag || t->size != size) {
        return false;
    }
    char *name = evidence_struct_name(llvm);
    bool same = !strcmp(name, tag + 1);
    g_free(name);
    return same;
}

/* What a variable or constant is to a pointer to it, or to an element. */
static enum st_target
target_of(const struct plan *plan, LLVMTargetDataRef td, const char *name,
          LLVMTypeRef type, uint32_t *plan_type)
{
    struct json_object *v = plan_variable_json(plan, name);
    int json = v ? plan_canonical(plan, json_number(v, "type")) : -1;
    unsigned int n = 0;

    while (LLVMGetTypeKind(type) == LLVMArrayTypeKind) {
        type = LLVMGetElementType(type);
    }
    switch ((int) LLVMGetTypeKind(type)) {
    case LLVMIntegerTypeKind:
    case LLVMFloatTypeKind:
    case LLVMDoubleTypeKind:
        return ST_TO_BYTES;
    case LLVMStructTypeKind:
    case LLVMPointerTypeKind:
        break;
    default:
        return ST_TO_OPAQUE;
    }
    for (guint i = 0; i < plan->plan_types->len; i++) {
        const struct plan_type *t = plan->plan_types->pdata[i];

        if (json >= 0 ? t->json == json
            : LLVMGetTypeKind(type) == LLVMStructTypeKind
              && same_struct(t, type, LLVMABISizeOfType(td, type))) {
            *plan_type = i;
            n++;
        }
    }
    return n == 1 ? ST_TO_TYPE : ST_TO_OPAQUE;
}

/* Whether the runtime calls a function to change or order a tree. */
static bool
keeps_tree(const struct plan *plan, const char *name)
{
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];

        for (guint j = 0; j < s->trees->len; j++) {
            const struct evidence_tree *e
                = g_array_index(s->trees, struct plan_tree, j).e;

            if (!strcmp(e->insert, name) || !strcmp(e->remove, name)
                || !strcmp(e->compare, name)) {
                return true;
            }
        }
    }
    return false;
}

static void
free_symbol(gpointer s_)
{
    struct rewrite_symbol *s = s_;

    g_free(s->name);
    g_free(s->alias);
}

GArray *
rewrite_symbols(LLVMModuleRef module, const struct plan *plan)
{
    GArray *symbols = g_array_new(FALSE, FALSE, sizeof(struct rewrite_symbol));
    LLVMTargetDataRef td = LLVMCreateTargetData(LLVMGetDataLayoutStr(module));

    g_array_set_clear_func(symbols, free_symbol);
    for (LLVMValueRef v = LLVMGetFirstGlobal(module); v;
         v = LLVMGetNextGlobal(v)) {
        LLVMTypeRef type = LLVMGlobalGetValueType(v);
        uint32_t plan_type = 0;
        size_t n;

        if (!LLVMIsDeclaration(v) && !LLVMIsThreadLocal(v)
            && LLVMTypeIsSized(type)
            && strncmp(LLVMGetValueName2(v, &n), "llvm.", 5)) {
            enum st_target target = target_of(plan, td,
                                              LLVMGetValueName2(v, &n), type,
                                              &plan_type);

            add_symbol(symbols, module, v, type, LLVMABISizeOfType(td, type),
                       target, plan_type);
        }
    }
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        size_t n;
        bool taken = place_is_taken(f);

        if (!LLVMIsDeclaration(f)
            && (taken || keeps_tree(plan, LLVMGetValueName2(f, &n)))) {
            add_symbol(symbols, module, f, LLVMGlobalGetValueType(f), 1,
                       taken ? ST_TO_FUNCTION : ST_TO_OPAQUE, 0);
        }
    }
    LLVMDisposeTargetData(td);
    return symbols;
}

const char *
rewrite_alias(const GArray *symbols, const char *name)
{
    for (guint i = 0; i < symbols->len; i++) {
        const struct rewrite_symbol *s
            = &g_array_index(symbols, struct rewrite_symbol, i);

        if (!strcmp(s->name, name)) {
            return s->alias;
        }
    }
    return NULL;
}
