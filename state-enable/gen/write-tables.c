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

#include "write-tables.h"

#include <stdarg.h>
#include <string.h>

static const char *const targets[] = {
    [ST_TO_TYPE] = "ST_TO_TYPE", [ST_TO_BYTES] = "ST_TO_BYTES",
    [ST_TO_FUNCTION] = "ST_TO_FUNCTION", [ST_TO_OPAQUE] = "ST_TO_OPAQUE",
    [ST_TO_NODE] = "ST_TO_NODE", [ST_LINK] = "ST_LINK",
};

static const char *const merges[] = {
    [ST_KEEP] = "ST_KEEP", [ST_REPLACE] = "ST_REPLACE", [ST_MAX] = "ST_MAX",
    [ST_SUM] = "ST_SUM", [ST_UNION] = "ST_UNION",
};

static const char *const parts[] = {
    [ST_ADDRESS_A] = "ST_ADDRESS_A", [ST_ADDRESS_B] = "ST_ADDRESS_B",
    [ST_PORT_A] = "ST_PORT_A", [ST_PORT_B] = "ST_PORT_B",
    [ST_PROTO] = "ST_PROTO",
};

static void G_GNUC_PRINTF(2, 3)
put(GString *s, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    g_string_append_vprintf(s, format, args);
    va_end(args);
}

/* A string as C has it: names come from the program's debug information. */
static char *
quoted(const char *text)
{
    char *escaped = g_strescape(text, NULL);
    char *s = g_strdup_printf("\"%s\"", escaped);

    g_free(escaped);
    return s;
}

static char *
number(uint32_t n)
{
    return n == ST_NONE ? g_strdup("ST_NONE") : g_strdup_printf("%u", n);
}

static void
put_number(GString *s, const char *member, uint32_t n)
{
    char *text = number(n);

    put(s, " .%s = %s,", member, text);
    g_free(text);
}

static void
put_extents(GString *s, const struct plan_pointer *p)
{
    if (p->extents->len) {
        put(s, " .extents = (const struct st_extent[]) {");
        for (guint i = 0; i < p->extents->len; i++) {
            const struct st_extent *e = &g_array_index(p->extents,
                                                       struct st_extent, i);

            put(s, " { %u, %u, %u },", e->offset, e->size, e->unit);
        }
        put(s, " }, .n_extents = %u,", p->extents->len);
    }
}

static void
put_pointers(GString *s, const struct plan_type *t, guint index)
{
    put(s, "static const struct st_pointer pointers_%u[] = {\n", index);
    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);
        char *name = quoted(p->name);

        put(s, "    { .name = %s, .offset = %u, .count = %u, .stride = %u,",
            name, (unsigned int) p->offset, (unsigned int) p->count,
            (unsigned int) p->stride);
        put(s, " .target = %s, .type = %u, .structure = %u, .owned = %d,",
            targets[p->target], p->type, p->structure, p->owned);
        put(s, " .header = %u,", p->header);
        put_number(s, "live", p->live);
        put(s, " .live_size = %u,", p->live_size);
        put_number(s, "length", p->length);
        put_extents(s, p);
        put(s, " .length_size = %u },\n", p->length_size);
        g_free(name);
    }
    put(s, "};\n");
}

static void
put_members(GString *s, const struct plan_type *t, guint index)
{
    put(s, "static const struct st_member members_%u[] = {\n", index);
    for (guint i = 0; i < t->members->len; i++) {
        const struct st_member *m = &g_array_index(t->members,
                                                   struct st_member, i);
        char *name = quoted(m->name);

        put(s, "    { %s, %u, %u, %d, %s },\n", name, m->offset, m->size,
            m->is_signed, merges[m->merge]);
        g_free(name);
    }
    put(s, "};\n");
}

static void
put_hooks(GString *s, const struct plan_type *t, const GArray *symbols,
          guint index)
{
    put(s, "static const struct st_hook hooks_%u[] = {\n", index);
    for (guint i = 0; i < t->hooks->len; i++) {
        const struct plan_hook *h = &g_array_index(t->hooks, struct plan_hook,
                                                   i);
        char *name = quoted(h->name);

        put(s, "    { .name = %s, .object = %u, .count = %u, .stride = %u,"
            " .offset = %u, .size = %u,", name, (unsigned int) h->object,
            (unsigned int) h->count, (unsigned int) h->stride,
            (unsigned int) h->offset, (unsigned int) h->size);
        put_number(s, "live", h->live);
        put(s, " .live_size = %u,\n      .functions = (const void *) %s },\n",
            h->live_size, rewrite_alias(symbols, h->symbol));
        g_free(name);
    }
    put(s, "};\n");
}

static void
put_types(GString *s, const struct plan *plan, const GArray *symbols)
{
    for (guint i = 0; i < plan->plan_types->len; i++) {
        const struct plan_type *t = plan->plan_types->pdata[i];

        if (t->pointers->len) {
            put_pointers(s, t, i);
        }
        if (t->members->len) {
            put_members(s, t, i);
        }
        if (t->hooks->len) {
            put_hooks(s, t, symbols, i);
        }
        if (t->left_out->len) {
            put(s, "static const struct st_left_out left_out_%u[] = {\n", i);
            for (guint j = 0; j < t->left_out->len; j++) {
                const struct plan_range *r
                    = &g_array_index(t->left_out, struct plan_range, j);

                put(s, "    { %u, %u, UINT64_C(%"G_GUINT64_FORMAT") },\n",
                    (unsigned int) r->offset, (unsigned int) r->size,
                    r->outputs);
            }
            put(s, "};\n");
        }
    }
    put(s, "static const struct st_type types[] = {\n");
    for (guint i = 0; i < plan->plan_types->len; i++) {
        const struct plan_type *t = plan->plan_types->pdata[i];
        char *name = quoted(t->name);

        put(s, "    { .name = %s, .size = %u,\n"
            "      .layout = UINT64_C(%"G_GUINT64_FORMAT"),", name,
            (unsigned int) t->size, t->layout);
        if (t->tail) {
            put(s, " .tail = %u, .length = { %u, %u, %u },", t->tail,
                t->length.offset, t->length.size, t->length.unit);
        }
        if (t->pointers->len) {
            put(s, " .pointers = pointers_%u, .n_pointers = %u,", i,
                t->pointers->len);
        }
        if (t->members->len) {
            put(s, " .members = members_%u, .n_members = %u,", i,
                t->members->len);
        }
        if (t->left_out->len) {
            put(s, " .left_out = left_out_%u, .n_left_out = %u,", i,
                t->left_out->len);
        }
        if (t->hooks->len) {
            put(s, " .hooks = hooks_%u, .n_hooks = %u,", i, t->hooks->len);
        }
        put(s, " },\n");
        g_free(name);
    }
    put(s, "    { .name = \"\" }\n};\n");
}

/* The address of a place. */
static char *
address(const struct plan_place *p, const GArray *symbols)
{
    const char *alias = rewrite_alias(symbols, p->symbol);

    return (p->offset ? g_strdup_printf("(%s + %"G_GUINT64_FORMAT")", alias,
                                        p->offset) : g_strdup(alias));
}

static void
put_end(GString *s, const struct plan *plan, const GArray *symbols,
        const char *member, const char *name)
{
    struct plan_place p;

    if (name && plan_place(plan, name, &p)) {
        char *text = address(&p, symbols);

        put(s, " .%s = (void **) %s,", member, text);
        g_free(text);
    }
}

static void
put_lists(GString *s, const struct plan *plan, const struct plan_structure *st,
          const GArray *symbols, guint index)
{
    put(s, "static const struct st_list lists_%u[] = {\n", index);
    for (guint i = 0; i < st->lists->len; i++) {
        const struct plan_list *l = &g_array_index(st->lists, struct plan_list,
                                                   i);

        put(s, "    {");
        put_end(s, plan, symbols, "first", l->first);
        put_end(s, plan, symbols, "last", l->last);
        put(s, " .n_buckets = %u,", (unsigned int) l->n_buckets);
        put_number(s, "next", l->next);
        put_number(s, "prev", l->prev);
        put(s, " },\n");
    }
    put(s, "};\n");
}

static void
put_trees(GString *s, const struct plan_structure *st, const GArray *symbols,
          guint index)
{
    put(s, "static const struct st_tree trees_%u[] = {\n", index);
    for (guint i = 0; i < st->trees->len; i++) {
        const struct plan_tree *t = &g_array_index(st->trees, struct plan_tree,
                                                   i);
        const struct evidence_tree *e = t->e;
        const char *variable = rewrite_alias(symbols, t->variable);

        put(s, "    { .head = %s + %u, .root = (void **) (%s + %u),"
            " .children = { %u, %u },", variable, (unsigned int) e->head,
            variable, (unsigned int) (e->head + e->root), e->children[0],
            e->children[1]);
        put_number(s, "parent", e->parent);
        put(s, "\n      .insert = (void (*)(void *, void *)) %s,"
            "\n      .remove = (void (*)(void *, void *)) %s,"
            "\n      .compare = (int (*)(void *, void *)) %s },\n",
            rewrite_alias(symbols, e->insert),
            rewrite_alias(symbols, e->remove),
            rewrite_alias(symbols, e->compare));
    }
    put(s, "};\n");
}

static void
put_slots(GString *s, const struct plan *plan, const struct plan_slots *slots,
          const GArray *symbols, guint index)
{
    char *array = address(&slots->array, symbols);
    char *turn = address(&slots->turn, symbols);

    put(s, "static const struct st_slots slots_%u = { (uint8_t *) %s, %u,"
        " (uint8_t *) %s, %u };\n", index, array,
        (unsigned int) slots->array.n, turn, (unsigned int) json_number(
            plan_json_type(plan, slots->turn.type), "size"));
    g_free(array);
    g_free(turn);
}

static void
put_structure_parts(GString *s, const struct plan *plan,
                    const struct plan_structure *st, const GArray *symbols,
                    guint index)
{
    if (st->lists->len) {
        put_lists(s, plan, st, symbols, index);
    }
    if (st->slots.evidence) {
        put_slots(s, plan, &st->slots, symbols, index);
    }
    if (st->trees->len) {
        put_trees(s, st, symbols, index);
    }
    put(s, "static const struct st_key keys_%u[] = {\n", index);
    for (guint i = 0; i < st->keys->len; i++) {
        const struct st_key *k = &g_array_index(st->keys, struct st_key, i);

        put(s, "    { .part = %s,", parts[k->part]);
        put_number(s, "via", k->via);
        put(s, " .offset = %u, .size = %u, .host_order = %d,", k->offset,
            k->size, k->host_order);
        put_number(s, "version", k->version);
        put(s, " .version_size = %u },\n", k->version_size);
    }
    put(s, "};\n");
    if (st->references->len) {
        put(s, "static const struct st_reference_count references_%u[] = {\n",
            index);
        for (guint i = 0; i < st->references->len; i++) {
            const struct plan_reference *r
                = &g_array_index(st->references, struct plan_reference, i);

            put(s, "    { %u, %u, %u, %u },\n", r->pointer, r->structure,
                r->offset, r->size);
        }
        put(s, "};\n");
    }
    if (st->counts->len) {
        put(s, "static const struct st_count counts_%u[] = {\n", index);
        for (guint i = 0; i < st->counts->len; i++) {
            const struct plan_count *c
                = &g_array_index(st->counts, struct plan_count, i);

            char *text = address(&c->place, symbols);

            put(s, "    { %s, %u },\n", text, (unsigned int) c->size);
            g_free(text);
        }
        put(s, "};\n");
    }
}

static void
put_structures(GString *s, const struct plan *plan, const GArray *symbols)
{
    for (guint i = 0; i < plan->structures->len; i++) {
        put_structure_parts(s, plan, plan->structures->pdata[i], symbols, i);
    }
    put(s, "static const struct st_structure structures[] = {\n");
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *st = plan->structures->pdata[i];
        char *name = quoted(st->name);

        put(s, "    { .name = %s, .type = %u, .per_flow = %d,"
            " .both_ways = %d, .proto = %d,\n"
            "      .unneeded = UINT64_C(%"G_GUINT64_FORMAT"),\n"
            "      .keys = keys_%u, .n_keys = %u,", name, st->type,
            st->per_flow, st->both_ways, st->per_flow ? 6 : 0, st->unneeded,
            i, st->keys->len);
        if (st->lists->len) {
            put(s, " .lists = lists_%u, .n_lists = %u,", i, st->lists->len);
        }
        if (st->trees->len) {
            put(s, " .trees = trees_%u, .n_trees = %u,", i, st->trees->len);
        }
        if (st->container) {
            put(s, " .container = (const void *) %s,",
                rewrite_alias(symbols, st->container));
        }
        if (st->slots.evidence) {
            put(s, " .slots = &slots_%u,", i);
        }
        if (st->references->len) {
            put(s, " .references = references_%u, .n_references = %u,", i,
                st->references->len);
        }
        if (st->counts->len) {
            put(s, " .counts = counts_%u, .n_counts = %u,", i,
                st->counts->len);
        }
        put(s, " .header = %u,", st->header);
        put_number(s, "bucket_offset", st->bucket_offset);
        put(s, " .bucket_size = %u,", st->bucket_size);
        put_number(s, "count_offset", st->count_offset);
        put(s, " .count_size = %u },\n", st->count_size);
        g_free(name);
    }
    put(s, "    { .name = \"\" }\n};\n");
}

static void
put_variables(GString *s, const struct plan *plan, const GArray *symbols)
{
    put(s, "static const struct st_variable variables[] = {\n");
    for (guint i = 0; i < plan->plan_variables->len; i++) {
        const struct plan_variable *v
            = &g_array_index(plan->plan_variables, struct plan_variable, i);
        const char *alias = rewrite_alias(symbols, v->symbol);
        char *name = quoted(v->symbol);

        /* A constant is no variable, but leads to static objects as well. */
        if (alias) {
            put(s, "    { .name = %s, .address = (void *) %s, .size = %u,"
                " .role = %s, .target = %s, .type = %u, .is_object = %d },\n",
                name, alias, (unsigned int) v->size,
                v->role == ST_STATIC ? "ST_STATIC" : "ST_PLACEMENT",
                targets[v->target], v->type, v->is_object);
        }
        g_free(name);
    }
    put(s, "};\n");
}

static void
put_symbols(GString *s, const GArray *symbols)
{
    put(s, "static const struct st_symbol symbols[] = {\n");
    for (guint i = 0; i < symbols->len; i++) {
        const struct rewrite_symbol *y
            = &g_array_index(symbols, struct rewrite_symbol, i);
        char *name = quoted(y->name);

        put(s, "    { %s, %s, %u, %s, %u },\n", name, y->alias,
            (unsigned int) y->size, targets[y->target], y->type);
        g_free(name);
    }
    put(s, "    { \"\", \"\", 0, ST_TO_OPAQUE, 0 }\n};\n");
}

static void
put_names(GString *s, const char *what, const GPtrArray *names)
{
    put(s, "static const char *const %s[] = {\n", what);
    for (guint i = 0; i < names->len; i++) {
        char *name = quoted(names->pdata[i]);

        put(s, "    %s,\n", name);
        g_free(name);
    }
    put(s, "    \"\"\n};\n");
}

GString *
write_tables(const struct plan *plan, const GArray *symbols,
             const char *program, uint64_t build, const char *layout,
             bool sends)
{
    GString *s = g_string_new("/* Written by mbox-state-gen. */\n"
                              "#include \"program-tables.h\"\n");
    char *name = quoted(program), *layout_text = quoted(layout);

    for (guint i = 0; i < symbols->len; i++) {
        put(s, "extern char %s[];\n",
            g_array_index(symbols, struct rewrite_symbol, i).alias);
    }
    put_types(s, plan, symbols);
    put_structures(s, plan, symbols);
    put_variables(s, plan, symbols);
    put_symbols(s, symbols);
    put_names(s, "bits", plan->bits);
    put_names(s, "outputs", plan->outputs);
    put(s, "extern const struct st_program mbox_state_program;\n"
        "const struct st_program mbox_state_program = {\n"
        "    .name = %s, .build = UINT64_C(%"G_GUINT64_FORMAT"),"
        " .sends = %d,\n"
        "    .layout = %s,\n"
        "    .types = types, .n_types = %u,\n"
        "    .structures = structures, .n_structures = %u,\n"
        "    .variables = variables,\n"
        "    .n_variables = sizeof variables / sizeof *variables,\n"
        "    .symbols = symbols, .n_symbols = %u,\n"
        "    .outputs = outputs, .n_outputs = %u,\n"
        "    .bits = bits, .n_bits = %u, .writes_known = %d,\n};\n", name,
        build, sends, layout_text, plan->plan_types->len,
        plan->structures->len, symbols->len, plan->outputs->len,
        plan->bits->len, plan->writes_known);
    g_free(name);
    g_free(layout_text);
    return s;
}

/* For people. */

/* A hook is to set all links, whatever they are for. */
static void
report_hook(struct plan *plan, const struct plan_structure *s)
{
    const struct plan_type *t = plan->plan_types->pdata[s->type];
    GString *names = g_string_new(NULL);

    for (guint i = 0; i < t->pointers->len; i++) {
        const struct plan_pointer *p
            = &g_array_index(t->pointers, struct plan_pointer, i);

        if (p->target == ST_LINK) {
            g_string_append_printf(names, "%s %s", names->len ? "," : "",
                                   p->name);
        }
    }
    plan_say(plan, "  kept by %s, which sets the links:%s", s->container,
             names->str);
    g_string_free(names, TRUE);
}

static bool
has_proto(const struct plan_structure *s)
{
    for (guint i = 0; i < s->keys->len; i++) {
        if (g_array_index(s->keys, struct st_key, i).part == ST_PROTO) {
            return true;
        }
    }
    return false;
}

static void
report_structure(struct plan *plan, const struct plan_structure *s)
{
    plan_say(plan, "moved: %s, %s", s->name, s->per_flow ? "of a flow"
             : "of an address");
    for (guint i = 0; i < s->lists->len; i++) {
        const struct plan_list *l = &g_array_index(s->lists, struct plan_list,
                                                   i);
        struct plan_place first, last = { .name = "" };

        plan_place(plan, l->first, &first);
        if (l->last) {
            plan_place(plan, l->last, &last);
        }
        plan_say(plan, "  linked into %s %s%s%s%s",
                 l->n_buckets > 1 ? "hash table" : "list", first.name,
                 l->last ? " to " : "", last.name,
                 l->prev == ST_NONE ? "" : ", in both directions");
    }
    if (s->slots.evidence) {
        plan_say(plan, "  an element of %s, taken in turn by %s",
                 s->slots.array.name, s->slots.turn.name);
    }
    if (s->container) {
        report_hook(plan, s);
    }
    for (guint i = 0; i < s->trees->len; i++) {
        const struct plan_tree *t = &g_array_index(s->trees, struct plan_tree,
                                                   i);

        plan_say(plan, "  in the tree %s: %s, %s, %s", t->variable,
                 t->e->insert, t->e->remove, t->e->compare);
    }
    for (guint i = 0; i < s->placement->len; i++) {
        plan_say(plan, "  bucket depends on %s: the same in all instances "
                 "by MBOX_STATE_START", (char *) s->placement->pdata[i]);
    }
    for (guint i = 0; i < s->counts->len; i++) {
        plan_say(plan, "  counted by %s",
                 g_array_index(s->counts, struct plan_count, i).place.name);
    }
    for (guint i = 0; i < s->references->len; i++) {
        const struct plan_reference *r
            = &g_array_index(s->references, struct plan_reference, i);
        const struct plan_structure *to
            = plan->structures->pdata[r->structure];

        plan_say(plan, "  refers to %s, which counts it", to->name);
    }
    if (s->per_flow && !has_proto(s)) {
        plan_say(plan, "  taken for TCP");
    }
}

/* Whether a variable has the head of a container that is rebuilt. */
static bool
has_head(const struct plan *plan, const char *symbol)
{
    for (guint i = 0; i < plan->structures->len; i++) {
        const struct plan_structure *s = plan->structures->pdata[i];
        struct plan_place p;

        for (guint j = 0; j < s->lists->len; j++) {
            if (plan_place(plan, g_array_index(s->lists, struct plan_list,
                                               j).first, &p)
                && !strcmp(p.symbol, symbol)) {
                return true;
            }
        }
        for (guint j = 0; j < s->trees->len; j++) {
            if (!strcmp(g_array_index(s->trees, struct plan_tree, j).variable,
                        symbol)) {
                return true;
            }
        }
    }
    return false;
}

void
write_report(struct plan *plan)
{
    size_t n = json_object_array_length(plan->variables);

    for (guint i = 0; i < plan->structures->len; i++) {
        report_structure(plan, plan->structures->pdata[i]);
    }
    for (size_t i = 0; i < n; i++) {
        struct json_object *v = json_object_array_get_idx(plan->variables, i);

        if (*json_text(v, "symbol") && json_true(v, "updateable")
            && !strcmp(json_text(v, "class"), "all-flows")
            && !has_head(plan, json_text(v, "symbol"))) {
            plan_say(plan, "stays with the instance: %s, of no flow",
                     json_text(v, "name"));
        }
    }
}
