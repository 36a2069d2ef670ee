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

/* mbox-traffic: probe traffic that shows loss, order and delay
 * ============================================================
 *
 * The sender spreads numbered packets over UDP flows at a constant total rate,
 * the receiver checks what arrives.  The payload of a probe, which observers
 * on the way may read too, is big-endian:
 *
 *     8 bytes    "MBOXPRB1"
 *     u32        flow
 *     u64        sequence number within the flow, from 0
 *     u64        time of sending, CLOCK_MONOTONIC, ns
 *     ...        zeros up to the wanted size
 *
 * Both ends must run on one machine for the delays to mean anything. */

#include <config.h>
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PROBE_MAGIC "MBOXPRB1"
#define PROBE_LEN 28
#define PROBE_MAX_LEN 9000
#define MAX_SEQ (UINT64_C(1) << 26)     /* Bounds the receiver's memory. */
#define NS_PER_S INT64_C(1000000000)
#define BATCH 64
#define MAX_FDS 65536

static volatile sig_atomic_t stopped;

static void
stop(int signum __attribute__((unused)))
{
    stopped = stopped ? 2 : 1;
}

static void __attribute__((noreturn, format(printf, 1, 2)))
die(const char *format, ...)
{
    va_list args;

    fprintf(stderr, "mbox-traffic: ");
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    putc('\n', stderr);
    exit(1);
}

static void *
xcalloc(size_t n, size_t size)
{
    void *p = calloc(n ? n : 1, size);

    if (!p) {
        die("out of memory");
    }
    return p;
}

static int64_t
now_ns(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec * NS_PER_S + ts.tv_nsec;
}

static void
put_be(uint8_t *p, uint64_t value, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        p[i] = value;
        value >>= 8;
    }
}

static uint64_t
get_be(const uint8_t *p, int n)
{
    uint64_t value = 0;

    for (int i = 0; i < n; i++) {
        value = value << 8 | p[i];
    }
    return value;
}

static uint64_t
parse_number(const char *option, const char *s, uint64_t min, uint64_t max)
{
    char *tail;
    uint64_t value;

    errno = 0;
    value = strtoull(s, &tail, 10);
    if (errno || tail == s || *tail || *s == '-'
        || value < min || value > max) {
        die("%s takes a number from %"PRIu64" to %"PRIu64", not \"%s\"",
            option, min, max, s);
    }
    return value;
}

static double
parse_seconds(const char *option, const char *s)
{
    char *tail;
    double value = strtod(s, &tail);

    if (tail == s || *tail || !(value >= 0 && value <= 1e6)) {
        die("%s takes a number of seconds, not \"%s\"", option, s);
    }
    return value;
}

/* Resolves the numeric address 'host', or the wildcard if null. */
static struct addrinfo *
resolve(const char *host, uint16_t port, int family)
{
    struct addrinfo hints = {
        .ai_family = family,
        .ai_socktype = SOCK_DGRAM,
        .ai_flags = AI_NUMERICHOST | AI_NUMERICSERV | AI_PASSIVE,
    };
    char service[8];
    struct addrinfo *ai;
    int error;

    snprintf(service, sizeof service, "%u", port);
    error = getaddrinfo(host, service, &hints, &ai);
    if (error) {
        die("%s: %s (addresses must be numeric)",
            host ? host : "wildcard", gai_strerror(error));
    }
    return ai;
}

/* Asks for big buffers, so that what gets lost is not lost here. */
static void
grow_buffer(int fd, int forced, int unforced, int size)
{
    if (setsockopt(fd, SOL_SOCKET, forced, &size, sizeof size)) {
        setsockopt(fd, SOL_SOCKET, unforced, &size, sizeof size);
    }
}

/* Delays, and their quantiles. */
struct delays {
    int64_t *ns;
    size_t n, allocated;
};

static void
delays_add(struct delays *d, int64_t ns)
{
    if (d->n >= d->allocated) {
        d->allocated = d->allocated ? 2 * d->allocated : 65536;
        d->ns = realloc(d->ns, d->allocated * sizeof *d->ns);
        if (!d->ns) {
            die("out of memory");
        }
    }
    d->ns[d->n++] = ns;
}

static int
compare_int64(const void *a_, const void *b_)
{
    const int64_t *a = a_, *b = b_;

    return *a < *b ? -1 : *a > *b;
}

static double
quantile_us(const struct delays *d, double q)
{
    return d->n ? d->ns[(size_t) (q * (d->n - 1) + .5)] / 1e3 : 0;
}

static void
delays_print(const char *name, struct delays *d)
{
    qsort(d->ns, d->n, sizeof *d->ns, compare_int64);
    printf("\"%s\": {\"min\": %.1f, \"p50\": %.1f, \"p90\": %.1f, "
           "\"p99\": %.1f, \"max\": %.1f}", name, quantile_us(d, 0),
           quantile_us(d, .5), quantile_us(d, .9), quantile_us(d, .99),
           quantile_us(d, 1));
}

/* Checks the packets of one flow. */
struct flow {
    uint64_t *seen;             /* Bitmap by sequence number. */
    size_t n_words;
    uint64_t n_distinct;
    uint64_t next;              /* Greatest sequence number so far, plus 1. */
};

struct checker {
    struct flow *flows;
    size_t n_allocated;
    uint64_t n_flows, n_received, n_reordered, n_duplicated, n_malformed;
    struct delays delays;
};

static bool
parse_probe(const uint8_t *p, size_t len, uint32_t *flow, uint64_t *seq,
            int64_t *sent)
{
    if (len < PROBE_LEN || memcmp(p, PROBE_MAGIC, 8)) {
        return false;
    }
    *flow = get_be(p + 8, 4);
    *seq = get_be(p + 12, 8);
    *sent = get_be(p + 20, 8);
    return *flow < (1 << 20) && *seq < MAX_SEQ;
}

static void
check_probe(struct checker *c, uint32_t id, uint64_t seq, int64_t delay)
{
    if (id >= c->n_allocated) {
        size_t n = id + 1024;

        c->flows = realloc(c->flows, n * sizeof *c->flows);
        if (!c->flows) {
            die("out of memory");
        }
        memset(c->flows + c->n_allocated, 0,
               (n - c->n_allocated) * sizeof *c->flows);
        c->n_allocated = n;
    }

    struct flow *f = &c->flows[id];
    size_t word = seq / 64;
    uint64_t bit = UINT64_C(1) << seq % 64;

    if (word >= f->n_words) {
        size_t n = word * 2 + 16;

        f->seen = realloc(f->seen, n * sizeof *f->seen);
        if (!f->seen) {
            die("out of memory");
        }
        memset(f->seen + f->n_words, 0, (n - f->n_words) * sizeof *f->seen);
        f->n_words = n;
    }

    c->n_received++;
    if (f->seen[word] & bit) {
        c->n_duplicated++;
        return;
    }
    f->seen[word] |= bit;
    c->n_flows += !f->n_distinct++;
    if (seq < f->next) {
        c->n_reordered++;
    } else {
        f->next = seq + 1;
    }
    delays_add(&c->delays, delay);
}

static void
checker_print(struct checker *c)
{
    uint64_t n_lost = 0;

    for (size_t i = 0; i < c->n_allocated; i++) {
        n_lost += c->flows[i].next - c->flows[i].n_distinct;
        free(c->flows[i].seen);
    }
    printf("\"flows\": %"PRIu64", \"received\": %"PRIu64", "
           "\"lost\": %"PRIu64", \"reordered\": %"PRIu64", "
           "\"duplicated\": %"PRIu64", \"malformed\": %"PRIu64", ",
           c->n_flows, c->n_received, n_lost, c->n_reordered,
           c->n_duplicated, c->n_malformed);
    delays_print("latency_us", &c->delays);
    free(c->flows);
    free(c->delays.ns);
}

/* Receives on 'fd' up to BATCH probes into 'c'.  Returns false if none waited.
 * 'echo' sends each back. */
static bool
receive_batch(int fd, struct checker *c, FILE *trace, bool echo,
              int64_t wall_offset, uint32_t *n_overflow)
{
    static uint8_t data[BATCH][PROBE_MAX_LEN];
    static char control[BATCH][128];
    struct sockaddr_storage from[BATCH];
    struct mmsghdr msgs[BATCH];
    struct iovec iov[BATCH];

    for (int i = 0; i < BATCH; i++) {
        iov[i] = (struct iovec) { data[i], sizeof data[i] };
        msgs[i] = (struct mmsghdr) {
            .msg_hdr = {
                .msg_name = &from[i], .msg_namelen = sizeof from[i],
                .msg_iov = &iov[i], .msg_iovlen = 1,
                .msg_control = control[i],
                .msg_controllen = sizeof control[i],
            },
        };
    }

    int n = recvmmsg(fd, msgs, BATCH, MSG_DONTWAIT, NULL);

    for (int i = 0; i < n; i++) {
        struct msghdr *h = &msgs[i].msg_hdr;
        int64_t received = now_ns(CLOCK_MONOTONIC);
        uint32_t flow;
        uint64_t seq;
        int64_t sent;

        for (struct cmsghdr *cmsg = CMSG_FIRSTHDR(h); cmsg;
             cmsg = CMSG_NXTHDR(h, cmsg)) {
            if (cmsg->cmsg_level != SOL_SOCKET) {
                continue;
            }
            if (cmsg->cmsg_type == SO_TIMESTAMPNS) {
                struct timespec ts;

                memcpy(&ts, CMSG_DATA(cmsg), sizeof ts);
                received = (ts.tv_sec * NS_PER_S + ts.tv_nsec) - wall_offset;
            } else if (cmsg->cmsg_type == SO_RXQ_OVFL) {
                memcpy(n_overflow, CMSG_DATA(cmsg), sizeof *n_overflow);
            }
        }
        if (!parse_probe(data[i], msgs[i].msg_len, &flow, &seq, &sent)) {
            c->n_malformed++;
            continue;
        }
        check_probe(c, flow, seq, received - sent);
        if (trace) {
            fprintf(trace, "%"PRIu32" %"PRIu64" %"PRId64" %"PRId64"\n",
                    flow, seq, sent, received);
        }
        if (echo) {
            sendto(fd, data[i], msgs[i].msg_len, MSG_DONTWAIT,
                   (struct sockaddr *) &from[i], h->msg_namelen);
        }
    }
    return n > 0;
}

static int
do_receive(const char *bind_to, uint16_t port, const char *trace_name,
           bool echo)
{
    struct addrinfo *ai = resolve(bind_to, port,
                                  bind_to ? AF_UNSPEC : AF_INET6);
    struct checker c = { .n_flows = 0 };
    uint32_t n_overflow = 0;
    FILE *trace = NULL;
    int on = 1, off = 0;
    int fd;

    fd = socket(ai->ai_family, SOCK_DGRAM, 0);
    if (fd < 0) {
        die("socket: %s", strerror(errno));
    }
    if (ai->ai_family == AF_INET6) {
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &off, sizeof off);
    }
    setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    setsockopt(fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
    grow_buffer(fd, SO_RCVBUFFORCE, SO_RCVBUF, 64 * 1024 * 1024);
    if (bind(fd, ai->ai_addr, ai->ai_addrlen)) {
        die("port %u: %s", port, strerror(errno));
    }
    freeaddrinfo(ai);

    if (trace_name) {
        trace = fopen(trace_name, "w");
        if (!trace) {
            die("%s: %s", trace_name, strerror(errno));
        }
        setvbuf(trace, NULL, _IOFBF, 1024 * 1024);
    }
    fprintf(stderr, "mbox-traffic: receiving on port %u\n", port);

    int64_t wall_offset = now_ns(CLOCK_REALTIME) - now_ns(CLOCK_MONOTONIC);

    /* What has arrived before the end counts. */
    for (bool last = false; !last; ) {
        struct pollfd pfd = { .fd = fd, .events = POLLIN };

        last = stopped;
        if (!last && !poll(&pfd, 1, 200) && trace) {
            fflush(trace);
        }
        while (receive_batch(fd, &c, trace, echo, wall_offset, &n_overflow)) {
            continue;
        }
    }

    printf("{");
    checker_print(&c);
    printf(", \"receiver_dropped\": %"PRIu32"}\n", n_overflow);
    close(fd);
    if (trace && fclose(trace)) {
        die("%s: %s", trace_name, strerror(errno));
    }
    return 0;
}

struct send_options {
    const char *source;
    const char *target;
    uint16_t sport, port;
    uint32_t n_flows, first_flow;
    uint64_t rate, count;
    double duration;
    size_t size;
    bool echo;
};

static int
open_flow(const struct send_options *o, const struct addrinfo *target,
          uint32_t i)
{
    int fd = socket(target->ai_family, SOCK_DGRAM, 0);

    if (fd < 0) {
        die("socket: %s", strerror(errno));
    }
    if (o->source || o->sport) {
        struct addrinfo *ai = resolve(o->source, o->sport ? o->sport + i : 0,
                                      target->ai_family);

        if (bind(fd, ai->ai_addr, ai->ai_addrlen)) {
            die("source %s port %u: %s", o->source ? o->source : "any",
                o->sport ? o->sport + i : 0, strerror(errno));
        }
        freeaddrinfo(ai);
    }
    if (connect(fd, target->ai_addr, target->ai_addrlen)) {
        die("%s: %s", o->target, strerror(errno));
    }
    grow_buffer(fd, SO_SNDBUFFORCE, SO_SNDBUF, 4 * 1024 * 1024);
    if (o->echo) {
        int on = 1;

        setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    }
    return fd;
}

static int
do_send(const struct send_options *o)
{
    struct addrinfo *target = resolve(o->target, o->port, AF_UNSPEC);
    struct pollfd *pfds = xcalloc(o->n_flows, sizeof *pfds);
    uint64_t *seqs = xcalloc(o->n_flows, sizeof *seqs);
    struct checker echoes = { .n_flows = 0 };
    uint8_t data[PROBE_MAX_LEN] = PROBE_MAGIC;
    uint64_t n_sent = 0, n_failed = 0;
    uint32_t n_overflow = 0;

    for (uint32_t i = 0; i < o->n_flows; i++) {
        pfds[i].fd = open_flow(o, target, i);
        pfds[i].events = POLLIN;
    }
    freeaddrinfo(target);

    int64_t start = now_ns(CLOCK_MONOTONIC);
    int64_t wall_offset = now_ns(CLOCK_REALTIME) - start;
    int64_t end = o->duration ? start + (int64_t) (o->duration * NS_PER_S)
                              : INT64_MAX;
    uint32_t i = 0;

    while (!stopped && (!o->count || n_sent < o->count)) {
        /* n_sent / rate seconds, without overflow. */
        int64_t due = start + n_sent / o->rate * NS_PER_S
                      + n_sent % o->rate * NS_PER_S / o->rate;

        if (due >= end) {
            break;
        }
        if (due > now_ns(CLOCK_MONOTONIC)) {
            struct timespec ts = { due / NS_PER_S, due % NS_PER_S };

            clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &ts, NULL);
            if (stopped) {
                break;
            }
        }
        put_be(data + 8, o->first_flow + i, 4);
        put_be(data + 12, seqs[i], 8);
        put_be(data + 20, now_ns(CLOCK_MONOTONIC), 8);
        if (send(pfds[i].fd, data, o->size, 0) == o->size) {
            seqs[i]++;
            n_sent++;
        } else if (errno != EINTR && errno != ECONNREFUSED) {
            /* The number is used again, so that it is no loss.  */
            if (++n_failed > 1000) {
                die("send: %s", strerror(errno));
            }
        }
        if (o->echo) {
            receive_batch(pfds[i].fd, &echoes, NULL, false, wall_offset,
                          &n_overflow);
        }
        i = (i + 1) % o->n_flows;
    }

    double seconds = (now_ns(CLOCK_MONOTONIC) - start) / 1e9;

    /* The last echoes are on the way until nothing comes any more, or a second
     * signal does. */
    while (o->echo && stopped < 2 && echoes.n_received < n_sent
           && poll(pfds, o->n_flows, 1000) > 0) {
        for (i = 0; i < o->n_flows; i++) {
            while (receive_batch(pfds[i].fd, &echoes, NULL, false,
                                 wall_offset, &n_overflow)) {
                continue;
            }
        }
    }

    printf("{\"flows\": %"PRIu32", \"sent\": %"PRIu64", "
           "\"send_errors\": %"PRIu64", \"seconds\": %.3f, "
           "\"rate\": %.1f", o->n_flows, n_sent, n_failed, seconds,
           seconds > 0 ? n_sent / seconds : 0);
    if (o->echo) {
        printf(", \"echo\": {");
        checker_print(&echoes);
        printf("}");
    }
    printf("}\n");

    for (i = 0; i < o->n_flows; i++) {
        close(pfds[i].fd);
    }
    free(pfds);
    free(seqs);
    return 0;
}

static void __attribute__((noreturn))
usage(void)
{
    printf("\
mbox-traffic: probe traffic that shows loss, order and delay\n\
usage: mbox-traffic send [OPTION...] ADDRESS\n\
       mbox-traffic receive [OPTION...]\n\
\n\
Both print one JSON object when they end: \"send\" after --count packets or\n\
--duration, \"receive\" (and \"send\") on SIGINT or SIGTERM.\n\
\n\
Options of both:\n\
  -p, --port=PORT       UDP port of the receiver (default 7777)\n\
  -e, --echo            receive: send each probe back; send: check what\n\
                        comes back, and the time it took\n\
  -h, --help            show this and exit\n\
  -V, --version         show the version and exit\n\
Options of send:\n\
  -f, --flows=N         number of flows, each a source port (default 1)\n\
  -r, --rate=R          packets per second, all flows together\n\
                        (default 1000)\n\
  -d, --duration=S      seconds\n\
  -c, --count=N         packets, all flows together\n\
  -s, --size=BYTES      UDP payload (default 64)\n\
  -S, --source=ADDRESS  source address\n\
  -P, --source-port=PORT  source port of the first flow (default: any)\n\
  -F, --first-flow=N    number of the first flow (default 0)\n\
Options of receive:\n\
  -b, --bind=ADDRESS    receive at this address only\n\
  -t, --trace=FILE      write a line for each probe: flow, sequence number,\n\
                        time sent, time received (CLOCK_MONOTONIC, ns)\n");
    exit(0);
}

int
main(int argc, char *argv[])
{
    static const struct option options[] = {
        {"port", required_argument, NULL, 'p'},
        {"echo", no_argument, NULL, 'e'},
        {"help", no_argument, NULL, 'h'},
        {"version", no_argument, NULL, 'V'},
        {"flows", required_argument, NULL, 'f'},
        {"rate", required_argument, NULL, 'r'},
        {"duration", required_argument, NULL, 'd'},
        {"count", required_argument, NULL, 'c'},
        {"size", required_argument, NULL, 's'},
        {"source", required_argument, NULL, 'S'},
        {"source-port", required_argument, NULL, 'P'},
        {"first-flow", required_argument, NULL, 'F'},
        {"bind", required_argument, NULL, 'b'},
        {"trace", required_argument, NULL, 't'},
        {NULL, 0, NULL, 0},
    };
    struct send_options o = {
        .port = 7777, .n_flows = 1, .rate = 1000, .size = 64,
    };
    const char *bind_to = NULL, *trace = NULL;
    int c;

    while ((c = getopt_long(argc, argv, "p:ehVf:r:d:c:s:S:P:F:b:t:",
                            options, NULL)) != -1) {
        switch (c) {
        case 'p':
            o.port = parse_number("--port", optarg, 1, 65535);
            break;
        case 'e':
            o.echo = true;
            break;
        case 'f':
            o.n_flows = parse_number("--flows", optarg, 1, 60000);
            break;
        case 'r':
            o.rate = parse_number("--rate", optarg, 1, 10000000);
            break;
        case 'd':
            o.duration = parse_seconds("--duration", optarg);
            break;
        case 'c':
            o.count = parse_number("--count", optarg, 1, UINT64_MAX / 2);
            break;
        case 's':
            o.size = parse_number("--size", optarg, PROBE_LEN, PROBE_MAX_LEN);
            break;
        case 'S':
            o.source = optarg;
            break;
        case 'P':
            o.sport = parse_number("--source-port", optarg, 1, 65535);
            break;
        case 'F':
            o.first_flow = parse_number("--first-flow", optarg, 0, 1 << 20);
            break;
        case 'b':
            bind_to = optarg;
            break;
        case 't':
            trace = optarg;
            break;
        case 'h':
            usage();
        case 'V':
            printf("mbox-traffic (ovs-mbox) %s\n", PACKAGE_VERSION);
            return 0;
        default:
            fprintf(stderr, "Try \"mbox-traffic --help\".\n");
            return 2;
        }
    }
    if (o.sport && o.sport + o.n_flows - 1 > 65535) {
        die("--source-port plus --flows goes beyond port 65535");
    }

    /* A descriptor for each flow.  Root may raise its hard limit, too. */
    struct rlimit limit;
    if (!getrlimit(RLIMIT_NOFILE, &limit) && limit.rlim_cur < MAX_FDS) {
        struct rlimit wanted = { MAX_FDS, MAX_FDS };

        if (setrlimit(RLIMIT_NOFILE, &wanted)) {
            limit.rlim_cur = limit.rlim_max;
            setrlimit(RLIMIT_NOFILE, &limit);
        }
    }

    struct sigaction action = { .sa_handler = stop };
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);

    if (optind + 1 == argc && !strcmp(argv[optind], "receive")) {
        return do_receive(bind_to, o.port, trace, o.echo);
    } else if (optind + 2 == argc && !strcmp(argv[optind], "send")) {
        o.target = argv[optind + 1];
        return do_send(&o);
    }
    fprintf(stderr, "Try \"mbox-traffic --help\".\n");
    return 2;
}
