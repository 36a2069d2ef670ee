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

#include "flow-space.h"
#include "lookups.h"
#include "statealyzr-world.h"

/* Lookups, containers and classes of small programs. */

#define BIT(FIELD) (1u << SA_FIELD_##FIELD)

struct space {
    struct world w;
    struct sa_loops *loops;
    struct sa_feasible *feasible;
    struct sa_procedures *procedures;
    struct sa_analysis a;
    struct sa_state *state;
    struct sa_packet *packet;
    struct sa_containers *containers;
    struct sa_flow_space *flow_space;
};

static void
space_init(struct space *s, const char *source)
{
    struct world *w = &s->w;

    world_init(w, source);
    s->loops = sa_loops_find(w->program, w->pta, w->modref, w->sdg,
                             w->tables);
    s->feasible = sa_feasible_find(w->program, w->pta, w->tables, s->loops);
    s->procedures = sa_procedures_find(w->program, w->pta, w->modref, w->sdg,
                                       w->tables, s->loops, s->feasible);
    s->a = (struct sa_analysis) {
        .program = w->program, .types = w->types, .tables = w->tables,
        .pta = w->pta, .loops = s->loops, .modref = w->modref, .sdg = w->sdg,
        .feasible = s->feasible, .procedures = s->procedures
    };
    s->state = sa_state_run(&s->a);
    s->packet = sa_packet_run(&s->a);
    s->containers = sa_containers_run(&s->a, s->state, s->packet);
    s->flow_space = sa_flow_space_run(&s->a, s->state, s->packet,
                                      s->containers);
}

static void
space_destroy(struct space *s)
{
    sa_flow_space_destroy(s->flow_space);
    sa_containers_destroy(s->containers);
    sa_packet_destroy(s->packet);
    sa_state_destroy(s->state);
    sa_procedures_destroy(s->procedures);
    sa_feasible_destroy(s->feasible);
    sa_loops_destroy(s->loops);
    world_destroy(&s->w);
}

static uint32_t
structure(const struct space *s, const char *name)
{
    for (guint i = 0; i < s->state->structures->len; i++) {
        if (!strcmp(sa_state_structure(s->state, i)->name, name)) {
            return i;
        }
    }
    fail_msg("no structure %s", name);
    return 0;
}

static uint32_t
variable(const struct space *s, const char *name)
{
    for (guint i = 0; i < s->state->variables->len; i++) {
        if (!strcmp(sa_state_variable(s->state, i)->name, name)) {
            return i;
        }
    }
    fail_msg("no variable %s", name);
    return 0;
}

/* The lookup on the line named 'line' of the program, or NULL. */
static const struct sa_lookup *
lookup_at(const struct space *s, const GArray *lookups, const char *line)
{
    for (guint i = 0; i < lookups->len; i++) {
        const struct sa_lookup *l = &g_array_index(lookups, struct sa_lookup,
                                                   i);
        if (sa_insn_loc(s->w.program, l->insn).line
            == world_line(&s->w, line)) {
            return l;
        }
    }
    return NULL;
}

static void
check_class(const struct sa_flow_class *class, enum sa_class expected,
            uint32_t fields)
{
    assert_int_equal(class->class, expected);
    assert_int_equal(class->fields, fields);
}

/* What receives packets; a program adds handle(). */
#define PROGRAM(BODY) \
    "#include <netinet/ip.h>\n" \
    "#include <netinet/udp.h>\n" \
    "#include <stdlib.h>\n" \
    "#include <string.h>\n" \
    "typedef struct pcap pcap_t;\n" \
    "struct pcap_pkthdr { long ts[2]; unsigned caplen, len; };\n" \
    "const unsigned char *pcap_next(pcap_t *, struct pcap_pkthdr *);\n" \
    BODY \
    "int main(void) {\n" \
    "    struct pcap_pkthdr header;\n" \
    "    const unsigned char *p;\n" \
    "    while ((p = pcap_next(NULL, &header))) {\n" \
    "        handle((const struct iphdr *) (p + 14), header.len);\n" \
    "    }\n" \
    "    return 0;\n" \
    "}\n"

static void
test_lookups(void **state)
{
    struct space s;
    (void) state;

    space_init(&s, PROGRAM(
        "struct host { struct host *next; unsigned addr, seen; };\n"
        "static struct host *hosts;\n"
        "static unsigned last, n;\n"
        "static void handle(const struct iphdr *ip, unsigned length) {\n"
        "    struct host *h = hosts;\n"
        "    if (last == ip->saddr) {            // single\n"
        "        n++;\n"
        "    }\n"
        "    last = ip->saddr;\n"
        "    while (h && h->addr != ip->saddr) { // walk\n"
        "        h = h->next;\n"
        "    }\n"
        "    if (h && h->seen == length) {       // other\n"
        "        n++;\n"
        "    }\n"
        "    if (!h) {\n"
        "        h = malloc(sizeof *h);\n"
        "        h->addr = ip->saddr;\n"
        "        h->next = hosts;\n"
        "        hosts = h;\n"
        "    }\n"
        "    h->seen = length;\n"
        "}\n"));
    GArray *lookups = sa_lookups_find(&s.a, s.state, s.packet);
    const struct sa_lookup *walk = lookup_at(&s, lookups, "walk");
    assert_non_null(walk);
    assert_true(walk->walked);
    assert_int_equal(walk->variable, variable(&s, "struct host.addr"));
    assert_int_equal(walk->fields, BIT(IP_SRC));
    assert_int_equal(walk->size, 4);
    /* One variable is no entry of anything; a length is no field. */
    assert_null(lookup_at(&s, lookups, "single"));
    assert_null(lookup_at(&s, lookups, "other"));
    g_array_unref(lookups);
    space_destroy(&s);
}

static void
test_container_kinds(void **state)
{
    struct space s;
    (void) state;

    space_init(&s, PROGRAM(
        "struct chained { struct chained *next; unsigned a; };\n"
        "struct listed { struct listed *next, *prev; unsigned a; };\n"
        "struct node { struct node *left, *right; unsigned a; };\n"
        "struct plain { unsigned a; };\n"
        "struct timer { struct timer *next; };\n"
        "struct timed { struct timer timer; struct timed *next;\n"
        "               unsigned a; };\n"
        "static struct timer *timers;\n"
        "static struct timed *timed;\n"
        "static struct chained *buckets[64];\n"
        "static struct listed *list;\n"
        "static struct node *root;\n"
        "static struct plain *array;\n"
        "static unsigned n;\n"
        "static void handle(const struct iphdr *ip, unsigned length) {\n"
        "    struct chained *c = buckets[ip->saddr % 64];\n"
        "    while (c && c->a != ip->saddr) c = c->next;\n"
        "    if (!c) {\n"
        "        c = malloc(sizeof *c);\n"
        "        c->a = ip->saddr;\n"
        "        c->next = buckets[ip->saddr % 64];\n"
        "        buckets[ip->saddr % 64] = c;\n"
        "    }\n"
        "    struct listed *l = list;\n"
        "    while (l && l->a != ip->daddr) l = l->next;\n"
        "    if (!l) {\n"
        "        l = malloc(sizeof *l);\n"
        "        l->a = ip->daddr;\n"
        "        l->prev = NULL;\n"
        "        l->next = list;\n"
        "        if (list) list->prev = l;\n"
        "        list = l;\n"
        "    }\n"
        "    struct node **t = &root;\n"
        "    while (*t && (*t)->a != ip->saddr)\n"
        "        t = ip->saddr < (*t)->a ? &(*t)->left : &(*t)->right;\n"
        "    if (!*t) {\n"
        "        struct node *leaf = calloc(1, sizeof *leaf);\n"
        "        leaf->a = ip->saddr;\n"
        "        *t = leaf;\n"
        "    }\n"
        "    array = realloc(array, (n + 1) * sizeof *array);\n"
        "    array[n++].a = length;\n"
        "    struct timed *e = timed;\n"
        "    while (e && e->a != ip->saddr) e = e->next;\n"
        "    if (!e) {\n"
        "        e = malloc(sizeof *e);\n"
        "        e->a = ip->saddr;\n"
        "        e->next = timed;\n"
        "        timed = e;\n"
        "        e->timer.next = timers;\n"
        "        timers = &e->timer;\n"
        "    }\n"
        "    for (struct timer *t = timers; t; t = t->next) n++;\n"
        "}\n"));
    static const struct {
        const char *name;
        enum sa_container_kind kind;
    } expected[] = {
        { "struct timed", SA_CONTAINER_LIST_SINGLE },
        { "struct chained", SA_CONTAINER_HASH_CHAINED },
        { "struct listed", SA_CONTAINER_LIST_DOUBLE },
        { "struct node", SA_CONTAINER_TREE },
        { "struct plain", SA_CONTAINER_ARRAY },
    };
    for (size_t i = 0; i < G_N_ELEMENTS(expected); i++) {
        uint32_t st = structure(&s, expected[i].name);
        assert_int_equal(sa_containers_get(s.containers, st)->kind,
                         expected[i].kind);
    }
    /* Not by the timers, which are in another list. */
    assert_string_equal(sa_containers_get(s.containers,
                                          structure(&s, "struct timed"))->path,
                        "timed then next");
    space_destroy(&s);
}

/* An index counts where an element is written, not where it is just read. */
static void
test_index_is_written(void **state)
{
    struct space s;
    uint32_t insn;
    (void) state;

    space_init(&s, PROGRAM(
        "static unsigned counted[256], shared[256], n;\n"
        "static void handle(const struct iphdr *ip, unsigned length) {\n"
        "    counted[ip->protocol]++;\n"
        "    n += shared[ip->protocol];\n"
        "    for (int i = 0; i < 256; i++) shared[i] = n;\n"
        "}\n"));
    assert_int_equal(sa_containers_index(s.containers,
                                         variable(&s, "counted"), &insn),
                     BIT(IP_PROTO));
    assert_int_equal(sa_containers_index(s.containers, variable(&s, "shared"),
                                         &insn), 0);
    check_class(sa_flow_space_variable(s.flow_space, variable(&s, "counted")),
                SA_CLASS_MULTI_FLOW, BIT(IP_PROTO));
    check_class(sa_flow_space_variable(s.flow_space, variable(&s, "shared")),
                SA_CLASS_ALL_FLOWS, 0);
    space_destroy(&s);
}

/* Two members of one object, copied through one pointer, are two fields. */
static void
test_two_starts(void **state)
{
    struct space s;
    (void) state;

    space_init(&s, PROGRAM(
        "struct parsed { unsigned from, to; };\n"
        "struct end { struct end *next; unsigned addr, n; };\n"
        "struct pair { struct pair *next; struct end *a, *b; };\n"
        "static struct pair *pairs;\n"
        "static struct end *ends;\n"
        "static struct end *end(const unsigned *addr) {\n"
        "    struct end *e = ends;\n"
        "    while (e && memcmp(&e->addr, addr, 4)) e = e->next;\n"
        "    if (!e) {\n"
        "        e = malloc(sizeof *e);\n"
        "        memcpy(&e->addr, addr, 4);\n"
        "        e->next = ends;\n"
        "        ends = e;\n"
        "    }\n"
        "    return e;\n"
        "}\n"
        "static void handle(const struct iphdr *ip, unsigned length) {\n"
        "    struct parsed parsed = { ip->saddr, ip->daddr };\n"
        "    struct pair *p = pairs;\n"
        "    while (p && (memcmp(&p->a->addr, &parsed.from, 4)\n"
        "                 || memcmp(&p->b->addr, &parsed.to, 4)))\n"
        "        p = p->next;\n"
        "    if (!p) {\n"
        "        p = malloc(sizeof *p);\n"
        "        p->a = end(&parsed.from);\n"
        "        p->b = end(&parsed.to);\n"
        "        p->next = pairs;\n"
        "        pairs = p;\n"
        "    }\n"
        "    p->a->n++;\n"
        "}\n"));
    const struct sa_flow_class *pair
        = sa_flow_space_structure(s.flow_space, structure(&s, "struct pair"));
    assert_int_equal(pair->fields, BIT(IP_SRC) | BIT(IP_DST));
    assert_int_equal(pair->keys->len, 2);
    for (guint i = 0; i < 2; i++) {
        const struct sa_key *k = &g_array_index(pair->keys, struct sa_key, i);
        assert_string_equal(k->path, i ? "b->addr" : "a->addr");
        assert_int_equal(k->field, i ? SA_FIELD_IP_DST : SA_FIELD_IP_SRC);
    }
    space_destroy(&s);
}

/* What a wrapper of realloc() hands one caller is nothing of the others'. */
static void
test_realloc_wrapper(void **state)
{
    struct space s;
    (void) state;

    space_init(&s, PROGRAM(
        "struct host { unsigned addr, n; };\n"
        "struct rule { unsigned port, n; };\n"
        "static struct host *hosts;\n"
        "static struct rule *rules;\n"
        "static unsigned n_hosts, n_rules;\n"
        "static void *grow(void *p, unsigned size) {\n"
        "    return realloc(p, size);\n"
        "}\n"
        "static void handle(const struct iphdr *ip, unsigned length) {\n"
        "    unsigned i;\n"
        "    for (i = 0; i < n_hosts && hosts[i].addr != ip->saddr; i++);\n"
        "    if (i == n_hosts) {\n"
        "        hosts = grow(hosts, ++n_hosts * sizeof *hosts);\n"
        "        hosts[i].addr = ip->saddr;\n"
        "    }\n"
        "    hosts[i].n++;\n"
        "    for (i = 0; i < n_rules && rules[i].port != length; i++);\n"
        "    if (i == n_rules) {\n"
        "        rules = grow(rules, ++n_rules * sizeof *rules);\n"
        "        rules[i].port = length;\n"
        "    }\n"
        "    rules[i].n++;\n"
        "}\n"));
    check_class(sa_flow_space_structure(s.flow_space,
                                        structure(&s, "struct host")),
                SA_CLASS_MULTI_FLOW, BIT(IP_SRC));
    check_class(sa_flow_space_structure(s.flow_space,
                                        structure(&s, "struct rule")),
                SA_CLASS_ALL_FLOWS, 0);
    space_destroy(&s);
}

/* What all programs of test_inputs() do with a packet. */
#define NOTE \
    "#include <netinet/ip.h>\n" \
    "#include <net/ethernet.h>\n" \
    "#include <sys/types.h>\n" \
    "#include <sys/socket.h>\n" \
    "#include <sys/select.h>\n" \
    "#include <sys/uio.h>\n" \
    "#include <fcntl.h>\n" \
    "#include <poll.h>\n" \
    "#include <stdlib.h>\n" \
    "#include <unistd.h>\n" \
    "struct host { struct host *next; unsigned addr, n; };\n" \
    "static struct host *hosts;\n" \
    "static void note(const struct iphdr *ip) {\n" \
    "    struct host *h = hosts;\n" \
    "    while (h && h->addr != ip->saddr) {\n" \
    "        h = h->next;\n" \
    "    }\n" \
    "    if (!h) {\n" \
    "        h = calloc(1, sizeof *h);\n" \
    "        h->addr = ip->saddr;\n" \
    "        h->next = hosts;\n" \
    "        hosts = h;\n" \
    "    }\n" \
    "    h->n++;\n" \
    "}\n" \
    "static void frame(const unsigned char *p) {\n" \
    "    note((const struct iphdr *) (p + sizeof(struct ether_header)));\n" \
    "}\n"
#define MAIN(BODY) "int main(void) {\n" BODY "return 0;\n}\n"
#define RAW_SOCKET "int fd = socket(AF_INET, SOCK_RAW, IPPROTO_UDP);\n"
#define PCAP_TYPES \
    "typedef struct pcap pcap_t;\n" \
    "struct pcap_pkthdr { long ts[2]; unsigned caplen, len; };\n"
#define PCAP_HANDLER \
    "static void handler(unsigned char *u, const struct pcap_pkthdr *h,\n" \
    "                    const unsigned char *p) { frame(p); }\n" \
    "typedef void (*pcap_handler)(unsigned char *,\n" \
    "    const struct pcap_pkthdr *, const unsigned char *);\n"

static const struct {
    const char *name, *source;
} inputs[] = {
    { "pcap_loop", NOTE PCAP_TYPES PCAP_HANDLER
      "int pcap_loop(pcap_t *, int, pcap_handler, unsigned char *);\n"
      MAIN("pcap_loop(NULL, -1, handler, NULL);\n") },
    { "pcap_dispatch", NOTE PCAP_TYPES PCAP_HANDLER
      "int pcap_dispatch(pcap_t *, int, pcap_handler, unsigned char *);\n"
      MAIN("for (;;) { pcap_dispatch(NULL, -1, handler, NULL); }\n") },
    { "pcap_next_ex", NOTE PCAP_TYPES
      "int pcap_next_ex(pcap_t *, struct pcap_pkthdr **,\n"
      "                 const unsigned char **);\n"
      MAIN("struct pcap_pkthdr *h;\n"
           "const unsigned char *p;\n"
           "while (pcap_next_ex(NULL, &h, &p) >= 0) { frame(p); }\n") },
    { "recv", NOTE
      MAIN(RAW_SOCKET
           "char p[2048];\n"
           "while (recv(fd, p, sizeof p, 0) > 0) { note((void *) p); }\n") },
    { "recvfrom", NOTE
      MAIN("int fd = socket(AF_PACKET, SOCK_RAW, 0x300);\n"
           "unsigned char p[2048];\n"
           "while (recvfrom(fd, p, sizeof p, 0, NULL, NULL) > 0) {\n"
           "    frame(p);\n"
           "}\n") },
    { "recvmsg", NOTE
      MAIN(RAW_SOCKET
           "char p[2048];\n"
           "struct iovec iov = { p, sizeof p };\n"
           "struct msghdr m = { .msg_iov = &iov, .msg_iovlen = 1 };\n"
           "while (recvmsg(fd, &m, 0) > 0) { note((void *) p); }\n") },
    { "recvmmsg", "#define _GNU_SOURCE 1\n" NOTE
      MAIN(RAW_SOCKET
           "static char p[8][2048];\n"
           "struct iovec iov[8];\n"
           "struct mmsghdr m[8];\n"
           "for (int i = 0; i < 8; i++) {\n"
           "    iov[i].iov_base = p[i];\n"
           "    m[i].msg_hdr.msg_iov = &iov[i];\n"
           "}\n"
           "for (;;) {\n"
           "    int n = recvmmsg(fd, m, 8, 0, NULL);\n"
           "    for (int i = 0; i < n; i++) { note((void *) p[i]); }\n"
           "}\n") },
    { "read of tun, own poll loop", NOTE
      "struct source { int fd; void (*ready)(struct source *); };\n"
      "static void on_tun(struct source *s) {\n"
      "    char p[2048];\n"
      "    if (read(s->fd, p, sizeof p) > 0) { note((void *) p); }\n"
      "}\n"
      "static struct source sources[2];\n"
      MAIN("sources[0].fd = open(\"/dev/net/tun\", O_RDWR);\n"
           "sources[0].ready = on_tun;\n"
           "for (;;) {\n"
           "    struct pollfd pfd = { sources[0].fd, POLLIN, 0 };\n"
           "    if (poll(&pfd, 1, -1) > 0) {\n"
           "        sources[0].ready(&sources[0]);\n"
           "    }\n"
           "}\n") },
    { "read, select", NOTE
      MAIN(RAW_SOCKET
           "char p[2048];\n"
           "for (;;) {\n"
           "    fd_set fds;\n"
           "    FD_ZERO(&fds);\n"
           "    FD_SET(fd, &fds);\n"
           "    if (select(fd + 1, &fds, NULL, NULL, NULL) > 0\n"
           "        && read(fd, p, sizeof p) > 0) { note((void *) p); }\n"
           "}\n") },
    { "netmap", NOTE
      "struct nm_pkthdr { unsigned len; };\n"
      "unsigned char *nm_nextpkt(void *, struct nm_pkthdr *);\n"
      MAIN("struct nm_pkthdr h;\n"
           "unsigned char *p;\n"
           "for (;;) {\n"
           "    while ((p = nm_nextpkt(NULL, &h))) { frame(p); }\n"
           "}\n") },
    { "DPDK", NOTE
      "struct rte_mbuf { void *buf_addr; unsigned short data_off; };\n"
      "unsigned short rte_eth_rx_burst(unsigned short, unsigned short,\n"
      "    struct rte_mbuf **, unsigned short);\n"
      "void rte_pktmbuf_free(struct rte_mbuf *);\n"
      MAIN("struct rte_mbuf *m[32];\n"
           "for (;;) {\n"
           "    unsigned n = rte_eth_rx_burst(0, 0, m, 32);\n"
           "    for (unsigned i = 0; i < n; i++) {\n"
           "        frame((unsigned char *) m[i]->buf_addr\n"
           "              + m[i]->data_off);\n"
           "        rte_pktmbuf_free(m[i]);\n"
           "    }\n"
           "}\n") },
    { "libev", NOTE
      "struct ev_loop;\n"
      "struct ev_io { int active, pending, priority; void *data;\n"
      "    void (*cb)(struct ev_loop *, struct ev_io *, int); void *next;\n"
      "    int fd, events; };\n"
      "void ev_io_start(struct ev_loop *, struct ev_io *);\n"
      "int ev_run(struct ev_loop *, int);\n"
      "static void on_ready(struct ev_loop *loop, struct ev_io *w, int e) {\n"
      "    char p[2048];\n"
      "    if (recv(w->fd, p, sizeof p, 0) > 0) { note((void *) p); }\n"
      "}\n"
      MAIN(RAW_SOCKET
           "static struct ev_io w;\n"
           "w.cb = on_ready;\n"
           "w.fd = fd;\n"
           "ev_io_start(NULL, &w);\n"
           "ev_run(NULL, 0);\n") },
};

/* However packets come in: the same state is found, by the same key. */
static void
test_inputs(void **state)
{
    (void) state;
    for (size_t i = 0; i < G_N_ELEMENTS(inputs); i++) {
        struct space s;
        space_init(&s, inputs[i].source);
        const struct sa_state_variable *n = sa_state_variable(
            s.state, variable(&s, "struct host.n"));
        const struct sa_flow_class *class = sa_flow_space_structure(
            s.flow_space, structure(&s, "struct host"));
        if (!n->updateable || class->class != SA_CLASS_MULTI_FLOW
            || class->fields != BIT(IP_SRC) || class->keys->len != 1) {
            fail_msg("%s: updateable %d, class %d, fields %#x",
                     inputs[i].name, n->updateable, class->class,
                     class->fields);
        }
        space_destroy(&s);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lookups),
        cmocka_unit_test(test_inputs),
        cmocka_unit_test(test_container_kinds),
        cmocka_unit_test(test_index_is_written),
        cmocka_unit_test(test_two_starts),
        cmocka_unit_test(test_realloc_wrapper),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
