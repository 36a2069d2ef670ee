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

/* See the System V ABI, chapter 4, "Object Files". */

#include "cc-section.h"

#include <elf.h>
#include <string.h>

static void
put_u64(uint64_t x, uint8_t p[8])
{
    for (int i = 0; i < 8; i++) {
        p[i] = x >> (8 * i);
    }
}

static uint64_t
get_u64(const uint8_t p[8])
{
    uint64_t x = 0;
    for (int i = 8; i-- > 0;) {
        x = x << 8 | p[i];
    }
    return x;
}

bool
cc_record_write(const char *bitcode, const char *record, char **errorp)
{
    GError *error = NULL;
    char *data;
    gsize size;
    if (!g_file_get_contents(bitcode, &data, &size, &error)) {
        goto error;
    }

    GByteArray *a = g_byte_array_sized_new(size + CC_HEADER_SIZE);
    uint8_t length[8];
    put_u64(size, length);
    g_byte_array_append(a, (const uint8_t *) CC_MAGIC, 8);
    g_byte_array_append(a, length, 8);
    g_byte_array_append(a, (const uint8_t *) data, size);
    g_free(data);
    bool ok = g_file_set_contents(record, (const char *) a->data, a->len,
                                  &error);
    g_byte_array_free(a, TRUE);
    if (ok) {
        return true;
    }

error:
    *errorp = g_strdup(error->message);
    g_error_free(error);
    return false;
}

static bool
in_file(uint64_t offset, uint64_t n, size_t size)
{
    return offset <= size && n <= size - offset;
}

/* Finds the section in an ELF file of 'size' bytes. */
static bool
find_section(const char *data, size_t size, const uint8_t **contents,
             size_t *n)
{
    Elf64_Ehdr eh;
    if (size < sizeof eh || memcmp(data, ELFMAG, SELFMAG)
        || data[EI_CLASS] != ELFCLASS64) {
        return false;
    }
    memcpy(&eh, data, sizeof eh);

    Elf64_Shdr sh, names;
    uint64_t n_sections = eh.e_shnum;
    uint64_t i_names = eh.e_shstrndx;
    if (eh.e_shentsize != sizeof sh || !eh.e_shoff
        || !in_file(eh.e_shoff, sizeof sh, size)) {
        return false;
    }
    /* With 0xff00 sections or more, the first one tells how many. */
    memcpy(&sh, data + eh.e_shoff, sizeof sh);
    n_sections = n_sections ? n_sections : sh.sh_size;
    i_names = i_names == SHN_XINDEX ? sh.sh_link : i_names;
    if (n_sections > size / sizeof sh || i_names >= n_sections
        || !in_file(eh.e_shoff, n_sections * sizeof sh, size)) {
        return false;
    }
    memcpy(&names, data + eh.e_shoff + i_names * sizeof sh, sizeof names);
    if (!in_file(names.sh_offset, names.sh_size, size)) {
        return false;
    }
    for (uint64_t i = 0; i < n_sections; i++) {
        memcpy(&sh, data + eh.e_shoff + i * sizeof sh, sizeof sh);
        if (sh.sh_name < names.sh_size
            && names.sh_size - sh.sh_name >= sizeof CC_SECTION
            && !memcmp(data + names.sh_offset + sh.sh_name, CC_SECTION,
                       sizeof CC_SECTION)
            && sh.sh_type != SHT_NOBITS
            && in_file(sh.sh_offset, sh.sh_size, size)) {
            *contents = (const uint8_t *) data + sh.sh_offset;
            *n = sh.sh_size;
            return true;
        }
    }
    return false;
}

static GPtrArray *
split_records(const char *file, const uint8_t *p, size_t n, char **errorp)
{
    GPtrArray *records
        = g_ptr_array_new_with_free_func((GDestroyNotify) g_bytes_unref);
    while (n) {
        if (!*p) {
            p++;
            n--;
            continue;
        }
        if (n < CC_HEADER_SIZE || memcmp(p, CC_MAGIC, 8)
            || get_u64(p + 8) > n - CC_HEADER_SIZE) {
            *errorp = g_strdup_printf("%s: section " CC_SECTION
                                      " is malformed", file);
            g_ptr_array_free(records, TRUE);
            return NULL;
        }
        size_t length = get_u64(p + 8);
        g_ptr_array_add(records, g_bytes_new(p + CC_HEADER_SIZE, length));
        p += CC_HEADER_SIZE + length;
        n -= CC_HEADER_SIZE + length;
    }
    return records;
}

GPtrArray *
cc_records_read(const char *file, char **errorp)
{
    GError *error = NULL;
    GMappedFile *map = g_mapped_file_new(file, FALSE, &error);
    if (!map) {
        *errorp = g_strdup(error->message);
        g_error_free(error);
        return NULL;
    }
    const uint8_t *contents = NULL;
    size_t n = 0;
    GPtrArray *records;
    if (find_section(g_mapped_file_get_contents(map),
                     g_mapped_file_get_length(map), &contents, &n)) {
        records = split_records(file, contents, n, errorp);
    } else {
        records = g_ptr_array_new();
    }
    g_mapped_file_unref(map);
    return records;
}
