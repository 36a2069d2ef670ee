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

#ifndef STATEALYZR_DIAG_H
#define STATEALYZR_DIAG_H 1

/* Warnings and progress
 *
 * The analyses report here what they do not cover; main.c prints it and puts
 * it in the result.  A warning with the same text and place is given once. */

#include "model.h"

struct sa_diag;
extern struct sa_diag *sa_diag;     /* Of the process; set by main(). */

struct sa_diag *sa_diag_create(bool progress);
void sa_diag_destroy(struct sa_diag *);
void sa_warn(struct sa_loc, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* "points-to: wave 12, 30211 nodes in work"; rate limited, on stderr if it is
 * a terminal or --progress. */
void sa_progress(const char *format, ...)
    __attribute__((format(printf, 1, 2)));
/* Before something else is written to a terminal. */
void sa_diag_clear_progress(struct sa_diag *);
const char *const *sa_diag_warnings(const struct sa_diag *, size_t *n);

#endif /* diag.h */
