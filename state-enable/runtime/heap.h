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

#ifndef STATE_HEAP_H
#define STATE_HEAP_H 1

/* The program's heap
 * ==================
 *
 * In the program, malloc() and its like are replaced by these, which remember
 * each block, so that a pointer to any of its bytes leads to the block, its
 * start and its size.  Blocks that libraries allocate are not known.  They are
 * the C library's blocks: what one side allocates the other can free.
 *
 * Thread-safe.  Nothing is remembered until st_heap_track(). */

#include <stdbool.h>
#include <stddef.h>

void *mbox_state_malloc(size_t);
void *st_malloc_ended(size_t);         /* With '\0' behind it, which does not
                                         * count. */
void *mbox_state_calloc(size_t n, size_t size);
void *mbox_state_realloc(void *, size_t);
void *mbox_state_reallocarray(void *, size_t n, size_t size);
char *mbox_state_strdup(const char *);
char *mbox_state_strndup(const char *, size_t);
void mbox_state_free(void *);

void st_heap_track(void);

/* Finds the block that has the byte at 'p'. */
bool st_heap_find(const void *p, void **start, size_t *size);

/* Called before a block that is watched, or that is not known, is freed or
 * moved, in the thread that called this, or st_heap_own() since.  Of blocks
 * that other threads free it is called later:
 * when this thread next allocates, so before it can have the block again, or
 * calls st_heap_step().
 * 'start' is NULL if they were too many to remember.  'size' is 1 if it is not
 * known.  For one user; NULL to end. */
typedef void st_heap_free_cb(void *start, size_t size, void *aux);
void st_heap_on_free(st_heap_free_cb *, void *aux);
void st_heap_step(void);
void st_heap_own(void);

/* The block that has the byte at 'p' is watched, until it is freed or moved.
 * If it is not known, all are from then on, for the one user. */
void st_heap_watch(const void *p);

#endif /* heap.h */
