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

/* mbox-lb: a load balancer for connections, as a bump in the wire. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "event-log.h"
#include "lb-program.h"
#include "mbox.h"
#include "packet-trace.h"

#define SECOND UINT64_C(1000000000)

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
    fprintf(stderr, "mbox-lb: %s: %s\n", names[level & 7], text);
}

static void __attribute__((format(printf, 1, 2), noreturn))
fatal(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "mbox-lb: %s\n", text);
    exit(EXIT_FAILURE);
}

/* Callbacks of libmbox. */

static enum mbox_verdict
on_packet(void *program_, unsigned int worker, struct mbox_packet *packet)
{
    struct program *program = program_;

    /* The time of processing, not of dequeueing: between them a packet may
     * have been kept in a buffer. */
    switch (lb_packet(program->lb, clock_ns(CLOCK_MONOTONIC), packet->port,
                      packet->data, packet->len, &packet->key,
                      &packet->layout)) {
    case LB_FORWARD:
        return MBOX_FORWARD;
    case LB_RETURN:
        mbox_send(program->mbox, worker, packet->port, packet->data,
                  packet->len);
        return MBOX_DROP;
    case LB_DROP:
    default:
        return MBOX_DROP;
    }
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

    (void) worker;
    lb_tick(program->lb, now);
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
        lb_log_stats(program->lb);
    }
    flush_files(program);
}

static uint64_t
get_n_flows(void *program_, unsigned int worker)
{
    struct program *program = program_;

    (void) worker;
    return lb_n_conns(program->lb);
}

static void
on_library_message(void *program, int level, const char *text)
{
    (void) program;
    message(level, "%s", text);
}

static const struct mbox_ops ops = {
    .packet = on_packet,
    .tick = on_tick,
    .per_flow = &lb_conn_ops,
    .all_flows = &lb_health_ops,
    .config = &lb_config_ops,
    .n_flows = get_n_flows,
    .log = on_library_message,
    .list_aliases = lb_list_aliases,
};

/* Callbacks of the core. */

static void
on_send(void *program_, unsigned int port, const struct lb_frame *f)
{
    struct program *program = program_;

    /* A frame that is lost here is as one that is lost on the way: a check is
     * repeated, and who asked asks again. */
    mbox_send(program->mbox, 0, port, f->data, f->len);
}

static void
on_dirty(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    mbox_dirty(program->mbox, 0, MBOX_STATE_PER_FLOW, key);
}

static void
on_alias(void *program_, const struct mbox_key *key,
         const struct mbox_key *back)
{
    struct program *program = program_;

    mbox_alias(program->mbox, 0, key, back);
}

static bool
on_pending(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    return mbox_is_pending(program->mbox, 0, key);
}

static void
on_log_error(void *program, const char *text)
{
    (void) program;
    message(LOG_ERR, "%s", text);
}

/* Options. */

static void
usage(void)
{
    printf("\
mbox-lb: load balancer whose connections can be moved\n\
usage: mbox-lb [OPTION]... --config=FILE --address=IP... --port=PORT\n\
               [--port=PORT]\n\
       mbox-lb --config=FILE --check-config\n\
\n\
Balancing:\n\
  --config=FILE           services and their backends\n\
  --check-config          read FILE, say what is wrong with it, and exit\n\
  --address=IP            own address of this instance, to check backends\n\
                          from; once for IPv4, once for IPv6\n\
  --log=FILE              append events to FILE (default: -, the output)\n\
  --log-connections       log the end of each connection, too\n\
  --stats-interval=SEC    log counters every SEC seconds, too\n\
  --trace=FILE            record each packet processed, for tests\n\
\n\
Packets:\n\
  --port=afpacket:IFACE   network device\n\
  --port=dpdk:NAME        DPDK device, with\n\
  --dpdk-args=\"ARGS\"      arguments of DPDK's EAL\n\
With two ports clients are at the first and backends at the second.\n\
\n\
Transfers of state:\n\
  --name=NAME             name of this instance (default: lb-PID)\n\
  --class=CLASS           class of the instance (default: lb)\n\
  --coordinator=REMOTE    unix:PATH, serial:PATH or ssl:HOST:PORT, with\n\
  --private-key=FILE      this instance's private key,\n\
  --certificate=FILE      its certificate, and\n\
  --ca-cert=FILE          the one that the coordinator's is signed by\n\
\n\
Other:\n\
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
add_address(struct program *program, const char *value)
{
    static const uint8_t zeros[16];
    uint8_t addr[16];
    uint8_t family = lb_parse_address(value, addr);

    if (!family) {
        fatal("--address: \"%s\" is not a numeric address", value);
    }
    if (memcmp(program->addrs[family == 6], zeros, sizeof zeros)) {
        fatal("--address: a second IPv%u address", family);
    }
    memcpy(program->addrs[family == 6], addr, sizeof addr);
}

static void
parse_options(struct program *program, int argc, char *argv[])
{
    enum { OPT_CONFIG = 256, OPT_CHECK, OPT_ADDRESS, OPT_LOG, OPT_LOG_CONNS,
           OPT_STATS, OPT_TRACE, OPT_PORT, OPT_DPDK, OPT_NAME, OPT_CLASS,
           OPT_COORDINATOR, OPT_KEY, OPT_CERT, OPT_CA };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "check-config", no_argument, NULL, OPT_CHECK },
        { "address", required_argument, NULL, OPT_ADDRESS },
        { "log", required_argument, NULL, OPT_LOG },
        { "log-connections", no_argument, NULL, OPT_LOG_CONNS },
        { "stats-interval", required_argument, NULL, OPT_STATS },
        { "trace", required_argument, NULL, OPT_TRACE },
        { "port", required_argument, NULL, OPT_PORT },
        { "dpdk-args", required_argument, NULL, OPT_DPDK },
        { "name", required_argument, NULL, OPT_NAME },
        { "class", required_argument, NULL, OPT_CLASS },
        { "coordinator", required_argument, NULL, OPT_COORDINATOR },
        { "private-key", required_argument, NULL, OPT_KEY },
        { "certificate", required_argument, NULL, OPT_CERT },
        { "ca-cert", required_argument, NULL, OPT_CA },
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
        case OPT_CONFIG:
            program->config_file = optarg;
            break;
        case OPT_CHECK:
            program->check_config = true;
            break;
        case OPT_ADDRESS:
            add_address(program, optarg);
            break;
        case OPT_LOG:
            program->log_file = optarg;
            break;
        case OPT_LOG_CONNS:
            program->log_connections = true;
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
        case 'h':
            usage();
            exit(EXIT_SUCCESS);
        case 'V':
            printf("mbox-lb %s\n", PACKAGE_VERSION);
            exit(EXIT_SUCCESS);
        default:
            exit(EXIT_FAILURE);
        }
    }
}

/* Start and end. */

static void
load_config(struct program *program)
{
    char *error;

    if (!program->config_file) {
        fatal("--config is missing; use --help");
    }
    if (lb_config_load(program->config_file, &program->config, &error)) {
        fatal("%s", error);
    }
}

static void
print_config(const struct program *program)
{
    size_t n = 0;

    for (size_t i = 0; i < program->config->n_services; i++) {
        n += program->config->services[i].n_backends;
    }
    printf("%s: good: %zu services, %zu backends\n", program->config_file,
           program->config->n_services, n);
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
create_core(struct program *program)
{
    struct lb_setup setup = {
        .config = program->config, .log = program->log,
        .trace = program->trace,
        .log_connections = program->log_connections,
        .now = clock_ns(CLOCK_MONOTONIC),
        .wall = clock_ns(CLOCK_REALTIME) / 1000,
        .backend_port = program->options.n_ports - 1,
        .send = on_send, .dirty = on_dirty, .alias = on_alias,
        .is_pending = on_pending, .aux = program,
    };
    char *error;

    memcpy(setup.addrs, program->addrs, sizeof setup.addrs);
    program->lb = lb_create(&setup, &error);
    if (!program->lb) {
        fatal("%s", error);
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
run(struct program *program)
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

/* Ends connections, logs what there is to log, frees everything.  Returns 0 or
 * a negative errno value. */
static int
finish(struct program *program)
{
    int error, trace_error;

    lb_finish(program->lb, clock_ns(CLOCK_MONOTONIC));
    lb_log_stats(program->lb);
    if (program->mbox) {
        mbox_destroy(program->mbox);
    }
    lb_destroy(program->lb);
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
    int error = 0;

    snprintf(default_name, sizeof default_name, "lb-%ld", (long) getpid());
    program = (struct program) {
        .options = {
            .size = sizeof(struct mbox_options),
            .name = default_name,
            .class_name = "lb",
            .product = "mbox-lb " PACKAGE_VERSION,
            .schema = LB_STATE_VERSION,
            .n_workers = 1,
        },
        .log_file = "-",
    };
    parse_options(&program, argc, argv);
    load_config(&program);
    if (program.check_config) {
        print_config(&program);
    } else if (!program.options.n_ports) {
        fatal("--port is missing; use --help");
    } else {
        open_files(&program);
        create_core(&program);
        error = run(&program);

        int finish_error = finish(&program);
        error = error ? error : finish_error;
    }
    lb_config_destroy(program.config);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
