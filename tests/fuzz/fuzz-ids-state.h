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

#ifndef FUZZ_IDS_STATE_H
#define FUZZ_IDS_STATE_H 1

#include <stddef.h>
#include <stdint.h>
#include "mbox-key.h"

struct ids;

/* An instance with the target's rules, and the key that the input's first byte
 * stands for: for who makes seeds. */
struct ids *fuzz_ids_create(void);
struct mbox_key fuzz_ids_key(uint8_t which);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#endif /* fuzz-ids-state.h */
