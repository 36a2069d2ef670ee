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

#ifndef STATE_PRIVATE_H
#define STATE_PRIVATE_H 1

/* What the files of the runtime share. */

#include <stdio.h>
#include "program-state.h"

#define ST_LISTS_MAX 8          /* Of a structure. */
#define ST_NODES_MAX 16         /* Of one key and structure. */

struct st_names;
struct st_parts;
struct st_index;
struct st_pool;
struct st_standing;

struct st {
    const struct st_program *program;
    st_log_fn *log;
    void *log_aux;
    struct st_names *names;     /* names.c */
    struct st_index *index;     /* index.c */
    struct st_index *untouched; /* Hosts that were imported, until a packet of
                                 * them comes. */
    void (*on_end)(bool, const struct mbox_key *, void *);
    void *on_end_aux;
    void (*on_change)(bool, const struct mbox_key *, void *);
    void *on_change_aux;
    bool waits;                 /* The program, for this to be done. */
    bool asked;                 /* Something is known since then. */
    uint8_t *known;             /* known.c, of each structure. */
    struct st_pool *pools;      /* slots.c, of each structure. */
    struct st_parts **parts;    /* parts.c */
    bool has_slots;             /* Some structure has. */
    char why[256];              /* What st_error() or st_explain() said last,
                                 * since st_get() or st_look() began. */
    bool looking;               /* st_look() is at work: nobody is told of what
                                 * cannot be moved. */
    struct st_index *doomed;    /* Hosts to delete with their last flow. */
    size_t next_doomed;         /* Which to look at next (delete.c). */
    uint64_t n_visited;         /* Nodes that were come by in search of others,
                                 * for tests. */

    /* What stands still (standing.c). */
    bool running;               /* The flow that is exported does not. */
    bool of_other;              /* What hooks move now is of a host, or of
                                 * another flow that the one needs. */
    bool stopped;               /* A hook has stopped something. */
    struct st_standing *standing;       /* Flows, and */
    size_t n_standing;
    uint32_t *standing_by_key;  /* those of each bucket: index + 1. */
    size_t n_buckets;           /* A power of two, or 0. */
};

/* What is in memory of the program ends: it is being freed, or used for
 * something else.  'start' is NULL if it is not known which. */
void st_ended(void *start, size_t size, void *st);

/* A host is not to be deleted with its last flow after all: it was put here
 * again. */
void st_spare(struct st *, const struct mbox_key *);

/* Says why, for st_why(), and returns 'error'. */
int st_explain(struct st *, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Logs it, too. */
int st_error(struct st *, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

#endif /* private.h */
