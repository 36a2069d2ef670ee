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

#include "test-util.h"

#include <errno.h>
#include <stdio.h>
#include "heap.h"
#include "private.h"
#include "program-state.h"
#include "state-pair.h"

static void
move(struct pair *p, uint32_t n)
{
    char *before = world_dump(&p->a, n);
    assert_int_equal(pair_copy(p->sa, p->sb, true, world_key(n), false), 0);
    char *after = world_dump(&p->b, n);

    assert_string_equal(before, after);
    assert_int_equal(st_del(p->sa, true, &(struct mbox_key[1]) {
                                world_key(n) }[0]), 0);
    assert_null(world_find(&p->a, n));
    free(before);
    free(after);
}

/* The other program finds what was moved, goes on with it, and ends it. */
static void
test_move(void **state)
{
    struct pair p;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 40);
    for (uint32_t i = 0; i < 40; i += 2) {
        move(&p, i);
        world_check(&p.a);
        world_check(&p.b);
    }
    assert_int_equal(p.b.n_conns, 20);
    world_packet(&p.b, 2, "more");
    assert_int_equal(p.b.n_conns, 20);
    assert_string_equal((char *) world_find(&p.b, 2)->request,
                        "GET /indexmore");
    world_end(&p.b, world_find(&p.b, 2));
    pair_fill(&p.b, 100, 5);
    pair_finish(&p);
}

/* Back and forth. */
static void
test_back(void **state)
{
    struct pair p;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 8);
    char *before = world_dump(&p.a, 3);
    for (int i = 0; i < 4; i++) {
        struct st *from = i % 2 ? p.sb : p.sa, *to = i % 2 ? p.sa : p.sb;
        struct mbox_key key = world_key(3);

        assert_int_equal(pair_copy(from, to, true, key, false), 0);
        assert_int_equal(st_del(from, true, &key), 0);
    }
    char *after = world_dump(&p.a, 3);
    assert_string_equal(before, after);
    free(before);
    free(after);
    pair_finish(&p);
}

/* A newer version replaces what was put before, in place. */
static void
test_replace(void **state)
{
    struct pair p;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 8);
    assert_int_equal(pair_copy(p.sa, p.sb, true, world_key(5), false), 0);
    struct conn *c = world_find(&p.b, 5);
    world_packet(&p.a, 5, "longer than it was before");
    assert_int_equal(pair_copy(p.sa, p.sb, true, world_key(5), false), 0);
    assert_ptr_equal(world_find(&p.b, 5), c);
    char *a = world_dump(&p.a, 5), *b = world_dump(&p.b, 5);
    assert_string_equal(a, b);
    free(a);
    free(b);
    pair_finish(&p);
}

/* Hosts: moved whole, or combined with what is there. */
static void
test_hosts(void **state)
{
    struct pair p;
    uint32_t server = world_server(1);
    struct mbox_key key = world_host_key(server);

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 8);
    assert_int_equal(pair_copy(p.sa, p.sb, false, key, false), 0);
    char *a = world_dump_host(&p.a, server);
    char *b = world_dump_host(&p.b, server);
    assert_string_equal(a, b);
    assert_string_equal(b, "seen 0 flags 22 ttl 1 rule 1 0a000201");
    free(a);
    free(b);

    pair_fill(&p.b, 9, 1);           /* Of the same server. */
    st_touch(p.sb, &key);
    assert_int_equal(pair_copy(p.sa, p.sb, false, key, true), 0);
    b = world_dump_host(&p.b, server);
    assert_string_equal(b, "seen 0 flags 222 ttl 1 rule 1 0a000201");
    free(b);
    world_check(&p.b);

    /* It is deleted once no connection refers to it. */
    assert_int_equal(st_del(p.sb, false, &key), 0);
    b = world_dump_host(&p.b, server);
    assert_string_not_equal(b, "none");
    free(b);
    assert_int_equal(st_del(p.sb, true, &(struct mbox_key[1]) {
                                world_key(9) }[0]), 0);
    b = world_dump_host(&p.b, server);
    assert_string_equal(b, "none");
    free(b);
    pair_finish(&p);
}

/* What an output function does not need is not exported. */
static void
test_outputs(void **state)
{
    static const struct {
        int output, error;
        const char *host;
    } cases[] = {
        { 0, 0, "seen 0 flags 22 ttl 1 rule 1 0a000201" },
        { 1, 0, "seen 0 flags 0 ttl 1 rule 1 0a000201" },
        { 2, -ENODATA, "none" },
    };
    uint32_t server = world_server(1);
    struct mbox_key key = world_host_key(server), flow = world_key(1);

    (void) state;
    for (size_t i = 0; i < 3; i++) {
        struct mbox_writer w;
        struct pair p;

        pair_start(&p);
        pair_fill(&p.a, 0, 8);
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        assert_int_equal(st_get(p.sa, false, &key, cases[i].output, &w),
                         cases[i].error);
        if (!cases[i].error) {
            assert_int_equal(st_put(p.sb, false, &key, w.data, w.len, false),
                             0);
        }
        char *host = world_dump_host(&p.b, server);
        assert_string_equal(host, cases[i].host);
        free(host);

        /* A host that a flow needs comes along. */
        mbox_writer_clear(&w);
        assert_int_equal(st_get(p.sa, true, &flow, cases[i].output, &w), 0);
        assert_int_equal(st_put(p.sb, true, &flow, w.data, w.len, false), 0);
        world_check(&p.b);
        mbox_writer_uninit(&w);
        pair_finish(&p);
    }
}

/* What was not sent stays as it is at the importer, whether the rest replaces
 * what is there, or is merged. */
static void
test_outputs_kept(void **state)
{
    uint32_t server = world_server(1);
    struct mbox_key key = world_host_key(server);

    (void) state;
    for (int output = -1; output < 2; output++) {
        for (int merge = 0; merge < 2; merge++) {
            struct mbox_writer w;
            struct pair p;
            char *host, expected[64];

            pair_start(&p);
            pair_fill(&p.a, 0, 8);
            pair_fill(&p.b, 9, 1);
            st_touch(p.sb, &key);
            mbox_writer_init(&w, MBOX_WRITER_LIMIT);
            assert_int_equal(st_get(p.sa, false, &key, output, &w), 0);
            assert_int_equal(w.data[12], 2 * (output + 1));
            assert_int_equal(st_put(p.sb, false, &key, w.data, w.len, merge),
                             0);
            snprintf(expected, sizeof expected,
                     "seen 0 flags %s ttl 1 rule 1 0a000201",
                     output == 1 ? "200" : merge ? "222" : "22");
            host = world_dump_host(&p.b, server);
            assert_string_equal(host, expected);
            free(host);
            world_check(&p.b);

            /* There is no such output function. */
            w.data[12] = 2 * (WORLD_OUTPUTS + 1);
            assert_int_equal(st_put(p.sb, false, &key, w.data, w.len, merge),
                             -EPROTO);
            mbox_writer_uninit(&w);
            pair_finish(&p);
        }
    }
}

/* What is not needed has no bytes, and is zeros in a new entry; an entry that
 * is there keeps its own.  What only a pointer that is left out leads to is
 * not sent at all. */
static void
test_outputs_size(void **state)
{
    struct mbox_key key = world_key(1);
    struct mbox_writer whole, less;
    struct pair p;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 8);
    mbox_writer_init(&whole, MBOX_WRITER_LIMIT);
    mbox_writer_init(&less, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(p.sa, true, &key, -1, &whole), 0);
    assert_int_equal(st_get(p.sa, true, &key, 1, &less), 0);
    assert_null(memmem(whole.data, whole.len, "note", 4));

    /* It has two hosts. */
    assert_int_equal(whole.len - less.len, 4 * WORLD_SIZES + 2 * 2);

    assert_int_equal(st_put(p.sb, true, &key, less.data, less.len, false), 0);
    struct conn *c = world_find(&p.b, 1);
    assert_int_equal(c->n_packets, 2);
    assert_int_equal(c->sizes[0], 0);
    assert_int_equal(c->client->seen_flags, 0);
    assert_null(c->note);

    world_packet(&p.b, 1, "of b");
    assert_int_equal(c->sizes[2], 4);
    assert_int_equal(st_put(p.sb, true, &key, less.data, less.len, false), 0);
    assert_ptr_equal(world_find(&p.b, 1), c);
    assert_int_equal(c->n_packets, 2);
    assert_int_equal(c->sizes[2], 4);
    assert_int_equal(st_put(p.sb, true, &key, whole.data, whole.len, false),
                     0);
    assert_int_equal(c->sizes[0], 4);
    assert_int_equal(c->sizes[2], 0);
    mbox_writer_uninit(&whole);
    mbox_writer_uninit(&less);
    pair_finish(&p);
}

/* Another format of images. */
static void
test_format(void **state)
{
    struct mbox_key key = world_key(1);
    struct mbox_writer w;
    struct pair p;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 2);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(p.sa, true, &key, -1, &w), 0);
    w.data[3]--;
    assert_int_equal(st_put(p.sb, true, &key, w.data, w.len, false), -EXDEV);
    assert_string_equal(pair_message, "the source writes state in format '1', "
                        "this instance reads '2': build both with the same "
                        "release");
    w.data[0]--;
    assert_int_equal(st_put(p.sb, true, &key, w.data, w.len, false), -EPROTO);
    mbox_writer_uninit(&w);
    pair_finish(&p);
}

/* A host that is there, but that nothing uses, is replaced. */
static void
test_unused_hosts(void **state)
{
    struct pair p;
    struct mbox_key key = world_key(1), host = world_host_key(world_client(1));

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 4);
    move(&p, 1);                /* The host stays behind, without flows. */
    world_packet(&p.b, 1, "more");
    st_touch(p.sb, &host);
    assert_int_equal(pair_copy(p.sb, p.sa, true, key, false), 0);
    char *a = world_dump_host(&p.a, world_client(1));
    char *b = world_dump_host(&p.b, world_client(1));
    assert_string_equal(a, b);
    free(a);
    free(b);

    /* What comes later is newer, as long as there was no packet of it. */
    world_find(&p.a, 1)->client->signature->ttl = 99;
    assert_int_equal(pair_copy(p.sa, p.sb, false, host, true), 0);
    assert_int_not_equal(world_find(&p.b, 1)->client->signature->ttl, 99);
    assert_int_equal(pair_copy(p.sa, p.sb, true, world_key(2), false), 0);
    world_find(&p.a, 2)->client->signature->ttl = 98;
    host = world_host_key(world_client(2));
    assert_int_equal(pair_copy(p.sa, p.sb, false, host, true), 0);
    assert_int_equal(world_find(&p.b, 2)->client->signature->ttl, 98);
    st_touch(p.sb, &host);
    world_find(&p.a, 2)->client->signature->ttl = 97;
    assert_int_equal(pair_copy(p.sa, p.sb, false, host, true), 0);
    assert_int_equal(world_find(&p.b, 2)->client->signature->ttl, 98);
    pair_finish(&p);
}

static int
count_key(const struct mbox_key *key, void *n_)
{
    int *n = n_;

    (void) key;
    ++*n;
    return 0;
}

static void
count_end(bool per_flow, const struct mbox_key *key, void *n)
{
    struct mbox_key expected = world_key(4);

    assert_true(per_flow);
    assert_true(mbox_key_equal(key, &expected));
    count_key(key, n);
}

/* Lists all, and tells of the end of what was listed. */
static void
test_list(void **state)
{
    struct pair p;
    int n_flows = 0, n_hosts = 0, n_ends = 0;
    struct mbox_key key = world_key(4);
    struct mbox_writer w;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 20);
    assert_int_equal(st_list(p.sa, true, count_key, &n_flows), 0);
    assert_int_equal(st_list(p.sa, false, count_key, &n_hosts), 0);
    assert_int_equal(n_flows, 20);
    assert_int_equal(n_hosts, p.a.n_hosts);
    assert_int_equal(st_count(p.sa, true), 20);
    st_on_end(p.sa, count_end, &n_ends);
    world_end(&p.a, world_find(&p.a, 4));
    assert_int_equal(n_ends, 1);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(st_get(p.sa, true, &key, -1, &w), -ENOENT);
    mbox_writer_uninit(&w);
    key = world_key(5);
    assert_int_equal(st_del(p.sa, true, &key), 0);
    assert_int_equal(n_ends, 1);
    pair_finish(&p);
}

static void
check_refused(struct pair *p, int error, const char *text)
{
    uint32_t n_conns = p->b.n_conns, n_hosts = p->b.n_hosts;

    pair_message[0] = '\0';
    assert_int_equal(pair_copy(p->sa, p->sb, true, world_key(1), false),
                     error);
    if (!strstr(pair_message, text)) {
        assert_string_equal(pair_message, text);
    }
    assert_int_equal(p->b.n_conns, n_conns);
    assert_int_equal(p->b.n_hosts, n_hosts);
    world_check(&p->b);
}

/* What must not be moved is refused, and the message names it. */
static void
test_refused(void **state)
{
    struct pair p;
    int foreign;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 4);
    p.b.seed++;
    check_refused(&p, -EXDEV, "seed differs");
    p.b.seed--;

    struct conn *c = world_find(&p.a, 1);
    struct rule *matched = c->matched;
    c->matched = (struct rule *) &foreign;
    check_refused(&p, -ENOTSUP, "struct conn.matched points to memory that "
                                "the program did not allocate");
    c->matched = mbox_state_malloc(sizeof *c->matched);
    memset(c->matched, 0, sizeof *c->matched);
    check_refused(&p, -ENOTSUP, "nothing in the program frees");
    mbox_state_free(c->matched);
    c->matched = (struct rule *) &matched->number;
    check_refused(&p, -ENOTSUP, "static of another type");
    c->matched = matched;

    char *name = c->headers[1].name;
    const char *kind = c->headers[1].kind;
    c->headers[1].kind = c->headers[1].name = c->headers[0].name;
    check_refused(&p, -ENOTSUP, "points to what another member owns");
    c->headers[1].name = (char *) c->headers[0].kind;
    check_refused(&p, -ENOTSUP, "is freed by the program, but points to what "
                                "is static");
    c->headers[1].name = name + 1;
    check_refused(&p, -ENOTSUP, "points into a block that it owns");
    c->headers[1].name = name;
    c->headers[1].kind = kind;

    p.a.structures[1].header--;
    check_refused(&p, -ENOTSUP, "struct conn: a node is not in a block");
    p.a.structures[1].header++;

    p.b.program.build = 2;
    check_refused(&p, -EXDEV, "another build");
    struct st_type others[4];
    memcpy(others, p.b.program.types, sizeof others);
    others[2].layout++;
    p.b.program.types = others;
    check_refused(&p, -EXDEV, "struct host has another layout");
    p.b.program.build = 1;
    p.b.program.types = p.a.program.types;

    strcpy(p.b.rules[1].name, "RULE");
    st_destroy(p.sb);
    p.sb = st_create(&p.b.program, pair_keep_message, NULL);
    check_refused(&p, -EXDEV, "what rules leads to is not what it is");
    strcpy(p.b.rules[1].name, "rule 1");
    st_destroy(p.sb);
    p.sb = st_create(&p.b.program, pair_keep_message, NULL);
    assert_int_equal(pair_copy(p.sa, p.sb, true, world_key(1), false), 0);

    /* What is behind a string's end does not matter. */
    uint8_t *block = (uint8_t *) p.b.rules[1].name - WORLD_HEADER;
    block = mbox_state_realloc(block, 100);
    memset(block + 50, 0xaa, 50);
    p.b.rules[1].name = (char *) block + WORLD_HEADER;
    assert_int_equal(pair_copy(p.sa, p.sb, true, world_key(1), false), 0);

    c->prev = c;                /* The shape is not as it was understood. */
    assert_int_not_equal(st_list(p.sa, true, count_key, &foreign), 0);
    c->prev = NULL;
    for (struct conn *prev = p.a.conns[c->bucket]; prev; prev = prev->next) {
        if (prev->next == c) {
            c->prev = prev;
        }
    }
    pair_finish(&p);
}

/* What hooks make is freed with what has it, and so if state is refused. */
static void
test_hooks(void **state)
{
    struct pair p;
    uint32_t n;

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 4);
    n = world_n_handles;
    world_save_error = -EBUSY;
    check_refused(&p, -EBUSY, "struct signature.handle: its hook cannot save "
                              "it: Device or resource busy");
    world_save_error = 0;

    /* One was loaded before that is refused. */
    const struct conn *c = world_find(&p.a, 1);
    char *text = world_handle(c->server), first = *text;
    *text = 'x';
    check_refused(&p, -EPROTO, "struct signature.handle: its hook refuses "
                               "what is to be imported");
    *text = first;
    p.b.seed++;
    check_refused(&p, -EXDEV, "seed differs");
    p.b.seed--;
    assert_int_equal(world_n_handles, n);

    for (int i = 0; i < 3; i++) {       /* New, replaced, merged. */
        assert_int_equal(pair_copy(p.sa, p.sb, true, world_key(1), i == 2),
                         0);
        assert_int_equal(world_n_handles, n + 2);
        assert_string_equal(world_handle(world_find(&p.b, 1)->client),
                            world_handle(c->client));
    }
    struct mbox_key host = world_host_key(world_client(1));
    memcpy(text, "00000000", WORLD_HANDLE_LEN);
    memcpy(world_handle(c->client), "11111111", WORLD_HANDLE_LEN);
    assert_int_equal(pair_copy(p.sa, p.sb, false, host, false), 0);
    assert_string_equal(world_handle(world_find(&p.b, 1)->client),
                        "11111111");
    assert_string_equal(world_handle(world_find(&p.b, 1)->server),
                        "0a000201");
    assert_int_equal(world_n_handles, n + 2);
    pair_finish(&p);
}

/* A tree has one node for each place: what would be a second one is refused,
 * and what is not where it should be. */
static void
test_trees(void **state)
{
    struct pair p;
    struct mbox_key key = world_key(1);

    (void) state;
    pair_start(&p);
    pair_fill(&p.a, 0, 3);
    pair_fill(&p.b, 256, 2);    /* Due as 0 and 1 are. */
    assert_int_equal(pair_copy(p.sa, p.sb, true, key, false), -EEXIST);
    assert_null(world_find(&p.b, 1));
    world_check(&p.b);
    world_packet(&p.b, 257, "later");
    assert_int_equal(pair_copy(p.sa, p.sb, true, key, false), 0);
    world_check(&p.b);

    /* What is merged keeps its place: that of the source does not matter. */
    world_packet(&p.b, 1, "later");
    p.b.now = 2;
    pair_fill(&p.b, 513, 1);    /* Due as 1 is at the source. */
    assert_int_equal(pair_copy(p.sa, p.sb, true, key, false), -EEXIST);
    assert_int_equal(pair_copy(p.sa, p.sb, true, key, true), 0);
    world_check(&p.b);

    void *root = p.b.conns_by_due;
    p.b.conns_by_due = NULL;
    assert_int_equal(pair_copy(p.sb, p.sa, true, key, false), -ENOTSUP);
    assert_non_null(strstr(pair_message, "a node is in no tree"));
    assert_int_equal(pair_copy(p.sa, p.sb, true, key, false), -ENOTSUP);
    assert_int_equal(st_del(p.sb, true, &key), -ENOTSUP);
    p.b.conns_by_due = root;
    pair_finish(&p);
}

/* A host that was imported and has been freed is not the one that the program
 * makes later. */
static void
test_freed_host(void **state)
{
    struct pair p;
    struct mbox_key host = world_host_key(world_client(1));

    (void) state;
    pair_start(&p);
    st_destroy(p.sa);           /* The heap has one user. */
    st_destroy(p.sb);
    p.sa = st_create(&p.a.program, pair_keep_message, NULL);
    p.sb = st_create(&p.b.program, pair_keep_message, NULL);
    pair_fill(&p.a, 1, 1);
    assert_int_equal(pair_copy(p.sa, p.sb, false, host, false), 0);
    assert_int_equal(st_del(p.sb, false, &host), 0);
    pair_fill(&p.b, 1, 1);
    world_find(&p.b, 1)->client->signature->ttl = 99;
    assert_int_equal(pair_copy(p.sa, p.sb, false, host, true), 0);
    assert_int_equal(world_find(&p.b, 1)->client->signature->ttl, 99);
    pair_finish(&p);
}

static uint32_t
n_hosts(const struct world *w)
{
    uint32_t n = 0;

    for (const struct host *h = w->hosts; h; h = h->next) {
        n++;
    }
    return n;
}

/* How many nodes are come by when all hosts of 'n' connections are deleted
 * first, which they are with the last that refers to them. */
static uint64_t
visits_of_doomed(uint32_t n)
{
    struct pair p;
    int n_flows = 0, n_listed = 0;

    pair_start(&p);
    pair_fill(&p.a, 0, n);
    assert_int_equal(st_list(p.sa, true, count_key, &n_flows), 0);
    assert_int_equal(st_list(p.sa, false, count_key, &n_listed), 0);
    uint64_t before = p.sa->n_visited;
    for (const struct host *h = p.a.hosts; h; h = h->next) {
        struct mbox_key key = world_host_key(h->address);

        assert_int_equal(st_del(p.sa, false, &key), 0);
    }
    assert_int_equal(n_hosts(&p.a), n_listed);
    world_end(&p.a, world_find(&p.a, 0));       /* By the program. */
    for (uint32_t i = 1; i < n; i++) {
        struct mbox_key key = world_key(i);

        assert_int_equal(st_del(p.sa, true, &key), 0);
    }
    uint64_t visits = p.sa->n_visited - before;
    assert_int_equal(n_hosts(&p.a), 0);

    /* One that comes again is as good as any. */
    pair_fill(&p.a, 0, 2);
    assert_int_equal(st_del(p.sa, true, &(struct mbox_key[1]) {
                                world_key(0) }[0]), 0);
    assert_int_not_equal(n_hosts(&p.a), 0);
    pair_finish(&p);
    return visits;
}

static void
test_doomed_hosts(void **state)
{
    (void) state;
    assert_int_equal(visits_of_doomed(8), 0);
    assert_int_equal(visits_of_doomed(64), 0);
}

struct keys {
    struct mbox_key keys[4];
    int n;
};

static int
take_key(const struct mbox_key *key, void *keys_)
{
    struct keys *keys = keys_;

    assert_true(keys->n < 4);
    keys->keys[keys->n++] = *key;
    return 0;
}

/* Hosts with one key are to be deleted, each with the flow that refers to it.
 * One to which the program gives another key meanwhile stays. */
static void
test_doomed_namesakes(void **state)
{
    struct pair p;
    struct keys flows = { .n = 0 };

    (void) state;
    pair_start(&p);
    p.a.structures[0].n_trees = 0;      /* A tree has only one of a key. */
    pair_fill(&p.a, 0, 3);
    uint32_t address = world_client(0), n = n_hosts(&p.a);
    struct mbox_key key = world_host_key(address);

    world_find(&p.a, 1)->client->address = address;
    world_find(&p.a, 2)->client->address = address;
    assert_int_equal(st_list(p.sa, true, take_key, &flows), 0);
    assert_int_equal(flows.n, 3);
    assert_int_equal(st_del(p.sa, false, &key), 0);
    assert_int_equal(n_hosts(&p.a), n);
    assert_int_equal(st_del(p.sa, true, &flows.keys[0]), 0);
    assert_int_equal(st_del(p.sa, true, &flows.keys[1]), 0);
    assert_int_equal(n_hosts(&p.a), n - 2);

    struct host *last = p.a.hosts;
    while (last->address != address) {
        last = last->next;
    }
    last->address = world_client(9);
    flows.n = 0;
    assert_int_equal(st_list(p.sa, true, take_key, &flows), 0);
    assert_int_equal(st_del(p.sa, true, &flows.keys[0]), 0);
    assert_int_equal(n_hosts(&p.a), n - 2);

    /* As pair_finish(), but for the trees. */
    st_destroy(p.sa);
    st_destroy(p.sb);
    world_uninit(&p.a);
    world_uninit(&p.b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_move),
        cmocka_unit_test(test_back),
        cmocka_unit_test(test_replace),
        cmocka_unit_test(test_hosts),
        cmocka_unit_test(test_outputs),
        cmocka_unit_test(test_outputs_kept),
        cmocka_unit_test(test_outputs_size),
        cmocka_unit_test(test_format),
        cmocka_unit_test(test_unused_hosts),
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_hooks),
        cmocka_unit_test(test_trees),
        cmocka_unit_test(test_freed_host),
        cmocka_unit_test(test_doomed_hosts),
        cmocka_unit_test(test_doomed_namesakes),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
