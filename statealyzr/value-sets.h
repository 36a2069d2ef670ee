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

#ifndef STATEALYZR_VALUE_SETS_H
#define STATEALYZR_VALUE_SETS_H 1

/* Values that an integer or a pointer may have
 * ============================================
 *
 * A few constants, or all values but a few constants.  Integers are kept
 * zero-extended; of pointers just NULL (0) is told from all others.  A set
 * that would need more constants is "any value", so that chains of growing
 * sets are short. */

#include <stdbool.h>
#include <stdint.h>
#include <llvm-c/Core.h>

enum { SA_MAX_VALUES = 8 };

struct sa_values {
    bool excluded;              /* All values but these. */
    uint8_t n;
    uint64_t values[SA_MAX_VALUES];     /* Ascending. */
};

struct sa_values sa_values_any(void);
struct sa_values sa_values_none(void);
struct sa_values sa_values_one(uint64_t);
struct sa_values sa_values_but(uint64_t);

static inline bool
sa_values_is_any(const struct sa_values *v)
{
    return v->excluded && !v->n;
}

static inline bool
sa_values_is_none(const struct sa_values *v)
{
    return !v->excluded && !v->n;
}

static inline bool
sa_values_is_one(const struct sa_values *v)
{
    return !v->excluded && v->n == 1;
}

bool sa_values_has(const struct sa_values *, uint64_t);
bool sa_values_equal(const struct sa_values *, const struct sa_values *);
/* Whether the first has no value that the second does not have. */
bool sa_values_within(const struct sa_values *, const struct sa_values *);

/* The union, or more. */
struct sa_values sa_values_join(const struct sa_values *,
                                const struct sa_values *);
/* The intersection, or more (but not more than the first). */
struct sa_values sa_values_meet(const struct sa_values *,
                                const struct sa_values *);

/* What 'a opcode b' and 'a predicate b' (1 bit) may be, for integers of 'bits'
 * bits or pointers (64). */
struct sa_values sa_values_binary(LLVMOpcode, unsigned int bits,
                                  const struct sa_values *a,
                                  const struct sa_values *b);
struct sa_values sa_values_compare(LLVMIntPredicate, unsigned int bits,
                                   const struct sa_values *a,
                                   const struct sa_values *b);

/* Those of 'a' for which 'a predicate b' may be 'truth'. */
struct sa_values sa_values_where(LLVMIntPredicate, unsigned int bits,
                                 const struct sa_values *a,
                                 const struct sa_values *b, bool truth);

/* What zext, sext or trunc make of values of 'from' bits. */
struct sa_values sa_values_cast(LLVMOpcode, unsigned int from,
                                unsigned int to, const struct sa_values *);
/* Values of 'from' bits that zext or sext to 'to' bits may make these of. */
struct sa_values sa_values_uncast(LLVMOpcode, unsigned int from,
                                  unsigned int to, const struct sa_values *);

#endif /* value-sets.h */
