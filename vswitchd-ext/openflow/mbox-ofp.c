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
#include "mbox-ofp.h"

#include <ctype.h>
#include <string.h>

#include "colors.h"
#include "flow.h"
#include "mbox-msg.h"
#include "mbox-tag.h"
#include "openflow/openflow.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/ofp-parse.h"
#include "openvswitch/ofp-port.h"
#include "openvswitch/ofpbuf.h"
#include "util.h"

/* Wire form, after the header that all extension actions share.
 *
 *     steer    up to 'id', which is zero; then the class name, padded with as
 *              few zero bytes as make the action a multiple of 8 bytes
 *     dup      up to 'id'; 'arg' is an MBOX_DUP_*
 *     tag      the whole; 'arg' is an MBOX_TAG_*, 'port' is zero
 *     untag    up to 'id', which is zero
 *     tracer   the whole
 *
 * 'arg' is zero where it is not said otherwise. */
struct mbox_ofp_action {
    ovs_be16 type;              /* OFPAT_VENDOR. */
    ovs_be16 len;
    ovs_be32 vendor;            /* MBOX_VENDOR_ID. */
    ovs_be16 subtype;           /* MBOX_OFP_*. */
    uint8_t arg;
    uint8_t zero;
    ovs_be32 id;

    ovs_be32 seq;
    ovs_be32 port;              /* OpenFlow 1.1+ number, in every version. */
};
BUILD_ASSERT_DECL(sizeof(struct mbox_ofp_action) == 24);

#define MBOX_OFP_SHORT_LEN offsetof(struct mbox_ofp_action, seq)
BUILD_ASSERT_DECL(MBOX_OFP_SHORT_LEN == 16);

static const char *const subtype_names[] = {
    [MBOX_OFP_STEER] = "mbox_steer",
    [MBOX_OFP_DUP] = "mbox_dup",
    [MBOX_OFP_TAG] = "mbox_tag",
    [MBOX_OFP_UNTAG] = "mbox_untag",
    [MBOX_OFP_TRACER] = "mbox_tracer",
};

/* Returns the subtype of the action called 'name', 0 if there is none. */
static uint16_t
subtype_from_name(const char *name)
{
    for (uint16_t i = MBOX_OFP_STEER; i <= MBOX_OFP_TRACER; i++) {
        if (!strcasecmp(name, subtype_names[i])) {
            return i;
        }
    }
    return 0;
}

static bool
tag_kind_is_valid(uint8_t kind)
{
    return kind && kind <= MBOX_TAG_N_KINDS;
}

static bool
dup_target_is_valid(uint8_t target)
{
    return target == MBOX_DUP_COORDINATOR || target == MBOX_DUP_CONTROLLER;
}

/* A tracer goes to one port of the switch, never to a virtual one. */
static bool
tracer_port_is_valid(ofp_port_t port, ofp_port_t max_ports)
{
    return (port == OFPP_LOCAL
            || (ofp_to_u16(port) && ofp_to_u16(port) < ofp_to_u16(max_ports)));
}

void
mbox_ofpact_encode(const struct ofpact_mbox *mbox, struct ofpbuf *out)
{
    size_t ofs = out->size - MBOX_OFP_SHORT_LEN;

    if (mbox->subtype == MBOX_OFP_STEER) {
        size_t len = strlen(mbox->class_name);

        ofpbuf_put(out, mbox->class_name, len);
        ofpbuf_put_zeros(out, PAD_SIZE(len, 8));
    } else if (mbox->subtype == MBOX_OFP_TAG
               || mbox->subtype == MBOX_OFP_TRACER) {
        ofpbuf_put_zeros(out, (sizeof(struct mbox_ofp_action)
                               - MBOX_OFP_SHORT_LEN));
    }

    struct mbox_ofp_action *action = ofpbuf_at_assert(out, ofs,
                                                      MBOX_OFP_SHORT_LEN);

    action->subtype = htons(mbox->subtype);
    action->arg = mbox->arg;
    action->id = htonl(mbox->id);
    if (mbox->subtype == MBOX_OFP_TAG || mbox->subtype == MBOX_OFP_TRACER) {
        action->seq = htonl(mbox->seq);
    }
    if (mbox->subtype == MBOX_OFP_TRACER) {
        action->port = ofputil_port_to_ofp11(mbox->port);
    }
}

static enum ofperr
decode_steer(const struct mbox_ofp_action *action, size_t len,
             struct ofpact_mbox *mbox)
{
    const char *name = (const char *) action + MBOX_OFP_SHORT_LEN;
    size_t size = len - MBOX_OFP_SHORT_LEN;

    if (!size || size >= sizeof mbox->class_name + 8) {
        return OFPERR_OFPBAC_BAD_LEN;
    }
    if (action->arg || action->id) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }

    size_t name_len = strnlen(name, size);

    if (name_len + PAD_SIZE(name_len, 8) != size
        || !is_all_zeros(name + name_len, size - name_len)
        || name_len > MBOX_NAME_MAX) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }
    memcpy(mbox->class_name, name, name_len);
    return (mbox_name_is_valid(mbox->class_name)
            ? 0 : OFPERR_OFPBAC_BAD_ARGUMENT);
}

enum ofperr
mbox_ofpact_decode(const void *action_, size_t len, struct ofpact_mbox *mbox)
{
    const struct mbox_ofp_action *action = action_;

    if (action->zero) {
        return OFPERR_OFPBAC_BAD_ARGUMENT;
    }

    mbox->subtype = ntohs(action->subtype);
    if (mbox->subtype == MBOX_OFP_STEER) {
        return decode_steer(action, len, mbox);
    }

    bool is_long = (mbox->subtype == MBOX_OFP_TAG
                    || mbox->subtype == MBOX_OFP_TRACER);

    if (len != (is_long ? sizeof *action : MBOX_OFP_SHORT_LEN)) {
        return OFPERR_OFPBAC_BAD_LEN;
    }
    mbox->arg = action->arg;
    mbox->id = ntohl(action->id);
    mbox->seq = is_long ? ntohl(action->seq) : 0;

    bool valid;

    switch ((enum mbox_ofp_subtype) mbox->subtype) {
    case MBOX_OFP_DUP:
        valid = dup_target_is_valid(mbox->arg);
        break;

    case MBOX_OFP_TAG:
        valid = tag_kind_is_valid(mbox->arg) && !action->port;
        break;

    case MBOX_OFP_UNTAG:
        valid = !mbox->arg && !mbox->id;
        break;

    case MBOX_OFP_TRACER:
        if (ofputil_port_from_ofp11(action->port, &mbox->port)
            || !tracer_port_is_valid(mbox->port, OFPP_MAX)) {
            return OFPERR_OFPBAC_BAD_OUT_PORT;
        }
        valid = !mbox->arg;
        break;

    case MBOX_OFP_STEER:
    default:
        return OFPERR_OFPBAC_BAD_VENDOR_TYPE;
    }
    return valid ? 0 : OFPERR_OFPBAC_BAD_ARGUMENT;
}

bool
mbox_ofpact_is_name(const char *name)
{
    return subtype_from_name(name) != 0;
}

/* Unlike str_to_u32() refuses what does not fit. */
static bool
parse_u32(const char *s, uint32_t *value)
{
    unsigned long long int ull;

    if (!isdigit((unsigned char) *s) || !str_to_ullong(s, 0, &ull)
        || ull > UINT32_MAX) {
        return false;
    }
    *value = ull;
    return true;
}

/* What parse_args() found, a bit each. */
enum {
    ARG_WORD = 1 << 0,          /* The word before the "key=value" pairs. */
    ARG_ID = 1 << 1,
    ARG_SEQ = 1 << 2,
    ARG_PORT = 1 << 3,
};

/* Parses 'arg': one word if 'allowed' has ARG_WORD, which is stored in
 * '*wordp', then "id=N", "seq=S" and "port=P" as 'allowed' and in any order,
 * at most once each, into 'mbox'.  Those in 'required' must be there.  Returns
 * NULL or a malloc()'d error message. */
static char * OVS_WARN_UNUSED_RESULT
parse_args(const char *action, char *arg, unsigned int required,
           unsigned int allowed, const struct ofputil_port_map *port_map,
           struct ofpact_mbox *mbox, const char **wordp)
{
    static const char *const names[] = {
        "first argument", "id", "seq", "port"
    };
    unsigned int found = 0;
    char *key, *value;

    while (ofputil_parse_key_value(&arg, &key, &value)) {
        unsigned int bit = (allowed & ~found & ARG_WORD && !*value ? ARG_WORD
                            : !strcmp(key, "id") ? ARG_ID
                            : !strcmp(key, "seq") ? ARG_SEQ
                            : !strcmp(key, "port") ? ARG_PORT
                            : 0);

        if (!(bit & allowed)) {
            return xasprintf("%s: unknown argument \"%s\"", action, key);
        } else if (bit & found) {
            return xasprintf("%s: \"%s\" given twice", action, key);
        }
        found |= bit;

        if (bit == ARG_WORD) {
            *wordp = key;
        } else if (bit == ARG_PORT) {
            if (!ofputil_port_from_string(value, port_map, &mbox->port)
                || !tracer_port_is_valid(mbox->port, OFPP_MAX)) {
                return xasprintf("%s: \"%s\" is not a port of the switch",
                                 action, value);
            }
        } else {
            uint32_t *number = bit == ARG_ID ? &mbox->id : &mbox->seq;

            if (!parse_u32(value, number)) {
                return xasprintf("%s: %s: \"%s\" is not a 32-bit number",
                                 action, key, value);
            }
        }
    }

    for (int i = 0; i < ARRAY_SIZE(names); i++) {
        if (required & ~found & (1u << i)) {
            return xasprintf("%s: %s missing", action, names[i]);
        }
    }
    return NULL;
}

static char * OVS_WARN_UNUSED_RESULT
parse_steer(const char *action, const char *arg, struct ofpact_mbox *mbox)
{
    if (!mbox_name_is_valid(arg)) {
        return xasprintf("%s: \"%s\" is not a class name (1 to %d letters, "
                         "digits, \"_\", \".\" and \"-\")",
                         action, arg, MBOX_NAME_MAX);
    }
    ovs_strzcpy(mbox->class_name, arg, sizeof mbox->class_name);
    return NULL;
}

static char * OVS_WARN_UNUSED_RESULT
parse_dup(const char *action, char *arg, struct ofpact_mbox *mbox)
{
    const char *target;
    char *error = parse_args(action, arg, ARG_WORD, ARG_WORD | ARG_ID, NULL,
                             mbox, &target);
    if (error) {
        return error;
    }

    if (!strcmp(target, "coordinator")) {
        mbox->arg = MBOX_DUP_COORDINATOR;
    } else if (!strcmp(target, "controller")) {
        mbox->arg = MBOX_DUP_CONTROLLER;
    } else {
        return xasprintf("%s: \"%s\" is neither \"coordinator\" nor "
                         "\"controller\"", action, target);
    }
    return NULL;
}

static char * OVS_WARN_UNUSED_RESULT
parse_tag(const char *action, char *arg, struct ofpact_mbox *mbox)
{
    const char *kind_name;
    char *error = parse_args(action, arg, ARG_WORD,
                             ARG_WORD | ARG_ID | ARG_SEQ, NULL, mbox,
                             &kind_name);
    if (error) {
        return error;
    }

    enum mbox_tag_kind kind;

    if (!mbox_tag_kind_from_string(kind_name, &kind)) {
        return xasprintf("%s: unknown kind of tag \"%s\"", action, kind_name);
    }
    mbox->arg = kind;
    return NULL;
}

char *
mbox_ofpact_parse(const char *name, char *arg,
                  const struct ofpact_parse_params *pp)
{
    struct ofpact_mbox *mbox = ofpact_put_MBOX(pp->ofpacts);

    mbox->subtype = subtype_from_name(name);
    name = subtype_names[mbox->subtype];
    switch ((enum mbox_ofp_subtype) mbox->subtype) {
    case MBOX_OFP_STEER:
        return parse_steer(name, arg, mbox);

    case MBOX_OFP_DUP:
        return parse_dup(name, arg, mbox);

    case MBOX_OFP_TAG:
        return parse_tag(name, arg, mbox);

    case MBOX_OFP_UNTAG:
        return (*arg ? xasprintf("%s: takes no arguments, but \"%s\" given",
                                 name, arg)
                : NULL);

    case MBOX_OFP_TRACER:
        return parse_args(name, arg, ARG_PORT | ARG_ID,
                          ARG_PORT | ARG_ID | ARG_SEQ, pp->port_map, mbox,
                          NULL);

    default:
        OVS_NOT_REACHED();
    }
}

static void
format_number(struct ds *s, const char *name, uint32_t value)
{
    ds_put_format(s, "%s%s=%s%"PRIu32,
                  colors.param, name, colors.end, value);
}

/* Like format_number(), but leaves out the default value. */
static void
format_optional(struct ds *s, const char *name, uint32_t value)
{
    if (value) {
        ds_put_char(s, ',');
        format_number(s, name, value);
    }
}

void
mbox_ofpact_format(const struct ofpact_mbox *mbox,
                   const struct ofpact_format_params *fp)
{
    struct ds *s = fp->s;

    if (mbox->subtype == MBOX_OFP_UNTAG) {
        ds_put_format(s, "%smbox_untag%s", colors.value, colors.end);
        return;
    }

    ds_put_format(s, "%s%s(%s", colors.paren, mbox_ofpact_name(mbox),
                  colors.end);
    switch ((enum mbox_ofp_subtype) mbox->subtype) {
    case MBOX_OFP_STEER:
        ds_put_cstr(s, mbox->class_name);
        break;

    case MBOX_OFP_DUP:
        ds_put_cstr(s, (mbox->arg == MBOX_DUP_CONTROLLER
                        ? "controller" : "coordinator"));
        format_optional(s, "id", mbox->id);
        break;

    case MBOX_OFP_TAG:
        ds_put_cstr(s, mbox_tag_kind_to_string(mbox->arg));
        format_optional(s, "id", mbox->id);
        format_optional(s, "seq", mbox->seq);
        break;

    case MBOX_OFP_TRACER:
        ds_put_format(s, "%sport=%s", colors.param, colors.end);
        ofputil_format_port(mbox->port, fp->port_map, s);
        ds_put_char(s, ',');
        format_number(s, "id", mbox->id);
        format_optional(s, "seq", mbox->seq);
        break;

    case MBOX_OFP_UNTAG:
    default:
        OVS_NOT_REACHED();
    }
    ds_put_format(s, "%s)%s", colors.paren, colors.end);
}

enum ofperr
mbox_ofpact_check(const struct ofpact_mbox *mbox,
                  const struct ofpact_check_params *cp)
{
    return (mbox->subtype == MBOX_OFP_TRACER
            && !tracer_port_is_valid(mbox->port, cp->max_ports)
            ? OFPERR_OFPBAC_BAD_OUT_PORT : 0);
}

bool
mbox_ofpact_changes_packet(const struct ofpact_mbox *mbox)
{
    return (mbox->subtype == MBOX_OFP_TAG
            || mbox->subtype == MBOX_OFP_UNTAG);
}

const struct ofpact_mbox *
mbox_ofpacts_find_datapath(const struct ofpact ofpacts[], size_t ofpacts_len)
{
    const struct ofpact *a;

    OFPACT_FOR_EACH_FLATTENED (a, ofpacts, ofpacts_len) {
        if (a->type == OFPACT_MBOX) {
            const struct ofpact_mbox *mbox = ofpact_get_MBOX(a);

            if (mbox->subtype != MBOX_OFP_DUP
                || mbox->arg != MBOX_DUP_CONTROLLER) {
                return mbox;
            }
        }
    }
    return NULL;
}

const char *
mbox_ofpact_name(const struct ofpact_mbox *mbox)
{
    return subtype_names[mbox->subtype];
}
