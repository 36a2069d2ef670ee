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

#include <glib.h>
#include <string.h>

#include "statealyzr-world.h"

/* Slices of small programs.  What is expected follows from reading them: a
 * name in 'with' is a line that the definition of the slice puts in, one in
 * 'without' is one that it must keep out. */

/* The vertices of the calls on the lines named in 'names', which blanks
 * separate. */
static GArray *
seeds(const struct world *w, const char *names)
{
    GArray *array = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    char **v = g_strsplit(names, " ", -1);

    for (size_t i = 0; v[i]; i++) {
        uint32_t vertex = sa_sdg_insn(w->sdg, world_insn(w, v[i], LLVMCall));
        g_array_append_val(array, vertex);
    }
    g_strfreev(v);
    return array;
}

static void
check(const struct world *w, struct sa_slice *slice, const char *with,
      const char *without)
{
    char **v = g_strsplit(with, " ", -1);

    for (size_t i = 0; v[i] && *v[i]; i++) {
        if (!world_slice_has(w, slice, v[i])) {
            fail_msg("%s is missing", v[i]);
        }
    }
    g_strfreev(v);
    v = g_strsplit(without, " ", -1);
    for (size_t i = 0; v[i] && *v[i]; i++) {
        if (world_slice_has(w, slice, v[i])) {
            fail_msg("%s is in the slice", v[i]);
        }
    }
    g_strfreev(v);
    sa_slice_destroy(slice);
}

static void
check_forward(const struct world *w, enum sa_dep dep, const char *from,
              const char *with, const char *without)
{
    struct sa_slice_options options = { .dep = dep };
    GArray *f = seeds(w, from);

    check(w, sa_slice_forward(w->sdg, (uint32_t *) f->data, f->len, &options),
          with, without);
    g_array_free(f, TRUE);
}

static void
check_backward(const struct world *w, enum sa_dep dep, const char *from,
               const char *with, const char *without)
{
    struct sa_slice_options options = { .dep = dep };
    GArray *f = seeds(w, from);

    check(w,
          sa_slice_backward(w->sdg, (uint32_t *) f->data, f->len, &options),
          with, without);
    g_array_free(f, TRUE);
}

static void
check_chop(const struct world *w, enum sa_dep dep, const char *from,
           const char *to, const char *with, const char *without)
{
    struct sa_slice_options options = { .dep = dep };
    GArray *f = seeds(w, from), *t = seeds(w, to);

    check(w, sa_slice_chop(w->sdg, (uint32_t *) f->data, f->len,
                           (uint32_t *) t->data, t->len, &options),
          with, without);
    g_array_free(f, TRUE);
    g_array_free(t, TRUE);
}

/* Two calls of the same function do not mix. */
static void
test_matched_calls(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void), source2(void);\n"
        "void sink1(int), sink2(int);\n"
        "static int inner(int x) { return x + 1; }    // inner\n"
        "static int outer(int x) {\n"
        "    return inner(x) * 2;                     // outer\n"
        "}\n"
        "int main(void) {\n"
        "    int a = source1();                       // src1\n"
        "    int b = outer(a);                        // call1\n"
        "    sink1(b);                                // sink1\n"
        "    int c = source2();                       // src2\n"
        "    int d = outer(c);                        // call2\n"
        "    sink2(d);                                // sink2\n"
        "    return 0;\n"
        "}\n");
    for (enum sa_dep dep = SA_DEP_VALUE; dep <= SA_DEP_ADDRESS; dep++) {
        check_forward(&w, dep, "src1", "src1 call1 outer inner sink1",
                      "src2 call2 sink2");
        check_forward(&w, dep, "src2", "src2 call2 outer inner sink2",
                      "src1 call1 sink1");
        check_backward(&w, dep, "sink1", "src1 call1 outer inner sink1",
                       "src2 call2 sink2");
        check_backward(&w, dep, "sink2", "src2 call2 outer inner sink2",
                       "src1 call1 sink1");
        check_chop(&w, dep, "src1", "sink1",
                   "src1 call1 outer inner sink1", "src2 call2 sink2");
        check_chop(&w, dep, "src1", "sink2", "",
                   "src1 call1 outer inner sink1 src2 call2 sink2");
    }
    check_backward(&w, SA_DEP_CONTROL, "sink1", "src1 call1 outer inner",
                   "src2 sink2");
    world_destroy(&w);
}

/* A slice that starts in a function goes up to all calls of it; one that came
 * down does not. */
static void
test_up_and_down(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void);\n"
        "void sink1(int), sink2(int), sink3(int);\n"
        "static int get(void) {\n"
        "    return source1();                        // src1\n"
        "}\n"
        "static void put(int x) {\n"
        "    sink3(x);                                // sink3\n"
        "}\n"
        "static int pass(int x) { return x; }         // pass\n"
        "static void one(void) {\n"
        "    int a = get();\n"
        "    sink1(a);                                // sink1\n"
        "}\n"
        "static void two(void) {\n"
        "    int a = pass(get());\n"
        "    sink2(a);                                // sink2\n"
        "    put(pass(7));                            // put\n"
        "}\n"
        "int main(void) { one(); two(); return 0; }\n");
    check_forward(&w, SA_DEP_VALUE, "src1", "sink1 sink2 pass", "sink3 put");
    check_backward(&w, SA_DEP_VALUE, "sink2", "src1 pass", "sink1 sink3 put");
    check_backward(&w, SA_DEP_VALUE, "sink3", "put pass", "src1 sink1 sink2");
    check_chop(&w, SA_DEP_VALUE, "src1", "sink3", "",
               "src1 sink1 sink2 sink3 put");
    world_destroy(&w);
}

static void
test_recursion(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void), source2(void);\n"
        "void sink1(int);\n"
        "static int odd(int n, int x);\n"
        "static int even(int n, int x) {\n"
        "    return n ? odd(n - 1, x + 1) : x;        // even\n"
        "}\n"
        "static int odd(int n, int x) {\n"
        "    return n ? even(n - 1, x) : 0;           // odd\n"
        "}\n"
        "int main(void) {\n"
        "    int n = source1();                       // src1\n"
        "    int x = source2();                       // src2\n"
        "    int y = even(n, x);\n"
        "    sink1(y);                                // sink1\n"
        "    return 0;\n"
        "}\n");
    check_forward(&w, SA_DEP_VALUE, "src2", "even odd sink1", "");
    /* The count only decides. */
    check_chop(&w, SA_DEP_VALUE, "src1", "sink1", "", "src1 sink1");
    check_chop(&w, SA_DEP_CONTROL, "src1", "sink1", "src1 even odd sink1",
               "");
    world_destroy(&w);
}

static void
test_control(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void), source2(void), source3(void);\n"
        "void sink1(int), sink2(int), sink3(int), sink4(int), sink5(int);\n"
        "static int kept;\n"
        "int main(void) {\n"
        "    int x = 1;\n"
        "    if (source1()) {                         // if1\n"
        "        x = 2;\n"
        "        kept = 3;                            // store\n"
        "    }\n"
        "    sink1(x);                                // sink1\n"
        "    sink2(kept);                             // sink2\n"
        "    while (source2()) {                      // while\n"
        "        sink3(1);                            // sink3\n"
        "    }\n"
        "    sink4(2);                                // sink4\n"
        "    for (;;) {\n"
        "        if (source3()) {                     // if3\n"
        "            sink5(1);                        // sink5\n"
        "            continue;\n"
        "        }\n"
        "        kept = 4;                            // store2\n"
        "    }\n"
        "}\n");
    check_forward(&w, SA_DEP_VALUE, "if1", "if1", "sink1 sink2 store");
    check_forward(&w, SA_DEP_CONTROL, "if1", "sink1 sink2 store",
                  "sink3 sink4 sink5 while if3");
    check_forward(&w, SA_DEP_CONTROL, "while", "while sink3",
                  "sink1 sink4 sink5 store");
    check_forward(&w, SA_DEP_CONTROL, "if3", "sink5 store2 sink2", "sink4");
    check_backward(&w, SA_DEP_CONTROL, "sink3", "while", "if1 if3 store");
    check_backward(&w, SA_DEP_CONTROL, "sink4", "", "while if1 if3");
    check_backward(&w, SA_DEP_CONTROL, "sink1", "if1", "while store");
    world_destroy(&w);
}

/* Members of structures are apart, also when the whole is copied, and writes
 * through pointers count. */
static void
test_memory(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void), source2(void);\n"
        "void sink1(int), sink2(int), sink3(int);\n"
        "struct pair { int a, b; };\n"
        "static struct pair global, other;\n"
        "static void set_a(struct pair *p, int x) {\n"
        "    p->a = x;                                // set_a\n"
        "}\n"
        "static void set_b(struct pair *p, int x) {\n"
        "    p->b = x;                                // set_b\n"
        "}\n"
        "int main(void) {\n"
        "    struct pair local;\n"
        "    set_a(&local, source1());                // src1\n"
        "    set_b(&local, source2());                // src2\n"
        "    global = local;                          // copy\n"
        "    sink1(global.a);                         // sink1\n"
        "    sink2(global.b);                         // sink2\n"
        "    sink3(other.a);                          // sink3\n"
        "    return 0;\n"
        "}\n");
    check_forward(&w, SA_DEP_VALUE, "src1", "set_a copy sink1",
                  "set_b src2 sink2 sink3");
    check_backward(&w, SA_DEP_VALUE, "sink2", "set_b copy src2",
                   "set_a src1 sink1 sink3");
    check_chop(&w, SA_DEP_VALUE, "src1", "sink1", "src1 set_a copy sink1",
               "src2 set_b sink2");
    check_chop(&w, SA_DEP_VALUE, "src1", "sink2", "", "src1 copy sink2");
    world_destroy(&w);
}

/* An index is no value: only slices by address have it. */
static void
test_address(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void), source2(void);\n"
        "void sink1(int);\n"
        "static int table[16];\n"
        "int main(void) {\n"
        "    int i = source1();                       // src1\n"
        "    table[3] = source2();                    // src2\n"
        "    sink1(table[i & 15]);                    // sink1\n"
        "    return 0;\n"
        "}\n");
    check_chop(&w, SA_DEP_VALUE, "src1", "sink1", "", "src1 sink1");
    check_chop(&w, SA_DEP_ADDRESS, "src1", "sink1", "src1 sink1", "src2");
    check_chop(&w, SA_DEP_VALUE, "src2", "sink1", "src2 sink1", "src1");
    world_destroy(&w);
}

static void
test_function_pointers(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void), source2(void), source3(void);\n"
        "void sink1(int), sink2(int), sink3(int);\n"
        "static int add(int x) { return x + 1; }      // add\n"
        "static int sub(int x) { return x - 1; }      // sub\n"
        "static int nul(int x) { sink3(x); return 0; } // nul\n"
        "static int (*ops[2])(int) = { add, sub };\n"
        "static int (*none)(int) = nul;\n"
        "int main(void) {\n"
        "    int a = source1();                       // src1\n"
        "    int i = source2() & 1;                   // src2\n"
        "    int b = ops[i](a);\n"
        "    sink1(b);                                // sink1\n"
        "    int c = none(source3());                 // src3\n"
        "    sink2(c);                                // sink2\n"
        "    return 0;\n"
        "}\n");
    check_forward(&w, SA_DEP_VALUE, "src1", "add sub sink1", "nul sink2");
    check_chop(&w, SA_DEP_VALUE, "src2", "sink1", "", "src2");
    check_chop(&w, SA_DEP_ADDRESS, "src2", "sink1", "src2 sink1", "");
    check_backward(&w, SA_DEP_VALUE, "nul", "nul src3", "src1 src2 sink2");
    world_destroy(&w);
}

/* A library calls functions of the program, now or later. */
static void
test_callbacks(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "#include <pthread.h>\n"
        "#include <stdlib.h>\n"
        "int source1(void), source2(void);\n"
        "void sink1(int), sink2(int);\n"
        "static int box, numbers[8];\n"
        "static int compare(const void *a, const void *b) {\n"
        "    return *(int *) a - *(int *) b;          // compare\n"
        "}\n"
        "static void *worker(void *p) {\n"
        "    sink1(*(int *) p);                       // sink1\n"
        "    return 0;\n"
        "}\n"
        "int main(void) {\n"
        "    pthread_t t;\n"
        "    box = source1();                         // src1\n"
        "    pthread_create(&t, 0, worker, &box);     // create\n"
        "    numbers[0] = source2();                  // src2\n"
        "    qsort(numbers, 8, sizeof(int), compare); // qsort\n"
        "    sink2(numbers[0]);                       // sink2\n"
        "    return 0;\n"
        "}\n");
    check_forward(&w, SA_DEP_VALUE, "src1", "sink1", "sink2 compare");
    check_forward(&w, SA_DEP_VALUE, "src2", "compare qsort sink2", "sink1");
    check_backward(&w, SA_DEP_CONTROL, "sink1", "create src1", "src2");
    world_destroy(&w);
}

/* Options, paths. */

static bool
skip_one(uint32_t vertex, void *skipped)
{
    return vertex == *(uint32_t *) skipped;
}

static void
test_options(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void);\n"
        "void sink1(int), sink2(int);\n"
        "static void deep(int x) { sink1(x); }        // sink1\n"
        "int main(void) {\n"
        "    int x = source1();                       // src1\n"
        "    deep(x);                                 // deep\n"
        "    sink2(x * 2);                            // sink2\n"
        "    return 0;\n"
        "}\n");
    bool *functions = g_new0(bool, w.program->n_functions);
    struct sa_slice_options options = {
        .dep = SA_DEP_VALUE,
        .functions = functions,
    };
    uint32_t src = sa_sdg_insn(w.sdg, world_insn(&w, "src1", LLVMCall));

    functions[world_function(&w, "main")] = true;
    check(&w, sa_slice_forward(w.sdg, &src, 1, &options), "sink2 deep",
          "sink1");

    uint32_t mul = sa_sdg_insn(w.sdg, world_insn(&w, "sink2", LLVMMul));
    options = (struct sa_slice_options) {
        .dep = SA_DEP_VALUE, .skip = skip_one, .aux = &mul
    };
    check(&w, sa_slice_forward(w.sdg, &src, 1, &options), "sink1 deep",
          "sink2");
    g_free(functions);
    world_destroy(&w);
}

static void
check_path(const struct world *w, const struct sa_slice *slice,
           uint32_t from, uint32_t to, uint32_t asked)
{
    size_t n;
    uint32_t *path = sa_slice_path(slice, asked, &n);

    assert_non_null(path);
    assert_true(n >= 2);
    assert_int_equal(path[0], from);
    assert_int_equal(path[n - 1], to);
    for (size_t i = 0; i < n; i++) {
        assert_true(sa_slice_has(slice, path[i]));
        assert_int_not_equal(sa_sdg_vertex(w->sdg, path[i]).kind,
                             SA_VERTEX_SET);
    }
    g_free(path);
}

static void
test_paths(void **state)
{
    struct world w;

    (void) state;
    world_init(&w,
        "int source1(void);\n"
        "void sink1(int), sink2(int);\n"
        "static int kept[2];\n"
        "static void keep(int x) { kept[x & 1] = x; }\n"
        "int main(void) {\n"
        "    keep(source1());                         // src1\n"
        "    sink1(kept[0]);                          // sink1\n"
        "    sink2(1);                                // sink2\n"
        "    return 0;\n"
        "}\n");
    struct sa_slice_options options = { .dep = SA_DEP_VALUE };
    uint32_t src = sa_sdg_insn(w.sdg, world_insn(&w, "src1", LLVMCall));
    uint32_t sink = sa_sdg_insn(w.sdg, world_insn(&w, "sink1", LLVMCall));
    uint32_t other = sa_sdg_insn(w.sdg, world_insn(&w, "sink2", LLVMCall));
    struct sa_slice *f = sa_slice_forward(w.sdg, &src, 1, &options);
    struct sa_slice *b = sa_slice_backward(w.sdg, &sink, 1, &options);
    struct sa_slice *c = sa_slice_chop(w.sdg, &src, 1, &sink, 1, &options);
    size_t n;

    check_path(&w, f, src, sink, sink);
    check_path(&w, b, src, sink, src);
    check_path(&w, c, src, sink, sink);
    assert_int_equal(sa_slice_previous(f, src), SA_NONE);
    assert_null(sa_slice_path(f, other, &n));
    assert_int_equal(sa_slice_vertices(f, &n)[0], src);
    sa_slice_destroy(f);
    sa_slice_destroy(b);
    sa_slice_destroy(c);
    world_destroy(&w);
}

static void
test_modref(void **state)
{
    struct world w;
    uint32_t n;

    (void) state;
    world_init(&w,
        "#include <string.h>\n"
        "static int a, b, c;\n"
        "static char text[8];\n"
        "static void leaf(int *p) {\n"
        "    *p = a;                                  // leaf\n"
        "}\n"
        "void top(void) {\n"
        "    leaf(&b);                                // top\n"
        "    memcpy(text, \"x\", 2);                  // memcpy\n"
        "}\n"
        "void apart(void) { c = 1; }\n");
    uint32_t node[4];
    const char *names[] = { "a", "b", "c", "text" };
    const struct sa_object *objects = sa_pta_objects(w.pta, &n);
    for (int i = 0; i < 4; i++) {
        LLVMValueRef v = LLVMGetNamedGlobal(w.program->module, names[i]);
        uint32_t o = sa_pta_object_of(w.pta, sa_value_id(w.program, v));
        node[i] = objects[o].first_node;
    }

    uint32_t store = world_insn(&w, "leaf", LLVMStore);
    assert_int_equal(sa_modref_writes(w.modref, store).n, 1);
    assert_int_equal(sa_modref_writes(w.modref, store).ids[0], node[1]);
    assert_int_equal(sa_modref_reads(w.modref, store).n, 0);

    uint32_t copy = world_insn(&w, "memcpy", LLVMCall);
    assert_int_equal(sa_modref_writes(w.modref, copy).ids[0], node[3]);

    uint32_t top = world_function(&w, "top");
    uint32_t *t = sa_modref_transitive(w.modref, true, &top, 1, &n);
    assert_int_equal(n, 2);
    assert_int_equal(t[0], MIN(node[1], node[3]));
    assert_int_equal(t[1], MAX(node[1], node[3]));
    g_free(t);

    uint32_t *writers = sa_modref_writers(w.modref, node[1], &n);
    assert_int_equal(n, 1);
    assert_int_equal(writers[0], store);
    g_free(writers);
    uint32_t *readers = sa_modref_readers(w.modref, node[2], &n);
    assert_int_equal(n, 0);
    g_free(readers);
    world_destroy(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_matched_calls),
        cmocka_unit_test(test_up_and_down),
        cmocka_unit_test(test_recursion),
        cmocka_unit_test(test_control),
        cmocka_unit_test(test_memory),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_function_pointers),
        cmocka_unit_test(test_callbacks),
        cmocka_unit_test(test_options),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_modref),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
