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
#include "mbox-transfer-private.h"

#include "util.h"

/* Sets of flow keys. */

struct mbox_key_node {
    struct hmap_node node;
    struct mbox_key key;
};

void
mbox_key_set_init(struct mbox_key_set *set)
{
    hmap_init(&set->map);
}

void
mbox_key_set_clear(struct mbox_key_set *set)
{
    struct mbox_key_node *node;

    HMAP_FOR_EACH_POP (node, node, &set->map) {
        free(node);
    }
}

void
mbox_key_set_destroy(struct mbox_key_set *set)
{
    mbox_key_set_clear(set);
    hmap_destroy(&set->map);
}

void
mbox_key_set_swap(struct mbox_key_set *a, struct mbox_key_set *b)
{
    hmap_swap(&a->map, &b->map);
}

size_t
mbox_key_set_count(const struct mbox_key_set *set)
{
    return hmap_count(&set->map);
}

static struct mbox_key_node *
mbox_key_set_find(const struct mbox_key_set *set, const struct mbox_key *key,
                  uint32_t hash)
{
    struct mbox_key_node *node;

    HMAP_FOR_EACH_WITH_HASH (node, node, hash, &set->map) {
        if (mbox_key_equal(&node->key, key)) {
            return node;
        }
    }
    return NULL;
}

bool
mbox_key_set_contains(const struct mbox_key_set *set,
                      const struct mbox_key *key)
{
    return mbox_key_set_find(set, key, mbox_key_hash(key, 0)) != NULL;
}

bool
mbox_key_set_add(struct mbox_key_set *set, const struct mbox_key *key)
{
    uint32_t hash = mbox_key_hash(key, 0);

    if (mbox_key_set_find(set, key, hash)) {
        return false;
    }

    struct mbox_key_node *node = xmalloc(sizeof *node);
    node->key = *key;
    hmap_insert(&set->map, &node->node, hash);
    return true;
}

bool
mbox_key_set_remove(struct mbox_key_set *set, const struct mbox_key *key)
{
    struct mbox_key_node *node = mbox_key_set_find(set, key,
                                                   mbox_key_hash(key, 0));

    if (!node) {
        return false;
    }
    hmap_remove(&set->map, &node->node);
    free(node);
    return true;
}

struct mbox_key *
mbox_key_set_array(const struct mbox_key_set *set)
{
    size_t n = mbox_key_set_count(set);
    struct mbox_key *keys = n ? xmalloc(n * sizeof *keys) : NULL;
    const struct mbox_key_node *node;
    size_t i = 0;

    HMAP_FOR_EACH (node, node, &set->map) {
        keys[i++] = node->key;
    }
    return keys;
}

struct mbox_key *
mbox_transfer_get_keys(const struct mbox_msg *msg)
{
    size_t n = msg->n_keys;
    struct mbox_key *keys = n ? xmalloc(n * sizeof *keys) : NULL;

    for (size_t i = 0; i < n; i++) {
        mbox_msg_get_key(msg, i, &keys[i]);
        mbox_key_canonical(&keys[i], &keys[i]);
    }
    return keys;
}

/* Packets in order. */

void
mbox_frames_insert(struct mbox_frames *frames, size_t n_fixed, uint32_t seq,
                   const void *data, size_t len, long long now_us)
{
    size_t i = frames->n;

    if (frames->n >= frames->allocated) {
        frames->frames = x2nrealloc(frames->frames, &frames->allocated,
                                    sizeof *frames->frames);
    }
    for (; i > n_fixed && frames->frames[i - 1].seq > seq; i--) {
        frames->frames[i] = frames->frames[i - 1];
    }
    frames->n++;
    frames->frames[i] = (struct mbox_frame) {
        .data = xmemdup(data, len), .len = len, .seq = seq,
        .since_us = now_us,
    };
    frames->bytes += len + sizeof *frames->frames;
    frames->max_bytes = MAX(frames->max_bytes, frames->bytes);
}

void
mbox_frames_free_to(struct mbox_frames *frames, size_t end, long long now_us)
{
    for (; frames->n_freed < end; frames->n_freed++) {
        struct mbox_frame *frame = &frames->frames[frames->n_freed];

        frames->bytes -= frame->len + sizeof *frame;
        frames->max_us = MAX(frames->max_us, now_us - frame->since_us);
        free(frame->data);
        frame->data = NULL;
    }
}

void
mbox_frames_destroy(struct mbox_frames *frames)
{
    mbox_frames_free_to(frames, frames->n, 0);
    free(frames->frames);
}
