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

#ifndef STATEALYZR_TABLES_PRIVATE_H
#define STATEALYZR_TABLES_PRIVATE_H 1

/* Shared by tables.c and effects.c only. */

#include <glib.h>
#include "tables.h"

struct sa_tables {
    GHashTable *packet_reads;   /* Name -> struct sa_packet_read... */
    GHashTable *events;
    GHashTable *outputs;
    GHashTable *library;
    GHashTable *headers;
    GHashTable *field_names;    /* Name -> enum sa_field + 1. */
    GStringChunk *strings;
    GPtrArray *blocks;          /* Memory to free. */
};

/* Memory that lives as long as the tables, zeroed. */
void *sa_tables_alloc(struct sa_tables *, size_t n);

/* Parses "ret", "...", "-" or an index at the start of 'word'; the whole of it
 * must be that. */
bool sa_parse_argument(const char *word, int *arg);

/* Parses the effects of a library function into 'call'.  Returns NULL, or what
 * is wrong with 'text' (to free). */
char *sa_parse_effects(struct sa_tables *, const char *text,
                       struct sa_library_call *call);

#endif /* tables-private.h */
