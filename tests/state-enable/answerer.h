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

#ifndef ANSWERER_H
#define ANSWERER_H 1

/* What answerer.c has for each connection. */

struct conn {
    struct conn *next;
    unsigned int src, dst;      /* The client is the source. */
    unsigned short sport, dport;
    int fd;
    unsigned int state;         /* Of the generator of keys. */
    unsigned int start, len;    /* Of what is to be sent in 'data'. */
    unsigned char data[8192];
};

extern int epoll_fd;

/* Has the program wait until something can be done for a connection. */
void conn_wait(struct conn *, int how);

#endif /* answerer.h */
