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

/* mbox-trace-check: what became of the packets, from traces of mbox-ids
 * =====================================================================
 *
 * Reads the traces of all instances that packets went through, puts their
 * records in order of time, and checks that each packet was processed once and
 * in order.  Documentation/packet-trace.md describes the format and how loss,
 * reordering and duplication are told. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "packet-trace.h"

struct records {
    struct packet_trace_record *records;
    size_t n, allocated;
};

struct options {
    uint64_t from, to;          /* Window of time, ns. */
    uint64_t max_latency;       /* ns; UINT64_MAX: no limit. */
    uint64_t expect;            /* Probes; UINT64_MAX: unknown. */
    bool from_zero;             /* Sequence numbers start at 0. */
    bool strict_tcp;
    bool own_clocks;
    bool json;
};

/* Findings about probes. */
struct probe_result {
    uint64_t packets;           /* Distinct ones. */
    uint64_t flows;
    uint64_t lost, reordered, duplicated;
    uint64_t *latencies;        /* Sorted; one for each record. */
    size_t n_latencies;
};

/* Findings about TCP segments. */
struct tcp_result {
    uint64_t segments, streams, bytes;
    uint64_t out_of_order;      /* Segments behind a hole. */
    uint64_t repeated;          /* Segments with bytes processed before. */
    uint64_t missing;           /* Bytes in holes that were never filled. */
};

static void __attribute__((format(printf, 1, 2), noreturn))
fatal(const char *format, ...)
{
    va_list args;

    fputs("mbox-trace-check: ", stderr);
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(2);
}

/* Reading. */

static uint64_t
get_u32(const uint8_t *p)
{
    return (uint32_t) p[0] << 24 | p[1] << 16 | p[2] << 8 | p[3];
}

/* Sets the clock of the records from number 'start' on, which may be anything
 * constant before or behind that of the probes' sender, to the sender's: as if
 * the fastest probe had taken no time. */
static void
set_clock(const char *name, struct records *all, size_t start)
{
    uint64_t ahead = 0;
    bool known = false;

    for (size_t i = start; i < all->n; i++) {
        const struct packet_trace_record *r = &all->records[i];

        if (r->kind == PACKET_TRACE_PROBE
            && (!known || (int64_t) (r->time - r->sent - ahead) < 0)) {
            ahead = r->time - r->sent;
            known = true;
        }
    }
    if (!known && all->n > start) {
        fatal("%s: no probe tells how its clock goes", name);
    }
    for (size_t i = start; i < all->n; i++) {
        all->records[i].time -= ahead;
    }
}

/* Drops the records from number 'start' on that are not in the window. */
static void
select_window(const struct options *options, struct records *all,
              size_t start)
{
    size_t n = start;

    for (size_t i = start; i < all->n; i++) {
        const struct packet_trace_record *r = &all->records[i];

        if (r->time >= options->from && r->time <= options->to) {
            all->records[n++] = *r;
        }
    }
    all->n = n;
}

static void
read_trace(const char *name, const struct options *options,
           struct records *all)
{
    size_t start = all->n;
    uint8_t header[PACKET_TRACE_HEADER_LEN];
    uint8_t bytes[PACKET_TRACE_RECORD_LEN];
    FILE *file = fopen(name, "re");
    size_t n;

    if (!file) {
        fatal("%s: %s", name, strerror(errno));
    }
    if (fread(header, sizeof header, 1, file) != 1
        || memcmp(header, PACKET_TRACE_MAGIC, 8)
        || get_u32(header + 12) != PACKET_TRACE_RECORD_LEN) {
        fatal("%s: not a trace", name);
    }
    while ((n = fread(bytes, 1, sizeof bytes, file)) == sizeof bytes) {
        struct packet_trace_record *record;

        if (all->n >= all->allocated) {
            all->allocated = all->allocated ? all->allocated * 2 : 65536;
            all->records = realloc(all->records,
                                   all->allocated * sizeof *all->records);
            if (!all->records) {
                fatal("out of memory");
            }
        }
        record = &all->records[all->n++];
        if (!packet_trace_decode(record, bytes)) {
            fatal("%s: record %zu is damaged", name, all->n - start);
        }
    }
    if (ferror(file)) {
        fatal("%s: %s", name, strerror(errno));
    } else if (n) {
        fatal("%s: ends within a record (is its writer still running?)",
              name);
    }
    fclose(file);
    if (options->own_clocks) {
        set_clock(name, all, start);
    }
    select_window(options, all, start);
}

/* Orders. 'rank' is the order in which records were read, since a sort is not
 * stable by itself and records of one trace are in order. */

struct item {
    struct packet_trace_record r;
    size_t rank;
};

#define COMPARE(A, B) \
    do { \
        if ((A) != (B)) { \
            return (A) < (B) ? -1 : 1; \
        } \
    } while (0)

static int
compare_stream_time(const void *a_, const void *b_)
{
    const struct item *a = a_;
    const struct item *b = b_;

    COMPARE(a->r.kind, b->r.kind);
    COMPARE(a->r.flow, b->r.flow);
    COMPARE(a->r.dir, b->r.dir);
    COMPARE(a->r.time, b->r.time);
    COMPARE(a->rank, b->rank);
    return 0;
}

static int
compare_seq(const void *a_, const void *b_)
{
    const struct item *a = a_;
    const struct item *b = b_;

    COMPARE(a->r.seq, b->r.seq);
    COMPARE(a->rank, b->rank);
    return 0;
}

static int
compare_u64(const void *a, const void *b)
{
    COMPARE(*(const uint64_t *) a, *(const uint64_t *) b);
    return 0;
}

/* Probes. */

/* Checks the 'n' records of one probe flow, in order of time at 'items'; puts
 * them in order of sequence numbers. */
static void
check_probes(struct item *items, size_t n, const struct options *options,
             struct probe_result *result)
{
    uint64_t highest = items[0].r.seq;
    uint64_t n_late = 0;        /* Not above the highest so far. */
    uint64_t n_duplicates = 0;

    for (size_t i = 0; i < n; i++) {
        const struct packet_trace_record *r = &items[i].r;

        result->latencies[result->n_latencies++]
            = r->time > r->sent ? r->time - r->sent : 0;
        if (i && r->seq <= highest) {
            n_late++;
        } else {
            highest = r->seq;
        }
    }

    qsort(items, n, sizeof *items, compare_seq);
    for (size_t i = 1; i < n; i++) {
        n_duplicates += items[i].r.seq == items[i - 1].r.seq;
    }

    uint64_t lowest = options->from_zero ? 0 : items[0].r.seq;
    uint64_t distinct = n - n_duplicates;
    result->flows++;
    result->packets += distinct;
    result->duplicated += n_duplicates;
    result->reordered += n_late - n_duplicates;
    result->lost += highest - lowest + 1 - distinct;
}

/* TCP. */

/* A range of sequence numbers, relative to the first one of the stream. */
struct range {
    uint64_t start, end;
};

static int
compare_range(const void *a_, const void *b_)
{
    const struct range *a = a_;
    const struct range *b = b_;

    COMPARE(a->start, b->start);
    COMPARE(a->end, b->end);
    return 0;
}

/* Checks the 'n' records of one direction of one connection, in order of
 * time. */
static void
check_connection(const struct item *items, size_t n,
                 struct tcp_result *result)
{
    struct range *ranges = calloc(n, sizeof *ranges);
    size_t n_ranges = 0;
    bool started = false;
    uint64_t next = 0;          /* End of the highest byte seen. */

    if (!ranges) {
        fatal("out of memory");
    }
    result->streams++;
    for (size_t i = 0; i < n; i++) {
        const struct packet_trace_record *r = &items[i].r;
        uint32_t len = r->sent & UINT32_MAX;
        uint32_t seq = r->seq + !!(r->sent & PACKET_TRACE_SYN);

        result->segments++;
        if (!len) {
            if (r->sent & PACKET_TRACE_SYN && !started) {
                /* Far from 0, so that earlier numbers are not negative. */
                next = (UINT64_C(1) << 33) + seq;
                started = true;
            }
            continue;
        }
        if (!started) {
            next = (UINT64_C(1) << 33) + seq;
            started = true;
        }

        /* Extend the sequence number to the value nearest to 'next'. */
        uint64_t start = next + (int32_t) (seq - (uint32_t) next);
        uint64_t end = start + len;

        result->bytes += len;
        result->out_of_order += start > next;
        result->repeated += start < next && i;
        next = end > next ? end : next;
        ranges[n_ranges++] = (struct range) { start, end };
    }

    qsort(ranges, n_ranges, sizeof *ranges, compare_range);
    uint64_t covered = n_ranges ? ranges[0].end : 0;
    for (size_t i = 1; i < n_ranges; i++) {
        if (ranges[i].start > covered) {
            result->missing += ranges[i].start - covered;
        }
        if (ranges[i].end > covered) {
            covered = ranges[i].end;
        }
    }
    free(ranges);
}

/* Splits the records of one direction of one pair of addresses and ports into
 * connections: one begins with a SYN of another number. */
static void
check_tcp(const struct item *items, size_t n, struct tcp_result *result)
{
    size_t start = 0;
    bool has_syn = false;
    uint64_t syn = 0;

    for (size_t i = 0; i < n; i++) {
        if (!(items[i].r.sent & PACKET_TRACE_SYN)) {
            continue;
        }
        if (i > start && !(has_syn && syn == items[i].r.seq)) {
            check_connection(items + start, i - start, result);
            start = i;
        }
        has_syn = true;
        syn = items[i].r.seq;
    }
    check_connection(items + start, n - start, result);
}

/* Results. */

static double
quantile_us(const struct probe_result *result, double q)
{
    if (!result->n_latencies) {
        return 0;
    }
    return result->latencies[(size_t) (q * (result->n_latencies - 1) + .5)]
           / 1e3;
}

static const struct {
    const char *name;
    double q;
} quantiles[] = {
    { "p50", .5 }, { "p90", .9 }, { "p99", .99 }, { "p999", .999 },
    { "max", 1 },
};
#define N_QUANTILES (sizeof quantiles / sizeof quantiles[0])

static void
print_json(const struct probe_result *probes, const struct tcp_result *tcp,
           bool ok)
{
    printf("{\"ok\": %s, \"packets\": %"PRIu64", \"flows\": %"PRIu64", "
           "\"lost\": %"PRIu64", \"reordered\": %"PRIu64", "
           "\"duplicated\": %"PRIu64", \"latency_us\": {",
           ok ? "true" : "false", probes->packets, probes->flows,
           probes->lost, probes->reordered, probes->duplicated);
    for (size_t i = 0; i < N_QUANTILES; i++) {
        printf("%s\"%s\": %.1f", i ? ", " : "", quantiles[i].name,
               quantile_us(probes, quantiles[i].q));
    }
    printf("}, \"tcp\": {\"segments\": %"PRIu64", \"streams\": %"PRIu64", "
           "\"bytes\": %"PRIu64", \"out_of_order\": %"PRIu64", "
           "\"repeated\": %"PRIu64", \"missing_bytes\": %"PRIu64"}}\n",
           tcp->segments, tcp->streams, tcp->bytes, tcp->out_of_order,
           tcp->repeated, tcp->missing);
}

static void
print_text(const struct probe_result *probes, const struct tcp_result *tcp,
           bool ok)
{
    printf("probes:  %"PRIu64" packets of %"PRIu64" flows: %"PRIu64" lost, "
           "%"PRIu64" reordered, %"PRIu64" duplicated\n",
           probes->packets, probes->flows, probes->lost, probes->reordered,
           probes->duplicated);
    printf("latency:");
    for (size_t i = 0; i < N_QUANTILES; i++) {
        printf("%s %s %.1f us", i ? "," : "", quantiles[i].name,
               quantile_us(probes, quantiles[i].q));
    }
    printf("\ntcp:     %"PRIu64" segments of %"PRIu64" streams, %"PRIu64
           " bytes: %"PRIu64" segments out of order, %"PRIu64
           " with repeated bytes, %"PRIu64" bytes missing\n%s\n",
           tcp->segments, tcp->streams, tcp->bytes, tcp->out_of_order,
           tcp->repeated, tcp->missing, ok ? "ok" : "NOT OK");
}

static bool
check(const struct records *all, const struct options *options)
{
    struct probe_result probes = { .packets = 0 };
    struct tcp_result tcp = { .segments = 0 };
    struct item *items = calloc(all->n + 1, sizeof *items);

    probes.latencies = calloc(all->n + 1, sizeof *probes.latencies);
    if (!items || !probes.latencies) {
        fatal("out of memory");
    }
    for (size_t i = 0; i < all->n; i++) {
        items[i] = (struct item) { all->records[i], i };
    }
    qsort(items, all->n, sizeof *items, compare_stream_time);

    size_t end;
    for (size_t start = 0; start < all->n; start = end) {
        const struct packet_trace_record *r = &items[start].r;

        for (end = start + 1; end < all->n; end++) {
            const struct packet_trace_record *next = &items[end].r;

            if (next->kind != r->kind || next->flow != r->flow
                || next->dir != r->dir) {
                break;
            }
        }
        if (r->kind == PACKET_TRACE_PROBE) {
            check_probes(items + start, end - start, options, &probes);
        } else {
            check_tcp(items + start, end - start, &tcp);
        }
    }
    qsort(probes.latencies, probes.n_latencies, sizeof *probes.latencies,
          compare_u64);

    bool ok = (!probes.lost && !probes.reordered && !probes.duplicated
               && !tcp.missing
               && (!options->strict_tcp
                   || (!tcp.out_of_order && !tcp.repeated))
               && (options->expect == UINT64_MAX
                   || options->expect == probes.packets)
               && (!probes.n_latencies
                   || probes.latencies[probes.n_latencies - 1]
                      <= options->max_latency));
    if (options->json) {
        print_json(&probes, &tcp, ok);
    } else {
        print_text(&probes, &tcp, ok);
    }
    free(items);
    free(probes.latencies);
    return ok;
}

static void
usage(void)
{
    printf("\
mbox-trace-check: checks that packets were processed once and in order\n\
usage: mbox-trace-check [OPTION]... TRACE...\n\
\n\
Options:\n\
  --json             print one JSON object instead of text\n\
  --from=NS          only what was processed at CLOCK_MONOTONIC time NS\n\
  --to=NS            or later, and not later than this\n\
  --from-zero        probes of a flow are numbered from 0, not from the\n\
                     lowest number seen: loss at its beginning counts\n\
  --expect=N         fail unless N distinct probes were processed\n\
  --max-latency=US   fail if a probe was processed more than US microseconds\n\
                     after it was sent\n\
  --own-clocks       the instances run on machines with clocks of their own:\n\
                     set them by the fastest probe in each trace\n\
  --strict-tcp       fail if TCP segments are out of order or repeated, as\n\
                     after loss on the way to the instances\n\
  -h, --help         print this, and exit\n\
  -V, --version      print the version, and exit\n\
\n\
The exit status is 0 if nothing was lost, reordered or duplicated, 1 if\n\
something was, 2 if that cannot be told.\n");
}

static uint64_t
parse_u64(const char *name, const char *value)
{
    char *end;
    uint64_t n;

    errno = 0;
    n = strtoull(value, &end, 10);
    if (errno || !*value || *value == '-' || *end) {
        fatal("--%s: \"%s\" is not a number", name, value);
    }
    return n;
}

int
main(int argc, char *argv[])
{
    static const struct option long_options[] = {
        { "json", no_argument, NULL, 'j' },
        { "from", required_argument, NULL, 'f' },
        { "to", required_argument, NULL, 't' },
        { "from-zero", no_argument, NULL, 'z' },
        { "expect", required_argument, NULL, 'e' },
        { "max-latency", required_argument, NULL, 'm' },
        { "strict-tcp", no_argument, NULL, 's' },
        { "own-clocks", no_argument, NULL, 'o' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 },
    };
    struct options options = {
        .to = UINT64_MAX, .max_latency = UINT64_MAX, .expect = UINT64_MAX,
    };
    struct records all = { .n = 0 };
    bool ok;
    int c;

    while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        switch (c) {
        case 'j':
            options.json = true;
            break;
        case 'f':
            options.from = parse_u64("from", optarg);
            break;
        case 't':
            options.to = parse_u64("to", optarg);
            break;
        case 'z':
            options.from_zero = true;
            break;
        case 'e':
            options.expect = parse_u64("expect", optarg);
            break;
        case 'm':
            options.max_latency = parse_u64("max-latency", optarg);
            options.max_latency = (options.max_latency < UINT64_MAX / 1000
                                   ? options.max_latency * 1000 : UINT64_MAX);
            break;
        case 's':
            options.strict_tcp = true;
            break;
        case 'o':
            options.own_clocks = true;
            break;
        case 'h':
            usage();
            return 0;
        case 'V':
            printf("mbox-trace-check %s\n", PACKAGE_VERSION);
            return 0;
        default:
            return 2;
        }
    }
    if (optind >= argc) {
        fatal("no trace given; use --help");
    }
    for (int i = optind; i < argc; i++) {
        read_trace(argv[i], &options, &all);
    }
    ok = check(&all, &options);
    free(all.records);
    if (fflush(stdout) || ferror(stdout)) {
        fatal("standard output: %s", strerror(errno));
    }
    return ok ? 0 : 1;
}
