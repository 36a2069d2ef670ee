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

#ifndef STATEALYZR_LINKS_H
#define STATEALYZR_LINKS_H 1

/* The pointer members of a structure that lead to its like or to other
 * structures, and what the program does with them.  Names ("next", "left")
 * decide only where the code does not. */

#include "packet.h"
#include "state.h"

/* Of the structure of this index: struct sa_link, by offset; the paths belong
 * to the state. */
GArray *sa_links_find(const struct sa_analysis *, const struct sa_state *,
                      uint32_t structure);

/* The member's path of a variable of a structure: its name without the
 * structure's. */
const char *sa_member_path(const struct sa_state *,
                           const struct sa_state_variable *);

/* Whether memory of the variable points to objects of the structure. */
bool sa_points_to_structure(const struct sa_state_variable *,
                            uint32_t structure);

#endif /* links.h */
