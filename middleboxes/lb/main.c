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
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf.h"
#include "lb-program.h"
#include "mbox.h"

/* Callbacks of libmbox. */

static enum mbox_verdict
on_packet(void *program_, unsigned int worker, struct mbox_packet *packet)
{
    struct program *program = program_;

    /* The time of processing, not of dequeueing: between them a packet may
     * have been kept in a buffer. */
    switch (lb_packet(program->lb, mb_clock_ns(CLOCK_MONOTONIC), packet->port,
                      packet->data, packet->len, &packet->key,
                      &packet->layout)) {
    case LB_FORWARD:
        return MBOX_FORWARD;
    case LB_RETURN:
        mbox_send(program->mp.mbox, worker, packet->port, packet->data,
                  packet->len);
        return MBOX_DROP;
    case LB_DROP:
    default:
        return MBOX_DROP;
    }
}

static void
on_tick(void *program_, unsigned int worker, uint64_t now)
{
    struct program *program = program_;

    (void) worker;
    lb_tick(program->lb, now);
    if (mb_program_stats_due(&program->mp, now)) {
        lb_log_stats(program->lb);
    }
    mb_program_tick(&program->mp);
}

static uint64_t
get_n_flows(void *program_, unsigned int worker)
{
    struct program *program = program_;

    (void) worker;
    return lb_n_conns(program->lb);
}

static const struct mbox_ops ops = {
    .packet = on_packet,
    .tick = on_tick,
    .per_flow = &lb_conn_ops,
    .all_flows = &lb_health_ops,
    .config = &lb_config_ops,
    .n_flows = get_n_flows,
    .log = mb_library_message,
    .list_aliases = lb_list_aliases,
};

/* Callbacks of the core. */

static void
on_send(void *program_, unsigned int port, const struct lb_frame *f)
{
    struct program *program = program_;

    /* A frame that is lost here is as one that is lost on the way: a check is
     * repeated, and who asked asks again. */
    mbox_send(program->mp.mbox, 0, port, f->data, f->len);
}

static void
on_dirty(void *program_, const struct mbox_key *key)
{
    struct program *program = program_;

    mbox_dirty(program->mp.mbox, 0, MBOX_STATE_PER_FLOW, key);
}

static void
on_alias(void *program_, const struct mbox_key *key,
         const struct mbox_key *back)
{
    struct program *program = program_;

    mbox_alias(program->mp.mbox, 0, key, back);
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
"
MB_PROGRAM_HELP_LOG "\
  --log-connections       log the end of each connection, too\n\
\n\
Packets:\n"
MB_PROGRAM_HELP_PORTS "\
With two ports clients are at the first and backends at the second.\n\
\n\
Transfers of state:\n"
MB_PROGRAM_HELP_TRANSFERS("lb") "\
\n\
Other:\n"
MB_PROGRAM_HELP_OTHER);
}

static void
add_address(struct program *program, const char *value)
{
    static const uint8_t zeros[16];
    uint8_t addr[16];
    uint8_t family = conf_address(value, addr);

    if (!family) {
        mb_fatal("--address: \"%s\" is not a numeric address", value);
    }
    if (memcmp(program->addrs[family == 6], zeros, sizeof zeros)) {
        mb_fatal("--address: a second IPv%u address", family);
    }
    memcpy(program->addrs[family == 6], addr, sizeof addr);
}

static void
parse_options(struct program *program, int argc, char *argv[])
{
    enum { OPT_CONFIG = MB_OPTION_OWN, OPT_CHECK, OPT_ADDRESS, OPT_LOG_CONNS };
    static const struct option long_options[] = {
        { "config", required_argument, NULL, OPT_CONFIG },
        { "check-config", no_argument, NULL, OPT_CHECK },
        { "address", required_argument, NULL, OPT_ADDRESS },
        { "log-connections", no_argument, NULL, OPT_LOG_CONNS },
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
        case OPT_ADDRESS:
            add_address(program, optarg);
            break;
        case OPT_LOG_CONNS:
            program->log_connections = true;
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
    if (lb_config_load(program->config_file, &program->config, &error)) {
        mb_fatal("%s", error);
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
create_core(struct program *program)
{
    struct lb_setup setup = {
        .config = program->config, .log = program->mp.log,
        .trace = program->mp.trace,
        .log_connections = program->log_connections,
        .now = mb_clock_ns(CLOCK_MONOTONIC),
        .wall = mb_clock_ns(CLOCK_REALTIME) / 1000,
        .backend_port = program->mp.options.n_ports - 1,
        .send = on_send, .dirty = on_dirty, .alias = on_alias,
        .is_pending = on_pending, .aux = program,
    };
    char *error;

    memcpy(setup.addrs, program->addrs, sizeof setup.addrs);
    program->lb = lb_create(&setup, &error);
    if (!program->lb) {
        mb_fatal("%s", error);
    }
}

/* Ends connections, logs what there is to log, frees everything.  Returns 0 or
 * a negative errno value. */
static int
finish(struct program *program)
{
    lb_finish(program->lb, mb_clock_ns(CLOCK_MONOTONIC));
    lb_log_stats(program->lb);
    mb_program_destroy_mbox(&program->mp);
    lb_destroy(program->lb);
    return mb_program_close_files(&program->mp);
}

int
main(int argc, char *argv[])
{
    static struct program program;
    int error = 0;

    mb_program_init(&program.mp, "lb");
    program.mp.options.schema = LB_STATE_VERSION;
    parse_options(&program, argc, argv);
    load_config(&program);
    if (program.check_config) {
        print_config(&program);
    } else if (!program.mp.options.n_ports) {
        mb_fatal("--port is missing; use --help");
    } else {
        mb_program_open_files(&program.mp);
        create_core(&program);
        error = mb_program_run(&program.mp, &ops, &program);

        int finish_error = finish(&program);
        error = error ? error : finish_error;
    }
    lb_config_destroy(program.config);
    return error ? EXIT_FAILURE : EXIT_SUCCESS;
}
