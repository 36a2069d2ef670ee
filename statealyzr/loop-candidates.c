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

#include "loop-private.h"

#include <string.h>
#include "array.h"
#include "call.h"
#include "descriptors.h"

/* Finds the calls that read packets and the loops that contain them. */

/* Calls of library functions. */

/* Calls that wait for something to happen, beside the reads themselves. */
bool
sa_loops_is_wait(const struct sa_loops *loops, const char *name)
{
    static const char *const waits[] = {
        "poll", "ppoll", "__poll_chk", "__ppoll_chk", "select", "pselect",
        "epoll_wait", "epoll_pwait", "epoll_pwait2", "kevent", "accept",
        "accept4", "sigwait", "sigwaitinfo", "io_uring_wait_cqe",
        "io_getevents", "port_getn", NULL
    };

    return g_strv_contains(waits, name)
           || sa_tables_packet_read(loops->private->tables, name);
}

/* Calls that make what packets are read from, at the start of a program. */
bool
sa_loops_is_open(const struct sa_loops *loops G_GNUC_UNUSED,
                 const char *name)
{
    static const char *const opens[] = {
        "listen", "pcap_create", "pcap_open_live", "pcap_open_offline",
        "pcap_fopen_offline", "rte_eal_init", "rte_eth_dev_start", "nm_open",
        "nfq_open", "event_base_new", "event_init", "ev_loop_new",
        "ev_default_loop", NULL
    };

    return g_strv_contains(opens, name);
}

static bool
is_packet_read(const struct sa_loops *loops, const char *name)
{
    return sa_tables_packet_read(loops->private->tables, name);
}

static bool
is_event_call(const struct sa_loops *loops, const char *name)
{
    return sa_tables_event(loops->private->tables, name);
}

/* A packet read may be a function of the program: of an inline function of a
 * header (rte_eth_rx_burst()), or of what a user names in a table. */
const char *
sa_loops_library_call(const struct sa_loops *loops, uint32_t insn,
                      bool (*is)(const struct sa_loops *, const char *))
{
    const struct sa_loops_private *l = loops->private;
    uint32_t n;

    if (!sa_is_call(l->program->insns[insn].opcode)) {
        return NULL;
    }
    const uint32_t *callees = sa_pta_callees(l->pta, insn, &n);
    for (uint32_t i = 0; i < n; i++) {
        const struct sa_function *f = &l->program->functions[callees[i]];
        if ((!f->defined || is == is_packet_read) && is(loops, f->name)) {
            return f->name;
        }
    }
    return NULL;
}

void
sa_loops_called_at(const struct sa_loops *loops, uint32_t insn,
                   GArray *functions)
{
    const struct sa_loops_private *l = loops->private;

    if (!sa_is_call(l->program->insns[insn].opcode)) {
        return;
    }
    for (int callback = 0; callback < 2; callback++) {
        uint32_t n;
        const uint32_t *fs = callback ? sa_pta_callbacks(l->pta, insn, &n)
                                      : sa_pta_callees(l->pta, insn, &n);
        for (uint32_t i = 0; i < n; i++) {
            if (l->program->functions[fs[i]].defined) {
                g_array_append_val(functions, fs[i]);
            }
        }
    }
}

/* Reads of packets. */

/* Whether the descriptor of a read may be one that packets come from: it comes
 * from one of the calls that the table says, or from nothing that is known to
 * make descriptors (a loop over all those that select() says are ready). */
static bool
is_packet_descriptor(struct sa_descriptors *d, uint32_t insn,
                     const struct sa_packet_read *read,
                     const struct sa_program *p)
{
    static const char *const others[] = {
        "open", "open64", "openat", "creat", "pipe", "pipe2", "fileno",
        "socket:any", "socketpair:any", "eventfd", "signalfd",
        "timerfd_create", "inotify_init", "inotify_init1", "memfd_create",
        "mkstemp", "mkstemp64", "dup", "dup2", "shm_open", "posix_openpt",
        NULL
    };
    LLVMValueRef call = p->insns[insn].value;

    if (read->descriptor < 0 || !read->opens || !read->opens[0]
        || read->descriptor >= (int) LLVMGetNumArgOperands(call)) {
        return true;
    } else if (LLVMIsConstant(LLVMGetOperand(call, read->descriptor))) {
        return false;
    }
    LLVMTypeRef type = LLVMTypeOf(LLVMGetOperand(call, read->descriptor));
    return sa_descriptor_source(d, insn, read->descriptor, read->opens)
           != SA_NONE
           || (LLVMGetTypeKind(type) == LLVMIntegerTypeKind
               && sa_descriptor_source(d, insn, read->descriptor, others)
                  == SA_NONE);
}

void
sa_loops_find_sites(struct sa_loops *loops, const struct sa_sdg *sdg)
{
    const struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    struct sa_descriptors *d = sa_descriptors_create(p, l->pta, sdg);
    GArray *sites = g_array_new(FALSE, FALSE, sizeof(struct sa_read_site));

    for (uint32_t insn = 0; insn < p->n_insns; insn++) {
        const char *name = sa_loops_library_call(loops, insn, is_packet_read);
        if (!name || !l->live[p->insns[insn].function]) {
            continue;
        }
        struct sa_read_site site = {
            insn, sa_tables_packet_read(l->tables, name)
        };
        if (is_packet_descriptor(d, insn, site.read, p)) {
            g_array_append_val(sites, site);
        }
    }
    sa_descriptors_destroy(d);
    loops->n_sites = sites->len;
    loops->sites = (struct sa_read_site *) g_array_free(sites, FALSE);
}

const struct sa_packet_read *
sa_loops_read_at(const struct sa_loops *loops, uint32_t insn)
{
    size_t low = 0, high = loops->n_sites;

    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (loops->sites[mid].insn == insn) {
            return loops->sites[mid].read;
        } else if (loops->sites[mid].insn < insn) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return NULL;
}

/* Finds the functions that read packets, or call such. */
static void
find_reading_functions(struct sa_loops *loops)
{
    const struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    GArray *pairs = g_array_new(FALSE, FALSE, sizeof(struct sa_pair));
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    struct sa_csr callers;

    for (uint32_t f = 0; f < p->n_functions; f++) {
        uint32_t n;
        const uint32_t *callees = sa_modref_callees(l->modref, f, &n);
        for (uint32_t i = 0; i < n && l->live[f]; i++) {
            struct sa_pair pair = { callees[i], f };
            g_array_append_val(pairs, pair);
        }
    }
    sa_csr_init(&callers, p->n_functions, pairs);

    for (size_t i = 0; i < loops->n_sites; i++) {
        uint32_t f = p->insns[loops->sites[i].insn].function;
        if (!l->reads[f]) {
            l->reads[f] = true;
            g_array_append_val(work, f);
        }
    }
    while (work->len) {
        uint32_t f = g_array_index(work, uint32_t, work->len - 1), n;
        g_array_set_size(work, work->len - 1);
        const uint32_t *from = sa_csr_get(&callers, f, &n);
        for (uint32_t i = 0; i < n; i++) {
            if (!l->reads[from[i]]) {
                l->reads[from[i]] = true;
                g_array_append_val(work, from[i]);
            }
        }
    }
    sa_csr_destroy(&callers);
    g_array_free(pairs, TRUE);
    g_array_free(work, TRUE);
}

/* Loops. */

/* Adds 'loop', whose body calls 'called', unless nothing there reads packets:
 * neither what is called nor the instructions of the body. */
static void
add_candidate(struct sa_loops *loops, GArray *array, struct sa_loop *loop,
              GArray *called)
{
    struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    bool *reached = g_new0(bool, p->n_functions);
    GArray *functions = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GArray *reads = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    sa_modref_reach(l->modref, (uint32_t *) called->data, called->len,
                    reached);
    for (uint32_t f = 0; f < p->n_functions; f++) {
        if (reached[f] && p->functions[f].defined) {
            g_array_append_val(functions, f);
        }
    }
    for (uint32_t i = 0; i < loops->n_sites; i++) {
        uint32_t insn = loops->sites[i].insn;
        bool in = reached[p->insns[insn].function] || insn == loop->call;
        for (size_t j = 0; j < loop->n_blocks && !in; j++) {
            in = p->insns[insn].block == loop->blocks[j];
        }
        if (in) {
            g_array_append_val(reads, i);
        }
    }
    g_free(reached);

    loop->n_reached = functions->len;
    loop->n_reads = reads->len;
    loop->reads = (uint32_t *) g_array_free(reads, FALSE);
    g_array_append_val(array, *loop);
    l->reached = g_renew(GArray *, l->reached, array->len);
    l->reached[array->len - 1] = functions;
}

/* The instruction to show as the place of a loop: the first one of its header
 * that has a place in the source, or of its other blocks. */
static uint32_t
find_place(const struct sa_program *p, const struct sa_region *r)
{
    for (guint i = 0; i < r->blocks->len + 1; i++) {
        const struct sa_block *b
            = &p->blocks[i ? g_array_index(r->blocks, uint32_t, i - 1)
                           : r->header];
        for (uint32_t insn = b->first_insn;
             insn < b->first_insn + b->n_insns; insn++) {
            if (sa_insn_loc(p, insn).line) {
                return insn;
            }
        }
    }
    return p->blocks[r->header].first_insn;
}

/* Adds the loops of the control flow graph of a function. */
static void
add_regions(struct sa_loops *loops, GArray *array, uint32_t function)
{
    const struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    GArray *regions = g_array_new(FALSE, FALSE, sizeof(struct sa_region));
    GArray *called = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    sa_find_regions(p, function, regions);
    for (guint i = 0; i < regions->len; i++) {
        struct sa_region *r = &g_array_index(regions, struct sa_region, i);
        bool reads = false;

        g_array_set_size(called, 0);
        for (guint j = 0; j < r->blocks->len; j++) {
            const struct sa_block *b
                = &p->blocks[g_array_index(r->blocks, uint32_t, j)];
            for (uint32_t insn = b->first_insn;
                 insn < b->first_insn + b->n_insns; insn++) {
                sa_loops_called_at(loops, insn, called);
                reads = reads || sa_loops_read_at(loops, insn);
            }
        }
        for (guint j = 0; j < called->len && !reads; j++) {
            reads = l->reads[g_array_index(called, uint32_t, j)];
        }
        if (!reads) {
            g_array_free(r->blocks, TRUE);
            continue;
        }

        bool bounded = sa_region_is_bounded(p, r);
        guint n_blocks = r->blocks->len;
        struct sa_loop loop = {
            .function = function,
            .header = r->header,
            .insn = find_place(p, r),
            .call = SA_NONE,
            .bounded = bounded,
            .n_blocks = n_blocks,
            .blocks = (uint32_t *) g_array_free(r->blocks, FALSE),
        };
        add_candidate(loops, array, &loop, called);
    }
    g_array_free(regions, TRUE);
    g_array_free(called, TRUE);
}

/* Collects the handlers that are registered for loops of event libraries:
 * a table from name of the call that loops to GArray of uint32_t. */
static GHashTable *
find_handlers(const struct sa_loops *loops)
{
    const struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    GHashTable *handlers = g_hash_table_new_full(
        g_str_hash, g_str_equal, NULL, (GDestroyNotify) g_array_unref);

    for (uint32_t insn = 0; insn < p->n_insns; insn++) {
        const char *name = sa_loops_library_call(loops, insn, is_event_call);
        if (!name || !l->live[p->insns[insn].function]) {
            continue;
        }
        const struct sa_event_call *e = sa_tables_event(l->tables, name);
        LLVMValueRef call = p->insns[insn].value;
        uint32_t value = SA_NONE, n_nodes, n;
        if (e->callback >= 0
            && e->callback < (int) LLVMGetNumArgOperands(call)) {
            value = sa_value_id(p, LLVMGetOperand(call, e->callback));
        }
        struct sa_nodes to = { NULL, 0 };
        if (value != SA_NONE) {
            to = sa_pta_value(l->pta, value);
        }
        const struct sa_object *objects = sa_pta_objects(l->pta, &n);
        const struct sa_node *nodes = sa_pta_nodes(l->pta, &n_nodes);
        for (size_t i = 0; e->loops && e->loops[i]; i++) {
            GArray *fs = g_hash_table_lookup(handlers, e->loops[i]);
            if (!fs) {
                fs = g_array_new(FALSE, FALSE, sizeof(uint32_t));
                g_hash_table_insert(handlers, (char *) e->loops[i], fs);
            }
            for (uint32_t j = 0; j < to.n; j++) {
                const struct sa_object *o = &objects[nodes[to.ids[j]].object];
                uint32_t f = o->kind == SA_OBJECT_FUNCTION
                             ? sa_function_id(p, o->site) : SA_NONE;
                if (f != SA_NONE && p->functions[f].defined) {
                    g_array_append_val(fs, f);
                }
            }
            const uint32_t *callbacks = sa_pta_callbacks(l->pta, insn, &n);
            for (uint32_t j = 0; j < n; j++) {
                if (p->functions[callbacks[j]].defined) {
                    g_array_append_val(fs, callbacks[j]);
                }
            }
            sa_sort_unique(fs);
        }
    }
    return handlers;
}

/* Adds a loop that is in the library function called at 'insn', if it is one,
 * and some handler reads packets or is given them. */
static void
add_library_loop(struct sa_loops *loops, GArray *array, uint32_t insn,
                 GHashTable *handlers)
{
    const struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    const struct sa_packet_read *read = sa_loops_read_at(loops, insn);
    GArray *called = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool reads = read && read->callback != SA_NO_ARG;
    uint32_t n;

    if (reads) {
        const uint32_t *fs = sa_pta_callbacks(l->pta, insn, &n);
        for (uint32_t i = 0; i < n; i++) {
            if (p->functions[fs[i]].defined) {
                g_array_append_val(called, fs[i]);
            }
        }
    } else {
        const uint32_t *fs = sa_pta_callees(l->pta, insn, &n);
        for (uint32_t i = 0; i < n; i++) {
            const GArray *registered = g_hash_table_lookup(
                handlers, p->functions[fs[i]].name);
            if (registered && !p->functions[fs[i]].defined) {
                g_array_append_vals(called, registered->data,
                                    registered->len);
            }
        }
        for (guint i = 0; i < called->len && !reads; i++) {
            reads = l->reads[g_array_index(called, uint32_t, i)];
        }
    }

    sa_sort_unique(called);
    if (reads) {
        struct sa_loop loop = {
            .function = p->insns[insn].function,
            .header = p->insns[insn].block,
            .insn = insn,
            .call = insn,
            .handlers = g_memdup2(called->data,
                                  called->len * sizeof(uint32_t)),
            .n_handlers = called->len,
        };
        add_candidate(loops, array, &loop, called);
    }
    g_array_free(called, TRUE);
}

void
sa_loops_find_candidates(struct sa_loops *loops)
{
    const struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    GArray *array = g_array_new(FALSE, TRUE, sizeof(struct sa_loop));
    GHashTable *handlers = find_handlers(loops);

    find_reading_functions(loops);
    for (uint32_t f = 0; f < p->n_functions; f++) {
        const struct sa_function *function = &p->functions[f];
        if (!function->defined || !l->live[f]) {
            continue;
        }
        if (l->reads[f]) {
            add_regions(loops, array, f);
        }
        for (uint32_t insn = function->first_insn;
             insn < function->first_insn + function->n_insns; insn++) {
            if (sa_is_call(p->insns[insn].opcode)) {
                add_library_loop(loops, array, insn, handlers);
            }
        }
    }
    g_hash_table_destroy(handlers);
    loops->n_loops = array->len;
    loops->loops = (struct sa_loop *) g_array_free(array, FALSE);
}
