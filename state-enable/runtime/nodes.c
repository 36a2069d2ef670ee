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

#include "nodes.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include "heap.h"
#include "index.h"
#include "known.h"
#include "slots.h"
#include "state-hook.h"
#include "trees.h"

uint64_t
st_load(const void *p, uint32_t size)
{
    uint8_t u8;
    uint16_t u16;
    uint32_t u32;
    uint64_t u64;

    switch (size) {
    case 1: memcpy(&u8, p, 1); return u8;
    case 2: memcpy(&u16, p, 2); return u16;
    case 4: memcpy(&u32, p, 4); return u32;
    default: memcpy(&u64, p, 8); return u64;
    }
}

void
st_store(void *p, uint32_t size, uint64_t value)
{
    uint8_t u8 = value;
    uint16_t u16 = value;
    uint32_t u32 = value;

    switch (size) {
    case 1: memcpy(p, &u8, 1); break;
    case 2: memcpy(p, &u16, 2); break;
    case 4: memcpy(p, &u32, 4); break;
    default: memcpy(p, &value, 8); break;
    }
}

void *
st_load_pointer(const void *p)
{
    void *value;

    memcpy(&value, p, sizeof value);
    return value;
}

void
st_store_pointer(void *p, const void *value)
{
    memcpy(p, &value, sizeof value);
}

static uint8_t *
member(void *object, uint32_t offset)
{
    return (uint8_t *) object + offset;
}

uint32_t
st_live(const struct st_pointer *p, const void *object)
{
    if (p->live == ST_NONE) {
        return p->count;
    }
    uint64_t live = st_load((const uint8_t *) object + p->live, p->live_size);
    return live < p->count ? live : p->count;
}

/* Keys. */

static bool
get_address(const struct st_key *k, const uint8_t *object, uint8_t address[16],
            uint8_t *family)
{
    const uint8_t *p = object + k->offset;
    static const uint8_t zeros[12];
    static const uint8_t v4_mapped[12] = { [10] = 0xff, [11] = 0xff };
    uint64_t version = 6;

    if (k->size == 4) {
        version = 4;
    } else if (!memcmp(p, v4_mapped, sizeof v4_mapped)) {
        p += 12;
        version = 4;
    } else if (k->version != ST_NONE) {
        version = st_load(object + k->version, k->version_size);
    } else if (!memcmp(p + 4, zeros, sizeof zeros)) {
        version = 4;
    }

    if (version == 4 || version == AF_INET) {
        uint32_t ip = st_load(p, 4);

        if (k->host_order) {
            ip = htonl(ip);
        }
        memset(address, 0, 10);
        memset(address + 10, 0xff, 2);
        memcpy(address + 12, &ip, 4);
        *family = 4;
    } else if (version == 6 || version == AF_INET6) {
        memcpy(address, p, 16);
        *family = 6;
    } else {
        return false;
    }
    return true;
}

bool
st_node_key(const struct st_structure *s, const void *node,
            struct mbox_key *key)
{
    memset(key, 0, sizeof *key);
    key->vlan = s->per_flow ? MBOX_VLAN_NONE : 0;
    key->proto = s->proto;
    for (uint32_t i = 0; i < s->n_keys; i++) {
        const struct st_key *k = &s->keys[i];
        const uint8_t *object = node;

        if (k->via != ST_NONE) {
            object = st_load_pointer(object + k->via);
            if (!object) {
                return false;
            }
        }
        uint64_t value;
        switch (k->part) {
        case ST_ADDRESS_A:
        case ST_ADDRESS_B:
            if (!get_address(k, object, (k->part == ST_ADDRESS_A
                                         ? key->src : key->dst),
                             &key->family)) {
                return false;
            }
            break;
        case ST_PORT_A:
        case ST_PORT_B:
            value = st_load(object + k->offset, k->size);
            if (!k->host_order) {
                value = ntohs(value);
            }
            *(k->part == ST_PORT_A ? &key->src_port : &key->dst_port) = value;
            break;
        case ST_PROTO:
            key->proto = st_load(object + k->offset, k->size);
            break;
        }
    }
    return key->family != 0;
}

void
st_public_key(const struct st_structure *s, const struct mbox_key *exact,
              struct mbox_key *public)
{
    if (s->per_flow) {
        mbox_key_canonical(exact, public);
    } else {
        *public = *exact;
    }
}

/* Containers. */

/* More than any program has, so that a list that leads into itself ends. */
#define NODES_MAX (UINT64_C(1) << 32)

static int
bad_shape(struct st *st, const struct st_structure *s, const char *what)
{
    return st_error(st, -ENOTSUP, "%s: %s: its containers are not kept as the "
                    "program's code was understood to keep them", s->name,
                    what);
}

static int
walk_bucket(struct st *st, const struct st_structure *s, uint32_t bucket,
            st_node_cb *cb, void *aux)
{
    const struct st_list *list = &s->lists[0];
    void *prev = NULL;
    uint64_t n = 0;

    for (void *node = list->first[bucket]; node;
         prev = node, node = st_load_pointer(member(node, list->next))) {
        if (list->prev != ST_NONE
            && st_load_pointer(member(node, list->prev)) != prev) {
            return bad_shape(st, s, "a node does not lead back");
        }
        st->n_visited++;
        if (++n > NODES_MAX) {
            return bad_shape(st, s, "a list has no end");
        }
        int error = cb(node, bucket, aux);
        if (error) {
            return error;
        }
    }
    if (list->last && *list->last != prev) {
        return bad_shape(st, s, "the last node is another");
    }
    return 0;
}

struct walk {
    struct st *st;
    st_node_cb *cb;
    void *aux;
};

static int
walk_node(void *node, void *walk_)
{
    const struct walk *walk = walk_;

    walk->st->n_visited++;
    return walk->cb(node, 0, walk->aux);
}

static int
walk_tree(struct st *st, const struct st_structure *s, st_node_cb *cb,
          void *aux)
{
    struct walk walk = { st, cb, aux };
    int error = st_tree_for_each(&s->trees[0], walk_node, &walk);

    return (error == -EINVAL
            ? bad_shape(st, s, "a node is not where it belongs in a tree")
            : error);
}

int
st_for_each(struct st *st, uint32_t structure, st_node_cb *cb, void *aux)
{
    const struct st_structure *s = &st->program->structures[structure];

    if (s->container) {
        struct walk walk = { st, cb, aux };

        return s->container->for_each(walk_node, &walk);
    }
    if (!s->n_lists) {
        return walk_tree(st, s, cb, aux);
    }
    for (uint32_t i = 0; i < s->lists[0].n_buckets; i++) {
        int error = walk_bucket(st, s, i, cb, aux);
        if (error) {
            return error;
        }
    }
    return 0;
}

struct find {
    const struct st_structure *s;
    const struct mbox_key *key;
    bool exact;
    void **nodes;
    uint32_t *buckets;
    size_t n, max;
};

static int
find_node(void *node, uint32_t bucket, void *find_)
{
    struct find *find = find_;
    struct mbox_key key, public;

    if (!st_node_key(find->s, node, &key)) {
        return 0;
    }
    st_public_key(find->s, &key, &public);
    if (mbox_key_equal(find->exact ? &key : &public, find->key)) {
        find->nodes[find->n] = node;
        find->buckets[find->n] = bucket;
        find->n++;
    }
    return find->n >= find->max;
}

/* Writes a key into an object, which is zeros.  Returns false if it could be
 * written in more than one way. */
static bool
set_key(const struct st_structure *s, uint8_t *object,
        const struct mbox_key *key)
{
    for (uint32_t i = 0; i < s->n_keys; i++) {
        const struct st_key *k = &s->keys[i];
        bool is_a = k->part == ST_ADDRESS_A || k->part == ST_PORT_A;
        uint16_t port = is_a ? key->src_port : key->dst_port;
        uint32_t ip;

        if (k->via != ST_NONE) {
            return false;
        }
        switch (k->part) {
        case ST_ADDRESS_A:
        case ST_ADDRESS_B:
            if (k->size != 4 || key->family != 4) {
                return false;
            }
            memcpy(&ip, (is_a ? key->src : key->dst) + 12, 4);
            st_store(object + k->offset, 4, k->host_order ? ntohl(ip) : ip);
            break;
        case ST_PORT_A:
        case ST_PORT_B:
            if (k->size != 2) {
                return false;
            }
            st_store(object + k->offset, 2,
                     k->host_order ? port : htons(port));
            break;
        case ST_PROTO:
            st_store(object + k->offset, k->size, key->proto);
            break;
        }
    }
    return true;
}

/* Finds nodes by the order of the first tree, which is that of the key, in
 * both directions.  Returns false if that cannot be done. */
static bool
find_by_order(struct st *st, const struct st_structure *s, struct find *find)
{
    const struct mbox_key *key = find->key;
    uint32_t size = st->program->types[s->type].size;
    uint8_t *probes = s->n_trees && !s->n_lists ? calloc(2, size) : NULL;
    struct mbox_key reverse;

    mbox_key_reverse(key, &reverse);
    bool ok = (probes && set_key(s, probes, key)
               && set_key(s, probes + size, &reverse));
    for (int i = 0; ok && i < (s->per_flow ? 2 : 1); i++) {
        void *node = st_tree_find(&s->trees[0], probes + i * size);

        if (node && find->n < find->max
            && !(find->n && find->nodes[0] == node)) {
            find_node(node, 0, find);
        }
    }
    free(probes);
    return ok;
}

/* Whether what a node has its key from is there, if it is not in the node: the
 * program may have taken that out of its containers without freeing it. */
static bool
has_key(const struct st_structure *s, const void *node)
{
    for (uint32_t i = 0; i < s->n_keys; i++) {
        uint32_t via = s->keys[i].via;
        void *start;
        size_t size;

        if (via != ST_NONE
            && !st_heap_find(st_load_pointer((const uint8_t *) node + via),
                             &start, &size)) {
            return false;
        }
    }
    return true;
}

bool
st_is_current(struct st *st, const struct st_structure *s, const void *node,
              const struct mbox_key *public)
{
    struct mbox_key exact, key;

    if (!has_key(s, node) || !st_node_key(s, node, &exact)) {
        return false;
    }
    st_public_key(s, &exact, &key);
    return (mbox_key_equal(&key, public)
            && (!s->slots || st_slot_is_used(st, s, node)));
}

static void
keep_current(struct st *st, const struct st_structure *s,
             const struct mbox_key *public, void *nodes[], size_t *n)
{
    size_t kept = 0;

    for (size_t i = 0; i < *n; i++) {
        if (st_is_current(st, s, nodes[i], public)) {
            nodes[kept++] = nodes[i];
        }
    }
    *n = kept;
}

bool
st_is_both_ways(const struct st_structure *s)
{
    return s->both_ways || (s->container && s->container->both_ways);
}

int
st_find(struct st *st, uint32_t structure, const struct mbox_key *public,
        void *nodes[], size_t max, size_t *n)
{
    const struct st_structure *s = &st->program->structures[structure];

    *n = st_index_find(st->index, structure, public, nodes, max);
    keep_current(st, s, public, nodes, n);
    /* A node of the other direction may be newer than the index. */
    if (*n && (!s->per_flow || st_is_both_ways(s))) {
        return 0;
    }
    if (st_known(st, structure)) {
        *n = st_index_find(st->index, structure, public, nodes, max);
    } else {
        uint32_t buckets[ST_NODES_MAX];
        struct find find = { .s = s, .key = public, .nodes = nodes,
                             .buckets = buckets, .max = max };
        int error = (find_by_order(st, s, &find) ? 0
                     : st_for_each(st, structure, find_node, &find));

        *n = find.n;
        return error < 0 ? error : 0;
    }
    return 0;
}

/* Whether the trees, or the user's containers, have a node. */
static int
in_trees(struct st *st, const struct st_structure *s, void *node)
{
    if (s->container && s->container->find(node) != node) {
        return bad_shape(st, s, "a node is not found by its hook");
    }
    for (uint32_t i = 0; i < s->n_trees; i++) {
        if (st_tree_find(&s->trees[i], node) != node) {
            return bad_shape(st, s, "a node is in no tree");
        }
    }
    return 0;
}

int
st_find_place(struct st *st, uint32_t structure, void *node,
              const struct mbox_key *exact, uint32_t bucket, void **there)
{
    const struct st_structure *s = &st->program->structures[structure];
    uint32_t unused;
    struct find find = { .s = s, .key = exact, .exact = true,
                         .nodes = there, .buckets = &unused, .max = 1 };

    *there = NULL;
    if (s->n_lists) {
        int error = walk_bucket(st, s, bucket, find_node, &find);

        if (error < 0) {
            return error;
        }
    } else {
        void *equal = (s->container ? s->container->find(node)
                       : st_tree_find(&s->trees[0], node));

        if (equal) {
            find_node(equal, 0, &find);
        }
    }
    return *there ? in_trees(st, s, *there) : 0;
}

int
st_check_place(struct st *st, uint32_t structure, void *node,
               const void *there)
{
    const struct st_structure *s = &st->program->structures[structure];

    void *equal = s->container ? s->container->find(node) : NULL;
    bool is_taken = equal && equal != there;

    for (uint32_t i = 0; i < s->n_trees; i++) {
        equal = st_tree_find(&s->trees[i], node);
        is_taken |= equal && equal != there;
    }
    return (is_taken
            ? st_error(st, -EEXIST, "%s: another entry has the place in a "
                       "tree that one to import would have", s->name)
            : 0);
}

static bool
is_in_bucket(const struct st_list *list, uint32_t bucket, const void *node)
{
    const void *p = list->first[bucket];

    while (p && p != node) {
        p = st_load_pointer((const uint8_t *) p + list->next);
    }
    return p != NULL;
}

/* The bucket of a node is that of the list that it is the first of. */
static int
find_bucket(struct st *st, const struct st_structure *s,
            const struct st_list *list, void *node, uint32_t *bucket)
{
    if (list->n_buckets == 1) {
        *bucket = 0;
        return 0;
    }
    if (list->prev == ST_NONE) {
        if (list == s->lists
            && st_known_bucket(st, s - st->program->structures, node, bucket)
            && is_in_bucket(list, *bucket, node)) {
            return 0;
        }
        for (*bucket = 0; *bucket < list->n_buckets; ++*bucket) {
            if (is_in_bucket(list, *bucket, node)) {
                return 0;
            }
        }
        return bad_shape(st, s, "a node is in no list");
    }

    void *first = node, *prev;
    while ((prev = st_load_pointer(member(first, list->prev)))) {
        first = prev;
    }
    for (uint32_t i = 0; i < list->n_buckets; i++) {
        if (list->first[i] == first) {
            *bucket = i;
            return 0;
        }
    }
    return bad_shape(st, s, "a node is in no list");
}

int
st_buckets(struct st *st, uint32_t structure, void *node, uint32_t buckets[])
{
    const struct st_structure *s = &st->program->structures[structure];

    for (uint32_t i = 0; i < s->n_lists; i++) {
        int error = find_bucket(st, s, &s->lists[i], node, &buckets[i]);
        if (error) {
            return error;
        }
    }
    return in_trees(st, s, node);
}

static void
set_link(void *node, uint32_t offset, void *value)
{
    if (node && offset != ST_NONE) {
        st_store_pointer(member(node, offset), value);
    }
}

static void
list_insert(const struct st_list *list, uint32_t bucket, void *node)
{
    void **first = &list->first[bucket];

    if (list->append && list->last) {
        void *last = *list->last;

        set_link(node, list->next, NULL);
        set_link(node, list->prev, last);
        set_link(last, list->next, node);
        *list->last = node;
        if (!last) {
            *first = node;
        }
    } else {
        set_link(node, list->next, *first);
        set_link(node, list->prev, NULL);
        set_link(*first, list->prev, node);
        if (!*first && list->last) {
            *list->last = node;
        }
        *first = node;
    }
}

static void
list_remove(const struct st_list *list, uint32_t bucket, void *node)
{
    void *next = st_load_pointer(member(node, list->next));
    void *prev = NULL;

    if (list->prev != ST_NONE) {
        prev = st_load_pointer(member(node, list->prev));
    } else {
        for (void *p = list->first[bucket]; p && p != node;
             p = st_load_pointer(member(p, list->next))) {
            prev = p;
        }
    }
    if (prev) {
        set_link(prev, list->next, next);
    } else {
        list->first[bucket] = next;
    }
    if (next) {
        set_link(next, list->prev, prev);
    } else if (list->last) {
        *list->last = prev;
    }
}

static void
count_nodes(const struct st_structure *s, uint64_t n)
{
    for (uint32_t i = 0; i < s->n_counts; i++) {
        const struct st_count *c = &s->counts[i];

        st_store(c->address, c->size, st_load(c->address, c->size) + n);
    }
}

/* Has the user's hook insert a node. */
static void
insert_by_hook(struct st *st, const struct st_structure *s, void *node)
{
    const struct st_type *t = &st->program->types[s->type];

    for (uint32_t i = 0; i < t->n_pointers; i++) {
        const struct st_pointer *p = &t->pointers[i];

        for (uint32_t j = 0; p->target == ST_LINK && j < p->count; j++) {
            st_store_pointer(member(node, p->offset + j * p->stride), NULL);
        }
    }
    s->container->insert(node);
}

void
st_link_trees(struct st *st, uint32_t structure, void *node)
{
    const struct st_structure *s = &st->program->structures[structure];

    if (s->container) {
        insert_by_hook(st, s, node);
    }

    for (uint32_t i = 0; i < s->n_trees; i++) {
        st_tree_insert(&s->trees[i], node);
    }
}

int
st_unlink_trees(struct st *st, uint32_t structure, void *node)
{
    const struct st_structure *s = &st->program->structures[structure];

    for (uint32_t i = 0; i < s->n_trees; i++) {
        if (!st_tree_remove(&s->trees[i], node)) {
            while (i--) {
                st_tree_insert(&s->trees[i], node);
            }
            return bad_shape(st, s, "a node is still in its tree");
        }
    }
    if (s->container) {
        s->container->remove(node);
    }
    return 0;
}

void
st_link(struct st *st, uint32_t structure, void *node,
        const uint32_t buckets[])
{
    const struct st_structure *s = &st->program->structures[structure];

    if (s->bucket_offset != ST_NONE) {
        st_store(member(node, s->bucket_offset), s->bucket_size, buckets[0]);
    }
    for (uint32_t i = 0; i < s->n_lists; i++) {
        list_insert(&s->lists[i], buckets[i], node);
    }
    st_link_trees(st, structure, node);
    count_nodes(s, 1);
}

int
st_unlink(struct st *st, uint32_t structure, void *node,
          const uint32_t buckets[])
{
    const struct st_structure *s = &st->program->structures[structure];
    int error = st_unlink_trees(st, structure, node);

    if (error) {
        return error;
    }
    for (uint32_t i = 0; i < s->n_lists; i++) {
        list_remove(&s->lists[i], buckets[i], node);
    }
    count_nodes(s, -1);
    return 0;
}

void
st_count_references(struct st *st, uint32_t structure, void *node, int n)
{
    const struct st_structure *s = &st->program->structures[structure];

    for (uint32_t i = 0; i < s->n_references; i++) {
        const struct st_reference_count *r = &s->references[i];
        void *target = st_load_pointer(member(node, r->pointer));

        if (target) {
            uint8_t *count = member(target, r->offset);

            st_store(count, r->size, st_load(count, r->size) + n);
        }
    }
}

uint64_t
st_references(const struct st_structure *s, const void *node)
{
    return (s->count_offset == ST_NONE ? 0
            : st_load((const uint8_t *) node + s->count_offset,
                      s->count_size));
}
