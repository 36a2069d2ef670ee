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

/* mbox-cc: a C compiler that keeps the program for mbox-statealyzr.
 *
 * Runs clang as asked, and beside it compiles each C source to bitcode that is
 * not optimised and has debug information, which it puts in a section of the
 * object file (cc-section.h).  After linking, the bitcode of all that the
 * linker took is in the program, and is linked to PROGRAM.bc.  The idea is
 * that of wllvm ("whole-program-llvm"), but the section holds the bitcode
 * rather than the name of a file.
 *
 * Whether capturing succeeds has no influence on the exit status, so that a
 * build goes as with clang; but a program that was to be state-enabled
 * (MBOX_CC_STATE) and cannot be, is not linked. */

#include <config.h>

#include "cc-args.h"
#include "cc-section.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static bool verbose;

static const char *
program(const char *variable, const char *default_)
{
    const char *value = getenv(variable);
    return value && *value ? value : default_;
}

/* What gcc 12 takes with a warning and clang 19 no longer does: programs that
 * are captured are often old.  Comes first, so that the user's flags win. */
static const char *const lenient[] = {
    "-Wno-error=implicit-function-declaration",
    "-Wno-error=implicit-int",
    "-Wno-error=int-conversion",
    "-Wno-error=incompatible-function-pointer-types",
    "-Wno-error=incompatible-pointer-types",
};

static void G_GNUC_PRINTF(1, 2)
warning(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    fputs("mbox-cc: ", stderr);
    vfprintf(stderr, format, args);
    putc('\n', stderr);
    va_end(args);
}

/* Processes. */

static void G_GNUC_NORETURN
exec(char *const argv[])
{
    execvp(argv[0], argv);
    warning("cannot run %s: %s.  Set MBOX_CC_CLANG to clang of LLVM 19, or "
            "install clang-19.", argv[0], g_strerror(errno));
    _exit(127);
}

/* Starts 'argv'; what it prints goes to file 'output' unless that is NULL. */
static pid_t
start(GPtrArray *argv, const char *output)
{
    g_ptr_array_add(argv, NULL);
    if (verbose) {
        char *line = g_strjoinv(" ", (char **) argv->pdata);
        warning("%s", line);
        g_free(line);
    }
    fflush(NULL);
    pid_t pid = fork();
    if (!pid) {
        signal(SIGINT, SIG_DFL);
        signal(SIGHUP, SIG_DFL);
        if (output && (!freopen(output, "w", stderr)
                       || dup2(STDERR_FILENO, STDOUT_FILENO) < 0)) {
            _exit(127);
        }
        exec((char **) argv->pdata);
    } else if (pid < 0) {
        warning("cannot start %s: %s", (char *) argv->pdata[0],
                g_strerror(errno));
    }
    return pid;
}

static int
finish(pid_t pid)
{
    int status;
    if (pid < 0) {
        return 127;
    }
    while (waitpid(pid, &status, 0) < 0) {
        if (errno != EINTR) {
            return 127;
        }
    }
    return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static int
run(GPtrArray *argv, const char *output)
{
    return finish(start(argv, output));
}

static void
add(GPtrArray *argv, const char *arg)
{
    g_ptr_array_add(argv, (char *) arg);
}

static bool
contains(const GPtrArray *strings, const char *s)
{
    for (guint i = 0; i < strings->len; i++) {
        if (!strcmp(g_ptr_array_index(strings, i), s)) {
            return true;
        }
    }
    return false;
}

static GPtrArray *
command(const char *name)
{
    GPtrArray *argv = g_ptr_array_new();
    add(argv, name);
    return argv;
}

static GPtrArray *
clang_command(void)
{
    GPtrArray *argv = command(program("MBOX_CC_CLANG", MBOX_CLANG));
    for (size_t i = 0; i < G_N_ELEMENTS(lenient); i++) {
        add(argv, lenient[i]);
    }
    return argv;
}

/* The folder for files that are needed only meanwhile. */

struct scratch {
    char *dir;
    GPtrArray *files;           /* Names in it. */
};

static const char *
scratch_file(struct scratch *s, const char *suffix)
{
    char *name = g_strdup_printf("%s/%u%s", s->dir, s->files->len, suffix);
    g_ptr_array_add(s->files, name);
    return name;
}

static bool
scratch_open(struct scratch *s)
{
    s->files = g_ptr_array_new_with_free_func(g_free);
    s->dir = g_build_filename(g_get_tmp_dir(), "mbox-cc.XXXXXX", NULL);
    if (!g_mkdtemp(s->dir)) {
        warning("cannot make %s: %s", s->dir, g_strerror(errno));
        g_clear_pointer(&s->dir, g_free);
        return false;
    }
    return true;
}

static void
scratch_close(struct scratch *s)
{
    for (guint i = 0; i < s->files->len; i++) {
        unlink(g_ptr_array_index(s->files, i));
    }
    if (s->dir) {
        rmdir(s->dir);
    }
    g_ptr_array_free(s->files, TRUE);
    g_free(s->dir);
}

/* A source on its way to bitcode. */
struct capture {
    const char *source;
    const char *bitcode;        /* File. */
    const char *messages;       /* File. */
    const char *record;         /* File, once it is made. */
    pid_t pid;
};

static void
capture_start(struct capture *c, const struct cc_args *a, guint i,
              struct scratch *scratch)
{
    c->source = g_ptr_array_index(a->sources, i);
    c->bitcode = scratch_file(scratch, ".bc");
    c->messages = scratch_file(scratch, ".log");
    c->record = NULL;

    GPtrArray *argv = clang_command();
    if (!contains(a->flags, "-pg")) {
        add(argv, "-fomit-frame-pointer");      /* Unless the user's say. */
    }
    for (guint j = 0; j < a->flags->len; j++) {
        add(argv, g_ptr_array_index(a->flags, j));
    }
    add(argv, "-U_FORTIFY_SOURCE");
    add(argv, "-O0");
    add(argv, "-Xclang");
    add(argv, "-disable-O0-optnone");
    add(argv, "-fno-discard-value-names");
    add(argv, "-g");
    add(argv, "-w");
    add(argv, "-Qunused-arguments");
    add(argv, "-emit-llvm");
    add(argv, "-c");
    add(argv, "-x");
    add(argv, g_ptr_array_index(a->languages, i));
    add(argv, c->source);
    add(argv, "-o");
    add(argv, c->bitcode);
    c->pid = start(argv, c->messages);
    g_ptr_array_free(argv, TRUE);
}

static void
show_file(const char *file)
{
    char *text;
    if (g_file_get_contents(file, &text, NULL, NULL)) {
        fputs(text, stderr);
        g_free(text);
    }
}

/* Waits for the bitcode; if 'wanted', says when there is none. */
static void
capture_finish(struct capture *c, struct scratch *scratch, bool wanted)
{
    if (finish(c->pid)) {
        if (wanted) {
            warning("%s: no bitcode, for:", c->source);
            show_file(c->messages);
        }
        return;
    }
    const char *record = scratch_file(scratch, ".rec");
    char *error;
    if (cc_record_write(c->bitcode, record, &error)) {
        c->record = record;
    } else {
        warning("%s", error);
        g_free(error);
    }
}

/* Compilation only. */

static void
embed(const char *object, const struct capture *c, struct scratch *scratch)
{
    const char *messages = scratch_file(scratch, ".log");
    GPtrArray *argv = command(program("MBOX_CC_OBJCOPY", "objcopy"));
    char *option = g_strdup_printf(CC_SECTION "=%s", c->record);
    add(argv, "--add-section");
    add(argv, option);
    add(argv, "--set-section-flags");
    add(argv, CC_SECTION "=noload,readonly");
    add(argv, object);
    if (run(argv, messages)) {
        warning("%s: objcopy cannot add bitcode:", object);
        show_file(messages);
    }
    g_ptr_array_free(argv, TRUE);
    g_free(option);
}

static bool
is_regular(const char *file)
{
    return g_file_test(file, G_FILE_TEST_IS_REGULAR);
}

static GPtrArray *
native_command(const struct cc_args *a, char *argv[])
{
    GPtrArray *native = clang_command();
    if (a->has_lto) {
        for (guint i = 0; i < a->native->len; i++) {
            add(native, g_ptr_array_index(a->native, i));
        }
    } else {
        for (int i = 1; argv[i]; i++) {
            add(native, argv[i]);
        }
    }
    return native;
}

static int
compile(const struct cc_args *a, char *argv[], struct scratch *scratch)
{
    GPtrArray *native = native_command(a, argv);
    pid_t pid = start(native, NULL);
    g_ptr_array_free(native, TRUE);

    struct capture *captures = g_new0(struct capture, a->sources->len);
    for (guint i = 0; i < a->sources->len; i++) {
        capture_start(&captures[i], a, i, scratch);
    }
    int status = finish(pid);
    for (guint i = 0; i < a->sources->len; i++) {
        capture_finish(&captures[i], scratch, !status);
        char *object = cc_args_object(a, captures[i].source);
        if (!status && captures[i].record && is_regular(object)) {
            embed(object, &captures[i], scratch);
        }
        g_free(object);
    }
    g_free(captures);
    return status;
}

/* Linking. */

/* An object file with the records of the sources of this command, or NULL. */
static const char *
make_record_object(const struct cc_args *a, struct scratch *scratch)
{
    GString *text = g_string_new("\t.section .note.GNU-stack,\"\",@progbits\n"
                                 "\t.section " CC_SECTION
                                 ",\"\",@progbits\n");
    struct capture *captures = g_new0(struct capture, a->sources->len);
    bool any = false;
    for (guint i = 0; i < a->sources->len; i++) {
        capture_start(&captures[i], a, i, scratch);
    }
    for (guint i = 0; i < a->sources->len; i++) {
        /* What is wrong with the source, the compilation proper will say. */
        capture_finish(&captures[i], scratch, false);
        if (captures[i].record) {
            g_string_append_printf(text, "\t.incbin \"%s\"\n",
                                   captures[i].record);
            any = true;
        }
    }
    g_free(captures);

    const char *source = scratch_file(scratch, ".s");
    const char *object = scratch_file(scratch, ".o");
    if (any && !g_file_set_contents(source, text->str, -1, NULL)) {
        any = false;
    }
    g_string_free(text, TRUE);
    if (any) {
        GPtrArray *argv = clang_command();
        for (guint i = 0; i < a->flags->len; i++) {
            const char *flag = g_ptr_array_index(a->flags, i);
            if (g_str_has_prefix(flag, "-m")
                || g_str_has_prefix(flag, "--target")) {
                add(argv, flag);
            }
        }
        add(argv, "-Qunused-arguments");
        add(argv, "-c");
        add(argv, source);
        add(argv, "-o");
        add(argv, object);
        any = !run(argv, NULL);
        g_ptr_array_free(argv, TRUE);
    }
    return any ? object : NULL;
}

/* Links the records in 'file' to file 'bitcode'.  Returns false after a
 * message if it fails; '*n' is how many records there were. */
static bool
extract(const char *file, const char *bitcode, struct scratch *scratch,
        guint *n)
{
    char *error;
    GPtrArray *records = cc_records_read(file, &error);
    *n = 0;
    if (!records) {
        warning("%s", error);
        g_free(error);
        return false;
    }
    *n = records->len;
    if (!*n) {
        g_ptr_array_free(records, TRUE);
        return true;
    }

    GPtrArray *argv = command(program("MBOX_CC_LLVM_LINK", MBOX_LLVM_LINK));
    bool ok = true;
    for (guint i = 0; i < records->len; i++) {
        gsize size;
        const char *data = g_bytes_get_data(g_ptr_array_index(records, i),
                                            &size);
        const char *name = scratch_file(scratch, ".bc");
        ok = ok && g_file_set_contents(name, data, size, NULL);
        add(argv, name);
    }
    g_ptr_array_free(records, TRUE);
    add(argv, "-o");
    add(argv, bitcode);
    const char *messages = scratch_file(scratch, ".log");
    ok = ok && !run(argv, messages);
    g_ptr_array_free(argv, TRUE);
    if (!ok) {
        warning("%s: its bitcode cannot be linked:", file);
        show_file(messages);
    }
    return ok;
}

/* PROGRAM.bc, or below MBOX_CC_DIR. */
static char *
bitcode_name(const char *output)
{
    const char *dir = getenv("MBOX_CC_DIR");
    if (!dir || !*dir) {
        return g_strconcat(output, ".bc", NULL);
    }
    char *base = g_path_get_basename(output);
    char *name = g_strdup_printf("%s/%s.bc", dir, base);
    g_free(base);
    return name;
}

/* State-enabling. */

/* Whether the program is one that MBOX_CC_STATE names. */
static bool
moves_state(const char *output)
{
    const char *value = getenv("MBOX_CC_STATE");
    char **names = g_strsplit_set(value ? value : "", " ,", 0);
    char *base = g_path_get_basename(output);
    bool is = g_strv_contains((const char *const *) names, base);

    g_free(base);
    g_strfreev(names);
    return is;
}

/* Whether a file that is linked is in the program's bitcode. */
static bool
has_record(const char *file)
{
    char *error = NULL;
    GPtrArray *records = (g_str_has_suffix(file, ".o") && is_regular(file)
                          ? cc_records_read(file, &error) : NULL);
    bool has = records && records->len;

    if (records) {
        g_ptr_array_free(records, TRUE);
    }
    g_free(error);
    return has;
}

/* Links 'output' again, so that it moves its state. */
static int
enable_state(const struct cc_args *a, const char *output, const char *bitcode)
{
    GPtrArray *argv = command(program("MBOX_STATE_LINK", MBOX_STATE_LINK));

    add(argv, output);
    add(argv, bitcode);
    for (guint i = 0; i < a->native->len; i++) {
        const char *arg = g_ptr_array_index(a->native, i);

        if (!strcmp(arg, "-o")) {
            i++;
        } else if (strcmp(arg, "-c") && !contains(a->sources, arg)
                   && !has_record(arg)) {
            add(argv, arg);
        }
    }
    int status = run(argv, NULL);
    g_ptr_array_free(argv, TRUE);
    if (status) {               /* Not one that does not move its state. */
        unlink(output);
    }
    return status;
}

static int
compile_and_link(const struct cc_args *a, char *argv[],
                 struct scratch *scratch)
{
    const char *object = (a->sources->len ? make_record_object(a, scratch)
                          : NULL);
    GPtrArray *native = native_command(a, argv);
    if (object) {
        add(native, "-x");
        add(native, "none");
        add(native, object);
    }
    int status = run(native, NULL);
    g_ptr_array_free(native, TRUE);

    const char *output = a->output ? a->output : "a.out";
    if (!status && !a->partial_link && is_regular(output)) {
        char *bitcode = bitcode_name(output);
        guint n;
        if (!extract(output, bitcode, scratch, &n) || !n) {
            unlink(bitcode);
        } else if (moves_state(output)) {
            status = enable_state(a, output, bitcode);
        }
        g_free(bitcode);
    }
    return status;
}

/* Commands of our own. */

static int
extract_command(char *argv[])
{
    const char *file = argv[2];
    char *bitcode = NULL;
    if (file && !argv[3]) {
        bitcode = g_strconcat(file, ".bc", NULL);
    } else if (file && !strcmp(argv[3], "-o") && argv[4] && !argv[5]) {
        bitcode = g_strdup(argv[4]);
    } else {
        warning("usage: mbox-cc --mbox-extract FILE [-o FILE.bc]");
        return 2;
    }

    struct scratch scratch;
    guint n = 0;
    bool ok = (scratch_open(&scratch)
               && extract(file, bitcode, &scratch, &n));
    scratch_close(&scratch);
    if (ok && !n) {
        warning("%s has no bitcode: it was not made by mbox-cc", file);
        ok = false;
    }
    g_free(bitcode);
    return ok ? 0 : 1;
}

static int
help_command(void)
{
    puts("mbox-cc: C compiler that keeps a program for mbox-statealyzr\n"
         "usage: CC=mbox-cc ./configure && make CC=mbox-cc\n"
         "       mbox-cc ARGUMENT...   as clang; keeps PROGRAM.bc beside what "
         "it links\n"
         "       mbox-cc --mbox-extract FILE [-o FILE.bc]\n"
         "       mbox-cc --mbox-help | --mbox-version\n"
         "environment: MBOX_CC_DIR, MBOX_CC_CLANG, MBOX_CC_LLVM_LINK,\n"
         "  MBOX_CC_OBJCOPY, MBOX_CC_STATE, MBOX_CC_VERBOSE; see "
         "mbox-cc(1)");
    return 0;
}

int
main(int argc, char *argv[])
{
    verbose = getenv("MBOX_CC_VERBOSE") != NULL;
    if (argc > 1 && !strcmp(argv[1], "--mbox-extract")) {
        return extract_command(argv);
    } else if (argc > 1 && !strcmp(argv[1], "--mbox-help")) {
        return help_command();
    } else if (argc > 1 && !strcmp(argv[1], "--mbox-version")) {
        puts("mbox-cc (ovs-mbox) " PACKAGE_VERSION);
        return 0;
    }

    char *error;
    struct cc_args *a = cc_args_parse(argv, &error);
    if (!a) {
        warning("%s", error);
        g_free(error);
        return 1;
    }
    struct scratch scratch = { NULL, NULL };
    int status;
    if (a->step == CC_OTHER || a->is_probe
        || (a->step == CC_COMPILE && !a->sources->len)
        || !scratch_open(&scratch)) {
        GPtrArray *native = native_command(a, argv);
        g_ptr_array_add(native, NULL);
        exec((char **) native->pdata);
    }
    /* An interrupt ends the children, and so this one cleans up. */
    signal(SIGINT, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    status = (a->step == CC_COMPILE ? compile(a, argv, &scratch)
              : compile_and_link(a, argv, &scratch));
    scratch_close(&scratch);
    cc_args_destroy(a);
    return status;
}
