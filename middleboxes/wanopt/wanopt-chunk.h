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

#ifndef WANOPT_CHUNK_H
#define WANOPT_CHUNK_H 1

/* Content-defined chunking
 * ========================
 *
 * Cuts bytes where a rolling hash of the 64 bytes before has 8 zeros, so that
 * equal content is cut alike wherever it is.  The hash is Gear (Xia et al.,
 * "Ddelta", Performance Evaluation 79, 2014), which needs a shift and an
 * addition per byte.  The two sites must cut alike: what is here is part of
 * the wire format. */

#include <stddef.h>
#include <stdint.h>

#define WANOPT_CHUNK_MIN 128
#define WANOPT_CHUNK_MAX 1024

/* Chunks shorter than this (the last of a packet may be) are not worth a
 * reference, and are kept by nobody. */
#define WANOPT_CHUNK_USEFUL 32

/* Returns the length of the first chunk of 'len' bytes, at least 1. */
size_t wanopt_chunk_cut(const uint8_t *data, size_t len);

#endif /* wanopt-chunk.h */
