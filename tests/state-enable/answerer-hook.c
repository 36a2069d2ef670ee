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

/* Moves the sockets of answerer.c: as a user would write it. */

#include <ovs-mbox/state-tcp.h>
#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include "answerer.h"

static void
arrived(void *conn, unsigned int index)
{
    (void) index;
    conn_wait(conn, EPOLL_CTL_ADD);
}

MBOX_STATE_TCP_HOOK(conn_tcp, struct conn, fd, arrived, NULL)

/* For tests: every other client's connections cannot be moved. */
static ssize_t
save(const void *conn_, unsigned int index, void *buffer, size_t size)
{
    const struct conn *conn = conn_;

    return (getenv("ANSWERER_SOME_STAY") && ntohl(conn->src) % 2 ? -EBUSY
            : conn_tcp_save(conn, index, buffer, size));
}

const struct mbox_state_hook conn_socket = {
    save, conn_tcp_load, conn_tcp_release, conn_tcp_resume, conn_tcp_describe,
};
