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

#ifndef STATE_LINKS_H
#define STATE_LINKS_H 1

/* Link-layer headers by which packets go to hosts: those by which packets of
 * these came, turned round.  So many hosts are remembered, those that were
 * heard of last. */

#include <stddef.h>
#include <stdint.h>

#define ST_LINK_MIN 14
#define ST_LINK_MAX 22          /* Ethernet with two VLAN headers. */

/* A packet has come from 'host' with this header. */
void st_links_learn(const uint8_t host[16], const uint8_t *header, size_t);

/* Packets to 'host' have this header, by what another instance knows. */
void st_links_put(const uint8_t host[16], const uint8_t *header, size_t);

/* Stores the header of packets to 'host'; of one that is not known, that of
 * packets to the last one that was heard of, since both may be behind the same
 * router.  Returns its length, or 0 if there is none. */
size_t st_links_find(const uint8_t host[16], uint8_t header[ST_LINK_MAX]);

#endif /* links.h */
