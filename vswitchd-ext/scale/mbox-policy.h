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

#ifndef MBOX_POLICY_H
#define MBOX_POLICY_H 1

/* When to scale by itself: the decision
 * =====================================
 *
 * A class may have a policy: low and high water marks on what one instance has
 * to do.  At the end of each interval mbox_policy_judge() gets the figures of
 * the class's instances, and says whether to scale out or in, and which
 * instances have part in it.  It is pure logic, without clock or switch; what
 * it decides is carried out as mbox/scale-out and mbox/scale-in would be.
 *
 * Out: some instance is above a high mark, or there are fewer than 'min'.  The
 * one with the most to do gives half of its part of the flow space.
 *
 * In: two instances would, put together, not be above any low mark.  The
 * one with the least to do gives all its flows to the next and goes.
 *
 * Hysteresis
 * ==========
 *
 * Those that were put together are at or below the low mark, thus not above
 * the high one; and the halves of one that was above the high mark are,
 * together, still above it, thus above the low one.  (A third with little to
 * do can be put together with one of them.)  Besides, either must be so for a
 * number of intervals on end, not necessarily of the same instance; and there
 * is a pause after each operation, the policy's or not, which doubles with
 * each of the policy's on end that fails. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "mbox-msg.h"

/* What is measured, of each instance. */
enum mbox_policy_measure {
    MBOX_POLICY_PACKETS,        /* That the switch sends there, each second. */
    MBOX_POLICY_FLOWS,          /* That it has, as its agent says. */
    MBOX_POLICY_CPU,            /* Percent of one processor that its process
                                 * takes, as its agent says. */
};
#define MBOX_POLICY_N_MEASURES 3

struct mbox_policy_config {
    struct mbox_policy_marks {
        bool given;
        uint64_t low, high;     /* low <= high */
    } marks[MBOX_POLICY_N_MEASURES];
    unsigned int min, max;      /* Of instances, 1 <= min <= max. */
    unsigned int intervals;     /* On end; at least 1. */
    long long interval_ms, pause_ms;
    char *space;                /* OpenFlow match of what is divided. */
};

/* Parses words separated by spaces: "packets=LOW:HIGH", "flows=LOW:HIGH",
 * "cpu=LOW:HIGH" (at least one of these), "space=MATCH", "max=N" (both
 * needed), "min=N", "interval=SECONDS", "intervals=N", "pause=SECONDS"; none
 * twice.  The match is not looked at.  Returns NULL, or a message that the
 * caller frees; then there is nothing to destroy. */
char *mbox_policy_parse(const char *, struct mbox_policy_config *);
void mbox_policy_config_destroy(struct mbox_policy_config *);

/* "packets/s", "flows", "% CPU". */
const char *mbox_policy_measure_to_string(enum mbox_policy_measure);

/* The flow space is divided into so many shares, by the lowest bits of the
 * source address. */
#define MBOX_POLICY_SHARES 128

/* An instance that can take part in transfers. */
struct mbox_policy_instance {
    const char *name;
    bool stays;                 /* It must not be removed. */
    struct {
        bool known;
        uint64_t value;
    } figures[MBOX_POLICY_N_MEASURES];
    bool shares[MBOX_POLICY_SHARES];    /* That it has now. */
};

struct mbox_policy_input {
    const struct mbox_policy_instance *instances;
    size_t n;
    size_t n_all;               /* With those that are not live: >= n. */
    bool busy;                  /* A transfer or an operation of the class is
                                 * open. */
};

enum mbox_policy_action {
    MBOX_POLICY_NOTHING,
    MBOX_POLICY_OUT,
    MBOX_POLICY_IN,
    MBOX_POLICY_BLOCKED,        /* It would be OUT, but for 'why', and need
                                 * not be IN. */
};

/* Enough for two names and what is said of them. */
#define MBOX_POLICY_WHY (2 * MBOX_NAME_MAX + 256)

struct mbox_policy_decision {
    enum mbox_policy_action action;
    const char *instance;       /* OUT: gives flows.  IN: goes.  As in the
                                 * input. */
    const char *peer;           /* IN: gets the flows. */
    unsigned int share, share_of; /* OUT: the 'share'th of so many parts. */
    char why[MBOX_POLICY_WHY];
};

struct mbox_policy {
    unsigned int n_high, n_low; /* Intervals on end. */
    unsigned int n_failed;      /* The policy's operations, on end. */
    long long pause_until;      /* ms. */
};

void mbox_policy_init(struct mbox_policy *);

/* To be called at the end of each interval.  If the decision is OUT or IN, the
 * pause begins; the operation should begin at once.  'now_ms' never goes
 * back. */
void mbox_policy_judge(struct mbox_policy *, const struct mbox_policy_config *,
                       const struct mbox_policy_input *, long long now_ms,
                       struct mbox_policy_decision *);

/* To be called when an operation that was decided on has ended, or could not
 * be started.  The pause begins anew. */
void mbox_policy_ended(struct mbox_policy *, const struct mbox_policy_config *,
                       bool success, long long now_ms);

/* Chooses, of the 'shares' that an instance has, about half to give away, such
 * that they are the '*share'th of '*share_of' equal parts, by the lowest bits
 * of the address.  Returns false if there are none: it has one share at most,
 * or several that no such part with a remainder is made of. */
bool mbox_policy_choose_share(const bool shares[MBOX_POLICY_SHARES],
                              unsigned int *share, unsigned int *share_of);

#endif /* mbox-policy.h */
