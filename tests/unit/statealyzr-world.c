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

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <ctype.h>
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "diag.h"
#include "statealyzr-world.h"

/* Compiles 'source' into the bitcode file 'bitcode'. */
static void
compile(const char *directory, const char *source, const char *bitcode)
{
    char *file = g_build_filename(directory, "program.c", NULL);
    const char *clang = getenv("MBOX_CLANG");
    char *command = g_strdup_printf(
        "%s -g -O0 -Xclang -disable-O0-optnone -w -emit-llvm -c %s -o %s",
        clang ? clang : "clang-19", file, bitcode);

    assert_true(g_file_set_contents(file, source, -1, NULL));
    assert_int_equal(system(command), 0);
    unlink(file);
    g_free(command);
    g_free(file);
}

void
world_init(struct world *w, const char *source)
{
    char *directory = g_dir_make_tmp("statealyzr-XXXXXX", NULL);
    assert_non_null(directory);
    char *bitcode = g_build_filename(directory, "program.bc", NULL);
    char *error = NULL;

    compile(directory, source, bitcode);
    w->source = source;
    sa_diag = sa_diag_create(false);
    w->program = sa_program_load(&bitcode, 1, &error);
    if (!w->program) {
        fail_msg("%s", error);
    }
    w->types = sa_types_create(w->program);
    w->tables = sa_tables_load(getenv("MBOX_STATEALYZR_TABLES"), NULL, 0,
                               &error);
    if (!w->tables) {
        fail_msg("%s", error);
    }
    w->pta = sa_pta_run(w->program, w->types, w->tables);
    w->modref = sa_modref_run(w->program, w->pta, w->tables);
    w->sdg = sa_sdg_build(w->program, w->pta, w->modref, w->tables);

    unlink(bitcode);
    rmdir(directory);
    g_free(bitcode);
    g_free(directory);
}

void
world_destroy(struct world *w)
{
    sa_sdg_destroy(w->sdg);
    sa_modref_destroy(w->modref);
    sa_pta_destroy(w->pta);
    sa_tables_destroy(w->tables);
    sa_types_destroy(w->types);
    sa_program_destroy(w->program);
    sa_diag_destroy(sa_diag);
    sa_diag = NULL;
}

unsigned int
world_line(const struct world *w, const char *name)
{
    char *comment = g_strdup_printf("// %s\n", name);
    const char *at = strstr(w->source, comment);
    unsigned int line = 1;

    if (!at) {
        fail_msg("no line is named %s", name);
    }
    for (const char *p = w->source; p < at; p++) {
        line += *p == '\n';
    }
    g_free(comment);
    return line;
}

uint32_t
world_insn(const struct world *w, const char *name, LLVMOpcode opcode)
{
    unsigned int line = world_line(w, name);

    for (uint32_t insn = 0; insn < w->program->n_insns; insn++) {
        if (w->program->insns[insn].opcode == opcode
            && sa_insn_loc(w->program, insn).line == line) {
            return insn;
        }
    }
    fail_msg("no such instruction at line %s", name);
    return SA_NONE;
}

uint32_t
world_function(const struct world *w, const char *name)
{
    uint32_t f = sa_function_by_name(w->program, name);

    assert_int_not_equal(f, SA_NONE);
    return f;
}

bool
world_slice_has(const struct world *w, const struct sa_slice *slice,
                const char *name)
{
    unsigned int line = world_line(w, name);

    for (uint32_t insn = 0; insn < w->program->n_insns; insn++) {
        if (sa_insn_loc(w->program, insn).line == line
            && sa_slice_has_insn(slice, insn)) {
            return true;
        }
    }
    return false;
}
