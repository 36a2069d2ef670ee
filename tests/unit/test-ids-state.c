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

/* Exported state: what comes back is the same, and what is damaged does no
 * harm.  With a folder as argument, writes seeds for fuzz-ids-state there. */

#include <config.h>
#include "ids-test.h"

#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "../fuzz/fuzz-ids-state.h"
#include "ids-sig.h"
#include "ids-scan.h"
#include "mbox-wire.h"

struct seed {
    uint8_t *data;              /* Key number, exported form. */
    size_t len;
};

static struct seed seeds[8];
static size_t n_seeds;

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
    ids_packet(ids, 10 * SECOND, frame.data, frame.len, &extracted, &layout);
}

static void
add_seed(struct ids *ids, uint8_t which)
{
    struct mbox_key key = fuzz_ids_key(which);
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_put_u8(&w, which);
    assert_int_equal(ids_state_get(ids, &key, &w), 0);
    seeds[n_seeds].data = w.data;
    seeds[n_seeds++].len = w.len;
}

static int
make_seeds(void **state)
{
    static struct ids_frame frame;
    struct mbox_packet_layout layout;
    struct ids *ids = fuzz_ids_create();
    struct mbox_key key = fuzz_ids_key(0);
    struct mbox_key udp = fuzz_ids_key(1);
    struct mbox_key back, extracted;

    (void) state;
    mbox_key_reverse(&key, &back);
    send_tcp(ids, &key, 99, 0, TH_SYN, "");
    add_seed(ids, 0);
    send_tcp(ids, &back, 99, 100, TH_SYN | TH_ACK, "");
    send_tcp(ids, &key, 100, 100, TH_ACK, "POST /one HTTP/1.1\r\nHost: ");
    add_seed(ids, 0);
    send_tcp(ids, &key, 140, 100, TH_ACK, "later");
    send_tcp(ids, &key, 150, 100, TH_ACK, "much later");
    send_tcp(ids, &back, 100, 126, TH_ACK, "an answer with a need");
    add_seed(ids, 0);
    send_tcp(ids, &key, 126, 121, TH_ACK, "two\r\n\r\nneedle ");
    add_seed(ids, 0);
    send_tcp(ids, &key, 160, 121, TH_ACK | TH_FIN, "");
    send_tcp(ids, &back, 121, 161, TH_ACK | TH_FIN, "");
    add_seed(ids, 0);

    ids_frame_udp(&frame, &udp, "three", 5);
    mbox_key_extract(frame.data, frame.len, &extracted, &layout);
    ids_packet(ids, 10 * SECOND, frame.data, frame.len, &extracted, &layout);
    add_seed(ids, 1);
    ids_destroy(ids);
    return 0;
}

static int
free_seeds(void **state)
{
    (void) state;
    while (n_seeds) {
        free(seeds[--n_seeds].data);
    }
    return 0;
}

static void
round_trip(void **state)
{
    (void) state;
    for (size_t i = 0; i < n_seeds; i++) {
        struct ids *ids = fuzz_ids_create();
        struct mbox_key key = fuzz_ids_key(seeds[i].data[0]);
        struct mbox_writer w;

        assert_int_equal(ids_state_put(ids, &key, seeds[i].data + 1,
                                       seeds[i].len - 1), 0);
        mbox_writer_init(&w, MBOX_WRITER_LIMIT);
        assert_int_equal(ids_state_get(ids, &key, &w), 0);
        assert_int_equal(w.len, seeds[i].len - 1);
        assert_memory_equal(w.data, seeds[i].data + 1, w.len);
        mbox_writer_uninit(&w);
        ids_destroy(ids);
    }
}

static void
every_truncation_is_refused(void **state)
{
    (void) state;
    for (size_t i = 0; i < n_seeds; i++) {
        struct mbox_key key = fuzz_ids_key(seeds[i].data[0]);

        for (size_t len = 0; len < seeds[i].len - 1; len++) {
            struct ids *ids = fuzz_ids_create();
            uint8_t *copy = malloc(len + 1);

            assert_non_null(copy);
            memcpy(copy, seeds[i].data + 1, len);
            assert_int_not_equal(ids_state_put(ids, &key, copy, len), 0);
            assert_int_equal(ids_n_flows(ids), 0);
            free(copy);
            ids_destroy(ids);
        }
    }
}

/* A failure leaves what was there. */
static void
refusal_changes_nothing(void **state)
{
    struct ids *ids = fuzz_ids_create();
    struct mbox_key key = fuzz_ids_key(0);
    struct mbox_key back;
    struct mbox_writer before, after;

    (void) state;
    assert_int_equal(ids_state_put(ids, &key, seeds[2].data + 1,
                                   seeds[2].len - 1), 0);
    mbox_writer_init(&before, MBOX_WRITER_LIMIT);
    mbox_writer_init(&after, MBOX_WRITER_LIMIT);
    assert_int_equal(ids_state_get(ids, &key, &before), 0);
    assert_int_not_equal(ids_state_put(ids, &key, seeds[3].data + 1,
                                       seeds[3].len - 2), 0);
    mbox_key_reverse(&key, &back);
    assert_int_not_equal(ids_state_put(ids, &back, seeds[3].data + 1,
                                       seeds[3].len - 1), 0);
    assert_int_equal(ids_state_get(ids, &key, &after), 0);
    assert_int_equal(before.len, after.len);
    assert_memory_equal(before.data, after.data, before.len);

    /* Of another protocol. */
    struct mbox_key udp = fuzz_ids_key(1);
    assert_int_not_equal(ids_state_put(ids, &udp, seeds[3].data + 1,
                                       seeds[3].len - 1), 0);
    mbox_writer_uninit(&before);
    mbox_writer_uninit(&after);
    ids_destroy(ids);
}

static void
mutations(void **state)
{
    struct rng rng = { 11 };
    int n = getenv("MBOX_TEST_SHORT") ? 2000 : 30000;

    (void) state;
    for (int i = 0; i < n; i++) {
        const struct seed *seed = &seeds[rng_range(&rng, n_seeds)];
        size_t len = seed->len;
        uint8_t *copy;

        if (!rng_range(&rng, 5)) {
            len = rng_range(&rng, len) + 1;
        }
        copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, seed->data, len);
        for (int j = rng_range(&rng, 4); j >= 0; j--) {
            size_t at = rng_range(&rng, len);

            switch (rng_range(&rng, 4)) {
            case 0:
                copy[at] = rng_u32(&rng);
                break;
            case 1:
                copy[at] ^= 1 << rng_range(&rng, 8);
                break;
            case 2:
                copy[at] = rng_range(&rng, 2) ? 0xff : 0;
                break;
            default:
                copy[at] += rng_range(&rng, 3) - 1;
                break;
            }
        }
        LLVMFuzzerTestOneInput(copy, len);
        free(copy);
    }
}

/* With a state key only who has it can make signature state. */
static void
state_key(void **state)
{
    static const char key_a[] = "0123456789abcdef";
    static const char key_b[] = "0123456789abcdeX";
    static const char *const keys[] = { key_a, key_a, key_b };
    struct mbox_key key = ids_make_key(IPPROTO_TCP, 1, 2, 3, 80);
    struct test_rules rules[3];
    struct core cores[3];
    struct mbox_writer w;
    char *error;

    (void) state;
    for (int i = 0; i < 3; i++) {
        test_rules_init(&rules[i], test_rules_text);
        ids_sigs_destroy(rules[i].sigs);
        assert_int_equal(ids_sigs_compile(rules[i].rules, keys[i], 16,
                                          &rules[i].sigs, &error), 0);
        core_init(&cores[i], &rules[i]);
    }
    core_tcp(&cores[0], 2 * SECOND, &key, 1, 0, TH_ACK, 0, "abcdef", 6);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    assert_int_equal(ids_state_get(cores[0].ids, &key, &w), 0);
    assert_int_equal(ids_state_put(cores[1].ids, &key, w.data, w.len), 0);
    assert_int_equal(ids_state_put(cores[2].ids, &key, w.data, w.len),
                     -EPROTO);
    mbox_writer_uninit(&w);
    for (int i = 0; i < 3; i++) {
        core_uninit(&cores[i]);
        test_rules_uninit(&rules[i]);
    }
}

static void
configuration(void **state)
{
    static const struct ids_scan_config other = { 3, 4, 5 };
    struct test_rules rules, empty;
    struct core a, b, c;
    struct mbox_writer w;
    struct ids_scan_config got;

    (void) state;
    test_rules_init(&rules, test_rules_text);
    test_rules_init(&empty, "");
    core_init(&a, &rules);
    core_init(&b, &rules);
    core_init(&c, &empty);
    ids_scan_set_config(a.scan, &other);
    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    ids_config_state_get(a.ids, &w);
    assert_int_equal(ids_config_state_put(b.ids, w.data, w.len), 0);
    ids_scan_get_config(b.scan, &got);
    assert_memory_equal(&got, &other, sizeof got);
    assert_int_equal(ids_config_state_put(c.ids, w.data, w.len), -EPROTO);
    assert_int_equal(ids_config_state_put(b.ids, w.data, w.len - 1),
                     -EPROTO);
    w.data[w.len - 1] = 0;      /* A window of 0. */
    assert_int_equal(ids_config_state_put(b.ids, w.data, w.len), -EPROTO);
    mbox_writer_uninit(&w);
    core_uninit(&a);
    core_uninit(&b);
    core_uninit(&c);
    test_rules_uninit(&rules);
    test_rules_uninit(&empty);
}

static int
write_seeds(const char *folder)
{
    make_seeds(NULL);
    for (size_t i = 0; i < n_seeds; i++) {
        char name[4096];
        FILE *file;

        snprintf(name, sizeof name, "%s/seed-%zu", folder, i);
        file = fopen(name, "w");
        if (!file || fwrite(seeds[i].data, seeds[i].len, 1, file) != 1
            || fclose(file)) {
            perror(name);
            return 1;
        }
    }
    free_seeds(NULL);
    return 0;
}

int
main(int argc, char *argv[])
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(every_truncation_is_refused),
        cmocka_unit_test(refusal_changes_nothing),
        cmocka_unit_test(mutations),
        cmocka_unit_test(state_key),
        cmocka_unit_test(configuration),
    };

    if (argc > 1) {
        return write_seeds(argv[1]);
    }
    return cmocka_run_group_tests(tests, make_seeds, free_seeds);
}
