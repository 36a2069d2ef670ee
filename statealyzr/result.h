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

#ifndef STATEALYZR_RESULT_H
#define STATEALYZR_RESULT_H 1

/* What the analyser found
 * =======================
 *
 * Plain data, filled by the analyses (state.c, flow-space.c, outputs.c) and
 * read by the reports (report-*.c), so that a report needs no LLVM and an
 * analysis no format.  The JSON form of all of this is documented in
 * Documentation/statealyzr-json.md and is what code generation reads.
 *
 * Arrays are ordered deterministically (by location, then name).  Strings and
 * arrays belong to the result. */

#include "model.h"
#include "pta.h"
#include "types.h"

/* Why a verdict was given: a statement, and what it shows.  The reports print
 * the source line beside it. */
struct sa_reason {
    struct sa_loc loc;
    const char *text;           /* "written here", "key of the lookup"... */
};

struct sa_reasons {
    struct sa_reason *reasons;  /* In the order in which they convince. */
    size_t n;
};

/* A packet-processing loop. */
struct sa_result_loop {
    const char *function;       /* The loop procedure. */
    struct sa_loc loc;
    const char *call;           /* Packet-read call: "pcap_loop"... */
    const char *callback;       /* Packet handler for a callback API, or "". */
    bool chosen;
    struct sa_reasons why;
};

struct sa_result_procedure {
    const char *name;
    struct sa_loc loc;
    bool called;                /* Control: called from the loop. */
    bool data_dependent;        /* Only through data: queued work, timers... */
    struct sa_reasons why;
};

enum sa_class {
    SA_CLASS_NONE,              /* Not updateable: nothing to classify. */
    SA_CLASS_PER_FLOW,
    SA_CLASS_MULTI_FLOW,        /* Keyed by a part: per host, per service... */
    SA_CLASS_ALL_FLOWS          /* Not keyed by packet fields. */
};

/* Packet header fields, also as a bit set (1u << field). */
enum sa_field {
    SA_FIELD_ETH_SRC, SA_FIELD_ETH_DST, SA_FIELD_ETH_TYPE, SA_FIELD_VLAN,
    SA_FIELD_IP_SRC, SA_FIELD_IP_DST, SA_FIELD_IP_PROTO,
    SA_FIELD_PORT_SRC, SA_FIELD_PORT_DST,
    SA_FIELD_IP_ID, SA_FIELD_ICMP_ID, SA_FIELD_TCP_SEQ, SA_FIELD_TCP_ACK,
    SA_FIELD_TCP_FLAGS,
    SA_N_FIELDS
};
const char *sa_field_name(enum sa_field);   /* "ip_src"... */

/* How the entries of a container are found. */
enum sa_container_kind {
    SA_CONTAINER_NONE,          /* One object, not a container. */
    SA_CONTAINER_ARRAY,         /* Indexed directly. */
    SA_CONTAINER_HASH_CHAINED,
    SA_CONTAINER_HASH_OPEN,
    SA_CONTAINER_LIST_SINGLE,
    SA_CONTAINER_LIST_DOUBLE,
    SA_CONTAINER_TREE,
    SA_CONTAINER_OTHER          /* Reached by pointers of no known shape. */
};

enum sa_link_kind {
    SA_LINK_NEXT, SA_LINK_PREV, SA_LINK_CHILD, SA_LINK_PARENT,
    SA_LINK_OTHER               /* To a shared object. */
};

/* A pointer member of a structure. */
struct sa_link {
    const char *path;           /* "next", "hdr.left". */
    uint32_t offset;            /* Bytes. */
    enum sa_link_kind kind;
    const struct sa_type *target;
};

/* A buffer that a structure owns through a pointer member. */
struct sa_buffer {
    const char *path;
    uint32_t offset;
    const struct sa_type *element;  /* NULL: bytes. */
    const char *length_path;    /* Member that holds its length, "" if it is
                                 * a C string or unknown. */
    bool is_string;
    uint64_t fixed_size;        /* If always allocated with this size. */
};

/* A member that holds (a part of) the key. */
struct sa_key {
    const char *path;           /* "key.src"; "host->address" if it is in what
                                 * a member points to. */
    uint32_t offset;            /* Of the member, or of the pointer. */
    uint32_t size;
    enum sa_field field;
    struct sa_reasons why;
};

/* A structure whose instances hold state (the entries of a flow table), or the
 * heap objects of one allocation site that no struct describes. */
struct sa_result_structure {
    const char *name;           /* "struct flow" or "bytes at FILE:LINE". */
    const struct sa_type *type; /* May be NULL. */
    uint64_t size;
    enum sa_container_kind container;
    const char *container_path; /* How it is reached: "flow_b[]", "next". */
    enum sa_class class;
    uint32_t key_fields;        /* Bit set of 1u << enum sa_field. */
    struct sa_key *keys;
    size_t n_keys;
    struct sa_link *links;
    size_t n_links;
    struct sa_buffer *buffers;
    size_t n_buffers;
    const char **allocators;    /* "flow.c:120 create_flow()". */
    size_t n_allocators;
    struct sa_reasons why_class;
};

enum sa_storage {
    SA_STORAGE_GLOBAL, SA_STORAGE_FILE_STATIC, SA_STORAGE_FUNCTION_STATIC,
    SA_STORAGE_LOOP_LOCAL,      /* Local of the loop procedure. */
    SA_STORAGE_HEAP             /* Member of a heap structure. */
};

/* A variable.  Scalars, structures and arrays that are declared count as one
 * variable each ("persistent" in the sense of the StateAlyzr paper); fields of
 * heap structures are variables of their own, with the structure they are
 * in. */
struct sa_result_variable {
    const char *name;           /* "flows", "parse_tcp::seen" for a function
                                 * static, "struct flow.bytes" for a field. */
    enum sa_storage storage;
    struct sa_loc loc;
    const struct sa_type *type;
    uint32_t offset;            /* Of a field. */
    uint64_t size;              /* Bytes, of one element of an array. */
    uint64_t n_elements;        /* 1 if it is no array. */
    const char *symbol;         /* Linker symbol, "" for locals and fields. */
    size_t structure;           /* Index of its structure; SIZE_MAX if none. */
    uint32_t *leads_to;         /* Indexes of structures, ascending, that its
                                 * memory may have pointers to. */
    size_t n_leads_to;
    bool persistent;            /* Lives across iterations of the loop. */
    bool top_level;             /* And a state procedure uses it. */
    bool updateable;            /* And a state procedure may write it. */
    enum sa_class class;
    uint32_t key_fields;
    uint32_t *outputs;          /* Indexes into outputs. */
    size_t n_outputs;
    const char *unmovable;      /* NULL, or why it cannot be moved as bytes:
                                 * "file descriptor", "FILE *", "thread"... */
    struct sa_reasons why_top_level;
    struct sa_reasons why_updateable;
    struct sa_reasons why_not_updateable;   /* Where it is written, but not
                                 * while the loop runs. */
    struct sa_reasons why_class;
    struct sa_reasons why_outputs;
};

struct sa_result_output {
    const char *function;       /* "pcap_inject", "syslog"... */
    const char *kind;           /* "packet" or "log", from the table. */
    struct sa_loc *calls;       /* Where it is called. */
    size_t n_calls;
};

struct sa_phase {
    const char *name;           /* "load", "points-to"... */
    double seconds;
    uint64_t peak_rss;          /* Bytes, of the process at its end. */
    const char *figures;        /* "12034 nodes, 88321 constraints". */
};

struct sa_result {
    char *const *files;
    size_t n_files;
    enum sa_precision precision;
    uint32_t n_source_lines;    /* That have code. */
    uint32_t n_functions, n_insns;
    uint32_t n_all_variables;   /* All variables of the program, locals and
                                 * parameters too, as the paper counts. */
    struct sa_result_loop *loops;
    size_t n_loops;
    struct sa_result_procedure *procedures;     /* State procedures. */
    size_t n_procedures;
    struct sa_result_structure *structures;
    size_t n_structures;
    struct sa_result_variable *variables;       /* Persistent ones. */
    size_t n_variables;
    struct sa_result_output *outputs;
    size_t n_outputs;
    struct sa_phase *phases;
    size_t n_phases;
    const char **warnings;      /* What was not covered, with its place. */
    size_t n_warnings;
    struct sa_result_private *private;  /* What the strings and arrays that
                                         * sa_result_create() made are in. */
};

struct sa_analysis;

/* Runs the analyses of state, flow space and outputs on what 'analysis' has
 * and fills a result with all that they find, and the procedures; 'files',
 * 'precision', 'loops', 'phases' and 'warnings' are left to the caller, who
 * puts arrays that g_free() can free there.  'phase' (may be NULL) is called
 * as each analysis ends, with its name and figures. */
struct sa_result *sa_result_create(const struct sa_analysis *,
                                   void (*phase)(const char *name,
                                                 const char *figures,
                                                 void *aux), void *aux);
void sa_result_destroy(struct sa_result *);

#endif /* result.h */
