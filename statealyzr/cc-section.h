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

#ifndef STATEALYZR_CC_SECTION_H
#define STATEALYZR_CC_SECTION_H 1

/* Bitcode in object files
 *
 * Each object file has a section CC_SECTION, which is not loaded, with one or
 * more records: CC_MAGIC, the length in bytes as 8 bytes, least significant
 * first, and the bitcode.  What links object files puts the records of all in
 * a row, perhaps with zeros between, so that any linker, "ld -r", ar and
 * libtool keep them without knowing. */

#include <glib.h>
#include <stdbool.h>

#define CC_SECTION ".mbox.bitcode"
#define CC_MAGIC "MBOXBC1\n"
#define CC_HEADER_SIZE 16

/* Makes a record of the bitcode in file 'bitcode' and writes it to file
 * 'record'. */
bool cc_record_write(const char *bitcode, const char *record, char **errorp);

/* The bitcode (GBytes) of each record in an ELF file, in order; none if it has
 * no such section.  NULL if it cannot be read or is malformed. */
GPtrArray *cc_records_read(const char *file, char **errorp);

#endif /* cc-section.h */
