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
#include "ids-sig.h"

#include <errno.h>
#include <hs.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "mbox-space.h"
#include "mbox-wire.h"

#define MAC_LEN 16

enum { DB_TO_SERVER = IDS_TO_SERVER, DB_TO_CLIENT = IDS_TO_CLIENT,
       DB_DATAGRAM, N_DBS };

struct ids_sigs {
    const struct ids_rules *rules;
    hs_database_t *db[N_DBS];   /* NULL if there is no pattern for it. */
    size_t stream_size[2];
    uint64_t digest;
    uint8_t *state_key;
    size_t state_key_len;
};

struct ids_scanner {
    const struct ids_sigs *sigs;
    hs_scratch_t *scratch;
    hs_stream_t *trial[2];      /* To try imported states on. */
    char *buffer;               /* For compression. */
    size_t buffer_size;
};

/* Failures of Vectorscan at run time are lack of memory or bugs. */
static void
check(hs_error_t error, const char *what)
{
    if (error != HS_SUCCESS) {
        fprintf(stderr, "mbox-ids: Vectorscan: %s failed (%d)\n", what, error);
        abort();
    }
}

/* Compilation. */

static bool
belongs(const struct ids_rule *rule, int db)
{
    switch (db) {
    case DB_TO_SERVER:
        return rule->proto != IPPROTO_UDP && rule->to_server;
    case DB_TO_CLIENT:
        return rule->proto != IPPROTO_UDP && rule->to_client;
    default:
        return rule->proto != IPPROTO_TCP;
    }
}

static int
compile_db(struct ids_sigs *sigs, int db, char **errp)
{
    const struct ids_rules *rules = sigs->rules;
    size_t max = rules->n_patterns + 1;
    const char **expressions = calloc(max, sizeof *expressions);
    const hs_expr_ext_t **exts = calloc(max, sizeof *exts);
    hs_expr_ext_t *ext = calloc(max, sizeof *ext);
    unsigned int *flags = calloc(max, sizeof *flags);
    unsigned int *ids = calloc(max, sizeof *ids);
    hs_compile_error_t *error = NULL;
    unsigned int n = 0;
    int retval = 0;

    if (!expressions || !exts || !ext || !flags || !ids) {
        abort();
    }
    for (size_t i = 0; i < rules->n_patterns; i++) {
        const struct ids_pattern *p = &rules->patterns[i];

        if (!belongs(&rules->rules[p->rule], db)) {
            continue;
        }
        expressions[n] = p->regex;
        flags[n] = p->flags;
        ids[n] = i;
        if (p->min_offset) {
            ext[n].flags |= HS_EXT_FLAG_MIN_OFFSET;
            ext[n].min_offset = p->min_offset;
        }
        if (p->max_offset != UINT64_MAX) {
            ext[n].flags |= HS_EXT_FLAG_MAX_OFFSET;
            ext[n].max_offset = p->max_offset;
        }
        exts[n] = &ext[n];
        n++;
    }
    if (n && hs_compile_ext_multi(expressions, flags, ids, exts, n,
                                  db == DB_DATAGRAM ? HS_MODE_BLOCK
                                  : HS_MODE_STREAM,
                                  NULL, &sigs->db[db], &error) != HS_SUCCESS) {
        unsigned int line = 0;

        if (error->expression >= 0) {
            uint32_t pattern = ids[error->expression];
            line = rules->rules[rules->patterns[pattern].rule].line;
        }
        if (asprintf(errp, "%s:%u: %s", rules->file, line,
                     error->message) < 0) {
            abort();
        }
        hs_free_compile_error(error);
        retval = -EINVAL;
    }
    free(expressions);
    free(exts);
    free(ext);
    free(flags);
    free(ids);
    return retval;
}

static void
compute_digest(struct ids_sigs *sigs)
{
    EVP_MD_CTX *sha = EVP_MD_CTX_new();
    uint8_t hash[EVP_MAX_MD_SIZE];
    const char *version = hs_version();

    if (!sha || !EVP_DigestInit_ex(sha, EVP_sha256(), NULL)) {
        abort();
    }
    EVP_DigestUpdate(sha, version, strlen(version));
    EVP_DigestUpdate(sha, sigs->rules->hash, sizeof sigs->rules->hash);
    for (int i = 0; i < N_DBS; i++) {
        if (sigs->db[i]) {
            char *bytes;
            size_t len;

            check(hs_serialize_database(sigs->db[i], &bytes, &len),
                  "hs_serialize_database");
            EVP_DigestUpdate(sha, bytes, len);
            free(bytes);
        }
    }
    EVP_DigestFinal_ex(sha, hash, NULL);
    EVP_MD_CTX_free(sha);
    for (int i = 0; i < 8; i++) {
        sigs->digest = sigs->digest << 8 | hash[i];
    }
}

int
ids_sigs_compile(const struct ids_rules *rules, const void *state_key,
                 size_t state_key_len, struct ids_sigs **sigsp, char **errp)
{
    struct ids_sigs *sigs;

    *sigsp = NULL;
    if (hs_valid_platform() != HS_SUCCESS) {
        *errp = strdup("this CPU lacks what Vectorscan needs (SSE4.2)");
        return -ENOTSUP;
    }

    sigs = calloc(1, sizeof *sigs);
    if (!sigs) {
        return -ENOMEM;
    }
    sigs->rules = rules;
    sigs->state_key = malloc(state_key_len + 1);
    if (!sigs->state_key) {
        abort();
    }
    if (state_key_len) {
        memcpy(sigs->state_key, state_key, state_key_len);
    }
    sigs->state_key_len = state_key_len;
    for (int i = 0; i < N_DBS; i++) {
        int error = compile_db(sigs, i, errp);

        if (error) {
            ids_sigs_destroy(sigs);
            return error;
        }
        if (i != DB_DATAGRAM && sigs->db[i]) {
            check(hs_stream_size(sigs->db[i], &sigs->stream_size[i]),
                  "hs_stream_size");
        }
    }
    compute_digest(sigs);
    *sigsp = sigs;
    return 0;
}

void
ids_sigs_destroy(struct ids_sigs *sigs)
{
    if (sigs) {
        for (int i = 0; i < N_DBS; i++) {
            hs_free_database(sigs->db[i]);
        }
        OPENSSL_cleanse(sigs->state_key, sigs->state_key_len);
        free(sigs->state_key);
        free(sigs);
    }
}

const struct ids_rules *
ids_sigs_rules(const struct ids_sigs *sigs)
{
    return sigs->rules;
}

uint64_t
ids_sigs_digest(const struct ids_sigs *sigs)
{
    return sigs->digest;
}

size_t
ids_sigs_stream_size(const struct ids_sigs *sigs, enum ids_dir dir)
{
    return sigs->stream_size[dir];
}

/* Scanning. */

struct ids_scanner *
ids_scanner_create(const struct ids_sigs *sigs)
{
    struct ids_scanner *scanner = calloc(1, sizeof *scanner);

    if (!scanner) {
        abort();
    }
    scanner->sigs = sigs;
    for (int i = 0; i < N_DBS; i++) {
        if (sigs->db[i]) {
            check(hs_alloc_scratch(sigs->db[i], &scanner->scratch),
                  "hs_alloc_scratch");
            if (i != DB_DATAGRAM) {
                check(hs_open_stream(sigs->db[i], 0, &scanner->trial[i]),
                      "hs_open_stream");
            }
        }
    }
    scanner->buffer_size = 4096;
    scanner->buffer = malloc(scanner->buffer_size);
    if (!scanner->buffer) {
        abort();
    }
    return scanner;
}

void
ids_scanner_destroy(struct ids_scanner *scanner)
{
    if (scanner) {
        for (int i = 0; i < 2; i++) {
            if (scanner->trial[i]) {
                hs_close_stream(scanner->trial[i], NULL, NULL, NULL);
            }
        }
        hs_free_scratch(scanner->scratch);
        free(scanner->buffer);
        free(scanner);
    }
}

struct match_ctx {
    ids_match_cb *cb;
    void *aux;
};

static int
on_match(unsigned int id, unsigned long long from, unsigned long long to,
         unsigned int flags, void *ctx_)
{
    const struct match_ctx *ctx = ctx_;

    (void) from;
    (void) flags;
    ctx->cb(ctx->aux, id, to);
    return 0;
}

/* Replaces compressed state by open state. */
static void
unpack(const hs_database_t *db, struct ids_sig_stream *stream)
{
    hs_stream_t *open;

    check(hs_expand_stream(db, &open, stream->state, stream->size),
          "hs_expand_stream");
    free(stream->state);
    stream->state = open;
    stream->size = 0;
}

void
ids_sig_scan(struct ids_scanner *scanner, struct ids_sig_stream *stream,
             enum ids_dir dir, const void *data, size_t len,
             ids_match_cb *cb, void *aux)
{
    const hs_database_t *db = scanner->sigs->db[dir];
    struct match_ctx ctx = { cb, aux };

    if (!db) {
        return;
    }
    if (!stream->state) {
        hs_stream_t *open;

        check(hs_open_stream(db, 0, &open), "hs_open_stream");
        stream->state = open;
    } else if (stream->size) {
        unpack(db, stream);
    }
    check(hs_scan_stream(stream->state, data, len, 0, scanner->scratch,
                         on_match, &ctx), "hs_scan_stream");
}

void
ids_sig_scan_datagram(struct ids_scanner *scanner, const void *data,
                      size_t len, ids_match_cb *cb, void *aux)
{
    const hs_database_t *db = scanner->sigs->db[DB_DATAGRAM];
    struct match_ctx ctx = { cb, aux };

    if (db) {
        check(hs_scan(db, data, len, 0, scanner->scratch, on_match, &ctx),
              "hs_scan");
    }
}

void
ids_sig_end(struct ids_scanner *scanner, struct ids_sig_stream *stream,
            enum ids_dir dir, ids_match_cb *cb, void *aux)
{
    struct match_ctx ctx = { cb, aux };

    if (!stream->state) {
        return;
    }
    if (stream->size && cb) {
        unpack(scanner->sigs->db[dir], stream);
    }
    if (stream->size) {
        free(stream->state);
    } else {
        check(hs_close_stream(stream->state, scanner->scratch,
                              cb ? on_match : NULL, &ctx),
              "hs_close_stream");
    }
    stream->state = NULL;
    stream->size = 0;
}

/* Compresses an open state into the scanner's buffer; returns its size. */
static size_t
compress(struct ids_scanner *scanner, const hs_stream_t *open)
{
    size_t size = 0;
    hs_error_t error;

    error = hs_compress_stream(open, scanner->buffer, scanner->buffer_size,
                               &size);
    if (error == HS_INSUFFICIENT_SPACE) {
        scanner->buffer_size = size;
        scanner->buffer = realloc(scanner->buffer, size);
        if (!scanner->buffer) {
            abort();
        }
        error = hs_compress_stream(open, scanner->buffer,
                                   scanner->buffer_size, &size);
    }
    check(error, "hs_compress_stream");
    return size;
}

void
ids_sig_pack(struct ids_scanner *scanner, struct ids_sig_stream *stream)
{
    if (!ids_sig_is_open(stream)) {
        return;
    }

    size_t size = compress(scanner, stream->state);
    void *packed = malloc(size);

    if (packed) {
        memcpy(packed, scanner->buffer, size);
        hs_close_stream(stream->state, NULL, NULL, NULL);
        stream->state = packed;
        stream->size = size;
    }
}

/* Moving. */

static void
compute_mac(const struct ids_sigs *sigs, const struct mbox_key *key,
            enum ids_dir dir, const void *data, size_t len,
            uint8_t mac[MAC_LEN])
{
    struct mbox_writer w;
    uint8_t hash[EVP_MAX_MD_SIZE];
    unsigned int n;

    mbox_writer_init(&w, MBOX_WRITER_LIMIT);
    mbox_put_u8(&w, dir);
    mbox_key_encode(key, &w);
    mbox_put_bytes(&w, data, len);
    if (w.error || !HMAC(EVP_sha256(), sigs->state_key, sigs->state_key_len,
                         w.data, w.len, hash, &n)) {
        abort();
    }
    mbox_writer_uninit(&w);
    memcpy(mac, hash, MAC_LEN);
}

void
ids_sig_export(struct ids_scanner *scanner,
               const struct ids_sig_stream *stream,
               const struct mbox_key *key, enum ids_dir dir,
               struct mbox_writer *w)
{
    const void *data = stream->state;
    size_t size = stream->size;
    uint8_t mac[MAC_LEN];

    if (ids_sig_is_open(stream)) {
        size = compress(scanner, stream->state);
        data = scanner->buffer;
    }
    mbox_put_u32(w, size);
    if (size) {
        mbox_put_bytes(w, data, size);
        compute_mac(scanner->sigs, key, dir, data, size, mac);
        mbox_put_bytes(w, mac, sizeof mac);
    }
}

int
ids_sig_import(struct ids_scanner *scanner, struct ids_sig_stream *stream,
               const struct mbox_key *key, enum ids_dir dir,
               struct mbox_reader *r)
{
    uint32_t size = mbox_get_u32(r);
    uint8_t mac[MAC_LEN];

    if (r->error || !size) {
        return r->error;
    }

    const void *data = mbox_get_bytes(r, size);
    const void *sent_mac = mbox_get_bytes(r, MAC_LEN);
    if (!sent_mac || !scanner->sigs->db[dir]) {
        return -EPROTO;
    }
    compute_mac(scanner->sigs, key, dir, data, size, mac);
    if (CRYPTO_memcmp(mac, sent_mac, MAC_LEN)
        || hs_reset_and_expand_stream(scanner->trial[dir], data, size, NULL,
                                      NULL, NULL) != HS_SUCCESS) {
        return -EPROTO;
    }

    stream->state = malloc(size);
    if (!stream->state) {
        return -ENOMEM;
    }
    memcpy(stream->state, data, size);
    stream->size = size;
    return 0;
}

/* Marks. */

/* Returns the index of the first mark not less than 'mark'. */
static size_t
find_mark(const struct ids_flow *flow, uint32_t mark)
{
    size_t low = 0;
    size_t high = flow->n_marks;

    while (low < high) {
        size_t middle = (low + high) / 2;

        if (flow->marks[middle] < mark) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

bool
ids_flow_has_mark(const struct ids_flow *flow, uint32_t mark)
{
    size_t i = find_mark(flow, mark);

    return i < flow->n_marks && flow->marks[i] == mark;
}

bool
ids_flow_add_mark(struct ids_flow *flow, uint32_t mark)
{
    size_t i = find_mark(flow, mark);

    if (flow->n_marks >= IDS_MAX_MARKS
        || (i < flow->n_marks && flow->marks[i] == mark)) {
        return false;
    }

    uint32_t *marks = realloc(flow->marks,
                              (flow->n_marks + 1) * sizeof *marks);
    if (!marks) {
        abort();
    }
    memmove(marks + i + 1, marks + i, (flow->n_marks - i) * sizeof *marks);
    marks[i] = mark;
    flow->marks = marks;
    flow->n_marks++;
    return true;
}
