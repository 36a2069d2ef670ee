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

/* mbox-wanopt: one end of a WAN optimizer, as a bump in the wire. */

#include <config.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include "mbox.h"
#include "wanopt-program.h"

/* Callbacks of libmbox. */

static enum mbox_verdict
on_packet(void *program_, unsigned int worker, struct mbox_packet *packet)
{
    struct program *program = program_;

    (void) worker;
    /* The time of processing, not of dequeueing: between them a packet may
     * have been kept in a buffer. */
    return (wanopt_packet(program->wanopt, mb_clock_ns(CLOCK_MONOTONIC),
                          packet->port, packet->data, &packet->len,
                          packet->capacity, &packet->key, &packet->layout)
            ? MBOX_FORWARD : MBOX_DROP);
}

static void
on_tick(void *program_, unsigned int worker, uint64_t now)
{
    struct program *program = program_;

    (void) worker;
    wanopt_tick(program->wanopt, now);
    if (mb_program_stats_due(&program->mp, now)) {
        wanopt_log_stats(program->wanopt);
    }
    mb_program_tick(&program->mp);
}

static uint64_t
get_n_flows(void *program_, unsigned int worker)
{
    struct program *program = program_;

    (void) worker;
    return wanopt_n_flows(program->wanopt);
}

static const struct mbox_ops ops = {
    .packet = on_packet,
    .tick = on_tick,
    .per_flow = &wanopt_flow_ops,
    .multi_flow = &wanopt_chunk_ops,
    .config = &wanopt_config_ops,
    .n_flows = get_n_flows,
    .log = mb_library_message,
};

/* Callbacks of the core. */

static void
on_send(void *program_, unsigned int port, const void *frame, size_t len)
{
    struct program *program = program_;

    /* A frame that is lost here is as one that is lost on the way. */
    mbox_send(program->mp.mbox, 0, port, frame, len);
}

static void
on_dirty_flow(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    mbox_dirty(program->mp.mbox, 0, MBOX_STATE_PER_FLOW, key);
}

static void
on_dirty_chunk(void *program_, const struct mbox_key *key)
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

/* Options. */

static void
usage(void)
{
    printf("\
mbox-wanopt: WAN optimizer whose flows can be moved\n\
usage: mbox-wanopt [OPTION]... --config=FILE --port=PORT [--port=PORT]\n\
       mbox-wanopt --config=FILE --check-config\n\
\n\
Optimizing:\n\
  --config=FILE           networks of both sites, their secret, limits\n\
  --check-config          read FILE, say what is wrong with it, and exit\n\
"
MB_PROGRAM_HELP_LOG "\
  --log-flows             log the end of each flow, too\n\
\n\
Packets:\n"
MB_PROGRAM_HELP_PORTS "\
With two ports one is the site's, the other the WAN's.\n\
\n\
Transfers of state:\n"
MB_PROGRAM_HELP_TRANSFERS("wanopt") "\
\n\
Other:\n"
MB_PROGRAM_HELP_OTHER);
}

static void
parse_options(struct program *program, int argc, char *argv[])
{
    enum { OPT_CONFIG = MB_OPTION_OWN, OPT_CHECK, OPT_LOG_FLOWS };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "check-config", no_argument, NULL, OPT_CHECK },
        { "log-flows", no_argument, NULL, OPT_LOG_FLOWS },
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
        case OPT_LOG_FLOWS:
            program->log_flows = true;
            break;
        }
    }
}

/* Start and end. */

static void
load_config(struct program *program)
{
    char *error;

    if (!program->config_file) {
        mb_fatal("--config is missing; use --help");
    }
    if (wanopt_config_load(program->config_file, &program->config, &error)) {
        mb_fatal("%s", error);
    }
}

static void
create_core(struct program *program)
{
    struct wanopt_setup setup = {
        .config = program->config, .log = program->mp.log,
        .trace = program->mp.trace, .log_flows = program->log_flows,
        .now = mb_clock_ns(CLOCK_MONOTONIC),
        .wall = mb_clock_ns(CLOCK_REALTIME) / 1000,
        .n_ports = program->mp.options.n_ports,
        .send = on_send, .dirty_flow = on_dirty_flow,
        .dirty_chunk = on_dirty_chunk, .is_pending = on_pending,
        .aux = program,
    };

    program->wanopt = wanopt_create(&setup);
}

/* Ends flows, logs what there is to log, frees everything.  Returns 0 or a
 * negative errno value. */
static int
finish(struct program *program)
{
    wanopt_finish(program->wanopt, mb_clock_ns(CLOCK_MONOTONIC));
    wanopt_log_stats(program->wanopt);
    mb_program_destroy_mbox(&program->mp);
    wanopt_destroy(program->wanopt);
    return mb_program_close_files(&program->mp);
}

int
main(int argc, char *argv[])
{
    static struct program program;
    int error = 0;

    mb_program_init(&program.mp, "wanopt");
    program.mp.options.schema = WANOPT_STATE_VERSION;
    parse_options(&program, argc, argv);
    load_config(&program);
    if (program.check_config) {
        printf("%s: good: %zu local networks, %zu remote ones\n",
               program.config_file, program.config->local.n,
               program.config->remote.n);
    } else if (!program.mp.options.n_ports) {
        mb_fatal("--port is missing; use --help");
    } else {
        mb_program_open_files(&program.mp);
        create_core(&program);
        error = mb_program_run(&program.mp, &ops, &program);

        int finish_error = finish(&program);
        error = error ? error : finish_error;
    }
    wanopt_config_destroy(program.config);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
