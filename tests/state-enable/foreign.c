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

#include "foreign.h"

#include <stddef.h>

static unsigned int *kept;

static void
bump(unsigned int *n)
{
    ++*n;
}

const struct foreign_ops foreign_ops = { bump };

void
foreign_scatter(struct foreign_ref *r)
{
    ++*r->p;
}

void
foreign_keep(unsigned int *n)
{
    kept = n;
}

void
foreign_tick(void)
{
    if (kept) {
        ++*kept;
        kept = NULL;
    }
}

void
st_touched(unsigned int *n)
{
    ++*n;
}
