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

#include <config.h>
#include "ids-pcap.h"

#include <byteswap.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

#define MAX_FRAME (256 * 1024)
#define LINKTYPE_ETHERNET 1

struct ids_pcap {
    FILE *file;
    bool swap;
    uint32_t tick;              /* ns of the time's second field. */
    uint8_t frame[MAX_FRAME];
};

static uint32_t
fix(const struct ids_pcap *pcap, uint32_t value)
{
    return pcap->swap ? bswap_32(value) : value;
}

int
ids_pcap_open(const char *name, struct ids_pcap **pcapp)
{
    struct ids_pcap *pcap = malloc(sizeof *pcap);
    uint32_t header[6];
    int error = -EPROTO;

    *pcapp = NULL;
    if (!pcap) {
        return -ENOMEM;
    }
    pcap->file = fopen(name, "re");
    if (!pcap->file) {
        error = -errno;
        free(pcap);
        return error;
    }
    if (fread(header, sizeof header, 1, pcap->file) == 1) {
        pcap->swap = (header[0] == bswap_32(0xa1b2c3d4)
                      || header[0] == bswap_32(0xa1b23c4d));

        uint32_t magic = fix(pcap, header[0]);
        if ((magic == 0xa1b2c3d4 || magic == 0xa1b23c4d)
            && (fix(pcap, header[5]) & 0xffff) == LINKTYPE_ETHERNET) {
            pcap->tick = magic == 0xa1b2c3d4 ? 1000 : 1;
            *pcapp = pcap;
            return 0;
        }
    }
    ids_pcap_close(pcap);
    return error;
}

void
ids_pcap_close(struct ids_pcap *pcap)
{
    if (pcap) {
        fclose(pcap->file);
        free(pcap);
    }
}

int
ids_pcap_next(struct ids_pcap *pcap, const uint8_t **frame, size_t *len,
              uint64_t *time)
{
    uint32_t header[4];         /* Seconds, fraction, bytes, original bytes. */

    if (fread(header, sizeof header, 1, pcap->file) != 1) {
        return ferror(pcap->file) ? -EIO : 0;
    }
    *len = fix(pcap, header[2]);
    if (*len > MAX_FRAME || fread(pcap->frame, 1, *len, pcap->file) != *len) {
        return -EPROTO;
    }
    *time = (fix(pcap, header[0]) * UINT64_C(1000000000)
             + (uint64_t) fix(pcap, header[1]) * pcap->tick);
    *frame = pcap->frame;
    return 1;
}
