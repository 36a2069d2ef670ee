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

/* The opposite of feasible.c: the loop calls each of these functions with 1, and
 * it, a thread or a handler gets to where X_2 is written as well, in a way in which
 * no constant must be taken for all that there is.
 *
 * - by_memory() gets what main() stored before the loop, by_result() what a function
 *   returns; by_pointer() and by_stored() change their parameter through a pointer,
 *   by_varargs() gets it as a variable argument, and by_call() is also called through
 *   a pointer.
 * - by_recursion() counts up; by_loop() gets the counter of a loop, by_many() more
 *   constants than are kept apart, and by_default() one that has no case.
 * - by_thread() is called by a thread, with 2, and on_signal() by the kernel.
 * - never() is called with 2 before the loop only: that is looked at here.
 *
 * expect: loop main
 * expect: updateable memory_1 memory_2 result_1 result_2 pointer_1 pointer_2
 *   where where_1 where_2 varargs_1 varargs_2 call_1 call_2 recursion_1
 *   recursion_2 loop_1 loop_2 many_1 many_2 default_2 thread_1 thread_2
 *   signal_1 signal_2 never_1 */
#include <pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>

static int memory_1, memory_2, result_1, result_2, pointer_1, pointer_2;
static int varargs_1, varargs_2, call_1, call_2;
static int recursion_1, recursion_2, loop_1, loop_2;
static int many_1, many_2, default_1, default_2, thread_1, thread_2;
static int signal_1, signal_2, never_1, never_2;

static int mode;
static int *where, where_1, where_2;

static void
by_memory(int what)
{
    switch (what) {
    case 1: memory_1++; break;
    case 2: memory_2++; break;
    }
}

static void
by_result(int what)
{
    switch (what) {
    case 1: result_1++; break;
    case 2: result_2++; break;
    }
}

static int
two(void)
{
    return 2;
}

static void
set_two(int *what)
{
    *what = 2;
}

static void
by_pointer(int what)
{
    if (what != 1) {
        return;
    }
    set_two(&what);
    switch (what) {
    case 1: pointer_1++; break;
    case 2: pointer_2++; break;
    }
}

static void
by_stored(int what)
{
    where = &what;
    *where = 2;
    switch (what) {
    case 1: where_1++; break;
    case 2: where_2++; break;
    }
}

static void
by_varargs(int n, ...)
{
    va_list args;
    va_start(args, n);
    for (int i = 0; i < n; i++) {
        switch (va_arg(args, int)) {
        case 1: varargs_1++; break;
        case 2: varargs_2++; break;
        }
    }
    va_end(args);
}

static void
by_call(int what)
{
    switch (what) {
    case 1: call_1++; break;
    case 2: call_2++; break;
    }
}

static void
by_recursion(int what)
{
    if (what == 1) {
        recursion_1++;
    } else if (what == 100) {
        recursion_2++;
        return;
    }
    by_recursion(what + 1);
}

static void
by_loop(int what)
{
    switch (what) {
    case 1: loop_1++; break;
    case 20: loop_2++; break;
    }
}

static void
by_many(int what)
{
    switch (what) {
    case 1: many_1++; break;
    case 20: many_2++; break;
    }
}

static void
by_default(int what)
{
    switch (what) {
    case 2: default_1++; break;
    default: default_2++; break;
    }
}

static void
by_thread(int what)
{
    switch (what) {
    case 1: thread_1++; break;
    case 2: thread_2++; break;
    }
}

static void *
run(void *aux)
{
    for (;;) {
        by_thread(memory_1 + 2 > 0 ? 2 : 3);
    }
    return aux;
}

static void
on_signal(int what)
{
    switch (what) {
    case 1: signal_1++; break;
    case SIGHUP + 1: signal_2++; break;
    }
}

static void
never(int what)
{
    switch (what) {
    case 1: never_1++; break;
    case 2: never_2++; break;
    }
}

int
main(int argc, char *argv[])
{
    void (*volatile function)(int) = by_call;
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    pthread_t thread;

    mode = 2;
    pthread_create(&thread, NULL, run, NULL);
    signal(SIGINT, on_signal);
    never(2);
    while (pcap_next(p, &header)) {
        by_memory(1);
        by_memory(mode);
        by_result(1);
        by_result(two());
        by_pointer(1);
        by_stored(1);
        by_varargs(2, 1, 2);
        by_call(1);
        function(2);
        by_recursion(1);
        for (int i = 1; i <= 20; i++) {
            by_loop(i);
        }
        by_many(1), by_many(2), by_many(3), by_many(4), by_many(5);
        by_many(6), by_many(7), by_many(8), by_many(9), by_many(20);
        by_default(1);
        by_thread(1);
        on_signal(1);
        never(1);
    }
    return 0;
}
