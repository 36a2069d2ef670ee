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

#ifndef MB_STATE_H
#define MB_STATE_H 1

/* Parts of the state functions that middleboxes register with libmbox. */

#include "mbox-wire.h"
#include "mbox.h"

/* What a list callback of libmbox is given, for the middlebox's own. */
struct mb_list {
    const struct mbox_space *space;
    mbox_list_cb *cb;
    void *aux;
};

/* A callback for what lists the keys of a middlebox, with a struct mb_list:
 * passes those on that are in the flow space. */
typedef int mb_key_cb(void *list, const struct mbox_key *);
mb_key_cb mb_list_flow;

/* Lists state that hosts share, of those hosts of which the flow space has
 * flows: 'src' of a key is the host that used it last.  State of hosts of
 * which only some flows move is sent when the source is frozen, while packets
 * are held: of that only what was used last goes, up to 'max_late'.
 * 'list_keys' calls back with all keys of 'program', those used last at the
 * end, until a callback returns nonzero, and returns that. */
int mb_list_shared(const struct mb_list *, size_t max_late,
                   int (*list_keys)(void *program, mb_key_cb *, void *aux),
                   void *program);

/* Gives libmbox what a middlebox has written, unless 'error', which is the
 * result, says that it could not.  Frees what 'w' has. */
int mb_chunk_from_writer(struct mbox_chunk *, struct mbox_writer *w,
                         int error);

/* State of which an instance has just one, such as its configuration: listed
 * under a key of zeros, for the first worker, and never deleted. */
int mb_list_one(void *, unsigned int worker, const struct mbox_space *,
                mbox_list_cb *, void *aux);
int mb_del_nothing(void *, unsigned int worker, const struct mbox_key *);

#endif /* mb-state.h */
