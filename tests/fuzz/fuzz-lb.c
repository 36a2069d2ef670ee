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

/* What mbox-lb reads: packets, a connection's state, health, configuration.
 * The first byte of the input says which. */

#include <config.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "event-log.h"
#include "fuzz.h"
#include "lb.h"
#include "mbox-wire.h"

uint64_t test_random(void);

#define SECOND UINT64_C(1000000000)

enum kind { PACKET, STATE, HEALTH, CONFIG, N_KINDS };

static const char config_text[] = "\
mac 02:00:5e:00:01:01\n\
table-size 13\n\
service a tcp 10.0.255.1:80 check=arp\n\
backend b 10.0.254.1:8080\n\
service c tcp 10.0.255.1:81 mode=dsr check=arp\n\
backend d 10.0.254.1:81 weight=3\n\
timeout fin 7\n";

static const struct lb_host client = {
    .family = 4, .addr = { [10] = 0xff, 0xff, 10, 0, 1, 1 }, .mac = { 2, 1 },
};
static const struct lb_host own = {
    .family = 4, .addr = { [10] = 0xff, 0xff, 10, 0, 0, 11 },
    .mac = { 2, 0, 0x5e, 0, 1, 1 },
};
static const struct lb_host vip = {
    .family = 4, .addr = { [10] = 0xff, 0xff, 10, 0, 255, 1 },
    .mac = { 2, 0, 0x5e, 0, 1, 1 },
};
static const struct lb_host backend = {
    .family = 4, .addr = { [10] = 0xff, 0xff, 10, 0, 254, 1 },
    .mac = { 2, 3 },
};

/* The canonical key of the client's connection to 'port'. */
static struct mbox_key
make_key(uint16_t port)
{
    struct mbox_key key = {
        .src_port = 1000, .dst_port = port, .vlan = MBOX_VLAN_NONE,
        .family = 4, .proto = IPPROTO_TCP,
    };

    memcpy(key.src, client.addr, sizeof key.src);
    memcpy(key.dst, vip.addr, sizeof key.dst);
    return key;
}

static void
make_tcp(struct lb_frame *f, const struct lb_host *src, uint16_t src_port,
         const struct lb_host *dst, uint16_t dst_port, uint8_t flags)
{
    struct lb_tcp tcp = {
        .src_port = src_port, .dst_port = dst_port, .flags = flags,
    };

    lb_frame_tcp(f, src, dst, &tcp);
}

static void
give(struct lb *lb, const uint8_t *data, size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    struct mbox_packet_layout layout;
    struct mbox_key key;

    FUZZ_CHECK(copy);
    if (len) {
        memcpy(copy, data, len);
    }
    mbox_key_extract(copy, len, &key, &layout);
    lb_packet(lb, 10 * SECOND, 0, copy, len, &key, &layout);
    free(copy);
}

/* An instance whose backends are up, with two connections. */
static struct lb *
create(void)
{
    static struct lb_setup setup = { .now = 10 * SECOND };
    struct lb_neighbor request = { .sender = own };
    struct lb_frame f;
    char *error;
    struct lb *lb;

    if (!setup.log) {
        struct lb_config *config;

        FUZZ_CHECK(!lb_config_parse("fuzz", config_text, strlen(config_text),
                                    &config, &error));
        FUZZ_CHECK(!event_log_open("/dev/null", "fuzz", NULL, NULL,
                                   &setup.log));
        setup.config = config;
        memcpy(setup.addrs[0], own.addr, sizeof own.addr);
    }
    lb = lb_create(&setup, &error);
    FUZZ_CHECK(lb);
    lb_tick(lb, 10 * SECOND);
    lb_frame_advertise(&f, &backend, &request);
    give(lb, f.data, f.len);
    for (uint16_t port = 80; port <= 81; port++) {
        make_tcp(&f, &client, 1000, &vip, port, TH_SYN);
        give(lb, f.data, f.len);
    }
    FUZZ_CHECK(lb_n_conns(lb) == 2);
    return lb;
}

static void
try_state(struct lb *lb, const uint8_t *data, size_t size)
{
    struct mbox_key key = make_key(80), back;
    struct mbox_writer w;

    if (!lb_state_put(lb, &key, data, size)) {
        /* What was taken is good to send on. */
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        FUZZ_CHECK(!lb_state_get(lb, &key, &w, &back));
        FUZZ_CHECK(!lb_state_put(lb, &key, w.data, w.len));
        mbox_writer_uninit(&w);
    }
    FUZZ_CHECK(lb_n_conns(lb) <= 3);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct lb_config *config;
    struct lb_frame f;
    struct lb *lb;
    char *error;

    if (!size) {
        return 0;
    }
    enum kind kind = data[0] % N_KINDS;
    data++;
    size--;
    if (kind == CONFIG) {
        if (lb_config_parse("fuzz", (const char *) data, size, &config,
                            &error)) {
            FUZZ_CHECK(!strncmp(error, "fuzz:", 5));
            free(error);
        }
        lb_config_destroy(config);
        return 0;
    }

    lb = create();
    if (kind == PACKET) {
        give(lb, data, size);
    } else if (kind == STATE) {
        try_state(lb, data, size);
    } else {
        lb_health_put(lb, data, size);
    }
    make_tcp(&f, &client, 1000, &vip, 80, TH_ACK);
    give(lb, f.data, f.len);
    make_tcp(&f, &backend, 8080, &client, 1000, TH_ACK);
    give(lb, f.data, f.len);
    lb_tick(lb, 11 * SECOND);
    lb_finish(lb, 30 * SECOND);
    FUZZ_CHECK(!lb_n_conns(lb));
    lb_destroy(lb);
    return 0;
}

/* An error about what the backend sent to the client; its checksum is
 * wrong, which nobody looks at. */
static void
make_error(struct lb_frame *f)
{
    struct lb_frame quoted;

    make_tcp(&quoted, &vip, 80, &client, 1000, TH_ACK);
    lb_frame_echo(f, &client, &vip, 0, 0);
    f->data[34] = 3;
    memcpy(f->data + f->len, quoted.data + 14, 40);
    f->len += 40;
    f->data[17] += 40;          /* Length of the datagram. */
}

static void
make_packet(struct lb_frame *f)
{
    switch (test_random() % 5) {
    case 0:
        make_tcp(f, &client, 1000, &vip, 80, test_random());
        break;
    case 1:
        make_tcp(f, &backend, 8080, &client, 1000, test_random());
        break;
    case 2:
        lb_frame_echo(f, &client, &vip, 1, 2);
        break;
    case 3:
        lb_frame_solicit(f, &client, vip.addr);
        break;
    default:
        make_error(f);
        break;
    }
}

size_t
fuzz_make_input(uint8_t *data, size_t size)
{
    enum kind kind = test_random() % N_KINDS;
    struct mbox_writer w;
    struct lb_frame f;

    (void) size;
    data[0] = kind;
    data++;
    if (kind == PACKET) {
        make_packet(&f);
        memcpy(data, f.data, f.len);
        return 1 + f.len;
    } else if (kind == CONFIG) {
        memcpy(data, config_text, strlen(config_text));
        return 1 + strlen(config_text);
    }

    struct lb *lb = create();
    struct mbox_key key = make_key(80), back;
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    if (kind == STATE) {
        FUZZ_CHECK(!lb_state_get(lb, &key, &w, &back));
    } else {
        lb_health_get(lb, &w);
    }
    size_t len = w.len;
    memcpy(data, w.data, len);
    mbox_writer_uninit(&w);
    lb_destroy(lb);
    return 1 + len;
}
