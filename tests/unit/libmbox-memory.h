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

#ifndef LIBMBOX_MEMORY_H
#define LIBMBOX_MEMORY_H 1

/* Ports in memory: "memory:0", "memory:1", for mb_port_register().  Instances
 * read and write them in their threads, the test from others. */

#include <pthread.h>
#include "buffer.h"
#include "port.h"

struct memory_port {
    struct mb_port up;
    pthread_mutex_t mutex;
    int fd;
    struct mb_buffer in, out;
};

extern struct memory_port memory_ports[2];
extern const struct mb_port_class memory_class;

/* Gives a frame to a port, 'tag' on it unless null. */
void memory_give(int port, const void *frame, size_t len,
                 const struct mbox_tag *tag);

/* Frames that the instance has not read yet. */
size_t memory_waiting(int port);

/* Takes the oldest frame that the instance sent; null if there is none. */
struct mb_packet *memory_take(int port);

#endif /* libmbox-memory.h */
