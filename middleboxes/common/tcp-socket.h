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

#ifndef TCP_SOCKET_H
#define TCP_SOCKET_H 1

/* Sockets of the kernel's TCP, and their addresses in the form of keys.
 * Functions that return false have set 'errno'. */

#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include "mbox-key.h"

/* Sets an option whose value is an integer. */
bool tcp_socket_set(int fd, int level, int option, int value);

/* As bind(2) and connect(2), with an address as in keys. */
bool tcp_socket_bind(int fd, uint8_t family, const uint8_t addr[16],
                     uint16_t port);
bool tcp_socket_connect(int fd, uint8_t family, const uint8_t addr[16],
                        uint16_t port);

/* Stores the addresses of a connected socket, its own as the source. */
bool tcp_socket_get_key(int fd, struct mbox_key *);

bool tcp_socket_get_info(int fd, struct tcp_info *);

/* The state of the socket, TCP_CLOSE if there is none any more. */
int tcp_socket_get_state(int fd);

#endif /* tcp-socket.h */
