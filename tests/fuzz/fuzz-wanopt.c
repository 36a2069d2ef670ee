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

/* What mbox-wanopt reads: messages of the other site, packets, a flow's state,
 * a chunk, configuration.  The first byte of the input says which.  Messages
 * have right tags, as those of a peer that is hostile or broken. */

#include <config.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bytes.h"
#include "event-log.h"
#include "fuzz.h"
#include "mbox-wire.h"
#include "wanopt-chunk.h"
#include "wanopt-codec.h"
#include "wanopt-wire.h"
#include "wanopt.h"

uint64_t test_random(void);

#define SECOND UINT64_C(1000000000)
#define LAN 0
#define WAN 1

enum kind { MESSAGES, PACKET, FLOW, CHUNK, CONFIG, N_KINDS };

static const char config_text[] = "\
local 10.0.1.0/24\n\
local fd00:1::/64\n\
remote 10.0.2.0/24\n\
remote fd00:2::/64\n\
key 000102030405060708090a0b0c0d0e0f\n\
memory 1\n\
waiting-memory 1\n\
max-flows 20\n\
compression-level 1\n";

static struct wanopt_setup setup = { .now = 1000 * SECOND, .n_ports = 2 };
static struct wanopt_cipher *cipher;
static struct wanopt_codec *codec;
static uint8_t pool[2000];      /* Content. */

/* Reads every byte that is sent. */
static void
on_send(void *aux, unsigned int port, const void *frame, size_t len)
{
    uint8_t *copy = malloc(len);

    (void) aux;
    FUZZ_CHECK(copy && port <= WAN);
    memcpy(copy, frame, len);
    free(copy);
}

static struct wanopt *
create(void)
{
    if (!setup.log) {
        struct wanopt_config *config;
        char *error;

        FUZZ_CHECK(!wanopt_config_parse("fuzz", config_text,
                                        strlen(config_text), &config,
                                        &error));
        FUZZ_CHECK(!event_log_open("/dev/null", "fuzz", NULL, NULL,
                                   &setup.log));
        setup.config = config;
        setup.send = on_send;
        cipher = wanopt_cipher_create(config->key);
        codec = wanopt_codec_create(1);
        for (size_t i = 0; i < sizeof pool; i++) {
            pool[i] = i * i * 31 >> 4;
        }
    }
    return wanopt_create(&setup);
}

/* The key of a flow of the near site. */
static struct mbox_key
make_key(bool ipv6, uint8_t proto)
{
    static const uint8_t addrs[2][2][16] = {
        { { [10] = 0xff, 0xff, 10, 0, 1, 1 },
          { [10] = 0xff, 0xff, 10, 0, 2, 1 } },
        { { 0xfd, 0, 0, 1, [15] = 1 }, { 0xfd, 0, 0, 2, [15] = 1 } },
    };
    struct mbox_key key = {
        .src_port = 1000, .dst_port = 80, .vlan = MBOX_VLAN_NONE,
        .family = ipv6 ? 6 : 4, .proto = proto,
    };

    memcpy(key.src, addrs[ipv6][0], sizeof key.src);
    memcpy(key.dst, addrs[ipv6][1], sizeof key.dst);
    return key;
}

/* Writes a packet of the flow with the 'n' bytes at 'payload'; its checksums
 * are wrong, which nobody looks at.  Returns its length. */
static size_t
make_frame(const struct mbox_key *key, const void *payload, size_t n,
           uint8_t *frame)
{
    bool tcp = key->proto == IPPROTO_TCP, ipv6 = key->family == 6;
    size_t header_len = tcp ? 20 : 8, l4_ofs = ipv6 ? 54 : 34;
    uint8_t *ip = frame + 14, *l4 = frame + l4_ofs;

    memset(frame, 0, l4_ofs + header_len);
    put_be16(frame + 12, ipv6 ? 0x86dd : 0x0800);
    if (ipv6) {
        ip[0] = 0x60;
        put_be16(ip + 4, header_len + n);
        ip[6] = key->proto;
        ip[7] = 64;
        memcpy(ip + 8, key->src, 16);
        memcpy(ip + 24, key->dst, 16);
    } else {
        ip[0] = 0x45;
        put_be16(ip + 2, 20 + header_len + n);
        ip[6] = 0x40;
        ip[8] = 64;
        ip[9] = key->proto;
        memcpy(ip + 12, key->src + 12, 4);
        memcpy(ip + 16, key->dst + 12, 4);
    }
    put_be16(l4, key->src_port);
    put_be16(l4 + 2, key->dst_port);
    if (tcp) {
        l4[12] = 0x50;
        l4[13] = 0x10;
    } else {
        put_be16(l4 + 4, header_len + n);
    }
    memcpy(l4 + header_len, payload, n);
    return l4_ofs + header_len + n;
}

/* Gives a frame in a buffer that is no longer, or has room for a payload. */
static void
give(struct wanopt *w, uint64_t now, unsigned int port, const uint8_t *frame,
     size_t len, bool room)
{
    size_t capacity = room ? len + WANOPT_MAX_PAYLOAD : len;
    uint8_t *copy = malloc(capacity ? capacity : 1);
    struct mbox_packet_layout layout;
    struct mbox_key key;

    FUZZ_CHECK(copy);
    if (len) {
        memcpy(copy, frame, len);
    }
    mbox_key_extract(copy, len, &key, &layout);
    if (wanopt_packet(w, now, port, copy, &len, capacity, &key, &layout)) {
        FUZZ_CHECK(len <= capacity);
        on_send(NULL, !port, copy, len);
    }
    free(copy);
}

/* What the input has of a message: u8 BIT_*, u8 type, u16 total, u8 number of
 * items, u8 data offset, u16 length of the rest, which is options and body. */
enum { BIT_UDP = 1, BIT_IPV6 = 2, BIT_LATER = 4, BIT_COMPRESSED = 8,
       BIT_ROOM = 16 };

static void
give_message(struct wanopt *w, uint64_t *now, struct mbox_reader *r)
{
    static uint8_t out[WANOPT_MAX_FRAME];
    uint8_t data[128];
    struct wanopt_frame f = { .data = data };
    uint8_t bits = mbox_get_u8(r);
    struct wanopt_message m = {
        .compressed = (bits & BIT_COMPRESSED) != 0,
        .type = mbox_get_u8(r), .total = mbox_get_u16(r),
        .n_items = mbox_get_u8(r), .data_offset = mbox_get_u8(r),
    };
    uint16_t len = mbox_get_u16(r);
    struct mbox_key key = make_key((bits & BIT_IPV6) != 0,
                                   bits & BIT_UDP ? IPPROTO_UDP
                                   : IPPROTO_TCP);

    len = len < r->left ? len : r->left;
    m.body = mbox_get_bytes(r, len);
    m.body_len = len;
    if (r->error) {
        return;
    }
    f.len = make_frame(&key, "", 1, data);
    mbox_key_extract(f.data, f.len, &f.key, &f.layout);
    *now += bits & BIT_LATER ? SECOND / 4 : 0;
    wanopt_tick(w, *now);
    give(w, *now, WAN, out, wanopt_message_respond(cipher, &f, &m, out),
         (bits & BIT_ROOM) != 0);
}

/* What one instance has, another one takes, and has just that then. */

struct copy {
    struct wanopt *from, *to;
    struct mbox_writer *out;    /* Instead of 'to'. */
};

static int
copy_flow(void *copy_, const struct mbox_key *key)
{
    const struct copy *copy = copy_;
    struct mbox_writer a, b;

    mbox_writer_init(&a, MBOX_WRITER_LIMIT);
    mbox_writer_init(&b, MBOX_WRITER_LIMIT);
    FUZZ_CHECK(!wanopt_flow_get(copy->from, key, &a));
    FUZZ_CHECK(!wanopt_flow_put(copy->to, key, a.data, a.len));
    FUZZ_CHECK(!wanopt_flow_get(copy->to, key, &b));
    FUZZ_CHECK(a.len == b.len && !memcmp(a.data, b.data, a.len));
    mbox_writer_uninit(&a);
    mbox_writer_uninit(&b);
    return 0;
}

static int
copy_chunk(void *copy_, const struct mbox_key *key)
{
    const struct copy *copy = copy_;
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    FUZZ_CHECK(!wanopt_chunk_get(copy->from, key, &w));
    FUZZ_CHECK(!wanopt_chunk_put(copy->to, key, w.data, w.len));
    mbox_writer_uninit(&w);
    return 0;
}

static void
try_copy(struct wanopt *w, uint64_t now)
{
    struct copy copy = { .from = w, .to = create() };

    wanopt_set_time(w, now);
    wanopt_set_time(copy.to, now);
    wanopt_flow_list(w, copy_flow, &copy);
    wanopt_chunk_list(w, copy_chunk, &copy);
    FUZZ_CHECK(wanopt_n_flows(w) == wanopt_n_flows(copy.to));
    wanopt_destroy(copy.to);
}

/* The flow goes on, in both directions. */
static void
go_on(struct wanopt *w, uint64_t *now, const struct mbox_key *key)
{
    uint8_t frame[2200];
    struct mbox_key back;

    mbox_key_reverse(key, &back);
    for (size_t i = 0; i < 4; i++) {
        size_t len = make_frame(i % 2 ? key : &back, pool, 700 * (i / 2 + 1),
                                frame);

        give(w, *now, i % 2 ? LAN : WAN, frame, len, false);
        *now += SECOND / 4;
        wanopt_tick(w, *now);
    }
}

static void
try_config(const uint8_t *data, size_t size)
{
    struct wanopt_config *config;
    char *error;

    if (wanopt_config_parse("fuzz", (const char *) data, size, &config,
                            &error)) {
        FUZZ_CHECK(!strncmp(error, "fuzz:", 5));
        free(error);
    }
    wanopt_config_destroy(config);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t now = setup.now;
    struct mbox_key key = make_key(false, IPPROTO_TCP);
    struct mbox_key canonical;
    struct mbox_reader r;
    struct wanopt_name name;

    if (!size) {
        return 0;
    }
    enum kind kind = data[0] % N_KINDS;
    mbox_reader_init(&r, data + 1, size - 1);
    if (kind == CONFIG) {
        try_config(r.p, r.left);
        return 0;
    }

    struct wanopt *w = create();
    mbox_key_canonical(&key, &canonical);
    switch (kind) {
    case MESSAGES:
        while (r.left && !r.error) {
            give_message(w, &now, &r);
        }
        break;
    case PACKET:
        give(w, now, data[0] & 0x80 ? LAN : WAN, r.p, r.left,
             (data[0] & 0x40) != 0);
        break;
    case FLOW:
        wanopt_flow_put(w, &canonical, r.p, r.left);
        break;
    case CHUNK:
        /* Of what is taken for a chunk the name is right. */
        wanopt_cipher_name(cipher, r.left > 18 ? r.p + 18 : pool,
                           r.left > 18 ? r.left - 18 : 0, &name);
        memcpy(key.dst, &name, sizeof name);
        wanopt_chunk_put(w, &key, r.p, r.left);
        key = canonical;
        break;
    case CONFIG:
    case N_KINDS:
        break;
    }
    try_copy(w, now);
    go_on(w, &now, &key);
    try_copy(w, now);
    wanopt_finish(w, now + 30 * SECOND);
    FUZZ_CHECK(!wanopt_n_flows(w));
    wanopt_destroy(w);
    return 0;
}

/* Adds a reference to the chunk that is the first 'chunk_len' bytes of the
 * pool. */
static void
add_ref(struct wanopt_body *body, size_t chunk_len, size_t ofs, size_t len)
{
    struct wanopt_name name;

    wanopt_cipher_name(cipher, pool, chunk_len, &name);
    wanopt_body_add_ref(body, &name, ofs, len);
}

/* Writes a message: the chunk of 400 bytes, a packet with a reference to the
 * chunk of 'chunk_len' bytes, or a question for that. */
static void
make_message(struct mbox_writer *out, enum wanopt_type type, uint8_t bits,
             size_t chunk_len)
{
    static const uint8_t tcp_options[12] = { 1, 1, 8, 10, 1, 2, 3, 4, 5 };
    static struct wanopt_body body;
    bool options = type == WANOPT_PACKET && !(bits & BIT_UDP);
    uint8_t text[2048];
    bool compressed;

    body.n_items = body.len = 0;
    if (type != WANOPT_QUESTION) {
        wanopt_body_add_literal(&body, pool, 400, true);
    }
    if (type != WANOPT_ANSWER) {
        add_ref(&body, chunk_len, 100, 300);
    }
    if (type == WANOPT_PACKET) {
        wanopt_body_add_literal(&body, pool + 1000, 60, true);
    }

    size_t len = wanopt_codec_write(codec, &body, text, sizeof text,
                                    &compressed);
    mbox_put_u8(out, ((bits & ~BIT_COMPRESSED)
                      | (compressed ? BIT_COMPRESSED : 0)));
    mbox_put_u8(out, type);
    mbox_put_u16(out, body.len);
    mbox_put_u8(out, body.n_items);
    mbox_put_u8(out, options ? 8 : 0);
    mbox_put_u16(out, len + (options ? sizeof tcp_options : 0));
    mbox_put_bytes(out, tcp_options, options ? sizeof tcp_options : 0);
    mbox_put_bytes(out, text, len);
}

static void
make_messages(struct mbox_writer *out)
{
    for (int i = test_random() % 4; i >= 0; i--) {
        make_message(out, WANOPT_PACKET + test_random() % 3, test_random(),
                     test_random() % 2 ? 400 : 500);
    }
}

static int
get_chunk(void *get_, const struct mbox_key *key)
{
    const struct copy *get = get_;

    return wanopt_chunk_get(get->from, key, get->out);
}

/* Writes the state of a flow with a packet that waits, or of a chunk. */
static void
make_state(struct mbox_writer *out, enum kind kind)
{
    struct copy get = { .from = create(), .out = out };
    struct mbox_key key = make_key(false, IPPROTO_TCP);
    uint64_t now = setup.now;
    struct mbox_writer w;
    struct mbox_reader r;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    make_message(&w, kind == FLOW ? WANOPT_PACKET : WANOPT_ANSWER, 0, 500);
    mbox_reader_init(&r, w.data, w.len);
    give_message(get.from, &now, &r);
    mbox_writer_uninit(&w);

    mbox_key_canonical(&key, &key);
    FUZZ_CHECK(!(kind == FLOW ? wanopt_flow_get(get.from, &key, out)
                 : wanopt_chunk_list(get.from, get_chunk, &get)));
    FUZZ_CHECK(out->len);
    wanopt_destroy(get.from);
}

size_t
fuzz_make_input(uint8_t *data, size_t size)
{
    enum kind kind = test_random() % N_KINDS;
    struct mbox_writer w;

    wanopt_destroy(create());   /* There is what messages are made with. */
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_put_u8(&w, kind + N_KINDS * (test_random() % 51));
    if (kind == MESSAGES) {
        make_messages(&w);
    } else if (kind == PACKET) {
        struct mbox_key key = make_key(test_random() % 2,
                                       test_random() % 2 ? IPPROTO_TCP
                                       : IPPROTO_UDP);
        uint8_t frame[2000];

        mbox_put_bytes(&w, frame, make_frame(&key, pool, test_random() % 1500,
                                             frame));
    } else if (kind == CONFIG) {
        mbox_put_bytes(&w, config_text, strlen(config_text));
    } else {
        make_state(&w, kind);
    }

    size_t n = w.len;
    FUZZ_CHECK(!w.error && n <= size);
    memcpy(data, w.data, n);
    mbox_writer_uninit(&w);
    return n;
}
