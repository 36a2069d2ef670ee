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

#include "diag.h"

#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#define PROGRESS_INTERVAL_US 200000

struct sa_diag {
    bool progress;              /* On stderr. */
    bool shown;                 /* A line of progress is on the terminal. */
    gint64 last;                /* When, monotonic microseconds. */
    GPtrArray *warnings;        /* Strings. */
    GHashTable *known;          /* The same strings. */
};

struct sa_diag *sa_diag;

struct sa_diag *
sa_diag_create(bool progress)
{
    struct sa_diag *d = g_new0(struct sa_diag, 1);
    d->progress = progress;
    d->warnings = g_ptr_array_new_with_free_func(g_free);
    d->known = g_hash_table_new(g_str_hash, g_str_equal);
    return d;
}

void
sa_diag_clear_progress(struct sa_diag *d)
{
    if (d->shown) {
        fputs(isatty(STDERR_FILENO) ? "\r\033[K" : "\n", stderr);
        d->shown = false;
    }
}

void
sa_diag_destroy(struct sa_diag *d)
{
    if (d) {
        sa_diag_clear_progress(d);
        g_hash_table_destroy(d->known);
        g_ptr_array_free(d->warnings, TRUE);
        g_free(d);
    }
}

void
sa_warn(struct sa_loc loc, const char *format, ...)
{
    struct sa_diag *d = sa_diag;
    if (!d) {
        return;
    }

    GString *s = g_string_new(NULL);
    if (loc.file && *loc.file) {
        g_string_printf(s, "%s:%u: ", loc.file, loc.line);
    }
    va_list args;
    va_start(args, format);
    g_string_append_vprintf(s, format, args);
    va_end(args);

    char *text = g_string_free(s, FALSE);
    if (g_hash_table_contains(d->known, text)) {
        g_free(text);
    } else {
        g_hash_table_add(d->known, text);
        g_ptr_array_add(d->warnings, text);
    }
}

void
sa_progress(const char *format, ...)
{
    struct sa_diag *d = sa_diag;
    if (!d || !d->progress) {
        return;
    }
    gint64 now = g_get_monotonic_time();
    if (now - d->last < PROGRESS_INTERVAL_US) {
        return;
    }
    d->last = now;

    sa_diag_clear_progress(d);
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fflush(stderr);
    d->shown = true;
}

const char *const *
sa_diag_warnings(const struct sa_diag *d, size_t *n)
{
    *n = d->warnings->len;
    return (const char *const *) d->warnings->pdata;
}
