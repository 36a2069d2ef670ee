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

#ifndef GEN_COUNTS_H
#define GEN_COUNTS_H 1

/* Variables that go up and down with the entries of a container
 * =============================================================
 *
 * An entry is put in by a store of what was read from no link, where the
 * container begins or ends or in the link of an entry that is in it.  It is
 * taken out by such a store of what was read from a link.  For a tree the
 * program has functions.  A call of a function that does so on every path does
 * it as well. */

#include "container.h"

/* Adds the names of variables, as in the evidence, which last as long as that:
 * to 'whole' if the number is 1 more whenever an entry is put in, 1 less
 * whenever one is taken out, on every path, and is not changed otherwise; to
 * 'partly' if it goes up and down in functions that put in or take out, but
 * that is not known.  Elements of arrays may be among the latter. */
void evidence_counts(const struct evidence *,
                     const struct evidence_container *, GPtrArray *whole,
                     GPtrArray *partly);

#endif /* counts.h */
