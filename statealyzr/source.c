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

/* Lines of source files. */

#include "report.h"

#include <glib.h>
#include <string.h>

#define MAX_SOURCE_SIZE (64 << 20)

struct source_file {
    char **lines;               /* NULL if there is no such file. */
    unsigned int n;
};

struct sa_source {
    GPtrArray *roots;
    GHashTable *files;          /* Name -> struct source_file *. */
};

static void
source_file_free(void *file_)
{
    struct source_file *f = file_;
    g_strfreev(f->lines);
    g_free(f);
}

struct sa_source *
sa_source_create(char *const roots[], size_t n_roots)
{
    struct sa_source *s = g_new0(struct sa_source, 1);
    s->roots = g_ptr_array_new_with_free_func(g_free);
    s->files = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
                                     source_file_free);
    for (size_t i = 0; i < n_roots; i++) {
        sa_source_add_root(s, roots[i]);
    }
    return s;
}

void
sa_source_add_root(struct sa_source *s, const char *root)
{
    for (guint i = 0; i < s->roots->len; i++) {
        if (!strcmp(g_ptr_array_index(s->roots, i), root)) {
            return;
        }
    }
    g_ptr_array_add(s->roots, g_strdup(root));
}

void
sa_source_destroy(struct sa_source *s)
{
    if (s) {
        g_ptr_array_free(s->roots, TRUE);
        g_hash_table_destroy(s->files);
        g_free(s);
    }
}

/* A regular file only: debug information may name anything. */
static char *
read_file(const char *name)
{
    char *text;
    gsize n;
    if (!g_file_test(name, G_FILE_TEST_IS_REGULAR)
        || !g_file_get_contents(name, &text, &n, NULL)) {
        return NULL;
    }
    if (n > MAX_SOURCE_SIZE || strlen(text) != n) {
        g_free(text);
        return NULL;
    }
    return text;
}

static char *
read_below(const char *root, const char *name)
{
    /* Each step drops a leading folder. */
    for (const char *p = name; p; p = strchr(p, '/')) {
        while (*p == '/') {
            p++;
        }
        char *path = g_build_filename(root, p, NULL);
        char *text = read_file(path);
        g_free(path);
        if (text) {
            return text;
        }
    }
    return NULL;
}

static struct source_file *
open_source(struct sa_source *s, const char *name)
{
    struct source_file *f = g_hash_table_lookup(s->files, name);
    if (f) {
        return f;
    }

    char *text = g_path_is_absolute(name) ? read_file(name) : NULL;
    for (guint i = 0; !text && i < s->roots->len; i++) {
        text = read_below(g_ptr_array_index(s->roots, i), name);
    }
    f = g_new0(struct source_file, 1);
    if (text) {
        char *valid = g_utf8_make_valid(text, -1);
        f->lines = g_strsplit(valid, "\n", -1);
        f->n = g_strv_length(f->lines);
        g_free(valid);
        g_free(text);
    }
    g_hash_table_insert(s->files, g_strdup(name), f);
    return f;
}

const char *
sa_source_line(struct sa_source *s, struct sa_loc loc)
{
    if (!s || !loc.file || !*loc.file || !loc.line) {
        return NULL;
    }
    const struct source_file *f = open_source(s, loc.file);
    return loc.line <= f->n ? f->lines[loc.line - 1] : NULL;
}
