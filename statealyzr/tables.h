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

#ifndef STATEALYZR_TABLES_H
#define STATEALYZR_TABLES_H 1

/* Tables of what library functions do
 * ===================================
 *
 * Data, not code: JSON files below share/ (installed in pkgdatadir), which a
 * user extends with --table=FILE.  Entries of later files replace earlier ones
 * of the same name.  See mbox-statealyzr(1) for the format.
 *
 *   packet-reads.json   calls that receive a packet, and where the packet is
 *   outputs.json        calls that send a packet or write a log
 *   library.json        how library functions treat pointers
 *   fields.json         names and struct offsets of packet header fields
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SA_RETURN = -1, SA_NO_ARG = -2 };    /* Instead of an argument's index. */

/* A packet-read call. */
struct sa_packet_read {
    const char *name;           /* "pcap_next_ex", "recvfrom", "read"... */
    int packet;                 /* Argument that is, or points to (if
                                 * 'indirect'), the buffer; SA_RETURN. */
    bool indirect;              /* The argument is a pointer to a pointer. */
    bool iovec;                 /* ... is a struct msghdr or iovec. */
    int length;                 /* Argument with the length, or SA_RETURN. */
    int callback;               /* Argument that is the packet handler, or
                                 * SA_NO_ARG; then 'packet' counts the
                                 * handler's arguments. */
    int user;                   /* Argument that is handed to the handler. */
    int handler_user;           /* Which of the handler's arguments it is. */
    int descriptor;             /* Argument that is a file descriptor, or
                                 * SA_NO_ARG: "read" counts only if the
                                 * descriptor comes from one of 'opens'. */
    const char *const *opens;   /* NULL ends: "socket", "open:/dev/net/tun"... */
};

/* Registration of handlers with an event library: event_new(), ev_io_init(). */
struct sa_event_call {
    const char *name;
    int callback, user, handler_user;
    const char *loop;           /* "event_base_dispatch"... */
};

struct sa_output_call {
    const char *name;
    const char *kind;           /* "packet", "log". */
    int descriptor;             /* Counts only for packet or log descriptors as
                                 * above; SA_NO_ARG. */
};

/* What a library function does with pointers.  Effects are applied in
 * order. */
enum sa_effect_kind {
    SA_EFFECT_NONE,             /* Touches no pointer (strlen). */
    SA_EFFECT_ALLOC,            /* 'to' gets a new object. */
    SA_EFFECT_REALLOC,          /* As ALLOC; contents of 'from' copied. */
    SA_EFFECT_FREE,             /* Frees 'from'. */
    SA_EFFECT_ASSIGN,           /* to = from. */
    SA_EFFECT_COPY,             /* *to = *from, bytes with pointers (memcpy). */
    SA_EFFECT_WRITE,            /* *to is written without pointers (read). */
    SA_EFFECT_READ,             /* *from is read (write). */
    SA_EFFECT_STATIC,           /* 'to' gets the library's object of this name
                                 * (gmtime, errno). */
    SA_EFFECT_STORE_STATIC,     /* The library keeps 'from' (setvbuf). */
    SA_EFFECT_CALL,             /* Calls 'from' with the arguments 'call_args'
                                 * (qsort, pthread_create, signal). */
    SA_EFFECT_STORE_INTERIOR    /* *to = pointer into what 'from' points to
                                 * (strtol's end). */
};

struct sa_effect {
    enum sa_effect_kind kind;
    int to, from;
    const char *name;           /* STATIC, STORE_STATIC. */
    int call_args[6];           /* Argument handed on as i-th, SA_NO_ARG ends. */
    bool later;                 /* CALL: not during this call (signal). */
    bool varargs;               /* Applies to each variable argument (scanf). */
};

struct sa_library_call {
    const char *name;
    const struct sa_effect *effects;
    size_t n_effects;
    bool noreturn;
    bool terminates;            /* exit, abort. */
};

struct sa_tables;
/* Loads the installed tables (directory 'dir', NULL for the default, which
 * MBOX_STATEALYZR_TABLES overrides) and then 'extra'.  NULL with '*errorp' a
 * message "FILE:LINE: what is wrong" if one is malformed. */
struct sa_tables *sa_tables_load(const char *dir, char *const extra[],
                                 size_t n_extra, char **errorp);
void sa_tables_destroy(struct sa_tables *);

const struct sa_packet_read *sa_tables_packet_read(const struct sa_tables *,
                                                   const char *name);
const struct sa_event_call *sa_tables_event(const struct sa_tables *,
                                            const char *name);
const struct sa_output_call *sa_tables_output(const struct sa_tables *,
                                              const char *name);
const struct sa_library_call *sa_tables_library(const struct sa_tables *,
                                                const char *name);

/* Packet header structures by name, and member and variable names that denote
 * fields; from fields.json. */
struct sa_header_field {
    uint32_t bit_offset, bit_size;
    int field;                  /* enum sa_field. */
};
struct sa_header {
    const char *name;           /* "iphdr", "ip", "tcphdr"... */
    const struct sa_header_field *fields;
    size_t n_fields;
};
const struct sa_header *sa_tables_header(const struct sa_tables *,
                                         const char *struct_name);
/* enum sa_field or -1. */
int sa_tables_field_by_name(const struct sa_tables *, const char *name);

#endif /* tables.h */
