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

#ifndef MBOX_RECORD_H
#define MBOX_RECORD_H 1

/* What the database knows of transfers
 * ====================================
 *
 * A transfer is recorded before anything happens that an agent cannot take
 * back by itself (S freezes), with who takes part and what flow space it is
 * about.  The record goes when the transfer is rolled back, and is replaced by
 * how it ended when it moved or split.  So an agent that asks about a transfer
 * is believed only what the coordinator itself had written down: nobody else
 * has a part in it, and of what has no record nothing has moved.
 *
 * In the Open_vSwitch table, open transfers are external_ids:mbox-open, which
 * is short, and ended ones external_ids:mbox-commits, of which the last
 * MBOX_N_RECORDS are kept, and older ones as long as an agent may ask.
 *
 * Coordinator thread only. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/list.h"

#include "mbox-msg.h"

/* Ended transfers, and open ones, that are remembered.  A run has no more than
 * that open at a time. */
#define MBOX_N_RECORDS 128

/* Most ended ones, with those that an agent may still ask about. */
#define MBOX_N_RECORDS_MAX 1024

enum mbox_record_state {
    MBOX_RECORD_OPEN,
    MBOX_RECORD_MOVED,
    MBOX_RECORD_SPLIT,          /* The flows that are assigned one by one to D
                                 * are D's. */
    MBOX_RECORD_SPLIT_REST,     /* All are D's but those that are assigned one
                                 * by one to S. */
};

struct mbox_record {
    struct ovs_list node;       /* In struct mbox_records. */
    uint64_t epoch;
    uint32_t id;
    enum mbox_record_state state;
    char class_name[MBOX_NAME_MAX + 1];
    char src[MBOX_NAME_MAX + 1];
    char dst[MBOX_NAME_MAX + 1];

    /* Ended only: whether the agent knows.  Not in the database. */
    bool src_knows, dst_knows;

    /* OPEN only. */
    uint64_t src_run;           /* S's process. */
    struct mbox_space space;
};

struct mbox_records {
    struct ovs_list open, ended;        /* Oldest first. */
    size_t n_open, n_ended;
    uint64_t n_forgotten;       /* Ended ones that an agent may ask about. */
    uint64_t epoch;             /* Of this run. */
    bool changed;               /* To be written to the database. */
};

void mbox_records_init(struct mbox_records *, uint64_t epoch);
void mbox_records_destroy(struct mbox_records *);

struct mbox_record *mbox_records_find(const struct mbox_records *,
                                      uint64_t epoch, uint32_t id);

/* Adds a copy of a record as the newest of its state, in place of what there
 * is of the same transfer.  If then there are more than MBOX_N_RECORDS open
 * ones, the oldest of another run goes, and if there are more than
 * MBOX_N_RECORDS_MAX ended ones, the oldest, either of which is logged. */
void mbox_records_add(struct mbox_records *, const struct mbox_record *);

/* Removes the ended ones before the last MBOX_N_RECORDS that both agents
 * know. */
void mbox_records_remove_known(struct mbox_records *);

/* An open transfer has ended.  'record' is freed. */
void mbox_records_end(struct mbox_records *, struct mbox_record *,
                      enum mbox_record_state);
void mbox_records_remove(struct mbox_records *, struct mbox_record *);

/* The records as text, for the caller to free; and back.  They are words
 *
 *     EPOCH.ID=open/CLASS/SRC/DST/RUN/MATCH
 *     EPOCH.ID=moved/CLASS/SRC/DST
 *
 * and so on with "split" and "split-rest".  mbox_records_parse() takes both
 * kinds, from the database's 'key'.  Words that make no sense, and those about
 * a transfer that there is a record of already, are left out and logged. */
char *mbox_records_format_open(const struct mbox_records *);
char *mbox_records_format_ended(const struct mbox_records *);
void mbox_records_parse(struct mbox_records *, const char *key, const char *);

#endif /* mbox-record.h */
