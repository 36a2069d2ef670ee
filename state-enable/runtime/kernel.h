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

#ifndef STATE_KERNEL_H
#define STATE_KERNEL_H 1

/* The kernel's TCP/IP between libmbox's packets and the program's sockets
 * ======================================================================
 *
 * The sockets are in a network namespace with a TUN device (tun-net.h), which
 * has addresses of its own.  Packets to these go to the kernel; others are not
 * the program's.  What the kernel sends leaves with the link-layer header of
 * the last packet from where it goes to, turned round. */

#include <stdbool.h>
#include <stddef.h>

struct mbox_packet;
struct st_instance;

/* Makes all of that, as the environment says.  Returns 0, or a negative errno
 * value with a malloc()ed message in '*error'. */
int st_kernel_open(char **error);

/* As socket(2), for AF_INET and AF_INET6. */
int st_kernel_socket(int domain, int type, int protocol);

/* Gives a packet to the kernel.  Returns false if it is not to its
 * addresses. */
bool st_kernel_take(const struct mbox_packet *);

/* Sends what the kernel has to send, or the first of it. */
void st_kernel_send(struct st_instance *);

/* Is readable when there is something to send. */
int st_kernel_fd(void);

#endif /* kernel.h */
