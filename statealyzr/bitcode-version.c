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

#include "bitcode-version.h"

#include <string.h>

enum sa_file_kind
sa_file_kind(const void *data, size_t n)
{
    const unsigned char *p = data;

    if (n >= 4 && (!memcmp(p, "BC\xc0\xde", 4)
                   || !memcmp(p, "\xde\xc0\x17\x0b", 4))) {
        return SA_FILE_BITCODE;
    } else if (n >= 4 && !memcmp(p, "\177ELF", 4)) {
        return SA_FILE_MACHINE_CODE;
    } else if (n >= 8 && (!memcmp(p, "!<arch>\n", 8)
                          || !memcmp(p, "!<thin>\n", 8))) {
        return SA_FILE_ARCHIVE;
    }
    for (size_t i = 0; i < n && i < 512; i++) {
        if (p[i] < ' ' && !strchr("\t\n\r\f", p[i])) {
            return SA_FILE_OTHER;
        }
    }
    return SA_FILE_TEXT;
}

/* A stream of bits, read from the least significant one of each byte.  Reads
 * beyond the end give zeros and set 'bad'. */
struct bits {
    const unsigned char *p;
    uint64_t n;                 /* Bits. */
    uint64_t at;
    bool bad;
};

static uint64_t
fixed(struct bits *b, unsigned int width)
{
    uint64_t v = 0;

    if (width > 64 || b->n - b->at < width) {
        b->bad = true;
        return 0;
    }
    for (unsigned int i = 0; i < width; i++, b->at++) {
        v |= (uint64_t) (b->p[b->at / 8] >> (b->at % 8) & 1) << i;
    }
    return v;
}

static uint64_t
vbr(struct bits *b, unsigned int width)
{
    uint64_t more = UINT64_C(1) << (width - 1);
    uint64_t v = 0;

    for (unsigned int shift = 0; !b->bad && shift < 64; shift += width - 1) {
        uint64_t piece = fixed(b, width);

        v |= (piece & (more - 1)) << shift;
        if (!(piece & more)) {
            return v;
        }
    }
    b->bad = true;
    return 0;
}

/* An operand of an abbreviation. */
struct operand {
    enum { LITERAL, FIXED = 1, VBR = 2, ARRAY = 3, CHAR6 = 4, BLOB = 5 } kind;
    uint64_t value;             /* Or width. */
};

enum { MAX_OPERANDS = 8, MAX_ABBREVS = 8 };

struct abbrev {
    struct operand operands[MAX_OPERANDS];
    unsigned int n;
};

static void
read_abbrev(struct bits *b, struct abbrev *a)
{
    a->n = vbr(b, 5);
    if (a->n > MAX_OPERANDS) {
        b->bad = true;
        a->n = 0;
    }
    for (unsigned int i = 0; i < a->n && !b->bad; i++) {
        struct operand *o = &a->operands[i];

        if (fixed(b, 1)) {
            o->kind = LITERAL;
            o->value = vbr(b, 8);
        } else {
            uint64_t kind = fixed(b, 3);

            o->kind = kind;
            o->value = kind == FIXED || kind == VBR ? vbr(b, 5) : 0;
            if (kind < FIXED || kind > BLOB
                || (kind == VBR && (o->value < 2 || o->value > 32))
                || (kind == FIXED && o->value > 64)) {
                b->bad = true;
            }
        }
    }
}

static uint64_t
read_scalar(struct bits *b, const struct operand *o)
{
    static const char char6[] = "abcdefghijklmnopqrstuvwxyz"
        "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._";

    switch (o->kind) {
    case LITERAL:
        return o->value;
    case FIXED:
        return fixed(b, o->value);
    case VBR:
        return vbr(b, o->value);
    case CHAR6:
        return char6[fixed(b, 6)];
    case ARRAY:
    case BLOB:
        break;
    }
    b->bad = true;
    return 0;
}

/* A record: its code, and the values after it as characters. */
struct record {
    uint64_t code;
    char *text;
    size_t size, n;
    bool have_code;
};

static void
add_value(struct record *r, uint64_t value)
{
    if (!r->have_code) {
        r->code = value;
        r->have_code = true;
    } else if (r->n + 1 < r->size) {
        r->text[r->n++] = value;
    }
}

static void
read_record(struct bits *b, const struct abbrev *a, struct record *r)
{
    r->have_code = false;
    r->n = 0;
    if (!a) {                   /* UNABBREV_RECORD. */
        add_value(r, vbr(b, 6));
        for (uint64_t n = vbr(b, 6); n && !b->bad; n--) {
            add_value(r, vbr(b, 6));
        }
        return;
    }
    for (unsigned int i = 0; i < a->n && !b->bad; i++) {
        if (a->operands[i].kind == ARRAY && i + 2 == a->n) {
            for (uint64_t n = vbr(b, 6); n && !b->bad; n--) {
                add_value(r, read_scalar(b, &a->operands[i + 1]));
            }
            return;
        }
        add_value(r, read_scalar(b, &a->operands[i]));
    }
}

bool
sa_bitcode_producer(const void *data, size_t n, char *producer, size_t size)
{
    enum { END_BLOCK, ENTER_SUBBLOCK, DEFINE_ABBREV, UNABBREV_RECORD };
    enum { IDENTIFICATION_BLOCK = 13, IDENTIFICATION_CODE_STRING = 1 };
    struct abbrev abbrevs[MAX_ABBREVS];
    unsigned int n_abbrevs = 0;
    struct record r = { .text = producer, .size = size };
    const unsigned char *p = data;

    if (n >= 20 && !memcmp(p, "\xde\xc0\x17\x0b", 4)) {
        /* A wrapper: magic, version, offset, size, CPU. */
        uint32_t offset = p[8] | p[9] << 8 | p[10] << 16
                          | (uint32_t) p[11] << 24;
        if (offset > n) {
            return false;
        }
        p += offset;
        n -= offset;
    }
    if (n < 4) {
        return false;
    }
    struct bits b = { .p = p, .n = (uint64_t) n * 8, .at = 32 };
    if (fixed(&b, 2) != ENTER_SUBBLOCK || vbr(&b, 8) != IDENTIFICATION_BLOCK) {
        return false;
    }
    unsigned int width = vbr(&b, 4);
    b.at = (b.at + 31) / 32 * 32 + 32;  /* And the block's length. */
    if (b.at > b.n || width < 2 || width > 32) {
        return false;
    }
    while (!b.bad) {
        uint64_t id = fixed(&b, width);

        if (id == END_BLOCK || id == ENTER_SUBBLOCK) {
            return false;
        } else if (id == DEFINE_ABBREV) {
            if (n_abbrevs == MAX_ABBREVS) {
                return false;
            }
            read_abbrev(&b, &abbrevs[n_abbrevs++]);
            continue;
        } else if (id != UNABBREV_RECORD && id - 4 >= n_abbrevs) {
            return false;
        }
        read_record(&b, id == UNABBREV_RECORD ? NULL : &abbrevs[id - 4], &r);
        if (!b.bad && r.have_code && r.code == IDENTIFICATION_CODE_STRING) {
            producer[r.n] = '\0';
            return true;
        }
    }
    return false;
}
