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

#include <config.h>
#include "ids-test.h"

#include <json-c/json.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "event-log.h"
#include "ids-scan.h"
#include "ids-sig.h"
#include "mbox-wire.h"

const char test_rules_text[] =
    "alert tcp any any -> any any (msg:\"long literal\"; "
    "content:\"abcdefghijklmnopqrstuvwxyz0123456789\"; sid:1;)\n"
    "alert tcp any any -> any 80 (msg:\"uri\"; flow:to_server; "
    "pcre:\"/GET [^ ]*(union.select|passwd)/i\"; sid:2;)\n"
    "alert tcp any any -> any any (msg:\"both parts\"; content:\"first-part\";"
    " nocase; content:\"second-part\"; sid:3;)\n"
    "alert tcp any 80 -> any any (msg:\"answer\"; flow:to_client; "
    "content:\"root:x:0:0\"; sid:4;)\n"
    "alert tcp any any -> any any (msg:\"span\"; "
    "pcre:\"/begin.{1,300}finish/s\"; sid:5;)\n"
    "alert udp any any -> any 53 (msg:\"dns\"; content:\"|03|bad|03|com\"; "
    "nocase; sid:6;)\n"
    "alert tcp any any -> any any (msg:\"at the end\"; "
    "pcre:\"/last words$/\"; sid:7;)\n";

/* Random numbers (splitmix64). */

uint32_t
rng_u32(struct rng *rng)
{
    uint64_t z = rng->state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) >> 16;
}

uint32_t
rng_range(struct rng *rng, uint32_t n)
{
    return rng_u32(rng) % n;
}

/* Instances. */

void
test_rules_init(struct test_rules *t, const char *text)
{
    char *error = NULL;

    if (ids_rules_parse("test.rules", text, strlen(text), &t->rules, &error)
        || ids_sigs_compile(t->rules, NULL, 0, &t->sigs, &error)) {
        fail_msg("%s", error);
    }
}

void
test_rules_uninit(struct test_rules *t)
{
    ids_sigs_destroy(t->sigs);
    ids_rules_destroy(t->rules);
}

static void
on_dirty(void *core_, bool multi_flow, const struct mbox_key *key)
{
    struct core *core = core_;

    (void) key;
    if (multi_flow) {
        core->n_dirty_hosts++;
    } else {
        core->n_dirty_flows++;
    }
}

static bool
is_pending(void *core_, const struct mbox_key *key)
{
    struct core *core = core_;

    (void) key;
    return core->pending;
}

void
core_init(struct core *core, const struct test_rules *rules)
{
    static const struct ids_scan_config scan = IDS_SCAN_CONFIG_INITIALIZER;

    memset(core, 0, sizeof *core);
    core->log = event_log_create_memory("test");
    core->scan = ids_scan_create(&scan);

    struct ids_config config = {
        .sigs = rules->sigs, .log = core->log, .scan = core->scan,
        .now = SECOND, .wall = 1700000000 * UINT64_C(1000000),
        .dirty = on_dirty, .is_pending = is_pending, .aux = core,
    };
    core->ids = ids_create(&config);
}

void
core_uninit(struct core *core)
{
    ids_destroy(core->ids);
    ids_scan_destroy(core->scan);
    event_log_close(core->log);
}

static void
process(struct core *core, uint64_t time, const uint8_t *data, size_t len)
{
    struct mbox_packet_layout layout;
    struct mbox_key key;

    mbox_key_extract(data, len, &key, &layout);
    ids_packet(core->ids, time, data, len, &key, &layout);
}

void
core_packet(struct core *core, const struct packet *packet)
{
    process(core, packet->time, packet->data, packet->len);
}

void
core_frame(struct core *core, uint64_t time, const struct ids_frame *frame)
{
    /* A copy of just its size, so that reading behind it is noticed. */
    uint8_t *copy = malloc(frame->len);

    assert_non_null(copy);
    memcpy(copy, frame->data, frame->len);
    process(core, time, copy, frame->len);
    free(copy);
}

void
core_tcp(struct core *core, uint64_t time, const struct mbox_key *key,
         uint32_t seq, uint32_t ack, uint8_t flags, uint32_t ts,
         const void *data, size_t len)
{
    static struct ids_frame frame;
    struct ids_tcp_fields tcp = { seq, ack, flags, ts };

    ids_frame_tcp(&frame, key, &tcp, data, len);
    core_frame(core, time, &frame);
}

/* Moving. */

struct keys {
    struct mbox_key *keys;
    size_t n;
};

static int
add_key(void *keys_, const struct mbox_key *key)
{
    struct keys *keys = keys_;

    keys->keys = realloc(keys->keys, (keys->n + 1) * sizeof *keys->keys);
    assert_non_null(keys->keys);
    keys->keys[keys->n++] = *key;
    return 0;
}

void
core_move(struct core *from, struct core *to)
{
    struct keys keys = { NULL, 0 };
    struct mbox_writer w;

    assert_int_equal(ids_state_list(from->ids, add_key, &keys), 0);
    for (size_t i = 0; i < keys.n; i++) {
        const struct mbox_key *key = &keys.keys[i];

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        assert_int_equal(ids_state_get(from->ids, key, &w), 0);

        /* Of just its size, so that reading behind it is noticed. */
        uint8_t *copy = malloc(w.len);
        assert_non_null(copy);
        memcpy(copy, w.data, w.len);
        assert_int_equal(ids_state_put(to->ids, key, copy, w.len), 0);
        free(copy);
        assert_int_equal(ids_state_del(from->ids, key), 0);
        mbox_writer_uninit(&w);
    }

    keys.n = 0;
    assert_int_equal(ids_scan_list(from->scan, add_key, &keys), 0);
    for (size_t i = 0; i < keys.n; i++) {
        const struct mbox_key *key = &keys.keys[i];

        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        assert_int_equal(ids_scan_state_get(from->ids, key, &w), 0);
        assert_int_equal(ids_scan_state_put(to->ids, key, w.data, w.len,
                                            false), 0);
        assert_int_equal(ids_scan_del(from->scan, key), 0);
        mbox_writer_uninit(&w);
    }
    free(keys.keys);
}

/* Logs. */

static int
compare_strings(const void *a, const void *b)
{
    return strcmp(*(char *const *) a, *(char *const *) b);
}

static bool
has_type(const char *line, size_t len, const char *type)
{
    char needle[64];

    snprintf(needle, sizeof needle, "\"event_type\":\"%s\"", type);
    return memmem(line, len, needle, strlen(needle)) != NULL;
}

static size_t
split(const char *text, const char *type, char **lines, size_t n)
{
    while (text && *text) {
        const char *eol = strchr(text, '\n');
        size_t len = eol - text;

        if (!type || has_type(text, len, type)) {
            lines[n] = strndup(text, len);
            assert_non_null(lines[n]);
            n++;
        }
        text = eol + 1;
    }
    return n;
}

char *
core_events(struct core *a, struct core *b, const char *type)
{
    const char *texts[2] = { event_log_text(a->log),
                             b ? event_log_text(b->log) : NULL };
    size_t size = 1;
    size_t n = 0;

    for (int i = 0; i < 2; i++) {
        size += texts[i] ? strlen(texts[i]) + 1 : 0;
    }

    char **lines = calloc(size, sizeof *lines);
    char *result = malloc(size);
    assert_non_null(lines);
    assert_non_null(result);
    for (int i = 0; i < 2; i++) {
        n = split(texts[i], type, lines, n);
    }
    qsort(lines, n, sizeof *lines, compare_strings);

    char *p = result;
    for (size_t i = 0; i < n; i++) {
        p = stpcpy(stpcpy(p, lines[i]), "\n");
        free(lines[i]);
    }
    *p = '\0';
    free(lines);
    return result;
}

int
core_count(struct core *core, const char *type, const char *text)
{
    char *events = core_events(core, NULL, type);
    char *save = NULL;
    int n = 0;

    for (char *line = strtok_r(events, "\n", &save); line;
         line = strtok_r(NULL, "\n", &save)) {
        n += strstr(line, text) != NULL;
    }
    free(events);
    return n;
}

/* Conversations. */

void
conversation_add(struct conversation *c, uint64_t time,
                 const struct ids_frame *frame)
{
    if (c->n >= c->allocated) {
        c->allocated = c->allocated ? c->allocated * 2 : 64;
        c->packets = realloc(c->packets, c->allocated * sizeof *c->packets);
        assert_non_null(c->packets);
    }

    struct packet *p = &c->packets[c->n++];
    p->time = time;
    p->len = frame->len;
    p->data = malloc(frame->len);
    assert_non_null(p->data);
    memcpy(p->data, frame->data, frame->len);
}

void
conversation_uninit(struct conversation *c)
{
    for (size_t i = 0; i < c->n; i++) {
        free(c->packets[i].data);
    }
    free(c->packets);
}

static int
compare_time(const void *a_, const void *b_)
{
    const struct packet *a = a_;
    const struct packet *b = b_;

    return a->time < b->time ? -1 : a->time > b->time;
}

void
conversation_sort(struct conversation *c)
{
    /* Times are distinct, see next_time(). */
    qsort(c->packets, c->n, sizeof *c->packets, compare_time);
}

/* A text with some of the things that rules look for. */
static size_t
make_text(struct rng *rng, const char *const *pieces, size_t n_pieces,
          char *text, size_t size)
{
    size_t len = 0;
    size_t n = 3 + rng_range(rng, 6);

    for (size_t i = 0; i < n; i++) {
        const char *piece = pieces[rng_range(rng, n_pieces)];

        if (len + strlen(piece) + 1 < size) {
            len = stpcpy(text + len, piece) - text;
        }
    }
    return len;
}

static const char *const client_pieces[] = {
    "GET /index.html HTTP/1.1\r\nHost: a.example\r\n\r\n",
    "GET /x?q=UNION+select HTTP/1.1\r\nHost: b.example\r\n"
    "User-Agent: test/1 first-part\r\n\r\n",
    "POST /up HTTP/1.1\r\nContent-Length: 43\r\nHost: c.example\r\n\r\n"
    "abcdefghijklmnopqrstuvwxyz0123456789 begin ",
    "PUT /chunks HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    "7\r\nFIRST-P\r\n10;x=y\r\nart second-part \r\n0\r\nT: 1\r\n\r\n",
    "GET /etc/passwd HTTP/1.0\r\nX: some finish\r\n\r\n",
    "OPTIONS * HTTP/1.1\nhost:d.example\nuser-agent: \xff\x01z\n\n",
};

static const char *const server_pieces[] = {
    "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "root:x:0:0:root:/root:/bin/sh\n",
    "nothing to see ", "begin and then ", "some finish ", "second-part ",
    "first-part ", "abcdefghijklmnopqrstuvwxyz0123456789",
};

/* One side of a connection. */
struct side {
    char text[4096];
    size_t len;
    size_t sent;
    uint32_t isn;
};

struct builder {
    struct conversation *c;
    struct rng *rng;
    struct mbox_key keys[2];
    struct side sides[2];
    uint64_t time;
    uint32_t ts;
    unsigned int index;
};

static uint64_t
next_time(struct builder *b)
{
    b->time += 1000 * (1 + rng_range(b->rng, 3000));
    b->ts += rng_range(b->rng, 3);

    /* Distinct among connections. */
    return b->time - b->time % 1000 + b->index;
}

static void
add_segment(struct builder *b, int side, size_t from, size_t len,
            uint8_t flags)
{
    static struct ids_frame frame;
    const struct side *me = &b->sides[side];
    const struct side *you = &b->sides[!side];
    struct ids_tcp_fields tcp = {
        .seq = me->isn + 1 + from, .ack = you->isn + 1 + you->sent,
        .flags = flags, .ts = b->ts,
    };

    if (flags & TH_SYN) {
        tcp.seq--;
    }
    ids_frame_tcp(&frame, &b->keys[side], &tcp, me->text + from, len);
    conversation_add(b->c, next_time(b), &frame);
}

/* Sends the next few bytes of a side, in up to 3 segments, with accidents. */
static void
send_some(struct builder *b, int side)
{
    struct side *me = &b->sides[side];
    size_t n = 1 + rng_range(b->rng, 3);
    size_t starts[3], lens[3];
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        size_t left = me->len - me->sent - total;
        size_t len = 1 + rng_range(b->rng, 60);

        starts[i] = me->sent + total;
        lens[i] = len < left ? len : left;
        total += lens[i];
        if (!rng_range(b->rng, 6) && starts[i] >= 5) {
            starts[i] -= 5;     /* Overlaps what came before. */
            lens[i] += 5;
        }
    }
    if (n > 1 && !rng_range(b->rng, 3)) {
        size_t j = n - 1 - rng_range(b->rng, n - 1);
        size_t start = starts[0], len = lens[0];

        starts[0] = starts[j];
        lens[0] = lens[j];
        starts[j] = start;
        lens[j] = len;
    }
    for (size_t i = 0; i < n; i++) {
        add_segment(b, side, starts[i], lens[i], TH_ACK);
        if (!rng_range(b->rng, 10)) {
            add_segment(b, side, starts[i], lens[i], TH_ACK);
        }
    }
    me->sent += total;
    if (rng_range(b->rng, 2)) {
        add_segment(b, !side, b->sides[!side].sent, 0, TH_ACK);
    }
}

static void
make_keys(struct mbox_key keys[2], struct rng *rng, uint8_t proto,
          unsigned int index, uint16_t port)
{
    keys[0] = ids_make_key(proto, 0x0a000001 + index, 1024 + index,
                           0xc0000201, port);
    if (rng_range(rng, 3) == 0) {
        keys[0].family = 6;
        memset(keys[0].src, 0x20 + index % 7, 16);
        memset(keys[0].dst, 0x30, 16);
    }
    if (rng_range(rng, 4) == 0) {
        keys[0].vlan = 100;
    }
    mbox_key_reverse(&keys[0], &keys[1]);
}

void
make_connection(struct conversation *c, struct rng *rng, unsigned int index)
{
    struct builder b = {
        .c = c, .rng = rng, .ts = 1 + rng_u32(rng) / 2, .index = index,
        .time = 2 * SECOND,
    };
    struct side *sides = b.sides;

    make_keys(b.keys, rng, IPPROTO_TCP, index, 80);
    sides[0].len = make_text(rng, client_pieces, 6, sides[0].text, 4096);
    sides[1].len = make_text(rng, server_pieces, 8, sides[1].text, 4096);
    if (rng_range(rng, 2)) {
        strcpy(sides[0].text + sides[0].len, "last words");
        sides[0].len += 10;
    }
    for (int i = 0; i < 2; i++) {
        /* Often near the wrap. */
        sides[i].isn = (rng_range(rng, 2) ? rng_u32(rng)
                        : -rng_range(rng, 200));
    }

    if (rng_range(rng, 5)) {
        add_segment(&b, 0, 0, 0, TH_SYN);
        add_segment(&b, 1, 0, 0, TH_SYN | TH_ACK);
        add_segment(&b, 0, 0, 0, TH_ACK);
    }
    for (int i = 0; i < 40; i++) {
        int side = rng_range(rng, 2);

        if (sides[side].sent == sides[side].len) {
            side = !side;
        }
        if (sides[side].sent < sides[side].len) {
            send_some(&b, side);
        }
        if (!rng_range(rng, 15)) {
            b.time += 3 * SECOND;       /* Time to compress. */
        }
    }
    if (!rng_range(rng, 6)) {
        add_segment(&b, 0, sides[0].sent, 0, TH_RST | TH_ACK);
    } else if (rng_range(rng, 4)) {
        add_segment(&b, 0, sides[0].sent, 0, TH_FIN | TH_ACK);
        sides[0].sent++;
        add_segment(&b, 1, sides[1].sent, 0, TH_FIN | TH_ACK);
        sides[1].sent++;
        add_segment(&b, 0, sides[0].sent, 0, TH_ACK);
    }
}

void
make_datagrams(struct conversation *c, struct rng *rng, unsigned int index)
{
    static const char *const payloads[] = {
        "\1\2\3good\3com", "xx\3BAD\3com", "", "\3bad\3com\3bad\3com",
    };
    static struct ids_frame frame;
    struct mbox_key keys[2];
    uint64_t time = 2 * SECOND;

    make_keys(keys, rng, IPPROTO_UDP, index, 53);
    for (int i = 0; i < 8; i++) {
        const char *payload = payloads[rng_range(rng, 4)];

        ids_frame_udp(&frame, &keys[rng_range(rng, 2)], payload,
                      strlen(payload));
        time += 1000 * (1 + rng_range(rng, 5000000));
        conversation_add(c, time + index, &frame);
    }
}
