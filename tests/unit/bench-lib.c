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

/* Measures the shared library: time per packet of what is on the packet path,
 * and the rate of the state channel against a plain copy through the same kind
 * of socket, in one run:
 *
 *     bench-lib [N-CHUNKS [CHUNK-SIZE]] */

#include "mbox-channel.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define ROUNDS 10
#define COPY_SIZE (64 * 1024)

static size_t n_chunks = 100000;
static size_t chunk_size = 256;

static double
read_clock(clockid_t clock)
{
    struct timespec ts;

    clock_gettime(clock, &ts);
    return ts.tv_sec + ts.tv_nsec / 1e9;
}

static double
now(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

/* Rate in bytes of payload per second: by the clock on the wall, and by the
 * processor time of both ends together, which does not depend on what else the
 * machine does. */
struct rate {
    double wall;
    double cpu;
};

static void
rate_start(struct rate *rate)
{
    rate->wall = now();
    rate->cpu = read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

static void
rate_end(struct rate *rate)
{
    double n = (double) n_chunks * chunk_size;

    rate->wall = n / (now() - rate->wall);
    rate->cpu = n / (read_clock(CLOCK_PROCESS_CPUTIME_ID) - rate->cpu);
}

static void
rate_max(struct rate *max, const struct rate *rate)
{
    max->wall = rate->wall > max->wall ? rate->wall : max->wall;
    max->cpu = rate->cpu > max->cpu ? rate->cpu : max->cpu;
}

/* Keys. */

enum { N_FRAMES = 1024, FRAME_LEN = 64, N_PACKETS = 20000000 };
static uint8_t frames[N_FRAMES][FRAME_LEN];

static void
make_frames(void)
{
    static const uint8_t tcp4[] = {
        2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 0x08, 0x00,
        0x45, 0, 0, 50, 0, 1, 0x40, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2,
        0x30, 0x39, 0, 80, 0, 0, 0, 0, 0, 0, 0, 0, 0x50,
    };

    for (int i = 0; i < N_FRAMES; i++) {
        memcpy(frames[i], tcp4, sizeof tcp4);
        frames[i][28] = i >> 8;
        frames[i][29] = i;
    }
}

static void
bench_key(const char *what, bool extract, bool canonical, bool hash)
{
    struct mbox_key keys[N_FRAMES];
    uint32_t sum = 0;
    double start, best = 1e9;

    for (int i = 0; i < N_FRAMES; i++) {
        mbox_key_extract(frames[i], FRAME_LEN, &keys[i], NULL);
    }
    for (int round = 0; round < ROUNDS; round++) {
        start = now();
        for (int i = 0; i < N_PACKETS / ROUNDS; i++) {
            struct mbox_packet_layout layout;
            struct mbox_key key;

            if (extract) {
                mbox_key_extract(frames[i % N_FRAMES], FRAME_LEN, &key,
                                 &layout);
            } else {
                key = keys[i % N_FRAMES];
            }
            if (canonical) {
                mbox_key_canonical(&key, &key);
            }
            sum += hash ? mbox_key_hash(&key, 0) : key.src[15];
        }
        double elapsed = now() - start;
        best = elapsed < best ? elapsed : best;
    }
    printf("%-36s %6.1f ns/packet (%u)\n", what,
           best / (N_PACKETS / ROUNDS) * 1e9, sum & 1);
}

/* Channels. */

static void *
send_chunks(void *fd_)
{
    struct mbox_channel *ch = mbox_channel_from_fd(*(int *) fd_);
    uint8_t *data = malloc(chunk_size);
    struct mbox_msg msg;
    struct mbox_key key;

    memset(data, 0x5a, chunk_size);
    mbox_key_extract(frames[0], FRAME_LEN, &key, NULL);
    mbox_msg_init(&msg, MBOX_MSG_CHUNK, 1);
    msg.scope = MBOX_SCOPE_PER_FLOW;
    msg.n_keys = 1;
    msg.data = data;
    msg.data_len = chunk_size;
    for (size_t i = 0; i < n_chunks; ) {
        struct pollfd pfd;

        while (i < n_chunks && mbox_channel_backlog(ch) < 4 * COPY_SIZE) {
            msg.seq = i++;
            msg.crc = mbox_msg_crc(data, chunk_size);
            if (mbox_channel_send(ch, &msg, &key, -1)) {
                abort();
            }
        }
        if (mbox_channel_run(ch)) {
            abort();
        }
        while (mbox_channel_backlog(ch)
               && (i == n_chunks
                   || mbox_channel_backlog(ch) >= 4 * COPY_SIZE)) {
            mbox_channel_wait(ch, &pfd);
            poll(&pfd, 1, -1);
            mbox_channel_run(ch);
        }
    }
    mbox_channel_close(ch);
    free(data);
    return NULL;
}

static void
bench_channel(const int fds[2], struct rate *rate)
{
    struct mbox_channel *ch = mbox_channel_from_fd(fds[1]);
    pthread_t thread;
    size_t n = 0;
    int fd = fds[0];

    rate_start(rate);
    pthread_create(&thread, NULL, send_chunks, &fd);
    while (n < n_chunks) {
        struct mbox_msg msg;
        struct pollfd pfd;

        mbox_channel_wait(ch, &pfd);
        poll(&pfd, 1, -1);
        mbox_channel_run(ch);
        while (!mbox_channel_recv(ch, &msg, NULL, NULL, NULL)) {
            struct mbox_key key;

            mbox_msg_get_key(&msg, 0, &key);
            if (msg.seq != n++
                || msg.crc != mbox_msg_crc(msg.data, msg.data_len)) {
                abort();
            }
        }
    }
    pthread_join(thread, NULL);
    rate_end(rate);
    mbox_channel_close(ch);
}

static void *
write_all(void *fd_)
{
    static uint8_t buf[COPY_SIZE];
    size_t left = n_chunks * chunk_size;
    int fd = *(int *) fd_;

    while (left) {
        ssize_t n = write(fd, buf, left < sizeof buf ? left : sizeof buf);

        if (n <= 0) {
            abort();
        }
        left -= n;
    }
    return NULL;
}

static void
bench_copy(const int fds[2], struct rate *rate)
{
    static uint8_t buf[COPY_SIZE];
    size_t left = n_chunks * chunk_size;
    pthread_t thread;
    int fd = fds[0];

    rate_start(rate);
    pthread_create(&thread, NULL, write_all, &fd);
    while (left) {
        ssize_t n = read(fds[1], buf, sizeof buf);

        if (n <= 0) {
            abort();
        }
        left -= n;
    }
    pthread_join(thread, NULL);
    rate_end(rate);
    close(fds[0]);
    close(fds[1]);
}

static void
make_pair(int fds[2])
{
    if (socketpair(AF_UNIX, SOCK_STREAM, 0, fds)) {
        abort();
    }
}

int
main(int argc, char *argv[])
{
    struct rate channel = { 0, 0 }, copy = { 0, 0 };

    if (argc > 1) {
        n_chunks = strtoul(argv[1], NULL, 0);
    }
    if (argc > 2) {
        chunk_size = strtoul(argv[2], NULL, 0);
    }

    make_frames();
    bench_key("extract", true, false, false);
    bench_key("canonical", false, true, false);
    bench_key("hash", false, false, true);
    bench_key("extract, canonical, hash", true, true, true);

    for (int round = 0; round < ROUNDS; round++) {
        int fds[2];
        struct rate rate;

        make_pair(fds);
        bench_copy(fds, &rate);
        rate_max(&copy, &rate);
        make_pair(fds);
        bench_channel(fds, &rate);
        rate_max(&channel, &rate);
    }
    printf("%zu chunks of %zu bytes: %.0f MB/s, plain copy %.0f MB/s, "
           "ratio %.2f; per second of processor time %.0f and %.0f MB, "
           "ratio %.2f\n", n_chunks, chunk_size,
           channel.wall / 1e6, copy.wall / 1e6, channel.wall / copy.wall,
           channel.cpu / 1e6, copy.cpu / 1e6, channel.cpu / copy.cpu);
    return 0;
}
