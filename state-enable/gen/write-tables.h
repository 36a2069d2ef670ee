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

#ifndef GEN_WRITE_TABLES_H
#define GEN_WRITE_TABLES_H 1

#include "plan.h"
#include "rewrite.h"

/* The tables as C source.  'layout' is what write_layout() gives. */
GString *write_tables(const struct plan *, const GArray *symbols,
                      const char *program, uint64_t build,
                      const char *layout, bool sends);

/* What is moved, and how, appended to the report. */
void write_report(struct plan *);

#endif /* write-tables.h */
