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

#include <config.h>
#include "mbox-totals.h"

#include "mbox-usage.h"
#include "util.h"

const uint64_t mbox_histogram_bounds_us[MBOX_HISTOGRAM_BOUNDS] = {
    100, 300, 1000, 3000, 10000, 30000, 100000, 300000, 1000000, 3000000,
    10000000,
};

void
mbox_totals_init(struct mbox_totals *totals)
{
    shash_init(&totals->classes);
}

void
mbox_totals_destroy(struct mbox_totals *totals)
{
    shash_destroy_free_data(&totals->classes);
}

static void
histogram_add(struct mbox_histogram *histogram, uint64_t us)
{
    for (size_t i = 0; i < MBOX_HISTOGRAM_BOUNDS; i++) {
        histogram->n_up_to[i] += us <= mbox_histogram_bounds_us[i];
    }
    histogram->n++;
    histogram->sum_us += us;
}

void
mbox_totals_add(struct mbox_totals *totals,
                const struct mbox_transfer_request *request,
                const struct mbox_transfer_report *report)
{
    struct mbox_class_totals *class = shash_find_data(&totals->classes,
                                                      request->class_name);
    if (!class) {
        class = xzalloc(sizeof *class);
        shash_add(&totals->classes, request->class_name, class);
    }

    struct mbox_method_totals *method = &class->methods[request->method];
    method->n_ended[report->result]++;
    mbox_usage_add(&method->flows_moved, report->flows_moved);
    mbox_usage_add(&method->state_bytes, report->state_bytes);
    method->packets_held += report->packets_held;
    method->packets_returned += report->packets_returned;
    method->packets_discarded += report->packets_discarded;
    method->packets_lost += report->packets_lost;

    /* How long a replica was kept says nothing of transfers. */
    if (request->method != MBOX_METHOD_COPY
        && (!request->every_ms
            || report->replica.failover != MBOX_FAILOVER_NONE)) {
        histogram_add(&class->duration, report->transfer_us);
        histogram_add(&class->longest_hold, report->hold_ms_max * 1000);
    }
}

const struct mbox_class_totals *
mbox_totals_get(const struct mbox_totals *totals, const char *class_name)
{
    static const struct mbox_class_totals none;
    const struct mbox_class_totals *class = shash_find_data(&totals->classes,
                                                            class_name);

    return class ? class : &none;
}
