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
#include "packet-trace.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mbox-wire.h"

struct packet_trace {
    pthread_mutex_t mutex;
    FILE *file;
    uint32_t instance;
    int error;                  /* First failure. */
};

int
packet_trace_open(const char *name, const char *instance,
                  struct packet_trace **tracep)
{
    struct packet_trace *trace = calloc(1, sizeof *trace);
    struct mbox_writer w;

    *tracep = NULL;
    if (!trace) {
        return -ENOMEM;
    }
    trace->file = fopen(name, "we");
    if (!trace->file) {
        int error = -errno;

        free(trace);
        return error;
    }
    setvbuf(trace->file, NULL, _IOFBF, 1 << 16);
    pthread_mutex_init(&trace->mutex, NULL);
    trace->instance = packet_trace_hash(instance, strlen(instance));

    mbox_writer_init(&w, PACKET_TRACE_HEADER_LEN);
    mbox_put_bytes(&w, PACKET_TRACE_MAGIC, strlen(PACKET_TRACE_MAGIC));
    mbox_put_u32(&w, trace->instance);
    mbox_put_u32(&w, PACKET_TRACE_RECORD_LEN);
    fwrite(w.data, 1, w.len, trace->file);
    mbox_writer_uninit(&w);

    *tracep = trace;
    return packet_trace_flush(trace);
}

/* Returns false if the packet is not to be recorded. */
static bool
make_record(const struct mbox_key *key, const uint8_t *l4, size_t len,
            struct packet_trace_record *record)
{
    if (key->proto == IPPROTO_UDP) {
        struct mbox_reader r;

        if (len < 8 + PROBE_LEN || memcmp(l4 + 8, PROBE_MAGIC, 8)) {
            return false;
        }
        mbox_reader_init(&r, l4 + 16, len - 16);
        record->kind = PACKET_TRACE_PROBE;
        record->flow = mbox_get_u32(&r);
        record->seq = mbox_get_u64(&r);
        record->sent = mbox_get_u64(&r);
        return true;
    } else if (key->proto == IPPROTO_TCP) {
        size_t header_len = len < 20 ? 0 : (l4[12] >> 4) * 4;
        struct mbox_reader r;

        if (header_len < 20 || header_len > len) {
            return false;
        }
        mbox_reader_init(&r, l4 + 4, 4);
        record->kind = PACKET_TRACE_TCP;
        record->seq = mbox_get_u32(&r);
        record->sent = ((len - header_len)
                        | (l4[13] & TH_SYN ? PACKET_TRACE_SYN : 0)
                        | (l4[13] & TH_FIN ? PACKET_TRACE_FIN : 0)
                        | (l4[13] & TH_RST ? PACKET_TRACE_RST : 0));
        return true;
    }
    return false;
}

void
packet_trace_packet(struct packet_trace *trace, uint64_t now,
                    const struct mbox_key *key, const uint8_t *l4, size_t len)
{
    struct packet_trace_record record = {
        .time = now, .instance = trace->instance,
    };
    uint8_t bytes[PACKET_TRACE_RECORD_LEN];
    struct mbox_key canonical;

    if (!make_record(key, l4, len, &record)) {
        return;
    }
    record.dir = mbox_key_canonical(key, &canonical);
    if (record.kind == PACKET_TRACE_TCP) {
        record.flow = packet_trace_hash(&canonical, sizeof canonical);
    }
    packet_trace_encode(&record, bytes);

    pthread_mutex_lock(&trace->mutex);
    if (fwrite(bytes, 1, sizeof bytes, trace->file) != sizeof bytes
        && !trace->error) {
        trace->error = -errno;
    }
    pthread_mutex_unlock(&trace->mutex);
}

int
packet_trace_flush(struct packet_trace *trace)
{
    int error;

    pthread_mutex_lock(&trace->mutex);
    if (fflush(trace->file) && !trace->error) {
        trace->error = -errno;
    }
    error = trace->error;
    pthread_mutex_unlock(&trace->mutex);
    return error;
}

int
packet_trace_close(struct packet_trace *trace)
{
    int error;

    if (!trace) {
        return 0;
    }
    error = packet_trace_flush(trace);
    if (fclose(trace->file) && !error) {
        error = -errno;
    }
    pthread_mutex_destroy(&trace->mutex);
    free(trace);
    return error;
}
