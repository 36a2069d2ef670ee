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

#ifndef IDS_SIG_H
#define IDS_SIG_H 1

/* Signatures: the rules' patterns, compiled by Vectorscan
 * =======================================================
 *
 * Three databases: streams to servers, streams to clients, and datagrams.  A
 * stream's state is open (uncompressed) while the stream is busy and
 * compressed while it is idle or on its way to another instance.
 *
 * Vectorscan does not validate a compressed state, so the exported form ends
 * with a HMAC over it, the flow's key and the direction.  By default its key
 * is public, and it guards against accidents only, such as a bug on the way;
 * who may talk to an instance is the state channel's business.  With a state
 * key (option --state-key) only instances with the same key can make it. */

#include <stddef.h>
#include <stdint.h>
#include "ids-flow.h"
#include "ids-rules.h"

struct mbox_reader;
struct mbox_writer;

/* Compiled rules: immutable, shared by all threads. */
struct ids_sigs;

/* Compiles 'rules', which must outlive the result.  'state_key' is copied.
 * Returns 0 or a negative errno value with a malloc()ed message. */
int ids_sigs_compile(const struct ids_rules *rules, const void *state_key,
                     size_t state_key_len, struct ids_sigs **, char **errp);
void ids_sigs_destroy(struct ids_sigs *);
const struct ids_rules *ids_sigs_rules(const struct ids_sigs *);

/* Hash of the rules, of the databases and of Vectorscan's version and target:
 * equal in instances that can exchange stream state. */
uint64_t ids_sigs_digest(const struct ids_sigs *);

/* Bytes of an open stream's state in direction 'dir'; 0 if no rule looks at
 * it. */
size_t ids_sigs_stream_size(const struct ids_sigs *, enum ids_dir dir);

/* What a thread needs to scan. */
struct ids_scanner;

struct ids_scanner *ids_scanner_create(const struct ids_sigs *);
void ids_scanner_destroy(struct ids_scanner *);

/* Pattern number 'pattern' was matched, ending at byte 'end' counted from
 * where the stream's state began. */
typedef void ids_match_cb(void *aux, uint32_t pattern, uint64_t end);

/* Scans the next 'len' bytes of a stream.  Opens or expands its state. */
void ids_sig_scan(struct ids_scanner *, struct ids_sig_stream *,
                  enum ids_dir dir, const void *data, size_t len,
                  ids_match_cb *, void *aux);

/* Scans one datagram. */
void ids_sig_scan_datagram(struct ids_scanner *, const void *data, size_t len,
                           ids_match_cb *, void *aux);

/* Ends a stream; 'cb' gets the matches that its end makes ("$").  With a null
 * 'cb' nothing is matched. */
void ids_sig_end(struct ids_scanner *, struct ids_sig_stream *,
                 enum ids_dir dir, ids_match_cb *, void *aux);

/* True if the stream's state is open. */
static inline bool
ids_sig_is_open(const struct ids_sig_stream *stream)
{
    return stream->state && !stream->size;
}

/* Compresses the stream's state in memory. */
void ids_sig_pack(struct ids_scanner *, struct ids_sig_stream *);

/* Appends the stream's state to 'w'. */
void ids_sig_export(struct ids_scanner *, const struct ids_sig_stream *,
                    const struct mbox_key *canonical, enum ids_dir dir,
                    struct mbox_writer *w);

/* Reads what ids_sig_export() wrote into '*stream', which must be zeroed.
 * Returns 0 or -EPROTO. */
int ids_sig_import(struct ids_scanner *, struct ids_sig_stream *,
                   const struct mbox_key *canonical, enum ids_dir dir,
                   struct mbox_reader *r);

/* Marks: what was matched in a flow, so that each rule makes one alert for
 * each direction, and rules with several patterns know what they have seen. */
#define IDS_MARK_CLIENT (1u << 31)      /* In direction IDS_TO_CLIENT. */
#define IDS_MARK_PATTERN (1u << 30)     /* A pattern, otherwise a rule. */
#define IDS_MARK_INDEX ((1u << 30) - 1)
#define IDS_MAX_MARKS UINT16_MAX

bool ids_flow_has_mark(const struct ids_flow *, uint32_t mark);

/* Returns false if the flow has the mark already, or has too many. */
bool ids_flow_add_mark(struct ids_flow *, uint32_t mark);

#endif /* ids-sig.h */
