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

#ifndef STATEALYZR_UNMOVABLE_H
#define STATEALYZR_UNMOVABLE_H 1

/* What cannot be moved to another process as bytes: descriptors, and what
 * libraries keep behind a pointer (files, threads, TLS sessions). */

#include "state.h"

struct sa_unmovable;
struct sa_unmovable *sa_unmovable_run(const struct sa_analysis *,
                                      const struct sa_state *);
void sa_unmovable_destroy(struct sa_unmovable *);

/* NULL, or why a variable cannot be moved; a constant string. */
const char *sa_unmovable_why(const struct sa_unmovable *, uint32_t variable);

#endif /* unmovable.h */
