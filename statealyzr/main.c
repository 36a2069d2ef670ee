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

/* mbox-statealyzr: finds the state of a middlebox program. */

#include <config.h>

#include "analysis.h"
#include "diag.h"
#include "feasible.h"
#include "loop.h"
#include "modref.h"
#include "procedures.h"
#include "pta.h"
#include "report.h"
#include "sdg.h"
#include "tables.h"
#include "targets.h"

#include <errno.h>
#include <getopt.h>
#include <glib.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

enum format { FORMAT_TEXT, FORMAT_JSON, FORMAT_DOT, FORMAT_HTML };

enum precision_option { PRECISION_AUTO, PRECISION_OBJECTS, PRECISION_TYPES };

struct options {
    GPtrArray *files;
    GPtrArray *loops;           /* --loop */
    GPtrArray *why;             /* --why */
    GPtrArray *tables;          /* --table */
    GPtrArray *roots;           /* --source */
    enum format format;
    const char *output;
    bool list_loops, explain, stats, progress;
    enum precision_option precision;    /* --precision */
    guint64 max_steps;          /* --max-steps, 0 if not given. */
};

/* Steps of the points-to analysis that are given up after unless the user says
 * how many.  If there is another, coarser way, that is tried long before. */
#define DEFAULT_MAX_STEPS UINT64_C(10000000000)
#define AUTO_MAX_STEPS UINT64_C(100000000)

/* What is found out on the way, in the order in which it is. */
struct run {
    const struct options *options;
    struct sa_tables *tables;
    struct sa_program *program;
    struct sa_types *types;
    struct sa_pta *pta;
    enum sa_precision precision;    /* Of 'pta'. */
    struct sa_modref *modref;
    struct sa_sdg *sdg;
    struct sa_loops *loops;
    struct sa_feasible *feasible;
    struct sa_targets *targets;
    struct sa_procedures *procedures;
    struct sa_source *source;
    struct sa_result *result;
    volatile bool *loading;     /* Shared with the process that waits. */
    GArray *phases;             /* struct sa_phase. */
    gint64 phase_start;         /* Monotonic, microseconds. */
};

static void
usage(FILE *f)
{
    fputs("mbox-statealyzr: find the state of a middlebox program\n"
          "usage: mbox-statealyzr [OPTION...] FILE.bc...\n"
          "\n"
          "FILE.bc is what mbox-cc keeps beside the program that it links.\n"
          "\n"
          "result:\n"
          "  --format=FORMAT   text (default), json, dot or html\n"
          "  -o, --output=FILE write to FILE instead of standard output\n"
          "  --why=VARIABLE    why a variable is state (or not), in which "
          "class\n"
          "  --explain         how the packet loop and the state procedures "
          "were found\n"
          "  --list-loops      the loops that read packets\n"
          "analysis:\n"
          "  --loop=PLACE      take this loop: FUNCTION, FUNCTION:LINE or "
          "FILE:LINE\n"
          "  --table=FILE      more tables: packet reads, outputs, library "
          "calls, fields\n"
          "  --source=FOLDER   where source files are, for the lines in "
          "reports\n"
          "  --precision=WHAT  tell memory apart by objects, by types (large "
          "programs),\n"
          "                    or auto (default): by types if objects take "
          "too long\n"
          "  --max-steps=N     points-to steps after which it is too long "
          "(10^8,\n"
          "                    or 10^10 if there is nothing else to try)\n"
          "other:\n"
          "  --stats           time, memory and set sizes of each phase\n"
          "  --progress        show progress even if standard error is no "
          "terminal\n"
          "  -h, --help        print this\n"
          "  -V, --version     print the version\n", f);
}

enum {
    OPT_FORMAT = 256, OPT_WHY, OPT_EXPLAIN, OPT_LIST_LOOPS, OPT_LOOP,
    OPT_TABLE, OPT_SOURCE, OPT_MAX_STEPS, OPT_PRECISION, OPT_STATS,
    OPT_PROGRESS
};

/* The index of 's' in 'names', 'n' if it is none of them. */
static size_t
find_name(const char *s, const char *const names[], size_t n)
{
    size_t i = 0;
    while (i < n && strcmp(s, names[i])) {
        i++;
    }
    return i;
}

static bool
parse_format(const char *s, enum format *format)
{
    static const char *const names[] = { "text", "json", "dot", "html" };
    *format = find_name(s, names, G_N_ELEMENTS(names));
    return *format < G_N_ELEMENTS(names);
}

static bool
parse_precision(const char *s, enum precision_option *precision)
{
    static const char *const names[] = { "auto", "objects", "types" };
    *precision = find_name(s, names, G_N_ELEMENTS(names));
    return *precision < G_N_ELEMENTS(names);
}

static void G_GNUC_NORETURN
usage_error(const char *message)
{
    if (message) {
        fprintf(stderr, "mbox-statealyzr: %s\n", message);
    }
    fputs("Try \"mbox-statealyzr --help\".\n", stderr);
    exit(2);
}

static void
parse_options(int argc, char *argv[], struct options *o)
{
    static const struct option longs[] = {
        { "format", required_argument, NULL, OPT_FORMAT },
        { "output", required_argument, NULL, 'o' },
        { "why", required_argument, NULL, OPT_WHY },
        { "explain", no_argument, NULL, OPT_EXPLAIN },
        { "list-loops", no_argument, NULL, OPT_LIST_LOOPS },
        { "loop", required_argument, NULL, OPT_LOOP },
        { "table", required_argument, NULL, OPT_TABLE },
        { "source", required_argument, NULL, OPT_SOURCE },
        { "max-steps", required_argument, NULL, OPT_MAX_STEPS },
        { "precision", required_argument, NULL, OPT_PRECISION },
        { "stats", no_argument, NULL, OPT_STATS },
        { "progress", no_argument, NULL, OPT_PROGRESS },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };

    for (int c; (c = getopt_long(argc, argv, "o:hV", longs, NULL)) >= 0;) {
        switch (c) {
        case OPT_FORMAT:
            if (!parse_format(optarg, &o->format)) {
                usage_error("--format is text, json, dot or html");
            }
            break;
        case 'o': o->output = optarg; break;
        case OPT_WHY: g_ptr_array_add(o->why, optarg); break;
        case OPT_EXPLAIN: o->explain = true; break;
        case OPT_LIST_LOOPS: o->list_loops = true; break;
        case OPT_LOOP: g_ptr_array_add(o->loops, optarg); break;
        case OPT_TABLE: g_ptr_array_add(o->tables, optarg); break;
        case OPT_SOURCE: g_ptr_array_add(o->roots, optarg); break;
        case OPT_MAX_STEPS:
            if (!g_ascii_string_to_unsigned(optarg, 10, 1, G_MAXINT64,
                                            &o->max_steps, NULL)) {
                usage_error("--max-steps is a number, 1 or more");
            }
            break;
        case OPT_PRECISION:
            if (!parse_precision(optarg, &o->precision)) {
                usage_error("--precision is auto, objects or types");
            }
            break;
        case OPT_STATS: o->stats = true; break;
        case OPT_PROGRESS: o->progress = true; break;
        case 'h':
            usage(stdout);
            exit(0);
        case 'V':
            puts("mbox-statealyzr (ovs-mbox) " PACKAGE_VERSION);
            exit(0);
        default:
            usage_error(NULL);
        }
    }
    for (int i = optind; i < argc; i++) {
        g_ptr_array_add(o->files, argv[i]);
    }
    if (!o->files->len) {
        usage_error("name the bitcode of a program (mbox-cc makes it)");
    }
    if (o->loops->len > 1) {
        usage_error("--loop may be given once");
    }
}

/* Phases. */

static void
phase_end(const char *name, const char *figures, void *run_)
{
    struct run *run = run_;
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    gint64 now = g_get_monotonic_time();
    struct sa_phase phase = {
        .name = g_strdup(name),
        .seconds = (now - run->phase_start) / 1e6,
        .peak_rss = (uint64_t) usage.ru_maxrss * 1024,
        .figures = g_strdup(figures ? figures : ""),
    };
    g_array_append_val(run->phases, phase);
    run->phase_start = g_get_monotonic_time();
    sa_progress("%s: %.1f s", name, phase.seconds);
}

static void G_GNUC_PRINTF(3, 4)
phase_endf(struct run *run, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *figures = g_strdup_vprintf(format, args);
    va_end(args);
    phase_end(name, figures, run);
    g_free(figures);
}

static bool
fail(char *error)
{
    fprintf(stderr, "mbox-statealyzr: %s\n", error);
    g_free(error);
    return false;
}

/* Folders in which the compiler was run, where file names start. */
static void
add_roots(struct run *run)
{
    LLVMModuleRef module = run->program->module;
    unsigned int n = LLVMGetNamedMetadataNumOperands(module, "llvm.dbg.cu");
    LLVMValueRef *units = g_new0(LLVMValueRef, n + 1);
    LLVMGetNamedMetadataOperands(module, "llvm.dbg.cu", units);
    for (unsigned int i = 0; i < n; i++) {
        LLVMMetadataRef unit = LLVMValueAsMetadata(units[i]);
        LLVMMetadataRef file
            = (LLVMGetMetadataKind(unit) == LLVMDICompileUnitMetadataKind
               ? LLVMDIScopeGetFile(unit) : NULL);
        unsigned int length = 0;
        const char *dir = file ? LLVMDIFileGetDirectory(file, &length) : NULL;
        if (dir && length) {
            char *s = g_strndup(dir, length);
            sa_source_add_root(run->source, s);
            g_free(s);
        }
    }
    g_free(units);
}

static bool
load(struct run *run)
{
    const struct options *o = run->options;
    char *error = NULL;

    run->tables = sa_tables_load(NULL, (char **) o->tables->pdata,
                                 o->tables->len, &error);
    if (!run->tables) {
        return fail(error);
    }
    *run->loading = true;
    run->program = sa_program_load((char **) o->files->pdata, o->files->len,
                                   &error);
    *run->loading = false;
    if (!run->program) {
        return fail(error);
    }
    if (!run->program->has_debug_info) {
        sa_warn((struct sa_loc) { "", 0, 0 },
                "some functions have no debug information: names, types and "
                "places are missing, and members are not told apart; compile "
                "with -g, or with mbox-cc");
    }
    phase_endf(run, "load", "%"PRIu32" functions, %"PRIu32" instructions",
               run->program->n_functions, run->program->n_insns);

    run->types = sa_types_create(run->program);
    size_t n_structs;
    sa_types_structs(run->types, &n_structs);
    phase_endf(run, "types", "%zu structs", n_structs);
    add_roots(run);
    return true;
}

static bool
find_loop(struct run *run)
{
    const struct options *o = run->options;
    run->loops = sa_loops_find(run->program, run->pta, run->modref, run->sdg,
                               run->tables);
    char *error = NULL;
    if (o->loops->len
        && !sa_loops_choose(run->loops, g_ptr_array_index(o->loops, 0),
                            &error)) {
        return fail(error);
    }
    phase_endf(run, "loop", "%zu packet reads, %zu loops", run->loops->n_sites,
               run->loops->n_loops);
    if (run->loops->problem && !o->loops->len && !o->list_loops) {
        fprintf(stderr, "mbox-statealyzr: %s\n", run->loops->problem);
    }
    return run->loops->n_chosen || o->list_loops;
}

/* Runs the points-to analysis, with the precision that the user asks for or
 * that is left. */
static bool
find_targets(struct run *run)
{
    const struct options *o = run->options;
    bool is_auto = o->precision == PRECISION_AUTO;
    uint64_t max_steps = (o->max_steps ? o->max_steps
                          : is_auto ? AUTO_MAX_STEPS : DEFAULT_MAX_STEPS);

    run->precision = (o->precision == PRECISION_TYPES ? SA_PRECISION_TYPES
                      : SA_PRECISION_OBJECTS);
    run->pta = sa_pta_run_bounded(run->program, run->types, run->tables,
                                  run->precision, max_steps);
    if (!run->pta && is_auto) {
        char *message = g_strdup_printf(
            "the points-to analysis took more than %"PRIu64" steps: structs "
            "of one type are not told apart, so that more is reported than is "
            "state; --max-steps allows more", max_steps);
        sa_diag_clear_progress(sa_diag);
        fprintf(stderr, "mbox-statealyzr: %s\n", message);
        sa_warn((struct sa_loc) { "", 0, 0 }, "%s", message);
        g_free(message);
        phase_end("points-to, given up", "", run);
        max_steps = DEFAULT_MAX_STEPS;
        run->precision = SA_PRECISION_TYPES;
        run->pta = sa_pta_run_bounded(run->program, run->types, run->tables,
                                      run->precision, max_steps);
    }
    return run->pta || fail(g_strdup_printf(
        "the points-to analysis took more than %"PRIu64" steps: the program "
        "is too large for it; --max-steps allows more", max_steps));
}

static bool
analyse(struct run *run)
{
    if (!load(run) || !find_targets(run)) {
        return false;
    }

    struct sa_pta_stats s;
    sa_pta_get_stats(run->pta, &s);
    phase_endf(run, "points-to", "%"PRIu32" objects, %"PRIu32" nodes, "
               "%"PRIu32" variables, %"PRIu32" constraints, %"PRIu32" waves, "
               "%"PRIu32" in cycles, %"PRIu32" calls, sets %.1f on average, "
               "at most %"PRIu32,
               s.n_objects, s.n_nodes, s.n_variables, s.n_constraints,
               s.n_waves, s.n_collapsed_cycles, s.n_calls,
               s.n_variables ? (double) s.sum_points_to / s.n_variables : 0.0,
               s.max_points_to);

    run->modref = sa_modref_run(run->program, run->pta, run->tables);
    phase_endf(run, "reads and writes", "%"PRIu32" sets",
               sa_modref_n_sets(run->modref));

    run->sdg = sa_sdg_build(run->program, run->pta, run->modref, run->tables);
    phase_endf(run, "dependence graph", "%"PRIu32" vertices, %"PRIu64
               " edges, %"PRIu64" summaries", sa_sdg_n_vertices(run->sdg),
               sa_sdg_n_edges(run->sdg), sa_sdg_n_summaries(run->sdg));

    if (!find_loop(run)) {
        return false;
    }
    if (run->options->list_loops) {
        run->result = g_new0(struct sa_result, 1);
        return true;
    }

    run->feasible = sa_feasible_find(run->program, run->pta, run->tables,
                                     run->loops);
    struct sa_feasible_stats f = sa_feasible_get_stats(run->feasible);
    phase_endf(run, "feasible paths", "%"PRIu32" functions, %"PRIu32" of "
               "%"PRIu32" blocks, %"PRIu32" runs", f.n_functions,
               f.n_executed, f.n_blocks, f.n_runs);

    run->procedures = sa_procedures_find(run->program, run->pta, run->modref,
                                         run->sdg, run->tables, run->loops,
                                         run->feasible);
    phase_end("procedures", "", run);

    struct sa_analysis analysis = {
        .program = run->program,
        .types = run->types,
        .tables = run->tables,
        .pta = run->pta,
        .loops = run->loops,
        .modref = run->modref,
        .sdg = run->sdg,
        .feasible = run->feasible,
        .procedures = run->procedures,
    };
    if (run->precision == SA_PRECISION_OBJECTS) {
        run->targets = sa_targets_find(&analysis);
        analysis.targets = run->targets;
        phase_end("targets in the loop", "", run);
    }
    run->result = sa_result_create(&analysis, phase_end, run);
    return true;
}

/* What sa_result_create() leaves to us. */
static void
complete_result(struct run *run)
{
    struct sa_result *r = run->result;
    r->files = (char **) run->options->files->pdata;
    r->n_files = run->options->files->len;
    r->precision = run->precision;
    sa_loops_to_result(run->loops, r);
    r->n_phases = run->phases->len;
    r->phases = (struct sa_phase *) run->phases->data;

    size_t n;
    const char *const *warnings = sa_diag_warnings(sa_diag, &n);
    r->warnings = g_new(const char *, n + 1);
    for (size_t i = 0; i < n; i++) {
        r->warnings[i] = warnings[i];
    }
    r->n_warnings = n;
}

static void
report(const struct run *run, FILE *f)
{
    static void (*const reports[])(FILE *, const struct sa_result *,
                                   const struct sa_report_options *) = {
        [FORMAT_TEXT] = sa_report_text,
        [FORMAT_JSON] = sa_report_json,
        [FORMAT_DOT] = sa_report_dot,
        [FORMAT_HTML] = sa_report_html,
    };
    const struct options *o = run->options;
    struct sa_report_options ro = { false, run->source };

    if (o->list_loops) {
        sa_report_loops(f, run->result, &ro);
    } else if (o->explain) {
        sa_report_explain(f, run->result, &ro);
    } else if (o->why->len) {
        for (guint i = 0; i < o->why->len; i++) {
            const char *name = g_ptr_array_index(o->why, i);
            if (!sa_report_why(f, run->result, name, &ro)) {
                fprintf(f, "%s: no persistent variable of this name: it does "
                        "not outlive a packet, or does not exist\n", name);
            }
        }
    } else {
        ro.stats = o->stats && o->format != FORMAT_TEXT;
        reports[o->format](f, run->result, &ro);
    }
    if (o->stats) {
        sa_report_stats(stderr, run->result);
    }
}

static bool
write_report(const struct run *run)
{
    const char *output = run->options->output;
    FILE *f = output ? fopen(output, "w") : stdout;
    if (!f) {
        return fail(g_strdup_printf("%s: %s", output, g_strerror(errno)));
    }
    report(run, f);
    bool ok = !fflush(f) && !ferror(f);
    if (output) {
        ok = !fclose(f) && ok;
    }
    return ok || fail(g_strdup_printf("%s: %s", output ? output
                                      : "standard output",
                                      g_strerror(errno)));
}

static void
run_destroy(struct run *run)
{
    if (run->result) {
        g_free(run->result->warnings);
        g_free(run->result->loops);
        run->result->warnings = NULL;
        run->result->loops = NULL;
        run->result->phases = NULL;
        run->result->files = NULL;
        sa_result_destroy(run->result);
    }
    for (guint i = 0; i < run->phases->len; i++) {
        struct sa_phase *p = &g_array_index(run->phases, struct sa_phase, i);
        g_free((char *) p->name);
        g_free((char *) p->figures);
    }
    g_array_free(run->phases, TRUE);
    sa_procedures_destroy(run->procedures);
    sa_feasible_destroy(run->feasible);
    sa_targets_destroy(run->targets);
    sa_loops_destroy(run->loops);
    sa_sdg_destroy(run->sdg);
    sa_modref_destroy(run->modref);
    sa_pta_destroy(run->pta);
    sa_types_destroy(run->types);
    sa_program_destroy(run->program);
    sa_tables_destroy(run->tables);
    sa_source_destroy(run->source);
}

static bool
analyse_and_report(const struct options *o, volatile bool *loading)
{
    sa_diag = sa_diag_create(o->progress || isatty(STDERR_FILENO));
    struct run run = {
        .options = o,
        .loading = loading,
        .phases = g_array_new(FALSE, FALSE, sizeof(struct sa_phase)),
        .phase_start = g_get_monotonic_time(),
        .source = sa_source_create((char **) o->roots->pdata, o->roots->len),
    };
    bool ok = analyse(&run);
    if (ok) {
        complete_result(&run);
        sa_diag_clear_progress(sa_diag);
        ok = write_report(&run);
    }
    run_destroy(&run);
    sa_diag_destroy(sa_diag);
    sa_diag = NULL;
    return ok;
}

/* LLVM's readers may crash on files that are damaged or made to, so that the
 * work is done in a process of its own.  Returns the exit status. */
static int
supervise(const struct options *o)
{
    volatile bool *loading = mmap(NULL, sizeof *loading,
                                  PROT_READ | PROT_WRITE,
                                  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (loading == MAP_FAILED) {
        perror("mbox-statealyzr: mmap");
        return 1;
    }
    pid_t pid = fork();
    if (pid < 0) {
        perror("mbox-statealyzr: fork");
        return 1;
    } else if (!pid) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        return analyse_and_report(o, loading) ? 0 : 1;
    }

    int status;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    bool was_loading = *loading;
    munmap((void *) loading, sizeof *loading);
    if (WIFEXITED(status)) {
        return WEXITSTATUS(status);
    } else if (was_loading && (WTERMSIG(status) == SIGSEGV
                               || WTERMSIG(status) == SIGABRT
                               || WTERMSIG(status) == SIGBUS
                               || WTERMSIG(status) == SIGILL
                               || WTERMSIG(status) == SIGFPE)) {
        fprintf(stderr, "mbox-statealyzr: %s: LLVM cannot read it: it is "
                "damaged\n", (char *) g_ptr_array_index(o->files, 0));
        return 1;
    }
    /* As if there were one process. */
    struct rlimit no_core = { 0, 0 };
    setrlimit(RLIMIT_CORE, &no_core);
    signal(WTERMSIG(status), SIG_DFL);
    raise(WTERMSIG(status));
    return 1;
}

int
main(int argc, char *argv[])
{
    struct options options = {
        .files = g_ptr_array_new(),
        .loops = g_ptr_array_new(),
        .why = g_ptr_array_new(),
        .tables = g_ptr_array_new(),
        .roots = g_ptr_array_new(),
    };
    parse_options(argc, argv, &options);

    int status = supervise(&options);
    g_ptr_array_free(options.files, TRUE);
    g_ptr_array_free(options.loops, TRUE);
    g_ptr_array_free(options.why, TRUE);
    g_ptr_array_free(options.tables, TRUE);
    g_ptr_array_free(options.roots, TRUE);
    return status;
}
