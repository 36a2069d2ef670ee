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

#include "descriptors.h"

#include <glib.h>
#include <string.h>
#include <sys/socket.h>
#include "call.h"
#include "slice.h"

/* What comes from the calls of one source. */
struct source {
    uint32_t insn;              /* First such call, or SA_NONE. */
    struct sa_slice *slice;
};

struct sa_descriptors {
    const struct sa_program *program;
    const struct sa_pta *pta;
    const struct sa_sdg *sdg;
    GHashTable *calls;          /* Name of a library function -> GArray of
                                 * instructions that may call it. */
    GHashTable *sources;        /* Name -> struct source *. */
};

static void
source_destroy(gpointer source_)
{
    struct source *source = source_;

    sa_slice_destroy(source->slice);
    g_free(source);
}

/* Enters a call into 'calls'. */
static void
add_call(struct sa_descriptors *d, uint32_t insn)
{
    uint32_t n;
    const uint32_t *callees = sa_pta_callees(d->pta, insn, &n);

    for (uint32_t i = 0; i < n; i++) {
        const struct sa_function *f = &d->program->functions[callees[i]];
        GArray *calls = g_hash_table_lookup(d->calls, f->name);
        if (!calls && !f->defined) {
            calls = g_array_new(FALSE, FALSE, sizeof(uint32_t));
            g_hash_table_insert(d->calls, (char *) f->name, calls);
        }
        if (calls) {
            g_array_append_val(calls, insn);
        }
    }
}

struct sa_descriptors *
sa_descriptors_create(const struct sa_program *program,
                      const struct sa_pta *pta, const struct sa_sdg *sdg)
{
    struct sa_descriptors *d = g_new0(struct sa_descriptors, 1);

    d->program = program;
    d->pta = pta;
    d->sdg = sdg;
    d->sources = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                       source_destroy);
    d->calls = g_hash_table_new_full(g_str_hash, g_str_equal, NULL,
                                     (GDestroyNotify) g_array_unref);
    for (uint32_t insn = 0; insn < program->n_insns; insn++) {
        if (sa_is_call(program->insns[insn].opcode)) {
            add_call(d, insn);
        }
    }
    return d;
}

void
sa_descriptors_destroy(struct sa_descriptors *d)
{
    if (d) {
        g_hash_table_destroy(d->sources);
        g_hash_table_destroy(d->calls);
        g_free(d);
    }
}

/* Whether argument 'arg' of a call may point to a constant string that starts
 * with 'prefix'. */
static bool
may_start_with(const struct sa_descriptors *d, LLVMValueRef call, int arg,
               const char *prefix)
{
    uint32_t value = sa_value_id(d->program, LLVMGetOperand(call, arg));
    uint32_t n;
    const struct sa_object *objects = sa_pta_objects(d->pta, &n);
    const struct sa_node *nodes = sa_pta_nodes(d->pta, &n);
    bool found = false;

    struct sa_nodes to = { NULL, 0 };
    if (value != SA_NONE) {
        to = sa_pta_value(d->pta, value);
    }
    for (uint32_t i = 0; i < to.n && !found; i++) {
        const struct sa_object *o = &objects[nodes[to.ids[i]].object];
        char *s = o->kind == SA_OBJECT_GLOBAL ? sa_constant_string(o->site)
                                              : NULL;
        found = s && g_str_has_prefix(s, prefix);
        g_free(s);
    }
    return found;
}

/* Whether a call of 'function', which is of the right name, is the source
 * "function:detail". */
static bool
matches_detail(const struct sa_descriptors *d, LLVMValueRef call,
               const char *function, const char *detail)
{
    uint64_t family;

    if (!strcmp(function, "socket") || !strcmp(function, "socketpair")) {
        return (detail && !strcmp(detail, "any"))
               || !sa_call_constant(call, 0, &family)
               || (family != AF_UNIX && family != AF_NETLINK);
    } else if (!detail) {
        return true;
    }

    int n = LLVMGetNumArgOperands(call);
    for (int i = 0; i < n; i++) {
        if (may_start_with(d, call, i, detail)) {
            return true;
        }
    }
    return false;
}

static struct source *
get_source(struct sa_descriptors *d, const char *name)
{
    struct source *source = g_hash_table_lookup(d->sources, name);
    if (source) {
        return source;
    }

    char **parts = g_strsplit(name, ":", 2);
    const GArray *calls = g_hash_table_lookup(d->calls, parts[0]);
    GArray *seeds = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    source = g_new0(struct source, 1);
    source->insn = SA_NONE;
    for (guint i = 0; calls && i < calls->len; i++) {
        uint32_t insn = g_array_index(calls, uint32_t, i);
        if (matches_detail(d, d->program->insns[insn].value, parts[0],
                           parts[1])) {
            uint32_t vertex = sa_sdg_insn(d->sdg, insn);
            g_array_append_val(seeds, vertex);
            source->insn = MIN(source->insn, insn);
        }
    }

    struct sa_slice_options options = { .dep = SA_DEP_VALUE };
    source->slice = sa_slice_forward(d->sdg, (uint32_t *) seeds->data,
                                     seeds->len, &options);
    g_array_free(seeds, TRUE);
    g_strfreev(parts);
    g_hash_table_insert(d->sources, g_strdup(name), source);
    return source;
}

uint32_t
sa_descriptor_source(struct sa_descriptors *d, uint32_t insn, int arg,
                     const char *const *sources)
{
    LLVMValueRef call = d->program->insns[insn].value;
    uint32_t first = SA_NONE;

    if (arg < 0 || arg >= (int) LLVMGetNumArgOperands(call)) {
        return SA_NONE;
    }
    uint32_t id = sa_value_id(d->program, LLVMGetOperand(call, arg));
    uint32_t vertex = id == SA_NONE ? SA_NONE : sa_sdg_value(d->sdg, id);
    for (size_t i = 0; sources && sources[i]; i++) {
        const struct source *source = get_source(d, sources[i]);
        if (sa_slice_has(source->slice, vertex)) {
            first = MIN(first, source->insn);
        }
    }
    return first;
}
