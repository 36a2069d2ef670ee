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

#ifndef STATE_HOOKS_H
#define STATE_HOOKS_H 1

/* Members that hooks of the user's move (state-hook.h). */

#include "private.h"

struct mbox_reader;
struct mbox_writer;

/* The error that a hook means by what it has returned, which can be
 * anything but 0. */
int st_hooks_error(int64_t);

/* Appends what the members of an object have. */
int st_hooks_save(struct st *, const struct st_type *, const uint8_t *object,
                  struct mbox_writer *);

/* Appends what people may see of them: what has to stand still runs on. */
int st_hooks_look(const struct st_type *, const uint8_t *object,
                  struct mbox_writer *);

/* Sets the members of an object, which has all else, as far as no hook
 * refuses; adds to '*n' how many are set. */
int st_hooks_load(struct st *, const struct st_type *, uint8_t *object,
                  struct mbox_reader *, uint64_t *n);

/* Frees what the members of an object have, the first 'n' at most; returns how
 * many of these are left. */
uint64_t st_hooks_release(const struct st_type *, uint8_t *object,
                          uint64_t n);

/* Has the members of an object go on that stood still. */
void st_hooks_resume(const struct st_type *, uint8_t *object);

#endif /* hooks.h */
