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

#ifndef MBOX_OFP_H
#define MBOX_OFP_H 1

/* The OpenFlow actions
 * ====================
 *
 * One OpenFlow experimenter action, MBOX_VENDOR_ID, with these subtypes, alike
 * in every OpenFlow version.  The text forms are:
 *
 *     mbox_steer(CLASS)
 *     mbox_dup(coordinator|controller[,id=N])
 *     mbox_tag(KIND[,id=N][,seq=S])
 *     mbox_untag
 *     mbox_tracer(port=P,id=N[,seq=S])
 *
 * All functions are thread-safe. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "openvswitch/ofp-actions.h"
#include "openvswitch/ofp-errors.h"
#include "openvswitch/types.h"
#include "openvswitch/util.h"

struct ofpbuf;

enum mbox_ofp_subtype {
    MBOX_OFP_STEER = 1,
    MBOX_OFP_DUP = 2,
    MBOX_OFP_TAG = 3,
    MBOX_OFP_UNTAG = 4,
    MBOX_OFP_TRACER = 5,
};

/* Where mbox_dup() sends the duplicate. */
enum mbox_dup_target {
    MBOX_DUP_COORDINATOR = 1,
    MBOX_DUP_CONTROLLER = 2,
};

/* Userdata of the packet-in that mbox_dup(controller) makes. */
struct mbox_userdata {
    char magic[4];              /* "mbox", without terminator. */
    uint8_t version;            /* MBOX_USERDATA_VERSION. */
    uint8_t reason;             /* MBOX_USERDATA_DUP. */
    uint8_t zeros[2];
    ovs_be32 id;                /* As in the action. */
};
BUILD_ASSERT_DECL(sizeof(struct mbox_userdata) == 12);

#define MBOX_USERDATA_VERSION 1
#define MBOX_USERDATA_DUP 1     /* Sent by mbox_dup(controller). */

/* Wire form.
 *
 * mbox_ofpact_encode() completes the action of which 'out' ends with 16 bytes:
 * type, length and vendor, then zeros.  The caller sets the length afterwards.
 *
 * mbox_ofpact_decode() reads the action of 'len' bytes (a multiple of 8, at
 * least 16) at 'action' into '*mbox', which is zeros but for its header. */
void mbox_ofpact_encode(const struct ofpact_mbox *, struct ofpbuf *out);
enum ofperr mbox_ofpact_decode(const void *action, size_t len,
                               struct ofpact_mbox *mbox);

/* Text form.
 *
 * mbox_ofpact_parse() appends to 'pp->ofpacts' the action called 'name', with
 * arguments 'arg', which it modifies.  Returns NULL if it succeeds, otherwise
 * a malloc()'d error message.  'name' must be one that
 * mbox_ofpact_is_name() knows. */
bool mbox_ofpact_is_name(const char *name);
char *mbox_ofpact_parse(const char *name, char *arg,
                        const struct ofpact_parse_params *pp)
    OVS_WARN_UNUSED_RESULT;
void mbox_ofpact_format(const struct ofpact_mbox *,
                        const struct ofpact_format_params *);

/* Checks the action's port, if it has one, against the switch's ports. */
enum ofperr mbox_ofpact_check(const struct ofpact_mbox *,
                              const struct ofpact_check_params *);

/* True if later actions see another packet, which cannot be undone by setting
 * header fields. */
bool mbox_ofpact_changes_packet(const struct ofpact_mbox *);

/* Returns the first of 'ofpacts', or of those nested in them, that only a
 * datapath with OVS_ACTION_ATTR_MBOX can execute; NULL if there is none. */
const struct ofpact_mbox *
mbox_ofpacts_find_datapath(const struct ofpact ofpacts[], size_t ofpacts_len);

/* Name of an action, e.g. "mbox_steer". */
const char *mbox_ofpact_name(const struct ofpact_mbox *);

#endif /* mbox-ofp.h */
