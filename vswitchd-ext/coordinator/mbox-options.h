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

#ifndef MBOX_OPTIONS_H
#define MBOX_OPTIONS_H 1

#include <stdbool.h>
#include "mbox-msg.h"
#include "mbox-transfer.h"
#include "svec.h"

/* Options of the mbox/ commands, which may stand anywhere after the command's
 * name.  A command says by a mask which ones it has. */
enum mbox_option {
    MBOX_OPTION_FORMAT = 1 << 0,
    MBOX_OPTION_ASYNC = 1 << 1,
    MBOX_OPTION_GUARANTEE = 1 << 2,
    MBOX_OPTION_METHOD = 1 << 3,
    MBOX_OPTION_SCOPE = 1 << 4,
    MBOX_OPTION_NO_PRECOPY = 1 << 5,
    MBOX_OPTION_NO_EARLY_RELEASE = 1 << 6,
    MBOX_OPTION_VIA = 1 << 7,
    MBOX_OPTION_LAST = 1 << 8,
    MBOX_OPTION_TIMEOUT = 1 << 9,
    MBOX_OPTION_ONE_WAY = 1 << 10,
    MBOX_OPTION_ALL = 1 << 11,
    MBOX_OPTION_FROM = 1 << 12,
    MBOX_OPTION_TO = 1 << 13,
    MBOX_OPTION_NAME = 1 << 14,
    MBOX_OPTION_SHARE = 1 << 15,
    MBOX_OPTION_EVERY = 1 << 16,
    MBOX_OPTION_LAYOUT = 1 << 17,
    MBOX_OPTION_OUTPUT = 1 << 18,
};

struct mbox_options {
    uint32_t given;             /* Mask of what was given. */
    struct svec args;           /* Arguments that are no options. */
    bool json;
    enum mbox_guarantee guarantee;
    enum mbox_method method;
    uint32_t scopes;            /* 0 if not given. */
    bool via_channel;
    enum mbox_last_packet last_packet;
    long long timeout_ms;
    unsigned int every_ms;      /* 0 if not given. */
    const char *from, *to, *name;       /* Instances; NULL if not given.  They
                                         * point into what was parsed, */
    const char *output;         /* as this, a function. */
    unsigned int share, share_of;       /* The 'share'th of so many. */
};

#define MBOX_DEFAULT_TIMEOUT_MS 30000

/* Parses what follows the command's name in 'argv'.  'allowed' is a mask of
 * MBOX_OPTION_*; 'min_args' and 'max_args' bound the number of arguments.
 * Returns NULL if successful, otherwise a message that the caller frees.
 * 'options' must be destroyed in either case. */
char *mbox_options_parse(const struct svec *argv, uint32_t allowed,
                         size_t min_args, size_t max_args,
                         struct mbox_options *options);
void mbox_options_destroy(struct mbox_options *);

#endif /* mbox-options.h */
