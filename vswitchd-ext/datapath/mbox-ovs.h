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

#ifndef MBOX_OVS_H
#define MBOX_OVS_H 1

/* Differences between the releases of Open vSwitch that this code is compiled
 * in.  The patch 0001 of a release's series says which it is; that for 3.1
 * says nothing. */

#include "classifier.h"

#ifndef MBOX_OVS_VERSION
#define MBOX_OVS_VERSION 301    /* 3.1 */
#endif

/* classifier_lookup() for a classifier without conjunctive matches, so that
 * 'flow' is only read. */
static inline const struct cls_rule *
mbox_ovs_classifier_lookup(const struct classifier *cls, ovs_version_t version,
                           const struct flow *flow, struct flow_wildcards *wc)
{
    struct flow *f = CONST_CAST(struct flow *, flow);

#if MBOX_OVS_VERSION >= 305
    return classifier_lookup(cls, version, f, wc, NULL);
#else
    return classifier_lookup(cls, version, f, wc);
#endif
}

#endif /* mbox-ovs.h */
