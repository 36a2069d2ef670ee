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

#include "unmovable.h"

#include <string.h>

#include "call.h"
#include "members.h"
#include "pta.h"
#include "sdg.h"
#include "slice.h"

struct sa_unmovable {
    const char **why;           /* By variable. */
};

/* Types by their names, without "struct ". */
static const struct {
    const char *name;
    const char *why;
} types[] = {
    { "FILE", "FILE *" },
    { "_IO_FILE", "FILE *" },
    { "DIR", "DIR *" },
    { "__dirstream", "DIR *" },
    { "pthread_t", "thread" },
    { "pthread_mutex_t", "mutex" },
    { "pthread_rwlock_t", "lock" },
    { "pthread_spinlock_t", "lock" },
    { "pthread_cond_t", "condition variable" },
    { "pthread_key_t", "thread-specific key" },
    { "sem_t", "semaphore" },
    { "timer_t", "timer" },
    { "iconv_t", "character set converter" },
    { "locale_t", "locale" },
    { "__locale_struct", "locale" },
    { "regex_t", "compiled regular expression" },
    { "re_pattern_buffer", "compiled regular expression" },
    { "SSL", "TLS connection" },
    { "ssl_st", "TLS connection" },
    { "SSL_CTX", "TLS context" },
    { "ssl_ctx_st", "TLS context" },
    { "BIO", "OpenSSL BIO" },
    { "bio_st", "OpenSSL BIO" },
    { "EVP_CIPHER_CTX", "OpenSSL cipher context" },
    { "evp_cipher_ctx_st", "OpenSSL cipher context" },
    { "EVP_MD_CTX", "OpenSSL digest context" },
    { "evp_md_ctx_st", "OpenSSL digest context" },
    { "HMAC_CTX", "OpenSSL HMAC context" },
    { "hmac_ctx_st", "OpenSSL HMAC context" },
    { "pcap_t", "capture handle" },
    { "pcap", "capture handle" },
    { "pcap_dumper_t", "capture file" },
    { "pcap_dumper", "capture file" },
    { "event", "event of the event library" },
    { "event_base", "event library" },
    { "bufferevent", "event library" },
    { "ev_loop", "event library" },
    { "jmp_buf", "saved stack" },
    { "__jmp_buf_tag", "saved stack" },
    { "z_stream", "compression stream" },
    { "z_stream_s", "compression stream" },
};

/* Calls that return a descriptor. */
static const char *const openers[] = {
    "socket", "accept", "accept4", "open", "open64", "openat", "creat", "dup",
    "epoll_create", "epoll_create1", "eventfd", "timerfd_create", "signalfd",
    "inotify_init", "inotify_init1", "fileno", "pcap_fileno",
    "pcap_get_selectable_fd", "memfd_create", NULL
};

static const char *
why_type(const struct sa_type *type)
{
    for (int i = 0; type && i < 16; i++) {
        const char *name = type->name ? type->name : "";
        if (g_str_has_prefix(name, "struct ")) {
            name += strlen("struct ");
        }
        for (size_t j = 0; j < G_N_ELEMENTS(types); j++) {
            if (!strcmp(name, types[j].name)) {
                return types[j].why;
            }
        }
        const struct sa_type *c = type->canonical;
        if (c != type) {
            type = c;
        } else if (c->kind == SA_TYPE_POINTER || c->kind == SA_TYPE_ARRAY) {
            type = c->target;
        } else {
            break;
        }
    }
    return NULL;
}

/* Of a variable, or of a member of one that is a struct. */
static const char *
why_variable(const struct sa_state_variable *v)
{
    const char *why = why_type(v->type);
    const struct sa_type *t = v->type ? v->type->canonical : NULL;
    if (!why && t && t->kind == SA_TYPE_STRUCT && t->n_members) {
        GArray *leaves = sa_members_flatten(t);
        for (guint i = 0; i < leaves->len && !why; i++) {
            why = why_type(g_array_index(leaves, struct sa_leaf, i).type);
        }
        g_array_unref(leaves);
    }
    return why;
}

static bool
is_descriptor_type(const struct sa_state_variable *v)
{
    const struct sa_type *t = v->type ? v->type->canonical : NULL;
    return t && t->kind == SA_TYPE_INT && t->size == 4 && t->is_signed;
}

/* What is computed from a descriptor is none: a truth value, a sum (for
 * select()), a difference, a remainder (by a hash). */
static bool
is_computed(uint32_t vertex, void *a_)
{
    const struct sa_analysis *a = a_;
    struct sa_vertex v = sa_sdg_vertex(a->sdg, vertex);
    if (v.kind != SA_VERTEX_INSN) {
        return false;
    }
    switch ((int) a->program->insns[v.id].opcode) {
    case LLVMICmp:
    case LLVMAdd:
    case LLVMSub:
    case LLVMURem:
    case LLVMSRem:
        return true;
    default:
        return sa_is_call(a->program->insns[v.id].opcode);
    }
}

static struct sa_slice *
slice_descriptors(const struct sa_analysis *a)
{
    GArray *seeds = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (uint32_t i = 0; i < a->program->n_insns; i++) {
        if (!sa_is_call(a->program->insns[i].opcode)) {
            continue;
        }
        uint32_t n;
        const uint32_t *callees = sa_pta_callees(a->pta, i, &n);
        for (uint32_t j = 0; j < n; j++) {
            const struct sa_function *f = &a->program->functions[callees[j]];
            uint32_t vertex = sa_sdg_insn(a->sdg, i);
            if (!f->defined && vertex != SA_NONE
                && g_strv_contains(openers, f->name)) {
                g_array_append_val(seeds, vertex);
            }
        }
    }
    struct sa_slice_options options = {
        .dep = SA_DEP_VALUE, .skip = is_computed, .aux = (void *) a
    };
    struct sa_slice *slice = sa_slice_forward(
        a->sdg, (const uint32_t *) seeds->data, seeds->len, &options);
    g_array_unref(seeds);
    return slice;
}

static bool
holds_descriptor(const struct sa_analysis *a, const struct sa_slice *slice,
                 const struct sa_state_variable *v)
{
    for (guint i = 0; i < v->nodes->len; i++) {
        uint32_t vertex = sa_sdg_node(a->sdg,
                                      g_array_index(v->nodes, uint32_t, i));
        if (vertex != SA_NONE && sa_slice_has(slice, vertex)) {
            return true;
        }
    }
    uint32_t vertex = v->nodes->len || v->value == SA_NONE ? SA_NONE
                      : sa_sdg_value(a->sdg, v->value);
    return vertex != SA_NONE && sa_slice_has(slice, vertex);
}

struct sa_unmovable *
sa_unmovable_run(const struct sa_analysis *a, const struct sa_state *state)
{
    struct sa_unmovable *u = g_new0(struct sa_unmovable, 1);
    u->why = g_new0(const char *, state->variables->len + 1);
    struct sa_slice *slice = slice_descriptors(a);
    for (guint i = 0; i < state->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(state, i);
        u->why[i] = why_variable(v);
        if (!u->why[i] && is_descriptor_type(v)
            && holds_descriptor(a, slice, v)) {
            u->why[i] = "file descriptor";
        }
    }
    sa_slice_destroy(slice);
    return u;
}

void
sa_unmovable_destroy(struct sa_unmovable *u)
{
    if (u) {
        g_free(u->why);
        g_free(u);
    }
}

const char *
sa_unmovable_why(const struct sa_unmovable *u, uint32_t variable)
{
    return u->why[variable];
}
