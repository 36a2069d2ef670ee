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

/* Import of a connection where there is one with the same addresses.  Needs
 * root and a TUN device. */

#include <config.h>
#include "test-util.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include "bytes.h"
#include "event-log.h"
#include "mbox-wire.h"
#include "proxy-handshake.h"
#include "proxy.h"

#define SECOND UINT64_C(1000000000)
#define ETH_LEN 14
#define TCP_OFS (ETH_LEN + 20)

static const struct mbox_key key = {
    .src = { [10] = 0xff, 0xff, 10, 0, 0, 1 },
    .dst = { [10] = 0xff, 0xff, 10, 0, 0, 2 },
    .src_port = 1000, .dst_port = 80, .family = 4, .proto = IPPROTO_TCP,
    .vlan = MBOX_VLAN_NONE,
};

/* An instance with its client. */
struct instance {
    struct proxy_config config;
    struct event_log *log;
    struct proxy *proxy;
    bool frozen;
    uint32_t seq;               /* Of the last packet to the client. */
    size_t n_sent;
};

static void
on_send(void *instance_, unsigned int port, const void *frame, size_t len)
{
    struct instance *instance = instance_;

    (void) port;
    assert_true(len >= TCP_OFS + 20);
    instance->seq = get_be32((const uint8_t *) frame + TCP_OFS + 4);
    instance->n_sent++;
}

static void
on_dirty(void *instance_, const struct mbox_key *k)
{
    (void) instance_;
    (void) k;
}

static bool
on_pending(void *instance_, const struct mbox_key *k)
{
    (void) instance_;
    (void) k;
    return false;
}

static bool
on_frozen(void *instance_, const struct mbox_key *k)
{
    const struct instance *instance = instance_;

    (void) k;
    return instance->frozen;
}

static void
instance_destroy(struct instance *instance)
{
    proxy_destroy(instance->proxy);
    event_log_close(instance->log);
}

/* Returns false if this is not allowed here. */
static bool
instance_create(struct instance *instance)
{
    struct proxy_setup setup = {
        .config = &instance->config, .now = SECOND, .n_ports = 1,
        .send = on_send, .dirty_flow = on_dirty, .dirty_object = on_dirty,
        .is_pending = on_pending, .is_frozen = on_frozen, .aux = instance,
    };
    char *error;

    *instance = (struct instance) { .seq = 0 };
    proxy_config_init(&instance->config);
    instance->log = setup.log = event_log_create_memory("test");
    if (proxy_create(&setup, &instance->proxy, &error)
        || proxy_cannot_move(instance->proxy)) {
        fprintf(stderr, "skipped: %s\n", error ? error : "no TCP_REPAIR");
        free(error);
        instance_destroy(instance);
        return false;
    }
    return true;
}

/* The client sends a segment without data. */
static void
client_sends(struct instance *instance, uint32_t seq, uint8_t flags)
{
    uint8_t frame[ETH_LEN + TCP_REPAIR_SEGMENT_MAX]
        = { 2, [6] = 2, 1, [12] = 8 };
    size_t len = ETH_LEN
                 + tcp_repair_make_segment(&key, seq, instance->seq + 1,
                                           flags, 1000, frame + ETH_LEN);
    struct mbox_packet_layout layout;
    struct mbox_key k;

    mbox_key_extract(frame, len, &k, &layout);
    assert_false(proxy_packet(instance->proxy, 2 * SECOND, 0, frame, len, &k,
                              &layout));
    proxy_ready(instance->proxy, 2 * SECOND);
}

static void
client_connects(struct instance *instance)
{
    client_sends(instance, 999, TH_SYN);
    assert_int_equal(instance->n_sent, 1);
    client_sends(instance, 1000, TH_ACK);
}

static int
count(void *n_, const struct mbox_key *k)
{
    size_t *n = n_;

    (void) k;
    ++*n;
    return 0;
}

static size_t
n_listed(const struct instance *instance)
{
    size_t n = 0;

    proxy_flow_list(instance->proxy, count, &n);
    return n;
}

/* What is refused leaves the connection that is there alone. */
static void
test_import(void **state)
{
    struct instance from, to;
    struct mbox_key canonical;
    struct mbox_writer w;

    (void) state;
    if (!instance_create(&from)) {
        skip();
    }
    assert_true(instance_create(&to));
    client_connects(&from);
    client_connects(&to);
    mbox_key_canonical(&key, &canonical);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    from.frozen = true;
    assert_int_equal(proxy_flow_get(from.proxy, &canonical, &w), 0);

    for (size_t i = 0; i <= w.len + 1; i++) {
        uint8_t *data = malloc(w.len + 1);
        size_t len = i < w.len ? i : w.len + 1;

        assert_non_null(data);
        memcpy(data, w.data, w.len);
        data[w.len] = 0;
        if (i == w.len) {
            data[1] = 0xff;     /* A phase that there is not. */
            len = w.len;
        }
        assert_int_equal(proxy_flow_put(to.proxy, &canonical, data, len),
                         -EPROTO);
        assert_int_equal(n_listed(&to), 1);
        free(data);
    }

    /* It is still answered. */
    size_t n_sent = to.n_sent;
    client_sends(&to, 999, TH_ACK);
    assert_int_equal(to.n_sent, n_sent + 1);

    assert_int_equal(proxy_flow_put(to.proxy, &canonical, w.data, w.len), 0);
    assert_int_equal(n_listed(&to), 1);
    mbox_writer_uninit(&w);
    instance_destroy(&from);
    instance_destroy(&to);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_import),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
