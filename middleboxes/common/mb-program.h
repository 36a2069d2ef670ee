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

#ifndef MB_PROGRAM_H
#define MB_PROGRAM_H 1

/* The program around a middlebox
 * ==============================
 *
 * What the programs of all middleboxes do alike: messages, the options that
 * they have in common, event log and packet trace, signals, and the time from
 * mbox_create() to mbox_destroy().
 *
 * A program embeds a struct mb_program and calls, in this order,
 * mb_program_init(), mb_program_next_option() until there are no more of its
 * own, mb_program_open_files(), mb_program_run(), in whose callbacks it calls
 * mb_program_tick() in one thread, mb_program_destroy_mbox() when it has
 * logged the end of its flows, and mb_program_close_files().  There is one in
 * a process: signal handlers refer to it. */

#include <getopt.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>
#include "mbox.h"

#define MB_SECOND UINT64_C(1000000000)

struct mb_program {
    char name[32];                      /* Of the program: "mbox-lb". */
    char default_instance[32];          /* "lb-PID". */
    char product[64];
    struct mbox_options options;
    const char *log_file;               /* "-": standard output. */
    const char *trace_file;             /* NULL: none. */
    unsigned int stats_interval;        /* Seconds; 0: at the end only. */
    int watch_fd;                       /* For mbox_watch(), or -1. */
    void (*watch_ready)(void *aux);

    struct event_log *log;
    struct packet_trace *trace;         /* NULL: none. */
    struct mbox *mbox;                  /* NULL before it runs. */
    uint64_t next_stats;
    bool trace_failed;                  /* It has been reported. */
};

/* Prepares the program "mbox-CLASS_NAME" with defaults for all options. */
void mb_program_init(struct mb_program *, const char *class_name);

/* Writes a message to standard error; 'level' is one of <syslog.h>.  Any
 * thread. */
void mb_message(int level, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Writes a message to standard error and ends the process with failure. */
void mb_fatal(const char *format, ...)
    __attribute__((format(printf, 1, 2), noreturn));

/* Options.
 *
 * A program puts MB_PROGRAM_LONG_OPTIONS into its table for getopt_long(),
 * numbers its own from MB_OPTION_OWN on, and prints the texts below as parts
 * of its help. */
enum mb_option {
    MB_OPTION_LOG = 256,
    MB_OPTION_STATS,
    MB_OPTION_TRACE,
    MB_OPTION_PORT,
    MB_OPTION_DPDK,
    MB_OPTION_NAME,
    MB_OPTION_CLASS,
    MB_OPTION_COORDINATOR,
    MB_OPTION_PRIVATE_KEY,
    MB_OPTION_CERTIFICATE,
    MB_OPTION_CA_CERT,
    MB_OPTION_OWN,
    MB_OPTION_HELP = 'h',
    MB_OPTION_VERSION = 'V'
};

#define MB_PROGRAM_LONG_OPTIONS                                             \
    { "log", required_argument, NULL, MB_OPTION_LOG },                      \
    { "stats-interval", required_argument, NULL, MB_OPTION_STATS },         \
    { "trace", required_argument, NULL, MB_OPTION_TRACE },                  \
    { "port", required_argument, NULL, MB_OPTION_PORT },                    \
    { "dpdk-args", required_argument, NULL, MB_OPTION_DPDK },               \
    { "name", required_argument, NULL, MB_OPTION_NAME },                    \
    { "class", required_argument, NULL, MB_OPTION_CLASS },                  \
    { "coordinator", required_argument, NULL, MB_OPTION_COORDINATOR },      \
    { "private-key", required_argument, NULL, MB_OPTION_PRIVATE_KEY },      \
    { "certificate", required_argument, NULL, MB_OPTION_CERTIFICATE },      \
    { "ca-cert", required_argument, NULL, MB_OPTION_CA_CERT },              \
    { "help", no_argument, NULL, MB_OPTION_HELP },                          \
    { "version", no_argument, NULL, MB_OPTION_VERSION }

#define MB_PROGRAM_HELP_LOG "\
  --log=FILE              append events to FILE (default: -, the output)\n\
  --stats-interval=SEC    log counters every SEC seconds, too\n\
  --trace=FILE            record each packet processed, for tests\n"

#define MB_PROGRAM_HELP_PORTS "\
  --port=afpacket:IFACE   network device\n\
  --port=dpdk:NAME        DPDK device, with\n\
  --dpdk-args=\"ARGS\"      arguments of DPDK's EAL\n"

#define MB_PROGRAM_HELP_TRANSFERS(CLASS) "\
  --name=NAME             name of this instance (default: " CLASS "-PID)\n\
  --class=CLASS           class of the instance (default: " CLASS ")\n\
  --coordinator=REMOTE    unix:PATH, serial:PATH or ssl:HOST:PORT, with\n\
  --private-key=FILE      this instance's private key,\n\
  --certificate=FILE      its certificate, and\n\
  --ca-cert=FILE          the one that the coordinator's is signed by\n"

#define MB_PROGRAM_HELP_OTHER "\
  --help                  print this, and exit\n\
  --version               print the version, and exit\n\
\n\
SIGHUP opens the log again.  SIGTERM and SIGINT end the program.\n"

/* Returns the next of the program's own options, with its argument in
 * 'optarg', or -1 after the last; takes the common ones.  Anything that is
 * wrong ends the process, and so does --help, after 'usage'. */
int mb_program_next_option(struct mb_program *, int argc, char *argv[],
                           const struct option *long_options,
                           void (*usage)(void));

/* Returns the number 'value' of option --NAME, or ends the process if it is
 * not one from 'min' to 'max'. */
unsigned int mb_parse_uint(const char *name, const char *value,
                           unsigned int min, unsigned int max);

/* Opens event log and packet trace; ends the process if that fails. */
void mb_program_open_files(struct mb_program *);

/* Processes packets until SIGTERM or SIGINT.  Later ones, and SIGHUP, are then
 * ignored: they must neither reach what is freed nor interrupt the writing of
 * logs.  Returns 0 or a negative errno value, after a message. */
int mb_program_run(struct mb_program *, const struct mbox_ops *, void *aux);

/* Whether it is time to log counters, 'now' being the time of a tick, ns. */
bool mb_program_stats_due(struct mb_program *, uint64_t now);

/* Opens the log again after SIGHUP, and writes out log and trace: to be called
 * at each tick of one worker. */
void mb_program_tick(struct mb_program *);

/* For 'log' of struct mbox_ops. */
void mb_library_message(void *aux, int level, const char *text);

/* Destroys 'mbox', if it has been created. */
void mb_program_destroy_mbox(struct mb_program *);

/* Closes event log and packet trace.  Returns 0, or a negative errno value if
 * anything was lost since they were opened, after a message. */
int mb_program_close_files(struct mb_program *);

/* The time of a clock, ns. */
static inline uint64_t
mb_clock_ns(clockid_t id)
{
    struct timespec ts;

    clock_gettime(id, &ts);
    return ts.tv_sec * MB_SECOND + ts.tv_nsec;
}

#endif /* mb-program.h */
