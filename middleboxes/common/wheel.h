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

#ifndef WHEEL_H
#define WHEEL_H 1

/* Timers of flows: a wheel of lists
 * =================================
 *
 * A timer is in the slot in which it must be looked at next, which is never
 * later than when it must be; so a packet does not touch the wheel unless it
 * brings that time forward.  Times are in ns.  A wheel belongs to one
 * thread. */

#include <stdbool.h>
#include <stdint.h>

struct wheel_timer {
    struct wheel_timer *prev, *next;
    uint64_t wake;              /* When it is to be looked at. */
};

#define WHEEL_SLOTS 512         /* Times 2**27 ns: 68 s ahead. */
#define WHEEL_SHIFT 27

struct wheel {
    uint64_t slot;              /* Next slot to look at: time >> SHIFT. */
    struct wheel_timer slots[WHEEL_SLOTS];
};

void wheel_init(struct wheel *, uint64_t now);

/* Makes 'timer' one that is in no wheel. */
void wheel_timer_init(struct wheel_timer *);

/* Makes sure that 'timer' is looked at when 'wake' has come (at the next
 * wheel_advance() after the end of the slot that it is in).  A later time than
 * before is ignored, except for a timer that is in no wheel, or is being
 * looked at. */
void wheel_wake(struct wheel *, struct wheel_timer *, uint64_t wake);

/* Takes 'timer' out of its wheel, if it is in one. */
void wheel_remove(struct wheel_timer *);

/* Calls 'look' for the timers due by 'now', which are out of the wheel during
 * the call: it must call wheel_wake(), or free what the timer is in. */
void wheel_advance(struct wheel *, uint64_t now,
                   void (*look)(void *aux, struct wheel_timer *), void *aux);

/* True if at 'now' the slot that 'time' is in is over.  What is due is what
 * has a time whose slot is over, so that what happens to it does not depend on
 * when else it was looked at. */
static inline bool
wheel_is_over(uint64_t time, uint64_t now)
{
    return time >> WHEEL_SHIFT < now >> WHEEL_SHIFT;
}

#endif /* wheel.h */
