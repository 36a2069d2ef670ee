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

/* Tests the points-to analysis: small programs, one idea each, with sets
 * that were worked out by hand. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>
#include "diag.h"
#include "statealyzr-pta-world.h"

/* The node that world_describe() calls 'name', SA_NONE if there is none. */
static uint32_t
find_node(const struct world *w, const char *name)
{
    uint32_t n;

    sa_pta_nodes(w->pta, &n);
    for (uint32_t i = 0; i < n; i++) {
        struct sa_nodes nodes = { .ids = &i, .n = 1 };
        char *text = world_describe(w, nodes);
        bool found = !strcmp(text, name);
        g_free(text);
        if (found) {
            return i;
        }
    }
    return SA_NONE;
}

/* What is stored at 'place' must point to exactly 'expected'. */
static void
expect(const struct world *w, const char *place, const char *expected)
{
    uint32_t node = find_node(w, place);
    char *text = (node == SA_NONE ? g_strdup("")
                  : world_describe(w, sa_pta_content(w->pta, node)));

    if (strcmp(text, expected)) {
        fail_msg("%s points to \"%s\", not \"%s\"", place, text, expected);
    }
    g_free(text);
}

/* One program, and "place: expected" for each of what follows. */
static void
check(const char *source, ...)
{
    struct world w = world_analyse(source);
    const char *place;
    va_list args;

    va_start(args, source);
    while ((place = va_arg(args, const char *))) {
        expect(&w, place, va_arg(args, const char *));
    }
    va_end(args);
    world_destroy(&w);
}

static void
test_assignment(void **state)
{
    (void) state;
    /* Flow-insensitive: p has both addresses, q what p has, r only one. */
    check("int a, b, *p, *q, *r;\n"
          "void f(void) { p = &a; q = p; p = &b; r = &b; }\n",
          "p", "a b", "q", "a b", "r", "b", NULL);
}

static void
test_load_store(void **state)
{
    (void) state;
    check("int a, b, *p = &a, *q, **pp = &p;\n"
          "void f(void) { *pp = &b; q = *pp; }\n",
          "p", "a b", "q", "a b", "pp", "p", NULL);
}

static void
test_fields(void **state)
{
    (void) state;
    /* Two members do not mix, in a global, on the heap, by a pointer. */
    check("struct s { int *x; int *y; } g;\n"
          "int a, b, *p, *q, *r; void *malloc(unsigned long);\n"
          "void f(void) { struct s *h = malloc(sizeof *h);\n"
          "g.x = &a; g.y = &b; h->x = &b; h->y = &a; p = g.x; q = h->y;\n"
          "struct s *t = &g; r = t->y; }\n",
          "g", "a", "g+8", "b", "heap@3", "b", "heap@3+8", "a",
          "p", "a", "q", "a", "r", "b", NULL);
}

static void
test_arrays(void **state)
{
    (void) state;
    /* All elements are one, members of elements still are told apart. */
    check("struct s { int *x; int *y; } t[4]; int a, b, *p, *q, *r;\n"
          "void f(int i) { t[1].x = &a; t[i].y = &b; p = t[2].x;\n"
          "struct s *e = t; for (; i--; e++) { q = e->y; }\n"
          "r = (&t[3] - 1)->x; }\n",
          "t", "a", "t+8", "b", "p", "a", "q", "b", "r", "a", NULL);
}

static void
test_array_in_struct(void **state)
{
    (void) state;
    /* An index does not leave the array for the member behind it. */
    check("struct s { int *t[3]; int *after; } g, *h; int a, b, *p, *q;\n"
          "void *malloc(unsigned long);\n"
          "void f(int i) { h = malloc(sizeof *h); g.t[i] = &a; g.after = &b;\n"
          "h->t[i] = &b; h->after = &a; int **e = &h->t[1];\n"
          "p = e[i]; q = h->after; }\n",
          "g", "a", "g+24", "b", "heap@3", "b", "heap@3+24", "a",
          "p", "b", "q", "a", NULL);
}

static void
test_container_of(void **state)
{
    (void) state;
    /* From a member back to the struct, also in an array of structs. */
    check("struct n { struct n *next; };\n"
          "struct s { int *x; struct n n; int *y; } g, t[3];\n"
          "int a, b, *p, *q; struct n *l;\n"
          "#define S(N) ((struct s *) ((char *) (N) - 8))\n"
          "void f(int i) { g.x = &a; t[i].y = &b; l = &g.n;\n"
          "p = S(l)->x; struct n *m = &t[i].n; q = S(m)->y; }\n",
          "l", "g+8", "p", "a", "q", "b", NULL);
}

static void
test_list_head(void **state)
{
    (void) state;
    /* The head of a circular list is in no element: what is around it in
     * its own struct does not appear as members of elements. */
    check("#include <stdlib.h>\nstruct n { struct n *next; };\n"
          "struct e { int *x; struct n n; } *p; int a, b, *q;\n"
          "struct t { int *y; struct n head; } t;\n"
          "void f(void) { struct e *e = malloc(sizeof *e); e->x = &a;\n"
          "t.y = &b; e->n.next = &t.head; t.head.next = &e->n;\n"
          "for (struct n *i = t.head.next; i != &t.head; i = i->next) {\n"
          "struct e *g = (struct e *) ((char *) i - 8);\n"
          "p = g; q = g->x; } }\n",
          "p", "heap@5", "q", "a", NULL);
}

static void
test_list_head_first(void **state)
{
    (void) state;
    /* The same if the links are an element's first member. */
    check("#include <stdlib.h>\nstruct n { struct n *next; };\n"
          "struct e { struct n n; int *x; } *p; int a, b, *q;\n"
          "struct t { struct t *t; struct n head; int *y; } t;\n"
          "void f(void) { struct e *e = malloc(sizeof *e); e->x = &a;\n"
          "t.y = &b; e->n.next = &t.head; t.head.next = &e->n;\n"
          "for (struct n *i = t.head.next; i != &t.head; i = i->next) {\n"
          "q = ((struct e *) i)->x; } }\n", "q", "a", NULL);
}

/* What a program keeps as void *, of two types. */
#define TWO_TYPES                                                       \
    "struct a { int n, m; int *x; } a; struct b { int *y, *x; } b;\n"    \
    "void *v; int i, j, *p;\n"                                          \
    "void g(void) { a.x = &i; b.x = &j; v = &a; v = &b; }\n"

static void
test_member_type(void **state)
{
    (void) state;
    /* What cannot be the struct that a pointer is declared to point to is
     * not in its set: in a variable's, a member's, a parameter's, and where
     * it is just cast. */
    check(TWO_TYPES "struct a *q; void f(void) { q = v; p = q->x; }\n",
          "v", "a b", "q", "a", "p", "i", NULL);
    check(TWO_TYPES "struct c { struct b *b; } c;\n"
          "void f(void) { c.b = v; p = c.b->x; }\n", "p", "j", NULL);
    check(TWO_TYPES "void f(struct a *q) { p = q->x; }\n"
          "void h(void) { f(v); }\n", "p", "i", NULL);
    check(TWO_TYPES "void f(void) { p = ((struct b *) v)->x; }\n",
          "p", "j", NULL);
}

static void
test_thread_local(void **state)
{
    (void) state;
    /* Bytes for a thread's own variable: they stay bytes, whatever they are
     * used as. */
    check("static _Thread_local char *bytes; int a, b, *q;\n"
          "struct s { int *x, *y; }; void *malloc(unsigned long);\n"
          "void f(unsigned long n) { bytes = malloc(n);\n"
          "struct s *s = (struct s *) bytes; s->x = &a; s->y = &b;\n"
          "q = s->y; }\n",
          "q", "a b", NULL);
}

static void
test_member_type_unknown(void **state)
{
    (void) state;
    /* Nothing is kept out where it may well be meant: members of unions,
     * characters, integers as wide as pointers, void *, and a struct that
     * the memory begins with. */
    check(TWO_TYPES "union u { struct a *a; struct b *b; } u;\n"
          "void f(void) { u.a = v; p = u.b->x; }\n", "p", "j", NULL);
    check("struct s { char c[16]; } s; struct t { long n; int *x; } t;\n"
          "struct u { void *m; int *x; } u; void *v; int i, *p;\n"
          "struct e { int *y; int *x; } *q; void f(void) {\n"
          "v = &s; v = &t; v = &u; q = v; }\n", "q", "s t u", NULL);
    check("struct h { int n; }; struct s { struct h h; int *x; } s;\n"
          "struct h *h; int i, *p; void f(void) { s.x = &i; h = &s.h;\n"
          "p = ((struct s *) h)->x; }\n", "h", "s", "p", "i", NULL);
}

static void
test_function_type(void **state)
{
    (void) state;
    check("struct s { int *x; } s; int i, *p; void *v;\n"
          "void g(void) { p = &i; } void (*h)(void);\n"
          "void f(void) { v = &s; v = (void *) g; h = v; h(); }\n",
          "v", "g s", "h", "g", NULL);
}

static void
test_union(void **state)
{
    (void) state;
    check("union u { int *x; struct { int *y; int *z; } s; } g; int a, b;\n"
          "int *p, *q; void f(void) { g.x = &a; g.s.z = &b;\n"
          "p = g.s.y; q = g.s.z; }\n", "p", "a", "q", "b", NULL);
}

static void
test_memcpy(void **state)
{
    (void) state;
    /* Struct assignment and memcpy() keep members apart; a copy of the first 8
     * bytes does not copy the second member. */
    check("struct s { int *x; int *y; } g, h, k; int a, b;\n"
          "void *memcpy(void *, const void *, unsigned long);\n"
          "void f(void) { g.x = &a; g.y = &b; h = g; memcpy(&k, &g, 8); }\n",
          "h", "a", "h+8", "b", "k", "a", "k+8", "", NULL);
}

static void
test_copied_array(void **state)
{
    (void) state;
    /* An array's elements are one node, and arrive at each of the members that
     * are where the array is copied to, at no member beyond. */
    check("struct s { int *v[2]; int *x, *y, *z; } g; int a, b, *s[4];\n"
          "void *memcpy(void *, const void *, unsigned long);\n"
          "void f(int i) { s[i] = &a; s[0] = &b; memcpy(&g, s, 32); }\n",
          "g", "a b", "g+16", "a b", "g+24", "a b", "g+32", "", NULL);
}

static void
test_copied_characters(void **state)
{
    (void) state;
    /* A union of characters and pointers holds pointers, whichever of its
     * members they are copied to or from; the member behind it gets none. */
    check("union u { char c[32]; struct { int *x, *y; } s; int *z; };\n"
          "struct s { union u u; int *w; } g, h; int a, b, *k[2];\n"
          "void *memcpy(void *, const void *, unsigned long);\n"
          "void f(void) { g.u.s.y = &a; g.u.z = &b;\n"
          "memcpy(h.u.c, g.u.c, 32); memcpy(k, h.u.c, 16); }\n",
          "h", "b", "h+8", "a", "h+32", "", "k", "a b", NULL);
}

static void
test_function_pointers(void **state)
{
    (void) state;
    /* Through a table; k() is never called, so what it would store is not
     * there, and l() takes more than is given, which no call means. */
    check("int a, b, *p, *q; int *f1(int *x) { p = x; return &b; }\n"
          "int *l(int *x, int *y) { q = y; return y; }\n"
          "void k(int *x) { q = x; }\n"
          "struct ops { int *(*f)(); } ops[2] = { { f1 }, { l } };\n"
          "int *r; void g(int i) { r = ops[i].f(&a); }\n",
          "p", "a", "q", "", "r", "b", NULL);
}

static void
test_callbacks(void **state)
{
    (void) state;
    /* The argument arrives; the array's elements arrive in the comparison;
     * the value a thread returns arrives where it is joined. */
    check("#include <pthread.h>\n#include <stdlib.h>\n#include <signal.h>\n"
          "int a, b; void *p, *r; const void *q; int *t[4]; int *s;\n"
          "void *run(void *x) { p = x; return &b; }\n"
          "int cmp(const void *x, const void *y) { q = y; return 0; }\n"
          "void handler(int n) { s = &a; }\n"
          "void f(void) { pthread_t id; pthread_create(&id, 0, run, &a);\n"
          "qsort(t, 4, sizeof *t, cmp); pthread_join(id, &r); }\n",
          "p", "a", "q", "t", "r", "b", "s", "a", NULL);
}

static void
test_varargs(void **state)
{
    (void) state;
    check("#include <stdarg.h>\nint a, b, *p, *q;\n"
          "void v(int n, ...) { va_list ap, aq; va_start(ap, n);\n"
          "va_copy(aq, ap); p = va_arg(ap, int *); q = va_arg(aq, int *); }\n"
          "void f(void) { v(1, &a); v(2, &b); }\n",
          "p", "a b", "q", "a b", NULL);
}

static void
test_by_value(void **state)
{
    (void) state;
    /* Structs as arguments and results, small ones (in registers) and large
     * ones (byval, sret); the callee changes its copy only. */
    check("struct s { int *x, *y; }; struct l { int *x, *y, *z; };\n"
          "int a, b, *p, *q, *r; struct l g;\n"
          "struct s mk(int *x) { struct s s = { x, &b }; return s; }\n"
          "struct l mkl(int *x) { struct l l = { x, &b, 0 }; return l; }\n"
          "void use(struct l l) { l.z = &b; p = l.x; }\n"
          "void f(void) { struct s s = mk(&a); q = s.y; g = mkl(&a);\n"
          "use(g); r = g.z; }\n",
          "p", "a", "q", "b", "g", "a", "g+8", "b", "r", "", NULL);
}

static void
test_wrapper(void **state)
{
    (void) state;
    /* A wrapper of a wrapper: each caller has its own object, and one is
     * not in the other. */
    check("#include <stdlib.h>\n#include <string.h>\n"
          "void *inner(size_t n) { void *x = malloc(n); if (!x) abort();\n"
          "return x; }\n"
          "void *outer(size_t n) { return memset(inner(n), 0, n); }\n"
          "int a, b; struct s { int *x; } *p, *q;\n"
          "void f(void) {\np = outer(8);\nq = outer(8);\n"
          "p->x = &a; q->x = &b; }\n",
          "p", "heap@3<8", "q", "heap@3<9",
          "heap@3<8", "a", "heap@3<9", "b", NULL);
}

static void
test_wrapper_header(void **state)
{
    (void) state;
    /* What is returned lies behind a header, which does not mix with it. */
    check("#include <stdlib.h>\nint a, b, *p;\n"
          "void *w(size_t n) { long *x = malloc(n + 16); x[0] = n;\n"
          "return (char *) x + 16; }\n"
          "struct s { int *x, *y; } *q;\n"
          "void f(void) {\nq = w(16); q->x = &a; q->y = &b; p = q->y; }\n",
          "q", "heap@3<7+16", "heap@3<7+16", "a", "heap@3<7+24", "b",
          "p", "b", NULL);
}

static void
test_scalars_behind_header(void **state)
{
    (void) state;
    /* The same for an array of pointers: its elements are told from what the
     * header holds, which is reached again by arithmetic. */
    check("#include <stdlib.h>\nstruct h { struct h *next; } *all;\n"
          "int a, **p, *q; struct h *r;\n"
          "void *w(size_t n) { struct h *x = malloc(n + 8);\n"
          "x->next = all; all = x; return (char *) x + 8; }\n"
          "void f(int i) {\np = w(80); p[i] = &a; q = p[i];\n"
          "r = ((struct h *) ((char *) p - 8))->next; }\n",
          "q", "a", "all", "heap@4<7", "heap@4<7", "heap@4<7",
          "heap@4<7+8", "a", NULL);
}

static void
test_reallocated_header(void **state)
{
    (void) state;
    /* realloc() is given the header: members stay where they are. */
    check("#include <stdlib.h>\nint a, b, *p, *q;\n"
          "void *w(void *o, size_t n) { if (o) o = (char *) o - 8;\n"
          "long *x = realloc(o, n + 8); return (char *) x + 8; }\n"
          "struct s { int *x, *y; } *s, *t;\n"
          "void f(void) { s = w(0, 16); s->x = &a; s->y = &b;\n"
          "t = w(s, 16); p = t->x; q = t->y; }\n",
          "p", "a", "q", "b", NULL);
}

static void
test_copied_string(void **state)
{
    (void) state;
    /* A copy of unknown length to an array stays in the array, one to the
     * start of a struct goes up to its end. */
    check("#include <string.h>\nint a, b;\n"
          "struct s { int *x; char name[16]; int *y; } s, t;\n"
          "int *from[9], **p;\n"
          "void f(size_t n) { for (p = from; p < from + 9; p++) *p = &a;\n"
          "s.y = &b; memcpy(s.name, from, n); memcpy(&t, &s, n); }\n",
          "s+24", "b", "t", "", "t+24", "b", NULL);
}

static void
test_reallocated(void **state)
{
    (void) state;
    check("#include <stdlib.h>\nint a, **p, **q, *r;\n"
          "void *grow(void *x, size_t n) { return realloc(x, n); }\n"
          "void f(int i) { p = malloc(8); p[0] = &a;\n"
          "p = grow(p, 80); r = p[i];\n"
          "q = malloc(8);\nq = grow(q, 80); }\n",
          "r", "a", "heap@3<5", "a", "heap@3<7", "", NULL);
}

static void
test_tail(void **state)
{
    (void) state;
    /* Bytes behind a struct are neither its members nor its next element. */
    check("#include <stdlib.h>\nstruct s { int *x; char *data; } *p;\n"
          "int a, b, *q; void f(size_t n) {\n"
          "p = malloc(sizeof *p + n); p->x = &a; p->data = (char *) (p + 1);\n"
          "*(int **) (p->data + n) = &b; q = p->x; }\n",
          "q", "a", "heap@4+8", "heap@4+16", "heap@4+16", "b", NULL);
}

static void
test_tail_of_wrapper(void **state)
{
    (void) state;
    /* The same if a wrapper in between adds the bytes. */
    check("#include <stdlib.h>\nstruct s { int *x; char *data; } *p;\n"
          "int a, b, *q; void *w(size_t n) { return malloc(n); }\n"
          "struct s *v(size_t n) { return w(sizeof *p + n); }\n"
          "void f(size_t n) {\n"
          "p = v(n); p->x = &a; p->data = (char *) (p + 1);\n"
          "*(int **) (p->data + n) = &b; q = p->x; }\n",
          "q", "a", NULL);
}

static void
test_size_of_wrapper(void **state)
{
    (void) state;
    /* What a wrapper is told to allocate is the size of the object: it is no
     * array, and has no room for a larger struct. */
    check("#include <stdlib.h>\nint a, b, *q; struct s { int *x; } *p;\n"
          "struct t { int *x, *y; }; void *g;\n"
          "void *w(size_t n, size_t m) { return malloc(n * m); }\n"
          "void f(int i) {\np = w(1, 8); p->x = &a; g = p;\n"
          "((struct t *) g)->y = &b; p[1].x = &b; q = p->x; }\n",
          "q", "a", NULL);
}

static void
test_wrapper_by_address(void **state)
{
    (void) state;
    /* Memory whose address an argument gets. */
    check("#include <stdlib.h>\nint a, b; struct s { int *x; } *p, *q;\n"
          "void *w(size_t n) { void *x = NULL;\n"
          "return posix_memalign(&x, 64, n) ? NULL : x; }\n"
          "void f(void) {\np = w(8);\nq = w(8);\np->x = &a; q->x = &b; }\n",
          "p", "heap@4<6", "q", "heap@4<7", "heap@4<6", "a", "heap@4<7", "b",
          NULL);
}

static void
test_wrapper_by_pointer(void **state)
{
    (void) state;
    /* A function that allocates what it is told, called through a pointer. */
    check("#include <stdlib.h>\nint a, b; struct s { int *x; } *p, *q;\n"
          "void *w(size_t n) { return malloc(n); }\n"
          "void *(*allocate)(size_t) = w;\n"
          "void f(void) {\np = allocate(8);\nq = allocate(8);\n"
          "p->x = &a; q->x = &b; }\n",
          "p", "heap@3<6", "q", "heap@3<7", "heap@3<6", "a", "heap@3<7", "b",
          NULL);
}

static void
test_first_member(void **state)
{
    (void) state;
    /* Memory is of the type that the member is declared with, though structs
     * are at the same place that look alike; and what a parameter without a
     * type is assigned to has one. */
    check("#include <stdlib.h>\nint a, *q; struct r { int n; char *c; };\n"
          "struct r2 { int n; long *l; }; struct s { struct r r; } g;\n"
          "struct r2 h; struct t { int *x, *y; }; void *p;\n"
          "void set(struct s *s, void *v, size_t n) { struct r *r = v;\n"
          "s->r.c = malloc(n);\nr->c = malloc(n);\n"
          "p = n ? s->r.c : r->c; ((struct t *) p)->y = &a; }\n"
          "void f(size_t n) { struct r r; set(&g, &r, n); }\n",
          "heap@6", "a", "heap@7", "a", NULL);
}

static void
test_constants(void **state)
{
    (void) state;
    /* Nothing is stored to what is const. */
    check("int a, b, *q; int *const k[] = { &a }; int *v[] = { &a };\n"
          "int *const *p; int **w;\n"
          "void f(int i) { p = i ? k : (int *const *) v; w = (int **) p;\n"
          "*w = &b; q = k[i]; }\n", "q", "a", "v", "a b", NULL);
}

static void
test_literals(void **state)
{
    (void) state;
    /* All literals are one object, also for those who ask which; an array
     * with a name is not among them, though it has no other use. */
    const char *source
        = "static const char name[] = \"c\"; const char *p, *q, *r;\n"
          "void f(int i) { p = \"a\"; q = i ? \"b\" : name; r = name; }\n";
    struct world w = world_analyse(source);
    uint32_t literals = SA_NONE;
    unsigned int n = 0;

    expect(&w, "p", ".str");
    expect(&w, "q", ".str name");
    expect(&w, "r", "name");
    for (uint32_t i = 0; i < w.program->n_values; i++) {
        LLVMValueRef v = w.program->values[i];
        size_t length;

        if (LLVMIsAGlobalVariable(v)
            && g_str_has_prefix(LLVMGetValueName2(v, &length), ".str")) {
            uint32_t object = sa_pta_object_of(w.pta, i);
            assert_int_not_equal(object, SA_NONE);
            assert_true(!n++ || object == literals);
            literals = object;
        }
    }
    assert_int_equal(n, 2);
    world_destroy(&w);
}

static void
test_untyped_heap(void **state)
{
    (void) state;
    /* Memory that is declared as nothing gets its layout from its use, even if
     * something walks over it byte by byte before. */
    check("#include <stdlib.h>\nint a, b, *p; struct s { int *x, *y; };\n"
          "void *g; void z(char *c, int n) { while (n--) *c++ = 0; }\n"
          "void f(size_t n) { g = malloc(n); z(g, n);\n"
          "((struct s *) g)->x = &a; ((struct s *) g)->y = &b;\n"
          "p = ((struct s *) g)->y; }\n",
          "p", "b", "heap@4", "a", NULL);
}

static void
test_walk(void **state)
{
    (void) state;
    /* A pointer that a loop moves through a struct may load any of it. */
    check("struct s { int *x, *y, *z; } g; int a, b, *p, **w;\n"
          "void f(int n) { g.x = &a; g.z = &b; char *c = (char *) &g;\n"
          "p = *(int **) (c + n); }\n", "p", "a b", NULL);
}

static void
test_initialisers(void **state)
{
    (void) state;
    check("int a, t[4]; struct s { int n; int *x; struct s *next; };\n"
          "struct s u = { 1, &a, 0 }, v = { 2, &t[2], &u };\n"
          "int *table[] = { 0, &a, &t[1] };\n",
          "u+8", "a", "v+8", "t", "v+16", "u", "table", "a t", NULL);
}

static void
test_integers(void **state)
{
    (void) state;
    /* Through integers as wide as pointers; a difference is no pointer. */
    check("#include <stdint.h>\nint a, *p, *q; uintptr_t n; long d;\n"
          "void f(void) { n = (uintptr_t) &a | 1; p = (int *) (n & ~1ul);\n"
          "d = q - p; q = (int *) d; }\n", "p", "a", "q", "", NULL);
}

static void
test_strings(void **state)
{
    (void) state;
    check("#include <string.h>\n#include <stdlib.h>\n"
          "char a[10], *p, *q, *r, *s;\n"
          "void f(void) { p = strchr(a, 'x'); strtol(a, &q, 10);\n"
          "r = strdup(a); s = strtok(a, \" \"); }\n",
          "p", "a", "q", "a", "r", "heap@5", "s", "a", NULL);
}

static void
test_main_arguments(void **state)
{
    (void) state;
    check("char *p; extern char *optarg; char *q;\n"
          "int main(int argc, char **argv) { p = argv[1]; q = optarg; }\n",
          "p", "arguments", "q", "arguments", NULL);
}

static void
test_list(void **state)
{
    (void) state;
    /* A list whose elements are made in a loop is one object that points to
     * itself, and the end of the list is found through a pointer to it. */
    check("#include <stdlib.h>\nstruct e { struct e *next; int *x; } *head;\n"
          "int a, *p; void f(int n) { while (n--) {\n"
          "struct e *e = malloc(sizeof *e); e->x = &a;\n"
          "struct e **at = &head; while (*at) at = &(*at)->next;\n"
          "*at = e; } p = head->next->next->x; }\n",
          "head", "heap@4", "heap@4", "heap@4", "heap@4+8", "a", "p", "a",
          NULL);
}

static void
test_callers(void **state)
{
    (void) state;
    struct world w = world_analyse("void a(void) {} void b(void) {}\n"
                             "void (*p)(void) = a;\n"
                             "void f(void) { p(); b(); }\n"
                             "#include <signal.h>\n"
                             "void h(int n) {} void g(void) "
                             "{ signal(2, h); }\n");
    const char *const names[] = { "a", "b", "h" };

    for (size_t i = 0; i < 3; i++) {
        uint32_t n, f = sa_function_by_name(w.program, names[i]);
        const uint32_t *callers = sa_pta_callers(w.pta, f, &n);
        assert_int_equal(n, 1);
        uint32_t m;
        const uint32_t *functions = (i == 2
                                     ? sa_pta_callbacks(w.pta, callers[0], &m)
                                     : sa_pta_callees(w.pta, callers[0], &m));
        assert_int_equal(m, 1);
        assert_int_equal(functions[0], f);
    }
    world_destroy(&w);
}

static void
collect_node(uint32_t node, void *nodes)
{
    g_array_append_val((GArray *) nodes, node);
}

static void
test_access(void **state)
{
    (void) state;
    /* A call that writes 12 bytes touches the members in them only. */
    struct world w = world_analyse(
        "#include <string.h>\nstruct s { int a, b, c; long d; } g;\n"
        "void f(void) { g.a = g.b = g.c = g.d = 1; memset(&g, 0, 12); }\n");
    GArray *nodes = g_array_new(FALSE, FALSE, sizeof(uint32_t));
    LLVMValueRef g = LLVMGetNamedGlobal(w.program->module, "g");

    sa_pta_access(w.pta, sa_value_id(w.program, g), 12, collect_node, nodes);
    char *text = world_describe(&w, (struct sa_nodes) {
        .ids = (uint32_t *) nodes->data, .n = nodes->len });
    assert_string_equal(text, "g g+4 g+8");
    g_free(text);
    g_array_free(nodes, TRUE);
    world_destroy(&w);
}

/* The plainest solver: applies all constraints to all members until nothing
 * changes. */

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_assignment),
        cmocka_unit_test(test_load_store),
        cmocka_unit_test(test_fields),
        cmocka_unit_test(test_arrays),
        cmocka_unit_test(test_array_in_struct),
        cmocka_unit_test(test_container_of),
        cmocka_unit_test(test_list_head),
        cmocka_unit_test(test_list_head_first),
        cmocka_unit_test(test_member_type),
        cmocka_unit_test(test_member_type_unknown),
        cmocka_unit_test(test_thread_local),
        cmocka_unit_test(test_function_type),
        cmocka_unit_test(test_union),
        cmocka_unit_test(test_memcpy),
        cmocka_unit_test(test_copied_array),
        cmocka_unit_test(test_copied_characters),
        cmocka_unit_test(test_function_pointers),
        cmocka_unit_test(test_callbacks),
        cmocka_unit_test(test_varargs),
        cmocka_unit_test(test_by_value),
        cmocka_unit_test(test_wrapper),
        cmocka_unit_test(test_wrapper_header),
        cmocka_unit_test(test_scalars_behind_header),
        cmocka_unit_test(test_reallocated_header),
        cmocka_unit_test(test_copied_string),
        cmocka_unit_test(test_reallocated),
        cmocka_unit_test(test_tail),
        cmocka_unit_test(test_tail_of_wrapper),
        cmocka_unit_test(test_size_of_wrapper),
        cmocka_unit_test(test_wrapper_by_address),
        cmocka_unit_test(test_wrapper_by_pointer),
        cmocka_unit_test(test_first_member),
        cmocka_unit_test(test_constants),
        cmocka_unit_test(test_literals),
        cmocka_unit_test(test_untyped_heap),
        cmocka_unit_test(test_walk),
        cmocka_unit_test(test_initialisers),
        cmocka_unit_test(test_integers),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_main_arguments),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_callers),
        cmocka_unit_test(test_access),
    };

    sa_diag = sa_diag_create(false);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    sa_diag_destroy(sa_diag);
    return failed;
}
