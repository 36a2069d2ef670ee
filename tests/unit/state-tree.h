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

#ifndef STATE_TREE_H
#define STATE_TREE_H 1

/* Binary search trees as a program may have them: not balanced, so that where
 * each node is depends on all that happened. */

#include <stddef.h>
#include <stdint.h>

struct state_tree {
    size_t left, right, parent; /* Offsets of the links; 'parent' SIZE_MAX if
                                 * there is none. */
    int (*compare)(void *, void *);
};

void state_tree_insert(const struct state_tree *, void **root, void *node);
void state_tree_remove(const struct state_tree *, void **root, void *node);

/* Checks that nodes are in order and lead back to their parents.  Returns how
 * many there are. */
uint32_t state_tree_check(const struct state_tree *, void *root);

#endif /* state-tree.h */
