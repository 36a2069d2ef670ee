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

#ifndef MBOX_INSTANTIATOR_H
#define MBOX_INSTANTIATOR_H 1

/* Instantiators: programs that make and remove instances
 * ======================================================
 *
 * See Documentation/scale.md for the contract with them.
 *
 * The database says by name which program a class has.  Whoever may write the
 * database must not be able to have ovs-vswitchd execute what they like, so it
 * is only a name, without slash, in one directory, MBOX_INSTANTIATOR_DIR below
 * ovs_pkgdatadir(); directory and program must belong to root (or to the user
 * that ovs-vswitchd runs as) and be writable by nobody else.
 *
 * Threads
 * =======
 *
 * A program is started, and waited for, by a thread of its own, because fork()
 * and a file system may take long, and because a process's end can be waited
 * for without SIGCHLD, which would be everybody's.  (process_start() of Open
 * vSwitch is for programs with one thread.)  It is started with posix_spawn(),
 * which does not copy page tables.
 *
 *     owner               all functions here; destroys it when it is done
 *     its thread          writes 'error', then 'done'
 *     both                'done' (atomic), 'stop', 'kill' and 'wake' (latches)
 *
 * There is no lock. */

#include <stdbool.h>

struct latch;
struct mbox_instantiator;
struct svec;

#define MBOX_INSTANTIATOR_DIR "mbox-instantiators"

/* Checks that program 'name' may be executed, and stores its path in '*path',
 * which the caller frees.  Returns NULL, or an error message that the caller
 * frees.  Any thread. */
char *mbox_instantiator_find(const char *name, char **path);

/* Executes 'path' with 'args' (besides argv[0]), and with 'env', lines such as
 * "KEY=VALUE", besides the environment of ovs-vswitchd.  Sets 'wake' when it
 * has ended; 'wake' must live until mbox_instantiator_destroy(). */
struct mbox_instantiator *mbox_instantiator_start(const char *path,
                                                  const struct svec *args,
                                                  const struct svec *env,
                                                  struct latch *wake);

/* Ends the program: SIGTERM, and if it is still there two seconds later
 * SIGKILL, to its process group: to all that it has started and that has not
 * left that.  What is left of the group when the program has ended gets
 * SIGKILL at once. */
void mbox_instantiator_cancel(struct mbox_instantiator *);

/* True if it has ended; then '*error' is NULL if it exited with status 0,
 * otherwise a message that the caller frees. */
bool mbox_instantiator_is_done(const struct mbox_instantiator *, char **error);

/* Kills it, with its process group, if it has not ended. */
void mbox_instantiator_destroy(struct mbox_instantiator *);

#endif /* mbox-instantiator.h */
