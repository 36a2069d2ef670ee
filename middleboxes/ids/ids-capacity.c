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
#include "ids-capacity.h"

#include <json-c/json.h>
#include <malloc.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "event-log.h"
#include "ids-frame.h"
#include "ids-private.h"
#include "ids-scan.h"
#include "ids-sig.h"
#include "mbox-wire.h"

#define SECOND UINT64_C(1000000000)
#define SEGMENT 1448
#define N_BUSY 1000             /* Flows of the measurement of speed. */

static const char request[] =
    "GET /index.html HTTP/1.1\r\n"
    "Host: www.example.com\r\n"
    "User-Agent: capacity/1.0\r\n"
    "\r\n";
static const char response[] =
    "HTTP/1.1 200 OK\r\n"
    "Content-Type: text/plain\r\n"
    "Content-Length: 26\r\n"
    "\r\n"
    "abcdefghijklmnopqrstuvwxyz";

struct driver {
    struct ids *ids;
    struct ids_frame frame;
    uint64_t now;
};

static double
clock_seconds(void)
{
    struct timespec ts;

    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

static size_t
heap_in_use(void)
{
    struct mallinfo2 info = mallinfo2();

    return info.uordblks + info.hblkhd;
}

static void
process(struct driver *d)
{
    struct mbox_packet_layout layout;
    struct mbox_key key;

    mbox_key_extract(d->frame.data, d->frame.len, &key, &layout);
    ids_packet(d->ids, d->now, d->frame.data, d->frame.len, &key, &layout);
}

static void
send_tcp(struct driver *d, const struct mbox_key *key, uint32_t seq,
         uint32_t ack, uint8_t flags, const void *data, size_t len)
{
    struct ids_tcp_fields tcp = { seq, ack, flags, 1000 };

    ids_frame_tcp(&d->frame, key, &tcp, data, len);
    process(d);
}

static struct mbox_key
flow_key(size_t i)
{
    /* Different clients, lest they be taken for a scan. */
    return ids_make_key(IPPROTO_TCP, 0x0a000000 + i / 16, 20000 + i % 16,
                        0xc0000201, 80);
}

/* Opens flow 'i', with a request and its answer. */
static void
open_flow(struct driver *d, size_t i)
{
    struct mbox_key key = flow_key(i);
    size_t n = sizeof request - 1;
    struct mbox_key back;

    mbox_key_reverse(&key, &back);
    send_tcp(d, &key, 99, 0, TH_SYN, NULL, 0);
    send_tcp(d, &back, 499, 100, TH_SYN | TH_ACK, NULL, 0);
    send_tcp(d, &key, 100, 500, TH_ACK, request, n);
    send_tcp(d, &back, 500, 100 + n, TH_ACK, response, sizeof response - 1);
    send_tcp(d, &key, 100 + n, 500 + sizeof response - 1, TH_ACK, NULL, 0);
}

static void
add_int(struct json_object *object, const char *name, uint64_t value)
{
    json_object_object_add(object, name, json_object_new_uint64(value));
}

static int
collect_key(void *keys_, const struct mbox_key *key)
{
    struct mbox_key **keys = keys_;

    *(*keys)++ = *key;
    return 0;
}

/* Exports and imports all flows. */
static void
measure_moving(struct driver *d, size_t n, struct json_object *object)
{
    struct mbox_key *keys = calloc(n, sizeof *keys);
    struct mbox_key *end = keys;
    struct mbox_writer w;
    size_t *ends = calloc(n, sizeof *ends);
    double start;

    if (!keys || !ends) {
        abort();
    }
    ids_state_list(d->ids, collect_key, &end);
    mbox_writer_init(&w, SIZE_MAX);

    start = clock_seconds();
    for (size_t i = 0; i < n; i++) {
        ids_state_get(d->ids, &keys[i], &w);
        ends[i] = w.len;
    }
    add_int(object, "exports_per_s", n / (clock_seconds() - start));
    if (w.error) {
        abort();
    }

    start = clock_seconds();
    for (size_t i = 0; i < n; i++) {
        size_t ofs = i ? ends[i - 1] : 0;

        if (ids_state_put(d->ids, &keys[i], w.data + ofs, ends[i] - ofs)) {
            abort();
        }
    }
    add_int(object, "imports_per_s", n / (clock_seconds() - start));
    add_int(object, "chunk_bytes", w.len / n);
    mbox_writer_uninit(&w);
    free(keys);
    free(ends);
}

/* Passes segments of 'len' bytes through flows for a second or so. */
static void
measure_speed(struct driver *d, size_t len, const char *name,
              struct json_object *object)
{
    static char payload[SEGMENT];
    uint64_t n_packets = 0;
    struct json_object *result = json_object_new_object();
    double seconds;

    srandom(1);
    for (size_t i = 0; i < sizeof payload; i++) {
        payload[i] = "etaoin shrdlucmfwypvbgkjqxz/=&<>\n"[random() % 33];
    }
    double start = clock_seconds();
    uint32_t seq = 500 + sizeof response - 1;
    do {
        for (size_t i = 0; i < N_BUSY; i++) {
            struct mbox_key key = flow_key(i);

            mbox_key_reverse(&key, &key);
            d->now += 1000;
            send_tcp(d, &key, seq, 100 + sizeof request - 1, TH_ACK, payload,
                     len);
        }
        seq += len;
        n_packets += N_BUSY;
        seconds = clock_seconds() - start;
    } while (seconds < 1);

    add_int(result, "segment_bytes", len);
    add_int(result, "packets_per_s", n_packets / seconds);
    json_object_object_add(result, "mbytes_per_s",
                           json_object_new_int64(n_packets * len / seconds
                                                 / 1e6));
    json_object_object_add(object, name, result);
}

/* Adds the size of the stream states, which are compressed by now. */
static int
add_packed(void *sizes_, struct ids_flow *flow)
{
    uint64_t *sizes = sizes_;

    sizes[0] += flow->tcp->half[0].sig.size;
    sizes[1] += flow->tcp->half[1].sig.size;
    return 0;
}

static void
restart(struct driver *d, struct ids_config *config, size_t n_flows)
{
    ids_destroy(d->ids);
    d->now = config->now = SECOND;
    d->ids = ids_create(config);
    for (size_t i = 0; i < n_flows; i++) {
        open_flow(d, i);
    }
}

/* Measures what flows take while they are busy, and idle. */
static void
measure_memory(struct driver *d, struct ids_config *config, size_t n,
               struct json_object *object)
{
    uint64_t packed[2] = { 0, 0 };

    restart(d, config, 0);
    size_t before = heap_in_use();
    for (size_t i = 0; i < n; i++) {
        open_flow(d, i);
    }
    event_log_flush(config->log);
    size_t busy = heap_in_use() - before;

    for (int i = 0; i < 100; i++) {
        d->now += SECOND / 20;
        ids_tick(d->ids, d->now);
    }
    size_t idle = heap_in_use() - before;
    ids_table_for_each(&d->ids->table, add_packed, packed);

    add_int(object, "flows", ids_n_flows(d->ids));
    add_int(object, "bytes_per_idle_flow", idle / n);
    add_int(object, "bytes_per_busy_flow", busy / n);
    add_int(object, "sizeof_flow", sizeof(struct ids_flow));
    add_int(object, "sizeof_tcp", sizeof(struct ids_tcp));
    for (int dir = 0; dir < 2; dir++) {
        bool to_server = dir == IDS_TO_SERVER;

        add_int(object, to_server ? "stream_state_to_server"
                : "stream_state_to_client",
                ids_sigs_stream_size(config->sigs, dir));
        add_int(object, to_server ? "compressed_state_to_server"
                : "compressed_state_to_client", packed[dir] / n);
    }
}

void
ids_capacity(const struct ids_sigs *sigs, size_t n_flows)
{
    static const struct ids_scan_config scan_config =
        IDS_SCAN_CONFIG_INITIALIZER;
    struct driver *d = calloc(1, sizeof *d);
    struct json_object *object = json_object_new_object();
    struct ids_config config = { .sigs = sigs };

    if (!d || !object
        || event_log_open("/dev/null", "capacity", NULL, NULL, &config.log)) {
        abort();
    }
    config.scan = ids_scan_create(&scan_config);
    measure_memory(d, &config, n_flows, object);
    measure_moving(d, n_flows, object);
    restart(d, &config, N_BUSY);
    measure_speed(d, SEGMENT, "large_segments", object);
    restart(d, &config, N_BUSY);
    measure_speed(d, 64, "small_segments", object);
    puts(json_object_to_json_string_ext(object, JSON_C_TO_STRING_PRETTY));

    json_object_put(object);
    ids_destroy(d->ids);
    ids_scan_destroy(config.scan);
    event_log_close(config.log);
    free(d);
}
