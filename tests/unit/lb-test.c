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
#include "lb-test.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "bytes.h"
#include "lb-rewrite.h"

const char test_config_text[] = "\
mac 02:00:5e:00:01:01\n\
table-size 1009\n\
service web tcp 10.0.255.1:80\n\
backend b1 10.0.254.1:8080\n\
backend b2 10.0.254.2:8080\n\
backend b3 10.0.254.3:8080\n\
service dns udp [fd00::255:1]:53\n\
backend b1 [fd00::1]:5353\n\
backend b2 [fd00::2]:5353\n\
backend b3 [fd00::3]:5353\n\
service web6 tcp [fd00::255:2]:80 mode=dsr\n\
backend b1 [fd00::1]:80\n\
backend b2 [fd00::2]:80\n\
backend b3 [fd00::3]:80\n\
service dns4 udp 10.0.255.2:53 mode=dsr check=arp\n\
backend b1 10.0.254.1:53\n\
backend b2 10.0.254.2:53\n\
backend b3 10.0.254.3:53\n";

const uint8_t test_mac[6] = { 2, 0, 0x5e, 0, 1, 1 };
static const uint8_t client_mac[6] = { 2, 0xaa, 0, 0, 0, 1 };

void
backend_mac(int number, uint8_t mac[6])
{
    memcpy(mac, (uint8_t [6]) { 2, 0xbb, 0, 0, 0, number }, 6);
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

/* The sum of a transport header with what follows and its pseudo-header. */
static uint16_t
l4_sum(const uint8_t *ip, const uint8_t *l4, size_t len, uint8_t proto)
{
    bool v4 = ip[0] >> 4 == 4;
    uint32_t sum = sum16(ip + (v4 ? 12 : 8), v4 ? 8 : 32, 0);

    return sum16(l4, len, sum + proto + len);
}

static void
check_ip(const uint8_t *ip)
{
    bool v4 = ip[0] >> 4 == 4;
    size_t header_len = v4 ? (ip[0] & 0xf) * 4 : 40;
    size_t len = (v4 ? get_be16(ip + 2) - header_len : get_be16(ip + 4));
    uint8_t proto = v4 ? ip[9] : ip[6];
    const uint8_t *l4 = ip + header_len;

    if (v4) {
        assert_int_equal(sum16(ip, header_len, 0), 0xffff);
    }
    if (proto == IPPROTO_ICMP) {
        assert_int_equal(sum16(l4, len, 0), 0xffff);
    } else if (proto != IPPROTO_UDP || get_be16(l4 + 6)) {
        assert_int_equal(l4_sum(ip, l4, len, proto), 0xffff);
    }
}

void
check_checksums(const struct packet *p)
{
    const uint8_t *ip = p->data + p->layout.l3_ofs;

    check_ip(ip);
    if ((p->key.proto == IPPROTO_ICMP || p->key.proto == IPPROTO_ICMPV6)
        && !p->key.src_port) {
        const uint8_t *quoted = p->data + p->layout.l4_ofs + 8;
        size_t quoted_len = (p->key.family == 4 ? get_be16(quoted + 2)
                             : get_be16(quoted + 4) + 40);

        if (quoted_len == (size_t) (p->layout.l3_end - p->layout.l4_ofs - 8)) {
            check_ip(quoted);
        } else if (p->key.family == 4) {
            assert_int_equal(sum16(quoted, 20, 0), 0xffff);
        }
    }
}

/* Frames. */

static void
parse_address(const char *s, uint8_t addr[16], uint8_t *family)
{
    *family = conf_address(s, addr);
    assert_true(*family);
}

struct mbox_key
make_key(uint8_t proto, const char *text)
{
    struct mbox_key key = { .vlan = MBOX_VLAN_NONE, .proto = proto };
    char src[64], dst[64];
    unsigned int src_port, dst_port;

    assert_int_equal(sscanf(text, "%63s %u %63s %u", src, &src_port, dst,
                            &dst_port), 4);
    parse_address(src, key.src, &key.family);
    parse_address(dst, key.dst, &key.family);
    key.src_port = src_port;
    key.dst_port = dst_port;
    return key;
}

void
parse_packet(struct packet *p)
{
    mbox_key_extract(p->data, p->len, &p->key, &p->layout);
}

/* Puts Ethernet and IP headers for 'len' bytes of 'proto'; returns these,
 * zeroed. */
static uint8_t *
put_headers(struct packet *p, uint8_t family, const uint8_t src[16],
            const uint8_t dst[16], uint8_t proto, size_t len)
{
    uint8_t *ip = p->data + 14;
    size_t header_len = family == 4 ? 20 : 40;

    memset(p, 0, sizeof *p);
    assert_true(14 + header_len + len <= sizeof p->data);
    lb_set_macs(p->data, test_mac, client_mac);
    if (family == 4) {
        put_be16(p->data + 12, 0x0800);
        put_be16(ip, 0x4500);
        put_be16(ip + 2, 20 + len);
        put_be16(ip + 4, 4711);
        ip[8] = 64;
        ip[9] = proto;
        memcpy(ip + 12, src + 12, 4);
        memcpy(ip + 16, dst + 12, 4);
        put_be16(ip + 10, ~sum16(ip, 20, 0));
    } else {
        put_be16(p->data + 12, 0x86dd);
        ip[0] = 0x60;
        put_be16(ip + 4, len);
        ip[6] = proto;
        ip[7] = 64;
        memcpy(ip + 8, src, 16);
        memcpy(ip + 24, dst, 16);
    }
    p->len = 14 + header_len + len;
    return ip + header_len;
}

void
make_packet(struct packet *p, const struct mbox_key *key, uint8_t flags,
            size_t payload_len)
{
    bool tcp = key->proto == IPPROTO_TCP;
    size_t header_len = tcp ? 20 : 8;
    size_t len = header_len + payload_len;
    uint8_t *l4 = put_headers(p, key->family, key->src, key->dst, key->proto,
                              len);

    put_be16(l4, key->src_port);
    put_be16(l4 + 2, key->dst_port);
    test_random_bytes(l4 + header_len, payload_len);
    if (tcp) {
        put_be32(l4 + 4, test_random());
        put_be32(l4 + 8, test_random());
        l4[12] = 0x50;
        l4[13] = flags;
        put_be16(l4 + 16, ~l4_sum(p->data + 14, l4, len, key->proto));
    } else {
        put_be16(l4 + 4, len);
        uint16_t checksum = ~l4_sum(p->data + 14, l4, len, key->proto);
        put_be16(l4 + 6, checksum ? checksum : 0xffff);
    }
    parse_packet(p);
    assert_true(mbox_key_equal(key, &p->key));
}

void
make_error(struct packet *p, const uint8_t src[16], const uint8_t dst[16],
           const struct packet *quoted, size_t quote_len)
{
    bool v4 = quoted->key.family == 4;
    uint8_t proto = v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
    uint8_t *icmp = put_headers(p, quoted->key.family, src, dst, proto,
                                8 + quote_len);

    assert_true(14 + quote_len <= quoted->len);
    icmp[0] = v4 ? 3 : 1;
    icmp[1] = v4 ? 3 : 4;
    memcpy(icmp + 8, quoted->data + 14, quote_len);
    put_be16(icmp + 2, v4 ? ~sum16(icmp, 8 + quote_len, 0)
                       : ~l4_sum(p->data + 14, icmp, 8 + quote_len, proto));
    parse_packet(p);
}

const char *
key_text(const struct packet *p)
{
    static char buf[MBOX_KEY_STRLEN];

    return mbox_key_format(&p->key, buf, sizeof buf);
}

/* The world. */

static void
on_send(void *world_, unsigned int port, const struct lb_frame *f)
{
    struct world *world = world_;

    assert_true(world->n_sent
                < sizeof world->sent / sizeof world->sent[0]);
    world->sent[world->n_sent++] = *f;
    world->port = port;
}

static void
on_dirty(void *world_, const struct mbox_key *key)
{
    struct world *world = world_;
    struct mbox_key canonical;

    assert_false(mbox_key_canonical(key, &canonical));
    world->n_dirty++;
}

static void
on_alias(void *world_, const struct mbox_key *key,
         const struct mbox_key *back)
{
    struct world *world = world_;
    struct mbox_key canonical;

    assert_false(mbox_key_canonical(key, &canonical));
    assert_int_equal(back->proto, key->proto);
    world->n_aliases++;
}

static bool
is_pending(void *world_, const struct mbox_key *key)
{
    struct world *world = world_;

    (void) key;
    return world->pending;
}

void
world_init(struct world *world, const char *config)
{
    char *error;

    memset(world, 0, sizeof *world);
    if (lb_config_parse("test.conf", config, strlen(config), &world->config,
                        &error)) {
        fail_msg("%s", error);
    }
    world->log = event_log_create_memory("test");
    world->now = 1000 * TEST_SECOND;

    struct lb_setup setup = {
        .config = world->config, .log = world->log, .log_connections = true,
        .now = world->now, .wall = UINT64_C(1700000000000000),
        .send = on_send, .dirty = on_dirty, .alias = on_alias,
        .is_pending = is_pending, .aux = world,
    };
    conf_address("10.0.0.11", setup.addrs[0]);
    conf_address("fd00::11", setup.addrs[1]);
    world->lb = lb_create(&setup, &error);
    if (!world->lb) {
        fail_msg("%s", error);
    }
}

void
world_uninit(struct world *world)
{
    lb_destroy(world->lb);
    event_log_close(world->log);
    lb_config_destroy(world->config);
}

/* The number of the backend with this address, or 0. */
static int
find_backend(uint8_t family, const uint8_t addr[16])
{
    static const char *const prefixes[] = { "10.0.254.%d", "fd00::%d" };

    for (int i = 1; i <= 3; i++) {
        uint8_t other[16];
        char s[32];

        snprintf(s, sizeof s, prefixes[family == 6], i);
        conf_address(s, other);
        if (!memcmp(addr, other, 16)) {
            return i;
        }
    }
    return 0;
}

static void
give_frame(struct world *world, const struct lb_frame *f)
{
    struct packet p = { .len = f->len };

    memcpy(p.data, f->data, f->len);
    parse_packet(&p);
    if (p.key.family) {
        check_checksums(&p);
    }
    assert_int_equal(lb_packet(world->lb, world->now, 0, p.data, p.len,
                               &p.key, &p.layout), LB_DROP);
}

void
world_answer(struct world *world, const struct lb_frame *f)
{
    struct lb_neighbor n;
    struct packet p = { .len = f->len };
    struct lb_frame reply;

    memcpy(p.data, f->data, f->len);
    parse_packet(&p);
    if (p.key.family) {
        check_checksums(&p);
    }
    if (lb_neighbor_parse(f->data, f->len, &n)) {
        int number = find_backend(n.sender.family, n.target);

        assert_true(n.is_request);
        assert_memory_equal(n.sender.mac, test_mac, 6);
        if (number && !world->dead[number]) {
            struct lb_host host = { .family = n.sender.family };

            memcpy(host.addr, n.target, 16);
            backend_mac(number, host.mac);
            lb_frame_advertise(&reply, &host, &n);
            give_frame(world, &reply);
        }
        return;
    }

    int number = packet_backend(&p);
    struct lb_host src = { .family = p.key.family };
    struct lb_host dst = { .family = p.key.family };
    const uint8_t *l4 = p.data + p.layout.l4_ofs;

    if (world->dead[number]) {
        return;
    }
    memcpy(src.addr, p.key.dst, 16);
    memcpy(src.mac, p.data, 6);
    memcpy(dst.addr, p.key.src, 16);
    memcpy(dst.mac, p.data + 6, 6);
    if (p.key.proto == IPPROTO_TCP && l4[13] == TH_SYN) {
        struct lb_tcp tcp = {
            .src_port = p.key.dst_port, .dst_port = p.key.src_port,
            .seq = 5, .ack = get_be32(l4 + 4) + 1 + world->forged[number],
            .flags = world->refuses[number] ? TH_RST | TH_ACK
                                            : TH_SYN | TH_ACK,
        };

        lb_frame_tcp(&reply, &src, &dst, &tcp);
        give_frame(world, &reply);
    } else if (p.key.proto != IPPROTO_TCP) {
        lb_frame_answer_echo(p.data, p.key.family, p.layout.l3_ofs,
                             p.layout.l4_ofs, src.mac);
        memcpy(reply.data, p.data, p.len);
        reply.len = p.len;
        give_frame(world, &reply);
    }
}

void
world_run(struct world *world, double seconds)
{
    for (uint64_t end = world->now + seconds * TEST_SECOND;
         world->now < end; world->now += TEST_SECOND / 10) {
        lb_tick(world->lb, world->now);
        for (size_t i = 0; i < world->n_sent; i++) {
            struct lb_frame f = world->sent[i];

            world_answer(world, &f);
        }
        world->n_sent = 0;
    }
}

enum lb_verdict
world_packet(struct world *world, struct packet *p)
{
    enum lb_verdict verdict = lb_packet(world->lb, world->now, 0, p->data,
                                        p->len, &p->key, &p->layout);

    parse_packet(p);
    return verdict;
}

enum lb_verdict
world_send(struct world *world, const struct mbox_key *key, uint8_t flags,
           struct packet *p)
{
    make_packet(p, key, flags, test_random_range(100));
    return world_packet(world, p);
}

int
packet_backend(const struct packet *p)
{
    assert_memory_equal(p->data, "\x02\xbb\0\0\0", 5);
    assert_in_range(p->data[5], 1, 3);
    return p->data[5];
}

int
count_events(struct world *world, const char *text)
{
    const char *p = event_log_text(world->log);
    int n = 0;

    while (p && (p = strstr(p, text))) {
        p += strlen(text);
        n++;
    }
    return n;
}

void
packet_from_frame(struct packet *p, const struct lb_frame *f)
{
    memcpy(p->data, f->data, f->len);
    p->len = f->len;
    parse_packet(p);
}

struct mbox_key
answer_key(const struct packet *p)
{
    struct mbox_key key;

    mbox_key_reverse(&p->key, &key);
    return key;
}
