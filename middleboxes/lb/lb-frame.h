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

#ifndef LB_FRAME_H
#define LB_FRAME_H 1

/* Frames that the load balancer makes itself
 * ==========================================
 *
 * ARP (RFC 826), neighbor discovery (RFC 4861), echo, and the TCP segments of
 * health checks.  Nothing here keeps state. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define LB_FRAME_MAX 128

struct lb_frame {
    size_t len;
    uint8_t data[LB_FRAME_MAX];
};

/* One end of what is sent: addresses as in struct mbox_key. */
struct lb_host {
    uint8_t family;
    uint8_t addr[16];
    uint8_t mac[6];
};

/* What an ARP packet or a neighbor solicitation or advertisement says. */
struct lb_neighbor {
    bool is_request;
    struct lb_host sender;
    uint8_t target[16];         /* Whose MAC is asked for; of an answer: whom
                                 * it is for. */
    bool is_probe;              /* Asks whether the address is in use. */
};

/* Returns false if the frame is nothing of the kind. */
bool lb_neighbor_parse(const void *frame, size_t len, struct lb_neighbor *);

/* "Who has 'target'?", to everybody, or the multicast group. */
void lb_frame_solicit(struct lb_frame *, const struct lb_host *src,
                      const uint8_t target[16]);

/* Answers 'request': 'src' is the address that it asks for. */
void lb_frame_advertise(struct lb_frame *, const struct lb_host *src,
                        const struct lb_neighbor *request);

struct lb_tcp {
    uint16_t src_port, dst_port;
    uint32_t seq, ack;
    uint8_t flags;              /* TH_*. */
};
void lb_frame_tcp(struct lb_frame *, const struct lb_host *src,
                  const struct lb_host *dst, const struct lb_tcp *);
void lb_frame_echo(struct lb_frame *, const struct lb_host *src,
                   const struct lb_host *dst, uint16_t id, uint16_t seq);

/* Turns the echo request with its IP and ICMP headers at these offsets into
 * its answer, in place. */
void lb_frame_answer_echo(uint8_t *frame, uint8_t family, size_t l3_ofs,
                          size_t l4_ofs, const uint8_t mac[6]);

#endif /* lb-frame.h */
