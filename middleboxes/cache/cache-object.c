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
#include "cache-object.h"

#include <ctype.h>
#include <openssl/sha.h>
#include <stdlib.h>
#include <string.h>
#include "bytes.h"
#include "mbox-wire.h"

/* A time that is imported is not later: what is computed of it has no
 * overflow. */
#define TIME_MAX (INT64_C(1) << 40)

/* Building text. */

static void
put_text(struct mbox_writer *w, const char *s)
{
    mbox_put_bytes(w, s, strlen(s));
}

static void
put_field(struct mbox_writer *w, const struct http_field *field)
{
    mbox_put_bytes(w, field->name.s, field->name.n);
    put_text(w, ": ");
    mbox_put_bytes(w, field->value.s, field->value.n);
    put_text(w, "\r\n");
}

/* Takes the text out of a writer, null-terminated. */
static char *
take_text(struct mbox_writer *w)
{
    mbox_put_u8(w, 0);
    if (w->error) {
        abort();
    }
    return (char *) w->data;
}

/* Makes 'head' of what was written, and frees that.  Returns false if it is no
 * head: it may have become too long. */
static bool
parse_written(struct http_head *head, struct mbox_writer *w)
{
    put_text(w, "\r\n");

    bool ok = (!w->error && w->len <= CACHE_HEAD_MAX
               && !http_head_parse(head, false, (const char *) w->data,
                                   w->len));
    mbox_writer_uninit(w);
    return ok;
}

static void
put_status_line(struct mbox_writer *w, const struct http_head *head)
{
    mbox_put_bytes(w, head->text, strcspn(head->text, "\r\n"));
    put_text(w, "\r\n");
}

/* Vary. */

/* Appends how a request has the field 'name', as it is forwarded:
 * "name:value,value\n". */
static void
put_selecting(struct mbox_writer *w, const struct http_head *request,
              struct http_string name)
{
    for (size_t i = 0; i < name.n; i++) {
        mbox_put_u8(w, tolower((unsigned char) name.s[i]));
    }
    put_text(w, ":");
    for (size_t i = 0; i < request->n_fields; i++) {
        const struct http_field *field = &request->fields[i];

        if (http_strings_equal_nocase(field->name, name)
            && !http_is_hop_by_hop(request, field)) {
            mbox_put_bytes(w, field->value.s, field->value.n);
            put_text(w, ",");
        }
    }
    put_text(w, "\n");
}

static char *
make_vary(const struct http_head *request, const struct http_head *response)
{
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    for (size_t i = 0; i < response->n_fields; i++) {
        struct http_string rest = response->fields[i].value, member;

        if (http_string_is_nocase(response->fields[i].name, "Vary")) {
            while (http_list_next(&rest, &member)) {
                put_selecting(&w, request, member);
            }
        }
    }
    return take_text(&w);
}

bool
cache_object_fits(const struct cache_object *object,
                  const struct http_head *request)
{
    char *vary = make_vary(request, &object->head);
    bool fits = !strcmp(vary, object->vary);

    free(vary);
    return fits;
}

/* Life. */

void
cache_digest_uri(const char *uri, uint8_t digest[CACHE_DIGEST_LEN])
{
    uint8_t full[SHA256_DIGEST_LENGTH];

    SHA256((const uint8_t *) uri, strlen(uri), full);
    memcpy(digest, full, CACHE_DIGEST_LEN);
}

static struct cache_object *
new_object(void)
{
    struct cache_object *object = calloc(1, sizeof *object);

    if (!object) {
        abort();
    }
    object->n_users = 1;
    return object;
}

struct cache_object *
cache_object_create(const char *uri, const struct http_head *request,
                    const struct http_head *response,
                    const struct cache_times *times)
{
    struct cache_object *object = new_object();
    struct mbox_writer w;

    object->uri = strdup(uri);
    if (!object->uri) {
        abort();
    }
    cache_digest_uri(uri, object->digest);
    object->vary = make_vary(request, response);
    object->times = *times;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    put_status_line(&w, response);
    for (size_t i = 0; i < response->n_fields; i++) {
        if (!http_is_hop_by_hop(response, &response->fields[i])) {
            put_field(&w, &response->fields[i]);
        }
    }
    if (!parse_written(&object->head, &w)
        || strlen(object->vary) > CACHE_VARY_MAX) {
        cache_object_release(object);
        return NULL;
    }
    return object;
}

struct cache_object *
cache_object_use(struct cache_object *object)
{
    object->n_users++;
    return object;
}

/* Its size has changed. */
static void
recount(struct cache_object *object)
{
    if (object->total) {
        size_t size = cache_object_size(object);

        *object->total += size - object->counted;
        object->counted = size;
    }
}

void
cache_object_count(struct cache_object *object, size_t *total)
{
    object->total = total;
    recount(object);
}

void
cache_object_release(struct cache_object *object)
{
    if (object && !--object->n_users) {
        if (object->total) {
            *object->total -= object->counted;
        }
        http_head_uninit(&object->head);
        free(object->uri);
        free(object->vary);
        free(object->body);
        free(object);
    }
}

void
cache_object_append(struct cache_object *object, const void *data, size_t n)
{
    if (object->len + n > object->allocated) {
        size_t allocated = 2 * object->allocated;

        object->allocated = (allocated > object->len + n
                             ? allocated : object->len + n);
        object->body = realloc(object->body, object->allocated);
        if (!object->body) {
            abort();
        }
    }
    if (n) {
        memcpy(object->body + object->len, data, n);
    }
    object->len += n;
    recount(object);
}

void
cache_object_trim(struct cache_object *object)
{
    if (object->len) {
        uint8_t *body = realloc(object->body, object->len);

        object->body = body ? body : object->body;
        object->allocated = body ? object->len : object->allocated;
        recount(object);
    }
}

size_t
cache_object_size(const struct cache_object *object)
{
    return (sizeof *object + strlen(object->uri) + strlen(object->vary)
            + object->head.len
            + object->head.n_fields * sizeof *object->head.fields
            + object->allocated);
}

/* True if a 304 brings the field anew. */
static bool
is_replaced(const struct http_head *not_modified,
            const struct http_field *field)
{
    for (size_t i = 0; i < not_modified->n_fields; i++) {
        const struct http_field *other = &not_modified->fields[i];

        if (http_strings_equal_nocase(other->name, field->name)) {
            return cache_field_is_updated(not_modified, other);
        }
    }
    return false;
}

void
cache_object_refresh(struct cache_object *object,
                     const struct http_head *not_modified,
                     const struct cache_times *times)
{
    struct http_head head;
    struct mbox_writer w;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    put_status_line(&w, &object->head);
    for (size_t i = 0; i < object->head.n_fields; i++) {
        const struct http_field *field = &object->head.fields[i];

        /* The age was that of the old answer. */
        if (!is_replaced(not_modified, field)
            && !http_string_is_nocase(field->name, "Age")) {
            put_field(&w, field);
        }
    }
    for (size_t i = 0; i < not_modified->n_fields; i++) {
        const struct http_field *field = &not_modified->fields[i];

        if (cache_field_is_updated(not_modified, field)) {
            put_field(&w, field);
        }
    }
    if (parse_written(&head, &w)) {
        http_head_uninit(&object->head);
        object->head = head;
    }
    object->times = *times;
    object->invalid = false;
    recount(object);
}

/* State. */

struct mbox_key
cache_object_key(const struct cache_object *object)
{
    struct mbox_key key = {
        .vlan = MBOX_VLAN_NONE, .family = object->host.family,
    };
    uint8_t digest[CACHE_DIGEST_LEN];

    cache_digest_uri(object->vary, digest);
    memcpy(key.src, object->host.addr, sizeof key.src);
    memcpy(key.dst, object->digest, sizeof key.dst);
    key.src_port = get_be16(digest);
    key.dst_port = get_be16(digest + 2);
    return key;
}

static void
write_block(struct mbox_writer *w, const void *data, size_t n)
{
    mbox_put_u32(w, n);
    mbox_put_bytes(w, data, n);
}

void
cache_object_write(const struct cache_object *object, struct mbox_writer *w)
{
    write_block(w, object->uri, strlen(object->uri));
    write_block(w, object->vary, strlen(object->vary));
    write_block(w, object->head.text, object->head.len);
    mbox_put_u64(w, object->times.request);
    mbox_put_u64(w, object->times.response);
    mbox_put_u8(w, object->invalid);
    write_block(w, object->body, object->len);
}

/* Reads a block of at most 'max' bytes. */
static struct http_string
read_block(struct mbox_reader *r, size_t max)
{
    size_t n = mbox_get_u32(r);
    const char *data = mbox_get_bytes(r, n);

    if (!data || n > max) {
        r->error = -EPROTO;
        return (struct http_string) { "", 0 };
    }
    return (struct http_string) { data, n };
}

/* Reads text without null bytes; the caller frees it. */
static char *
read_text(struct mbox_reader *r, size_t max)
{
    struct http_string s = read_block(r, max);
    char *text = strndup(s.s, s.n);

    if (!text) {
        abort();
    }
    if (strlen(text) != s.n) {
        r->error = -EPROTO;
    }
    return text;
}

struct cache_object *
cache_object_read(struct mbox_reader *r)
{
    struct cache_object *object = new_object();

    object->uri = read_text(r, 2 * HTTP_HEAD_MAX);
    object->vary = read_text(r, CACHE_VARY_MAX);
    cache_digest_uri(object->uri, object->digest);

    struct http_string head = read_block(r, CACHE_HEAD_MAX);
    object->times.request = mbox_get_u64(r);
    object->times.response = mbox_get_u64(r);
    object->invalid = mbox_get_u8(r) != 0;

    struct http_string body = read_block(r, CACHE_OBJECT_MAX);
    if (r->error || object->times.request < 0
        || object->times.response < object->times.request
        || object->times.response > TIME_MAX
        || http_head_parse(&object->head, false, head.s, head.n)
        || !cache_has_good_vary(&object->head)) {
        r->error = -EPROTO;
        cache_object_release(object);
        return NULL;
    }
    cache_object_append(object, body.s, body.n);
    return object;
}
