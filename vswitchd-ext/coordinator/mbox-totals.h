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

#ifndef MBOX_TOTALS_H
#define MBOX_TOTALS_H 1

/* Sums over all transfers that have ended, also those that the history has
 * forgotten.  Coordinator thread only. */

#include <stdint.h>

#include "openvswitch/shash.h"

#include "mbox-transfer.h"

/* How many times were at most so long.  The bounds are
 * mbox_histogram_bounds_us[]; what is longer than the last counts in 'sum_us'
 * and 'n' only. */
#define MBOX_HISTOGRAM_BOUNDS 11
extern const uint64_t mbox_histogram_bounds_us[MBOX_HISTOGRAM_BOUNDS];

struct mbox_histogram {
    uint64_t n_up_to[MBOX_HISTOGRAM_BOUNDS];
    uint64_t n;
    uint64_t sum_us;
};

/* Of one class and method. */
struct mbox_method_totals {
    uint64_t n_ended[MBOX_TRANSFER_SPLIT + 1];  /* By result. */
    uint64_t flows_moved, state_bytes;
    uint64_t packets_held, packets_returned, packets_discarded, packets_lost;
};

struct mbox_class_totals {
    struct mbox_method_totals methods[MBOX_METHOD_COPY + 1]; /* By method. */

    /* Of moves, but not of copies, which hold nobody's packets. */
    struct mbox_histogram duration;
    struct mbox_histogram longest_hold; /* Of any packet of the move. */
};

struct mbox_totals {
    struct shash classes;       /* Data is "struct mbox_class_totals". */
};

void mbox_totals_init(struct mbox_totals *);
void mbox_totals_destroy(struct mbox_totals *);

/* Adds a transfer that has ended. */
void mbox_totals_add(struct mbox_totals *,
                     const struct mbox_transfer_request *,
                     const struct mbox_transfer_report *);

/* Those of a class; all zeros if it never had a transfer. */
const struct mbox_class_totals *mbox_totals_get(const struct mbox_totals *,
                                                const char *class_name);

#endif /* mbox-totals.h */
