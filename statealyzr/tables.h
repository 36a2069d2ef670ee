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
 * of the same name.
 *
 *   packet-reads.json   calls that receive a packet, and where the packet is
 *   outputs.json        calls that send a packet or write a log
 *   library.json        how library functions treat pointers
 *   fields.json         names and struct offsets of packet header fields
 *
 * Format
 * ------
 *
 * A file is a JSON object with any of the members below (all optional, so that
 * one file of a user can extend everything), and "version": 1.  The names of a
 * section's members may be several functions, separated by blanks.  An
 * argument is its index from 0, or "ret" for the returned value.  Unknown
 * members are errors; those that begin with "#" are comments.
 *
 *   "packet-reads": { "recvfrom": { "packet": 1, "length": "ret",
 *                                   "descriptor": 0,
 *                                   "opens": ["socket", "open:/dev/tun"] },
 *                     "pcap_next_ex": { "packet": 2, "indirect": true },
 *                     "recvmsg": { "packet": 1, "iovec": true },
 *                     "pcap_loop": { "callback": 2, "packet": 2, "user": 3,
 *                                    "handler_user": 0 } }
 *   "events":       { "event_new": { "callback": 3, "user": 4,
 *                                    "handler_user": 2,
 *                                    "loop": "event_base_dispatch" } }
 *   "outputs":      { "pcap_inject": { "kind": "packet" },
 *                     "write": { "kind": "packet", "descriptor": 0 } }
 *   "headers":      { "iphdr ip": { "ip_src": [96, 32],
 *                                   "ip_proto": [72, 8] } }
 *   "names":        { "ip_src": "saddr src_ip ip_src sip" }
 *   "library":      { "memcpy memmove": "copy 0 1 2; assign ret 0" }
 *
 * whose members are those of the structs below; in "headers", a field's name
 * (sa_field_name()) has its offset and size in bits; in "names", the names of
 * members and variables that denote the field.  In "library" a function has a
 * string of effects, separated by ";":
 *
 *   none                     touches no memory of the program
 *   alloc TO [SIZE [COUNT]]  TO = a new object of SIZE * COUNT bytes; *TO if
 *                            TO is an argument, also for static, load-static
 *   realloc TO FROM [SIZE]   as alloc, with what FROM points to copied
 *   free FROM
 *   assign TO FROM           TO = FROM
 *   store TO FROM            *TO = FROM
 *   load TO FROM             TO = *FROM
 *   copy TO FROM [LEN]       *TO = *FROM, bytes that may hold pointers
 *   write TO [LEN]           *TO = bytes that are no pointers
 *   read FROM [LEN]          reads *FROM
 *   read-deep, write-deep    ... and what can be reached from there through
 *                            pointers: iovecs, va_lists
 *   static TO NAME           TO = the library's object NAME
 *   store-static FROM NAME   the object NAME holds FROM
 *   load-static TO NAME      TO = what the object NAME holds
 *   call F ARG...            calls F with these arguments, during this call
 *   call-later F ARG...      calls F some time after
 *   noreturn, terminates     does not return; ends the program
 *
 * ARG is an argument, "-" for what has no pointers, "@NAME" for a pointer
 * to the library's object NAME, "*@NAME" for what that object holds, or "*N"
 * for a pointer that argument N points to.  F is an argument, or "*N+OFFSET":
 * the function pointer OFFSET bytes into what argument N points to.  "call F
 * ARG... > NAME": what the function returns is stored in the library's object
 * NAME.  "..." as TO or FROM stands for each variable argument, "@NAME" for a
 * pointer to the library's object NAME. */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Instead of an argument's index. */
enum {
    SA_RETURN = -1,             /* What the function returns. */
    SA_NO_ARG = -2,             /* None. */
    SA_VARARGS = -3,            /* Each variable argument. */
    SA_STATIC = -4              /* The library's object 'name'. */
};

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
    const char *const *opens;   /* NULL ends: "socket", "open:/dev/tun"... */
};

/* Registration of handlers with an event library: event_new()... */
struct sa_event_call {
    const char *name;
    int callback, user, handler_user;
    const char *const *loops;   /* "event_base_dispatch"..., NULL ends. */
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
    SA_EFFECT_NONE,             /* Touches no memory of the program (sqrt). */
    SA_EFFECT_ALLOC,            /* 'to' gets a new object. */
    SA_EFFECT_REALLOC,          /* As ALLOC; contents of 'from' copied. */
    SA_EFFECT_FREE,             /* Frees 'from'. */
    SA_EFFECT_ASSIGN,           /* to = from. */
    SA_EFFECT_STORE,            /* *to = from (strtol's end pointer). */
    SA_EFFECT_LOAD,             /* to = *from (strsep). */
    SA_EFFECT_COPY,             /* *to = *from, with pointers (memcpy). */
    SA_EFFECT_WRITE,            /* *to is written without pointers (read). */
    SA_EFFECT_READ,             /* *from is read (write, strlen). */
    SA_EFFECT_STATIC,           /* 'to' gets the address of the library's
                                 * object of this name (gmtime, errno). */
    SA_EFFECT_STORE_STATIC,     /* The library keeps 'from' (setvbuf). */
    SA_EFFECT_LOAD_STATIC,      /* 'to' gets what was kept. */
    SA_EFFECT_CALL              /* Calls 'from' with the arguments 'args'
                                 * (qsort, pthread_create, signal). */
};

enum { SA_MAX_EFFECT_ARGS = 6 };

/* An argument of a callback. */
struct sa_effect_arg {
    int arg;                    /* Handed on; SA_NO_ARG: nothing that points,
                                 * or 'name'. */
    bool deref;                 /* What it points to is handed on instead. */
    const char *name;           /* Address of this object of the library. */
};

struct sa_effect {
    enum sa_effect_kind kind;
    int to, from;               /* Argument, SA_RETURN, SA_VARARGS or
                                 * SA_NO_ARG. */
    const char *name;           /* STATIC, STORE_STATIC, LOAD_STATIC; CALL: the
                                 * object that holds the result; or NULL. */
    int size, count;            /* ALLOC, REALLOC, COPY, WRITE, READ: argument
                                 * with the number of bytes (times 'count'),
                                 * SA_NO_ARG if there is none. */
    struct sa_effect_arg args[SA_MAX_EFFECT_ARGS];  /* CALL. */
    size_t n_args;
    bool through;               /* CALL: the function pointer is at 'offset' of
                                 * what 'from' points to (ev_io_start). */
    uint32_t offset;
    bool later;                 /* CALL: not during this call (signal). */
    bool deep;                  /* READ, WRITE: and what is reached from there
                                 * through pointers (iovecs, va_lists). */
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
