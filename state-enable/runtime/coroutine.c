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

#include "coroutine.h"

#include <stdbool.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <ucontext.h>
#include <unistd.h>

struct st_coroutine {
    ucontext_t inside, outside;
    void *stack;
    size_t size;
    void (*function)(void *);
    void *aux;
};

/* makecontext() passes integers only. */
static struct st_coroutine *starting;

static void
run(void)
{
    struct st_coroutine *c = starting;

    c->function(c->aux);
    abort();
}

static bool
set_up(struct st_coroutine *c)
{
    c->stack = mmap(NULL, c->size, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    /* What overflows ends the process rather than to change other memory. */
    if (c->stack == MAP_FAILED
        || mprotect(c->stack, sysconf(_SC_PAGESIZE), PROT_NONE)
        || getcontext(&c->inside)) {
        return false;
    }
    c->inside.uc_stack.ss_sp = c->stack;
    c->inside.uc_stack.ss_size = c->size;
    makecontext(&c->inside, run, 0);
    return true;
}

struct st_coroutine *
st_coroutine_create(size_t stack, void (*function)(void *), void *aux)
{
    struct st_coroutine *c = calloc(1, sizeof *c);

    if (c) {
        c->function = function;
        c->aux = aux;
        c->size = stack;
        if (!set_up(c)) {
            st_coroutine_destroy(c);
            return NULL;
        }
    }
    return c;
}

void
st_coroutine_destroy(struct st_coroutine *c)
{
    if (c) {
        if (c->stack != MAP_FAILED) {
            munmap(c->stack, c->size);
        }
        free(c);
    }
}

void
st_coroutine_enter(struct st_coroutine *c)
{
    starting = c;
    swapcontext(&c->outside, &c->inside);
}

void
st_coroutine_leave(struct st_coroutine *c)
{
    swapcontext(&c->inside, &c->outside);
}
