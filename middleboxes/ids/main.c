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
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <time.h>
#include <unistd.h>
#include "event-log.h"
#include "ids-capacity.h"
#include "ids-pcap.h"
#include "ids-program.h"
#include "ids-rules.h"
#include "ids-scan.h"
#include "ids-sig.h"
#include "ids.h"
#include "mbox.h"
#include "packet-trace.h"

/* For signal handlers. */
static struct mbox *running;
static volatile sig_atomic_t reopen_log;

static void __attribute__((format(printf, 2, 3)))
message(int level, const char *format, ...)
{
    static const char *const names[] = {
        [LOG_EMERG] = "emergency", [LOG_ALERT] = "alert",
        [LOG_CRIT] = "critical", [LOG_ERR] = "error",
        [LOG_WARNING] = "warning", [LOG_NOTICE] = "notice",
        [LOG_INFO] = "info", [LOG_DEBUG] = "debug",
    };
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "mbox-ids: %s: %s\n", names[level & 7], text);
}

static void __attribute__((format(printf, 1, 2), noreturn))
fatal(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "mbox-ids: %s\n", text);
    exit(EXIT_FAILURE);
}

/* Callbacks of libmbox. */

static enum mbox_verdict
on_packet(void *program_, unsigned int worker, struct mbox_packet *packet)
{
    struct program *program = program_;

    /* The time of processing, not of dequeueing: between them a packet may
     * have been kept in a buffer. */
    ids_packet(program->workers[worker].ids, clock_ns(CLOCK_MONOTONIC),
               packet->data, packet->len, &packet->key, &packet->layout);
    return MBOX_FORWARD;
}

static void
log_stats(struct program *program)
{
    struct ids_stats total = { .packets = 0 };
    size_t n_flows = 0;

    for (unsigned int i = 0; i < program->options.n_workers; i++) {
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
    ids_log_stats(program->log, &total, n_flows,
                  clock_ns(CLOCK_REALTIME) / 1000);
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
flush_files(struct program *program)
{
    event_log_flush(program->log);
    if (program->trace && packet_trace_flush(program->trace)
        && !program->trace_failed) {
        program->trace_failed = true;
        message(LOG_ERR, "%s: records are being lost: %s",
                program->trace_file, strerror(errno));
    }
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
    if (reopen_log) {
        int error;

        reopen_log = 0;
        error = event_log_reopen(program->log);
        if (error) {
            message(LOG_ERR, "%s: cannot be opened again: %s",
                    program->log_file, strerror(-error));
        }
    }
    if (program->stats_interval && now >= program->next_stats) {
        program->next_stats = now + program->stats_interval * SECOND;
        log_stats(program);
    }
    flush_files(program);
}

static void
on_dirty(void *worker_, bool multi_flow, const struct mbox_key *key)
{
    const struct worker *worker = worker_;

    if (worker->program->mbox) {
        mbox_dirty(worker->program->mbox, worker->index,
                   multi_flow ? MBOX_STATE_MULTI_FLOW : MBOX_STATE_PER_FLOW,
                   key);
    }
}

static bool
on_pending(void *worker_, const struct mbox_key *key)
{
    const struct worker *worker = worker_;

    return (worker->program->mbox
            && mbox_is_pending(worker->program->mbox, worker->index, key));
}

static uint64_t
get_n_flows(void *program_, unsigned int worker)
{
    struct program *program = program_;

    return ids_n_flows(program->workers[worker].ids);
}

static void
on_library_message(void *program, int level, const char *text)
{
    (void) program;
    message(level, "%s", text);
}

static void
on_log_error(void *program, const char *text)
{
    (void) program;
    message(LOG_ERR, "%s", text);
}

static const struct mbox_ops ops = {
    .packet = on_packet,
    .tick = on_tick,
    .per_flow = &ids_flow_ops,
    .multi_flow = &ids_scan_ops,
    .config = &ids_config_ops,
    .n_flows = get_n_flows,
    .log = on_library_message,
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
  --log=FILE              append events to FILE (default: -, standard output)\n\
  --stats-interval=SEC    log counters every SEC seconds, not only at the end\n\
  --trace=FILE            record each packet processed, for tests\n\
\n\
Packets:\n\
  --port=afpacket:IFACE   network device\n\
  --port=dpdk:NAME        DPDK device, with\n\
  --dpdk-args=\"ARGS\"      arguments of DPDK's EAL\n\
  --workers=N             threads that process packets (default: 1)\n\
\n\
Transfers of state:\n\
  --name=NAME             name of this instance (default: ids-PID)\n\
  --class=CLASS           class of the instance (default: ids)\n\
  --coordinator=REMOTE    unix:PATH, serial:PATH or ssl:HOST:PORT, with\n\
  --private-key=FILE      this instance's private key,\n\
  --certificate=FILE      its certificate, and\n\
  --ca-cert=FILE          the certificate that the coordinator's is signed by\n\
  --state-key=FILE        accept signature state only from instances that have\n\
                          the same key\n\
\n\
Other modes:\n\
  --read=CAPTURE          process a pcap file, and exit\n\
  --capacity=N            measure memory of N flows and speed, and exit\n\
  --help                  print this, and exit\n\
  --version               print the version, and exit\n\
\n\
SIGHUP opens the log again.  SIGTERM and SIGINT end the program.\n");
}

static unsigned int
parse_uint(const char *name, const char *value, unsigned int min,
           unsigned int max)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(value, &end, 10);
    if (errno || !*value || *value == '-' || *end || n < min || n > max) {
        fatal("--%s: \"%s\" is not a number from %u to %u", name, value, min,
              max);
    }
    return n;
}

static void
parse_scan(const char *value, struct ids_scan_config *config)
{
    int end = 0;

    if (sscanf(value, "%"SCNu32",%"SCNu32",%"SCNu32"%n", &config->max_ports,
               &config->max_hosts, &config->window, &end) != 3 || value[end]
        || !ids_scan_config_is_valid(config)) {
        fatal("--scan: \"%s\": expected PORTS,HOSTS,SECONDS with thresholds "
              "from 2 to %d and up to 86400 s", value, IDS_SCAN_MAX_TARGETS);
    }
}

static void
parse_options(struct program *program, int argc, char *argv[])
{
    enum { OPT_RULES = 256, OPT_SCAN, OPT_LOG, OPT_STATS, OPT_TRACE, OPT_PORT,
           OPT_DPDK, OPT_WORKERS, OPT_NAME, OPT_CLASS, OPT_COORDINATOR,
           OPT_KEY, OPT_CERT, OPT_CA, OPT_STATE_KEY, OPT_READ, OPT_CAPACITY };
    static const struct option long_options[] = {
        { "rules", required_argument, NULL, OPT_RULES },
        { "scan", required_argument, NULL, OPT_SCAN },
        { "log", required_argument, NULL, OPT_LOG },
        { "stats-interval", required_argument, NULL, OPT_STATS },
        { "trace", required_argument, NULL, OPT_TRACE },
        { "port", required_argument, NULL, OPT_PORT },
        { "dpdk-args", required_argument, NULL, OPT_DPDK },
        { "workers", required_argument, NULL, OPT_WORKERS },
        { "name", required_argument, NULL, OPT_NAME },
        { "class", required_argument, NULL, OPT_CLASS },
        { "coordinator", required_argument, NULL, OPT_COORDINATOR },
        { "private-key", required_argument, NULL, OPT_KEY },
        { "certificate", required_argument, NULL, OPT_CERT },
        { "ca-cert", required_argument, NULL, OPT_CA },
        { "state-key", required_argument, NULL, OPT_STATE_KEY },
        { "read", required_argument, NULL, OPT_READ },
        { "capacity", required_argument, NULL, OPT_CAPACITY },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    struct mbox_options *o = &program->options;

    for (;;) {
        int c = getopt_long(argc, argv, "hV", long_options, NULL);

        switch (c) {
        case -1:
            if (optind < argc) {
                fatal("unexpected argument \"%s\"; use --help", argv[optind]);
            }
            return;
        case OPT_RULES:
            program->rules_file = optarg;
            break;
        case OPT_SCAN:
            parse_scan(optarg, &program->scan_config);
            break;
        case OPT_LOG:
            program->log_file = optarg;
            break;
        case OPT_STATS:
            program->stats_interval = parse_uint("stats-interval", optarg, 1,
                                                 86400);
            break;
        case OPT_TRACE:
            program->trace_file = optarg;
            break;
        case OPT_PORT:
            if (o->n_ports >= 2) {
                fatal("--port: at most two ports");
            }
            o->ports[o->n_ports++] = optarg;
            break;
        case OPT_DPDK:
            o->dpdk_args = optarg;
            break;
        case OPT_WORKERS:
            o->n_workers = parse_uint("workers", optarg, 1, MAX_WORKERS);
            break;
        case OPT_NAME:
            o->name = optarg;
            break;
        case OPT_CLASS:
            o->class_name = optarg;
            break;
        case OPT_COORDINATOR:
            o->coordinator = optarg;
            break;
        case OPT_KEY:
            o->private_key = optarg;
            break;
        case OPT_CERT:
            o->certificate = optarg;
            break;
        case OPT_CA:
            o->ca_cert = optarg;
            break;
        case OPT_STATE_KEY:
            program->state_key_file = optarg;
            break;
        case OPT_READ:
            program->capture = optarg;
            break;
        case OPT_CAPACITY:
            program->capacity = parse_uint("capacity", optarg, 1, 10000000);
            break;
        case 'h':
            usage();
            exit(EXIT_SUCCESS);
        case 'V':
            printf("mbox-ids %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_FAILURE);
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
        fatal("--rules is missing; use --help");
    }
    if (ids_rules_load(program->rules_file, &program->rules, &error)) {
        fatal("%s", error);
    }
    if (program->state_key_file) {
        FILE *file = fopen(program->state_key_file, "re");

        if (!file) {
            fatal("%s: %s", program->state_key_file, strerror(errno));
        }
        key_len = fread(key, 1, sizeof key, file);
        fclose(file);
        if (key_len < 16) {
            fatal("%s: a state key has at least 16 bytes",
                  program->state_key_file);
        }
    }
    if (ids_sigs_compile(program->rules, key, key_len, &program->sigs,
                         &error)) {
        fatal("%s", error);
    }
}

static void
open_files(struct program *program)
{
    int error = event_log_open(program->log_file, program->options.name,
                               on_log_error, program, &program->log);

    if (error) {
        fatal("%s: %s", program->log_file, strerror(-error));
    }
    if (program->trace_file) {
        error = packet_trace_open(program->trace_file, program->options.name,
                                  &program->trace);
        if (error) {
            fatal("%s: %s", program->trace_file, strerror(-error));
        }
    }
}

static void
create_workers(struct program *program)
{
    struct ids_config config = {
        .sigs = program->sigs, .log = program->log, .scan = program->scan,
        .trace = program->trace, .now = program->start,
        .wall = program->wall, .dirty = on_dirty,
        .is_pending = on_pending,
    };

    for (unsigned int i = 0; i < program->options.n_workers; i++) {
        struct worker *worker = &program->workers[i];

        worker->program = program;
        worker->index = i;
        config.aux = worker;
        worker->ids = ids_create(&config);
    }
}

static void
on_signal(int signal)
{
    if (signal == SIGHUP) {
        reopen_log = 1;
    } else {
        mbox_stop(running);
    }
}

static void
set_signal_handler(void (*handler)(int))
{
    struct sigaction action = { .sa_handler = handler };

    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGINT, &action, NULL);
}

/* Processes packets until a signal.  Later ones are ignored: they must neither
 * reach what is then freed nor interrupt the writing of logs.  Returns 0 or a
 * negative errno value. */
static int
run_live(struct program *program)
{
    char *error = NULL;
    int retval;

    retval = mbox_create(&program->options, &ops, program, &program->mbox,
                         &error);
    if (retval) {
        message(LOG_ERR, "%s", error ? error : strerror(-retval));
        free(error);
        return retval;
    }
    running = program->mbox;
    set_signal_handler(on_signal);
    retval = mbox_run(program->mbox);
    set_signal_handler(SIG_IGN);
    if (retval) {
        message(LOG_ERR, "packet input and output failed: %s",
                strerror(-retval));
    }
    return retval;
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
                tick = time + SECOND / 10;
            }
            mbox_key_extract(frame, len, &key, &layout);
            ids_packet(ids, time, frame, len, &key, &layout);
        }
        ids_pcap_close(pcap);
    }
    if (retval) {
        message(LOG_ERR, "%s: %s", program->capture,
                retval == -EPROTO ? "not a pcap file of Ethernet frames, or "
                "damaged (pcapng is not supported)" : strerror(-retval));
    }
    return retval;
}

/* Ends flows, logs what there is to log, frees everything.  Returns 0 or a
 * negative errno value. */
static int
finish(struct program *program)
{
    uint64_t now = program->capture ? 0 : clock_ns(CLOCK_MONOTONIC);
    int error, trace_error;

    for (unsigned int i = 0; i < program->options.n_workers; i++) {
        ids_finish(program->workers[i].ids, now);
        publish_stats(&program->workers[i]);
    }
    log_stats(program);
    if (program->mbox) {
        mbox_destroy(program->mbox);
    }
    for (unsigned int i = 0; i < program->options.n_workers; i++) {
        ids_destroy(program->workers[i].ids);
    }
    ids_scan_destroy(program->scan);
    trace_error = packet_trace_close(program->trace);
    if (trace_error) {
        message(LOG_ERR, "%s: %s", program->trace_file,
                strerror(-trace_error));
    }
    error = event_log_close(program->log);
    if (error) {
        message(LOG_ERR, "%s: events were lost", program->log_file);
    }
    return error ? error : trace_error;
}

int
main(int argc, char *argv[])
{
    static struct program program;
    static char default_name[32];
    int error;

    snprintf(default_name, sizeof default_name, "ids-%ld", (long) getpid());
    program = (struct program) {
        .options = {
            .size = sizeof(struct mbox_options),
            .name = default_name,
            .class_name = "ids",
            .product = "mbox-ids " PACKAGE_VERSION,
            .n_workers = 1,
        },
        .log_file = "-",
        .scan_config = IDS_SCAN_CONFIG_INITIALIZER,
    };
    parse_options(&program, argc, argv);
    load_rules(&program);
    if (program.capacity) {
        ids_capacity(program.sigs, program.capacity);
        error = 0;
    } else if (!program.capture && !program.options.n_ports) {
        fatal("neither --port nor --read is given; use --help");
    } else {
        program.options.schema = ids_schema(program.sigs);
        if (program.capture) {
            /* Times in a capture are since 1970. */
            program.options.n_workers = 1;
        } else {
            program.start = clock_ns(CLOCK_MONOTONIC);
            program.wall = clock_ns(CLOCK_REALTIME) / 1000;
        }
        open_files(&program);
        program.scan = ids_scan_create(&program.scan_config);
        create_workers(&program);
        error = program.capture ? run_capture(&program) : run_live(&program);

        int finish_error = finish(&program);
        error = error ? error : finish_error;
    }
    ids_sigs_destroy(program.sigs);
    ids_rules_destroy(program.rules);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
