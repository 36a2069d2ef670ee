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

#ifndef STATE_NAMES_H
#define STATE_NAMES_H 1

/* Pointers to what is the same in every instance
 * ==============================================
 *
 * Functions, constants and variables have their index in the table of symbols.
 * The objects that static variables lead to (a configuration that was read at
 * start) are numbered in the order in which they are found from each such
 * variable.  A fingerprint tells whether another instance has found as much:
 * objects of the same types in the same order, arrays as long, strings the
 * same.  Numbers are not in it, since programs count in their
 * configuration. */

#include "private.h"

struct st_names *st_names_create(void);
void st_names_destroy(struct st_names *);

/* Looks through the static variables anew, unless that was done in the last
 * second and nothing that was found has been freed since. */
int st_names_refresh(struct st *);

/* A block is being freed; NULL: it is not known which. */
void st_names_freed(struct st *, const void *start);

/* The static object that has the byte at 'p'. */
bool st_names_find(struct st *, const void *p, uint32_t *variable,
                   uint32_t *number, uint64_t *offset);

/* The other way: its first byte.  Returns NULL if there is none. */
uint8_t *st_names_get(struct st *, uint32_t variable, uint32_t number);

/* Whether a pointer member may lead so far into the static object, or into the
 * symbol: whether there is one of what it points to. */
bool st_names_has(struct st *, const struct st_pointer *, uint32_t variable,
                  uint32_t number, uint64_t offset);
bool st_names_symbol_has(struct st *, const struct st_pointer *,
                         uint32_t symbol, uint64_t offset);

uint64_t st_names_fingerprint(struct st *, uint32_t variable);

/* The symbol that has the byte at 'p', or ST_NONE. */
uint32_t st_names_symbol(struct st *, const void *p);

#endif /* names.h */
