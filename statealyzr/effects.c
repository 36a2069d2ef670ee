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

#include "tables-private.h"

#include <stdlib.h>
#include <string.h>

/* The effects of library functions, as "copy 0 1 2; assign ret 0".  The format
 * is in tables.h. */

/* What the words after a verb are, one letter each: 't' = TO, 'f' = FROM,
 * 's' = SIZE, 'c' = COUNT, 'n' = NAME; '?' before what may be missing. */
struct verb {
    const char *name;
    enum sa_effect_kind kind;
    const char *words;
};

static const struct verb verbs[] = {
    { "none", SA_EFFECT_NONE, "" },
    { "alloc", SA_EFFECT_ALLOC, "t?s?c" },
    { "realloc", SA_EFFECT_REALLOC, "tf?s?c" },
    { "free", SA_EFFECT_FREE, "f" },
    { "assign", SA_EFFECT_ASSIGN, "tf" },
    { "store", SA_EFFECT_STORE, "tf" },
    { "load", SA_EFFECT_LOAD, "tf" },
    { "copy", SA_EFFECT_COPY, "tf?s?c" },
    { "write", SA_EFFECT_WRITE, "t?s?c" },
    { "read", SA_EFFECT_READ, "f?s?c" },
    { "read-deep", SA_EFFECT_READ, "f" },
    { "write-deep", SA_EFFECT_WRITE, "t" },
    { "static", SA_EFFECT_STATIC, "tn" },
    { "store-static", SA_EFFECT_STORE_STATIC, "fn" },
    { "load-static", SA_EFFECT_LOAD_STATIC, "tn" },
};

bool
sa_parse_argument(const char *word, int *arg)
{
    if (!strcmp(word, "ret")) {
        *arg = SA_RETURN;
    } else if (!strcmp(word, "...")) {
        *arg = SA_VARARGS;
    } else if (!strcmp(word, "-")) {
        *arg = SA_NO_ARG;
    } else if (*word && strspn(word, "0123456789") == strlen(word)
               && strlen(word) < 4) {
        *arg = atoi(word);
    } else {
        return false;
    }
    return true;
}

/* Fills 'e' from the words after a verb. */
static bool
parse_words(struct sa_tables *tables, const struct verb *verb, char **words,
            struct sa_effect *e)
{
    bool optional = false;

    e->kind = verb->kind;
    for (const char *w = verb->words; *w; w++) {
        if (*w == '?') {
            optional = true;
            continue;
        } else if (!*words) {
            return optional;
        }
        int *arg = *w == 't' ? &e->to : *w == 'f' ? &e->from
                   : *w == 's' ? &e->size : &e->count;
        if (*w == 'n') {
            e->name = g_string_chunk_insert_const(tables->strings, *words);
        } else if (**words == '@' && (*w == 't' || *w == 'f')) {
            *arg = SA_STATIC;
            e->name = g_string_chunk_insert_const(tables->strings,
                                                  *words + 1);
        } else if (!sa_parse_argument(*words, arg)) {
            return false;
        }
        words++;
    }
    return !*words;
}

static bool
parse_call_argument(struct sa_tables *tables, const char *word,
                    struct sa_effect_arg *arg)
{
    *arg = (struct sa_effect_arg) { .arg = SA_NO_ARG };
    arg->deref = *word == '*';
    word += arg->deref;
    if (*word == '@' && word[1]) {
        arg->name = g_string_chunk_insert_const(tables->strings, word + 1);
        return true;
    }
    return sa_parse_argument(word, &arg->arg);
}

/* "call F ARG... [> NAME]", without the verb. */
static bool
parse_call(struct sa_tables *tables, char **words, struct sa_effect *e)
{
    e->kind = SA_EFFECT_CALL;
    if (!*words) {
        return false;
    }
    char *f = *words++;
    if (*f == '*') {
        char *plus = strchr(f, '+');

        e->through = true;
        f++;
        if (plus) {
            char *end;

            *plus++ = '\0';
            e->offset = strtoul(plus, &end, 10);
            if (*end || end == plus) {
                return false;
            }
        }
    }
    if (!sa_parse_argument(f, &e->from)) {
        return false;
    }
    for (; *words; words++) {
        if (!strcmp(*words, ">")) {
            e->name = words[1] ? g_string_chunk_insert_const(tables->strings,
                                                             words[1]) : NULL;
            return e->name && !words[2];
        } else if (e->n_args == SA_MAX_EFFECT_ARGS
                   || !parse_call_argument(tables, *words,
                                           &e->args[e->n_args++])) {
            return false;
        }
    }
    return true;
}

static bool
parse_effect(struct sa_tables *tables, char **words, struct sa_effect *e)
{
    *e = (struct sa_effect) { .to = SA_NO_ARG, .from = SA_NO_ARG,
                              .size = SA_NO_ARG, .count = SA_NO_ARG };
    if (!strcmp(words[0], "call") || !strcmp(words[0], "call-later")) {
        e->later = words[0][4] != '\0';
        return parse_call(tables, words + 1, e);
    }
    for (size_t i = 0; i < G_N_ELEMENTS(verbs); i++) {
        if (!strcmp(words[0], verbs[i].name)) {
            e->deep = g_str_has_suffix(words[0], "-deep");
            return parse_words(tables, &verbs[i], words + 1, e);
        }
    }
    return false;
}

/* Splits at blanks; no empty words. */
static char **
split_words(const char *text)
{
    GPtrArray *words = g_ptr_array_new();

    while (*(text += strspn(text, " \t\n"))) {
        size_t n = strcspn(text, " \t\n");
        g_ptr_array_add(words, g_strndup(text, n));
        text += n;
    }
    g_ptr_array_add(words, NULL);
    return (char **) g_ptr_array_free(words, FALSE);
}

char *
sa_parse_effects(struct sa_tables *tables, const char *text,
                 struct sa_library_call *call)
{
    char **clauses = g_strsplit(text, ";", -1);
    struct sa_effect *effects = sa_tables_alloc(
        tables, (g_strv_length(clauses) + 1) * sizeof *effects);
    char *error = NULL;
    size_t n = 0;

    for (char **clause = clauses; *clause && !error; clause++) {
        char **words = split_words(*clause);

        if (!words[0]) {
            error = g_strdup("an effect is empty");
        } else if (!words[1] && !strcmp(words[0], "noreturn")) {
            call->noreturn = true;
        } else if (!words[1] && !strcmp(words[0], "terminates")) {
            call->noreturn = call->terminates = true;
        } else if (!parse_effect(tables, words, &effects[n++])) {
            error = g_strdup_printf("\"%s\" is no effect", *clause);
        }
        g_strfreev(words);
    }
    g_strfreev(clauses);
    call->effects = effects;
    call->n_effects = n;
    return error;
}
