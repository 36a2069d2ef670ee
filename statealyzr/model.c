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

#include "model.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <llvm-c/Analysis.h>
#include <llvm-c/IRReader.h>
#include <llvm-c/Linker.h>
#include <llvm-c/Transforms/PassBuilder.h>
#include "bitcode-version.h"
#include "diag.h"
#include "model-private.h"

/* The major version that the reader below is of. */
#define SA_LLVM_VERSION 19

#define HOW_TO_BUILD \
    "build the program with mbox-cc, or with clang-19 -g -emit-llvm"

/* What LLVM complained about while something was done. */
struct complaint {
    GString *error;
};

static void
handle_diagnostic(LLVMDiagnosticInfoRef info, void *complaint_)
{
    struct complaint *complaint = complaint_;
    char *text = LLVMGetDiagInfoDescription(info);

    if (LLVMGetDiagInfoSeverity(info) == LLVMDSError) {
        if (complaint->error->len) {
            g_string_append(complaint->error, "; ");
        }
        g_string_append(complaint->error, text);
    }
    LLVMDisposeMessage(text);
}

/* Reading a file. */

static char *
explain_unreadable(const char *file, const void *data, size_t n,
                   const char *message)
{
    char producer[64];

    switch (sa_file_kind(data, n)) {
    case SA_FILE_MACHINE_CODE:
        return g_strdup_printf("%s: is machine code, not LLVM bitcode; "
                               HOW_TO_BUILD, file);
    case SA_FILE_ARCHIVE:
        return g_strdup_printf("%s: is an archive; extract it (ar x) and give "
                               "its members", file);
    case SA_FILE_BITCODE:
        if (sa_bitcode_producer(data, n, producer, sizeof producer)) {
            return g_strdup_printf("%s: damaged bitcode of %s: %s", file,
                                   producer, message);
        }
        return g_strdup_printf("%s: damaged bitcode: %s", file, message);
    case SA_FILE_TEXT:
        return g_strdup_printf("%s: neither LLVM bitcode nor textual IR of "
                               "LLVM %d (%s); " HOW_TO_BUILD,
                               file, SA_LLVM_VERSION, message);
    case SA_FILE_OTHER:
    default:
        return g_strdup_printf("%s: not LLVM bitcode; " HOW_TO_BUILD, file);
    }
}

/* Whether bitcode comes from the version of LLVM that reads it.  An older
 * version's would be read, but with what older compilers say of types and
 * variables, which the analyses rely on, converted or dropped. */
static char *
check_version(const char *file, const void *data, size_t n)
{
    char producer[64];

    if (sa_file_kind(data, n) == SA_FILE_BITCODE
        && sa_bitcode_producer(data, n, producer, sizeof producer)) {
        const char *digits = producer + strcspn(producer, "0123456789");
        if (strtol(digits, NULL, 10) != SA_LLVM_VERSION) {
            return g_strdup_printf(
                "%s: bitcode of %s, but LLVM %d is needed; "
                "build the program with mbox-cc or clang-%d", file, producer,
                SA_LLVM_VERSION, SA_LLVM_VERSION);
        }
    }
    return NULL;
}

static LLVMModuleRef
read_module(LLVMContextRef context, const char *file,
            struct complaint *complaint, char **errorp)
{
    LLVMMemoryBufferRef buffer;
    LLVMModuleRef module = NULL;
    char *message = NULL;

    if (LLVMCreateMemoryBufferWithContentsOfFile(file, &buffer, &message)) {
        *errorp = g_strdup_printf("%s: %s", file, message);
        LLVMDisposeMessage(message);
        return NULL;
    }
    const char *data = LLVMGetBufferStart(buffer);
    size_t n = LLVMGetBufferSize(buffer);
    /* The reader takes the buffer, which a message may need. */
    char *head = g_memdup2(data, MIN(n, 4096));
    size_t n_head = MIN(n, 4096);
    *errorp = check_version(file, head, n_head);
    enum sa_file_kind kind = sa_file_kind(head, n_head);
    if (*errorp || (kind != SA_FILE_BITCODE && kind != SA_FILE_TEXT)) {
        if (!*errorp) {
            *errorp = explain_unreadable(file, head, n_head, "");
        }
        LLVMDisposeMemoryBuffer(buffer);
        g_free(head);
        return NULL;
    }
    if (LLVMParseIRInContext(context, buffer, &module, &message)) {
        const char *why = message && *message ? message
                          : complaint->error->str;
        char *line = g_strdup(why);
        line[strcspn(line, "\n")] = '\0';
        *errorp = explain_unreadable(file, head, n_head, line);
        g_free(line);
        module = NULL;
    }
    LLVMDisposeMessage(message);
    g_free(head);
    return module;
}

/* Linking. */

static bool
is_strong(LLVMValueRef global)
{
    return (!LLVMIsDeclaration(global)
            && LLVMGetLinkage(global) == LLVMExternalLinkage);
}

/* Notes that 'file' defines 'global'; returns an error if another one did. */
static char *
define(GHashTable *definitions, LLVMValueRef global, const char *file)
{
    size_t n;
    const char *s = LLVMGetValueName2(global, &n);
    char *name = g_strndup(s, n);
    const char *other = g_hash_table_lookup(definitions, name);
    char *error = NULL;

    if (!is_strong(global)) {
        g_free(name);
    } else if (!other) {
        g_hash_table_insert(definitions, name, (char *) file);
    } else {
        error = g_strdup_printf("%s: defines %s%s, as %s does; give the files "
                                "of one program only", file, name,
                                LLVMIsAFunction(global) ? "()" : "", other);
        g_free(name);
    }
    return error;
}

static char *
define_all(GHashTable *definitions, LLVMModuleRef module, const char *file)
{
    char *error = NULL;

    for (LLVMValueRef f = LLVMGetFirstFunction(module); f && !error;
         f = LLVMGetNextFunction(f)) {
        error = define(definitions, f, file);
    }
    for (LLVMValueRef g = LLVMGetFirstGlobal(module); g && !error;
         g = LLVMGetNextGlobal(g)) {
        error = define(definitions, g, file);
    }
    return error;
}

/* Reads and links 'files'; returns the module, or NULL and an error. */
static LLVMModuleRef
link_files(LLVMContextRef context, char *const files[], size_t n_files,
           struct complaint *complaint, char **errorp)
{
    GHashTable *definitions = g_hash_table_new_full(g_str_hash, g_str_equal,
                                                    g_free, NULL);
    LLVMModuleRef whole = NULL;

    for (size_t i = 0; i < n_files && !*errorp; i++) {
        LLVMModuleRef module = read_module(context, files[i], complaint,
                                           errorp);
        if (!module) {
            break;
        }
        *errorp = define_all(definitions, module, files[i]);
        if (*errorp) {
            LLVMDisposeModule(module);
        } else if (!whole) {
            whole = module;
        } else if (LLVMLinkModules2(whole, module)) {
            *errorp = g_strdup_printf("%s: cannot be linked to the files "
                                      "before it: %s", files[i],
                                      complaint->error->str);
        }
    }
    g_hash_table_destroy(definitions);
    if (*errorp && whole) {
        LLVMDisposeModule(whole);
        whole = NULL;
    }
    return whole;
}

/* Preparation. */

/* Verifies the module and runs mem2reg.  Functions compiled with plain -O0 are
 * marked not to be optimised, which would leave all locals in memory. */
static char *
prepare(LLVMModuleRef module, const char *what)
{
    unsigned int optnone = LLVMGetEnumAttributeKindForName("optnone", 7);
    char *message = NULL;
    char *error = NULL;

    if (LLVMVerifyModule(module, LLVMReturnStatusAction, &message)) {
        message[strcspn(message, "\n")] = '\0';
        error = g_strdup_printf("%s: LLVM's verifier rejects it: %s", what,
                                message);
    }
    LLVMDisposeMessage(message);
    if (error) {
        return error;
    }

    for (LLVMValueRef f = LLVMGetFirstFunction(module); f;
         f = LLVMGetNextFunction(f)) {
        LLVMRemoveEnumAttributeAtIndex(f, LLVMAttributeFunctionIndex, optnone);
    }
    LLVMPassBuilderOptionsRef options = LLVMCreatePassBuilderOptions();
    LLVMErrorRef failure = LLVMRunPasses(module, "function(mem2reg)", NULL,
                                         options);
    LLVMDisposePassBuilderOptions(options);
    if (failure) {
        char *text = LLVMGetErrorMessage(failure);
        error = g_strdup_printf("%s: %s", what, text);
        LLVMDisposeErrorMessage(text);
    } else {
        LLVMSetIsNewDbgInfoFormat(module, false);
    }
    return error;
}

/* Numbering. */

static uint32_t
lookup_id(GHashTable *table, const void *key)
{
    gpointer id = g_hash_table_lookup(table, key);
    return id ? GPOINTER_TO_UINT(id) - 1 : SA_NONE;
}

static void
insert_id(GHashTable *table, const void *key, uint32_t id)
{
    g_hash_table_insert(table, (gpointer) key, GUINT_TO_POINTER(id + 1));
}

/* Whether something other than a direct call uses function 'f'. */
static bool
is_address_taken(LLVMValueRef f)
{
    for (LLVMUseRef use = LLVMGetFirstUse(f); use; use = LLVMGetNextUse(use)) {
        LLVMValueRef user = LLVMGetUser(use);

        if ((!LLVMIsACallInst(user) && !LLVMIsAInvokeInst(user)
             && !LLVMIsACallBrInst(user))
            || LLVMGetCalledValue(user) != f) {
            return true;
        }
        unsigned int n_args = LLVMGetNumArgOperands(user);
        for (unsigned int i = 0; i < n_args; i++) {
            if (LLVMGetOperand(user, i) == f) {
                return true;
            }
        }
    }
    return false;
}

/* The name of a symbol without the suffix that the linker gave a static. */
static const char *
strip_suffix(struct sa_program *p, const char *name)
{
    const char *dot = strrchr(name, '.');

    return (dot && dot != name && dot[1]
            && dot[1 + strspn(dot + 1, "0123456789")] == '\0'
            ? g_string_chunk_insert_len(p->private->strings, name, dot - name)
            : name);
}

static void
describe_function(struct sa_program *p, struct sa_function *f)
{
    enum { NAME_OF_SUBPROGRAM = 2 };
    LLVMMetadataRef subprogram = LLVMGetSubprogram(f->value);
    LLVMLinkage linkage = LLVMGetLinkage(f->value);
    size_t n;
    const char *name = LLVMGetValueName2(f->value, &n);

    f->name = g_string_chunk_insert_len(p->private->strings, name, n);
    f->source_name = "";
    f->loc.file = "";
    if (subprogram) {
        f->source_name = sa_node_string(p, subprogram, NAME_OF_SUBPROGRAM);
        f->loc.file = sa_scope_file(p, subprogram);
        f->loc.line = LLVMDISubprogramGetLine(subprogram);
    }
    if (!*f->source_name) {
        f->source_name = strip_suffix(p, f->name);
    }
    f->defined = !LLVMIsDeclaration(f->value);
    f->is_static = (linkage == LLVMInternalLinkage
                    || linkage == LLVMPrivateLinkage);
    f->variadic = LLVMIsFunctionVarArg(LLVMGlobalGetValueType(f->value));
    f->address_taken = is_address_taken(f->value);
    if (f->defined && !subprogram) {
        p->has_debug_info = false;
    }
}

static void
number_functions(struct sa_program *p)
{
    GArray *functions = g_array_new(FALSE, TRUE, sizeof(struct sa_function));

    p->has_debug_info = true;
    for (LLVMValueRef v = LLVMGetFirstFunction(p->module); v;
         v = LLVMGetNextFunction(v)) {
        struct sa_function f = { .value = v };
        describe_function(p, &f);
        insert_id(p->private->function_ids, v, functions->len);
        g_hash_table_insert(p->private->function_names, (char *) f.name,
                            GUINT_TO_POINTER(functions->len + 1));
        g_array_append_val(functions, f);
    }
    p->n_functions = functions->len;
    p->functions = (struct sa_function *) g_array_free(functions, FALSE);
}

static uint32_t
number_value(struct sa_program *p, GPtrArray *values, LLVMValueRef v)
{
    uint32_t id = lookup_id(p->private->value_ids, v);

    if (id == SA_NONE) {
        id = values->len;
        insert_id(p->private->value_ids, v, id);
        g_ptr_array_add(values, v);
    }
    return id;
}

static void
number_globals(struct sa_program *p, GPtrArray *values)
{
    for (LLVMValueRef v = LLVMGetFirstGlobal(p->module); v;
         v = LLVMGetNextGlobal(v)) {
        number_value(p, values, v);
    }
    for (LLVMValueRef v = LLVMGetFirstGlobalAlias(p->module); v;
         v = LLVMGetNextGlobalAlias(v)) {
        number_value(p, values, v);
    }
    for (LLVMValueRef v = LLVMGetFirstGlobalIFunc(p->module); v;
         v = LLVMGetNextGlobalIFunc(v)) {
        number_value(p, values, v);
    }
    for (uint32_t i = 0; i < p->n_functions; i++) {
        number_value(p, values, p->functions[i].value);
    }
}

/* Numbers the constants among the operands of 'user', and the operands of
 * constant expressions in turn. */
static void
number_constants(struct sa_program *p, GPtrArray *values, LLVMValueRef user,
                 GPtrArray *work)
{
    g_ptr_array_add(work, user);
    while (work->len) {
        LLVMValueRef v = g_ptr_array_remove_index(work, work->len - 1);
        int n = LLVMGetNumOperands(v);

        for (int i = 0; i < n; i++) {
            LLVMValueRef operand = LLVMGetOperand(v, i);

            if (operand && LLVMIsAConstant(operand)
                && !LLVMIsAGlobalValue(operand)
                && !LLVMIsABlockAddress(operand)
                && lookup_id(p->private->value_ids, operand) == SA_NONE) {
                number_value(p, values, operand);
                if (LLVMGetNumOperands(operand)) {
                    g_ptr_array_add(work, operand);
                }
            }
        }
    }
}

static void
number_bodies(struct sa_program *p)
{
    GArray *blocks = g_array_new(FALSE, TRUE, sizeof(struct sa_block));
    GArray *insns = g_array_new(FALSE, TRUE, sizeof(struct sa_insn));
    GPtrArray *values = g_ptr_array_new();
    GPtrArray *work = g_ptr_array_new();

    number_globals(p, values);
    for (uint32_t i = 0; i < p->n_functions; i++) {
        struct sa_function *f = &p->functions[i];

        f->first_block = blocks->len;
        f->first_insn = insns->len;
        f->first_param = values->len;
        f->n_params = LLVMCountParams(f->value);
        for (uint32_t j = 0; j < f->n_params; j++) {
            number_value(p, values, LLVMGetParam(f->value, j));
        }
        for (LLVMBasicBlockRef b = LLVMGetFirstBasicBlock(f->value); b;
             b = LLVMGetNextBasicBlock(b)) {
            struct sa_block block = { .value = b, .function = i,
                                      .first_insn = insns->len };
            insert_id(p->private->block_ids, b, blocks->len);
            for (LLVMValueRef v = LLVMGetFirstInstruction(b); v;
                 v = LLVMGetNextInstruction(v)) {
                struct sa_insn insn = {
                    .value = v, .opcode = LLVMGetInstructionOpcode(v),
                    .function = i, .block = blocks->len, .result = SA_NONE
                };
                if (LLVMGetTypeKind(LLVMTypeOf(v)) != LLVMVoidTypeKind) {
                    insn.result = number_value(p, values, v);
                }
                number_constants(p, values, v, work);
                insert_id(p->private->insn_ids, v, insns->len);
                g_array_append_val(insns, insn);
            }
            block.n_insns = insns->len - block.first_insn;
            g_array_append_val(blocks, block);
        }
        f->n_blocks = blocks->len - f->first_block;
        f->n_insns = insns->len - f->first_insn;
    }
    g_ptr_array_free(work, TRUE);
    p->n_blocks = blocks->len;
    p->blocks = (struct sa_block *) g_array_free(blocks, FALSE);
    p->n_insns = insns->len;
    p->insns = (struct sa_insn *) g_array_free(insns, FALSE);
    p->n_values = values->len;
    p->values = (LLVMValueRef *) g_ptr_array_free(values, FALSE);
}

struct sa_program *
sa_program_load(char *const files[], size_t n_files, char **errorp)
{
    *errorp = NULL;
    if (!n_files) {
        *errorp = g_strdup("no bitcode files given");
        return NULL;
    }

    LLVMContextRef context = LLVMContextCreate();
    struct complaint complaint = { .error = g_string_new("") };
    LLVMContextSetDiagnosticHandler(context, handle_diagnostic, &complaint);
    LLVMModuleRef module = link_files(context, files, n_files, &complaint,
                                      errorp);
    if (module) {
        *errorp = prepare(module, n_files == 1 ? files[0]
                          : "the linked program");
    }
    LLVMContextSetDiagnosticHandler(context, NULL, NULL);
    g_string_free(complaint.error, TRUE);
    if (*errorp) {
        if (module) {
            LLVMDisposeModule(module);
        }
        LLVMContextDispose(context);
        return NULL;
    }

    struct sa_program *p = g_new0(struct sa_program, 1);
    p->context = context;
    p->module = module;
    p->layout = LLVMGetModuleDataLayout(module);
    p->private = g_new0(struct sa_program_private, 1);
    p->private->value_ids = g_hash_table_new(NULL, NULL);
    p->private->insn_ids = g_hash_table_new(NULL, NULL);
    p->private->block_ids = g_hash_table_new(NULL, NULL);
    p->private->function_ids = g_hash_table_new(NULL, NULL);
    p->private->function_names = g_hash_table_new(g_str_hash, g_str_equal);
    p->private->files = g_hash_table_new(NULL, NULL);
    p->private->variables = g_hash_table_new_full(NULL, NULL, NULL, g_free);
    p->private->strings = g_string_chunk_new(4096);
    number_functions(p);
    sa_program_collect_variables(p);
    number_bodies(p);
    return p;
}

void
sa_program_destroy(struct sa_program *p)
{
    if (p) {
        g_hash_table_destroy(p->private->value_ids);
        g_hash_table_destroy(p->private->insn_ids);
        g_hash_table_destroy(p->private->block_ids);
        g_hash_table_destroy(p->private->function_ids);
        g_hash_table_destroy(p->private->function_names);
        g_hash_table_destroy(p->private->files);
        g_hash_table_destroy(p->private->variables);
        g_string_chunk_free(p->private->strings);
        g_free(p->private);
        g_free(p->functions);
        g_free(p->blocks);
        g_free(p->insns);
        g_free(p->values);
        LLVMDisposeModule(p->module);
        LLVMContextDispose(p->context);
        g_free(p);
    }
}

uint32_t
sa_value_id(const struct sa_program *p, LLVMValueRef value)
{
    return lookup_id(p->private->value_ids, value);
}

uint32_t
sa_insn_id(const struct sa_program *p, LLVMValueRef insn)
{
    return lookup_id(p->private->insn_ids, insn);
}

uint32_t
sa_block_id(const struct sa_program *p, LLVMBasicBlockRef block)
{
    return lookup_id(p->private->block_ids, block);
}

uint32_t
sa_function_id(const struct sa_program *p, LLVMValueRef function)
{
    return lookup_id(p->private->function_ids, function);
}

uint32_t
sa_function_by_name(const struct sa_program *p, const char *name)
{
    return lookup_id(p->private->function_names, name);
}

struct sa_loc
sa_insn_loc(const struct sa_program *p, uint32_t insn)
{
    LLVMMetadataRef location = (insn < p->n_insns
                                ? LLVMInstructionGetDebugLoc(
                                    p->insns[insn].value)
                                : NULL);
    if (!location) {
        return (struct sa_loc) { .file = "" };
    }
    return (struct sa_loc) {
        .file = sa_scope_file(p, LLVMDILocationGetScope(location)),
        .line = LLVMDILocationGetLine(location),
        .column = LLVMDILocationGetColumn(location)
    };
}
