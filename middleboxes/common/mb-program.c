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
#include "mb-program.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <syslog.h>
#include <unistd.h>
#include "event-log.h"
#include "packet-trace.h"

/* For messages: set once, before there are threads. */
static const char *program_name = "mbox";

/* For signal handlers. */
static struct mbox *running;
static volatile sig_atomic_t reopen_log;

void
mb_program_init(struct mb_program *mp, const char *class_name)
{
    *mp = (struct mb_program) {
        .options = {
            .size = sizeof(struct mbox_options),
            .class_name = class_name,
            .n_workers = 1,
        },
        .log_file = "-",
        .watch_fd = -1,
    };
    snprintf(mp->name, sizeof mp->name, "mbox-%s", class_name);
    snprintf(mp->default_instance, sizeof mp->default_instance, "%s-%ld",
             class_name, (long) getpid());
    snprintf(mp->product, sizeof mp->product, "%s " PACKAGE_VERSION,
             mp->name);
    mp->options.name = mp->default_instance;
    mp->options.product = mp->product;
    program_name = mp->name;
}

void
mb_message(int level, const char *format, ...)
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
    fprintf(stderr, "%s: %s: %s\n", program_name, names[level & 7], text);
}

void
mb_fatal(const char *format, ...)
{
    char text[1024];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    fprintf(stderr, "%s: %s\n", program_name, text);
    exit(EXIT_FAILURE);
}

void
mb_library_message(void *aux, int level, const char *text)
{
    (void) aux;
    mb_message(level, "%s", text);
}

/* Options. */

unsigned int
mb_parse_uint(const char *name, const char *value, unsigned int min,
              unsigned int max)
{
    char *end;
    unsigned long n;

    errno = 0;
    n = strtoul(value, &end, 10);
    if (errno || !*value || *value == '-' || *end || n < min || n > max) {
        mb_fatal("--%s: \"%s\" is not a number from %u to %u", name, value,
                 min, max);
    }
    return n;
}

/* Takes one of the common options, 'c', with its argument in 'optarg'.  Of any
 * other getopt_long() has complained. */
static void
take_option(struct mb_program *mp, int c)
{
    struct mbox_options *o = &mp->options;

    switch (c) {
    case MB_OPTION_LOG:
        mp->log_file = optarg;
        break;
    case MB_OPTION_STATS:
        mp->stats_interval = mb_parse_uint("stats-interval", optarg, 1,
                                           86400);
        break;
    case MB_OPTION_TRACE:
        mp->trace_file = optarg;
        break;
    case MB_OPTION_PORT:
        if (o->n_ports >= 2) {
            mb_fatal("--port: at most two ports");
        }
        o->ports[o->n_ports++] = optarg;
        break;
    case MB_OPTION_DPDK:
        o->dpdk_args = optarg;
        break;
    case MB_OPTION_NAME:
        o->name = optarg;
        break;
    case MB_OPTION_CLASS:
        o->class_name = optarg;
        break;
    case MB_OPTION_COORDINATOR:
        o->coordinator = optarg;
        break;
    case MB_OPTION_PRIVATE_KEY:
        o->private_key = optarg;
        break;
    case MB_OPTION_CERTIFICATE:
        o->certificate = optarg;
        break;
    case MB_OPTION_CA_CERT:
        o->ca_cert = optarg;
        break;
    case MB_OPTION_VERSION:
        printf("%s\n", mp->product);
        exit(EXIT_SUCCESS);
    default:
        exit(EXIT_FAILURE);
    }
}

int
mb_program_next_option(struct mb_program *mp, int argc, char *argv[],
                       const struct option *long_options, void (*usage)(void))
{
    for (;;) {
        int c = getopt_long(argc, argv, "hV", long_options, NULL);

        if (c == -1) {
            if (optind < argc) {
                mb_fatal("unexpected argument \"%s\"; use --help",
                         argv[optind]);
            }
            return -1;
        } else if (c == MB_OPTION_HELP) {
            usage();
            exit(EXIT_SUCCESS);
        } else if (c >= MB_OPTION_OWN) {
            return c;
        }
        take_option(mp, c);
    }
}

/* Event log and packet trace. */

static void
on_log_error(void *aux, const char *text)
{
    mb_library_message(aux, LOG_ERR, text);
}

void
mb_program_open_files(struct mb_program *mp)
{
    int error = event_log_open(mp->log_file, mp->options.name, on_log_error,
                               NULL, &mp->log);

    if (error) {
        mb_fatal("%s: %s", mp->log_file, strerror(-error));
    }
    if (mp->trace_file) {
        error = packet_trace_open(mp->trace_file, mp->options.name,
                                  &mp->trace);
        if (error) {
            mb_fatal("%s: %s", mp->trace_file, strerror(-error));
        }
    }
}

static void
flush_trace(struct mb_program *mp)
{
    int error = packet_trace_flush(mp->trace);

    if (error && !mp->trace_failed) {
        mp->trace_failed = true;
        mb_message(LOG_ERR, "%s: records are being lost: %s", mp->trace_file,
                   strerror(-error));
    }
}

void
mb_program_tick(struct mb_program *mp)
{
    if (reopen_log) {
        reopen_log = 0;

        int error = event_log_reopen(mp->log);
        if (error) {
            mb_message(LOG_ERR, "%s: cannot be opened again: %s",
                       mp->log_file, strerror(-error));
        }
    }
    event_log_flush(mp->log);
    if (mp->trace) {
        flush_trace(mp);
    }
}

bool
mb_program_stats_due(struct mb_program *mp, uint64_t now)
{
    if (!mp->stats_interval || now < mp->next_stats) {
        return false;
    }
    mp->next_stats = now + mp->stats_interval * MB_SECOND;
    return true;
}

int
mb_program_close_files(struct mb_program *mp)
{
    int trace_error = packet_trace_close(mp->trace);

    if (trace_error) {
        mb_message(LOG_ERR, "%s: %s", mp->trace_file, strerror(-trace_error));
    }

    int error = event_log_close(mp->log);
    if (error) {
        mb_message(LOG_ERR, "%s: events were lost", mp->log_file);
    }
    return error ? error : trace_error;
}

/* Running. */

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

int
mb_program_run(struct mb_program *mp, const struct mbox_ops *ops, void *aux)
{
    char *error = NULL;
    int retval;

    retval = mbox_create(&mp->options, ops, aux, &mp->mbox, &error);
    if (retval) {
        mb_message(LOG_ERR, "%s", error ? error : strerror(-retval));
        free(error);
        return retval;
    }
    if (mp->watch_fd >= 0) {
        mbox_watch(mp->mbox, mp->watch_fd, mp->watch_ready);
    }
    running = mp->mbox;
    set_signal_handler(on_signal);
    retval = mbox_run(mp->mbox);
    set_signal_handler(SIG_IGN);
    if (retval) {
        mb_message(LOG_ERR, "packet input and output failed: %s",
                   strerror(-retval));
    }
    return retval;
}

void
mb_program_destroy_mbox(struct mb_program *mp)
{
    if (mp->mbox) {
        mbox_destroy(mp->mbox);
        mp->mbox = NULL;
    }
}
