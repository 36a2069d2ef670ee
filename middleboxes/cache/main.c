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

/* mbox-cache: an HTTP proxy cache, which neither end has to know of. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <syslog.h>
#include "cache-program.h"
#include "mbox.h"

/* Callbacks of libmbox. */

static enum mbox_verdict
on_packet(void *program_, unsigned int worker, struct mbox_packet *packet)
{
    struct program *program = program_;

    (void) worker;
    return (proxy_packet(program->proxy, mb_clock_ns(CLOCK_MONOTONIC),
                         packet->port, packet->data, packet->len,
                         &packet->key, &packet->layout)
            ? MBOX_FORWARD : MBOX_DROP);
}

static void
on_tick(void *program_, unsigned int worker, uint64_t now)
{
    struct program *program = program_;

    (void) worker;
    proxy_tick(program->proxy, now);
    if (mb_program_stats_due(&program->mp, now)) {
        proxy_log_stats(program->proxy);
    }
    mb_program_tick(&program->mp);
}

static void
on_ready(void *program_)
{
    struct program *program = program_;

    proxy_ready(program->proxy, mb_clock_ns(CLOCK_MONOTONIC));
}

static uint64_t
get_n_flows(void *program_, unsigned int worker)
{
    struct program *program = program_;

    (void) worker;
    return proxy_n_flows(program->proxy);
}

static const struct mbox_ops ops = {
    .packet = on_packet,
    .tick = on_tick,
    .per_flow = &cache_flow_ops,
    .multi_flow = &cache_object_ops,
    .config = &cache_config_ops,
    .n_flows = get_n_flows,
    .log = mb_library_message,
};

/* Callbacks of the proxy. */

static void
on_send(void *program_, unsigned int port, const void *frame, size_t len)
{
    struct program *program = program_;

    /* A frame that is lost here is as one that is lost on the way. */
    if (program->mp.mbox) {
        mbox_send(program->mp.mbox, 0, port, frame, len);
    }
}

static void
on_dirty_flow(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    mbox_dirty(program->mp.mbox, 0, MBOX_STATE_PER_FLOW, key);
}

static void
on_dirty_object(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    mbox_dirty(program->mp.mbox, 0, MBOX_STATE_MULTI_FLOW, key);
}

static bool
on_pending(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    return mbox_is_pending(program->mp.mbox, 0, key);
}

static bool
on_frozen(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    return mbox_is_frozen(program->mp.mbox, key);
}

/* Options. */

static void
usage(void)
{
    printf("\
mbox-cache: HTTP proxy cache whose connections can be moved\n\
usage: mbox-cache [OPTION]... --port=PORT [--port=PORT]\n\
       mbox-cache --config=FILE --check-config\n\
\n\
Caching:\n\
  --config=FILE           ports of servers, memory, limits\n\
  --check-config          read FILE, say what is wrong with it, and exit\n\
"
MB_PROGRAM_HELP_LOG "\
\n\
Packets:\n"
MB_PROGRAM_HELP_PORTS "\
With two ports clients are at one, servers at the other.\n\
\n\
Transfers of state:\n"
MB_PROGRAM_HELP_TRANSFERS("cache") "\
\n\
Other:\n"
MB_PROGRAM_HELP_OTHER);
}

static void
parse_options(struct program *program, int argc, char *argv[])
{
    enum { OPT_CONFIG = MB_OPTION_OWN, OPT_CHECK };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "check-config", no_argument, NULL, OPT_CHECK },
        MB_PROGRAM_LONG_OPTIONS,
        { NULL, 0, NULL, 0 },
    };
    int c;

    while ((c = mb_program_next_option(&program->mp, argc, argv, long_options,
                                       usage)) != -1) {
        switch (c) {
        case OPT_CONFIG:
            program->config_file = optarg;
            break;
        case OPT_CHECK:
            program->check_config = true;
            break;
        }
    }
}

/* Start and end. */

static void
load_config(struct program *program)
{
    char *error;

    proxy_config_init(&program->config);
    if (program->config_file
        && proxy_config_load(&program->config, program->config_file,
                             &error)) {
        mb_fatal("%s", error);
    }
}

/* Two sockets for each connection, and some for the rest: without them, those
 * that the kernel has opened could not be accepted. */
static void
raise_limit(const struct program *program)
{
    rlim_t n = 2 * (rlim_t) program->config.max_flows + 256;
    struct rlimit limit;

    if (getrlimit(RLIMIT_NOFILE, &limit) || limit.rlim_cur >= n) {
        return;
    }
    rlim_t max = limit.rlim_max > n ? limit.rlim_max : n;
    if (setrlimit(RLIMIT_NOFILE, &(struct rlimit) { n, max })) {
        mb_message(LOG_WARNING, "cannot open %ju files, as so many "
                   "connections need: %s", (uintmax_t) n, strerror(errno));

        /* As many as possible. */
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

static void
create_proxy(struct program *program)
{
    struct proxy_setup setup = {
        .config = &program->config, .log = program->mp.log,
        .trace = program->mp.trace, .now = mb_clock_ns(CLOCK_MONOTONIC),
        .n_ports = program->mp.options.n_ports,
        .send = on_send, .dirty_flow = on_dirty_flow,
        .dirty_object = on_dirty_object, .is_pending = on_pending,
        .is_frozen = on_frozen, .aux = program,
    };
    char *error;

    if (proxy_create(&setup, &program->proxy, &error)) {
        mb_fatal("%s", error ? error : "out of resources");
    }
    if (proxy_cannot_move(program->proxy)) {
        mb_message(LOG_WARNING, "connections cannot be moved, as TCP_REPAIR "
                   "fails: %s; objects can",
                   proxy_cannot_move(program->proxy));
    }
    program->mp.watch_fd = proxy_fd(program->proxy);
    program->mp.watch_ready = on_ready;
}

/* Logs what there is to log, frees everything.  Returns 0 or a negative errno
 * value. */
static int
finish(struct program *program)
{
    proxy_log_stats(program->proxy);
    mb_program_destroy_mbox(&program->mp);
    proxy_destroy(program->proxy);
    return mb_program_close_files(&program->mp);
}

int
main(int argc, char *argv[])
{
    static struct program program;
    int error = 0;

    mb_program_init(&program.mp, "cache");
    program.mp.options.schema = CACHE_STATE_VERSION;
    parse_options(&program, argc, argv);
    load_config(&program);
    if (program.check_config) {
        printf("%s: good: %zu ports, %u MiB\n",
               program.config_file ? program.config_file : "defaults",
               program.config.n_ports, program.config.memory);
    } else if (!program.mp.options.n_ports) {
        mb_fatal("--port is missing; use --help");
    } else {
        mb_program_open_files(&program.mp);
        raise_limit(&program);
        create_proxy(&program);
        error = mb_program_run(&program.mp, &ops, &program);

        int finish_error = finish(&program);
        error = error ? error : finish_error;
    }
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
