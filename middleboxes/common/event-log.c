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
#include "event-log.h"

#include <arpa/inet.h>
#include <errno.h>
#include <json-c/json.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct event_log {
    char *name;                 /* NULL: memory. */
    char *instance;
    event_log_error_cb *error_cb;
    void *error_aux;

    pthread_mutex_t mutex;
    FILE *file;
    uint64_t n_pending;         /* Events written since the last flush. */
    uint64_t n_lost;
    bool failing;               /* The last flush failed. */
    char *text;                 /* Of a log in memory. */
    size_t text_len;
};

static struct event_log *
log_create(const char *name, const char *instance)
{
    struct event_log *log = calloc(1, sizeof *log);

    if (!log || (name && !(log->name = strdup(name)))
        || !(log->instance = strdup(instance))) {
        abort();
    }
    pthread_mutex_init(&log->mutex, NULL);
    return log;
}

static void
log_free(struct event_log *log)
{
    pthread_mutex_destroy(&log->mutex);
    free(log->name);
    free(log->instance);
    free(log->text);
    free(log);
}

static bool
is_stdout(const struct event_log *log)
{
    return log->name && !strcmp(log->name, "-");
}

int
event_log_open(const char *name, const char *instance,
               event_log_error_cb *error_cb, void *aux,
               struct event_log **logp)
{
    struct event_log *log = log_create(name, instance);

    log->error_cb = error_cb;
    log->error_aux = aux;
    log->file = is_stdout(log) ? stdout : fopen(name, "ae");
    if (!log->file) {
        int error = -errno;

        log_free(log);
        *logp = NULL;
        return error;
    }
    setvbuf(log->file, NULL, _IOFBF, 1 << 16);
    *logp = log;
    return 0;
}

struct event_log *
event_log_create_memory(const char *instance)
{
    struct event_log *log = log_create(NULL, instance);

    log->file = open_memstream(&log->text, &log->text_len);
    if (!log->file) {
        abort();
    }
    return log;
}

const char *
event_log_text(struct event_log *log)
{
    event_log_flush(log);
    return log->text;
}

/* Reports a failure, once.  Needs the mutex. */
static void
fail(struct event_log *log, int error)
{
    log->n_lost += log->n_pending;
    log->n_pending = 0;
    if (!log->failing && log->error_cb) {
        char message[512];

        snprintf(message, sizeof message, "%s: events are being lost: %s",
                 log->name, strerror(error));
        log->error_cb(log->error_aux, message);
    }
    log->failing = true;
}

/* Needs the mutex. */
static void
flush(struct event_log *log)
{
    if (!log->n_pending) {
        return;
    }
    if (fflush(log->file) || ferror(log->file)) {
        fail(log, errno);
        clearerr(log->file);
    } else {
        log->n_pending = 0;
        log->failing = false;
    }
}

void
event_log_flush(struct event_log *log)
{
    pthread_mutex_lock(&log->mutex);
    flush(log);
    pthread_mutex_unlock(&log->mutex);
}

int
event_log_reopen(struct event_log *log)
{
    FILE *file;

    if (!log->name || is_stdout(log)) {
        return 0;
    }
    file = fopen(log->name, "ae");
    if (!file) {
        return -errno;
    }
    setvbuf(file, NULL, _IOFBF, 1 << 16);

    pthread_mutex_lock(&log->mutex);
    flush(log);
    fclose(log->file);
    log->file = file;
    pthread_mutex_unlock(&log->mutex);
    return 0;
}

int
event_log_close(struct event_log *log)
{
    int retval;

    if (!log) {
        return 0;
    }
    event_log_flush(log);
    if (!is_stdout(log) && fclose(log->file) && log->name) {
        fail(log, errno);
    }
    retval = log->n_lost ? -EIO : 0;
    log_free(log);
    return retval;
}

uint64_t
event_log_n_lost(struct event_log *log)
{
    pthread_mutex_lock(&log->mutex);
    uint64_t n_lost = log->n_lost;
    pthread_mutex_unlock(&log->mutex);
    return n_lost;
}

void
event_format_time(uint64_t time, char buf[EVENT_TIME_STRLEN])
{
    time_t seconds = time / 1000000;
    char date[24];
    struct tm tm;

    gmtime_r(&seconds, &tm);
    strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(buf, EVENT_TIME_STRLEN, "%s.%06u+0000", date,
             (unsigned int) (time % 1000000));
}

static void
add_string(struct json_object *object, const char *name, const char *value)
{
    json_object_object_add(object, name, json_object_new_string(value));
}

struct json_object *
event_log_new(const struct event_log *log, const char *type, uint64_t time)
{
    struct json_object *event = json_object_new_object();
    char buf[EVENT_TIME_STRLEN];

    if (!event) {
        abort();
    }
    event_format_time(time, buf);
    add_string(event, "timestamp", buf);
    add_string(event, "event_type", type);
    add_string(event, "instance", log->instance);
    return event;
}

static void
add_address(struct json_object *event, const char *name, uint8_t family,
            const uint8_t addr[16])
{
    char buf[INET6_ADDRSTRLEN];

    if (family == 4) {
        inet_ntop(AF_INET, addr + 12, buf, sizeof buf);
    } else {
        inet_ntop(AF_INET6, addr, buf, sizeof buf);
    }
    add_string(event, name, buf);
}

void
event_log_add_key(struct json_object *event, const struct mbox_key *key)
{
    bool has_ports = (key->proto == IPPROTO_TCP || key->proto == IPPROTO_UDP
                      || key->proto == IPPROTO_SCTP);
    char proto[16];

    add_address(event, "src_ip", key->family, key->src);
    if (has_ports) {
        json_object_object_add(event, "src_port",
                               json_object_new_int(key->src_port));
    }
    add_address(event, "dest_ip", key->family, key->dst);
    if (has_ports) {
        json_object_object_add(event, "dest_port",
                               json_object_new_int(key->dst_port));
    }
    switch (key->proto) {
    case IPPROTO_TCP:
        add_string(event, "proto", "TCP");
        break;
    case IPPROTO_UDP:
        add_string(event, "proto", "UDP");
        break;
    case IPPROTO_ICMP:
        add_string(event, "proto", "ICMP");
        break;
    case IPPROTO_ICMPV6:
        add_string(event, "proto", "IPv6-ICMP");
        break;
    case IPPROTO_SCTP:
        add_string(event, "proto", "SCTP");
        break;
    default:
        snprintf(proto, sizeof proto, "%u", key->proto);
        add_string(event, "proto", proto);
        break;
    }
    if (key->vlan != MBOX_VLAN_NONE) {
        json_object_object_add(event, "vlan", json_object_new_int(key->vlan));
    }
}

void
event_log_add_foreign(struct json_object *object, const char *name,
                      const char *s, size_t n)
{
    char *clean = malloc(n * 4 + 1);
    char *p = clean;

    if (!clean) {
        abort();
    }
    for (size_t i = 0; i < n; i++) {
        unsigned char c = s[i];

        if (c >= ' ' && c < 0x7f) {
            *p++ = c;
        } else {
            p += sprintf(p, "\\x%02x", c);
        }
    }
    json_object_object_add(object, name,
                           json_object_new_string_len(clean, p - clean));
    free(clean);
}

void
event_log_write(struct event_log *log, struct json_object *event)
{
    size_t len;
    const char *line = json_object_to_json_string_length(
        event, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);

    pthread_mutex_lock(&log->mutex);
    log->n_pending++;
    if (!line || fwrite(line, 1, len, log->file) != len
        || putc('\n', log->file) == EOF) {
        fail(log, errno);
        clearerr(log->file);
    }
    pthread_mutex_unlock(&log->mutex);
    json_object_put(event);
}
