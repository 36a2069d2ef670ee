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
#include "wanopt-test.h"

#include <netinet/ip.h>
#include <stdio.h>
#include "bytes.h"

static const char secret[] = "key 000102030405060708090a0b0c0d0e0f\n";
static const char near_nets[] = "\
local 10.0.1.0/24\nlocal fd00:1::/64\n\
remote 10.0.2.0/24\nremote fd00:2::/64\n";
static const char far_nets[] = "\
local 10.0.2.0/24\nlocal fd00:2::/64\n\
remote 10.0.1.0/24\nremote fd00:1::/64\n";

static void
on_send(void *end_, unsigned int port, const void *frame, size_t len)
{
    struct end *end = end_;
    struct packets *q = port == LAN ? &end->lan : &end->wan;

    assert_true(q->n < sizeof q->p / sizeof q->p[0]);
    assert_true(len <= sizeof q->p[0].data);
    memcpy(q->p[q->n].data, frame, len);
    q->p[q->n++].len = len;
}

static void
on_dirty_flow(void *end_, const struct mbox_key *key)
{
    struct end *end = end_;

    (void) key;
    end->n_dirty_flows++;
}

static void
on_dirty_chunk(void *end_, const struct mbox_key *key)
{
    struct end *end = end_;

    (void) key;
    end->n_dirty_chunks++;
}

static bool
on_pending(void *end_, const struct mbox_key *key)
{
    struct end *end = end_;

    (void) key;
    return end->pending;
}

static void
start(struct end *end)
{
    struct wanopt_setup setup = {
        .config = end->config, .log = end->log, .log_flows = true,
        .now = end->world->now, .n_ports = 2, .send = on_send,
        .dirty_flow = on_dirty_flow, .dirty_chunk = on_dirty_chunk,
        .is_pending = on_pending, .aux = end,
    };

    end->wanopt = wanopt_create(&setup);
}

struct world *
world_create(const char *more_config)
{
    struct world *world = calloc(1, sizeof *world);

    assert_non_null(world);
    world->now = 1000 * TEST_SECOND;
    for (int i = 0; i < N_ENDS; i++) {
        struct end *end = &world->ends[i];
        char text[512], *error;

        snprintf(text, sizeof text, "%s%s%s", secret,
                 i == FAR ? far_nets : near_nets, more_config);
        assert_int_equal(wanopt_config_parse("test", text, strlen(text),
                                             &end->config, &error), 0);
        end->world = world;
        end->log = event_log_create_memory("test");
        start(end);
    }
    return world;
}

void
world_destroy(struct world *world)
{
    for (int i = 0; i < N_ENDS; i++) {
        struct end *end = &world->ends[i];

        wanopt_finish(end->wanopt, world->now);
        assert_int_equal(wanopt_n_flows(end->wanopt), 0);
        wanopt_log_stats(end->wanopt);
        wanopt_destroy(end->wanopt);
        event_log_close(end->log);
        wanopt_config_destroy(end->config);
    }
    free(world);
}

void
end_restart(struct end *end)
{
    wanopt_destroy(end->wanopt);
    start(end);
}

void
end_packet(struct end *end, unsigned int port, const struct packet *in)
{
    struct mbox_packet_layout layout;
    size_t capacity = (test_random_range(2) ? in->len : sizeof in->data);
    uint8_t *frame = test_memdup(in->data, capacity);
    size_t len = in->len;
    struct mbox_key key;

    mbox_key_extract(frame, len, &key, &layout);
    if (wanopt_packet(end->wanopt, end->world->now, port, frame, &len,
                      capacity, &key, &layout)) {
        on_send(end, !port, frame, len);
    }
    free(frame);
}

void
take(struct packets *q, struct packet *p)
{
    assert_true(q->n > 0);
    *p = q->p[0];
    memmove(q->p, q->p + 1, --q->n * sizeof q->p[0]);
}

static void
carry_one(struct end *from, struct end *to, unsigned int loss,
          unsigned int swap)
{
    struct packet p;

    if (from->wan.n > 1 && test_random_range(100) < swap) {
        p = from->wan.p[0];
        from->wan.p[0] = from->wan.p[1];
        from->wan.p[1] = p;
    }
    take(&from->wan, &p);
    if (test_random_range(100) >= loss) {
        check_checksums(&p);
        end_packet(to, WAN, &p);
    }
}

void
world_carry(struct end *a, struct end *b, unsigned int loss,
            unsigned int swap)
{
    while (a->wan.n || b->wan.n) {
        if (a->wan.n) {
            carry_one(a, b, loss, swap);
        }
        if (b->wan.n) {
            carry_one(b, a, loss, swap);
        }
    }
}

void
world_wait(struct world *world, struct end *a, struct end *b, double seconds)
{
    for (uint64_t end = world->now + seconds * TEST_SECOND;
         world->now < end; ) {
        world->now += TEST_SECOND / 10;
        wanopt_tick(a->wanopt, world->now);
        wanopt_tick(b->wanopt, world->now);
        world_carry(a, b, 0, 0);
    }
}

const struct wanopt_stats *
end_stats(const struct end *end)
{
    return wanopt_get_stats(end->wanopt);
}

struct mbox_key
make_key(uint8_t family, uint8_t proto, int host, int number)
{
    struct mbox_key key = {
        .src_port = 1000 + number, .dst_port = 80, .vlan = MBOX_VLAN_NONE,
        .family = family, .proto = proto,
    };

    if (family == 4) {
        memcpy(key.src, (uint8_t [16]) { [10] = 0xff, 0xff, 10, 0, 1, host },
               16);
        memcpy(key.dst, (uint8_t [16]) { [10] = 0xff, 0xff, 10, 0, 2, 1 },
               16);
    } else {
        memcpy(key.src, (uint8_t [16]) { 0xfd, 0, 0, 1, [15] = host }, 16);
        memcpy(key.dst, (uint8_t [16]) { 0xfd, 0, 0, 2, [15] = 1 }, 16);
    }
    return key;
}

/* Checksums, by the book and independently of the program's. */

static uint16_t
sum16(const uint8_t *p, size_t len, uint32_t sum)
{
    for (size_t i = 0; i < len; i++) {
        sum += i % 2 ? p[i] : p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

/* The sum of a datagram's transport header, payload and pseudo-header. */
static uint16_t
l4_sum(const uint8_t *ip, uint8_t proto, const uint8_t *l4, size_t len)
{
    bool v4 = ip[0] >> 4 == 4;
    uint32_t sum = sum16(ip + (v4 ? 12 : 8), v4 ? 8 : 32, 0);

    return sum16(l4, len, sum + proto + len);
}

void
make_packet(struct packet *p, const struct mbox_key *key, uint32_t seq,
            uint8_t flags, const void *payload, size_t len)
{
    static const uint8_t timestamps[12] = { 1, 1, 8, 10, 1, 2, 3, 4, 5 };
    bool tcp = key->proto == IPPROTO_TCP;
    size_t header_len = tcp ? 32 : 8;
    uint8_t *ip = p->data + 14;
    uint8_t *l4 = ip + (key->family == 4 ? 20 : 40);

    memset(p, 0, sizeof *p);
    memcpy(p->data, (uint8_t [12]) { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2 },
           12);
    put_be16(p->data + 12, key->family == 4 ? 0x0800 : 0x86dd);
    if (key->family == 4) {
        ip[0] = 0x45;
        put_be16(ip + 2, 20 + header_len + len);
        put_be16(ip + 4, seq);
        put_be16(ip + 6, IP_DF);
        ip[8] = 63;
        ip[9] = key->proto;
        memcpy(ip + 12, key->src + 12, 4);
        memcpy(ip + 16, key->dst + 12, 4);
        put_be16(ip + 10, ~sum16(ip, 20, 0));
    } else {
        ip[0] = 0x60;
        put_be16(ip + 4, header_len + len);
        ip[6] = key->proto;
        ip[7] = 63;
        memcpy(ip + 8, key->src, 16);
        memcpy(ip + 24, key->dst, 16);
    }
    put_be16(l4, key->src_port);
    put_be16(l4 + 2, key->dst_port);
    if (tcp) {
        put_be32(l4 + 4, seq);
        put_be32(l4 + 8, 12345);
        l4[12] = 0x80;
        l4[13] = flags;
        put_be16(l4 + 14, 500);
        memcpy(l4 + 20, timestamps, sizeof timestamps);
    } else {
        put_be16(l4 + 4, header_len + len);
    }
    memcpy(l4 + header_len, payload, len);

    uint16_t sum = ~l4_sum(ip, key->proto, l4, header_len + len);
    put_be16(l4 + (tcp ? 16 : 6), sum ? sum : 0xffff);
    p->len = l4 + header_len + len - p->data;
}

void
check_checksums(const struct packet *p)
{
    const uint8_t *ip = p->data + 14;
    bool v4 = ip[0] >> 4 == 4;
    size_t len = v4 ? get_be16(ip + 2) - 20 : get_be16(ip + 4);

    assert_int_equal(p->len, 14 + (v4 ? 20 : 40) + len);
    if (v4) {
        assert_int_equal(sum16(ip, 20, 0), 0xffff);
    }
    assert_int_equal(l4_sum(ip, v4 ? ip[9] : ip[6], ip + (v4 ? 20 : 40), len),
                     0xffff);
}

void
check_same(const struct packet *a, const struct packet *b)
{
    assert_int_equal(a->len, b->len);
    assert_memory_equal(a->data, b->data, a->len);
}

size_t
pass(struct end *a, struct end *b, const struct packet *p)
{
    struct packet out;
    size_t len;

    end_packet(a, LAN, p);
    assert_int_equal(a->wan.n, 1);
    len = a->wan.p[0].len;
    assert_true(len <= p->len);
    world_carry(a, b, 0, 0);
    take(&b->lan, &out);
    assert_int_equal(b->lan.n, 0);
    check_same(&out, p);
    return len;
}
