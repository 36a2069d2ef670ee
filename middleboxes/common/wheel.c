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
#include "wheel.h"

static void
push_back(struct wheel_timer *list, struct wheel_timer *timer)
{
    timer->prev = list->prev;
    timer->next = list;
    list->prev->next = timer;
    list->prev = timer;
}

static bool
is_alone(const struct wheel_timer *timer)
{
    return timer->next == timer;
}

void
wheel_timer_init(struct wheel_timer *timer)
{
    timer->prev = timer->next = timer;
}

void
wheel_init(struct wheel *wheel, uint64_t now)
{
    wheel->slot = now >> WHEEL_SHIFT;
    for (int i = 0; i < WHEEL_SLOTS; i++) {
        wheel_timer_init(&wheel->slots[i]);
    }
}

void
wheel_remove(struct wheel_timer *timer)
{
    timer->prev->next = timer->next;
    timer->next->prev = timer->prev;
    wheel_timer_init(timer);
}

void
wheel_wake(struct wheel *wheel, struct wheel_timer *timer, uint64_t wake)
{
    uint64_t slot = wake >> WHEEL_SHIFT;

    if (!is_alone(timer)) {
        if (wake >= timer->wake) {
            return;
        }
        wheel_remove(timer);
    }
    if (slot < wheel->slot) {
        slot = wheel->slot;
    } else if (slot > wheel->slot + WHEEL_SLOTS - 1) {
        slot = wheel->slot + WHEEL_SLOTS - 1;
    }
    timer->wake = wake;
    push_back(&wheel->slots[slot % WHEEL_SLOTS], timer);
}

void
wheel_advance(struct wheel *wheel, uint64_t now,
              void (*look)(void *aux, struct wheel_timer *), void *aux)
{
    uint64_t end = now >> WHEEL_SHIFT;

    /* After a pause of the whole wheel's span each slot is looked at once. */
    if (end > wheel->slot + WHEEL_SLOTS) {
        wheel->slot = end - WHEEL_SLOTS;
    }

    /* The slot that 'now' is in is left for later: it is not over. */
    while (wheel->slot < end) {
        struct wheel_timer *list = &wheel->slots[wheel->slot % WHEEL_SLOTS];
        struct wheel_timer due;

        if (is_alone(list)) {
            wheel->slot++;
            continue;
        }
        due = *list;
        due.prev->next = due.next->prev = &due;
        wheel_timer_init(list);
        wheel->slot++;

        while (!is_alone(&due)) {
            struct wheel_timer *timer = due.next;

            wheel_remove(timer);
            look(aux, timer);
        }
    }
}
