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

/* Moves the files of table.c, and finds and keeps its flows: hooks, as a user
 * would write them. */

#include <errno.h>
#include <ovs-mbox/state-hook.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "table.h"

static ssize_t
save(const void *spool_, unsigned int index, void *buffer, size_t size)
{
    const struct spool *spool = spool_;
    struct stat s;

    (void) index;
    if (fstat(spool->fd, &s) || pread(spool->fd, buffer, size, 0) < 0) {
        return -errno;
    }
    return s.st_size;
}

static int
load(void *spool_, unsigned int index, const void *data, size_t n)
{
    struct spool *spool = spool_;
    const char *text = data;

    for (size_t i = 0; i < n; i++) {
        if (!strchr(" 0123456789", text[i] ? text[i] : 'x')) {
            return -EPROTO;
        }
    }
    if (n && (text[n - 1] - '0') % 2 != (int) index) {
        return -EPROTO;
    }
    spool->fd = memfd_create("spool", MFD_CLOEXEC);
    if (spool->fd < 0) {
        return -errno;
    }
    if (write(spool->fd, data, n) != (ssize_t) n) {
        close(spool->fd);
        return -ENOSPC;
    }
    return 0;
}

static void
release(void *spool_, unsigned int index)
{
    struct spool *spool = spool_;

    (void) index;
    close(spool->fd);
}

const struct mbox_state_hook spool_hook = { save, load, release };

static int
for_each(int (*cb)(void *flow, void *aux), void *aux)
{
    struct flow *f;

    LIST_FOREACH (f, &table.by_age, by_age) {
        int retval = cb(f, aux);

        if (retval) {
            return retval;
        }
    }
    return 0;
}

static void *
find(const void *flow)
{
    return table_find(flow);
}

static void
insert(void *flow)
{
    table_insert(flow);
}

static void
take_out(void *flow)
{
    table_remove(flow);
}

/* Each flow has begun with a packet. */
static int
check(const void *flow_)
{
    const struct flow *flow = flow_;

    return flow->spools[0].n || flow->spools[1].n ? 0 : -EPROTO;
}

const struct mbox_state_container table_hook = {
    .for_each = for_each,
    .find = find,
    .insert = insert,
    .remove = take_out,
    .check = check,
};
