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

#ifndef EVENT_LOG_H
#define EVENT_LOG_H 1

/* Event log
 * =========
 *
 * One JSON object in each line, in the style of Suricata's EVE; the manual
 * page of each middlebox lists its fields.  Shared by all threads.
 *
 * Events are buffered; event_log_flush(), called at every tick, writes them
 * out, so that they are in the file within 100 ms or so, and at the end.  A
 * failure to write is reported once until a write succeeds again; the events
 * that were lost are counted, and a reader finds no partial line but a last
 * one. */

#include <json-c/json_object.h>
#include <stdbool.h>
#include <stdint.h>
#include "mbox-key.h"

struct event_log;

/* Called with a message, which is the caller's, when the log fails. */
typedef void event_log_error_cb(void *aux, const char *message);

/* Opens the log 'name' for appending ("-": standard output).  'instance' is
 * put in each event. Returns 0 or a negative errno value. */
int event_log_open(const char *name, const char *instance,
                   event_log_error_cb *, void *aux, struct event_log **);

/* Creates a log that keeps its lines in memory, for tests. */
struct event_log *event_log_create_memory(const char *instance);

/* The text that a log in memory has so far, null-terminated. */
const char *event_log_text(struct event_log *);

/* Opens the file again, after it has been renamed; goes on with the old one if
 * that fails. Returns 0 or a negative errno value. */
int event_log_reopen(struct event_log *);

/* Flushes and closes.  Returns 0, or a negative errno value if any event was
 * lost since the log was opened. */
int event_log_close(struct event_log *);

void event_log_flush(struct event_log *);

/* Number of events that could not be written. */
uint64_t event_log_n_lost(struct event_log *);

/* Starts an event of 'type' that happened at 'time' (microseconds since 1970).
 * The caller adds to it, and gives it to event_log_write(). */
struct json_object *event_log_new(const struct event_log *, const char *type,
                                    uint64_t time);

/* Adds addresses and protocol of a packet's key. */
void event_log_add_key(struct json_object *, const struct mbox_key *);

/* Adds a string of 'n' bytes that came from the network: what is not printable
 * ASCII is written as \xNN, so that the log is valid UTF-8 whatever comes. */
void event_log_add_foreign(struct json_object *, const char *name,
                           const char *s, size_t n);

/* Writes and frees 'event'. */
void event_log_write(struct event_log *, struct json_object *event);

/* Writes 'time' (microseconds since 1970) as "2026-11-22T10:00:00.000000+0000"
 * to 'buf'. */
#define EVENT_TIME_STRLEN 40
void event_format_time(uint64_t time, char buf[EVENT_TIME_STRLEN]);

#endif /* event-log.h */
