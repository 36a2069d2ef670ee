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

#include "super-frame.h"

#include <stdlib.h>

#include "offload.h"

struct super_frame {
    struct mb_packet *frame;
    unsigned int n_segments, n_left;    /* Cut; not yet freed. */
    struct mb_packet *segments[];       /* Only to be compared with. */
};

/* A segment's 'free', which tells what its 'owner' is. */
static void
segment_free(struct mb_packet *segment)
{
    struct super_frame *s = segment->owner;

    free(segment);
    if (!--s->n_left) {
        mb_packet_free(s->frame);
        free(s);
    }
}

bool
mb_super_frame_cut(struct mb_packet *frame, size_t mss,
                   struct mb_packet **tail)
{
    struct mb_packet *segment;
    unsigned int n = 0;

    if (!mb_offload_segment(frame, mss, tail)) {
        return false;
    }
    for (segment = *tail; segment; segment = segment->next) {
        n++;
    }

    struct super_frame *s = malloc(sizeof *s + n * sizeof s->segments[0]);
    if (!s) {                   /* They will do without. */
        mb_packet_free(frame);
        return true;
    }
    s->frame = frame;
    s->n_segments = s->n_left = n;
    n = 0;
    for (segment = *tail; segment; segment = segment->next) {
        segment->owner = s;
        segment->free = segment_free;
        s->segments[n++] = segment;
    }
    return true;
}

/* What 'packet' is the first segment of, or null. */
static const struct super_frame *
begun(const struct mb_packet *packet)
{
    const struct super_frame *s = packet->owner;

    return packet->free == segment_free && packet == s->segments[0] ? s : NULL;
}

unsigned int
mb_super_frame_begins(const struct mb_packet *packet)
{
    const struct super_frame *s = begun(packet);

    return s ? s->n_segments : 1;
}

struct mb_packet *
mb_super_frame_of(struct mb_packet *const packets[], unsigned int n,
                  unsigned int *n_segments)
{
    const struct super_frame *s = begun(packets[0]);

    *n_segments = 1;
    if (!s || n < s->n_segments) {
        return NULL;
    }
    for (unsigned int i = 0; i < s->n_segments; i++) {
        /* Another packet may have the memory of a segment that was freed. */
        if (packets[i] != s->segments[i] || packets[i]->owner != s
            || packets[i]->headroom != MB_HEADROOM) {
            return NULL;
        }
    }
    *n_segments = s->n_segments;
    return s->frame;
}
