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

#include "trees.h"

#include <errno.h>
#include <stdlib.h>
#include "nodes.h"

/* A node that is reached, and those that all below it must be between, by the
 * tree's order; NULL: no limit.  Each step makes that smaller, so that links
 * with a cycle are noticed, and nothing is gone through twice. */
struct reached {
    void *node, *low, *high;
};

/* Nodes that are to be gone through: a tree that is not balanced can be as
 * deep as it has nodes. */
struct stack {
    struct reached *entries;
    size_t n, allocated;
};

static void *
link_of(const void *node, uint32_t offset)
{
    return st_load_pointer((const uint8_t *) node + offset);
}

/* Goes to a child, if there is one.  Returns false if it cannot be a child of
 * that node in a tree. */
static bool
descend(const struct st_tree *tree, const struct reached *at, int child,
        struct reached *next)
{
    *next = *at;
    next->node = link_of(at->node, tree->children[child]);
    if (!next->node) {
        return true;
    }

    int order = tree->compare(next->node, at->node);
    if (order < 0) {
        next->high = at->node;
    } else {
        next->low = at->node;
    }
    return (order
            && (order > 0 || !at->low
                || tree->compare(next->node, at->low) > 0)
            && (order < 0 || !at->high
                || tree->compare(next->node, at->high) < 0));
}

/* Whether both children are on the same side of their parent. */
static bool
is_one_sided(const struct reached children[2])
{
    return (children[0].node && children[1].node
            && children[0].low == children[1].low);
}

static int
push(struct stack *stack, const struct reached *entry)
{
    if (stack->n >= stack->allocated) {
        size_t n = stack->allocated ? 2 * stack->allocated : 64;
        struct reached *entries = realloc(stack->entries, n * sizeof *entries);

        if (!entries) {
            return -ENOMEM;
        }
        stack->entries = entries;
        stack->allocated = n;
    }
    stack->entries[stack->n++] = *entry;
    return 0;
}

static int
push_children(struct stack *stack, const struct st_tree *tree,
              const struct reached *at)
{
    struct reached children[2];

    for (int i = 0; i < 2; i++) {
        struct reached *child = &children[i];

        if (!descend(tree, at, i, child)
            || (child->node && tree->parent != ST_NONE
                && link_of(child->node, tree->parent) != at->node)) {
            return -EINVAL;
        }
    }
    if (is_one_sided(children)) {
        return -EINVAL;
    }
    for (int i = 0; i < 2; i++) {
        int error = children[i].node ? push(stack, &children[i]) : 0;

        if (error) {
            return error;
        }
    }
    return 0;
}

int
st_tree_for_each(const struct st_tree *tree, int (*cb)(void *, void *),
                 void *aux)
{
    struct stack stack = { .n = 0 };
    struct reached root = { .node = *tree->root };
    int error = 0;

    if (root.node) {
        error = (tree->parent != ST_NONE && link_of(root.node, tree->parent)
                 ? -EINVAL : push(&stack, &root));
    }
    while (!error && stack.n) {
        struct reached at = stack.entries[--stack.n];

        error = cb(at.node, aux);
        if (!error) {
            error = push_children(&stack, tree, &at);
        }
    }
    free(stack.entries);
    return error;
}

/* Which child is the smaller one is asked of the children. */
void *
st_tree_find(const struct st_tree *tree, void *node)
{
    struct reached at = { .node = *tree->root };

    while (at.node) {
        int order = tree->compare(node, at.node);

        if (!order) {
            return at.node;
        }

        struct reached next = { .node = NULL };
        for (int i = 0; i < 2 && !next.node; i++) {
            if (!descend(tree, &at, i, &next)) {
                return NULL;
            }
            if (next.node && (next.high == at.node) != (order < 0)) {
                next.node = NULL;
            }
        }
        at = next;
    }
    return NULL;
}

void
st_tree_insert(const struct st_tree *tree, void *node)
{
    tree->insert(tree->head, node);
}

bool
st_tree_remove(const struct st_tree *tree, void *node)
{
    tree->remove(tree->head, node);
    return st_tree_find(tree, node) != node;
}
