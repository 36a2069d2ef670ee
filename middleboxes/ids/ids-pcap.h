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

#ifndef IDS_PCAP_H
#define IDS_PCAP_H 1

/* Reading of capture files: the classic pcap format with Ethernet frames, in
 * either byte order, with times in us or ns. */

#include <stddef.h>
#include <stdint.h>

struct ids_pcap;

/* Opens the capture 'name'.  Returns 0, a negative errno value, -EPROTO if the
 * file is not one. */
int ids_pcap_open(const char *name, struct ids_pcap **);
void ids_pcap_close(struct ids_pcap *);

/* Reads the next frame: '*frame', valid until the next call, of '*len' bytes,
 * captured at '*time' (ns since 1970).  Returns 1, 0 at the end, or a negative
 * errno value. */
int ids_pcap_next(struct ids_pcap *, const uint8_t **frame, size_t *len,
                  uint64_t *time);

#endif /* ids-pcap.h */
