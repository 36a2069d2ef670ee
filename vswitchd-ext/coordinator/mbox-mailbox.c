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
#include "mbox-mailbox.h"

#include "openvswitch/dynamic-string.h"
#include "seq.h"
#include "util.h"

struct mbox_config *
mbox_config_create(void)
{
    struct mbox_config *config = xzalloc(sizeof *config);

    sset_init(&config->listen);
    smap_init(&config->class_settings);
    config->hold_limit = MBOX_DEFAULT_HOLD_LIMIT;
    config->probe_ms = MBOX_DEFAULT_PROBE_MS;
    config->verify_names = true;
    return config;
}

void
mbox_config_destroy(struct mbox_config *config)
{
    if (!config) {
        return;
    }
    for (size_t i = 0; i < config->n_ifaces; i++) {
        free(config->ifaces[i].iface);
        free(config->ifaces[i].bridge);
        free(config->ifaces[i].name);
        free(config->ifaces[i].class_name);
        free(config->ifaces[i].error);
    }
    free(config->ifaces);
    sset_destroy(&config->listen);
    smap_destroy(&config->class_settings);
    free(config->private_key);
    free(config->certificate);
    free(config->ca_cert);
    free(config->assignments);
    free(config->open);
    free(config->commits);
    free(config->scales);
    free(config->usage);
    free(config);
}

struct mbox_iface_config *
mbox_config_add_iface(struct mbox_config *config)
{
    struct mbox_iface_config *iface;

    if (config->n_ifaces >= config->allocated_ifaces) {
        config->ifaces = x2nrealloc(config->ifaces, &config->allocated_ifaces,
                                    sizeof *config->ifaces);
    }
    iface = &config->ifaces[config->n_ifaces++];
    memset(iface, 0, sizeof *iface);
    iface->port = ODPP_NONE;
    return iface;
}

/* Adds 's' so that no two lists of strings give the same text. */
static void
put_string(struct ds *ds, const char *s)
{
    if (s) {
        ds_put_format(ds, "%"PRIuSIZE":%s;", strlen(s), s);
    } else {
        ds_put_cstr(ds, "-;");
    }
}

char *
mbox_config_fingerprint(const struct mbox_config *config)
{
    struct ds ds = DS_EMPTY_INITIALIZER;

    for (size_t i = 0; i < config->n_ifaces; i++) {
        const struct mbox_iface_config *iface = &config->ifaces[i];

        put_string(&ds, iface->iface);
        put_string(&ds, iface->bridge);
        put_string(&ds, iface->name);
        put_string(&ds, iface->class_name);
        put_string(&ds, iface->dp_name);
        put_string(&ds, iface->error);
        ds_put_format(&ds, "%"PRIu32";"ETH_ADDR_FMT";",
                      odp_to_u32(iface->port), ETH_ADDR_ARGS(iface->mac));
    }

    const char **listen = sset_sort(&config->listen);
    for (size_t i = 0; i < sset_count(&config->listen); i++) {
        put_string(&ds, listen[i]);
    }
    free(listen);

    put_string(&ds, config->private_key);
    put_string(&ds, config->certificate);
    put_string(&ds, config->ca_cert);
    ds_put_format(&ds, "%llu;%d;%d;%d;", config->hold_limit, config->probe_ms,
                  config->verify_names, config->in_use);

    const struct smap_node **settings = smap_sort(&config->class_settings);
    for (size_t i = 0; i < smap_count(&config->class_settings); i++) {
        put_string(&ds, settings[i]->key);
        put_string(&ds, settings[i]->value);
    }
    free(settings);

    return ds_steal_cstr(&ds);
}

const char *
mbox_config_setting_class(const char *key)
{
    static const char *const prefixes[] = {
        "mbox-default-", "mbox-no-instance-", "mbox-instantiator-",
        "mbox-policy-", "mbox-tenant-",
    };

    for (size_t i = 0; i < ARRAY_SIZE(prefixes); i++) {
        size_t len = strlen(prefixes[i]);

        if (!strncmp(key, prefixes[i], len)) {
            return key + len;
        }
    }
    return NULL;
}

struct mbox_mail *
mbox_mail_create(enum mbox_mail_type type)
{
    struct mbox_mail *mail = xzalloc(sizeof *mail);

    mail->type = type;
    svec_init(&mail->argv);
    shash_init(&mail->ports);
    return mail;
}

void
mbox_mail_destroy(struct mbox_mail *mail)
{
    if (mail) {
        mbox_config_destroy(mail->config);
        svec_destroy(&mail->argv);
        shash_destroy_free_data(&mail->ports);
        free(mail->text);
        free(mail->open);
        free(mail->commits);
        free(mail->scales);
        free(mail->usage);
        free(mail);
    }
}

void
mbox_mailbox_init(struct mbox_mailbox *mailbox)
{
    guarded_list_init(&mailbox->to_coordinator);
    guarded_list_init(&mailbox->to_main);
    latch_init(&mailbox->wake);
    latch_init(&mailbox->exit);
    mailbox->main_seq = seq_create();
    atomic_init(&mailbox->durable, 0);
}

void
mbox_mailbox_destroy(struct mbox_mailbox *mailbox)
{
    struct mbox_mail *mail;

    while ((mail = mbox_mailbox_next_for_coordinator(mailbox)) != NULL) {
        mbox_mail_destroy(mail);
    }
    while ((mail = mbox_mailbox_next_for_main(mailbox)) != NULL) {
        mbox_mail_destroy(mail);
    }
    guarded_list_destroy(&mailbox->to_coordinator);
    guarded_list_destroy(&mailbox->to_main);
    latch_destroy(&mailbox->wake);
    latch_destroy(&mailbox->exit);
    seq_destroy(mailbox->main_seq);
}

void
mbox_mailbox_to_coordinator(struct mbox_mailbox *mailbox,
                            struct mbox_mail *mail)
{
    guarded_list_push_back(&mailbox->to_coordinator, &mail->node, SIZE_MAX);
    latch_set(&mailbox->wake);
}

void
mbox_mailbox_to_main(struct mbox_mailbox *mailbox, struct mbox_mail *mail)
{
    guarded_list_push_back(&mailbox->to_main, &mail->node, SIZE_MAX);
    seq_change(mailbox->main_seq);
}

void
mbox_mailbox_set_durable(struct mbox_mailbox *mailbox, uint64_t serial)
{
    atomic_store_explicit(&mailbox->durable, serial, memory_order_release);
    latch_set(&mailbox->wake);
}

uint64_t
mbox_mailbox_get_durable(const struct mbox_mailbox *mailbox_)
{
    struct mbox_mailbox *mailbox = CONST_CAST(struct mbox_mailbox *, mailbox_);
    uint64_t serial;

    atomic_read_explicit(&mailbox->durable, &serial, memory_order_acquire);
    return serial;
}

static struct mbox_mail *
pop(struct guarded_list *list)
{
    struct ovs_list *node = guarded_list_pop_front(list);

    return node ? CONTAINER_OF(node, struct mbox_mail, node) : NULL;
}

struct mbox_mail *
mbox_mailbox_next_for_coordinator(struct mbox_mailbox *mailbox)
{
    return pop(&mailbox->to_coordinator);
}

struct mbox_mail *
mbox_mailbox_next_for_main(struct mbox_mailbox *mailbox)
{
    return pop(&mailbox->to_main);
}
