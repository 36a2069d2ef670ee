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

#ifndef NAMESAKES_H
#define NAMESAKES_H 1

/* Two files, each of which has a struct with what it keeps of flows of UDP: one
 * "entry", the other one ENTRY. */

#include <arpa/inet.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef ENTRY
#define ENTRY entry
#endif

#define N_BUCKETS 16

void count_packet(const struct iphdr *, const struct udphdr *);
void count_print(void);
void note_packet(const struct iphdr *, const struct udphdr *, long now);
void note_print(void);

#endif /* namesakes.h */
