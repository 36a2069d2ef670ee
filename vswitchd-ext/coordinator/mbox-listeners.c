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
#include "mbox-listeners.h"

#include "dirs.h"
#include "mbox-channel.h"
#include "mbox-mailbox.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "sset.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_listeners);

/* How long after a failure a listener is opened again, in ms. */
#define LISTENER_RETRY_MS 5000

struct mbox_listener_state {
    char *address;
    char *tls_fingerprint;      /* Of the settings it was opened with. */
    char *private_key, *certificate, *ca_cert;
    struct mbox_listener *listener; /* NULL if it could not be opened. */
    char *error;                /* Why not, or why it has not taken over files
                                 * that were replaced. */
    long long retry_at;         /* When to try again, if not open. */
    bool quiet;                 /* Log a failure only for debugging. */
};

void
mbox_listeners_init(struct mbox_listeners *listeners)
{
    shash_init(&listeners->all);
}

static void
listener_close(struct mbox_listener_state *state)
{
    if (state->listener) {
        mbox_listener_close(state->listener);
    }
    free(state->address);
    free(state->tls_fingerprint);
    free(state->private_key);
    free(state->certificate);
    free(state->ca_cert);
    free(state->error);
    free(state);
}

static void
listener_try(struct mbox_listener_state *state)
{
    struct mbox_tls_config tls = {
        .private_key = state->private_key,
        .certificate = state->certificate,
        .ca_cert = state->ca_cert,
    };
    bool was_failing = state->error != NULL;
    char *error = NULL;
    int retval;

    retval = mbox_listener_open(state->address, &tls, &state->listener,
                                &error);
    free(state->error);
    state->error = NULL;
    if (!retval) {
        VLOG_DBG("%s: listening for agents", state->address);
        return;
    }

    state->listener = NULL;
    state->error = (error ? xstrdup(error)
                    : xasprintf("%s: %s", state->address,
                                ovs_strerror(-retval)));
    free(error);                /* Not of xmalloc(). */
    state->retry_at = time_msec() + LISTENER_RETRY_MS;
    if (!was_failing) {
        VLOG(state->quiet ? VLL_DBG : VLL_WARN,
             "cannot listen for agents: %s", state->error);
    }
}

/* Tells about files that were replaced and are no use. */
static void
listener_check_files(struct mbox_listener_state *state)
{
    const char *error = mbox_listener_tls_error(state->listener);

    if (error && (!state->error || strcmp(error, state->error))) {
        VLOG_WARN("%s: goes on with the TLS files as they were: %s",
                  state->address, error);
    }
    free(state->error);
    state->error = nullable_xstrdup(error);
}

void
mbox_listeners_destroy(struct mbox_listeners *listeners)
{
    struct shash_node *node;

    SHASH_FOR_EACH_SAFE (node, &listeners->all) {
        listener_close(node->data);
        shash_delete(&listeners->all, node);
    }
    shash_destroy(&listeners->all);
}

void
mbox_listeners_configure(struct mbox_listeners *listeners,
                         const struct mbox_config *config)
{
    struct sset wanted = SSET_INITIALIZER(&wanted);
    char *default_address = xasprintf("unix:%s/mbox.sock", ovs_rundir());
    char *fingerprint = xasprintf("%s\n%s\n%s",
                                  config->private_key
                                  ? config->private_key : "",
                                  config->certificate
                                  ? config->certificate : "",
                                  config->ca_cert ? config->ca_cert : "");
    struct shash_node *node;
    const char *address;

    sset_clone(&wanted, &config->listen);
    sset_add(&wanted, default_address);

    SHASH_FOR_EACH_SAFE (node, &listeners->all) {
        struct mbox_listener_state *state = node->data;

        if (!sset_contains(&wanted, node->name)
            || (!strncmp(node->name, "pssl:", 5)
                && strcmp(state->tls_fingerprint, fingerprint))) {
            listener_close(state);
            shash_delete(&listeners->all, node);
        }
    }
    SSET_FOR_EACH (address, &wanted) {
        struct mbox_listener_state *state;

        state = shash_find_data(&listeners->all, address);
        if (state) {
            state->quiet = !config->in_use;
            continue;
        }
        state = xzalloc(sizeof *state);
        state->address = xstrdup(address);
        state->tls_fingerprint = xstrdup(fingerprint);
        state->private_key = nullable_xstrdup(config->private_key);
        state->certificate = nullable_xstrdup(config->certificate);
        state->ca_cert = nullable_xstrdup(config->ca_cert);
        state->quiet = !config->in_use;
        shash_add(&listeners->all, address, state);
        listener_try(state);
    }
    free(fingerprint);
    free(default_address);
    sset_destroy(&wanted);
}

void
mbox_listeners_format(const struct mbox_listeners *listeners, struct ds *ds)
{
    const struct shash_node **nodes = shash_sort(&listeners->all);

    for (size_t i = 0; i < shash_count(&listeners->all); i++) {
        const struct mbox_listener_state *state = nodes[i]->data;

        ds_put_format(ds, "  %s", state->address);
        if (state->error) {
            ds_put_format(ds, state->listener
                          ? " (with the TLS files as they were: %s)"
                          : " (FAILED: %s)", state->error);
        }
        ds_put_char(ds, '\n');
    }
    free(nodes);
}

void
mbox_listeners_run(struct mbox_listeners *listeners, size_t max,
                   void (*accepted)(void *aux, struct mbox_channel *),
                   void *aux)
{
    struct shash_node *node;

    SHASH_FOR_EACH (node, &listeners->all) {
        struct mbox_listener_state *state = node->data;

        if (!state->listener) {
            if (time_msec() >= state->retry_at) {
                listener_try(state);
            }
            continue;
        }
        for (size_t i = 0; i < max; i++) {
            struct mbox_channel *channel
                = mbox_listener_accept(state->listener);

            if (!channel) {
                break;
            }
            accepted(aux, channel);
            listener_check_files(state);
        }
    }
}

void
mbox_listeners_wait(const struct mbox_listeners *listeners)
{
    const struct shash_node *node;

    SHASH_FOR_EACH (node, &listeners->all) {
        const struct mbox_listener_state *state = node->data;
        struct pollfd pfd;

        if (!state->listener) {
            poll_timer_wait_until(state->retry_at);
            continue;
        }
        mbox_listener_wait(state->listener, &pfd);
        if (pfd.fd >= 0) {
            poll_fd_wait(pfd.fd, pfd.events);
        }
    }
}
