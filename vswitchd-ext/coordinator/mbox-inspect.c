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
#include "mbox-inspect.h"

#include "mbox-coordinator-private.h"
#include "mbox-options.h"
#include "mbox-show.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "timeval.h"
#include "util.h"

struct mbox_inspection {
    struct ovs_list node;       /* In mbox_inspections' 'list'. */
    uint32_t id;
    uint64_t request;
    struct mbox_conn *conn;
    struct mbox_space space;
    struct json *layout;        /* NULL if the instance does not tell. */
    struct json *states;        /* NULL once the command is answered. */
    size_t n_bytes;
    long long deadline_ms;
};

void
mbox_inspections_init(struct mbox_inspections *inspections)
{
    ovs_list_init(&inspections->list);
}

static void
inspection_free(struct mbox_inspection *in)
{
    ovs_list_remove(&in->node);
    json_destroy(in->layout);
    json_destroy(in->states);
    free(in);
}

void
mbox_inspections_destroy(struct mbox_inspections *inspections)
{
    struct mbox_inspection *in;

    /* The main thread answers for us. */
    LIST_FOR_EACH_SAFE (in, node, &inspections->list) {
        inspection_free(in);
    }
}

char *
mbox_inspect(struct mbox_coordinator *c, uint64_t request,
             const struct mbox_instance *instance, uint32_t scopes,
             const struct mbox_space *space,
             const struct mbox_options *options)
{
    struct mbox_inspection *in;
    struct mbox_msg msg;
    unsigned int n = 0, n_ending = 0;

    LIST_FOR_EACH (in, node, &c->inspections.list) {
        n += in->states != NULL;
        n_ending += !in->states && in->conn == instance->conn;
    }
    if (n_ending >= MBOX_INSPECT_MAX) {
        return xasprintf("instance %s has yet to end %d inspections",
                         instance->name, MBOX_INSPECT_MAX);
    }
    if (n >= MBOX_INSPECT_MAX) {
        return xasprintf("%d instances are being inspected already",
                         MBOX_INSPECT_MAX);
    }
    in = xzalloc(sizeof *in);
    in->id = c->transfers.next_id++;
    in->request = request;
    in->conn = instance->conn;
    in->space = *space;
    in->states = json_array_create_empty();
    in->deadline_ms = time_msec() + options->timeout_ms;
    ovs_list_push_back(&c->inspections.list, &in->node);

    mbox_msg_init(&msg, MBOX_MSG_PREPARE, in->id);
    msg.role = MBOX_ROLE_SOURCE;
    msg.method = MBOX_METHOD_COPY;
    msg.guarantee = MBOX_GUARANTEE_NONE;
    msg.scopes = scopes;
    msg.options = MBOX_OPT_RELAY | MBOX_OPT_INSPECT;
    msg.epoch = c->epoch;
    ovs_strlcpy(msg.name, instance->name, sizeof msg.name);
    msg.space = *space;
    msg.describe = (options->given & MBOX_OPTION_LAYOUT) != 0;
    if (options->output) {
        ovs_strlcpy(msg.output, options->output, sizeof msg.output);
    }
    mbox_conn_send(in->conn, &msg, NULL, -1);
    return NULL;
}

/* Answers the command, if that has not been done. */
static void
inspection_answer(struct mbox_coordinator *c, struct mbox_inspection *in,
                  bool success, bool json, char *text)
{
    json_destroy(in->states);
    in->states = NULL;
    mbox_coordinator_reply(c, in->request, success, json, text, 0);
}

/* Answers the command, and has the instance end.  What it sends until it has
 * is ignored. */
static void
inspection_end(struct mbox_coordinator *c, struct mbox_inspection *in,
               bool success, char *text)
{
    struct mbox_msg msg;

    if (!in->states) {
        free(text);
        return;
    }
    inspection_answer(c, in, success, success, text);
    mbox_msg_init(&msg, MBOX_MSG_ABORT, in->id);
    ovs_strlcpy(msg.text, "inspected", sizeof msg.text);
    mbox_conn_send(in->conn, &msg, NULL, -1);
}

static void
inspection_fail(struct mbox_coordinator *c, struct mbox_inspection *in,
                const char *why)
{
    inspection_end(c, in, false,
                   xasprintf("instance %s: %s", in->conn->name, why));
}

static struct json *
data_json(const struct mbox_msg *msg)
{
    struct ds hex = DS_EMPTY_INITIALIZER;
    char *p = ds_put_uninit(&hex, 2 * msg->data_len);
    struct json *json;

    for (size_t i = 0; i < msg->data_len; i++) {
        uint8_t byte = ((const uint8_t *) msg->data)[i];

        *p++ = "0123456789abcdef"[byte >> 4];
        *p++ = "0123456789abcdef"[byte & 15];
    }
    json = json_string_create(ds_cstr(&hex));
    ds_destroy(&hex);
    return json;
}

/* Accounts for bytes of the answer. */
static void
inspection_spend(struct mbox_coordinator *c, struct mbox_inspection *in,
                 size_t n_bytes)
{
    in->n_bytes += n_bytes;
    if (in->n_bytes > MBOX_INSPECT_BYTES) {
        inspection_end(c, in, false, xasprintf(
                           "instance %s: more than %d bytes of state: choose "
                           "a smaller flow space, or less by --scope or "
                           "--output", in->conn->name, MBOX_INSPECT_BYTES));
    }
}

static void
inspection_add(struct mbox_coordinator *c, struct mbox_inspection *in,
               const struct mbox_msg *chunk)
{
    const char *scope = mbox_scope_to_string(chunk->scope);
    struct json *keys = json_array_create_empty();
    struct json *state = json_object_create();

    for (uint32_t i = 0; i < chunk->n_keys; i++) {
        char s[MBOX_KEY_STRLEN];
        struct mbox_key key;

        mbox_msg_get_key(chunk, i, &key);
        json_array_add(keys, json_string_create(
                           mbox_key_format(&key, s, sizeof s)));
    }
    json_object_put_string(state, "scope", scope ? scope : "?");
    json_object_put(state, "keys", keys);
    json_object_put(state, "data", data_json(chunk));
    json_array_add(in->states, state);

    /* An empty chunk takes memory, too. */
    inspection_spend(c, in, (chunk->data_len
                             + MAX(chunk->n_keys, 1) * MBOX_KEY_WIRE_LEN));
}

static void
inspection_complete(struct mbox_coordinator *c, struct mbox_inspection *in)
{
    struct json *json = json_object_create();
    char space[MBOX_SPACE_STRLEN];

    json_object_put_string(json, "instance", in->conn->name);
    json_object_put_string(json, "class", in->conn->class_name);
    json_object_put_string(json, "product", in->conn->product);
    json_object_put_format(json, "schema", "%016"PRIx64, in->conn->schema);
    json_object_put_string(json, "flow_space",
                           mbox_space_format(&in->space, space,
                                             sizeof space));
    if (in->layout) {
        json_object_put(json, "layout", in->layout);
        in->layout = NULL;
    }
    json_object_put(json, "states", in->states);
    in->states = json_array_create_empty();
    inspection_end(c, in, true, mbox_show_json(json));
}

/* A frame of the state channel. */
static void
inspection_recv_state(struct mbox_coordinator *c, struct mbox_inspection *in,
                      const void *frame, size_t len)
{
    struct mbox_msg msg;

    if (!in->states) {
        return;
    }
    if (mbox_msg_decode(frame, len, &msg)) {
        inspection_fail(c, in, "it has sent malformed state");
    } else if (msg.type == MBOX_MSG_CHUNK) {
        if (mbox_msg_crc(msg.data, msg.data_len) != msg.crc) {
            inspection_fail(c, in, "it has sent damaged state");
        } else {
            inspection_add(c, in, &msg);
        }
    } else if (msg.type == MBOX_MSG_LAYOUT && !in->layout) {
        in->layout = data_json(&msg);
        inspection_spend(c, in, msg.data_len);
    } else if (msg.type == MBOX_MSG_END) {
        inspection_complete(c, in);
    }
}

bool
mbox_inspections_recv(struct mbox_coordinator *c, struct mbox_conn *conn,
                      const struct mbox_msg *msg)
{
    struct mbox_inspection *in, *found = NULL;
    struct mbox_msg export;

    LIST_FOR_EACH (in, node, &c->inspections.list) {
        if (in->id == msg->id && in->conn == conn) {
            found = in;
        }
    }
    if (!found) {
        return false;
    }
    switch ((int) msg->type) {
    case MBOX_MSG_PREPARED:
        mbox_msg_init(&export, MBOX_MSG_EXPORT, found->id);
        mbox_conn_send(conn, &export, NULL, -1);
        return true;

    case MBOX_MSG_RELAY:
        inspection_recv_state(c, found, msg->data, msg->data_len);
        return true;

    case MBOX_MSG_ERROR:
        inspection_fail(c, found, (msg->text[0] ? msg->text
                                   : ovs_strerror(msg->code)));
        return true;

    case MBOX_MSG_ALIASES:
        return true;

    case MBOX_MSG_ABORTED:
        if (found->states) {
            return false;
        }
        inspection_free(found);
        return true;

    default:
        return false;           /* Somebody else blames it. */
    }
}

void
mbox_inspections_agent_lost(struct mbox_coordinator *c,
                            struct mbox_conn *conn, const char *why)
{
    struct mbox_inspection *in;

    LIST_FOR_EACH_SAFE (in, node, &c->inspections.list) {
        if (in->conn == conn) {
            if (in->states) {
                inspection_answer(c, in, false, false, xasprintf(
                                      "instance %s: %s", conn->name, why));
            }
            inspection_free(in);
        }
    }
}

void
mbox_inspections_run(struct mbox_coordinator *c)
{
    struct mbox_inspection *in;

    LIST_FOR_EACH (in, node, &c->inspections.list) {
        if (in->states && time_msec() >= in->deadline_ms) {
            inspection_end(c, in, false, xasprintf(
                               "instance %s has not answered in time: it is "
                               "busy or stuck, or --timeout is too short",
                               in->conn->name));
        }
    }
}

void
mbox_inspections_wait(struct mbox_coordinator *c)
{
    struct mbox_inspection *in;

    LIST_FOR_EACH (in, node, &c->inspections.list) {
        if (in->states) {
            poll_timer_wait_until(in->deadline_ms);
        }
    }
}
