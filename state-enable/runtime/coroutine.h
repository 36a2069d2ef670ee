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

#ifndef STATE_COROUTINE_H
#define STATE_COROUTINE_H 1

/* A function with a stack of its own, in the same thread, that is left in the
 * middle and entered again. */

#include <stddef.h>

struct st_coroutine;

/* 'function' must not return.  NULL if memory is short. */
struct st_coroutine *st_coroutine_create(size_t stack,
                                         void (*function)(void *), void *aux);

/* For one that was left; what its stack holds is lost. */
void st_coroutine_destroy(struct st_coroutine *);

/* Runs it until it leaves. */
void st_coroutine_enter(struct st_coroutine *);

/* Called by it: returns when it is entered again. */
void st_coroutine_leave(struct st_coroutine *);

#endif /* coroutine.h */
