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

#ifndef STATEALYZR_DESCRIPTORS_H
#define STATEALYZR_DESCRIPTORS_H 1

/* Where file descriptors come from
 * ================================
 *
 * read() may read a configuration file or a packet.  Which, is where its
 * descriptor was made: forward slices (slice.h) by value from calls of
 * socket(), accept(), open()...
 *
 * A source is "FUNCTION", or "FUNCTION:PREFIX": then only a call with an
 * argument that may be a constant string that starts with PREFIX
 * ("open:/dev/net/tun").  socket() and socketpair() of the families AF_UNIX
 * and AF_NETLINK carry no packets and do not count, unless it is asked for
 * "socket:any". */

#include "pta.h"
#include "sdg.h"

struct sa_descriptors;

struct sa_descriptors *sa_descriptors_create(const struct sa_program *,
                                             const struct sa_pta *,
                                             const struct sa_sdg *);
void sa_descriptors_destroy(struct sa_descriptors *);

/* Whether argument 'arg' of call 'insn' may come from one of 'sources', which
 * NULL ends.  Returns the instruction of the first source that it may come
 * from, or SA_NONE. */
uint32_t sa_descriptor_source(struct sa_descriptors *, uint32_t insn, int arg,
                              const char *const *sources);

#endif /* descriptors.h */
