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
#include "lb-health.h"

const char *
lb_health_to_string(enum lb_health_state state)
{
    return state == LB_UP ? "up" : state == LB_DOWN ? "down" : "unknown";
}

bool
lb_health_result(struct lb_health *health, bool good, uint32_t rise,
                 uint32_t fall)
{
    enum lb_health_state seen = good ? LB_UP : LB_DOWN;

    if (!health->waiting) {
        return false;
    }
    health->waiting = false;
    if (health->state == seen) {
        health->n_same = 0;
        return false;
    }
    health->n_same++;
    if (health->state != LB_UNKNOWN
        && health->n_same < (good ? rise : fall)) {
        return false;
    }
    health->state = seen;
    health->n_same = 0;
    return true;
}

bool
lb_health_is_due(struct lb_health *health, uint64_t now, uint64_t interval,
                 uint32_t rise, uint32_t fall, bool *changed)
{
    *changed = false;
    if (now < health->next) {
        return false;
    }
    *changed = lb_health_result(health, false, rise, fall);
    health->waiting = true;
    health->next = now + interval;
    return true;
}

void
lb_health_excuse(struct lb_health *health, uint64_t pause)
{
    health->next += pause;
}
