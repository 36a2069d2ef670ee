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

#include "dirty-private.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "heap.h"
#include "shadow.h"

#define BUCKETS_MIN 64

struct table {
    struct dirty_chain **buckets;
    size_t n_buckets;           /* A power of two, or 0. */
    size_t n;
};

/* A block that was written to, whose entries are to be marked. */
struct written {
    const void *start;
    uint64_t bits;
};
#define N_WRITTEN 16

uint8_t mbox_state_dirty_tracking;

/* A number of this thread, without a call if that is possible. */
static inline uintptr_t
this_thread(void)
{
#if __has_builtin(__builtin_thread_pointer)
    return (uintptr_t) __builtin_thread_pointer();
#else
    return (uintptr_t) pthread_self();
#endif
}

static struct {
    struct st *st;
    uintptr_t owner;            /* Thread; atomic. */
    struct table keys, blocks;
    struct written written[N_WRITTEN];
    unsigned int n_written;
    struct dirty_entry *clean;  /* All that are as they were sent, and some
                                 * that are not. */
    struct st_shadow shadow;    /* Blocks of the heap that are in 'blocks',
                                 * less bytes to which writes change
                                 * nothing. */
    bool has_slots;             /* Elements of arrays may be, too. */
    uint64_t packet;            /* Of ST_WRITE_FLOWS, ST_WRITE_HOSTS: set since
                                 * the last packet. */
    uint64_t always;            /* Of these: what changes them is not known, or
                                 * only to hooks of the user's. */
    bool unknown;               /* Anything may have been written. */
    bool elsewhere;             /* By another thread; atomic. */
    bool warned;                /* Of that. */
    bool busy;                  /* The tables are being used. */
    uint64_t slowly;            /* Writes with these bits are not of the heap
                                 * alone: all if 'busy', */
    uint64_t slowly_idle;       /* or 'has_slots', or 'paused'. */
    unsigned int paused;        /* So often. */
} dirty;

static void
set_busy(bool busy)
{
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
    dirty.slowly = busy ? UINT64_MAX : dirty.slowly_idle;
    dirty.busy = busy;
    __atomic_signal_fence(__ATOMIC_SEQ_CST);
}

/* To be called when 'has_slots' or 'paused' has changed. */
static void
update_slowly(void)
{
    dirty.slowly_idle = (dirty.has_slots || dirty.paused ? UINT64_MAX
                         : ST_WRITE_FLOWS | ST_WRITE_HOSTS | ST_WRITE_ANY);
    set_busy(dirty.busy);
}

/* Tables. */

static struct dirty_chain **
bucket(const struct table *t, uint64_t hash)
{
    return &t->buckets[hash & (t->n_buckets - 1)];
}

static uint64_t
hash_start(const void *start)
{
    return ((uintptr_t) start * UINT64_C(0x9e3779b97f4a7c15)) >> 32;
}

static uint64_t
block_hash(const struct dirty_chain *c)
{
    return hash_start(((const struct dirty_block *) c)->start);
}

static uint64_t
entry_hash(const struct dirty_chain *c)
{
    const struct dirty_entry *e = (const struct dirty_entry *) c;

    return mbox_key_hash(&e->key, e->per_flow);
}

/* Makes room for 'n' more.  False if memory is short. */
static bool
reserve(struct table *t, size_t n,
        uint64_t (*hash)(const struct dirty_chain *))
{
    struct table new = { .n_buckets = t->n_buckets, .n = t->n };

    while (new.n_buckets < BUCKETS_MIN || new.n_buckets < 2 * (t->n + n)) {
        new.n_buckets = (new.n_buckets ? 2 * new.n_buckets : BUCKETS_MIN);
    }
    if (new.n_buckets == t->n_buckets) {
        return true;
    }
    new.buckets = calloc(new.n_buckets, sizeof *new.buckets);
    if (!new.buckets) {
        return false;
    }
    for (size_t i = 0; i < t->n_buckets; i++) {
        while (t->buckets[i]) {
            struct dirty_chain *c = t->buckets[i];
            struct dirty_chain **to = bucket(&new, hash(c));

            t->buckets[i] = c->next;
            c->next = *to;
            *to = c;
        }
    }
    free(t->buckets);
    *t = new;
    return true;
}

static void
insert(struct table *t, struct dirty_chain *c, uint64_t hash)
{
    c->next = *bucket(t, hash);
    *bucket(t, hash) = c;
    t->n++;
}

static void
take_out(struct table *t, struct dirty_chain *c, uint64_t hash)
{
    struct dirty_chain **p = bucket(t, hash);

    while (*p != c) {
        p = &(*p)->next;
    }
    *p = c->next;
    t->n--;
}

/* A block, if it is remembered: of each entry that has it, one after another,
 * as one that has ended may not be known to have. */
static struct dirty_block *
find_block(const void *start, const struct dirty_block *after)
{
    uint64_t hash = hash_start(start);

    for (struct dirty_chain *c = (after ? after->chain.next
                                  : dirty.blocks.n_buckets
                                  ? *bucket(&dirty.blocks, hash) : NULL);
         c; c = c->next) {
        struct dirty_block *b = (struct dirty_block *) c;

        if (b->start == start) {
            return b;
        }
    }
    return NULL;
}

static struct dirty_entry *
find_entry(bool per_flow, const struct mbox_key *key)
{
    uint64_t hash = mbox_key_hash(key, per_flow);

    for (struct dirty_chain *c = (dirty.keys.n_buckets
                                  ? *bucket(&dirty.keys, hash) : NULL);
         c; c = c->next) {
        struct dirty_entry *e = (struct dirty_entry *) c;

        if (e->per_flow == per_flow && mbox_key_equal(&e->key, key)) {
            return e;
        }
    }
    return NULL;
}

/* Entries. */

static bool
is_slot(const struct st *st, const struct st_object *o)
{
    return (o->structure != ST_NONE
            && st->program->structures[o->structure].slots);
}

static void
end_block(struct dirty_block *b)
{
    if (!b->ended) {
        take_out(&dirty.blocks, &b->chain, hash_start(b->start));
        b->ended = true;
        if (!b->slot && !find_block(b->start, NULL)) {
            st_shadow_remove(&dirty.shadow, b->start, b->size);
        }
    }
}

static void
free_entry(struct dirty_entry *e)
{
    for (uint32_t i = 0; e->copies && i < e->n_blocks; i++) {
        free(e->copies[i].bytes);
    }
    free(e->copies);
    free(e);
}

static void
add_to_clean(struct dirty_entry *e)
{
    e->next = dirty.clean;
    if (e->next) {
        e->next->link = &e->next;
    }
    e->link = &dirty.clean;
    dirty.clean = e;
}

static void
take_from_clean(struct dirty_entry *e)
{
    if (e->link) {
        *e->link = e->next;
        if (e->next) {
            e->next->link = e->link;
        }
        e->link = NULL;
    }
}

static void
forget(struct dirty_entry *e)
{
    set_busy(true);
    take_out(&dirty.keys, &e->chain, entry_hash(&e->chain));
    take_from_clean(e);
    for (uint32_t i = 0; i < e->n_blocks; i++) {
        end_block(&e->blocks[i]);
    }
    if (!dirty.keys.n) {
        mbox_state_dirty_tracking = false;
    }
    set_busy(false);
    free_entry(e);
}

static void
mark(struct dirty_entry *e, uint64_t bits)
{
    bool first = !e->written;

    e->written |= bits;
    if (first && dirty.st->on_change) {
        dirty.st->on_change(e->per_flow, &e->key, dirty.st->on_change_aux);
    }
}

/* Marks the entries that have a block.  The table has, or had, blocks. */
static void
mark_block(const void *start, uint64_t bits)
{
    for (struct dirty_chain *c = *bucket(&dirty.blocks, hash_start(start)); c;
         c = c->next) {
        struct dirty_block *b = (struct dirty_block *) c;

        if (b->start == start) {
            mark(b->entry, bits);
        }
    }
}

static void __attribute__((noinline))
mark_all_written(void)
{
    unsigned int n = dirty.n_written;

    set_busy(true);
    for (unsigned int i = 0; i < n; i++) {
        __builtin_prefetch(*bucket(&dirty.blocks,
                                   hash_start(dirty.written[i].start)));
    }
    for (unsigned int i = 0; i < n; i++) {
        mark_block(dirty.written[i].start, dirty.written[i].bits);
    }
    dirty.n_written = 0;
    set_busy(false);
}

/* Marks the entries of blocks that were written to.  To be called before
 * anything else is done to the tables.  All of them are looked for at once:
 * mostly they are in no cache. */
static inline void
mark_written(void)
{
    if (dirty.n_written) {
        mark_all_written();
    }
}

void
st_dirty_forget(struct st *st, bool per_flow, const struct mbox_key *key)
{
    mark_written();
    struct dirty_entry *e = (st == dirty.st ? find_entry(per_flow, key)
                             : NULL);

    if (e) {
        if (dirty_is_checked()) {
            dirty_check(st, e);
            dirty_log(st, e);
        }
        forget(e);
    }
}

/* Whether the program's writes are all that changes an object.  What a hook
 * moves may be elsewhere. */
static bool
is_memory(const struct st *st, const struct st_object *o)
{
    return o->type == ST_NONE || !st->program->types[o->type].n_hooks;
}

static void
set_block(struct dirty_entry *e, uint32_t i, const struct st_object *o)
{
    e->blocks[i] = (struct dirty_block) {
        .entry = e, .start = o->start, .size = o->size,
        .slot = is_slot(dirty.st, o),
    };
    e->by_packet |= !is_memory(dirty.st, o);
    if (e->copies) {
        e->copies[i].object = *o;
    }
}

/* The objects that belong to the nodes that were wanted, not to those that
 * these refer to. */
static uint32_t
list_wanted(const struct st_objects *o, struct dirty_entry *e)
{
    bool wanted = false;
    uint32_t n = 0;

    for (uint32_t i = 0; i < o->n; i++) {
        if (o->objects[i].structure != ST_NONE) {
            wanted = o->objects[i].wanted;
        }
        if (wanted && e) {
            set_block(e, n, &o->objects[i]);
        }
        n += wanted;
    }
    return n;
}

/* Returns false if memory is short. */
static bool
add_block(struct dirty_block *b)
{
    if (!b->slot) {
        if (!st_shadow_add(&dirty.shadow, b->start, b->size)) {
            return false;
        }
        st_heap_watch(b->start);
    }
    insert(&dirty.blocks, &b->chain, hash_start(b->start));
    return true;
}

int
st_dirty_remember(struct st *st, bool per_flow, const struct mbox_key *key,
                  const struct st_objects *o)
{
    if (st != dirty.st) {
        return 0;
    }
    mark_written();
    uint32_t n = list_wanted(o, NULL);
    struct dirty_entry *e = calloc(1, sizeof *e + n * sizeof *e->blocks);
    if (!e) {
        return -ENOMEM;
    }
    bool ok = true;
    if (dirty_is_checked()) {
        e->copies = calloc(n + 1, sizeof *e->copies);
        ok = e->copies != NULL;
    }
    e->per_flow = per_flow;
    e->key = *key;
    e->n_blocks = list_wanted(o, e);
    set_busy(true);
    ok = (ok && reserve(&dirty.keys, 1, entry_hash)
          && reserve(&dirty.blocks, n, block_hash)
          && (!e->copies || dirty_copy(st, e)));
    uint32_t n_added = 0;
    while (ok && n_added < n) {
        ok = add_block(&e->blocks[n_added]);
        n_added += ok;
    }
    if (ok) {
        insert(&dirty.keys, &e->chain, mbox_key_hash(key, per_flow));
        add_to_clean(e);
        mbox_state_dirty_tracking = true;
    } else {
        while (n_added) {
            end_block(&e->blocks[--n_added]);
        }
        free_entry(e);
    }
    set_busy(false);
    return ok ? 0 : -ENOMEM;
}

/* Writes. */

static void
mark_all(void)
{
    while (dirty.clean) {
        struct dirty_entry *e = dirty.clean;

        take_from_clean(e);
        if (!e->written) {
            mark(e, ST_WRITE_ANY);
        }
    }
}

void
st_dirty_changed(const void *start, uint64_t bits)
{
    if (dirty.blocks.n_buckets) {
        mark_block(start, bits);
    }
}

/* Marks the elements of an array that have one of 'n' bytes at 'p', or if it
 * is 0 all from there on.  Returns whether 'p' is in one. */
static bool
mark_slots(const struct st_structure *s, const uint8_t *p, uint64_t n,
           uint64_t bits)
{
    uint32_t size = dirty.st->program->types[s->type].size;
    uintptr_t first = (uintptr_t) s->slots->first;
    uintptr_t end = first + (uintptr_t) size * s->slots->n;
    uintptr_t from = (uintptr_t) p;
    uintptr_t to = n && n < end - from ? from + n : end;

    if (from >= end || (from < first && !n)) {
        return false;
    }
    from = from < first ? first : from;
    for (uintptr_t at = from; at < to; at += size - (at - first) % size) {
        st_dirty_changed(s->slots->first + (at - first) / size * size, bits);
    }
    return (uintptr_t) p >= first;
}

/* Of a byte that is covered.  To write to the same block in the same word of
 * the shadow again need not be told, until the entry is sent again. */
static void __attribute__((noinline))
write_covered(const void *p, uint64_t bits)
{
    set_busy(true);
    struct st_shadow_range range = st_shadow_find(&dirty.shadow, p);
    if (dirty_is_checked()) {   /* It matters which bits an entry has. */
        mark_block(range.start, bits);
    } else {
        if (dirty.n_written == N_WRITTEN) {
            mark_written();
            set_busy(true);
        }
        __builtin_prefetch(bucket(&dirty.blocks, hash_start(range.start)));
        dirty.written[dirty.n_written++]
            = (struct written) { range.start, bits };
        st_shadow_uncover(&dirty.shadow, range);
    }
    set_busy(false);
}

/* Of a byte that may be of an entry, or with bits that are not of entries. */
static void __attribute__((noinline))
write_slowly(const void *p, uint64_t n, uint64_t bits)
{
    bool found = false;

    if (dirty.paused) {
        return;
    }
    if (dirty.busy) {           /* It is a handler of signals. */
        bits = ST_WRITE_ANY;
        p = NULL;
    }
    if (bits & ST_WRITE_ANY) {
        dirty.unknown = true;
        bits |= ST_WRITE_FLOWS | ST_WRITE_HOSTS;
    }
    dirty.packet |= bits & (ST_WRITE_FLOWS | ST_WRITE_HOSTS);
    if (!p) {
        return;
    }
    if (dirty.has_slots) {
        set_busy(true);
        for (uint32_t i = 0; i < dirty.st->program->n_structures; i++) {
            const struct st_structure *s
                = &dirty.st->program->structures[i];

            found |= s->slots && mark_slots(s, p, n, bits);
        }
        set_busy(false);
    }
    if (!found && st_shadow_has(&dirty.shadow, p)) {
        write_covered(p, bits);
    }
}

void
mbox_state_dirty_write(const void *p, uint64_t n, uint64_t bits)
{
    if (__atomic_load_n(&dirty.owner, __ATOMIC_RELAXED) != this_thread()) {
        if (dirty.st) {
            __atomic_store_n(&dirty.elsewhere, true, __ATOMIC_RELEASE);
        }
        return;
    }
    if (bits & dirty.slowly) {
        write_slowly(p, n, bits);
    } else if (st_shadow_has(&dirty.shadow, p)) {
        write_covered(p, bits);
    }
}

/* Calls 'fn' for each entry. */
static void
for_each_entry(void (*fn)(struct st *, struct dirty_entry *))
{
    for (size_t i = 0; i < dirty.keys.n_buckets; i++) {
        struct dirty_chain *next;

        for (struct dirty_chain *c = dirty.keys.buckets[i]; c; c = next) {
            next = c->next;
            fn(dirty.st, (struct dirty_entry *) c);
        }
    }
}

static void
end_entry(struct st *st, struct dirty_entry *e)
{
    (void) st;
    mark(e, ST_WRITE_BYTES);
    forget(e);
}

void
st_dirty_ended(struct st *st, const void *start)
{
    struct dirty_block *next;

    if (st != dirty.st) {
        return;
    }
    mark_written();
    if (!start) {
        for_each_entry(end_entry);
        return;
    }
    for (struct dirty_block *b = find_block(start, NULL); b; b = next) {
        next = find_block(start, b);
        end_block(b);
        mark(b->entry, ST_WRITE_BYTES);
    }
}

void
st_dirty_step(struct st *st)
{
    if (st != dirty.st) {
        return;
    }
    mark_written();
    __atomic_store_n(&dirty.owner, this_thread(), __ATOMIC_RELAXED);
    if (__atomic_load_n(&dirty.elsewhere, __ATOMIC_RELAXED)
        && __atomic_exchange_n(&dirty.elsewhere, false, __ATOMIC_ACQUIRE)) {
        dirty.unknown = true;
        if (!dirty.warned) {
            dirty.warned = true;
            st_error(st, 0, "another thread writes to what may be state: "
                     "whenever it does, all counts as changed");
        }
    }
    if (dirty.unknown) {
        dirty.unknown = false;
        set_busy(true);
        mark_all();
        set_busy(false);
    }
}

void
st_dirty_pause(struct st *st)
{
    if (st == dirty.st) {
        dirty.paused++;
        update_slowly();
    }
}

void
st_dirty_resume(struct st *st)
{
    if (st == dirty.st) {
        dirty.paused--;
        update_slowly();
    }
}

static void
check(struct st *st, struct dirty_entry *e)
{
    dirty_check(st, e);
}

void
st_dirty_pause_to_change(struct st *st)
{
    if (st == dirty.st && dirty_is_checked()) {
        for_each_entry(check);
    }
    st_dirty_pause(st);
}

static void
copy_again(struct st *st, struct dirty_entry *e)
{
    dirty_copy(st, e);
}

void
st_dirty_resume_changed(struct st *st)
{
    st_dirty_resume(st);
    if (st == dirty.st && dirty_is_checked()) {
        for_each_entry(copy_again);
    }
}

/* Packets. */

/* Whether the program keeps flows, or hosts, at all. */
static bool
keeps(const struct st_program *program, bool per_flow)
{
    for (uint32_t i = 0; i < program->n_structures; i++) {
        if (program->structures[i].per_flow == per_flow) {
            return true;
        }
    }
    return false;
}

bool
st_is_changed_by_packet(struct st *st, bool per_flow,
                        const struct mbox_key *key)
{
    if (!keeps(st->program, per_flow)) {
        return false;
    }
    if (st != dirty.st
        || (dirty.packet | dirty.always)
           & (per_flow ? ST_WRITE_FLOWS : ST_WRITE_HOSTS)) {
        return true;
    }
    const struct dirty_entry *e = find_entry(per_flow, key);

    return !e || e->by_packet;
}

bool
st_changed_any(struct st *st)
{
    if (st == dirty.st && !(dirty.packet | dirty.always)) {
        return false;
    }
    if (st == dirty.st) {
        dirty.unknown = true;
        st_dirty_step(st);
    }
    return true;
}

void
st_packet_ends(struct st *st)
{
    st_dirty_step(st);
    if (st == dirty.st) {
        dirty.packet = 0;
        if (dirty_is_checked()) {
            for_each_entry(check);
        }
    }
}

/* The state as a whole. */

static void
forget_entry(struct st *st, struct dirty_entry *e)
{
    (void) st;
    forget(e);
}

void
st_track_none(struct st *st)
{
    if (st == dirty.st && (dirty.keys.n || dirty.shadow.regions)) {
        mark_written();
        for_each_entry(forget_entry);
        st_shadow_clear(&dirty.shadow);
    }
}

void
st_dirty_start(struct st *st)
{
    if (dirty.st) {
        return;
    }
    dirty.st = st;
    dirty.owner = this_thread();
    if (!st->program->writes_known) {
        dirty.always = ST_WRITE_FLOWS | ST_WRITE_HOSTS;
    }
    for (uint32_t i = 0; i < st->program->n_structures; i++) {
        const struct st_structure *s = &st->program->structures[i];

        dirty.always |= (!s->container ? 0
                         : s->per_flow ? ST_WRITE_FLOWS : ST_WRITE_HOSTS);
        dirty.has_slots |= s->slots != NULL;
    }
    update_slowly();
}

void
st_dirty_stop(struct st *st)
{
    if (st == dirty.st) {
        st_track_none(st);
        free(dirty.keys.buckets);
        free(dirty.blocks.buckets);
        memset(&dirty, 0, sizeof dirty);
    }
}
