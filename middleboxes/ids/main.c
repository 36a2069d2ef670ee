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

/* mbox-ids: an intrusion detection middlebox, a bump in the wire. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include "ids-capacity.h"
#include "ids-pcap.h"
#include "ids-program.h"
#include "ids-rules.h"
#include "ids-scan.h"
#include "ids-sig.h"
#include "ids.h"
#include "mbox.h"

/* Callbacks of libmbox. */

static enum mbox_verdict
on_packet(void *program_, unsigned int worker, struct mbox_packet *packet)
{
    struct program *program = program_;

    /* The time of processing, not of dequeueing: between them a packet may
     * have been kept in a buffer. */
    ids_packet(program->workers[worker].ids, mb_clock_ns(CLOCK_MONOTONIC),
               packet->data, packet->len, &packet->key, &packet->layout);
    return MBOX_FORWARD;
}

static void
log_stats(struct program *program)
{
    struct ids_stats total = { .packets = 0 };
    size_t n_flows = 0;

    for (unsigned int i = 0; i < program->mp.options.n_workers; i++) {
        const struct worker *w = &program->workers[i];
        struct ids_stats copy;

        /* Another worker may be writing; each counter is read whole. */
        for (size_t j = 0; j < sizeof copy / sizeof(uint64_t); j++) {
            ((uint64_t *) &copy)[j] = __atomic_load_n(
                (const uint64_t *) &w->stats + j, __ATOMIC_RELAXED);
        }
        ids_stats_add(&total, &copy);
        n_flows += __atomic_load_n(&w->n_flows, __ATOMIC_RELAXED);
    }
    ids_log_stats(program->mp.log, &total, n_flows,
                  mb_clock_ns(CLOCK_REALTIME) / 1000);
}

/* Publishes the worker's counters for log_stats(). */
static void
publish_stats(struct worker *w)
{
    const uint64_t *stats = (const uint64_t *) ids_get_stats(w->ids);

    for (size_t i = 0; i < sizeof w->stats / sizeof(uint64_t); i++) {
        __atomic_store_n((uint64_t *) &w->stats + i, stats[i],
                         __ATOMIC_RELAXED);
    }
    __atomic_store_n(&w->n_flows, ids_n_flows(w->ids), __ATOMIC_RELAXED);
}

static void
on_tick(void *program_, unsigned int worker, uint64_t now)
{
    struct program *program = program_;

    ids_tick(program->workers[worker].ids, now);
    publish_stats(&program->workers[worker]);
    if (worker) {
        return;
    }
    if (mb_program_stats_due(&program->mp, now)) {
        log_stats(program);
    }
    mb_program_tick(&program->mp);
}

static void
on_dirty(void *worker_, bool multi_flow, const struct mbox_key *key)
{
    const struct worker *worker = worker_;

    if (worker->program->mp.mbox) {
        mbox_dirty(worker->program->mp.mbox, worker->index,
                   multi_flow ? MBOX_STATE_MULTI_FLOW : MBOX_STATE_PER_FLOW,
                   key);
    }
}

static bool
on_pending(void *worker_, const struct mbox_key *key)
{
    const struct worker *worker = worker_;

    return (worker->program->mp.mbox
            && mbox_is_pending(worker->program->mp.mbox, worker->index, key));
}

static uint64_t
get_n_flows(void *program_, unsigned int worker)
{
    struct program *program = program_;

    return ids_n_flows(program->workers[worker].ids);
}

static const struct mbox_ops ops = {
    .packet = on_packet,
    .tick = on_tick,
    .per_flow = &ids_flow_ops,
    .multi_flow = &ids_scan_ops,
    .config = &ids_config_ops,
    .n_flows = get_n_flows,
    .log = mb_library_message,
};

/* Options. */

static void
usage(void)
{
    printf("\
mbox-ids: intrusion detection middlebox\n\
usage: mbox-ids [OPTION]... --rules=FILE --port=PORT [--port=PORT]\n\
       mbox-ids [OPTION]... --rules=FILE --read=CAPTURE\n\
       mbox-ids --rules=FILE --capacity=N\n\
\n\
Detection:\n\
  --rules=FILE            rules to look for\n\
  --scan=PORTS,HOSTS,SEC  report a source that tries so many ports or hosts\n\
                          within SEC seconds (default: 20,40,60)\n\
"
MB_PROGRAM_HELP_LOG "\
\n\
Packets:\n"
MB_PROGRAM_HELP_PORTS "\
  --workers=N             threads that process packets (default: 1)\n\
\n\
Transfers of state:\n"
MB_PROGRAM_HELP_TRANSFERS("ids") "\
  --state-key=FILE        accept signature state only from instances that\n\
                          have the same key\n\
\n\
Other modes:\n\
  --read=CAPTURE          process a pcap file, and exit\n\
  --capacity=N            measure memory of N flows and speed, and exit\n"
MB_PROGRAM_HELP_OTHER);
}

static void
parse_scan(const char *value, struct ids_scan_config *config)
{
    int end = 0;

    if (sscanf(value, "%"SCNu32",%"SCNu32",%"SCNu32"%n", &config->max_ports,
               &config->max_hosts, &config->window, &end) != 3 || value[end]
        || !ids_scan_config_is_valid(config)) {
        mb_fatal("--scan: \"%s\": expected PORTS,HOSTS,SECONDS with "
                 "thresholds from 2 to %d and up to 86400 s", value,
                 IDS_SCAN_MAX_TARGETS);
    }
}

static void
parse_options(struct program *program, int argc, char *argv[])
{
    enum { OPT_RULES = MB_OPTION_OWN, OPT_SCAN, OPT_WORKERS, OPT_STATE_KEY,
           OPT_READ, OPT_CAPACITY };
    static const struct option long_options[] = {
        { "rules", required_argument, NULL, OPT_RULES },
        { "scan", required_argument, NULL, OPT_SCAN },
        { "workers", required_argument, NULL, OPT_WORKERS },
        { "state-key", required_argument, NULL, OPT_STATE_KEY },
        { "read", required_argument, NULL, OPT_READ },
        { "capacity", required_argument, NULL, OPT_CAPACITY },
        MB_PROGRAM_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = mb_program_next_option(&program->mp, argc, argv, long_options,
                                       usage)) != -1) {
        switch (c) {
        case OPT_RULES:
            program->rules_file = optarg;
            break;
        case OPT_SCAN:
            parse_scan(optarg, &program->scan_config);
            break;
        case OPT_WORKERS:
            program->mp.options.n_workers = mb_parse_uint("workers", optarg,
                                                          1, MAX_WORKERS);
            break;
        case OPT_STATE_KEY:
            program->state_key_file = optarg;
            break;
        case OPT_READ:
            program->capture = optarg;
            break;
        case OPT_CAPACITY:
            program->capacity = mb_parse_uint("capacity", optarg, 1, 10000000);
            break;
        }
    }
}

/* Start and end. */

static void
load_rules(struct program *program)
{
    uint8_t key[4096];
    size_t key_len = 0;
    char *error;

    if (!program->rules_file) {
        mb_fatal("--rules is missing; use --help");
    }
    if (ids_rules_load(program->rules_file, &program->rules, &error)) {
        mb_fatal("%s", error);
    }
    if (program->state_key_file) {
        FILE *file = fopen(program->state_key_file, "re");

        if (!file) {
            mb_fatal("%s: %s", program->state_key_file, strerror(errno));
        }
        key_len = fread(key, 1, sizeof key, file);
        fclose(file);
        if (key_len < 16) {
            mb_fatal("%s: a state key has at least 16 bytes",
                     program->state_key_file);
        }
    }
    if (ids_sigs_compile(program->rules, key, key_len, &program->sigs,
                         &error)) {
        mb_fatal("%s", error);
    }
}

static void
create_workers(struct program *program)
{
    struct ids_config config = {
        .sigs = program->sigs, .log = program->mp.log, .scan = program->scan,
        .trace = program->mp.trace, .now = program->start,
        .wall = program->wall, .dirty = on_dirty,
        .is_pending = on_pending,
    };

    for (unsigned int i = 0; i < program->mp.options.n_workers; i++) {
        struct worker *worker = &program->workers[i];

        worker->program = program;
        worker->index = i;
        config.aux = worker;
        worker->ids = ids_create(&config);
    }
}

/* Processes a capture. Returns 0 or a negative errno value. */
static int
run_capture(struct program *program)
{
    struct ids *ids = program->workers[0].ids;
    struct ids_pcap *pcap;
    const uint8_t *frame;
    uint64_t time, tick;
    size_t len;
    int retval;

    retval = ids_pcap_open(program->capture, &pcap);
    if (!retval) {
        tick = 0;
        while ((retval = ids_pcap_next(pcap, &frame, &len, &time)) == 1) {
            struct mbox_packet_layout layout;
            struct mbox_key key;

            if (time >= tick) {
                ids_tick(ids, time);
                tick = time + MB_SECOND / 10;
            }
            mbox_key_extract(frame, len, &key, &layout);
            ids_packet(ids, time, frame, len, &key, &layout);
        }
        ids_pcap_close(pcap);
    }
    if (retval) {
        mb_message(LOG_ERR, "%s: %s", program->capture,
                   retval == -EPROTO ? "not a pcap file of Ethernet frames, or"
                   " damaged (pcapng is not supported)" : strerror(-retval));
    }
    return retval;
}

/* Ends flows, logs what there is to log, frees everything.  Returns 0 or a
 * negative errno value. */
static int
finish(struct program *program)
{
    uint64_t now = program->capture ? 0 : mb_clock_ns(CLOCK_MONOTONIC);

    for (unsigned int i = 0; i < program->mp.options.n_workers; i++) {
        ids_finish(program->workers[i].ids, now);
        publish_stats(&program->workers[i]);
    }
    log_stats(program);
    mb_program_destroy_mbox(&program->mp);
    for (unsigned int i = 0; i < program->mp.options.n_workers; i++) {
        ids_destroy(program->workers[i].ids);
    }
    ids_scan_destroy(program->scan);
    return mb_program_close_files(&program->mp);
}

int
main(int argc, char *argv[])
{
    static struct program program;
    int error;

    mb_program_init(&program.mp, "ids");
    program.scan_config
        = (struct ids_scan_config) IDS_SCAN_CONFIG_INITIALIZER;
    parse_options(&program, argc, argv);
    load_rules(&program);
    if (program.capacity) {
        ids_capacity(program.sigs, program.capacity);
        error = 0;
    } else if (!program.capture && !program.mp.options.n_ports) {
        mb_fatal("neither --port nor --read is given; use --help");
    } else {
        program.mp.options.schema = ids_schema(program.sigs);
        if (program.capture) {
            /* Times in a capture are since 1970. */
            program.mp.options.n_workers = 1;
        } else {
            program.start = mb_clock_ns(CLOCK_MONOTONIC);
            program.wall = mb_clock_ns(CLOCK_REALTIME) / 1000;
        }
        mb_program_open_files(&program.mp);
        program.scan = ids_scan_create(&program.scan_config);
        create_workers(&program);
        error = (program.capture ? run_capture(&program)
                 : mb_program_run(&program.mp, &ops, &program));

        int finish_error = finish(&program);
        error = error ? error : finish_error;
    }
    ids_sigs_destroy(program.sigs);
    ids_rules_destroy(program.rules);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
