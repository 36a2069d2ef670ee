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

#include "flow-space.h"

#include <string.h>

#include "links.h"
#include "lookups.h"
#include "procedures.h"
#include "pta.h"
#include "tables.h"

#define BIT(FIELD) (1u << (FIELD))
#define ADDRESSES (BIT(SA_FIELD_IP_SRC) | BIT(SA_FIELD_IP_DST))
#define PORTS (BIT(SA_FIELD_PORT_SRC) | BIT(SA_FIELD_PORT_DST))
#define ETHERNET (BIT(SA_FIELD_ETH_SRC) | BIT(SA_FIELD_ETH_DST))
/* What flows are told apart by. */
#define KEY_FIELDS (ADDRESSES | PORTS | ETHERNET | BIT(SA_FIELD_VLAN) \
                    | BIT(SA_FIELD_IP_PROTO) | BIT(SA_FIELD_IP_ID) \
                    | BIT(SA_FIELD_ICMP_ID))

/* A member that entries are found by. */
struct candidate {
    uint32_t variable, via;     /* As in struct sa_lookup. */
    uint32_t structure, offset, base, size;
    uint32_t fields;            /* That it is compared with. */
    uint32_t stored;            /* That the program puts into it. */
    bool walked;
    uint32_t insn;
};

struct sa_flow_space {
    const struct sa_analysis *a;
    const struct sa_state *state;
    const struct sa_packet *packet;
    const struct sa_containers *containers;
    struct sa_flow_class *structures;
    struct sa_flow_class *variables;
    bool *rules;                /* Structures with keys that no packet set. */
    uint32_t n_structures, n_variables;
};

static enum sa_class
class_of_fields(uint32_t fields)
{
    uint32_t client = BIT(SA_FIELD_IP_SRC) | BIT(SA_FIELD_PORT_SRC);
    uint32_t both = ADDRESSES | PORTS;
    if ((fields & client) == client || (fields & both) == both
        || ((fields & ADDRESSES)
            && (fields & (BIT(SA_FIELD_ICMP_ID) | BIT(SA_FIELD_IP_ID))))) {
        return SA_CLASS_PER_FLOW;
    }
    return fields ? SA_CLASS_MULTI_FLOW : SA_CLASS_ALL_FLOWS;
}

static void
add_reason(const struct sa_flow_space *fs, GArray *reasons, uint32_t insn,
           char *text)
{
    struct sa_reason r = {
        insn == SA_NONE ? (struct sa_loc) { "", 0, 0 }
        : sa_insn_loc(fs->a->program, insn), text
    };
    g_array_append_val(reasons, r);
}

static char *
names_of_fields(uint32_t fields)
{
    GString *s = g_string_new(NULL);
    for (int f = 0; f < SA_N_FIELDS; f++) {
        if (fields & BIT(f)) {
            g_string_append_printf(s, "%s%s", s->len ? ", " : "",
                                   sa_field_name(f));
        }
    }
    return g_string_free(s, FALSE);
}

/* Fields that the program puts into memory at an offset of a structure. */
static uint32_t
stored_fields(const struct sa_flow_space *fs, uint32_t variable,
              uint32_t offset)
{
    const struct sa_state_variable *v = sa_state_variable(fs->state, variable);
    uint32_t n, fields = 0;
    const struct sa_node *nodes = sa_pta_nodes(fs->a->pta, &n);
    const struct sa_object *objects = sa_pta_objects(fs->a->pta, &n);
    for (guint i = 0; i < v->nodes->len; i++) {
        uint32_t node = g_array_index(v->nodes, uint32_t, i);
        uint64_t base = objects[nodes[node].object].base;
        bool last = (i + 1 >= v->nodes->len
                     || nodes[g_array_index(v->nodes, uint32_t, i + 1)].object
                        != nodes[node].object);
        uint64_t end = last ? UINT64_MAX : nodes[node + 1].offset - base;
        if (nodes[node].offset - base <= offset && offset < end) {
            fields |= sa_packet_node(fs->packet, node);
        }
    }
    return fields & KEY_FIELDS;
}

/* Members that lookups compare, of all structures, by variable and offset. */
static GArray *
collect_candidates(const struct sa_flow_space *fs)
{
    GArray *lookups = sa_lookups_find(fs->a, fs->state, fs->packet);
    GArray *candidates = g_array_new(FALSE, TRUE, sizeof(struct candidate));
    for (guint i = 0; i < lookups->len; i++) {
        const struct sa_lookup *l = &g_array_index(lookups, struct sa_lookup,
                                                   i);
        struct candidate *c = NULL;
        if (!(l->fields & KEY_FIELDS)) {
            continue;
        }
        for (guint j = 0; j < candidates->len; j++) {
            struct candidate *o = &g_array_index(candidates, struct candidate,
                                                 j);
            if (o->variable == l->variable && o->via == l->via
                && o->base == l->base && o->offset == l->offset) {
                c = o;
                break;
            }
        }
        if (!c) {
            struct candidate new = {
                .variable = l->variable, .via = l->via,
                .structure = l->structure, .offset = l->offset,
                .base = l->base, .size = l->size, .insn = l->insn,
                .stored = stored_fields(fs, l->variable,
                                        l->base + l->offset),
            };
            g_array_append_val(candidates, new);
            c = &g_array_index(candidates, struct candidate,
                               candidates->len - 1);
        }
        c->fields |= l->fields & KEY_FIELDS;
        c->walked |= l->walked;
    }
    g_array_unref(lookups);
    return candidates;
}

static int
compare_candidates(gconstpointer a_, gconstpointer b_)
{
    const struct candidate *a = a_, *b = b_;
    if (a->via != b->via) {
        return a->via < b->via ? -1 : 1;
    } else if (a->offset != b->offset) {
        return a->offset < b->offset ? -1 : 1;
    }
    return a->variable < b->variable ? -1 : a->variable > b->variable;
}

/* Whether each write of a member is next to a write of another key: an entry
 * is made or taken over.  One that is written alone is a value that was last
 * seen. */
static bool
is_written_with_others(const struct sa_flow_space *fs, const GArray *group,
                       const struct candidate *c)
{
    const struct sa_state_variable *v = sa_state_variable(fs->state,
                                                          c->variable);
    for (guint i = 0; i < v->writes->len; i++) {
        const struct sa_insn *insn = &fs->a->program->insns[
            g_array_index(v->writes, uint32_t, i)];
        bool together = false;
        for (guint j = 0; j < group->len && !together; j++) {
            const struct candidate *o = &g_array_index(group, struct candidate,
                                                       j);
            const struct sa_state_variable *ov = sa_state_variable(
                fs->state, o->variable);
            for (guint k = 0; o->variable != c->variable
                 && k < ov->writes->len && !together; k++) {
                together = fs->a->program->insns[
                    g_array_index(ov->writes, uint32_t, k)].block
                    == insn->block;
            }
        }
        if (!together) {
            return false;
        }
    }
    return true;
}

/* Of fields of several kinds, those that a member of so many bytes can hold if
 * that is of one kind: a port is never as large as an IPv6 address. */
static uint32_t
fields_of_size(uint32_t fields, uint64_t size)
{
    return fields & (size == 16 ? ADDRESSES : size == 6 ? ETHERNET : fields);
}

/* The one field that a member holds: what is stored in it decides, then its
 * name, then its size, then what other members do not hold yet. */
static int
choose_field(const struct sa_flow_space *fs, const struct candidate *c,
             uint32_t taken)
{
    uint32_t fields = c->fields & c->stored ? c->fields & c->stored
                      : c->fields;
    const struct sa_state_variable *v = sa_state_variable(fs->state,
                                                          c->variable);
    const char *path = sa_member_path(fs->state, v);
    const char *dot = strrchr(path, '.');
    int named = sa_tables_field_by_name(fs->a->tables, dot ? dot + 1 : path);
    bool one_kind = sa_packet_is_one_kind(fields);
    if (!one_kind) {
        fields &= c->stored;
    }
    if (named >= 0 && (fields & BIT(named))) {
        return named;
    }
    if (!one_kind) {
        fields = fields_of_size(fields, c->size);
        if (!fields || !sa_packet_is_one_kind(fields)) {
            return -1;
        }
    }
    for (int pass = 0; pass < 2; pass++) {
        for (int f = 0; f < SA_N_FIELDS; f++) {
            if ((fields & BIT(f)) && (pass || !(taken & BIT(f)))) {
                return f;
            }
        }
    }
    return -1;
}

static void
add_key(struct sa_flow_space *fs, struct sa_flow_class *class,
        const struct candidate *c, int field)
{
    const struct sa_state_variable *v = sa_state_variable(fs->state,
                                                          c->variable);
    char *path = g_strdup(sa_member_path(fs->state, v));
    if (v->storage != SA_STORAGE_HEAP && c->structure != SA_NONE) {
        g_free(path);
        sa_type_path(sa_state_structure(fs->state, c->structure)->type,
                     c->offset, &path);
        path = path ? path : g_strdup("");
    }
    uint32_t offset = c->offset;
    if (c->via != SA_NONE) {
        const struct sa_state_variable *link = sa_state_variable(fs->state,
                                                                 c->via);
        char *member = path;
        path = g_strdup_printf("%s->%s", sa_member_path(fs->state, link),
                               member);
        g_free(member);
        offset = link->offset;
    }
    struct sa_key key = {
        .path = path, .offset = offset, .size = c->size, .field = field
    };
    key.why.reasons = g_new0(struct sa_reason, 1);
    key.why.n = 1;
    key.why.reasons[0].loc = sa_insn_loc(fs->a->program, c->insn);
    key.why.reasons[0].text = g_strdup_printf(
        "%s of the packet is compared with it in the lookup",
        sa_field_name(field));
    g_array_append_val(class->keys, key);
    class->fields |= BIT(field);
    add_reason(fs, class->reasons, c->insn,
               g_strdup_printf("looked up by %s, in %s", sa_field_name(field),
                               path));
}

static void
find_keys(struct sa_flow_space *fs, const GArray *candidates, uint32_t s)
{
    struct sa_flow_class *class = &fs->structures[s];
    GArray *group = g_array_new(FALSE, TRUE, sizeof(struct candidate));
    bool any_walked = false;
    for (guint i = 0; i < candidates->len; i++) {
        struct candidate c = g_array_index(candidates, struct candidate, i);
        uint32_t of = (c.via == SA_NONE ? c.structure
                       : sa_state_variable(fs->state, c.via)->structure);
        if (of == s) {
            g_array_append_val(group, c);
            any_walked |= c.walked;
        }
    }
    g_array_sort(group, compare_candidates);

    uint32_t of_hash = 0, hash_insn = SA_NONE;
    bool stored = false;
    for (guint i = 0; i < group->len; i++) {
        const struct candidate *c = &g_array_index(group, struct candidate, i);
        if (any_walked ? !c->walked
            : group->len > 1 && !is_written_with_others(fs, group, c)) {
            continue;
        }
        int field = choose_field(fs, c, class->fields);
        if (field >= 0) {
            add_key(fs, class, c, field);
            stored |= c->stored != 0;
        } else if (c->stored && !(c->fields & ~c->stored)) {
            of_hash |= c->fields;
            hash_insn = c->insn;
        }
    }
    if (!class->keys->len && of_hash) {
        char *names = names_of_fields(of_hash);
        class->fields = of_hash;
        stored = true;
        add_reason(fs, class->reasons, hash_insn,
                   g_strdup_printf("looked up by a hash of %s", names));
        g_free(names);
    }
    fs->rules[s] = class->fields && !stored;
    g_array_unref(group);
}

/* Without a key in the entries: what the index into the table is made of. */
static void
find_index(struct sa_flow_space *fs, uint32_t s)
{
    struct sa_flow_class *class = &fs->structures[s];
    const struct sa_container *c = sa_containers_get(fs->containers, s);
    uint32_t fields = c->index_fields & KEY_FIELDS;
    if (!class->fields && fields) {
        char *names = names_of_fields(fields);
        class->fields = fields;
        add_reason(fs, class->reasons, c->index_insn,
                   g_strdup_printf("%s is indexed by %s", c->path, names));
        g_free(names);
    }
}

/* A member that holds the descriptor of a connection. */
static void
find_connection(struct sa_flow_space *fs, uint32_t s)
{
    const struct sa_structure *st = sa_state_structure(fs->state, s);
    struct sa_flow_class *class = &fs->structures[s];
    for (guint i = 0; i < st->variables->len; i++) {
        const struct sa_state_variable *v = sa_state_variable(
            fs->state, g_array_index(st->variables, uint32_t, i));
        for (guint j = 0; j < v->nodes->len; j++) {
            uint32_t node = g_array_index(v->nodes, uint32_t, j);
            if (sa_packet_node(fs->packet, node) & SA_PACKET_CONNECTION) {
                class->class = SA_CLASS_PER_FLOW;
                class->fields |= BIT(SA_FIELD_IP_SRC) | BIT(SA_FIELD_PORT_SRC);
                add_reason(fs, class->reasons,
                           v->writes->len
                           ? g_array_index(v->writes, uint32_t, 0) : SA_NONE,
                           g_strdup_printf("%s holds the descriptor of a "
                                           "connection that was accepted",
                                           sa_member_path(fs->state, v)));
                return;
            }
        }
    }
}

static void
classify_by_keys(struct sa_flow_space *fs, uint32_t s)
{
    struct sa_flow_class *class = &fs->structures[s];
    find_index(fs, s);
    class->class = class_of_fields(class->fields);
    if (fs->rules[s] && class->class != SA_CLASS_ALL_FLOWS) {
        class->class = SA_CLASS_ALL_FLOWS;
        add_reason(fs, class->reasons, SA_NONE,
                   g_strdup("the keys are not of packets but configured"));
    }
    if (class->class != SA_CLASS_PER_FLOW) {
        find_connection(fs, s);
    }
}

/* Whether all that there is of a structure is made before packets come, and no
 * array of entries for later: then it is no part of what packets make. */
static bool
is_made_before(const struct sa_flow_space *fs, uint32_t s)
{
    const struct sa_structure *st = sa_state_structure(fs->state, s);
    uint32_t n;
    const struct sa_object *objects = sa_pta_objects(fs->a->pta, &n);
    for (guint i = 0; i < st->objects->len; i++) {
        const struct sa_object *o
            = &objects[g_array_index(st->objects, uint32_t, i)];
        uint32_t insn = o->caller != SA_NONE ? o->caller : o->insn;
        if (o->kind != SA_OBJECT_HEAP || o->is_array || insn == SA_NONE
            || sa_procedures_has_insn(fs->a->procedures, insn)) {
            return false;
        }
    }
    return st->objects->len != 0;
}

/* A structure that only entries of other ones lead to belongs to these: its
 * fields are its own and theirs.  Returns true if something changed. */
static bool
inherit(struct sa_flow_space *fs, uint32_t s)
{
    struct sa_flow_class *class = &fs->structures[s];
    const struct sa_container *c = sa_containers_get(fs->containers, s);
    uint32_t fields = UINT32_MAX, owner = SA_NONE;
    enum sa_class best = SA_CLASS_ALL_FLOWS;
    for (guint i = 0; i < c->variables->len; i++) {
        uint32_t id = g_array_index(c->variables, uint32_t, i);
        const struct sa_state_variable *v = sa_state_variable(fs->state, id);
        if (!v->updateable) {
            continue;           /* What it leads to is configuration. */
        } else if (v->structure == SA_NONE || v->structure == s) {
            return false;       /* Something global leads to it. */
        }
        const struct sa_flow_class *o = &fs->structures[v->structure];
        if (o->class != SA_CLASS_PER_FLOW && o->class != SA_CLASS_MULTI_FLOW) {
            return false;
        }
        fields &= o->fields;
        if (owner == SA_NONE || o->class > best) {
            best = o->class;
            owner = id;
        }
    }
    if (owner == SA_NONE || class->class == SA_CLASS_PER_FLOW
        || is_made_before(fs, s)) {
        return false;
    }
    uint32_t all = class->fields | fields;
    enum sa_class next = MIN(best, class_of_fields(all));
    if (next == class->class && all == class->fields) {
        return false;
    }
    class->class = next;
    class->fields = all;
    add_reason(fs, class->reasons, SA_NONE,
               g_strdup_printf("only %s leads to it",
                               sa_state_variable(fs->state, owner)->name));
    return true;
}

/* Whether an untyped object that the variable owns, an array of pointers,
 * leads to entries of the structure. */
static bool
owns_way_to(const struct sa_flow_space *fs, uint32_t variable,
            uint32_t structure)
{
    const struct sa_state_variable *v = sa_state_variable(fs->state, variable);
    uint32_t n;
    const struct sa_node *nodes = sa_pta_nodes(fs->a->pta, &n);
    for (guint i = 0; i < v->nodes->len; i++) {
        uint32_t node = g_array_index(v->nodes, uint32_t, i);
        if (fs->state->object_owner[nodes[node].object] != variable) {
            continue;
        }
        struct sa_nodes to = sa_pta_content(fs->a->pta, node);
        for (uint32_t j = 0; j < to.n; j++) {
            if (fs->state->object_structure[nodes[to.ids[j]].object]
                == structure) {
                return true;
            }
        }
    }
    return false;
}

/* The structure whose entries a variable has one by one, as their table, or
 * SA_NONE.  A single pointer (first of a list, last used, a table that can
 * grow) is not of any one entry. */
static uint32_t
table_of(const struct sa_flow_space *fs, uint32_t variable)
{
    const struct sa_state_variable *v = sa_state_variable(fs->state, variable);
    if (v->structure != SA_NONE) {
        return v->structure;
    }
    if (!v->type || v->type->canonical->kind != SA_TYPE_POINTER) {
        return SA_NONE;
    }
    uint32_t found = SA_NONE;
    for (uint32_t s = 0; s < fs->n_structures; s++) {
        bool table = (v->n_elements > 1
                      ? sa_points_to_structure(v, s)
                      : owns_way_to(fs, variable, s));
        if (table && (found == SA_NONE
                      || (fs->structures[s].class
                          < fs->structures[found].class))) {
            found = s;
        }
    }
    return found;
}

static void
classify_variable(struct sa_flow_space *fs, uint32_t variable)
{
    const struct sa_state_variable *v = sa_state_variable(fs->state, variable);
    struct sa_flow_class *class = &fs->variables[variable];
    if (!v->updateable) {
        return;
    }
    class->class = SA_CLASS_ALL_FLOWS;
    uint32_t s = table_of(fs, variable);
    if (s != SA_NONE) {
        const struct sa_flow_class *of = &fs->structures[s];
        class->class = of->class;
        class->fields = of->fields;
        if (v->storage == SA_STORAGE_HEAP && v->structure == s) {
            for (guint i = 0; i < of->reasons->len; i++) {
                const struct sa_reason *r = &g_array_index(
                    of->reasons, struct sa_reason, i);
                struct sa_reason copy = { r->loc, g_strdup(r->text) };
                g_array_append_val(class->reasons, copy);
            }
        } else {
            add_reason(fs, class->reasons, SA_NONE,
                       g_strdup_printf("leads to %s", sa_state_structure(
                                           fs->state, s)->name));
        }
    }
    uint32_t insn;
    uint32_t index = KEY_FIELDS
        & sa_containers_index(fs->containers, variable, &insn);
    if (class->class == SA_CLASS_ALL_FLOWS && index) {
        char *names = names_of_fields(index);
        class->class = class_of_fields(index);
        class->fields = index;
        add_reason(fs, class->reasons, insn,
                   g_strdup_printf("indexed by %s", names));
        g_free(names);
    }
    if (!class->reasons->len) {
        add_reason(fs, class->reasons, SA_NONE,
                   g_strdup("not looked up by fields of the packet"));
    }
}

static void
clear_reason(gpointer r_)
{
    struct sa_reason *r = r_;
    g_free((char *) r->text);
}

static void
clear_key(gpointer k_)
{
    struct sa_key *k = k_;
    g_free((char *) k->path);
    for (size_t i = 0; i < k->why.n; i++) {
        g_free((char *) k->why.reasons[i].text);
    }
    g_free(k->why.reasons);
}

static struct sa_flow_class *
new_classes(uint32_t n)
{
    struct sa_flow_class *classes = g_new0(struct sa_flow_class, n + 1);
    for (uint32_t i = 0; i < n; i++) {
        classes[i].keys = g_array_new(FALSE, TRUE, sizeof(struct sa_key));
        g_array_set_clear_func(classes[i].keys, clear_key);
        classes[i].reasons = g_array_new(FALSE, TRUE,
                                         sizeof(struct sa_reason));
        g_array_set_clear_func(classes[i].reasons, clear_reason);
    }
    return classes;
}

static void
free_classes(struct sa_flow_class *classes, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        g_array_unref(classes[i].keys);
        g_array_unref(classes[i].reasons);
    }
    g_free(classes);
}

struct sa_flow_space *
sa_flow_space_run(const struct sa_analysis *a, const struct sa_state *state,
                  const struct sa_packet *packet,
                  const struct sa_containers *containers)
{
    struct sa_flow_space *fs = g_new0(struct sa_flow_space, 1);
    fs->a = a;
    fs->state = state;
    fs->packet = packet;
    fs->containers = containers;
    fs->n_structures = state->structures->len;
    fs->n_variables = state->variables->len;
    fs->structures = new_classes(fs->n_structures);
    fs->variables = new_classes(fs->n_variables);
    fs->rules = g_new0(bool, fs->n_structures + 1);

    GArray *candidates = collect_candidates(fs);
    for (uint32_t s = 0; s < fs->n_structures; s++) {
        find_keys(fs, candidates, s);
        classify_by_keys(fs, s);
    }
    g_array_unref(candidates);
    bool changed = true;
    for (uint32_t i = 0; changed && i <= fs->n_structures; i++) {
        changed = false;
        for (uint32_t s = 0; s < fs->n_structures; s++) {
            changed |= inherit(fs, s);
        }
    }
    for (uint32_t v = 0; v < fs->n_variables; v++) {
        classify_variable(fs, v);
    }
    return fs;
}

void
sa_flow_space_destroy(struct sa_flow_space *fs)
{
    if (fs) {
        free_classes(fs->structures, fs->n_structures);
        free_classes(fs->variables, fs->n_variables);
        g_free(fs->rules);
        g_free(fs);
    }
}

const struct sa_flow_class *
sa_flow_space_structure(const struct sa_flow_space *fs, uint32_t structure)
{
    return &fs->structures[structure];
}

const struct sa_flow_class *
sa_flow_space_variable(const struct sa_flow_space *fs, uint32_t variable)
{
    return &fs->variables[variable];
}
