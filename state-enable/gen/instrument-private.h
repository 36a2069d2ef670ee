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

#ifndef GEN_INSTRUMENT_PRIVATE_H
#define GEN_INSTRUMENT_PRIVATE_H 1

#include <llvm-c/Target.h>
#include "instrument.h"

/* A write of one bit. */
struct write {
    LLVMValueRef insn;          /* That writes. */
    LLVMValueRef pointer;       /* Where to; NULL if only 'bits' matter. */
    bool indirect;              /* To where the pointer there leads to. */
    uint64_t size;              /* In bytes; 0: not known, or */
    LLVMValueRef length;        /* this value says it, if not NULL, */
    LLVMValueRef count;         /* times this. */
    LLVMValueRef base;          /* Writes of a function with the same are to
                                 * the same object; NULL if 'pointer' is. */
    int member;                 /* Index in 'members', or -1. */
    uint64_t bits;
};

struct writes {
    LLVMTargetDataRef td;
    const struct plan *plan;
    struct sa_tables *tables;
    unsigned int memory_kind;   /* LLVM's attributes "memory" */
    unsigned int byval_kind;    /* and "byval". */
    bool foreign;               /* The program calls functions of which nothing
                                 * is known. */
    bool foreign_taken;         /* The program takes the address of a function
                                 * that is not its own, and that writes; */
    bool foreign_pointers;      /* or may have it from somewhere else. */
    bool kept;                  /* A library may have kept a pointer. */
    uint64_t slot_size;         /* Of the smallest slot, 0 if there are none:
                                 * then an object may be one of several in an
                                 * array. */
    GHashTable *heads;          /* Variable -> bits: containers begin there. */
    GHashTable *linking;        /* Structs that may have links or heads, by
                                 * their names without "struct". */
    GHashTable *slots;          /* Variables that have entries. */
    GHashTable *unknown;        /* Functions: as in struct instrumented. */
    GPtrArray *members;         /* Names, in the order of their first write. */
    GHashTable *member_indexes; /* Name -> index + 1. */
};

/* instrument-writes.c */
void writes_init(struct writes *, LLVMModuleRef, const struct plan *,
                 struct sa_tables *);
void writes_uninit(struct writes *);

/* Appends what an instruction may write that moves, as struct write. */
void writes_of(struct writes *, LLVMValueRef insn, GArray *writes);

/* Whether a pointer leads only to variables that are no entries and have
 * none. */
bool writes_is_elsewhere(const struct writes *, LLVMValueRef pointer);

/* NULL, SIG_IGN. */
bool writes_is_number(LLVMValueRef);

/* What a pointer is made from by adding to it: of the same object. */
LLVMValueRef writes_origin(LLVMValueRef pointer);

/* The value that stands for the object at 'pointer' in a function. */
LLVMValueRef writes_base(const struct writes *, LLVMValueRef pointer);

void writes_add(struct writes *, GArray *writes, struct write);

/* A container may be another, or with ST_WRITE_ANY anything. */
void writes_add_bits(struct writes *, GArray *writes, LLVMValueRef insn,
                     uint64_t bits);

/* 'length' bytes, times 'count' if that is not NULL; or if 'length' is NULL it
 * is not known how many. */
void writes_add_bytes(struct writes *, GArray *writes, LLVMValueRef insn,
                      LLVMValueRef pointer, LLVMValueRef length,
                      LLVMValueRef count);

/* instrument-calls.c */
void calls_init(struct writes *, LLVMModuleRef);
void calls_add(struct writes *, GArray *writes, LLVMValueRef call);

/* instrument-prune.c */

/* What happens in a function, in the order of its blocks. */
enum event_kind {
    EVENT_WRITE,
    EVENT_DEFINED,              /* Its base gets a new value. */
    EVENT_ALLOCATED,            /* The same: a block that was not sent yet. */
    EVENT_FREED,                /* The block of its base; the runtime knows. */
    EVENT_SENT,                 /* State may be sent: all bits are reset. */
};

struct event {
    enum event_kind kind;
    guint base;                 /* Index; not of EVENT_SENT. */
    uint64_t bits;              /* Of EVENT_WRITE. */
    uint64_t wide;              /* What its point sets: these and those that
                                 * are set later anyway. */
    bool freed;                 /* So is the block, before anything is sent. */
    bool point;                 /* It is needed. */
    struct write *write;
};

struct event_block {
    guint first, n;             /* Events. */
    guint *successors;          /* Blocks. */
    guint n_successors;
    bool ends;                  /* The function returns. */
    bool exits;                 /* The program ends. */
};

/* Sets 'wide', 'freed' and 'point' of all events.  The first block is the
 * entry. */
void prune(struct event *, const struct event_block *, guint n_blocks,
           guint n_bases);

#endif /* instrument-private.h */
