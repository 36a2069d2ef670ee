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
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include "diag.h"
#include "statealyzr-pta-world.h"

static struct sa_tables *
load_tables(void)
{
    char *error;
    struct sa_tables *tables = sa_tables_load(NULL, NULL, 0, &error);

    if (!tables) {
        fail_msg("%s", error);
    }
    return tables;
}

struct world
world_load_bitcode(char *file)
{
    struct world w = { .pta = NULL };
    char *error = NULL;

    w.program = sa_program_load(&file, 1, &error);
    if (!w.program) {
        fail_msg("%s", error);
    }
    w.types = sa_types_create(w.program);
    w.tables = load_tables();
    return w;
}

struct world
world_load(const char *source)
{
    char dir[] = "/tmp/test-statealyzr-pta.XXXXXX";

    assert_non_null(mkdtemp(dir));
    char *c = g_strdup_printf("%s/test.c", dir);
    char *bc = g_strdup_printf("%s/test.bc", dir);
    char *command = g_strdup_printf(
        "%s -w -g -O0 -Xclang -disable-O0-optnone -emit-llvm -c -o %s %s",
        getenv("MBOX_CLANG") ? getenv("MBOX_CLANG") : "clang-19", bc, c);
    assert_true(g_file_set_contents(c, source, -1, NULL));
    assert_int_equal(system(command), 0);
    struct world w = world_load_bitcode(bc);
    unlink(c);
    unlink(bc);
    rmdir(dir);
    g_free(c);
    g_free(bc);
    g_free(command);
    return w;
}

struct world
world_analyse(const char *source)
{
    struct world w = world_load(source);

    w.pta = sa_pta_run(w.program, w.types, w.tables);
    return w;
}

void
world_destroy(struct world *w)
{
    sa_pta_destroy(w->pta);
    sa_types_destroy(w->types);
    sa_tables_destroy(w->tables);
    sa_program_destroy(w->program);
}

static const char *
object_name(const struct world *w, const struct sa_object *o)
{
    static char text[128];
    const struct sa_variable *v = NULL;
    size_t n;

    switch (o->kind) {
    case SA_OBJECT_GLOBAL:
    case SA_OBJECT_FUNCTION:
        return LLVMGetValueName2(o->site, &n);
    case SA_OBJECT_STACK:
        v = sa_value_variable(w->program, sa_value_id(w->program, o->site));
        return v ? v->name : "stack";
    case SA_OBJECT_HEAP:
        if (o->caller == SA_NONE) {
            snprintf(text, sizeof text, "heap@%u",
                     sa_insn_loc(w->program, o->insn).line);
        } else {
            snprintf(text, sizeof text, "heap@%u<%u",
                     sa_insn_loc(w->program, o->insn).line,
                     sa_insn_loc(w->program, o->caller).line);
        }
        return text;
    case SA_OBJECT_ARGUMENTS:
        return "arguments";
    case SA_OBJECT_LIBRARY:
        return "library";
    }
    return "?";
}

static int
compare_names(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

char *
world_describe(const struct world *w, struct sa_nodes nodes)
{
    uint32_t n;
    const struct sa_object *objects = sa_pta_objects(w->pta, &n);
    const struct sa_node *all = sa_pta_nodes(w->pta, &n);
    GPtrArray *names = g_ptr_array_new_with_free_func(g_free);

    for (uint32_t i = 0; i < nodes.n; i++) {
        const struct sa_node *node = &all[nodes.ids[i]];
        const char *name = object_name(w, &objects[node->object]);
        g_ptr_array_add(names, node->offset
                        ? g_strdup_printf("%s+%u", name, node->offset)
                        : g_strdup(name));
    }
    if (names->len) {
        qsort(names->pdata, names->len, sizeof(void *), compare_names);
    }
    g_ptr_array_add(names, NULL);
    char *text = g_strjoinv(" ", (char **) names->pdata);
    g_ptr_array_set_size(names, names->len - 1);
    g_ptr_array_free(names, TRUE);
    return text;
}
