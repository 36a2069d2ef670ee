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

#include "mbox-space.h"

#include <errno.h>
#include <string.h>

/* How sets are compared
 * =====================
 *
 * The fields of a space are a "cube": a value and a mask of the bits that it
 * fixes.  Cubes of raw bits are easy to compare, but not every pattern of bits
 * is the key of a packet: a key of family 4 has two IPv4 addresses, only some
 * protocols have ports, and so on.  So a cube is first cut into at most six
 * "pieces", one for each family and for packets with and without a VLAN
 * header, in each of which every bit that these rules imply is fixed too.
 * Then two pieces overlap or cover each other if their bits do.
 *
 * A piece lies in the union of a cube and its reverse only if it lies in one
 * of the two: neither can be split by one bit, because what one direction
 * fixes in the source the other one fixes in the destination. */

static const uint8_t v4_prefix[12] = {
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff
};

#define VLAN_VID_MASK 0x0fff
#define MAX_PIECES 6

_Static_assert(sizeof(struct mbox_space) == 84, "no padding");

void
mbox_space_init_any(struct mbox_space *space)
{
    memset(space, 0, sizeof *space);
}

void
mbox_space_init_key(struct mbox_space *space, const struct mbox_key *key)
{
    memset(space, 0, sizeof *space);
    space->value = *key;
    memset(&space->mask, 0xff, sizeof space->mask);
}

/* A word of a key.  One by one, so that the compiler keeps them in
 * registers. */
static inline uint64_t
key_word(const struct mbox_key *key, size_t i)
{
    uint64_t word;

    memcpy(&word, (const uint8_t *) key + i * sizeof word, sizeof word);
    return word;
}

/* True if the words of a key are those of 'value' where 'mask' says.  Given
 * one by one, so that those of the reverse key need not be stored. */
static inline bool
words_match(const struct mbox_key *value, const struct mbox_key *mask,
            uint64_t src0, uint64_t src1, uint64_t dst0, uint64_t dst1,
            uint64_t rest)
{
    return !(((src0 & key_word(mask, 0)) ^ key_word(value, 0))
             | ((src1 & key_word(mask, 1)) ^ key_word(value, 1))
             | ((dst0 & key_word(mask, 2)) ^ key_word(value, 2))
             | ((dst1 & key_word(mask, 3)) ^ key_word(value, 3))
             | ((rest & key_word(mask, 4)) ^ key_word(value, 4)));
}

/* True if 'key' has the bits that 'value' and 'mask' fix. */
static inline bool
cube_contains(const struct mbox_key *value, const struct mbox_key *mask,
              const struct mbox_key *key)
{
    return words_match(value, mask, key_word(key, 0), key_word(key, 1),
                       key_word(key, 2), key_word(key, 3), key_word(key, 4));
}

bool
mbox_space_contains(const struct mbox_space *space, const struct mbox_key *key)
{
    if (cube_contains(&space->value, &space->mask, key)) {
        return true;
    }
    if (space->one_way) {
        return false;
    }

    /* The last word begins with the ports. */
    uint16_t rest[4] = { key->dst_port, key->src_port, key->vlan };
    uint64_t word;
    memcpy(&rest[3], (const uint8_t *) key
           + offsetof(struct mbox_key, family), sizeof rest[3]);
    memcpy(&word, rest, sizeof word);
    return words_match(&space->value, &space->mask, key_word(key, 2),
                       key_word(key, 3), key_word(key, 0), key_word(key, 1),
                       word);
}

bool
mbox_space_has_flow(const struct mbox_space *space,
                    const struct mbox_key *key)
{
    struct mbox_key reverse;

    mbox_key_reverse(key, &reverse);
    return (mbox_space_contains(space, key)
            || mbox_space_contains(space, &reverse));
}

static void
cube_reverse(const struct mbox_space *src, struct mbox_space *dst)
{
    mbox_key_reverse(&src->value, &dst->value);
    mbox_key_reverse(&src->mask, &dst->mask);
    dst->one_way = src->one_way;
    memset(dst->pad, 0, sizeof dst->pad);
}

/* True if the two cubes agree in every bit that both fix. */
static bool
cubes_meet(const struct mbox_space *a, const struct mbox_space *b)
{
    uint64_t diff = 0;

    for (size_t i = 0; i < 5; i++) {
        diff |= ((key_word(&a->value, i) ^ key_word(&b->value, i))
                 & key_word(&a->mask, i) & key_word(&b->mask, i));
    }
    return !diff;
}

/* True if 'outer' fixes no bit that 'inner' does not fix to the same value. */
static bool
cube_covers(const struct mbox_space *outer, const struct mbox_space *inner)
{
    return cube_contains(&outer->value, &outer->mask, &inner->value)
           && cube_contains(&outer->mask, &outer->mask, &inner->mask);
}

/* Fixes in 'cube' the bits of 'n' bytes at 'value' and 'mask', which point
 * into it, as 'fixed' says. Returns false if they are fixed to something
 * else. */
static bool
fix_bytes(uint8_t *value, uint8_t *mask, const uint8_t *fixed, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if ((value[i] ^ fixed[i]) & mask[i]) {
            return false;
        }
        value[i] = fixed[i];
        mask[i] = 0xff;
    }
    return true;
}

static bool
fix_u16(uint16_t *value, uint16_t *mask, uint16_t fixed, uint16_t fixed_mask)
{
    if ((*value ^ fixed) & *mask & fixed_mask) {
        return false;
    }
    *value |= fixed & fixed_mask;
    *mask |= fixed_mask;
    return true;
}

static bool
proto_has_ports(uint8_t proto)
{
    return (proto == IPPROTO_TCP || proto == IPPROTO_UDP
            || proto == IPPROTO_SCTP);
}

/* Restricts 'piece' to keys of 'family', with or without a VLAN header, and
 * fixes every bit that follows from it.  Returns false if no key is left. */
static bool
close_piece(struct mbox_space *piece, uint8_t family, bool tagged)
{
    static const uint8_t zeros[16];
    struct mbox_key *v = &piece->value;
    struct mbox_key *m = &piece->mask;

    if (!fix_bytes(&v->family, &m->family, &family, 1)
        || (tagged
            ? !fix_u16(&v->vlan, &m->vlan, 0, 0xffff & ~VLAN_VID_MASK)
            : !fix_u16(&v->vlan, &m->vlan, MBOX_VLAN_NONE, 0xffff))) {
        return false;
    }

    switch (family) {
    case 0:
        return (fix_bytes(v->src, m->src, zeros, sizeof v->src)
                && fix_bytes(v->dst, m->dst, zeros, sizeof v->dst)
                && fix_bytes(&v->proto, &m->proto, zeros, 1)
                && fix_u16(&v->src_port, &m->src_port, 0, 0xffff)
                && fix_u16(&v->dst_port, &m->dst_port, 0, 0xffff));

    case 4:
        if (!fix_bytes(v->src, m->src, v4_prefix, sizeof v4_prefix)
            || !fix_bytes(v->dst, m->dst, v4_prefix, sizeof v4_prefix)) {
            return false;
        }
        break;
    }

    if (!m->proto || proto_has_ports(v->proto)) {
        return true;
    } else if (v->proto == (family == 4 ? IPPROTO_ICMP : IPPROTO_ICMPV6)) {
        /* Both ports are the identifier. */
        return (fix_u16(&v->src_port, &m->src_port, v->dst_port, m->dst_port)
                && fix_u16(&v->dst_port, &m->dst_port,
                           v->src_port, m->src_port));
    } else {
        return (fix_u16(&v->src_port, &m->src_port, 0, 0xffff)
                && fix_u16(&v->dst_port, &m->dst_port, 0, 0xffff));
    }
}

/* Cuts the fields of 'space' into 'pieces', as said on top.  Returns their
 * number, 0 if no packet has these fields. */
static size_t
cut(const struct mbox_space *space, struct mbox_space pieces[MAX_PIECES])
{
    static const uint8_t families[] = { 0, 4, 6 };
    size_t n = 0;

    for (size_t i = 0; i < sizeof families; i++) {
        for (int tagged = 0; tagged < 2; tagged++) {
            pieces[n] = *space;
            if (close_piece(&pieces[n], families[i], tagged)) {
                n++;
            }
        }
    }
    return n;
}

/* Stores in '*both' the fields of 'a' and those of 'b', which must meet. */
static void
cubes_join(const struct mbox_space *a, const struct mbox_space *b,
           struct mbox_space *both)
{
    uint8_t *v = (uint8_t *) &both->value;
    uint8_t *m = (uint8_t *) &both->mask;
    const uint8_t *bv = (const uint8_t *) &b->value;
    const uint8_t *bm = (const uint8_t *) &b->mask;

    *both = *a;
    for (size_t i = 0; i < sizeof both->value; i++) {
        v[i] |= bv[i];
        m[i] |= bm[i];
    }
}

/* True if some packet has both the fields of 'a' and those of 'b'. */
static bool
cubes_overlap(const struct mbox_space *a, const struct mbox_space *b)
{
    struct mbox_space both, pieces[MAX_PIECES];

    if (!cubes_meet(a, b)) {
        return false;
    }
    cubes_join(a, b, &both);
    return cut(&both, pieces) > 0;
}

bool
mbox_space_overlaps(const struct mbox_space *a, const struct mbox_space *b)
{
    if (cubes_overlap(a, b)) {
        return true;
    }
    if (a->one_way && b->one_way) {
        return false;
    }

    struct mbox_space reverse;
    cube_reverse(b, &reverse);
    return cubes_overlap(a, &reverse);
}

size_t
mbox_space_intersect(const struct mbox_space *a, const struct mbox_space *b,
                     struct mbox_space out[2])
{
    struct mbox_space reverse;
    size_t n = 0;

    /* One direction of one of them with each direction of the other.  If both
     * mean both directions, so does what they have in common. */
    if (!a->one_way) {
        const struct mbox_space *tmp = a;

        a = b;
        b = tmp;
    }
    if (cubes_overlap(a, b)) {
        cubes_join(a, b, &out[n++]);
    }
    cube_reverse(b, &reverse);
    if (!b->one_way && cubes_overlap(a, &reverse)) {
        cubes_join(a, &reverse, &out[n++]);
    }
    if (n == 2) {
        if (mbox_space_covers(&out[0], &out[1])) {
            n = 1;
        } else if (mbox_space_covers(&out[1], &out[0])) {
            out[0] = out[1];
            n = 1;
        }
    }
    return n;
}

/* True if every packet that has the fields of 'inner' is in 'outer'. */
static bool
space_covers_cube(const struct mbox_space *outer,
                  const struct mbox_space *inner)
{
    struct mbox_space reverse, pieces[MAX_PIECES];
    size_t n = cut(inner, pieces);

    cube_reverse(outer, &reverse);
    for (size_t i = 0; i < n; i++) {
        if (!cube_covers(outer, &pieces[i])
            && (outer->one_way || !cube_covers(&reverse, &pieces[i]))) {
            return false;
        }
    }
    return true;
}

bool
mbox_space_covers(const struct mbox_space *outer,
                  const struct mbox_space *inner)
{
    if (!space_covers_cube(outer, inner)) {
        return false;
    }
    if (inner->one_way || !outer->one_way) {
        return true;
    }

    struct mbox_space reverse;
    cube_reverse(inner, &reverse);
    return space_covers_cube(outer, &reverse);
}

bool
mbox_space_equal(const struct mbox_space *a, const struct mbox_space *b)
{
    return mbox_space_covers(a, b) && mbox_space_covers(b, a);
}

bool
mbox_space_has_ports(const struct mbox_space *space)
{
    return ((space->mask.src_port || space->mask.dst_port)
            && (!space->mask.proto || proto_has_ports(space->value.proto)));
}

/* Offsets in the wire form of a key. */
#define KEY_DST 16
#define KEY_SRC_PORT 32
#define KEY_DST_PORT 34
#define KEY_VLAN 36
#define KEY_FAMILY 38
#define KEY_PROTO 39
#define KEY_LEN 40

static void
write_u16(uint8_t *p, uint16_t value)
{
    p[0] = value >> 8;
    p[1] = value & 0xff;
}

static uint16_t
read_u16(const uint8_t *p)
{
    return (uint16_t) (p[0] << 8 | p[1]);
}

void
mbox_key_encode(const struct mbox_key *key, struct mbox_writer *w)
{
    uint8_t wire[KEY_LEN];

    memcpy(wire, key->src, sizeof key->src);
    memcpy(wire + KEY_DST, key->dst, sizeof key->dst);
    write_u16(wire + KEY_SRC_PORT, key->src_port);
    write_u16(wire + KEY_DST_PORT, key->dst_port);
    write_u16(wire + KEY_VLAN, key->vlan);
    wire[KEY_FAMILY] = key->family;
    wire[KEY_PROTO] = key->proto;
    mbox_put_bytes(w, wire, sizeof wire);
}

/* Reads a key without looking at what its bytes mean. */
static void
key_decode_raw(struct mbox_key *key, struct mbox_reader *r)
{
    const uint8_t *wire = mbox_get_bytes(r, KEY_LEN);

    if (!wire) {
        memset(key, 0, sizeof *key);
        return;
    }
    memcpy(key->src, wire, sizeof key->src);
    memcpy(key->dst, wire + KEY_DST, sizeof key->dst);
    key->src_port = read_u16(wire + KEY_SRC_PORT);
    key->dst_port = read_u16(wire + KEY_DST_PORT);
    key->vlan = read_u16(wire + KEY_VLAN);
    key->family = wire[KEY_FAMILY];
    key->proto = wire[KEY_PROTO];
}

static bool
family_is_valid(uint8_t family)
{
    return family == 0 || family == 4 || family == 6;
}

/* A key may be partial (multi-flow state is kept under part of a key), so only
 * single fields are checked, not how they go together. */
int
mbox_key_decode(struct mbox_key *key, struct mbox_reader *r)
{
    key_decode_raw(key, r);
    if (r->error || !family_is_valid(key->family)
        || (key->vlan > VLAN_VID_MASK && key->vlan != MBOX_VLAN_NONE)) {
        r->error = -EPROTO;
    }
    return r->error;
}

/* Flags of the wire form. */
#define SPACE_F_ONE_WAY 0x01

void
mbox_space_encode(const struct mbox_space *space, struct mbox_writer *w)
{
    mbox_key_encode(&space->value, w);
    mbox_key_encode(&space->mask, w);
    mbox_put_u8(w, space->one_way ? SPACE_F_ONE_WAY : 0);
    mbox_put_u8(w, 0);
    mbox_put_u16(w, 0);
}

int
mbox_space_decode(struct mbox_space *space, struct mbox_reader *r)
{
    memset(space, 0, sizeof *space);
    key_decode_raw(&space->value, r);
    key_decode_raw(&space->mask, r);

    uint8_t flags = mbox_get_u8(r);
    uint8_t zero8 = mbox_get_u8(r);
    uint16_t zero16 = mbox_get_u16(r);

    space->one_way = flags & SPACE_F_ONE_WAY;
    if (r->error
        || flags & ~SPACE_F_ONE_WAY || zero8 || zero16
        || (space->mask.family && space->mask.family != 0xff)
        || (space->mask.proto && space->mask.proto != 0xff)
        || !family_is_valid(space->value.family)
        || !cube_contains(&space->value, &space->mask, &space->value)) {
        r->error = -EPROTO;
    }
    return r->error;
}
