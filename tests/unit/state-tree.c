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

#include "state-tree.h"

#include "test-util.h"

static void **
link_of(void *node, size_t offset)
{
    return (void **) ((uint8_t *) node + offset);
}

static void
set_parent(const struct state_tree *t, void *node, void *parent)
{
    if (node && t->parent != SIZE_MAX) {
        *link_of(node, t->parent) = parent;
    }
}

/* Where the tree leads to a node that is equal, or would. */
static void **
find(const struct state_tree *t, void **root, void *node, void **parent)
{
    void **at = root;

    *parent = NULL;
    while (*at) {
        int order = t->compare(node, *at);

        if (!order) {
            break;
        }
        *parent = *at;
        at = link_of(*at, order < 0 ? t->left : t->right);
    }
    return at;
}

void
state_tree_insert(const struct state_tree *t, void **root, void *node)
{
    void *parent, **at = find(t, root, node, &parent);

    assert_null(*at);
    *link_of(node, t->left) = *link_of(node, t->right) = NULL;
    set_parent(t, node, parent);
    *at = node;
}

void
state_tree_remove(const struct state_tree *t, void **root, void *node)
{
    void *parent, **at = find(t, root, node, &parent);
    void *left = *link_of(node, t->left), *right = *link_of(node, t->right);

    assert_ptr_equal(*at, node);
    *at = right ? right : left;
    set_parent(t, *at, parent);
    if (left && right) {        /* Under what is smallest on the right. */
        void **hole;

        do {
            hole = link_of(right, t->left);
            parent = right;
            right = *hole;
        } while (right);
        *hole = left;
        set_parent(t, left, parent);
    }
}

static uint32_t
check(const struct state_tree *t, void *node, void *parent, void **last)
{
    if (!node) {
        return 0;
    }
    if (t->parent != SIZE_MAX) {
        assert_ptr_equal(*link_of(node, t->parent), parent);
    }
    uint32_t n = check(t, *link_of(node, t->left), node, last);
    if (*last) {
        assert_true(t->compare(*last, node) < 0);
    }
    *last = node;
    return n + 1 + check(t, *link_of(node, t->right), node, last);
}

uint32_t
state_tree_check(const struct state_tree *t, void *root)
{
    void *last = NULL;

    return check(t, root, NULL, &last);
}
