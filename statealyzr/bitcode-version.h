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

#ifndef STATEALYZR_BITCODE_VERSION_H
#define STATEALYZR_BITCODE_VERSION_H 1

/* Who wrote a bitcode file
 *
 * LLVM's C interface does not tell, and what its reader says of a file of
 * another version is no help to a user.  Follows "LLVM Bitcode File Format",
 * sections "Bitstream Format" and "IDENTIFICATION_BLOCK Contents". */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What a file is, by its first bytes. */
enum sa_file_kind {
    SA_FILE_BITCODE,
    SA_FILE_TEXT,               /* Perhaps textual IR. */
    SA_FILE_MACHINE_CODE,       /* ELF. */
    SA_FILE_ARCHIVE,
    SA_FILE_OTHER
};
enum sa_file_kind sa_file_kind(const void *, size_t n);

/* Stores the producer of the bitcode of 'n' bytes, such as "LLVM19.1.7", as
 * a C string in 'producer' (of 'size' bytes, cut if longer); returns false
 * if it does not say or is damaged. */
bool sa_bitcode_producer(const void *, size_t n, char *producer, size_t size);

#endif /* bitcode-version.h */
