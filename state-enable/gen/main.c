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

/* mbox-state-gen: makes a program's bitcode move its state. */

#include <config.h>

#include <getopt.h>
#include <glib.h>
#include <json-c/json.h>
#include <llvm-c/BitReader.h>
#include <llvm-c/BitWriter.h>
#include <llvm-c/Core.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "evidence.h"
#include "instrument.h"
#include "mbox-fnv.h"
#include "plan.h"
#include "rewrite.h"
#include "waits.h"
#include "write-layout.h"
#include "write-tables.h"

struct options {
    const char *result, *program, *bitcode, *tables, *report;
    const char *leave_out, *merge, *hooks, *keys, *waits;
    GPtrArray *attributes;
};

static void
usage(FILE *f)
{
    fputs("mbox-state-gen: make a program's bitcode move its state\n"
          "usage: mbox-state-gen --result=FILE.json --bitcode=OUT.bc "
          "--tables=OUT.c\n"
          "           [--program=NAME] [--report=FILE] "
          "[--leave-out=VARIABLE,...]\n"
          "           [--merge=VARIABLE=RULE,...] "
          "[--hooks=MEMBER=SYMBOL,...]\n"
          "           [--keys=MEMBER=PART,...] "
          "[--attribute=NAME]... FILE.bc\n"
          "\n"
          "FILE.json is what \"mbox-statealyzr --format=json FILE.bc\" "
          "prints.\n", f);
}

static bool
parse(int argc, char *argv[], struct options *o)
{
    static const struct option long_options[] = {
        { "result", required_argument, NULL, 'r' },
        { "bitcode", required_argument, NULL, 'b' },
        { "tables", required_argument, NULL, 't' },
        { "program", required_argument, NULL, 'p' },
        { "report", required_argument, NULL, 'R' },
        { "leave-out", required_argument, NULL, 'l' },
        { "merge", required_argument, NULL, 'm' },
        { "hooks", required_argument, NULL, 'H' },
        { "keys", required_argument, NULL, 'k' },
        { "waits", required_argument, NULL, 'w' },
        { "attribute", required_argument, NULL, 'a' },
        { "help", no_argument, NULL, 'h' },
        { "version", no_argument, NULL, 'V' },
        { NULL, 0, NULL, 0 }
    };
    int c;

    while ((c = getopt_long(argc, argv, "hV", long_options, NULL)) != -1) {
        switch (c) {
        case 'r': o->result = optarg; break;
        case 'b': o->bitcode = optarg; break;
        case 't': o->tables = optarg; break;
        case 'p': o->program = optarg; break;
        case 'R': o->report = optarg; break;
        case 'l': o->leave_out = optarg; break;
        case 'm': o->merge = optarg; break;
        case 'H': o->hooks = optarg; break;
        case 'k': o->keys = optarg; break;
        case 'w': o->waits = optarg; break;
        case 'a': g_ptr_array_add(o->attributes, optarg); break;
        case 'h': usage(stdout); exit(0);
        case 'V': puts("mbox-state-gen (ovs-mbox) " PACKAGE_VERSION); exit(0);
        default: return false;
        }
    }
    return (optind == argc - 1 && o->result && o->bitcode && o->tables);
}

static LLVMModuleRef
load(const char *file)
{
    LLVMMemoryBufferRef buffer;
    LLVMModuleRef module;
    char *message = NULL;

    if (LLVMCreateMemoryBufferWithContentsOfFile(file, &buffer, &message)) {
        fprintf(stderr, "mbox-state-gen: %s: %s\n", file, message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    bool bad = LLVMParseBitcode2(buffer, &module);
    LLVMDisposeMemoryBuffer(buffer);
    if (bad) {
        fprintf(stderr, "mbox-state-gen: %s: not bitcode of LLVM 19\n", file);
        return NULL;
    }
    return module;
}

static bool
run_mem2reg(LLVMModuleRef module)
{
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef error = LLVMRunPasses(module, "mem2reg", NULL, options);

    LLVMDisposePassBuilderOptions(options);
    if (error) {
        char *message = LLVMGetErrorMessage(error);

        fprintf(stderr, "mbox-state-gen: %s\n", message);
        LLVMDisposeErrorMessage(message);
    }
    return !error;
}

/* What tells builds apart: the program's code and data, as bitcode. */
static uint64_t
build_of(const char *file)
{
    uint64_t hash = MBOX_FNV1A_INIT;
    gsize n;
    char *data;

    if (g_file_get_contents(file, &data, &n, NULL)) {
        hash = mbox_fnv1a(hash, data, n);
        g_free(data);
    }
    return hash;
}

static bool
write_file(const char *file, const GString *text)
{
    GError *error = NULL;

    if (!g_file_set_contents(file, text->str, text->len, &error)) {
        fprintf(stderr, "mbox-state-gen: %s\n", error->message);
        g_error_free(error);
        return false;
    }
    return true;
}

/* Adds an attribute to all functions: what a compilation from C does for an
 * option such as -fsanitize=address. */
static bool
add_attribute(LLVMModuleRef module, const char *name)
{
    unsigned int kind = LLVMGetEnumAttributeKindForName(name, strlen(name));

    if (!kind) {
        fprintf(stderr, "mbox-state-gen: no attribute %s\n", name);
        return false;
    }
    LLVMAttributeRef attribute
        = LLVMCreateEnumAttribute(LLVMGetModuleContext(module), kind, 0);
    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        if (!LLVMIsDeclaration(f)) {
            LLVMAddAttributeAtIndex(f, LLVMAttributeFunctionIndex, attribute);
        }
    }
    return true;
}

/* Says what became of the writes. */
static void
report_writes(struct plan *plan, const struct instrumented *i)
{
    plan_say(plan, "writes: %u in %u functions, told of at %u points",
             i->n_writes, i->n_functions, i->n_points);
    for (guint j = 0; j < i->unknown->len; j++) {
        plan_say(plan, "  not known of %s: all that was sent counts as "
                 "changed then", (char *) i->unknown->pdata[j]);
    }
    if (i->unknown->len) {
        plan_say(plan, "  so each packet's flow and hosts count as changed");
    }
    for (guint j = 0; j < i->handlers->len; j++) {
        plan_say(plan, "not safe: a handler of signals writes to what may "
                 "move: %s", (char *) i->handlers->pdata[j]);
    }
}

static bool
generate(const struct options *o, const char *file, LLVMModuleRef module,
         struct json_object *result)
{
    struct evidence *evidence = evidence_collect(module);
    char **leave_out = g_strsplit(o->leave_out, ",", 0);
    char **merge = g_strsplit(o->merge, ",", 0);
    char **hooks = g_strsplit(o->hooks, ",", 0);
    char **keys = g_strsplit(o->keys, ",", 0);
    char **waits = g_strsplit(o->waits, ",", 0);
    struct plan *plan = plan_create(result, evidence, leave_out);
    bool sends = rewrite_sends(module);
    plan_find_shared_names(plan, module);
    bool ok = plan_hooks_parse(plan, module, hooks);

    struct instrumented instrumented = { .unknown = NULL };

    ok &= plan_keys_parse(plan, keys);
    plan_make(plan);
    ok = (rewrite_calls(module, plan, waits) && plan_merge(plan, merge)
          && ok && plan_hooks_used(plan)
          && plan->n_left_out == g_strv_length(leave_out));
    plan_outputs(plan, result);
    ok = ok && instrument(module, plan, &instrumented);
    waits_redirect(module, plan);
    for (guint i = 0; ok && i < o->attributes->len; i++) {
        ok = add_attribute(module, o->attributes->pdata[i]);
    }
    write_report(plan);
    if (plan->n_left_out != g_strv_length(leave_out)) {
        plan_say(plan, "not supported: what is to be left out is no member of "
                 "what is moved");
    }
    if (ok && !plan->structures->len) {
        plan_say(plan, "not supported: no state that can be moved was found");
        ok = false;
    }
    if (ok) {
        plan_report_strategies(plan);
        report_writes(plan, &instrumented);
        rewrite_placement(module, plan);
        GArray *symbols = rewrite_symbols(module, plan);
        uint64_t build = build_of(file);
        char *layout = write_layout(plan, module, symbols, o->program, build);
        GString *tables = write_tables(plan, symbols, o->program, build,
                                       layout, sends);

        ok = (write_file(o->tables, tables)
              && !LLVMWriteBitcodeToFile(module, o->bitcode));
        g_string_free(tables, TRUE);
        g_free(layout);
        g_array_unref(symbols);
    }
    if (o->report) {
        ok &= write_file(o->report, plan->report);
    } else {
        fputs(plan->report->str, stderr);
    }
    instrumented_uninit(&instrumented);
    plan_destroy(plan);
    g_strfreev(leave_out);
    g_strfreev(merge);
    g_strfreev(hooks);
    g_strfreev(keys);
    g_strfreev(waits);
    evidence_destroy(evidence);
    return ok;
}

int
main(int argc, char *argv[])
{
    struct options o = { .program = "program",
                         .leave_out = "",
                         .merge = "",
                         .hooks = "",
                         .keys = "",
                         .waits = "",
                         .attributes = g_ptr_array_new() };

    if (!parse(argc, argv, &o)) {
        usage(stderr);
        return 2;
    }

    const char *file = argv[optind];
    struct json_object *result = json_object_from_file(o.result);
    if (!result) {
        fprintf(stderr, "mbox-state-gen: %s\n", json_util_get_last_err());
    }
    LLVMModuleRef module = result ? load(file) : NULL;
    bool ok = (module && run_mem2reg(module)
               && generate(&o, file, module, result));

    if (module) {
        LLVMDisposeModule(module);
    }
    json_object_put(result);
    g_ptr_array_free(o.attributes, TRUE);
    return ok ? 0 : 1;
}
