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

#ifndef STATEALYZR_CC_ARGS_H
#define STATEALYZR_CC_ARGS_H 1

/* The command line of a C compiler
 *
 * What mbox-cc has to know of it: what step it asks for, its sources, its
 * output, and which arguments compile a source to bitcode.  See the manual of
 * gcc, "Option Summary" and "Overall Options" (response files). */

#include <glib.h>
#include <stdbool.h>

enum cc_step {
    CC_OTHER,                   /* -E, -S, -M, --version...: not ours. */
    CC_COMPILE,                 /* -c */
    CC_LINK                     /* And perhaps compile first. */
};

struct cc_args {
    enum cc_step step;
    bool partial_link;          /* -r */
    bool has_lto;               /* Has -flto. */
    const char *output;         /* -o, or NULL. */
    GPtrArray *sources;         /* C sources, strings. */
    GPtrArray *languages;       /* Of these, as for -x. */
    GPtrArray *flags;           /* For the compilation to bitcode. */
    GPtrArray *native;          /* All arguments but those of LTO, response
                                 * files replaced by what they contain. */
    bool is_probe;              /* A trial of a configure script. */
    GPtrArray *owned;           /* What response files contained. */
};

/* Returns NULL with '*errorp' set if a response file is malformed or nests too
 * deep.  The strings of argv have to outlive the result. */
struct cc_args *cc_args_parse(char *argv[], char **errorp);
void cc_args_destroy(struct cc_args *);

/* The object file that "-c" makes of 'source'; free it. */
char *cc_args_object(const struct cc_args *, const char *source);

#endif /* cc-args.h */
