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

#include "cc-args.h"

#include <string.h>

#define MAX_RESPONSE_DEPTH 10

/* Options whose argument is the next word. */
static const char *const separate[] = {
    "--param", "-A", "-B", "-D", "-F", "-G", "-I", "-L", "-MF", "-MQ", "-MT",
    "-T", "-U", "-V", "-Xanalyzer", "-Xarch_host", "-Xassembler", "-Xclang",
    "-Xlinker", "-Xpreprocessor", "-arch", "-aux-info", "-b", "-dumpbase",
    "-dumpdir", "-e", "-framework", "-h", "-idirafter", "-imacros",
    "-imultilib", "-include", "-include-pch", "-iprefix", "-iquote",
    "-isysroot", "-isystem", "-iwithprefix", "-iwithprefixbefore", "-l",
    "-mllvm", "-o", "-soname", "-target", "-u", "-x", "-z", "--sysroot",
    "--target", "-wrapper", "-specs",
};

/* Options that make nothing that could be captured. */
static const char *const others[] = {
    "-E", "-S", "-M", "-MM", "-fsyntax-only", "--help", "--version", "-###",
    "--analyze", "-emit-llvm", "-emit-ast",
};

/* Not for the compilation to bitcode: what optimises, instruments, and writes
 * other files; all of those that start so. */
static const char *const not_for_bitcode[] = {
    "-O", "-M", "-flto", "-ffat-lto-objects", "-fno-lto", "-fprofile",
    "-fcoverage", "--coverage", "-ftest-coverage", "-fsanitize",
    "-fstack-clash", "-fstack-protector", "-fcf-protection", "-fxray",
    "-finstrument", "-save-temps", "--save-temps", "-ftime-trace", "-gsplit",
    "-fsave-optimization-record", "-fembed-bitcode", "-Werror", "-pedantic-e",
    "-fdebug-types-section", "-fpatchable", "-fuse-ld", "-Wl,",
    "-ftrivial-auto-var-init", "-fdiagnostics-color",
};

static bool
is_in(const char *s, const char *const list[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!strcmp(s, list[i])) {
            return true;
        }
    }
    return false;
}

static bool
starts_with_one_of(const char *s, const char *const list[], size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (g_str_has_prefix(s, list[i])) {
            return true;
        }
    }
    return false;
}

/* Appends the words of 'text': separated by white space, quoted as gcc
 * says. */
static void
split_words(struct cc_args *a, const char *text, GPtrArray *words)
{
    GString *word = g_string_new(NULL);
    bool in_word = false;
    char quote = '\0';
    for (const char *p = text; *p; p++) {
        if (*p == '\\' && p[1]) {
            g_string_append_c(word, *++p);
            in_word = true;
        } else if (quote) {
            if (*p == quote) {
                quote = '\0';
            } else {
                g_string_append_c(word, *p);
            }
        } else if (*p == '\'' || *p == '"') {
            quote = *p;
            in_word = true;
        } else if (strchr(" \t\n\r\f\v", *p)) {
            if (in_word) {
                g_ptr_array_add(a->owned, g_strdup(word->str));
                g_ptr_array_add(words, a->owned->pdata[a->owned->len - 1]);
                g_string_truncate(word, 0);
                in_word = false;
            }
        } else {
            g_string_append_c(word, *p);
            in_word = true;
        }
    }
    if (in_word) {
        g_ptr_array_add(a->owned, g_strdup(word->str));
        g_ptr_array_add(words, a->owned->pdata[a->owned->len - 1]);
    }
    g_string_free(word, TRUE);
}

/* Replaces "@FILE" by what FILE contains, once for each level of nesting.
 * Such a word that is no file is itself, as gcc has it. */
static bool
expand(struct cc_args *a, GPtrArray **wordsp, char **errorp)
{
    for (int depth = 0; depth <= MAX_RESPONSE_DEPTH; depth++) {
        GPtrArray *words = g_ptr_array_new();
        bool changed = false;
        for (guint i = 0; i < (*wordsp)->len; i++) {
            char *word = g_ptr_array_index(*wordsp, i);
            char *text;
            if (word[0] == '@'
                && g_file_get_contents(word + 1, &text, NULL, NULL)) {
                split_words(a, text, words);
                g_free(text);
                changed = true;
            } else {
                g_ptr_array_add(words, word);
            }
        }
        g_ptr_array_free(*wordsp, TRUE);
        *wordsp = words;
        if (!changed) {
            return true;
        }
    }
    *errorp = g_strdup("response files refer to others too deeply");
    return false;
}

/* The language of an input as for "-x", or NULL if it is no C source;
 * 'language' is what the last "-x" said. */
static const char *
source_language(const char *name, const char *language)
{
    static const char c[] = "c", cpp_output[] = "cpp-output";
    if (language && strcmp(language, "none")) {
        return (!strcmp(language, c) ? c
                : !strcmp(language, cpp_output) ? cpp_output : NULL);
    }
    return (g_str_has_suffix(name, ".c") ? c
            : g_str_has_suffix(name, ".i") ? cpp_output : NULL);
}

static void
add_input(struct cc_args *a, char *name, const char *language)
{
    char *base = g_path_get_basename(name);
    if (g_str_has_prefix(base, "conftest") || !strcmp(name, "-")) {
        a->is_probe = true;
    }
    g_free(base);
    language = source_language(name, language);
    if (language) {
        g_ptr_array_add(a->sources, name);
        g_ptr_array_add(a->languages, (char *) language);
    }
}

static void
add_flag(struct cc_args *a, char *flag, char *argument)
{
    if (starts_with_one_of(flag, not_for_bitcode,
                           G_N_ELEMENTS(not_for_bitcode))
        || !strcmp(flag, "-Xlinker")) {
        return;
    }
    g_ptr_array_add(a->flags, flag);
    if (argument) {
        g_ptr_array_add(a->flags, argument);
    }
}

static bool
parse_step(struct cc_args *a, const char *word)
{
    if (!strcmp(word, "-c")) {
        if (a->step != CC_OTHER) {
            a->step = CC_COMPILE;
        }
    } else if (!strcmp(word, "-r")) {
        a->partial_link = true;
    } else if (is_in(word, others, G_N_ELEMENTS(others))
               || g_str_has_prefix(word, "-print-")
               || g_str_has_prefix(word, "--print-")
               || !strcmp(word, "-dumpmachine")
               || !strcmp(word, "-dumpversion")) {
        a->step = CC_OTHER;
    } else {
        return false;
    }
    return true;
}

static void
parse_words(struct cc_args *a, GPtrArray *words)
{
    const char *language = NULL;
    bool has_input = false;

    a->step = CC_LINK;
    for (guint i = 0; i < words->len; i++) {
        char *word = g_ptr_array_index(words, i);
        bool takes_next = is_in(word, separate, G_N_ELEMENTS(separate));
        char *next = (takes_next && i + 1 < words->len
                      ? g_ptr_array_index(words, i + 1) : NULL);

        if (g_str_has_prefix(word, "-flto")
            || !strcmp(word, "-ffat-lto-objects")) {
            a->has_lto = true;
            continue;
        }
        g_ptr_array_add(a->native, word);
        if (next) {
            g_ptr_array_add(a->native, next);
            i++;
        }

        if (word[0] != '-' || !word[1]) {
            has_input = true;
            add_input(a, word, language);
        } else if (next && !strcmp(word, "-x")) {
            language = next;
        } else if (next && !strcmp(word, "-o")) {
            a->output = next;
        } else if (g_str_has_prefix(word, "-o") && word[2]
                   && !g_str_has_prefix(word, "-objc")) {
            a->output = word + 2;
        } else if (g_str_has_prefix(word, "-x") && word[2]) {
            language = word + 2;
        } else if (!parse_step(a, word)) {
            add_flag(a, word, next);
        }
    }
    if (!has_input) {
        a->step = CC_OTHER;
    }
}

struct cc_args *
cc_args_parse(char *argv[], char **errorp)
{
    struct cc_args *a = g_new0(struct cc_args, 1);
    a->sources = g_ptr_array_new();
    a->languages = g_ptr_array_new();
    a->flags = g_ptr_array_new();
    a->native = g_ptr_array_new();
    a->owned = g_ptr_array_new_with_free_func(g_free);

    GPtrArray *words = g_ptr_array_new();
    for (int i = 1; argv[i]; i++) {
        g_ptr_array_add(words, argv[i]);
    }
    bool ok = expand(a, &words, errorp);
    if (ok) {
        parse_words(a, words);
    }
    g_ptr_array_free(words, TRUE);
    if (!ok) {
        cc_args_destroy(a);
        return NULL;
    }
    return a;
}

void
cc_args_destroy(struct cc_args *a)
{
    if (a) {
        g_ptr_array_free(a->sources, TRUE);
        g_ptr_array_free(a->languages, TRUE);
        g_ptr_array_free(a->flags, TRUE);
        g_ptr_array_free(a->native, TRUE);
        g_ptr_array_free(a->owned, TRUE);
        g_free(a);
    }
}

char *
cc_args_object(const struct cc_args *a, const char *source)
{
    if (a->output) {
        return g_strdup(a->output);
    }
    char *base = g_path_get_basename(source);
    char *dot = strrchr(base, '.');
    if (dot) {
        *dot = '\0';
    }
    char *object = g_strconcat(base, ".o", NULL);
    g_free(base);
    return object;
}
