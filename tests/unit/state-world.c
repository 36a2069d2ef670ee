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

#include "state-world.h"

#include <arpa/inet.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include "heap.h"
#include "mbox-key.h"
#include "state-hook.h"
#include "state-tree.h"
#include "test-util.h"

/* A library: each handle has a text of hexadecimal digits. */

#define N_HANDLES 256

uint32_t world_n_handles;
int world_save_error;

static char handles[N_HANDLES][WORLD_HANDLE_LEN + 1];

/* Handles are not 0. */
static uint32_t
open_handle(const char *text)
{
    uint32_t i = 1;

    while (*handles[i]) {
        assert_true(++i < N_HANDLES);
    }
    memcpy(handles[i], text, WORLD_HANDLE_LEN);
    world_n_handles++;
    return i;
}

static void
close_handle(uint32_t i)
{
    assert_true(i && i < N_HANDLES && *handles[i]);
    memset(handles[i], 0, sizeof handles[i]);
    world_n_handles--;
}

char *
world_handle(const struct host *h)
{
    return handles[h->signature->handle];
}

static ssize_t
save_handle(const void *signature_, unsigned int index, void *buffer,
            size_t size)
{
    const struct signature *signature = signature_;

    assert_int_equal(index, 0);
    assert_true(size >= WORLD_HANDLE_LEN);
    if (world_save_error) {
        return world_save_error;
    }
    memcpy(buffer, handles[signature->handle], WORLD_HANDLE_LEN);
    return WORLD_HANDLE_LEN;
}

static int
load_handle(void *signature_, unsigned int index, const void *data, size_t n)
{
    struct signature *signature = signature_;
    char text[WORLD_HANDLE_LEN + 1] = "";

    assert_int_equal(index, 0);
    assert_int_equal(signature->handle, 0);
    if (n != WORLD_HANDLE_LEN) {
        return -EPROTO;
    }
    memcpy(text, data, n);
    if (strspn(text, "0123456789abcdef") != n) {
        return -EPROTO;
    }
    signature->handle = open_handle(text);
    return 0;
}

static void
release_handle(void *signature_, unsigned int index)
{
    const struct signature *signature = signature_;

    assert_int_equal(index, 0);
    close_handle(signature->handle);
}

/* The program. */

bool world_checks_headers = true;

static const char kinds[4][6] = {
    "first", "other", "third", "last",
};

static int
handle_even(int x)
{
    return x + 2;
}

static int
handle_odd(int x)
{
    return x + 1;
}

static int
compare_hosts(void *a_, void *b_)
{
    const struct host *a = a_, *b = b_;

    return a->address < b->address ? -1 : a->address > b->address;
}

static int
compare_due(void *a_, void *b_)
{
    const struct conn *a = a_, *b = b_;

    return (a->due != b->due ? (a->due < b->due ? -1 : 1)
            : a->client_port % 256 - b->client_port % 256);
}

static const struct state_tree host_tree = {
    offsetof(struct host, less), offsetof(struct host, more), SIZE_MAX,
    compare_hosts,
};
static const struct state_tree due_tree = {
    offsetof(struct conn, left), offsetof(struct conn, right),
    offsetof(struct conn, parent), compare_due,
};

static void
insert_host(void *root, void *host)
{
    state_tree_insert(&host_tree, root, host);
}

static void
remove_host(void *root, void *host)
{
    state_tree_remove(&host_tree, root, host);
}

static void
insert_due(void *root, void *conn)
{
    state_tree_insert(&due_tree, root, conn);
}

static void
remove_due(void *root, void *conn)
{
    state_tree_remove(&due_tree, root, conn);
}

static void *
take(size_t size)
{
    uint8_t *block = mbox_state_calloc(1, size + WORLD_HEADER);

    assert_non_null(block);
    memcpy(block, "object!", WORLD_HEADER);
    return block + WORLD_HEADER;
}

static void
give(void *p)
{
    if (p) {
        if (world_checks_headers) {
            assert_memory_equal((uint8_t *) p - WORLD_HEADER, "object!",
                                WORLD_HEADER);
        }
        mbox_state_free((uint8_t *) p - WORLD_HEADER);
    }
}

static char *
take_string(const char *s)
{
    return strcpy(take(strlen(s) + 1), s);
}

uint32_t
world_client(uint32_t n)
{
    return htonl(0x0a000100 + n % 16);
}

uint32_t
world_server(uint32_t n)
{
    return htonl(0x0a000200 + n % 4);
}

static uint16_t
client_port(uint32_t n)
{
    return 1024 + n;
}

struct mbox_key
world_host_key(uint32_t address)
{
    struct mbox_key key = { .family = 4 };

    key.src[10] = key.src[11] = 0xff;
    memcpy(key.src + 12, &address, 4);
    return key;
}

struct mbox_key
world_key(uint32_t n)
{
    struct mbox_key key = world_host_key(world_client(n));
    struct mbox_key server = world_host_key(world_server(n)), canonical;

    memcpy(key.dst, server.src, 16);
    key.src_port = client_port(n);
    key.dst_port = 80;
    key.vlan = MBOX_VLAN_NONE;
    key.proto = 6;
    mbox_key_canonical(&key, &canonical);
    return canonical;
}

static uint32_t
hash(const struct world *w, uint32_t n)
{
    return ((ntohl(world_client(n)) ^ client_port(n)) * 2654435761u ^ w->seed)
           % N_CONNS;
}

static struct host *
find_host(struct world *w, uint32_t address)
{
    struct host *h = w->hosts;

    while (h && h->address != address) {
        h = h->next;
    }
    return h;
}

static struct host *
get_host(struct world *w, uint32_t address)
{
    struct host *h = find_host(w, address);

    if (!h) {
        h = take(sizeof *h);
        h->address = address;
        h->signature = take(sizeof *h->signature
                            + WORLD_MARKS * sizeof h->signature->marks[0]);
        h->signature->n_marks = WORLD_MARKS;
        for (int i = 0; i < WORLD_MARKS; i++) {
            h->signature->marks[i] = WORLD_MARK;
        }
        h->signature->ttl = ntohl(address) % 64;
        h->signature->rule = &w->rules[address % 3];

        char text[WORLD_HANDLE_LEN + 1];
        snprintf(text, sizeof text, "%08"PRIx32, ntohl(address));
        h->signature->handle = open_handle(text);
        h->next = w->hosts;
        w->hosts = h;
        insert_host(&w->hosts_by_address, h);
        w->n_hosts++;
    }
    h->uses++;
    return h;
}

struct conn *
world_find(struct world *w, uint32_t n)
{
    struct conn *c = w->conns[hash(w, n)];

    while (c && (c->client->address != world_client(n)
                 || c->client_port != client_port(n))) {
        c = c->next;
    }
    return c;
}

static struct conn *
create(struct world *w, uint32_t n)
{
    struct conn *c = take(sizeof *c);

    c->bucket = hash(w, n);
    c->next = w->conns[c->bucket];
    if (c->next) {
        c->next->prev = c;
    }
    w->conns[c->bucket] = c;
    c->older = w->newest;
    if (c->older) {
        c->older->newer = c;
    } else {
        w->oldest = c;
    }
    w->newest = c;
    w->n_conns++;

    c->client = get_host(w, world_client(n));
    c->server = get_host(w, world_server(n));
    c->client_port = client_port(n);
    c->server_port = 80;
    c->handler = n % 2 ? handle_odd : handle_even;
    return c;
}

void
world_packet(struct world *w, uint32_t n, const char *data)
{
    struct conn *c = world_find(w, n);
    size_t len = strlen(data);

    if (!c) {
        c = create(w, n);
    } else {
        remove_due(&w->conns_by_due, c);
    }
    c->due = w->now++ * 7 % 64; /* Now and then two at once. */
    insert_due(&w->conns_by_due, c);
    uint8_t *request = take(c->request_len + len + 1);
    if (c->request) {
        memcpy(request, c->request, c->request_len);
        give(c->request);
    }
    memcpy(request + c->request_len, data, len + 1);
    c->last_pair = c->request_len / 2;
    c->request = request;
    c->request_len += len;
    if (c->n_headers < N_HEADERS) {
        struct header *h = &c->headers[c->n_headers++];

        h->name = take_string(data);
        h->kind = c->n_headers % 2 ? kinds[n % 2] : h->name;
    }
    c->sizes[c->n_packets++ % WORLD_SIZES] = len;
    if (!c->note) {
        c->note = take_string("note");
    }
    c->matched = &w->rules[c->request_len % 3];
    c->client->seen += c->handler(1);
    c->server->seen_flags |= 1u << n % 16;
}

void
world_end(struct world *w, struct conn *c)
{
    if (c->next) {
        c->next->prev = c->prev;
    }
    *(c->prev ? &c->prev->next : &w->conns[c->bucket]) = c->next;
    *(c->newer ? &c->newer->older : &w->newest) = c->older;
    *(c->older ? &c->older->newer : &w->oldest) = c->newer;
    remove_due(&w->conns_by_due, c);
    w->n_conns--;
    c->client->uses--;
    c->server->uses--;
    for (uint32_t i = 0; i < c->n_headers; i++) {
        give(c->headers[i].name);
    }
    give(c->request);
    give(c->note);
    give(c);
}

/* The tables. */

#define MEMBER(TYPE, NAME) .name = #NAME, .offset = offsetof(TYPE, NAME), \
                           .count = 1, .header = WORLD_HEADER, \
                           .live = ST_NONE, .length = ST_NONE

enum { T_RULE, T_SIGNATURE, T_HOST, T_CONN };
enum { S_HOST, S_CONN };

static const struct st_pointer rule_pointers[] = {
    { MEMBER(struct rule, name), .target = ST_TO_BYTES, .owned = true },
};
static const struct st_pointer signature_pointers[] = {
    { MEMBER(struct signature, rule), .target = ST_TO_TYPE, .type = T_RULE },
};
static const struct mbox_state_hook handle_hook = {
    save_handle, load_handle, release_handle, NULL, NULL,
};
static const struct st_hook signature_hooks[] = {
    { .name = "handle", .count = 1,
      .offset = offsetof(struct signature, handle), .size = 4,
      .live = ST_NONE, .functions = &handle_hook },
};
static const struct st_pointer host_pointers[] = {
    { MEMBER(struct host, next), .target = ST_LINK },
    { MEMBER(struct host, less), .target = ST_LINK },
    { MEMBER(struct host, more), .target = ST_LINK },
    { MEMBER(struct host, signature), .target = ST_TO_TYPE,
      .type = T_SIGNATURE, .owned = true },
};
static const struct st_member host_members[] = {
    { "seen", offsetof(struct host, seen), 4, false, ST_MAX },
    { "seen_flags", offsetof(struct host, seen_flags), 2, false, ST_UNION },
};
static const struct st_extent request_extents[] = {
    { offsetof(struct conn, last_pair), 4, 2 },
};
static const struct st_pointer conn_pointers[] = {
    { MEMBER(struct conn, prev), .target = ST_LINK },
    { MEMBER(struct conn, next), .target = ST_LINK },
    { MEMBER(struct conn, older), .target = ST_LINK },
    { MEMBER(struct conn, newer), .target = ST_LINK },
    { MEMBER(struct conn, left), .target = ST_LINK },
    { MEMBER(struct conn, right), .target = ST_LINK },
    { MEMBER(struct conn, parent), .target = ST_LINK },
    { MEMBER(struct conn, client), .target = ST_TO_NODE,
      .structure = S_HOST },
    { MEMBER(struct conn, server), .target = ST_TO_NODE,
      .structure = S_HOST },
    { .name = "request", .offset = offsetof(struct conn, request),
      .count = 1, .target = ST_TO_BYTES, .owned = true, .header = WORLD_HEADER,
      .live = ST_NONE,
      .length = offsetof(struct conn, request_len), .length_size = 4,
      .extents = request_extents, .n_extents = 1 },
    { .name = "headers[].name", .offset = offsetof(struct conn, headers),
      .count = N_HEADERS, .stride = sizeof(struct header),
      .target = ST_TO_BYTES, .owned = true, .header = WORLD_HEADER,
      .live = offsetof(struct conn, n_headers), .live_size = 4,
      .length = ST_NONE },
    { .name = "headers[].kind",
      .offset = offsetof(struct conn, headers[0].kind),
      .count = N_HEADERS, .stride = sizeof(struct header),
      .target = ST_TO_BYTES,
      .live = offsetof(struct conn, n_headers), .live_size = 4,
      .length = ST_NONE },
    { MEMBER(struct conn, matched), .target = ST_TO_TYPE, .type = T_RULE },
    { MEMBER(struct conn, note), .target = ST_TO_BYTES, .owned = true },
    { MEMBER(struct conn, handler), .target = ST_TO_FUNCTION },
};

#define TYPE(NAME, POINTERS) \
    .name = "struct " #NAME, .size = sizeof(struct NAME), \
    .layout = sizeof(struct NAME), .pointers = POINTERS, \
    .n_pointers = sizeof POINTERS / sizeof *POINTERS

/* Output function 1 needs less of connections and hosts, and 2 nothing of
 * hosts. */
static const char *const outputs[WORLD_OUTPUTS] = { "log", "reply", "tick" };
static const struct st_left_out host_left_out[] = {
    { offsetof(struct host, seen_flags), 2, 1 << 1 },
};
static const struct st_left_out conn_left_out[] = {
    { offsetof(struct conn, sizes), 4 * WORLD_SIZES, 1 << 1 },
    { offsetof(struct conn, note), sizeof(char *), ST_LEFT_OUT_ALWAYS },
};

static const struct st_type types[] = {
    [T_RULE] = { TYPE(rule, rule_pointers) },
    [T_SIGNATURE] = { TYPE(signature, signature_pointers),
                      .hooks = signature_hooks, .n_hooks = 1,
                      .tail = offsetof(struct signature, marks),
                      .length = { offsetof(struct signature, n_marks), 4,
                                  2 } },
    [T_HOST] = { TYPE(host, host_pointers), .members = host_members,
                 .n_members = 2, .left_out = host_left_out,
                 .n_left_out = 1 },
    [T_CONN] = { TYPE(conn, conn_pointers), .left_out = conn_left_out,
                 .n_left_out = 2 },
};

static const struct st_key host_keys[] = {
    { ST_ADDRESS_A, ST_NONE, offsetof(struct host, address), 4, false,
      ST_NONE, 0 },
};
static const struct st_key conn_keys[] = {
    { ST_ADDRESS_A, offsetof(struct conn, client),
      offsetof(struct host, address), 4, false, ST_NONE, 0 },
    { ST_ADDRESS_B, offsetof(struct conn, server),
      offsetof(struct host, address), 4, false, ST_NONE, 0 },
    { ST_PORT_A, ST_NONE, offsetof(struct conn, client_port), 2, true,
      ST_NONE, 0 },
    { ST_PORT_B, ST_NONE, offsetof(struct conn, server_port), 2, true,
      ST_NONE, 0 },
};
static const struct st_reference_count conn_references[] = {
    { offsetof(struct conn, client), S_HOST, offsetof(struct host, uses), 4 },
    { offsetof(struct conn, server), S_HOST, offsetof(struct host, uses), 4 },
};

static const struct st_symbol symbols[] = {
    { "kinds", kinds, sizeof kinds, ST_TO_BYTES, 0 },
    { "handle_even", handle_even, 1, ST_TO_FUNCTION, 0 },
    { "handle_odd", handle_odd, 1, ST_TO_FUNCTION, 0 },
};

static void
init_tables(struct world *w)
{
    w->host_lists[0] = (struct st_list) {
        .first = (void **) &w->hosts, .n_buckets = 1,
        .next = offsetof(struct host, next), .prev = ST_NONE,
    };
    w->conn_lists[0] = (struct st_list) {
        .first = (void **) w->conns, .n_buckets = N_CONNS,
        .next = offsetof(struct conn, next),
        .prev = offsetof(struct conn, prev),
    };
    w->conn_lists[1] = (struct st_list) {
        .first = (void **) &w->oldest, .n_buckets = 1,
        .last = (void **) &w->newest,
        .next = offsetof(struct conn, newer),
        .prev = offsetof(struct conn, older), .append = true,
    };
    w->host_trees[0] = (struct st_tree) {
        .head = &w->hosts_by_address, .root = &w->hosts_by_address,
        .children = { offsetof(struct host, less),
                      offsetof(struct host, more) },
        .parent = ST_NONE,
        .insert = insert_host, .remove = remove_host,
        .compare = compare_hosts,
    };
    w->conn_trees[0] = (struct st_tree) {
        .head = &w->conns_by_due, .root = &w->conns_by_due,
        .children = { offsetof(struct conn, left),
                      offsetof(struct conn, right) },
        .parent = offsetof(struct conn, parent),
        .insert = insert_due, .remove = remove_due, .compare = compare_due,
    };
    w->host_counts[0] = (struct st_count) { &w->n_hosts, 4 };
    w->conn_counts[0] = (struct st_count) { &w->n_conns, 4 };
    w->structures[S_HOST] = (struct st_structure) {
        .name = "struct host", .type = T_HOST, .header = WORLD_HEADER,
        .unneeded = 1 << 2,
        .lists = w->host_lists, .n_lists = 1,
        .trees = w->host_trees, .n_trees = 1,
        .keys = host_keys, .n_keys = 1,
        .counts = w->host_counts, .n_counts = 1,
        .bucket_offset = ST_NONE,
        .count_offset = offsetof(struct host, uses), .count_size = 4,
    };
    w->structures[S_CONN] = (struct st_structure) {
        .name = "struct conn", .type = T_CONN, .header = WORLD_HEADER,
        .per_flow = true, .both_ways = true, .proto = 6,
        .lists = w->conn_lists, .n_lists = 2,
        .trees = w->conn_trees, .n_trees = 1,
        .keys = conn_keys, .n_keys = 4,
        .references = conn_references, .n_references = 2,
        .counts = w->conn_counts, .n_counts = 1,
        .bucket_offset = offsetof(struct conn, bucket), .bucket_size = 4,
        .count_offset = ST_NONE,
    };
    w->variables[0] = (struct st_variable) {
        .name = "rules", .address = &w->rules, .size = sizeof w->rules,
        .role = ST_STATIC, .target = ST_TO_TYPE, .type = T_RULE,
    };
    w->variables[1] = (struct st_variable) {
        .name = "seed", .address = &w->seed, .size = sizeof w->seed,
        .role = ST_PLACEMENT,
    };
    w->program = (struct st_program) {
        .name = "world", .build = 1,
        .types = types, .n_types = 4,
        .structures = w->structures, .n_structures = 2,
        .outputs = outputs, .n_outputs = WORLD_OUTPUTS,
        .variables = w->variables, .n_variables = 2,
        .symbols = symbols, .n_symbols = 3,
    };
}

void
world_init(struct world *w, uint32_t seed)
{
    memset(w, 0, sizeof *w);
    st_heap_track();
    w->seed = seed;
    w->rules = take(3 * sizeof *w->rules);
    for (uint32_t i = 0; i < 3; i++) {
        char name[16];

        snprintf(name, sizeof name, "rule %"PRIu32, i);
        w->rules[i].name = take_string(name);
        w->rules[i].number = i;
    }
    init_tables(w);
}

void
world_uninit(struct world *w)
{
    for (uint32_t n = 0; n < 4096; n++) {
        struct conn *c = world_find(w, n);

        if (c) {
            world_end(w, c);
        }
    }
    while (w->hosts) {
        struct host *h = w->hosts;

        w->hosts = h->next;
        close_handle(h->signature->handle);
        give(h->signature);
        give(h);
    }
    for (uint32_t i = 0; i < 3; i++) {
        give(w->rules[i].name);
    }
    give(w->rules);
}

/* What a person sees. */

char *
world_dump_host(struct world *w, uint32_t address)
{
    const struct host *h = find_host(w, address);
    char *s;

    if (!h) {
        return strdup("none");
    }
    assert_true(asprintf(&s, "seen %"PRIu32" flags %x ttl %"PRIu32" %s %s",
                         h->seen, h->seen_flags, h->signature->ttl,
                         h->signature->rule->name,
                         world_handle(h)) > 0);
    return s;
}

char *
world_dump(struct world *w, uint32_t n)
{
    const struct conn *c = world_find(w, n);
    char *s;

    if (!c) {
        return strdup("none");
    }
    assert_true(asprintf(&s, "%x:%u %x:%u %s %s handler %d packets %"PRIu32
                         " size %"PRIu32, c->client->address, c->client_port,
                         c->server->address, c->server_port, c->request,
                         c->matched->name, c->handler(0), c->n_packets,
                         c->sizes[0]) > 0);
    for (uint32_t i = 0; i < c->n_headers; i++) {
        char *longer;

        assert_true(asprintf(&longer, "%s %s/%s", s, c->headers[i].name,
                             c->headers[i].kind) > 0);
        assert_true((c->headers[i].kind == c->headers[i].name) == (i % 2));
        free(s);
        s = longer;
    }
    return s;
}

void
world_check(struct world *w)
{
    uint32_t n = 0, uses = 0;

    for (uint32_t i = 0; i < N_CONNS; i++) {
        const struct conn *prev = NULL;

        for (const struct conn *c = w->conns[i]; c; prev = c, c = c->next) {
            assert_ptr_equal(c->prev, prev);
            assert_int_equal(c->bucket, i);
            assert_ptr_equal(find_host(w, c->client->address), c->client);
            assert_ptr_equal(find_host(w, c->server->address), c->server);
            n++;
        }
    }
    assert_int_equal(n, w->n_conns);
    assert_int_equal(n, state_tree_check(&due_tree, w->conns_by_due));

    const struct conn *older = NULL;
    for (const struct conn *c = w->oldest; c; older = c, c = c->newer) {
        assert_ptr_equal(c->older, older);
        n--;
    }
    assert_ptr_equal(older, w->newest);
    assert_int_equal(n, 0);
    for (const struct host *h = w->hosts; h; h = h->next) {
        assert_true(*world_handle(h));
        assert_true(h->signature->n_marks <= WORLD_MARKS);
        uses += h->uses;
        n++;
    }
    assert_int_equal(n, w->n_hosts);
    assert_int_equal(n, state_tree_check(&host_tree, w->hosts_by_address));
    assert_int_equal(uses, 2 * w->n_conns);
}
