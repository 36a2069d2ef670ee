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

#ifndef LB_HEALTH_H
#define LB_HEALTH_H 1

/* Whether a backend is alive
 * ==========================
 *
 * Counts the results of checks.  A backend whose state is unknown, as at the
 * start, is up or down by the first result; then 'rise' good ones in a row
 * bring it up, 'fall' bad ones down.  A check that has no answer when the next
 * is due was a bad one.
 *
 * Pure logic: who calls sends the probes and tells of the answers. */

#include <stdbool.h>
#include <stdint.h>

enum lb_health_state { LB_UNKNOWN, LB_UP, LB_DOWN };

const char *lb_health_to_string(enum lb_health_state);

struct lb_health {
    enum lb_health_state state;
    uint32_t n_same;            /* Results in a row that contradict 'state'. */
    bool waiting;               /* For an answer. */
    uint64_t next;              /* When the next check is due, ns. */
};

/* Notes the result of the check that is under way, if there is one.  Returns
 * true if the state changed. */
bool lb_health_result(struct lb_health *, bool good, uint32_t rise,
                      uint32_t fall);

/* To be called often.  Returns true if a check is to begin now, 'interval' ns
 * before the next; '*changed' is true if the state changed because the last
 * one had no answer. */
bool lb_health_is_due(struct lb_health *, uint64_t now, uint64_t interval,
                      uint32_t rise, uint32_t fall, bool *changed);

/* Puts the next check off by 'pause' ns, in which this program did not run, so
 * that it is not held against a backend. */
void lb_health_excuse(struct lb_health *, uint64_t pause);

#endif /* lb-health.h */
