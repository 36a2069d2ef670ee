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

#ifndef MBOX_SHOW_H
#define MBOX_SHOW_H 1

#include <stdbool.h>

#include "mbox-transfer.h"

struct json;
struct mbox_coordinator;

/* What the commands that only look at things answer, as text or (where there
 * is a choice) JSON.  The caller frees it.  Coordinator thread only. */

/* The text of 'json', as all commands print it; frees 'json'. */
char *mbox_show_json(struct json *json);

char *mbox_show_report(const struct mbox_transfer_request *,
                       const struct mbox_transfer_report *, bool json);
char *mbox_show_list(const struct mbox_coordinator *, bool json);
char *mbox_show_open(const struct mbox_coordinator *, bool json);
char *mbox_show_history(const struct mbox_coordinator *, unsigned int max,
                        bool json);

/* All classes' assignments if 'class_name' is null. */
char *mbox_show_assignments(const struct mbox_coordinator *,
                            const char *class_name, bool json);

/* Shows the instance or class 'name', or everything if it is null.  Returns
 * NULL and sets '*out', or returns an error that the caller frees. */
char *mbox_show(const struct mbox_coordinator *, const char *name, char **out);

#endif /* mbox-show.h */
