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

/* mbox-bench-dpdk: packets in and out of DPDK, without libmbox
 * ============================================================
 *
 *     mbox-bench-dpdk DEVICE EAL-ARGUMENT...
 *
 * Sends back out of a DPDK device every packet that comes in, by the calls
 * that libmbox's port makes, and no more: what packet input and output cost
 * without it.  Runs until a signal. */

#include <config.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <rte_eal.h>
#include <rte_errno.h>
#include <rte_ethdev.h>
#include <rte_mbuf.h>

/* As in libmbox/port-dpdk.c. */
#define BURST 32
#define QUEUE_SIZE 512
#define N_PACKETS 8192

static void __attribute__((noreturn))
fail(const char *what, int error)
{
    fprintf(stderr, "mbox-bench-dpdk: %s: %s\n", what, strerror(error));
    exit(1);
}

/* Starts the device 'name' with one queue each way, and returns its id. */
static uint16_t
start(const char *name)
{
    struct rte_eth_conf conf;
    uint16_t id, n_rx = QUEUE_SIZE, n_tx = QUEUE_SIZE;
    struct rte_mempool *pool = rte_pktmbuf_pool_create(
        "packets", N_PACKETS, 0, 0, RTE_MBUF_DEFAULT_BUF_SIZE, SOCKET_ID_ANY);

    if (!pool) {
        fail("packet memory", rte_errno);
    }
    memset(&conf, 0, sizeof conf);
    int error = rte_eth_dev_get_port_by_name(name, &id);
    error = error ? error : rte_eth_dev_configure(id, 1, 1, &conf);
    error = error ? error : rte_eth_dev_adjust_nb_rx_tx_desc(id, &n_rx, &n_tx);
    error = error ? error : rte_eth_rx_queue_setup(id, 0, n_rx, SOCKET_ID_ANY,
                                                   NULL, pool);
    error = error ? error : rte_eth_tx_queue_setup(id, 0, n_tx, SOCKET_ID_ANY,
                                                   NULL);
    error = error ? error : rte_eth_dev_start(id);
    if (error) {
        fail(name, -error);
    }
    return id;
}

int
main(int argc, char *argv[])
{
    if (argc < 2) {
        fprintf(stderr, "usage: mbox-bench-dpdk DEVICE EAL-ARGUMENT...\n");
        return 2;
    }

    const char *name = argv[1];
    argv[1] = argv[0];
    if (rte_eal_init(argc - 1, argv + 1) < 0) {
        fail("DPDK", rte_errno);
    }

    uint16_t id = start(name);
    for (;;) {
        struct rte_mbuf *mbufs[BURST];
        uint16_t n = rte_eth_rx_burst(id, 0, mbufs, BURST);

        for (uint16_t sent = 0; sent < n; ) {
            sent += rte_eth_tx_burst(id, 0, mbufs + sent, n - sent);
        }
    }
}
