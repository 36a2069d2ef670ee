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

/* Fuzz target: import of a flow's state, and packets that follow.
 *
 * The first byte of the input says which key the state is put under, and what
 * follows is the exported form.  Signature state that does not carry the right
 * code is rejected before Vectorscan sees it, so the seeds in a corpus should
 * be exported by tests/unit/test-ids-state, which also runs this function on
 * mutations of its own. */

#include <config.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include "event-log.h"
#include "fuzz-ids-state.h"
#include "ids-frame.h"
#include "ids-rules.h"
#include "ids-scan.h"
#include "ids-sig.h"
#include "ids.h"
#include "mbox-wire.h"

#define SECOND UINT64_C(1000000000)

static const char rules_text[] =
    "alert tcp any any -> any any (msg:\"a\"; content:\"needle\"; sid:1;)\n"
    "alert tcp any any -> any any (msg:\"b\"; content:\"one\"; "
    "content:\"two\"; sid:2;)\n"
    "alert udp any any -> any any (msg:\"c\"; content:\"three\"; sid:3;)\n";

struct ids *
fuzz_ids_create(void)
{
    static const struct ids_scan_config scan = IDS_SCAN_CONFIG_INITIALIZER;
    static struct ids_config config;
    struct ids_rules *rules;
    struct ids_sigs *sigs;
    char *error;

    if (!config.sigs) {
        if (ids_rules_parse("fuzz", rules_text, strlen(rules_text), &rules,
                            &error)
            || ids_sigs_compile(rules, NULL, 0, &sigs, &error)
            || event_log_open("/dev/null", "fuzz", NULL, NULL, &config.log)) {
            abort();
        }
        config.sigs = sigs;
        config.scan = ids_scan_create(&scan);
        config.now = 10 * SECOND;
    }
    return ids_create(&config);
}

struct mbox_key
fuzz_ids_key(uint8_t which)
{
    return ids_make_key(which & 1 ? IPPROTO_UDP : IPPROTO_TCP, 1, 2, 3, 4);
}

static void
send_tcp(struct ids *ids, const struct mbox_key *key, uint32_t seq,
         uint32_t ack, uint8_t flags, const char *text)
{
    static struct ids_frame frame;
    struct ids_tcp_fields tcp = { seq, ack, flags, 5 };
    struct mbox_packet_layout layout;
    struct mbox_key extracted;

    ids_frame_tcp(&frame, key, &tcp, text, strlen(text));
    mbox_key_extract(frame.data, frame.len, &extracted, &layout);
    ids_packet(ids, 11 * SECOND, frame.data, frame.len, &extracted, &layout);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct mbox_key key, back;
    struct mbox_writer w;
    struct ids *ids;

    if (!size) {
        return 0;
    }
    ids = fuzz_ids_create();
    key = fuzz_ids_key(data[0]);
    if (!ids_state_put(ids, &key, data + 1, size - 1)) {
        /* What was taken must be good to use, and to send on. */
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        if (ids_state_get(ids, &key, &w)
            || ids_state_put(ids, &key, w.data, w.len)) {
            abort();
        }
        mbox_writer_uninit(&w);

        mbox_key_reverse(&key, &back);
        if (key.proto == IPPROTO_TCP) {
            for (uint32_t seq = 100; seq < 140; seq += 7) {
                send_tcp(ids, &key, seq, seq + 20, TH_ACK,
                         "needle one two GET / HTTP/1.1\r\n\r\n");
                send_tcp(ids, &back, seq, seq + 20, TH_ACK, "needle");
            }
            send_tcp(ids, &key, 147, 147, TH_ACK | TH_FIN, "");
        }
        ids_tick(ids, 20 * SECOND);
        ids_finish(ids, 30 * SECOND);
    }
    ids_destroy(ids);
    return 0;
}
