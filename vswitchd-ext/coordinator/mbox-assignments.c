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

#include <config.h>

#include "hash.h"
#include "mbox-class.h"
#include "mbox-coordinator-private.h"
#include "mbox-flow.h"
#include "mbox-match.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "random.h"
#include "util.h"

struct json *
mbox_assignments_to_json(const struct mbox_registry *registry)
{
    struct json *classes = json_object_create();
    const char *class_name;

    SSET_FOR_EACH (class_name, &registry->classes) {
        struct mbox_assignment *assignments;
        size_t n = mbox_class_get_assignments(class_name, &assignments);
        struct json *array = json_array_create_empty();

        for (size_t i = 0; i < n; i++) {
            struct json *object = json_object_create();
            char match[MBOX_SPACE_STRLEN];

            mbox_space_format(&assignments[i].space, match, sizeof match);
            json_object_put_string(object, "match", match);
            json_object_put_string(object, "instance",
                                   assignments[i].instance);
            json_array_add(array, object);
        }
        free(assignments);
        if (n) {
            json_object_put(classes, class_name, array);
        } else {
            json_destroy(array);
        }
    }
    return classes;
}

/* True if 'a' is one flow, in both directions, that mbox_key_parse() reads. */
static bool
is_flow(const struct mbox_assignment *a)
{
    return (is_all_ones(&a->space.mask, sizeof a->space.mask)
            && !a->space.one_way && a->space.value.family);
}

/* Appends the 'n' assignments to 's'.  Two flows or more of an instance that
 * follow each other are one entry: there may be very many of them. */
static void
put_class(const struct mbox_assignment *assignments, size_t n, struct ds *s)
{
    for (size_t i = 0, end; i < n; i = end) {
        const struct mbox_assignment *a = &assignments[i];

        for (end = i + 1; end < n && is_flow(a) && is_flow(&assignments[end])
             && !strcmp(a->instance, assignments[end].instance); end++) {
            continue;
        }
        ds_put_format(s, "%s{", i ? "," : "");
        if (end - i > 1) {
            ds_put_cstr(s, "\"flows\":\"");
            for (size_t j = i; j < end; j++) {
                char key[MBOX_KEY_STRLEN];

                ds_put_cstr(s, j > i ? " " : "");
                ds_put_cstr(s, mbox_key_format(&assignments[j].space.value,
                                               key, sizeof key));
            }
            ds_put_format(s, "\",\"instance\":\"%s\"}", a->instance);
        } else {
            char match[MBOX_SPACE_STRLEN];

            mbox_space_format(&a->space, match, sizeof match);
            ds_put_format(s, "\"instance\":\"%s\",\"match\":\"%s\"}",
                          a->instance, match);
        }
    }
}

char *
mbox_assignments_to_string(const struct mbox_registry *registry)
{
    const char **classes = sset_sort(&registry->classes);
    struct ds s = DS_EMPTY_INITIALIZER;
    const char *separator = "";

    ds_put_char(&s, '{');
    for (size_t i = 0; i < sset_count(&registry->classes); i++) {
        struct mbox_assignment *assignments;
        size_t n = mbox_class_get_assignments(classes[i], &assignments);

        if (n) {
            ds_put_format(&s, "%s\"%s\":[", separator, classes[i]);
            put_class(assignments, n, &s);
            ds_put_char(&s, ']');
            separator = ",";
        }
        free(assignments);
    }
    ds_put_char(&s, '}');
    free(classes);
    return ds_steal_cstr(&s);
}

/* Assignments that are being read. */
struct parsed {
    struct mbox_assignment *array;
    size_t n, allocated;
};

static void
add_parsed(struct parsed *parsed, const struct mbox_space *space,
           const char *instance)
{
    struct mbox_assignment *a;

    if (parsed->n >= parsed->allocated) {
        parsed->array = x2nrealloc(parsed->array, &parsed->allocated,
                                   sizeof *parsed->array);
    }
    a = &parsed->array[parsed->n++];
    a->space = *space;
    ovs_strlcpy(a->instance, instance, sizeof a->instance);
}

/* Reads "flows", all that make sense.  Returns NULL or the first error, which
 * the caller frees. */
static char *
parse_flows(const char *s, const char *instance, struct parsed *parsed)
{
    char *error = NULL;

    while (*s) {
        size_t len = strcspn(s, " ");
        struct mbox_space space;
        struct mbox_key key;

        if (mbox_key_parse(s, len, &key)) {
            mbox_space_init_key(&space, &key);
            add_parsed(parsed, &space, instance);
        } else if (!error) {
            error = xasprintf("flow \"%.*s\": not a flow", (int) len, s);
        }
        s += len + (s[len] == ' ');
    }
    return error;
}

/* Reads one entry.  Returns NULL or an error that the caller frees. */
static char *
parse_entry(const struct json *json, struct parsed *parsed)
{
    struct match matches[MBOX_SPACE_MAX_MATCHES];
    const struct json *match, *flows, *instance;
    struct mbox_space space;

    if (json->type != JSON_OBJECT) {
        return xstrdup("not an object");
    }
    flows = shash_find_data(json_object(json), "flows");
    match = shash_find_data(json_object(json), "match");
    instance = shash_find_data(json_object(json), "instance");
    if (flows) {
        match = flows;
    }
    if (!match || match->type != JSON_STRING
        || !instance || instance->type != JSON_STRING) {
        return xstrdup("\"match\" or \"flows\", and \"instance\", must be "
                       "strings");
    } else if (!mbox_name_is_valid(json_string(instance))) {
        return xasprintf("\"%s\" is not a valid name of an instance",
                         json_string(instance));
    }
    if (flows) {
        return parse_flows(json_string(flows), json_string(instance), parsed);
    }

    char *error = mbox_match_parse(json_string(match), &space);
    if (!error && !mbox_space_to_matches(&space, matches)) {
        error = xstrdup("no assignment can say it");
    }
    if (error) {
        char *s = xasprintf("match \"%s\": %s", json_string(match), error);

        free(error);
        return s;
    }
    add_parsed(parsed, &space, json_string(instance));
    return NULL;
}

static void
restore_class(struct mbox_registry *registry, const char *class_name,
              const struct json *json, struct ds *errors)
{
    if (!mbox_name_is_valid(class_name) || json->type != JSON_ARRAY) {
        ds_put_format(errors, "; class \"%s\": not a valid name with an array",
                      class_name);
        return;
    }

    size_t n_json = json_array(json)->n;
    struct parsed parsed = { .n = 0 };

    for (size_t i = 0; i < n_json; i++) {
        char *error = parse_entry(json_array(json)->elems[i], &parsed);

        if (error) {
            ds_put_format(errors, "; class %s, assignment %"PRIuSIZE": %s",
                          class_name, i + 1, error);
            free(error);
        }
    }
    mbox_registry_note_class(registry, class_name);
    mbox_class_set_assignments(class_name, parsed.array, parsed.n);
    free(parsed.array);
}

char *
mbox_assignments_restore(struct mbox_registry *registry, const char *s)
{
    struct json *json = json_from_string(s);
    struct ds errors = DS_EMPTY_INITIALIZER;

    if (json->type == JSON_STRING) {
        ds_put_format(&errors, "; %s", json_string(json));
    } else if (json->type != JSON_OBJECT) {
        ds_put_cstr(&errors, "; not a JSON object");
    } else {
        struct shash_node *node;

        SHASH_FOR_EACH (node, json_object(json)) {
            restore_class(registry, node->name, node->data, &errors);
        }
    }
    json_destroy(json);
    if (!errors.length) {
        ds_destroy(&errors);
        return NULL;
    }

    char *retval = xasprintf("external_ids:mbox-assignments%s",
                             ds_cstr(&errors));
    ds_destroy(&errors);
    return retval;
}

/* Undoing. */

/* A set of assignments, which it points to. */
struct entry {
    struct hmap_node node;
    const struct mbox_assignment *assignment;
};

struct assignment_set {
    struct hmap map;
    uint32_t basis;             /* Of hashes: hosts choose addresses. */
    struct entry *entries;
};

static uint32_t
hash_assignment(const struct assignment_set *set,
                const struct mbox_assignment *a)
{
    return hash_bytes(&a->space, sizeof a->space,
                      hash_string(a->instance, set->basis));
}

static void
set_init(struct assignment_set *set, const struct mbox_assignments *list)
{
    hmap_init(&set->map);
    set->basis = random_uint32();
    hmap_reserve(&set->map, list->n);
    set->entries = xcalloc(list->n, sizeof *set->entries);
    for (size_t i = 0; i < list->n; i++) {
        set->entries[i].assignment = &list->array[i];
        hmap_insert(&set->map, &set->entries[i].node,
                    hash_assignment(set, &list->array[i]));
    }
}

static void
set_destroy(struct assignment_set *set)
{
    hmap_destroy(&set->map);
    free(set->entries);
}

static bool
set_has(const struct assignment_set *set, const struct mbox_assignment *a)
{
    const struct entry *entry;

    HMAP_FOR_EACH_WITH_HASH (entry, node, hash_assignment(set, a), &set->map) {
        if (!memcmp(&entry->assignment->space, &a->space, sizeof a->space)
            && !strcmp(entry->assignment->instance, a->instance)) {
            return true;
        }
    }
    return false;
}

void
mbox_assignments_get(const char *class_name, struct mbox_assignments *list)
{
    free(list->array);
    list->n = mbox_class_get_assignments(class_name, &list->array);
}

void
mbox_assignments_undo(const char *class_name,
                      const struct mbox_assignments *before,
                      const struct mbox_assignments *after)
{
    struct mbox_assignments now = { .n = 0 };
    struct assignment_set in_before, in_after, in_now;
    struct mbox_assignment *new;
    size_t n = 0, j = 0;

    mbox_assignments_get(class_name, &now);
    set_init(&in_before, before);
    set_init(&in_after, after);
    set_init(&in_now, &now);
    new = xcalloc(before->n + now.n, sizeof *new);
    for (size_t i = 0; i <= now.n; i++) {
        const struct mbox_assignment *a = i < now.n ? &now.array[i] : NULL;

        if (a && !set_has(&in_before, a)) {
            if (!set_has(&in_after, a)) {
                new[n++] = *a;          /* Came later. */
            }
            continue;
        }

        /* Before one that has always been there, what was before it. */
        for (; j < before->n; j++) {
            const struct mbox_assignment *b = &before->array[j];

            if (a && !memcmp(&a->space, &b->space, sizeof b->space)
                && !strcmp(a->instance, b->instance)) {
                j++;
                break;
            } else if (!set_has(&in_after, b) && !set_has(&in_now, b)) {
                new[n++] = *b;          /* Is taken back. */
            }
        }
        if (a) {
            new[n++] = *a;
        }
    }
    mbox_class_set_assignments(class_name, new, n);
    free(new);
    set_destroy(&in_before);
    set_destroy(&in_after);
    set_destroy(&in_now);
    free(now.array);
}
