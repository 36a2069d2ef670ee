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
#include "ids-scan.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include "mbox-wire.h"

#define VERSION 1
#define N_BUCKETS 4096
#define SECOND UINT64_C(1000000000)

struct target {
    uint64_t time;              /* Last attempt, CLOCK_MONOTONIC, ns. */
    uint8_t addr[16];
    uint16_t port;
    uint8_t proto;
};

struct host {
    struct host *next;          /* In its bucket. */
    uint8_t addr[16];
    uint8_t family;
    uint64_t last_seen;
    uint64_t quiet_until;       /* 0 if it was not reported. */
    struct target *targets;     /* Distinct, in no order. */
    uint16_t n_targets;
    uint16_t allocated;
};

struct ids_scan {
    pthread_mutex_t mutex;
    struct ids_scan_config config;
    struct host *buckets[N_BUCKETS];
    size_t n_hosts;
    size_t next_bucket;         /* Where ids_scan_tick() goes on. */
};

struct ids_scan *
ids_scan_create(const struct ids_scan_config *config)
{
    struct ids_scan *scan = calloc(1, sizeof *scan);

    if (!scan) {
        abort();
    }
    pthread_mutex_init(&scan->mutex, NULL);
    scan->config = *config;
    return scan;
}

static void
host_free(struct host *host)
{
    free(host->targets);
    free(host);
}

void
ids_scan_destroy(struct ids_scan *scan)
{
    if (!scan) {
        return;
    }
    for (size_t i = 0; i < N_BUCKETS; i++) {
        struct host *next;

        for (struct host *host = scan->buckets[i]; host; host = next) {
            next = host->next;
            host_free(host);
        }
    }
    pthread_mutex_destroy(&scan->mutex);
    free(scan);
}

bool
ids_scan_config_is_valid(const struct ids_scan_config *config)
{
    return config->max_ports >= 2 && config->max_ports <= IDS_SCAN_MAX_TARGETS
           && config->max_hosts >= 2
           && config->max_hosts <= IDS_SCAN_MAX_TARGETS
           && config->window >= 1 && config->window <= 86400;
}

void
ids_scan_get_config(struct ids_scan *scan, struct ids_scan_config *config)
{
    pthread_mutex_lock(&scan->mutex);
    *config = scan->config;
    pthread_mutex_unlock(&scan->mutex);
}

void
ids_scan_set_config(struct ids_scan *scan,
                    const struct ids_scan_config *config)
{
    pthread_mutex_lock(&scan->mutex);
    scan->config = *config;
    pthread_mutex_unlock(&scan->mutex);
}

/* The hash is not the same in each process: nobody fills one bucket. */
static struct host **
find_bucket(struct ids_scan *scan, uint8_t family, const uint8_t addr[16])
{
    struct mbox_key key;

    ids_scan_key(family, addr, &key);
    return &scan->buckets[mbox_key_hash(&key, 0) % N_BUCKETS];
}

/* Returns a pointer to what points to the host, or to the null pointer at the
 * end of its bucket. */
static struct host **
find_host(struct ids_scan *scan, uint8_t family, const uint8_t addr[16])
{
    struct host **p = find_bucket(scan, family, addr);

    while (*p && ((*p)->family != family || memcmp((*p)->addr, addr, 16))) {
        p = &(*p)->next;
    }
    return p;
}

static void
remove_host(struct ids_scan *scan, struct host **p)
{
    struct host *host = *p;

    *p = host->next;
    host_free(host);
    scan->n_hosts--;
}

/* Makes room for a host: forgets the one seen least recently among those of
 * the next buckets. */
static void
evict(struct ids_scan *scan)
{
    struct host **oldest = NULL;

    for (size_t i = 0; i < N_BUCKETS && (i < 4 || !oldest); i++) {
        scan->next_bucket = (scan->next_bucket + 1) % N_BUCKETS;
        for (struct host **p = &scan->buckets[scan->next_bucket]; *p;
             p = &(*p)->next) {
            if (!oldest || (*p)->last_seen < (*oldest)->last_seen) {
                oldest = p;
            }
        }
    }
    if (oldest) {
        remove_host(scan, oldest);
    }
}

static struct host *
add_host(struct ids_scan *scan, uint8_t family, const uint8_t addr[16])
{
    if (scan->n_hosts >= IDS_SCAN_MAX_HOSTS) {
        evict(scan);
    }

    struct host **p = find_host(scan, family, addr);
    struct host *host = calloc(1, sizeof *host);
    if (!host) {
        abort();
    }
    host->family = family;
    memcpy(host->addr, addr, 16);
    *p = host;
    scan->n_hosts++;
    return host;
}

static bool
same_target(const struct target *a, const struct target *b)
{
    return a->port == b->port && a->proto == b->proto
           && !memcmp(a->addr, b->addr, sizeof a->addr);
}

/* Removes the targets last tried before 'start'. */
static void
expire_targets(struct host *host, uint64_t start)
{
    for (size_t i = 0; i < host->n_targets; ) {
        if (host->targets[i].time < start) {
            host->targets[i] = host->targets[--host->n_targets];
        } else {
            i++;
        }
    }
}

/* Adds 'target', or makes it newer.  The oldest one goes if there are too
 * many. */
static void
add_target(struct host *host, const struct target *target)
{
    struct target *oldest = NULL;

    for (size_t i = 0; i < host->n_targets; i++) {
        struct target *t = &host->targets[i];

        if (same_target(t, target)) {
            if (t->time < target->time) {
                t->time = target->time;
            }
            return;
        }
        if (!oldest || t->time < oldest->time) {
            oldest = t;
        }
    }
    if (host->n_targets >= IDS_SCAN_MAX_TARGETS) {
        if (oldest->time < target->time) {
            *oldest = *target;
        }
        return;
    }
    if (host->n_targets >= host->allocated) {
        host->allocated = host->allocated ? host->allocated * 2 : 2;
        host->targets = realloc(host->targets,
                                host->allocated * sizeof *host->targets);
        if (!host->targets) {
            abort();
        }
    }
    host->targets[host->n_targets++] = *target;
}

static void
count_distinct(const struct host *host, uint32_t *n_ports, uint32_t *n_hosts)
{
    *n_ports = *n_hosts = 0;
    for (size_t i = 0; i < host->n_targets; i++) {
        bool new_port = true;
        bool new_host = true;

        for (size_t j = 0; j < i && (new_port || new_host); j++) {
            const struct target *a = &host->targets[i];
            const struct target *b = &host->targets[j];

            new_port &= a->port != b->port || a->proto != b->proto;
            new_host &= memcmp(a->addr, b->addr, sizeof a->addr) != 0;
        }
        *n_ports += new_port;
        *n_hosts += new_host;
    }
}

static uint64_t
window_start(const struct ids_scan *scan, uint64_t now)
{
    uint64_t window = scan->config.window * SECOND;

    return now > window ? now - window : 0;
}

static enum ids_scan_verdict
attempt(struct ids_scan *scan, const struct mbox_key *key, uint64_t now,
        uint32_t *n)
{
    struct target target = {
        .time = now, .port = key->dst_port, .proto = key->proto,
    };
    struct host *host = *find_host(scan, key->family, key->src);
    uint32_t n_ports, n_hosts;

    memcpy(target.addr, key->dst, sizeof target.addr);
    if (!host) {
        host = add_host(scan, key->family, key->src);
    }
    host->last_seen = now;
    expire_targets(host, window_start(scan, now));
    add_target(host, &target);
    if (host->quiet_until > now) {
        return IDS_SCAN_CHANGED;
    }
    host->quiet_until = 0;
    if (host->n_targets < scan->config.max_ports
        && host->n_targets < scan->config.max_hosts) {
        return IDS_SCAN_CHANGED;
    }

    count_distinct(host, &n_ports, &n_hosts);
    if (n_ports >= scan->config.max_ports
        || n_hosts >= scan->config.max_hosts) {
        bool ports = n_ports >= scan->config.max_ports;

        host->quiet_until = now + scan->config.window * SECOND;
        *n = ports ? n_ports : n_hosts;
        return ports ? IDS_SCAN_PORTS : IDS_SCAN_HOSTS;
    }
    return IDS_SCAN_CHANGED;
}

enum ids_scan_verdict
ids_scan_attempt(struct ids_scan *scan, const struct mbox_key *key,
                 uint64_t now, uint32_t *n)
{
    enum ids_scan_verdict verdict;

    *n = 0;
    if (!key->family) {
        return IDS_SCAN_NOTHING;
    }
    pthread_mutex_lock(&scan->mutex);
    verdict = attempt(scan, key, now, n);
    pthread_mutex_unlock(&scan->mutex);
    return verdict;
}

void
ids_scan_tick(struct ids_scan *scan, uint64_t now)
{
    pthread_mutex_lock(&scan->mutex);
    uint64_t start = window_start(scan, now);

    for (size_t i = 0; i < N_BUCKETS / 64; i++) {
        struct host **p = &scan->buckets[scan->next_bucket];

        while (*p) {
            if ((*p)->last_seen < start && (*p)->quiet_until <= now) {
                remove_host(scan, p);
            } else {
                p = &(*p)->next;
            }
        }
        scan->next_bucket = (scan->next_bucket + 1) % N_BUCKETS;
    }
    pthread_mutex_unlock(&scan->mutex);
}

size_t
ids_scan_n_hosts(struct ids_scan *scan)
{
    pthread_mutex_lock(&scan->mutex);
    size_t n = scan->n_hosts;
    pthread_mutex_unlock(&scan->mutex);
    return n;
}

void
ids_scan_key(uint8_t family, const uint8_t addr[16], struct mbox_key *key)
{
    memset(key, 0, sizeof *key);
    key->family = family;
    memcpy(key->src, addr, 16);
    key->vlan = MBOX_VLAN_NONE;
}

int
ids_scan_list(struct ids_scan *scan,
              int (*cb)(void *aux, const struct mbox_key *), void *aux)
{
    struct mbox_key *keys;
    size_t n = 0;
    int retval = 0;

    pthread_mutex_lock(&scan->mutex);
    keys = malloc((scan->n_hosts + 1) * sizeof *keys);
    if (!keys) {
        pthread_mutex_unlock(&scan->mutex);
        return -ENOMEM;
    }
    for (size_t i = 0; i < N_BUCKETS; i++) {
        for (const struct host *host = scan->buckets[i]; host;
             host = host->next) {
            ids_scan_key(host->family, host->addr, &keys[n++]);
        }
    }
    pthread_mutex_unlock(&scan->mutex);

    for (size_t i = 0; i < n && !retval; i++) {
        retval = cb(aux, &keys[i]);
    }
    free(keys);
    return retval;
}

/* Moving.  Times travel as ages, since clocks of hosts differ. */

int
ids_scan_get(struct ids_scan *scan, const struct mbox_key *key, uint64_t now,
             struct mbox_writer *w)
{
    pthread_mutex_lock(&scan->mutex);
    const struct host *host = *find_host(scan, key->family, key->src);

    if (host) {
        uint64_t quiet = host->quiet_until;

        mbox_put_u8(w, VERSION);
        mbox_put_u64(w, now > host->last_seen ? now - host->last_seen : 0);
        mbox_put_u64(w, quiet > now ? quiet - now : 0);
        mbox_put_u16(w, host->n_targets);
        for (size_t i = 0; i < host->n_targets; i++) {
            const struct target *t = &host->targets[i];

            mbox_put_bytes(w, t->addr, sizeof t->addr);
            mbox_put_u16(w, t->port);
            mbox_put_u8(w, t->proto);
            mbox_put_u64(w, now > t->time ? now - t->time : 0);
        }
    }
    pthread_mutex_unlock(&scan->mutex);
    return host ? w->error : -ENOENT;
}

/* Decodes into 'new', which is quiet for 'window' at the longest: the sender's
 * window may be another.  Returns 0 or -EPROTO. */
static int
decode(const void *data, size_t len, uint64_t now, uint64_t window,
       struct host *new)
{
    struct mbox_reader r;
    uint64_t age, quiet;
    uint8_t version;
    uint16_t n;

    mbox_reader_init(&r, data, len);
    version = mbox_get_u8(&r);
    age = mbox_get_u64(&r);
    quiet = mbox_get_u64(&r);
    n = mbox_get_u16(&r);
    if (r.error || version != VERSION || n > IDS_SCAN_MAX_TARGETS) {
        return -EPROTO;
    }
    new->last_seen = age < now ? now - age : 0;
    new->quiet_until = quiet ? now + (quiet < window ? quiet : window) : 0;
    for (size_t i = 0; i < n; i++) {
        const void *addr = mbox_get_bytes(&r, 16);
        struct target t = { .port = mbox_get_u16(&r) };

        t.proto = mbox_get_u8(&r);
        age = mbox_get_u64(&r);
        if (r.error) {
            return -EPROTO;
        }
        memcpy(t.addr, addr, sizeof t.addr);
        t.time = age < now ? now - age : 0;
        add_target(new, &t);
        if (new->n_targets != i + 1) {
            return -EPROTO;     /* Not distinct. */
        }
    }
    return mbox_reader_finish(&r);
}

int
ids_scan_put(struct ids_scan *scan, const struct mbox_key *key,
             const void *data, size_t len, uint64_t now, bool merge)
{
    struct host new = { .next = NULL };
    int error;

    if (key->family != 4 && key->family != 6) {
        return -EPROTO;
    }
    pthread_mutex_lock(&scan->mutex);
    error = decode(data, len, now, scan->config.window * SECOND, &new);
    if (!error) {
        struct host *host = *find_host(scan, key->family, key->src);

        if (!host) {
            host = add_host(scan, key->family, key->src);
        } else if (!merge) {
            host->n_targets = 0;
            host->last_seen = host->quiet_until = 0;
        }
        for (size_t i = 0; i < new.n_targets; i++) {
            add_target(host, &new.targets[i]);
        }
        if (host->last_seen < new.last_seen) {
            host->last_seen = new.last_seen;
        }
        if (host->quiet_until < new.quiet_until) {
            host->quiet_until = new.quiet_until;
        }
    }
    pthread_mutex_unlock(&scan->mutex);
    free(new.targets);
    return error;
}

int
ids_scan_del(struct ids_scan *scan, const struct mbox_key *key)
{
    pthread_mutex_lock(&scan->mutex);
    struct host **p = find_host(scan, key->family, key->src);
    bool found = *p != NULL;

    if (found) {
        remove_host(scan, p);
    }
    pthread_mutex_unlock(&scan->mutex);
    return found ? 0 : -ENOENT;
}
