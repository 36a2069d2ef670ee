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
#include "lb-conn.h"

#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/random.h>

#define MIN_BUCKETS 1024

static struct lb_place **
alloc_buckets(size_t n)
{
    struct lb_place **buckets = calloc(n, sizeof *buckets);

    if (!buckets) {
        abort();
    }
    return buckets;
}

void
lb_table_init(struct lb_table *table, uint64_t now)
{
    table->buckets = alloc_buckets(MIN_BUCKETS);
    table->mask = MIN_BUCKETS - 1;
    table->n_places = 0;
    table->n_conns = 0;
    wheel_init(&table->wheel, now);

    /* Unpredictable, lest somebody fills one bucket. */
    if (getrandom(&table->basis, sizeof table->basis, GRND_NONBLOCK)
        != sizeof table->basis) {
        table->basis = (uintptr_t) table ^ now;
    }
}

static struct lb_conn *
conn_from_place(const struct lb_place *place)
{
    return (struct lb_conn *) ((char *) (place - place->dir)
                               - offsetof(struct lb_conn, places));
}

static int
remove_one(void *table, struct lb_conn *conn)
{
    lb_table_remove(table, conn);
    lb_conn_free(conn);
    return 0;
}

void
lb_table_uninit(struct lb_table *table)
{
    lb_table_for_each(table, remove_one, table);
    free(table->buckets);
}

struct lb_conn *
lb_conn_create(const struct mbox_key *key)
{
    struct lb_conn *conn = calloc(1, sizeof *conn);

    if (!conn) {
        abort();
    }
    wheel_timer_init(&conn->timer);
    conn->places[LB_TO_BACKEND].key = *key;
    conn->places[LB_TO_BACKEND].used = true;
    conn->places[LB_TO_CLIENT].dir = LB_TO_CLIENT;
    return conn;
}

void
lb_conn_free(struct lb_conn *conn)
{
    free(conn);
}

void
lb_conn_set_back(struct lb_conn *conn, const struct mbox_key *key)
{
    conn->places[LB_TO_CLIENT].key = *key;
    conn->places[LB_TO_CLIENT].used = true;
}

static void
table_grow(struct lb_table *table)
{
    size_t mask = table->mask * 2 + 1;
    struct lb_place **buckets = alloc_buckets(mask + 1);

    for (size_t i = 0; i <= table->mask; i++) {
        struct lb_place *next;

        for (struct lb_place *place = table->buckets[i]; place;
             place = next) {
            next = place->next;
            place->next = buckets[place->hash & mask];
            buckets[place->hash & mask] = place;
        }
    }
    free(table->buckets);
    table->buckets = buckets;
    table->mask = mask;
}

void
lb_table_insert(struct lb_table *table, struct lb_conn *conn, uint64_t wake)
{
    if (table->n_places > table->mask) {
        table_grow(table);
    }
    for (int dir = 0; dir < 2; dir++) {
        struct lb_place *place = &conn->places[dir];

        if (place->used) {
            place->hash = mbox_key_hash(&place->key, table->basis);

            struct lb_place **bucket
                = &table->buckets[place->hash & table->mask];
            place->next = *bucket;
            *bucket = place;
            table->n_places++;
        }
    }
    table->n_conns++;
    wheel_wake(&table->wheel, &conn->timer, wake);
}

void
lb_table_remove(struct lb_table *table, struct lb_conn *conn)
{
    for (int dir = 0; dir < 2; dir++) {
        struct lb_place *place = &conn->places[dir];

        if (place->used) {
            struct lb_place **p = &table->buckets[place->hash & table->mask];

            while (*p != place) {
                p = &(*p)->next;
            }
            *p = place->next;
            table->n_places--;
        }
    }
    table->n_conns--;
    wheel_remove(&conn->timer);
}

struct lb_conn *
lb_table_find(const struct lb_table *table, const struct mbox_key *key,
              enum lb_dir *dir)
{
    uint32_t hash = mbox_key_hash(key, table->basis);

    for (const struct lb_place *place = table->buckets[hash & table->mask];
         place; place = place->next) {
        if (place->hash == hash && mbox_key_equal(&place->key, key)) {
            *dir = place->dir;
            return conn_from_place(place);
        }
    }
    return NULL;
}

int
lb_table_for_each(struct lb_table *table,
                  int (*cb)(void *aux, struct lb_conn *), void *aux)
{
    for (size_t i = 0; i <= table->mask; i++) {
        struct lb_place *next;

        for (struct lb_place *place = table->buckets[i]; place;
             place = next) {
            next = place->next;
            if (place->dir == LB_TO_BACKEND) {
                struct lb_conn *conn = conn_from_place(place);

                /* Its other place may be next, and go with it. */
                if (next == &conn->places[LB_TO_CLIENT]) {
                    next = next->next;
                }
                int retval = cb(aux, conn);
                if (retval) {
                    return retval;
                }
            }
        }
    }
    return 0;
}

void
lb_conn_track(struct lb_conn *conn, enum lb_dir dir, uint8_t flags)
{
    if (flags & TH_RST) {
        conn->state = LB_CLOSED;
    } else if (flags & TH_FIN) {
        conn->fin[dir] = true;
        if (conn->state != LB_CLOSED) {
            conn->state = (conn->fin[LB_TO_BACKEND] && conn->fin[LB_TO_CLIENT]
                           ? LB_CLOSED : LB_FIN);
        }
    } else if (conn->state == LB_SYN && dir == LB_TO_BACKEND
               && !(flags & TH_SYN)) {
        conn->state = LB_OPEN;
    }
}
