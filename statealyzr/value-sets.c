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

#include "value-sets.h"

struct sa_values
sa_values_any(void)
{
    return (struct sa_values) { .excluded = true };
}

struct sa_values
sa_values_none(void)
{
    return (struct sa_values) { .excluded = false };
}

struct sa_values
sa_values_one(uint64_t value)
{
    return (struct sa_values) { .n = 1, .values = { value } };
}

struct sa_values
sa_values_but(uint64_t value)
{
    return (struct sa_values) { .excluded = true, .n = 1, .values = { value }};
}

static bool
lists(const struct sa_values *v, uint64_t value)
{
    for (unsigned int i = 0; i < v->n; i++) {
        if (v->values[i] == value) {
            return true;
        }
    }
    return false;
}

bool
sa_values_has(const struct sa_values *v, uint64_t value)
{
    return lists(v, value) != v->excluded;
}

bool
sa_values_equal(const struct sa_values *a, const struct sa_values *b)
{
    if (a->excluded != b->excluded || a->n != b->n) {
        return false;
    }
    for (unsigned int i = 0; i < a->n; i++) {
        if (a->values[i] != b->values[i]) {
            return false;
        }
    }
    return true;
}

bool
sa_values_within(const struct sa_values *a, const struct sa_values *b)
{
    if (a->excluded) {
        for (unsigned int i = 0; i < b->n; i++) {
            if (!lists(a, b->values[i])) {
                return false;
            }
        }
        return b->excluded;
    }
    for (unsigned int i = 0; i < a->n; i++) {
        if (!sa_values_has(b, a->values[i])) {
            return false;
        }
    }
    return true;
}

/* Adds to the constants that a set lists; false if there is no room. */
static bool
list(struct sa_values *v, uint64_t value)
{
    unsigned int i = v->n;

    if (lists(v, value)) {
        return true;
    } else if (v->n == SA_MAX_VALUES) {
        return false;
    }
    for (; i > 0 && v->values[i - 1] > value; i--) {
        v->values[i] = v->values[i - 1];
    }
    v->values[i] = value;
    v->n++;
    return true;
}

/* A set that lists those of 'v' that 'of' has (or has not). */
static struct sa_values
filter(const struct sa_values *v, const struct sa_values *of, bool has)
{
    struct sa_values result = { .excluded = v->excluded };

    for (unsigned int i = 0; i < v->n; i++) {
        if (sa_values_has(of, v->values[i]) == has) {
            list(&result, v->values[i]);
        }
    }
    return result;
}

struct sa_values
sa_values_join(const struct sa_values *a, const struct sa_values *b)
{
    if (a->excluded) {
        return filter(a, b, false);
    } else if (b->excluded) {
        return filter(b, a, false);
    }
    struct sa_values result = *a;
    for (unsigned int i = 0; i < b->n; i++) {
        if (!list(&result, b->values[i])) {
            return sa_values_any();
        }
    }
    return result;
}

struct sa_values
sa_values_meet(const struct sa_values *a, const struct sa_values *b)
{
    if (!a->excluded) {
        return filter(a, b, true);
    } else if (!b->excluded) {
        return filter(b, a, true);
    }
    struct sa_values result = *a;
    for (unsigned int i = 0; i < b->n; i++) {
        list(&result, b->values[i]);    /* As many as there is room for. */
    }
    return result;
}

static uint64_t
mask(unsigned int bits)
{
    return bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

static int64_t
as_signed(uint64_t value, unsigned int bits)
{
    return bits < 64 && value >> (bits - 1) ? (int64_t) (value | ~mask(bits))
           : (int64_t) value;
}

static bool
compute(LLVMOpcode opcode, unsigned int bits, uint64_t a, uint64_t b,
        uint64_t *result)
{
    switch ((int) opcode) {
    case LLVMAnd: *result = a & b; break;
    case LLVMOr: *result = a | b; break;
    case LLVMXor: *result = a ^ b; break;
    case LLVMShl: *result = b < bits ? a << b : 0; break;
    case LLVMLShr: *result = b < bits ? a >> b : 0; break;
    default: return false;
    }
    *result &= mask(bits);
    return b < bits || (opcode != LLVMShl && opcode != LLVMLShr);
}

struct sa_values
sa_values_binary(LLVMOpcode opcode, unsigned int bits,
                 const struct sa_values *a, const struct sa_values *b)
{
    struct sa_values result = sa_values_none();
    uint64_t value;

    if (a->excluded || b->excluded) {
        return sa_values_any();
    }
    for (unsigned int i = 0; i < a->n; i++) {
        for (unsigned int j = 0; j < b->n; j++) {
            if (!compute(opcode, bits, a->values[i], b->values[j], &value)
                || !list(&result, value)) {
                return sa_values_any();
            }
        }
    }
    return result;
}

static bool
holds(LLVMIntPredicate predicate, unsigned int bits, uint64_t a, uint64_t b)
{
    int64_t sa = as_signed(a, bits), sb = as_signed(b, bits);

    switch (predicate) {
    case LLVMIntEQ: return a == b;
    case LLVMIntNE: return a != b;
    case LLVMIntUGT: return a > b;
    case LLVMIntUGE: return a >= b;
    case LLVMIntULT: return a < b;
    case LLVMIntULE: return a <= b;
    case LLVMIntSGT: return sa > sb;
    case LLVMIntSGE: return sa >= sb;
    case LLVMIntSLT: return sa < sb;
    case LLVMIntSLE: return sa <= sb;
    }
    return false;
}

static bool
is_equality(LLVMIntPredicate predicate)
{
    return predicate == LLVMIntEQ || predicate == LLVMIntNE;
}

struct sa_values
sa_values_compare(LLVMIntPredicate predicate, unsigned int bits,
                  const struct sa_values *a, const struct sa_values *b)
{
    if (a->excluded || b->excluded) {
        struct sa_values both = sa_values_meet(a, b);
        return (is_equality(predicate) && sa_values_is_none(&both)
                ? sa_values_one(predicate == LLVMIntNE) : sa_values_any());
    }
    struct sa_values result = sa_values_none();
    for (unsigned int i = 0; i < a->n; i++) {
        for (unsigned int j = 0; j < b->n; j++) {
            list(&result, holds(predicate, bits, a->values[i], b->values[j]));
        }
    }
    return result;
}

struct sa_values
sa_values_where(LLVMIntPredicate predicate, unsigned int bits,
                const struct sa_values *a, const struct sa_values *b,
                bool truth)
{
    if (is_equality(predicate)) {
        if ((predicate == LLVMIntEQ) == truth) {
            return sa_values_meet(a, b);
        } else if (sa_values_is_one(b)) {
            struct sa_values others = sa_values_but(b->values[0]);
            return sa_values_meet(a, &others);
        }
        return *a;
    }
    if (a->excluded || b->excluded) {
        return *a;
    }
    struct sa_values result = sa_values_none();
    for (unsigned int i = 0; i < a->n; i++) {
        for (unsigned int j = 0; j < b->n; j++) {
            if (holds(predicate, bits, a->values[i], b->values[j]) == truth) {
                list(&result, a->values[i]);
            }
        }
    }
    return result;
}

static uint64_t
cast(LLVMOpcode opcode, unsigned int from, unsigned int to, uint64_t value)
{
    return ((opcode == LLVMSExt ? (uint64_t) as_signed(value, from) : value)
            & mask(to));
}

struct sa_values
sa_values_cast(LLVMOpcode opcode, unsigned int from, unsigned int to,
               const struct sa_values *v)
{
    struct sa_values result = { .excluded = v->excluded };

    if (v->excluded && opcode == LLVMTrunc) {
        return sa_values_any();
    }
    for (unsigned int i = 0; i < v->n; i++) {
        list(&result, cast(opcode, from, to, v->values[i]));
    }
    return result;
}

struct sa_values
sa_values_uncast(LLVMOpcode opcode, unsigned int from, unsigned int to,
                 const struct sa_values *v)
{
    struct sa_values result = { .excluded = v->excluded };

    for (unsigned int i = 0; i < v->n; i++) {
        uint64_t value = v->values[i] & mask(from);
        if (cast(opcode, from, to, value) == v->values[i]) {
            list(&result, value);
        }
    }
    return result;
}
