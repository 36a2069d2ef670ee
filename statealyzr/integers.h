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

#ifndef STATEALYZR_INTEGERS_H
#define STATEALYZR_INTEGERS_H 1

/* Integers that are pointers
 * ==========================
 *
 * A pointer may be kept in an integer (uintptr_t), but few integers are
 * pointers, and to take all for pointers makes the points-to analysis slow
 * and imprecise. This finds the integer values that a pointer is converted
 * to and those that are converted to one, through arithmetic, calls and
 * returns. */

#include "model.h"
#include "nodeset.h"

struct sa_integers {
    struct nodeset from_pointers;   /* Value ids: derived from a pointer. */
    struct nodeset to_pointers;     /* A pointer is derived from them. */
};

void sa_integers_init(struct sa_integers *, const struct sa_program *);
void sa_integers_uninit(struct sa_integers *);

#endif /* integers.h */
