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

#ifndef MBOX_ALIAS_H
#define MBOX_ALIAS_H 1

/* Keys of a transfer's flows outside of its flow space
 * ====================================================
 *
 * Where addresses are translated, packets of a flow come under several keys.
 * The source announces those outside of the flow space; steering treats their
 * packets like those of the flow space.
 *
 * One thread adds; any may look, within one quiescent period. */

#include "cmap.h"

#include "mbox-key.h"

/* Most keys in one set. */
#define MBOX_ALIASES_MAX (1024 * 1024)

struct mbox_aliases {
    struct cmap map;            /* "struct mbox_alias"es. */
};

void mbox_aliases_init(struct mbox_aliases *);

/* Nobody may look any more. */
void mbox_aliases_destroy(struct mbox_aliases *);

static inline size_t
mbox_aliases_count(const struct mbox_aliases *aliases)
{
    return cmap_count(&aliases->map);
}

/* Keys are canonical.  mbox_aliases_add() returns false if the key is there
 * already. */
bool mbox_aliases_contain(const struct mbox_aliases *,
                          const struct mbox_key *);
bool mbox_aliases_add(struct mbox_aliases *, const struct mbox_key *);

/* Returns the keys that are not among the 'n' keys 'except', which it sorts.
 * Stores their number in '*np'.  The caller frees them. */
struct mbox_key *mbox_aliases_except(const struct mbox_aliases *,
                                     struct mbox_key *except, size_t n,
                                     size_t *np);

#endif /* mbox-alias.h */
