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

#ifndef STATE_TREES_H
#define STATE_TREES_H 1

/* Binary search trees of a program: walked by their links, changed by the
 * program's own functions, which know how it keeps them balanced. */

#include "private.h"

/* Goes through all nodes, and checks that each leads back to its parent and is
 * where the order wants it.  Returns what 'cb' does as soon as that is not 0,
 * -EINVAL if a link is wrong.  'cb' must not change the tree. */
int st_tree_for_each(const struct st_tree *,
                     int (*cb)(void *node, void *aux), void *aux);

/* The node of the tree that 'node' is equal to, or NULL; also if links that
 * lead to it are wrong. */
void *st_tree_find(const struct st_tree *, void *node);

void st_tree_insert(const struct st_tree *, void *node);

/* Returns false if the program's function left the node in the tree. */
bool st_tree_remove(const struct st_tree *, void *node);

#endif /* trees.h */
