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

#include "loop.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include "array.h"
#include "diag.h"
#include "loop-private.h"

/* The packet-processing loop: what is told of it.  Candidates are found in
 * loop-candidates.c and chosen in loop-choice.c. */

void
sa_loop_add_reason(struct sa_loops *loops, size_t loop, struct sa_loc loc,
                   const char *format, ...)
{
    struct sa_loops_private *l = loops->private;
    va_list args;

    va_start(args, format);
    char *text = g_strdup_vprintf(format, args);
    va_end(args);

    struct sa_reason reason = {
        .loc = loc,
        .text = g_string_chunk_insert_const(l->strings, text),
    };
    g_free(text);

    GArray *reasons = g_ptr_array_index(l->reasons, loop);
    g_array_append_val(reasons, reason);
    loops->loops[loop].why = (struct sa_reasons) {
        (struct sa_reason *) reasons->data, reasons->len
    };
}

/* Where a loop is, "main() (pen.c:2811)", to g_free(). */
static char *
describe(const struct sa_loops *loops, const struct sa_loop *loop)
{
    const struct sa_program *p = loops->private->program;
    struct sa_loc loc = sa_insn_loc(p, loop->insn);
    const char *name = p->functions[loop->function].source_name;

    return loc.line ? g_strdup_printf("%s() (%s:%u)", name, loc.file, loc.line)
                    : g_strdup_printf("%s()", name);
}

/* The first thing to know of each loop: what it reads packets by. */
static void
add_first_reason(struct sa_loops *loops, size_t i)
{
    const struct sa_program *p = loops->private->program;
    const struct sa_loop *loop = &loops->loops[i];

    if (loop->n_reads) {
        const struct sa_read_site *site = &loops->sites[loop->reads[0]];
        struct sa_loc loc = sa_insn_loc(p, site->insn);
        if (site->insn == loop->call) {
            sa_loop_add_reason(loops, i, loc,
                               "%s() is a loop that hands packets to %s()",
                               site->read->name,
                               loop->n_handlers
                               ? p->functions[loop->handlers[0]].source_name
                               : "nothing known");
        } else {
            sa_loop_add_reason(loops, i, loc,
                               "it receives packets by %s(), here%s",
                               site->read->name,
                               loop->n_reads > 1 ? " and elsewhere" : "");
        }
    }
    if (loop->bounded) {
        sa_loop_add_reason(loops, i, sa_insn_loc(p, loop->insn),
                           "it counts or walks a list, and then ends");
    }
}

/* What to tell the user if there is not one loop. */
static void
find_problem(struct sa_loops *loops)
{
    const struct sa_program *p = loops->private->program;

    g_free(loops->problem);
    loops->problem = NULL;
    if (!loops->n_chosen && !loops->n_sites) {
        loops->problem = g_strdup(
            "no call of the program receives packets; if it has one that is "
            "not in packet-reads.json, add it with --table=FILE, or name the "
            "function that is executed for each packet with --loop=FUNCTION");
    } else if (!loops->n_chosen) {
        struct sa_loc loc = sa_insn_loc(p, loops->sites[0].insn);
        loops->problem = g_strdup_printf(
            "packets are received (by %s() at %s:%u), but in no loop; name "
            "the function that is executed for each packet with "
            "--loop=FUNCTION",
            loops->sites[0].read->name, loc.file, loc.line);
    } else if (loops->n_chosen > 1) {
        GString *s = g_string_new("several packet-processing loops, whose "
                                  "state is reported together:");
        for (size_t i = 0; i < loops->n_loops; i++) {
            if (loops->loops[i].chosen) {
                char *place = describe(loops, &loops->loops[i]);
                g_string_append_printf(s, " %s,", place);
                g_free(place);
            }
        }
        g_string_truncate(s, s->len - 1);
        g_string_append(s, "; choose one with --loop (--list-loops shows "
                           "all)");
        loops->problem = g_string_free(s, FALSE);
    }
}

/* Finds the functions that may be executed. */
static void
find_live(struct sa_loops *loops)
{
    struct sa_loops_private *l = loops->private;
    const struct sa_program *p = l->program;
    uint32_t start = sa_function_by_name(p, "main");

    if (start != SA_NONE && p->functions[start].defined) {
        sa_modref_reach(l->modref, &start, 1, l->live);
    } else {
        for (uint32_t f = 0; f < p->n_functions; f++) {
            l->live[f] = true;
        }
    }
}

struct sa_loops *
sa_loops_find(const struct sa_program *program, const struct sa_pta *pta,
              const struct sa_modref *modref, const struct sa_sdg *sdg,
              const struct sa_tables *tables)
{
    struct sa_loops *loops = g_new0(struct sa_loops, 1);
    struct sa_loops_private *l = g_new0(struct sa_loops_private, 1);

    loops->private = l;
    l->program = program;
    l->pta = pta;
    l->modref = modref;
    l->tables = tables;
    l->strings = g_string_chunk_new(4096);
    l->live = g_new0(bool, program->n_functions);
    l->reads = g_new0(bool, program->n_functions);
    l->reasons = g_ptr_array_new_with_free_func(
        (GDestroyNotify) g_array_unref);

    find_live(loops);
    sa_loops_find_sites(loops, sdg);
    sa_loops_find_candidates(loops);
    for (size_t i = 0; i < loops->n_loops; i++) {
        g_ptr_array_add(l->reasons,
                        g_array_new(FALSE, FALSE, sizeof(struct sa_reason)));
        add_first_reason(loops, i);
    }
    if (loops->n_loops) {
        sa_loops_choose_best(loops);
    }
    find_problem(loops);
    return loops;
}

void
sa_loops_destroy(struct sa_loops *loops)
{
    if (!loops) {
        return;
    }

    struct sa_loops_private *l = loops->private;
    for (size_t i = 0; i < loops->n_loops; i++) {
        g_free((uint32_t *) loops->loops[i].blocks);
        g_free((uint32_t *) loops->loops[i].handlers);
        g_free((uint32_t *) loops->loops[i].reads);
        g_array_free(l->reached[i], TRUE);
    }
    g_free(l->reached);
    g_string_chunk_free(l->strings);
    g_free(l->live);
    g_free(l->reads);
    g_ptr_array_free(l->reasons, TRUE);
    g_free(l);
    g_free(loops->sites);
    g_free(loops->loops);
    g_free(loops->problem);
    g_free(loops);
}

/* The user's choice. */

/* Whether 'spec' of 'length' bytes is the file 'file' (with or without leading
 * directories). */
static bool
is_file(const char *file, const char *spec, size_t length)
{
    size_t n = strlen(file);

    return n >= length && !strncmp(file + n - length, spec, length)
           && (n == length || file[n - length - 1] == '/');
}

static bool
is_function(const struct sa_function *f, const char *spec, size_t length)
{
    return (strlen(f->name) == length && !strncmp(f->name, spec, length))
           || (strlen(f->source_name) == length
               && !strncmp(f->source_name, spec, length));
}

/* The loop that 'spec' names, or SIZE_MAX. */
static size_t
find_loop(const struct sa_loops *loops, const char *spec)
{
    const struct sa_program *p = loops->private->program;
    const char *colon = strrchr(spec, ':');
    unsigned long line = 0;
    size_t length = strlen(spec), best = SIZE_MAX;

    if (colon) {
        char *end;
        line = strtoul(colon + 1, &end, 10);
        length = colon - spec;
        if (*end || !line) {
            return SIZE_MAX;
        }
    }
    for (size_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        struct sa_loc loc = sa_insn_loc(p, loop->insn);
        bool named = is_function(&p->functions[loop->function], spec, length)
                     || (line && is_file(loc.file, spec, length));
        if (named && (!line || loc.line == line)
            && (best == SIZE_MAX
                || loop->n_blocks > loops->loops[best].n_blocks)) {
            best = i;
        }
    }
    return best;
}

/* Adds a loop that is the whole function 'f'. */
static size_t
add_function(struct sa_loops *loops, uint32_t f)
{
    struct sa_loops_private *l = loops->private;
    const struct sa_function *function = &l->program->functions[f];
    uint32_t *blocks = g_new(uint32_t, function->n_blocks);
    GArray *fs = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    GArray *reads = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    bool *reached = g_new0(bool, l->program->n_functions);
    size_t i = loops->n_loops;

    for (uint32_t j = 0; j < function->n_blocks; j++) {
        blocks[j] = function->first_block + j;
    }
    sa_modref_reach(l->modref, &f, 1, reached);
    for (uint32_t g = 0; g < l->program->n_functions; g++) {
        if (reached[g] && g != f && l->program->functions[g].defined) {
            g_array_append_val(fs, g);
        }
    }
    for (uint32_t j = 0; j < loops->n_sites; j++) {
        if (reached[l->program->insns[loops->sites[j].insn].function]) {
            g_array_append_val(reads, j);
        }
    }
    g_free(reached);

    size_t n_reads = reads->len;        /* g_array_free() frees that, too. */
    loops->loops = g_renew(struct sa_loop, loops->loops, i + 1);
    l->reached = g_renew(GArray *, l->reached, i + 1);
    l->reached[i] = fs;
    loops->loops[i] = (struct sa_loop) {
        .function = f,
        .header = function->first_block,
        .insn = function->first_insn,
        .call = SA_NONE,
        .blocks = blocks,
        .n_blocks = function->n_blocks,
        .n_reached = fs->len,
        .n_reads = n_reads,
        .reads = (uint32_t *) g_array_free(reads, FALSE),
    };
    loops->n_loops++;
    g_ptr_array_add(l->reasons,
                    g_array_new(FALSE, FALSE, sizeof(struct sa_reason)));
    return i;
}

bool
sa_loops_choose(struct sa_loops *loops, const char *spec, char **errorp)
{
    const struct sa_program *p = loops->private->program;
    size_t best = find_loop(loops, spec);

    for (uint32_t f = 0; best == SIZE_MAX && f < p->n_functions; f++) {
        if (p->functions[f].defined
            && is_function(&p->functions[f], spec, strlen(spec))) {
            best = add_function(loops, f);
        }
    }
    if (best == SIZE_MAX) {
        *errorp = g_strdup_printf(
            "--loop=%s: no such function, and no loop there that receives "
            "packets; --list-loops shows them", spec);
        return false;
    }

    for (size_t i = 0; i < loops->n_loops; i++) {
        if (i == best || loops->loops[i].chosen) {
            sa_loop_add_reason(loops, i,
                               sa_insn_loc(p, loops->loops[i].insn),
                               i == best ? "chosen by --loop"
                               : "not chosen after all: --loop was given");
        }
        loops->loops[i].chosen = i == best;
    }
    loops->n_chosen = 1;
    find_problem(loops);
    return true;
}

/* Questions. */

void
sa_loops_mark_callers(const struct sa_loops *loops, bool *callers)
{
    const struct sa_loops_private *private = loops->private;
    GArray *work = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    for (size_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        if (loop->chosen) {
            g_array_append_val(work, loop->function);
        }
    }
    while (work->len) {
        uint32_t f = g_array_index(work, uint32_t, work->len - 1);
        g_array_set_size(work, work->len - 1);
        if (callers[f]) {
            continue;
        }
        callers[f] = true;
        uint32_t n;
        const uint32_t *calls = sa_pta_callers(private->pta, f, &n);
        for (uint32_t i = 0; i < n; i++) {
            g_array_append_val(work,
                               private->program->insns[calls[i]].function);
        }
    }
    g_array_unref(work);
}

bool
sa_loops_has_insn(const struct sa_loops *loops, uint32_t insn)
{
    const struct sa_insn *in = &loops->private->program->insns[insn];

    for (size_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        if (!loop->chosen || loop->function != in->function) {
            continue;
        }
        if (insn == loop->call) {
            return true;
        }
        for (size_t j = 0; j < loop->n_blocks; j++) {
            if (loop->blocks[j] == in->block) {
                return true;
            }
        }
    }
    return false;
}

uint32_t *
sa_loops_packet_nodes(const struct sa_loops *loops, size_t *n)
{
    GArray *nodes = g_array_new(FALSE, FALSE, sizeof(uint32_t));

    for (size_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        for (size_t j = 0; loop->chosen && j < loop->n_reads; j++) {
            const struct sa_read_site *site = &loops->sites[loop->reads[j]];
            sa_modref_packet(loops->private->modref, site->insn, site->read,
                             nodes);
        }
    }
    sa_sort_unique(nodes);
    *n = nodes->len;
    return (uint32_t *) g_array_free(nodes, FALSE);
}

void
sa_loops_to_result(const struct sa_loops *loops, struct sa_result *result)
{
    const struct sa_program *p = loops->private->program;

    result->n_loops = loops->n_loops;
    result->loops = g_new0(struct sa_result_loop, loops->n_loops);
    for (size_t i = 0; i < loops->n_loops; i++) {
        const struct sa_loop *loop = &loops->loops[i];
        const char *call = loop->n_reads
                           ? loops->sites[loop->reads[0]].read->name : "";
        result->loops[i] = (struct sa_result_loop) {
            .function = p->functions[loop->function].source_name,
            .loc = sa_insn_loc(p, loop->insn),
            .call = call,
            .callback = loop->n_handlers
                        ? p->functions[loop->handlers[0]].source_name : "",
            .chosen = loop->chosen,
            .why = loop->why,
        };
    }
}
