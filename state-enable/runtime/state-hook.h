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

#ifndef MBOX_STATE_HOOK_H
#define MBOX_STATE_HOOK_H 1

/* Hooks: what a user writes where tables cannot say how state moves
 * =================================================================
 *
 * A hook is a constant in a file of C that mbox-cc compiles and links with the
 * program; MBOX_STATE_HOOK names it when the program is linked.  See
 * Documentation/state-enable.md, "Hooks", for an example. */

#include <stddef.h>
#include <sys/types.h>

#ifdef __cplusplus
extern "C" {
#endif

/* Moves a member that means nothing in another process: the handle of a
 * library, a descriptor, a lock.
 *
 *     MBOX_STATE_HOOK='struct flow.regex=flow_regex'
 *
 * 'object' is the struct that has the member, wherever that is: in a node, in
 * a member of one, in what one owns.  If it is an element of an array that is
 * a member, 'index' says which, otherwise it is 0. */
struct mbox_state_hook {
    /* Writes what the member leads to into 'buffer', which has room for 'size'
     * bytes, and returns how many bytes that takes; if it is more than 'size'
     * it is called again with more room.  May return 0, or a negative errno
     * value: the entry is not moved.  Changes nothing. */
    ssize_t (*save)(const void *object, unsigned int index, void *buffer,
                    size_t size);

    /* Makes the member, whose bytes are zeros, from what save() wrote, in an
     * object that the program does not see yet; the members beside it are set,
     * but what they lead to need not be.  Changes only the member.  Returns 0,
     * or a negative errno value if the bytes are not what save() can have
     * written: they come from another host, and nobody else checks them.  Then
     * nothing is left of it. */
    int (*load)(void *object, unsigned int index, const void *data,
                size_t size);

    /* Frees what the member leads to, as the program would. */
    void (*release)(void *object, unsigned int index);

    /* NULL, unless what the member leads to can be read only while nothing
     * changes it.  Then save() is called only when the flow stands still, to
     * leave, and stops it; what load() makes stands still, too.  Goes on with
     * either: the flow has arrived, or stays as its move has failed.  Called
     * in the thread that reads packets, before the next packet of the flow;
     * also for what does not stand still, and has to leave that alone.  Such a
     * member moves with its own flow only, and not by mbox/copy. */
    void (*resume)(void *object, unsigned int index);

    /* Says what the member leads to, for people (mbox-state(8)): stores a line
     * of ASCII in 'text', which has room for 'size' bytes, and returns 0 or a
     * negative errno value.  Changes and stops nothing; may be called whenever
     * no packet is being processed.  NULL: what save() writes is shown, or if
     * there is a 'resume' nothing. */
    int (*describe)(const void *object, unsigned int index, char *text,
                    size_t size);
};

/* Finds and keeps the entries of a structure, for which the program has
 * containers that are not understood by themselves.
 *
 *     MBOX_STATE_HOOK='struct flow=flow_container'
 *
 * An entry is a block of the heap.  What it has and owns moves as without a
 * hook, except for its links: pointers to other entries, to pointers to such,
 * or to structs that are part of an entry, such as 'struct list_head', unless
 * the program frees what they lead to as a block of its own. */
struct mbox_state_container {
    /* Calls 'cb' for each entry until it returns nonzero, and returns that, or
     * 0.  'cb' changes nothing. */
    int (*for_each)(int (*cb)(void *entry, void *aux), void *aux);

    /* The entry in the place of this one, as the program finds it by its key;
     * NULL if there is none.  The one given need be in no container. */
    void *(*find)(const void *entry);

    /* Puts an entry, whose links are null pointers, into all containers, or
     * takes it out of them, and counts it.  They cannot fail, and free
     * nothing.  Of other entries they change only links: anything else does
     * not count as a change, and a copy that is kept up to date of one would
     * miss it.  An entry may be put in and taken out again if what came with
     * it is refused. */
    void (*insert)(void *entry);
    void (*remove)(void *entry);

    /* Returns 0, or a negative errno value if an entry that came from another
     * host, with what it owns, is not as the program would have it.  The
     * program does not see it yet.  NULL: all is right that has the form of an
     * entry. */
    int (*check)(const void *entry);

    /* Nonzero if an entry is of both directions of a flow. */
    int both_ways;

    /* Adds to the host that is there what another instance knows of it, of
     * which some flows move: what it owns, say, a list of ports.  Changes
     * neither key nor links; it takes nothing from 'from', which is freed
     * afterwards.  Numbers can have rules (MBOX_STATE_MERGE), which come
     * first.  NULL: the host stays as it is, but for these. */
    void (*merge)(void *there, const void *from);
};

#ifdef __cplusplus
}
#endif

#endif /* state-hook.h */
