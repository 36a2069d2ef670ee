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

#ifndef STATEALYZR_REPORT_H
#define STATEALYZR_REPORT_H 1

/* Reports
 * =======
 *
 * The forms in which a result (result.h) is written.  A report depends on
 * nothing but the result and, for source lines, the source files; it writes to
 * a stream and leaves errors to ferror().
 *
 * Times and memory (struct sa_phase) are not in a report unless asked for, as
 * the same input is to give the same bytes. */

#include <stdio.h>
#include "result.h"

struct sa_source;

struct sa_report_options {
    bool stats;                 /* Write the phases, too. */
    struct sa_source *source;   /* Where source lines are from; NULL: none. */
};

void sa_report_text(FILE *, const struct sa_result *,
                    const struct sa_report_options *);
void sa_report_json(FILE *, const struct sa_result *,
                    const struct sa_report_options *);
void sa_report_dot(FILE *, const struct sa_result *,
                   const struct sa_report_options *);
void sa_report_html(FILE *, const struct sa_result *,
                    const struct sa_report_options *);

/* "why" of the variables of this name ("flows", "struct flow.bytes", "bytes"
 * for every field of that name); returns how many there are. */
size_t sa_report_why(FILE *, const struct sa_result *, const char *name,
                     const struct sa_report_options *);
/* The loops that may be chosen, and how they were found. */
void sa_report_loops(FILE *, const struct sa_result *,
                     const struct sa_report_options *);
/* The loop that was chosen and the procedures reached from it, with
 * reasons. */
void sa_report_explain(FILE *, const struct sa_result *,
                       const struct sa_report_options *);
void sa_report_stats(FILE *, const struct sa_result *);

/* How many variables there are of what kind. */
struct sa_counts {
    size_t all, persistent, top_level, updateable;
    size_t per_class[SA_CLASS_ALL_FLOWS + 1];   /* Of the updateable ones. */
    size_t no_output;           /* Updateable, but influence no output. */
};
struct sa_counts sa_result_count(const struct sa_result *);

/* The outermost word for what a variable is: "updateable", "read only" (used
 * but never written), "unused" (by state procedures). */
const char *sa_variable_role(const struct sa_result_variable *);

/* "ip_src, port_src", "" if there are none.  Free it. */
char *sa_fields_string(uint32_t fields);

/* "unsigned int *[16]".  Free it. */
char *sa_type_string(const struct sa_type *);

/* How the reports call things. */
const char *sa_class_name(enum sa_class);           /* "per-flow"... */
const char *sa_storage_name(enum sa_storage);       /* "global"... */
const char *sa_container_name(enum sa_container_kind);  /* "hash-chained"... */
const char *sa_link_name(enum sa_link_kind);        /* "next"... */
const char *sa_type_kind_name(enum sa_type_kind);   /* "struct"... */

/* Lines of source files, read when first asked for, and kept.  A file is
 * looked for where the compiler found it, then below each of 'roots' with
 * leading folders of its name dropped one by one. */
struct sa_source *sa_source_create(char *const roots[], size_t n_roots);
void sa_source_destroy(struct sa_source *);
/* As if 'root' had been one of the roots. */
void sa_source_add_root(struct sa_source *, const char *root);
/* The line without its newline, NULL if there is no such line or file, or 's'
 * is NULL. */
const char *sa_source_line(struct sa_source *s, struct sa_loc);

#endif /* report.h */
