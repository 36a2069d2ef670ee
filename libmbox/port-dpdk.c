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

#include "port.h"

/* Packet I/O on a DPDK ethdev
 * ===========================
 *
 * A loadable part of libmbox: it uses its own functions and DPDK's only.  The
 * first port initializes DPDK with its arguments.  One queue each way.  The
 * port has no descriptor, so it is read again and again; mbox.c sleeps between
 * when nothing comes. */

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_cycles.h>
#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

#define QUEUE_SIZE 512
#define MAX_ARGS 64

/* A full queue is tried again so many times at once, then so often with a
 * pause, in microseconds, in between: 200 ms or so in all.  It is full when
 * the switch's thread does not get to run, or the port is gone. */
#define TX_TRIES 1000
#define TX_PAUSE_US 50
#define TX_PAUSES 2000

struct dpdk_port {
    struct mb_port up;
    uint16_t id;
    struct rte_mempool *pool;
    uint64_t missed;            /* As of the last update. */
    struct rte_mbuf *tx[MB_BURST];
    unsigned int n_tx;
    bool stuck;                 /* Nothing was taken for all the time. */
};

/* The packet's own data is in the private area of its mbuf. */
#define PRIV_SIZE RTE_ALIGN(sizeof(struct mb_packet), RTE_MBUF_PRIV_ALIGN)

static bool eal_ready;
static unsigned int n_pools;

static struct dpdk_port *
dpdk_cast(const struct mb_port *port)
{
    return (struct dpdk_port *) port;
}

static void
mbuf_free(struct mb_packet *packet)
{
    rte_pktmbuf_free(packet->owner);
}

static int
dpdk_rx(struct mb_port *port, struct mb_packet **packets, unsigned int max)
{
    struct dpdk_port *p = dpdk_cast(port);
    struct rte_mbuf *mbufs[MB_BURST];
    unsigned int n = rte_eth_rx_burst(p->id, 0, mbufs, max);
    unsigned int n_ok = 0;
    uint64_t bytes = 0;

    for (unsigned int i = 0; i < n; i++) {
        struct rte_mbuf *mbuf = mbufs[i];

        bytes += rte_pktmbuf_pkt_len(mbuf);
        if (rte_pktmbuf_linearize(mbuf)) {
            rte_pktmbuf_free(mbuf);
            mb_count(&port->stats.rx_dropped, 1);
            continue;
        }

        struct mb_packet *packet = rte_mbuf_to_priv(mbuf);
        memset(packet, 0, sizeof *packet);
        packet->data = rte_pktmbuf_mtod(mbuf, uint8_t *);
        packet->len = rte_pktmbuf_data_len(mbuf);
        packet->headroom = rte_pktmbuf_headroom(mbuf);
        packet->tailroom = rte_pktmbuf_tailroom(mbuf);
        packet->free = mbuf_free;
        packet->owner = mbuf;
        packets[n_ok++] = packet;
    }
    if (n) {
        mb_count(&port->stats.rx_packets, n);
        mb_count(&port->stats.rx_bytes, bytes);
    }
    return n_ok;
}

static void
dpdk_flush(struct mb_port *port)
{
    struct dpdk_port *p = dpdk_cast(port);
    unsigned int sent = 0, tries = 0;
    uint64_t bytes[MB_BURST];

    for (unsigned int i = 0; i < p->n_tx; i++) {
        bytes[i] = rte_pktmbuf_pkt_len(p->tx[i]);   /* Before it is gone. */
    }
    while (sent < p->n_tx
           && tries++ < TX_TRIES + (p->stuck ? 0 : TX_PAUSES)) {
        if (tries > TX_TRIES) {
            rte_delay_us_sleep(TX_PAUSE_US);
        }
        unsigned int n = rte_eth_tx_burst(p->id, 0, p->tx + sent,
                                          p->n_tx - sent);
        for (unsigned int i = 0; i < n; i++) {
            mb_count(&port->stats.tx_bytes, bytes[sent + i]);
        }
        if (n) {
            mb_count(&port->stats.tx_packets, n);
            sent += n;
            tries = 0;
        }
    }
    p->stuck = sent < p->n_tx;
    if (p->stuck) {
        mb_count(&port->stats.tx_dropped, p->n_tx - sent);
        rte_pktmbuf_free_bulk(p->tx + sent, p->n_tx - sent);
    }
    p->n_tx = 0;
}

/* Returns an mbuf with the frame of 'packet', which is freed; null if memory
 * is short, and it is not. */
static struct rte_mbuf *
to_mbuf(struct dpdk_port *p, struct mb_packet *packet)
{
    struct rte_mbuf *mbuf;

    if (packet->free == mbuf_free) {
        mbuf = packet->owner;
        mbuf->data_off = packet->data - (uint8_t *) mbuf->buf_addr;
        mbuf->data_len = packet->len;
        mbuf->pkt_len = packet->len;
        mbuf->ol_flags = 0;
        return mbuf;
    }

    mbuf = rte_pktmbuf_alloc(p->pool);
    if (!mbuf) {
        return NULL;
    }
    char *data = rte_pktmbuf_append(mbuf, packet->len);
    if (!data) {
        rte_pktmbuf_free(mbuf);
        return NULL;
    }
    memcpy(data, packet->data, packet->len);
    packet->free(packet);
    return mbuf;
}

static bool
dpdk_tx(struct mb_port *port, struct mb_packet *packet)
{
    struct dpdk_port *p = dpdk_cast(port);
    struct rte_mbuf *mbuf = to_mbuf(p, packet);

    if (!mbuf) {
        return false;
    }
    p->tx[p->n_tx++] = mbuf;
    if (p->n_tx == MB_BURST) {
        dpdk_flush(port);
    }
    return true;
}

static void
dpdk_wait(const struct mb_port *port, struct pollfd *pfd)
{
    (void) port;
    *pfd = (struct pollfd) { .fd = -1 };
}

static void
dpdk_update_stats(struct mb_port *port)
{
    struct dpdk_port *p = dpdk_cast(port);
    struct rte_eth_stats stats;

    if (!rte_eth_stats_get(p->id, &stats)) {
        uint64_t missed = stats.imissed + stats.rx_nombuf;

        if (missed > p->missed) {
            mb_count(&port->stats.rx_dropped, missed - p->missed);
        }
        p->missed = missed;
    }
}

static void
dpdk_close(struct mb_port *port)
{
    struct dpdk_port *p = dpdk_cast(port);

    rte_pktmbuf_free_bulk(p->tx, p->n_tx);
    rte_eth_dev_stop(p->id);
    rte_eth_dev_close(p->id);
    rte_mempool_free(p->pool);
    free(p);
}

static const struct mb_port_ops dpdk_ops = {
    .rx = dpdk_rx,
    .tx = dpdk_tx,
    .flush = dpdk_flush,
    .wait = dpdk_wait,
    .update_stats = dpdk_update_stats,
    .close = dpdk_close,
};

/* Initializes DPDK with 'args', split at spaces.  Returns null, or what
 * failed. */
static const char *
init_eal(const char *args)
{
    static char program[] = "libmbox";
    static char *copy;          /* DPDK keeps pointers into it. */
    char *argv[MAX_ARGS + 1] = { program };
    int argc = 1;
    char *save = NULL;

    free(copy);                 /* Of an attempt that failed. */
    copy = strdup(args ? args : "");
    if (!copy) {
        return "out of memory";
    }
    for (char *arg = strtok_r(copy, " ", &save); arg;
         arg = strtok_r(NULL, " ", &save)) {
        if (argc == MAX_ARGS) {
            return "too many DPDK arguments";
        }
        argv[argc++] = arg;
    }

    /* DPDK binds the calling thread to one core; the program shall decide. */
    rte_cpuset_t cpus;
    pthread_t self = pthread_self();
    bool saved = !pthread_getaffinity_np(self, sizeof cpus, &cpus);
    int n = rte_eal_init(argc, argv);
    if (saved) {
        pthread_setaffinity_np(self, sizeof cpus, &cpus);
    }
    if (n < 0) {
        return rte_strerror(rte_errno);
    }
    eal_ready = true;
    return NULL;
}

/* Configures and starts the device.  Returns null, or what failed, and
 * '*error'. */
static const char *
start(struct dpdk_port *p, const char *name, unsigned int n_packets,
      int *error)
{
    struct rte_eth_conf conf;
    char pool_name[32];

    *error = rte_eth_dev_get_port_by_name(name, &p->id);
    if (*error) {
        return "no such device (see --vdev in the DPDK arguments)";
    }
    snprintf(pool_name, sizeof pool_name, "libmbox%u", n_pools++);
    p->pool = rte_pktmbuf_pool_create(pool_name,
                                      n_packets + 2 * QUEUE_SIZE + 512, 0,
                                      PRIV_SIZE, RTE_MBUF_DEFAULT_BUF_SIZE,
                                      SOCKET_ID_ANY);
    if (!p->pool) {
        *error = -rte_errno;
        return "packet memory (see -m in the DPDK arguments)";
    }

    memset(&conf, 0, sizeof conf);
    *error = rte_eth_dev_configure(p->id, 1, 1, &conf);
    if (*error) {
        return "configuration";
    }
    uint16_t n_rx = QUEUE_SIZE, n_tx = QUEUE_SIZE;
    *error = rte_eth_dev_adjust_nb_rx_tx_desc(p->id, &n_rx, &n_tx);
    if (*error && *error != -ENOTSUP) {
        return "queue sizes";
    }
    *error = rte_eth_rx_queue_setup(p->id, 0, n_rx, SOCKET_ID_ANY, NULL,
                                    p->pool);
    if (*error) {
        return "receive queue";
    }
    *error = rte_eth_tx_queue_setup(p->id, 0, n_tx, SOCKET_ID_ANY, NULL);
    if (*error) {
        return "transmit queue";
    }
    *error = rte_eth_dev_start(p->id);
    if (*error) {
        return "start";
    }
    rte_eth_promiscuous_enable(p->id);  /* Some devices always are. */
    return NULL;
}

static int
dpdk_open(const char *name, const struct mb_port_params *params,
          struct mb_port **portp, char **errp)
{
    const char *what = eal_ready ? NULL : init_eal(params->dpdk_args);
    struct dpdk_port *p = NULL;
    int error = -EINVAL;

    if (!what) {
        p = calloc(1, sizeof *p);
        what = p ? start(p, name, params->n_packets, &error)
               : "out of memory";
    }
    if (what) {
        if (errp && asprintf(errp, "dpdk:%s: %s: %s", name, what,
                             strerror(-error)) < 0) {
            *errp = NULL;
        }
        if (p) {
            rte_mempool_free(p->pool);
            free(p);
        }
        return error;
    }
    p->up.ops = &dpdk_ops;
    *portp = &p->up;
    return 0;
}

const struct mb_port_class mb_port_dpdk = {
    .type = "dpdk",
    .open = dpdk_open,
};
