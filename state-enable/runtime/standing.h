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

#ifndef STATE_STANDING_H
#define STATE_STANDING_H 1

/* Flows of which a hook has stopped something (mbox_state_hook.resume), so
 * that it can be moved: until they go on, here or elsewhere. */

#include "private.h"

/* Makes room for one more.  Returns 0 or -ENOMEM. */
int st_standing_reserve(struct st *);

/* Remembers the flow, if a hook has stopped something since the last call. */
void st_standing_add(struct st *, const struct mbox_key *);

#endif /* standing.h */
