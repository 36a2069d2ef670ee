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

#ifndef PROXY_TCP_H
#define PROXY_TCP_H 1

/* Sockets of the proxy, in its network namespace. */

#include "mbox-key.h"
#include "proxy-net.h"
#include "tcp-repair.h"
#include "tcp-socket.h"

/* Opens a listener for 'port', of any address of the family. */
int proxy_tcp_listen(const struct proxy_net *, int family, uint16_t port,
                     int buffer);

/* Begins to connect from and to the addresses of 'key', whose source is the
 * socket's own.  Returns a descriptor or a negative errno value. */
int proxy_tcp_connect(const struct proxy_net *, const struct mbox_key *key,
                      int buffer);

/* Returns 0 if sockets can be put into repair mode, or a negative errno
 * value. */
int proxy_tcp_can_repair(const struct proxy_net *);

/* Makes a connected socket, in repair mode, at the addresses of 'key', whose
 * source is its own.  Returns a descriptor or a negative errno value. */
int proxy_tcp_restore(const struct proxy_net *, const struct mbox_key *key,
                      int buffer, const struct tcp_repair *);

/* Closes with a RST. */
void proxy_tcp_reset(int fd);

#endif /* proxy-tcp.h */
