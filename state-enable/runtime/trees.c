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

/* Nodes that are to be gone through: a tree that is not balanced can be as
 * deep as it has nodes. */
struct stack {
    void **nodes;
    size_t n, allocated;
};

static void *
link_of(const void *node, uint32_t offset)
{
    return st_load_pointer((const uint8_t *) node + offset);
}

/* Pushes a node that 'parent' leads to, if there is one. */
static int
push(struct stack *stack, const struct st_tree *tree, void *node,
     const void *parent)
{
    if (!node) {
        return 0;
    }
    if (tree->parent != ST_NONE && link_of(node, tree->parent) != parent) {
        return -EINVAL;
    }
    if (stack->n >= stack->allocated) {
        size_t n = stack->allocated ? 2 * stack->allocated : 64;
        void **nodes = realloc(stack->nodes, n * sizeof *nodes);

        if (!nodes) {
            return -ENOMEM;
        }
        stack->nodes = nodes;
        stack->allocated = n;
    }
    stack->nodes[stack->n++] = node;
    return 0;
}

int
st_tree_for_each(const struct st_tree *tree, int (*cb)(void *, void *),
                 void *aux)
{
    struct stack stack = { .n = 0 };
    int error = push(&stack, tree, *tree->root, NULL);

    while (!error && stack.n) {
        void *node = stack.nodes[--stack.n];

        error = cb(node, aux);
        for (int i = 0; !error && i < 2; i++) {
            error = push(&stack, tree, link_of(node, tree->children[i]),
                         node);
        }
    }
    free(stack.nodes);
    return error;
}

/* Which child is the smaller one is asked of the children. */
void *
st_tree_find(const struct st_tree *tree, void *node)
{
    void *at = *tree->root, *next;

    for (; at; at = next) {
        int order = tree->compare(node, at);

        if (!order) {
            return at;
        }
        next = NULL;
        for (int i = 0; !next && i < 2; i++) {
            void *child = link_of(at, tree->children[i]);

            if (child && (tree->compare(child, at) < 0) == (order < 0)) {
                next = child;
            }
        }
    }
    return NULL;
}

void
st_tree_insert(const struct st_tree *tree, void *node)
{
    tree->insert(tree->head, node);
}

void
st_tree_remove(const struct st_tree *tree, void *node)
{
    tree->remove(tree->head, node);
}
