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

/* Functions that write through pointers which they get from main() before the
 * loop, from the loop, and otherwise.  What just main() gives them is not written
 * while the loop runs.
 *
 * - parse() gets &port from main() only, and in the loop &now, and &odd or &even
 *   from choose(); pass() hands on &unpassed from main(), and &passed from the loop;
 *   add() gets the address of a member: n_starts from main(), n_calls from the loop;
 *   clear(), which calls memset(), gets 'table' from main() and 'cleared' from the
 *   loop.  copy() allocates and moves along what it has allocated: for main() that is
 *   what 'name' points to, and for the loop what 'last' does.
 * - The loop gives store() what it finds in memory, where main() has put &stored;
 *   again() returns what it has allocated when main() called it first
 *   ('kept'); a thread, which main() has started, gives parse()
 *   &in_thread, and the kernel calls on_signal(), which gives it &handled; work(),
 *   which main() calls with &started, is a thread's function with that, too.
 *
 * expect: loop main
 * expect: updateable now odd even passed cleared last stored in_thread handled
 *   started again::kept struct.counter.n_calls
 * expect: why-not port to is not 0 */
#include <pcap.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

struct counter {
    int n_starts, n_calls;
};

static int port, now, odd, even, passed, unpassed, stored, in_thread, handled;
static int started;
static struct counter *counter;
static char table[64], cleared[64];
static char *name, *last;
static int *where;

static void
parse(int *to, const char *s)
{
    *to = atoi(s);
}

static void
choose(const char *s)
{
    parse(s[0] & 1 ? &odd : &even, s + port + table[0]);
}

static void
pass(int *to, const char *s)
{
    int *also = to;
    parse(also, s);
}

static void
add(int *to)
{
    ++*to;
}

static void
count_call(struct counter *c)
{
    add(&c->n_calls);
}

static void
clear(char *s)
{
    memset(s, 0, 64);
}

static void
blank(char *s)
{
    for (; *s; s++) {
        if (*s == '\t') {
            *s = ' ';
        }
    }
}

static char *
copy(const char *s)
{
    char *to = malloc(strlen(s) + 1);
    strcpy(to, s);
    blank(to);
    return to;
}

static void
store(int *to)
{
    *to = 1;
}

static char *
again(void)
{
    static char *kept;
    if (!kept) {
        kept = malloc(16);
    }
    return kept;
}

static void *
run(void *aux)
{
    for (;;) {
        parse(&in_thread, "1");
    }
    return aux;
}

static void *
work(void *aux)
{
    store(aux);
    return NULL;
}

static void
on_signal(int number)
{
    parse(&handled, "1");
}

int
main(int argc, char *argv[])
{
    char error[PCAP_ERRBUF_SIZE];
    pcap_t *p = pcap_open_offline(argv[argc - 1], error);
    struct pcap_pkthdr header;
    const char *packet;
    pthread_t thread;

    counter = calloc(1, sizeof *counter);
    parse(&port, argv[1]);
    pass(&unpassed, argv[1]);
    add(&counter->n_starts);
    clear(table);
    name = copy(argv[2]);
    where = &stored;
    again();
    work(&started);
    pthread_create(&thread, NULL, run, NULL);
    pthread_create(&thread, NULL, work, &started);
    signal(SIGINT, on_signal);
    while ((packet = (const char *) pcap_next(p, &header))) {
        parse(&now, packet);
        choose(packet);
        pass(&passed, packet + unpassed + *name);
        count_call(counter);
        clear(cleared);
        last = copy(packet);
        store(where);
        *again() = counter->n_starts + *last + cleared[0];
    }
    return 0;
}
