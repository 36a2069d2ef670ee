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

#ifndef IDS_CAPACITY_H
#define IDS_CAPACITY_H 1

/* What one core does and what one flow takes: option --capacity. */

#include <stddef.h>

struct ids_sigs;

/* Fills a core with 'n_flows' flows, each of which has had an HTTP request and
 * an answer, and prints figures about it as one JSON object to standard
 * output. */
void ids_capacity(const struct ids_sigs *, size_t n_flows);

#endif /* ids-capacity.h */
