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

#ifndef FOREIGN_H
#define FOREIGN_H 1

/* A library of which nothing is known: each writes what it is given. */

struct foreign_ref {
    unsigned int *p;
};

struct foreign_ops {
    void (*bump)(unsigned int *);
};

extern const struct foreign_ops foreign_ops;
void foreign_scatter(struct foreign_ref *);
void foreign_keep(unsigned int *);
void foreign_tick(void);        /* What was kept. */
void st_touched(unsigned int *);

#endif /* foreign.h */
