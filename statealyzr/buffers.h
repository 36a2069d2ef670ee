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

#ifndef STATEALYZR_BUFFERS_H
#define STATEALYZR_BUFFERS_H 1

/* Buffers that a structure owns through its pointer members: what they are
 * made of, and which member holds the length. */

#include "state.h"

/* Of the structure of this index: struct sa_buffer, by offset; the paths
 * belong to the state. */
GArray *sa_buffers_find(const struct sa_analysis *, const struct sa_state *,
                        uint32_t structure);

#endif /* buffers.h */
