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
#include <stdlib.h>
#include <string.h>

#include "statealyzr-world.h"

/* The packet-processing loop and the state procedures of small programs. */

static struct sa_loops *
find(const struct world *w)
{
    return sa_loops_find(w->program, w->pta, w->modref, w->sdg, w->tables);
}

/* Checks that the chosen loops are those at the lines named in 'names', which
 * blanks separate. */
static void
check_chosen(const struct world *w, const struct sa_loops *loops,
             const char *names)
{
    char **v = g_strsplit(names, " ", -1);
    size_t n = 0;

    for (size_t i = 0; v[i] && *v[i]; i++) {
        bool found = false;
        n++;
        for (size_t j = 0; j < loops->n_loops; j++) {
            const struct sa_loop *loop = &loops->loops[j];
            found = found
                    || (loop->chosen
                        && sa_insn_loc(w->program, loop->insn).line
                           == world_line(w, v[i])
                        && loop->why.n > 0);
        }
        if (!found) {
            for (size_t j = 0; j < loops->n_loops; j++) {
                if (loops->loops[j].chosen) {
                    print_error("chosen: line %u\n",
                                sa_insn_loc(w->program,
                                            loops->loops[j].insn).line);
                }
            }
            fail_msg("loop %s is not chosen", v[i]);
        }
    }
    assert_int_equal(loops->n_chosen, n);
    g_strfreev(v);
}

/* Checks that the functions named in 'with' are state procedures, and those in
 * 'without' are not. */
static void
check_procedures(const struct world *w, const struct sa_loops *loops,
                 const char *with, const char *without)
{
    struct sa_feasible *feasible = sa_feasible_find(w->program, w->pta,
                                                    w->tables, loops);
    struct sa_procedures *ps = sa_procedures_find(
        w->program, w->pta, w->modref, w->sdg, w->tables, loops, feasible);
    char **v = g_strsplit(with, " ", -1);

    for (size_t i = 0; v[i] && *v[i]; i++) {
        if (!ps->functions[world_function(w, v[i])]) {
            fail_msg("%s() is no state procedure", v[i]);
        }
    }
    g_strfreev(v);
    v = g_strsplit(without, " ", -1);
    for (size_t i = 0; v[i] && *v[i]; i++) {
        if (ps->functions[world_function(w, v[i])]) {
            fail_msg("%s() is a state procedure", v[i]);
        }
    }
    g_strfreev(v);
    for (size_t i = 0; i < ps->n_procedures; i++) {
        assert_true(ps->procedures[i].why.n > 0);
    }
    sa_procedures_destroy(ps);
    sa_feasible_destroy(feasible);
}

static void
check_program(const char *source, const char *chosen, const char *with,
              const char *without)
{
    struct world w;

    world_init(&w, source);
    struct sa_loops *loops = find(&w);
    check_chosen(&w, loops, chosen);
    check_procedures(&w, loops, with, without);
    sa_loops_destroy(loops);
    world_destroy(&w);
}

#define PCAP \
    "#include <stddef.h>\n" \
    "typedef struct pcap pcap_t;\n" \
    "struct pcap_pkthdr { long ts[2]; unsigned caplen, len; };\n" \
    "typedef void (*pcap_handler)(unsigned char *,\n" \
    "    const struct pcap_pkthdr *, const unsigned char *);\n" \
    "pcap_t *pcap_open_live(const char *, int, int, int, char *);\n" \
    "int pcap_loop(pcap_t *, int, pcap_handler, unsigned char *);\n" \
    "int pcap_dispatch(pcap_t *, int, pcap_handler, unsigned char *);\n" \
    "const unsigned char *pcap_next(pcap_t *, struct pcap_pkthdr *);\n" \
    "int pcap_next_ex(pcap_t *, struct pcap_pkthdr **,\n" \
    "                 const unsigned char **);\n"

#define SOCKETS \
    "#include <sys/types.h>\n" \
    "#include <sys/socket.h>\n" \
    "#include <poll.h>\n" \
    "#include <unistd.h>\n" \
    "#include <fcntl.h>\n" \
    "#include <errno.h>\n" \
    "#include <stdlib.h>\n" \
    "#include <pthread.h>\n" \
    "#include <signal.h>\n"

static void
test_pcap_loop(void **state)
{
    (void) state;
    check_program(PCAP
        "static int n;\n"
        "static void count(void) { n++; }\n"
        "static void handler(unsigned char *u, const struct pcap_pkthdr *h,\n"
        "                    const unsigned char *p) { if (*p) count(); }\n"
        "static void configure(void) { n = 0; }\n"
        "int main(void) {\n"
        "    pcap_t *p = pcap_open_live(\"eth0\", 1, 1, 1, 0);\n"
        "    configure();\n"
        "    pcap_loop(p, -1, handler, 0);            // loop\n"
        "    return 0;\n"
        "}\n", "loop", "main handler count", "configure");
}

/* The loop that is in the program is the one, not pcap_dispatch(). */
static void
test_pcap_dispatch(void **state)
{
    (void) state;
    check_program(PCAP
        "static volatile int stop;\n"
        "static void handler(unsigned char *u, const struct pcap_pkthdr *h,\n"
        "                    const unsigned char *p) { stop = *p; }\n"
        "static void tick(void) { stop = 0; }\n"
        "int main(void) {\n"
        "    pcap_t *p = pcap_open_live(\"eth0\", 1, 1, 1, 0);\n"
        "    while (!stop) {                          // loop\n"
        "        pcap_dispatch(p, -1, handler, 0);\n"
        "        tick();\n"
        "    }\n"
        "    return 0;\n"
        "}\n", "loop", "main handler tick", "");
}

static void
test_pcap_next(void **state)
{
    (void) state;
    check_program(PCAP
        "static void process(const unsigned char *p) { }\n"
        "int main(void) {\n"
        "    pcap_t *p = pcap_open_live(\"eth0\", 1, 1, 1, 0);\n"
        "    struct pcap_pkthdr *h;\n"
        "    const unsigned char *data;\n"
        "    while (pcap_next_ex(p, &h, &data) >= 0) { // loop\n"
        "        process(data);\n"
        "    }\n"
        "    return 0;\n"
        "}\n", "loop", "main process", "");
}

/* A loop that empties a list at the end does all that the packet loop does,
 * but it ends. */
static void
test_empties_list(void **state)
{
    (void) state;
    check_program(SOCKETS
        "struct flow { int id; struct flow *next; };\n"
        "struct all { int fd; struct flow *flows; } the;\n"
        "static char buf[2000];\n"
        "static void process(struct all *a) {\n"
        "    struct pollfd p = { a->fd, POLLIN };\n"
        "    poll(&p, 1, 10);\n"
        "    recv(a->fd, buf, sizeof buf, 0);\n"
        "}\n"
        "static void finish(struct all *a) {\n"
        "    while (a->flows) {\n"
        "        struct flow *f = a->flows;\n"
        "        a->flows = f->next;\n"
        "        process(a);\n"
        "        free(f);\n"
        "    }\n"
        "}\n"
        "int main(int argc, char **argv) {\n"
        "    the.fd = socket(AF_PACKET, SOCK_RAW, 3);\n"
        "    while (!buf[0]) {                        // loop\n"
        "        process(&the);\n"
        "    }\n"
        "    finish(&the);\n"
        "    return 0;\n"
        "}\n", "loop", "main process", "finish");
}

/* Counted loops around, retries and reads of files inside. */
static void
test_socket_loop(void **state)
{
    (void) state;
    check_program(SOCKETS
        "static char config[100];\n"
        "static void read_config(void) {\n"
        "    int fd = open(\"/etc/x\", O_RDONLY);\n"
        "    while (read(fd, config, 100) > 0) {      // config\n"
        "    }\n"
        "}\n"
        "static void process(char *p) { }\n"
        "static void serve(int fd) {\n"
        "    char packet[1500];\n"
        "    for (;;) {\n"
        "        int n = 0;\n"
        "        do {                                 // loop\n"
        "            n = recvfrom(fd, packet, 1500, 0, 0, 0);\n"
        "        } while (n < 0 && errno == EINTR);\n"
        "        process(packet);\n"
        "    }\n"
        "}\n"
        "int main(void) {\n"
        "    read_config();\n"
        "    for (int i = 0; i < 4; i++) {            // workers\n"
        "        if (!fork()) {\n"
        "            serve(socket(AF_INET, SOCK_DGRAM, 0));\n"
        "        }\n"
        "    }\n"
        "    return 0;\n"
        "}\n", "loop", "serve process", "read_config main");
}

/* A loop around all that starts over, and asks a server before. */
static void
test_restart(void **state)
{
    (void) state;
    check_program(SOCKETS
        "static volatile int stop, restart;\n"
        "static int started, flows[16];\n"
        "static int ask(void) {\n"
        "    int fd = socket(AF_INET, SOCK_STREAM, 0), n = 0;\n"
        "    char c;\n"
        "    while (n < 10 && recv(fd, &c, 1, 0) == 1) n++; // ask\n"
        "    return n;\n"
        "}\n"
        "static int start(void) {\n"
        "    int fd = socket(AF_INET, SOCK_DGRAM, 0);\n"
        "    started += ask();\n"
        "    listen(fd, 1);\n"
        "    return fd;\n"
        "}\n"
        "static void use(int f) { flows[f]++; }\n"
        "static void process(char *p) { use(*p & 15); }\n"
        "static void events(int fd) {\n"
        "    struct pollfd pfd = { fd, POLLIN, 0 };\n"
        "    char packet[1500];\n"
        "    while (!stop) {                          // loop\n"
        "        if (poll(&pfd, 1, -1) > 0) {\n"
        "            while (recv(fd, packet, 1500, 0) > 0) { // inner\n"
        "                process(packet);\n"
        "            }\n"
        "        }\n"
        "    }\n"
        "}\n"
        "int main(void) {\n"
        "    do {                                     // restart\n"
        "        int fd = start();\n"
        "        events(fd);\n"
        "    } while (restart);\n"
        "    return 0;\n"
        "}\n", "loop", "events process use", "start ask main");
}

/* Handlers by function pointers; a thread for each connection. */
static void
test_own_events(void **state)
{
    (void) state;
    check_program(SOCKETS
        "struct source { int fd; void (*ready)(struct source *); };\n"
        "static struct source sources[8];\n"
        "static int n, total;\n"
        "static void setup(void);\n"
        "static void *connection(void *p) {\n"
        "    struct source *s = p;\n"
        "    char c[100];\n"
        "    while (read(s->fd, c, 100) > 0) {        // inner\n"
        "        total++;\n"
        "    }\n"
        "    return 0;\n"
        "}\n"
        "static void on_client(struct source *s) {\n"
        "    pthread_t t;\n"
        "    pthread_create(&t, 0, connection, s);\n"
        "}\n"
        "static void on_server(struct source *s) {\n"
        "    sources[n].fd = accept(s->fd, 0, 0);\n"
        "    sources[n++].ready = on_client;\n"
        "}\n"
        "static void setup(void) {\n"
        "    sources[0].fd = socket(AF_INET, SOCK_STREAM, 0);\n"
        "    sources[0].ready = on_server;\n"
        "    n = 1;\n"
        "}\n"
        "int main(void) {\n"
        "    struct pollfd fds[8];\n"
        "    setup();\n"
        "    while (1) {\n"
        "        int k = poll(fds, n, -1);            // loop\n"
        "        for (int i = 0; i < n; i++) {        // each\n"
        "            if (fds[i].revents) sources[i].ready(&sources[i]);\n"
        "        }\n"
        "    }\n"
        "}\n", "loop", "main on_server on_client connection", "setup");
}

static void
test_libevent(void **state)
{
    (void) state;
    check_program(SOCKETS
        "struct event; struct event_base;\n"
        "struct event_base *event_base_new(void);\n"
        "int event_base_dispatch(struct event_base *);\n"
        "struct event *event_new(struct event_base *, int, short,\n"
        "                        void (*)(int, short, void *), void *);\n"
        "int event_add(struct event *, const void *);\n"
        "static int seen;\n"
        "static void on_read(int fd, short what, void *arg) {\n"
        "    char c[100];\n"
        "    seen += recv(fd, c, 100, 0);\n"
        "}\n"
        "static void on_timer(int fd, short what, void *arg) { seen--; }\n"
        "static void setup(void) { seen = 0; }\n"
        "int main(void) {\n"
        "    struct event_base *b = event_base_new();\n"
        "    int fd = socket(AF_INET, SOCK_DGRAM, 0);\n"
        "    setup();\n"
        "    event_add(event_new(b, fd, 2, on_read, &seen), 0);\n"
        "    event_add(event_new(b, -1, 16, on_timer, &seen), 0);\n"
        "    event_base_dispatch(b);                  // loop\n"
        "    return 0;\n"
        "}\n", "loop", "main on_read on_timer", "setup");
}

static void
test_alternatives(void **state)
{
    struct world w;

    (void) state;
    world_init(&w, PCAP
        "static int n;\n"
        "static void count(int c) { n += c; }\n"
        "static void tcp(const unsigned char *p) { count(p[1]); }\n"
        "static void udp(const unsigned char *p) { count(p[2]); }\n"
        "static void handler(unsigned char *u, const struct pcap_pkthdr *h,\n"
        "                    const unsigned char *p) {\n"
        "    if (*p) tcp(p); else udp(p);\n"
        "}\n"
        "static void online(pcap_t *p) {\n"
        "    while (1) {\n"
        "        pcap_dispatch(p, -1, handler, 0);    // online\n"
        "    }\n"
        "}\n"
        "static void offline(pcap_t *p) {\n"
        "    while (pcap_dispatch(p, -1, handler, 0)) { // offline\n"
        "    }\n"
        "}\n"
        "int main(int argc, char *argv[]) {\n"
        "    pcap_t *p = pcap_open_live(\"eth0\", 1, 1, 1, 0);\n"
        "    if (argc > 1) online(p); else offline(p);\n"
        "    return 0;\n"
        "}\n");
    struct sa_loops *loops = find(&w);
    char *error = NULL;

    check_chosen(&w, loops, "online offline");
    assert_non_null(strstr(loops->problem, "several"));
    assert_non_null(strstr(loops->problem, "online()"));
    check_procedures(&w, loops, "online offline handler tcp udp count",
                     "main");

    assert_true(sa_loops_choose(loops, "offline", &error));
    check_chosen(&w, loops, "offline");
    assert_null(loops->problem);
    char *place = g_strdup_printf("program.c:%u", world_line(&w, "online"));
    assert_true(sa_loops_choose(loops, place, &error));
    check_chosen(&w, loops, "online");
    g_free(place);
    place = g_strdup_printf("online:%u", world_line(&w, "online"));
    assert_true(sa_loops_choose(loops, place, &error));
    check_chosen(&w, loops, "online");
    g_free(place);
    assert_false(sa_loops_choose(loops, "nowhere", &error));
    assert_non_null(strstr(error, "nowhere"));
    g_free(error);
    /* A function without a loop: all of it. */
    assert_true(sa_loops_choose(loops, "handler", &error));
    assert_int_equal(loops->n_chosen, 1);
    check_procedures(&w, loops, "handler tcp udp count", "online offline");
    sa_loops_destroy(loops);
    world_destroy(&w);
}

static void
test_none(void **state)
{
    struct world w;

    (void) state;
    world_init(&w, SOCKETS
        "static char buffer[100];\n"
        "int main(void) {\n"
        "    int fd = open(\"/etc/passwd\", O_RDONLY), p[2];\n"
        "    pipe(p);\n"
        "    while (read(fd, buffer, 100) > 0) {\n"
        "        read(p[0], buffer, 1);\n"
        "        read(0, buffer, 1);\n"
        "    }\n"
        "    return 0;\n"
        "}\n");
    struct sa_loops *loops = find(&w);
    assert_int_equal(loops->n_sites, 0);
    check_chosen(&w, loops, "");
    assert_non_null(strstr(loops->problem, "--table"));
    sa_loops_destroy(loops);
    world_destroy(&w);

    world_init(&w, SOCKETS
        "static char buffer[100];\n"
        "int main(void) {\n"
        "    recv(socket(AF_INET, SOCK_DGRAM, 0), buffer, 100, 0);\n"
        "    return 0;\n"
        "}\n");
    loops = find(&w);
    assert_int_equal(loops->n_sites, 1);
    check_chosen(&w, loops, "");
    assert_non_null(strstr(loops->problem, "in no loop"));
    sa_loops_destroy(loops);
    world_destroy(&w);
}

/* Descriptors: of a tun device, from a structure, of a UNIX socket. */
static void
test_descriptors(void **state)
{
    struct world w;

    (void) state;
    world_init(&w, SOCKETS
        "static struct { int tun, net, local; } all;\n"
        "static char buffer[100];\n"
        "int main(void) {\n"
        "    const char *node = \"/dev/net/tun\";\n"
        "    all.tun = open(node, O_RDWR);\n"
        "    all.net = accept(socket(AF_INET, SOCK_STREAM, 0), 0, 0);\n"
        "    all.local = socket(AF_UNIX, SOCK_STREAM, 0);\n"
        "    for (;;) {\n"
        "        read(all.tun, buffer, 100);          // tun\n"
        "        read(all.net, buffer, 100);          // net\n"
        "        read(all.local, buffer, 100);        // local\n"
        "    }\n"
        "}\n");
    struct sa_loops *loops = find(&w);
    assert_int_equal(loops->n_sites, 2);
    assert_non_null(sa_loops_read_at(loops, world_insn(&w, "tun",
                                                       LLVMCall)));
    assert_non_null(sa_loops_read_at(loops, world_insn(&w, "net",
                                                       LLVMCall)));
    assert_null(sa_loops_read_at(loops, world_insn(&w, "local", LLVMCall)));
    assert_true(sa_loops_has_insn(loops, world_insn(&w, "net", LLVMCall)));

    size_t n;
    uint32_t *nodes = sa_loops_packet_nodes(loops, &n);
    assert_int_equal(n, 1);
    g_free(nodes);
    sa_loops_destroy(loops);
    world_destroy(&w);
}

/* Work is queued for another thread; a signal's handler uses what is counted,
 * another one does not.  What runs before and after does not count. */
static void
test_data_dependent(void **state)
{
    (void) state;
    check_program(SOCKETS
        "struct work { struct work *next; int byte; };\n"
        "static struct work *queue;\n"
        "static int count, level;\n"
        "static void finish(int b) { level = b; }\n"
        "static void *worker(void *p) {\n"
        "    for (;;) {\n"
        "        struct work *w = queue;\n"
        "        if (w) {\n"
        "            queue = w->next;\n"
        "            finish(w->byte);\n"
        "        }\n"
        "    }\n"
        "}\n"
        "static void on_usr1(int s) { level = count; }\n"
        "static volatile int stop, verbose;\n"
        "static void on_term(int s) { stop = 1; }\n"
        "static void *idle(void *p) { verbose++; return 0; }\n"
        "static void init(void) { count = level; }\n"
        "static void report(void) { verbose = count; }\n"
        "static void enqueue(int b) {\n"
        "    struct work *w = malloc(sizeof *w);\n"
        "    w->byte = b;\n"
        "    w->next = queue;\n"
        "    queue = w;\n"
        "    count++;\n"
        "}\n"
        "int main(void) {\n"
        "    int fd = socket(AF_INET, SOCK_DGRAM, 0);\n"
        "    pthread_t t;\n"
        "    char c;\n"
        "    init();\n"
        "    signal(SIGUSR1, on_usr1);\n"
        "    signal(SIGTERM, on_term);\n"
        "    pthread_create(&t, 0, worker, 0);\n"
        "    pthread_create(&t, 0, idle, 0);\n"
        "    while (!stop) {                          // loop\n"
        "        recv(fd, &c, 1, 0);\n"
        "        enqueue(c);\n"
        "    }\n"
        "    report();\n"
        "    return 0;\n"
        "}\n", "loop", "main enqueue worker finish on_usr1",
        "on_term idle init report");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pcap_loop),
        cmocka_unit_test(test_pcap_dispatch),
        cmocka_unit_test(test_pcap_next),
        cmocka_unit_test(test_empties_list),
        cmocka_unit_test(test_socket_loop),
        cmocka_unit_test(test_restart),
        cmocka_unit_test(test_own_events),
        cmocka_unit_test(test_libevent),
        cmocka_unit_test(test_alternatives),
        cmocka_unit_test(test_none),
        cmocka_unit_test(test_descriptors),
        cmocka_unit_test(test_data_dependent),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
