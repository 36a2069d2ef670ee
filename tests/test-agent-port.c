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

/* The network device of the scripted agent: what it sent is in a pcap file,
 * and ovs-appctl makes it receive.  (The device's own sockets are served by
 * the main loop only when it has something else to do.) */

#include "test-agent.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mbox-tag.h"

#define PCAP_HEADER_LEN 24
#define PCAP_RECORD_LEN 16

static char port_name[64];
static int port_fd = -1;                /* Of the pcap file. */
static uint8_t port_buf[65536 + 64];
static size_t port_len;
static uint8_t tracer[2048];
static size_t tracer_len;
static bool have_tracer;                /* One that is not returned yet. */

void
port_open(const char *name, const char *pcap_file)
{
    snprintf(port_name, sizeof port_name, "%s", name);
    port_fd = open(pcap_file, O_RDONLY | O_CLOEXEC);
    if (port_fd < 0) {
        fail("%s: %s", pcap_file, strerror(errno));
    }
    lseek(port_fd, PCAP_HEADER_LEN, SEEK_SET);
    port_len = 0;
}

static void
port_send(const uint8_t *frame, size_t len)
{
    char command[4096];
    int n;

    n = snprintf(command, sizeof command,
                 "ovs-appctl netdev-dummy/receive %s ", port_name);
    for (size_t i = 0; i < len; i++) {
        n += snprintf(command + n, sizeof command - n, "%02x", frame[i]);
    }
    fflush(stdout);
    if (system(command)) {
        fail("ovs-appctl failed");
    }
}

static void
port_recv(const uint8_t *frame, size_t len)
{
    struct mbox_tag tag;

    if (mbox_tag_peek(frame, len, &tag) && tag.kind == MBOX_TAG_TRACER
        && tag.id == last.id && len <= sizeof tracer) {
        if (!tracer_len) {
            printf("port tracer id=%u seq=%u\n", tag.id, tag.seq);
            have_tracer = true;
        }
        memcpy(tracer, frame, len);
        tracer_len = len;
    }
}

void
port_run(void)
{
    ssize_t n;

    if (port_fd < 0) {
        return;
    }
    while ((n = read(port_fd, port_buf + port_len,
                     sizeof port_buf - port_len)) > 0) {
        port_len += n;
        while (port_len >= PCAP_RECORD_LEN) {
            uint32_t len;

            memcpy(&len, port_buf + 8, sizeof len);
            if (port_len < PCAP_RECORD_LEN + len) {
                break;
            }
            port_recv(port_buf + PCAP_RECORD_LEN, len);
            port_len -= PCAP_RECORD_LEN + len;
            memmove(port_buf, port_buf + PCAP_RECORD_LEN + len, port_len);
        }
    }
}

bool
port_is_open(void)
{
    return port_fd >= 0;
}

bool
port_has_tracer(void)
{
    return have_tracer;
}

void
port_return_tracer(void)
{
    port_send(tracer, tracer_len);
    have_tracer = false;
}

void
port_forget_tracer(void)
{
    tracer_len = 0;
    have_tracer = false;
}
