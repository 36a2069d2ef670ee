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

/* The parts of libmbox that need nothing around them. */

#include <stdio.h>

#include "libmbox-world.h"
#include "offload.h"

/* A table that has room for 'n' entries from the start. */
static void
check_table(uint32_t n)
{
    struct mb_table table;

    mb_table_init(&table);
    mb_table_reserve(&table, n);
    struct mbox_key key = checker_key(1);
    assert_int_equal(mb_table_find(&table, 1, &key), MB_NO_ENTRY);
    for (uint32_t i = 0; i < 5000; i++) {
        key = checker_key(i);
        assert_int_equal(mb_table_insert(&table, 1, &key), i);
        assert_int_equal(mb_table_insert(&table, 1, &key), i);
    }
    for (uint32_t i = 0; i < 5000; i++) {
        key = checker_key(i);
        assert_int_equal(mb_table_find(&table, 1, &key), i);
        assert_int_equal(mb_table_find(&table, 2, &key), MB_NO_ENTRY);
    }
    assert_in_range(table.mask + 1, 2 * table.allocated,
                    4 * table.allocated);
    mb_table_uninit(&table);
}

static void
test_table(void **state)
{
    static const uint32_t n[] = {
        0, 1, 63, 100, 3000, 5000, 100000, UINT32_MAX,
    };

    (void) state;
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++) {
        check_table(n[i]);
    }

    /* Nothing is allocated while reserved entries come. */
    struct mb_table table;
    mb_table_init(&table);
    mb_table_reserve(&table, 1000);
    struct mb_entry *entries = table.entries;
    struct mb_slot *slots = table.slots;
    for (uint32_t i = 0; i < 1000; i++) {
        struct mbox_key key = checker_key(i);

        assert_int_equal(mb_table_insert(&table, 1, &key), i);
    }
    assert_ptr_equal(table.entries, entries);
    assert_ptr_equal(table.slots, slots);
    mb_table_uninit(&table);

    /* The number of slots does not wrap around. */
    struct mbox_key key = checker_key(1);
    struct mb_slot slot = { .n = 0 };
    table.slots = &slot;
    table.mask = UINT32_MAX >> 1;
    assert_int_equal(mb_table_insert(&table, 1, &key), MB_NO_ENTRY);
    assert_ptr_equal(table.slots, &slot);
}

/* An array that has room for 'n' keys from the start. */
static void
test_keys(void **state)
{
    static const uint64_t n[] = { 0, 1, 1000, 100000, UINT64_MAX };

    (void) state;
    for (size_t i = 0; i < sizeof n / sizeof n[0]; i++) {
        struct mb_keys keys;

        mb_keys_init(&keys);
        mb_keys_reserve(&keys, n[i]);
        const struct mbox_key *reserved = keys.keys;
        for (uint32_t j = 0; j < 2000; j++) {
            struct mbox_key key = checker_key(j);

            assert_true(mb_keys_add(&keys, &key));
            if (reserved && j < n[i]) {
                assert_ptr_equal(keys.keys, reserved);
            }
        }
        assert_int_equal(reserved != NULL, n[i] && n[i] < UINT64_MAX);
        for (uint32_t j = 0; j < 2000; j++) {
            struct mbox_key key = checker_key(j);

            assert_memory_equal(&keys.keys[j], &key, sizeof key);
        }
        mb_keys_uninit(&keys);
    }
}

static void
test_tracker(void **state)
{
    struct mbox_space space = checker_space(16);    /* Flows 0 to 255. */
    struct mb_tracker tracker;

    (void) state;
    mb_tracker_init(&tracker, &space, MBOX_STATE_PER_FLOW
                    | MBOX_STATE_MULTI_FLOW | MBOX_STATE_ALL_FLOWS);
    tracker.merge_some = true;

    /* Both directions are one flow, queued once, in order. */
    struct mbox_key keys[4], reverse;
    for (int i = 0; i < 3; i++) {
        keys[i] = checker_key(i);
        mbox_key_reverse(&keys[i], &reverse);
        mb_tracker_packet(&tracker, &keys[i]);
        mb_tracker_packet(&tracker, &reverse);
    }
    keys[3] = checker_key(256);
    mb_tracker_packet(&tracker, &keys[3]);      /* Not in the space. */
    assert_int_equal(mb_tracker_n_dirty(&tracker), 3);
    for (uint32_t i = 0; i < 3; i++) {
        uint32_t index = mb_tracker_pop(&tracker, MB_QUEUE_FLOWS);

        assert_int_equal(index, i);
        tracker.table.entries[index].flags |= MB_DIRTY_SENT;
    }
    assert_int_equal(mb_tracker_pop(&tracker, MB_QUEUE_FLOWS), MB_NO_ENTRY);
    assert_int_equal(mb_tracker_n_dirty(&tracker), 0);

    /* An alias outside of the space stands for its flow, until that ends. */
    mb_tracker_add_alias(&tracker, 1, &keys[3]);
    mb_tracker_packet(&tracker, &keys[3]);
    assert_int_equal(mb_tracker_pop(&tracker, MB_QUEUE_FLOWS), 1);
    tracker.table.entries[1].flags = 0;
    mb_tracker_packet(&tracker, &keys[3]);
    assert_int_equal(mb_tracker_pop(&tracker, MB_QUEUE_FLOWS), 3);
    mb_tracker_packet(&tracker, &keys[3]);
    assert_int_equal(mb_tracker_n_dirty(&tracker), 0);

    /* Hosts: all of one's flows, some of one's, none. */
    struct mbox_key host = checker_host_key(&keys[1]);
    if (host.src[12] != 10) {
        mbox_key_reverse(&keys[1], &reverse);
        host = checker_host_key(&reverse);
    }
    mb_tracker_mark(&tracker, MBOX_STATE_MULTI_FLOW, &host);
    assert_int_equal(tracker.queues[MB_QUEUE_SHARED].n, 1);
    host.src[12] = 192;
    mb_tracker_mark(&tracker, MBOX_STATE_MULTI_FLOW, &host);
    assert_int_equal(tracker.queues[MB_QUEUE_LATE].n, 1);
    host.family = 6;
    mb_tracker_mark(&tracker, MBOX_STATE_MULTI_FLOW, &host);
    mb_tracker_mark(&tracker, MBOX_STATE_CONFIG, &host);
    assert_int_equal(mb_tracker_n_dirty(&tracker), 1);
    mb_tracker_mark(&tracker, MBOX_STATE_ALL_FLOWS, &host);
    assert_int_equal(tracker.queues[MB_QUEUE_LATE].n, 2);
    mb_tracker_uninit(&tracker);
}

/* Whatever was marked, sent and ended before, what is marked is queued then,
 * and once. */
static void
test_tracker_marks(void **state)
{
    enum { N = 2000 };
    static uint32_t queue[N];   /* Of a queue, of flows or hosts. */
    static bool queued[N];
    uint32_t n = 0, n_known = 0;
    struct mbox_space space;
    struct mb_tracker tracker;

    (void) state;
    mbox_space_init_any(&space);
    mb_tracker_init(&tracker, &space,
                    MBOX_STATE_PER_FLOW | MBOX_STATE_MULTI_FLOW);
    srandom(1);
    for (int i = 0; i < 200000; i++) {
        uint32_t number = random() % (random() % 2 ? N : 20);
        uint8_t scope = MBOX_STATE_PER_FLOW;
        struct mbox_key key = checker_key(number);

        if (number % 2) {
            key = (struct mbox_key) { .family = 4, .src = { number & 0xff },
                                      .src[15] = number >> 8 };
            scope = MBOX_STATE_MULTI_FLOW;
        } else {
            mbox_key_canonical(&key, &key);
        }
        if (mb_tracker_is_marked(&tracker, scope, &key)) {
            assert_true(queued[number]);
            n_known++;
        }
        mb_tracker_mark(&tracker, scope, &key);
        if (!queued[number]) {
            queued[number] = true;
            queue[n++] = number;
        }
        assert_int_equal(mb_tracker_n_dirty(&tracker), n);
        if (random() % 4) {
            continue;
        }

        /* The oldest of this queue, and sometimes all of it, are sent. */
        bool all = !(random() % 100);
        for (uint32_t j = 0; j < n; j++) {
            if (queue[j] % 2 != number % 2) {
                continue;
            }
            uint32_t index = mb_tracker_pop(&tracker, number % 2
                                            ? MB_QUEUE_SHARED
                                            : MB_QUEUE_FLOWS);
            assert_int_not_equal(index, MB_NO_ENTRY);
            tracker.table.entries[index].flags |= MB_DIRTY_SENT;
            if (random() % 2) {
                mb_tracker_ended(&tracker, index);
            }
            queued[queue[j]] = false;
            memmove(&queue[j], &queue[j + 1], (--n - j) * sizeof *queue);
            j--;
            if (!all) {
                break;
            }
        }
    }
    assert_true(n_known > 1000);
    mb_tracker_uninit(&tracker);
}

static void
test_match_host(void **state)
{
    struct mbox_space space = checker_space(0);
    uint8_t inside[16] = { [10] = 0xff, 0xff, 10, 1, 2, 3 };
    uint8_t outside[16] = { [10] = 0xff, 0xff, 11, 1, 2, 3 };

    (void) state;
    assert_int_equal(mbox_space_match_host(&space, 4, inside), MBOX_MATCH_ALL);
    assert_int_equal(mbox_space_match_host(&space, 4, outside),
                     MBOX_MATCH_SOME);
    assert_int_equal(mbox_space_match_host(&space, 6, inside),
                     MBOX_MATCH_NONE);
    space.mask.proto = 0xff;
    space.value.proto = 6;
    assert_int_equal(mbox_space_match_host(&space, 4, inside),
                     MBOX_MATCH_SOME);

    mbox_space_init_any(&space);
    assert_int_equal(mbox_space_match_host(&space, 6, inside),
                     MBOX_MATCH_ALL);

    space = checker_space(0);
    space.one_way = true;
    assert_int_equal(mbox_space_match_host(&space, 4, inside),
                     MBOX_MATCH_SOME);

    /* Source 10/8 and destination 10/8: 11.1.2.3 is in no flow of it. */
    space = checker_space(0);
    memcpy(space.value.dst, space.value.src, 16);
    memcpy(space.mask.dst, space.mask.src, 16);
    assert_int_equal(mbox_space_match_host(&space, 4, outside),
                     MBOX_MATCH_NONE);
    assert_int_equal(mbox_space_match_host(&space, 4, inside),
                     MBOX_MATCH_SOME);
}

static void
test_buffer(void **state)
{
    struct mb_buffer buffer;
    uint8_t frame[100] = { 0 };

    (void) state;
    mb_buffer_init(&buffer, 250);
    for (int i = 0; i < 2; i++) {
        frame[0] = i;
        assert_int_equal(mb_buffer_push(&buffer, mb_packet_new(frame, 100)),
                         0);
    }
    struct mb_packet *packet = mb_packet_new(frame, 51);
    assert_int_equal(mb_buffer_push(&buffer, packet), -ENOBUFS);
    packet->len = 50;
    assert_int_equal(mb_buffer_push(&buffer, packet), 0);
    assert_int_equal(buffer.bytes, 250);
    for (int i = 0; i < 2; i++) {
        packet = mb_buffer_pop(&buffer);
        assert_int_equal(packet->data[0], i);
        mb_packet_free(packet);
    }
    mb_buffer_uninit(&buffer);
    assert_null(mb_packet_new(frame, MB_FRAME_MAX + 1));
}

/* The sum of all 16-bit words, with carries, that a valid header has. */
static uint16_t
fold(const uint8_t *p, size_t n, uint32_t sum)
{
    for (size_t i = 0; i < n; i++) {
        sum += i % 2 ? p[i] : p[i] << 8;
    }
    while (sum >> 16) {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    return sum;
}

static void
check_segments(bool ipv6, bool tcp)
{
    enum { MSS = 1000, PAYLOAD = 3500 };
    size_t l3_len = ipv6 ? 40 : 20, l4_len = tcp ? 20 : 8;
    size_t header = 14 + l3_len + l4_len, len = header + PAYLOAD;
    uint8_t *frame = calloc(1, len);
    uint8_t *ip = frame + 14, *l4 = ip + l3_len;

    frame[12] = ipv6 ? 0x86 : 0x08;
    frame[13] = ipv6 ? 0xdd : 0x00;
    if (ipv6) {
        ip[0] = 0x60;
        ip[4] = (len - 54) >> 8;
        ip[5] = (len - 54) & 0xff;
        ip[6] = tcp ? 6 : 17;
        ip[7] = 64;
        ip[8] = ip[24] = 0xfd;
    } else {
        ip[0] = 0x45;
        ip[2] = (len - 14) >> 8;
        ip[3] = (len - 14) & 0xff;
        ip[8] = 64;
        ip[9] = tcp ? 6 : 17;
        ip[12] = ip[16] = 10;
    }
    l4[1] = 1;
    l4[3] = 2;
    if (tcp) {
        l4[7] = 100;            /* Sequence number. */
        l4[12] = 0x50;
        l4[13] = 0x19;          /* ACK, PSH, FIN. */
    } else {
        l4[4] = (len - 14 - l3_len) >> 8;
        l4[5] = (len - 14 - l3_len) & 0xff;
    }
    for (size_t i = 0; i < PAYLOAD; i++) {
        frame[header + i] = i / 7;
    }

    struct mb_packet *packet = mb_packet_new(frame, len);
    struct mb_packet *segments = NULL;
    assert_true(mb_offload_segment(packet, MSS, &segments));
    mb_packet_free(packet);

    size_t ofs = 0;
    for (unsigned int i = 0; segments; i++) {
        struct mb_packet *s = segments;
        const uint8_t *s_ip = s->data + 14, *s_l4 = s_ip + l3_len;
        size_t n = s->len - header;
        size_t l4_total = l4_len + n;

        segments = s->next;
        assert_int_equal(n, i < 3 ? MSS : 500);
        assert_memory_equal(s->data + header, frame + header + ofs, n);
        if (ipv6) {
            assert_int_equal(s_ip[4] << 8 | s_ip[5], l4_total);
            assert_int_equal(fold(s_l4, l4_total,
                                  fold(s_ip + 8, 32, s_ip[6] + l4_total)),
                             0xffff);
        } else {
            assert_int_equal(s_ip[2] << 8 | s_ip[3], 20 + l4_total);
            assert_int_equal(s_ip[4] << 8 | s_ip[5], i);
            assert_int_equal(fold(s_ip, 20, 0), 0xffff);
            assert_int_equal(fold(s_l4, l4_total,
                                  fold(s_ip + 12, 8, s_ip[9] + l4_total)),
                             0xffff);
        }
        if (tcp) {
            assert_int_equal(s_l4[6] << 8 | s_l4[7], 100 + ofs);
            assert_int_equal(s_l4[13], i < 3 ? 0x10 : 0x19);
        } else {
            assert_int_equal(s_l4[4] << 8 | s_l4[5], l4_total);
        }
        ofs += n;
        mb_packet_free(s);
    }
    assert_int_equal(ofs, PAYLOAD);
    free(frame);
}

static void
test_segments(void **state)
{
    struct mb_packet *segments = NULL;
    uint8_t frame[64] = { 0 };

    (void) state;
    for (int i = 0; i < 4; i++) {
        check_segments(i & 1, i & 2);
    }
    struct mb_packet *packet = mb_packet_new(frame, sizeof frame);
    assert_false(mb_offload_segment(packet, 1000, &segments));
    assert_null(segments);
    mb_packet_free(packet);

    /* Positions outside of the frame are ignored. */
    uint8_t copy[64] = { 0 };
    mb_offload_checksum(frame, sizeof frame, 65, 0);
    mb_offload_checksum(frame, sizeof frame, 60, 3);
    mb_offload_checksum(frame, sizeof frame, 60, SIZE_MAX - 1);
    assert_memory_equal(frame, copy, sizeof frame);
}

static void
check_refused(struct mbox_options options, const struct mbox_ops *ops,
              const char *what)
{
    struct mbox *mbox;
    char *error_text;

    assert_true(mbox_create(&options, ops, NULL, &mbox, &error_text) < 0);
    assert_null(mbox);
    assert_non_null(error_text);
    if (!strstr(error_text, what)) {
        fail_msg("\"%s\" does not say \"%s\"", error_text, what);
    }
    free(error_text);
}

static void
test_options(void **state)
{
    const struct mbox_options good = {
        .size = sizeof good, .name = "a", .class_name = "c",
        .ports = { "afpacket:nonexistent" }, .n_ports = 1,
    };
    struct mbox_options bad;

    (void) state;
    bad = good;
    bad.size--;
    check_refused(bad, &checker_ops, "another version");
    bad = good;
    bad.name = "a b";
    check_refused(bad, &checker_ops, "name");
    bad = good;
    bad.class_name = NULL;
    check_refused(bad, &checker_ops, "class_name");
    bad = good;
    bad.n_ports = 0;
    check_refused(bad, &checker_ops, "ports");
    bad = good;
    bad.n_workers = 65;
    check_refused(bad, &checker_ops, "n_workers");
    bad = good;
    bad.ports[0] = "eth0";
    check_refused(bad, &checker_ops, "eth0");
    check_refused(good, &checker_ops, "nonexistent");

    struct mbox_ops ops = checker_ops;
    ops.packet = NULL;
    check_refused(good, &ops, "packet");
    struct mbox_state_ops state_ops = checker_flow_ops;
    state_ops.list = NULL;
    ops = checker_ops;
    ops.per_flow = &state_ops;
    check_refused(good, &ops, "list");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_tracker),
        cmocka_unit_test(test_tracker_marks),
        cmocka_unit_test(test_match_host),
        cmocka_unit_test(test_buffer),
        cmocka_unit_test(test_segments),
        cmocka_unit_test(test_options),
    };

    return cmocka_run_group_tests_name("libmbox parts", tests, NULL, NULL);
}
