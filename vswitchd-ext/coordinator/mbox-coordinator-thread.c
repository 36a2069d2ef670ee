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
#include "mbox-coordinator-private.h"

#include "mbox-steer.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "random.h"
#include "timeval.h"
#include "util.h"

VLOG_DEFINE_THIS_MODULE(mbox_coordinator);

/* When ovs-vswitchd exits, how long open transfers may take to roll back, in
 * ms. */
#define EXIT_MS 3000

/* The memory that a held packet takes at the least; turns the limit in bytes
 * into one in packets. */
#define MIN_HELD_BYTES 256

void
mbox_coordinator_reply(struct mbox_coordinator *c, uint64_t request,
                       bool success, bool json, char *text, uint64_t serial)
{
    struct mbox_mail *mail = mbox_mail_create(MBOX_MAIL_REPLY);

    mail->request = request;
    mail->success = success;
    mail->json = json;
    mail->text = text;
    mail->serial = serial;
    mbox_mailbox_to_main(c->mailbox, mail);
}

void
mbox_coordinator_publish_assignments(struct mbox_coordinator *c)
{
    if (c->assignments_changed || c->records.changed || c->scales.changed
        || c->usage.changed) {
        struct mbox_mail *mail = mbox_mail_create(MBOX_MAIL_ASSIGNMENTS);

        if (c->assignments_changed) {
            mail->text = mbox_assignments_to_string(&c->registry);
        }
        mail->open = mbox_records_format_open(&c->records);
        mail->commits = mbox_records_format_ended(&c->records);
        mail->scales = mbox_scales_format_records(&c->scales);
        if (c->usage.changed) {
            mail->usage = mbox_usage_format(&c->usage);
        }
        mail->serial = ++c->assignments_serial;
        mbox_mailbox_to_main(c->mailbox, mail);
        c->assignments_changed = c->records.changed = false;
        c->scales.changed = c->usage.changed = false;
    }
}

static void
configure(struct mbox_coordinator *c, const struct mbox_config *config)
{
    if (config->assignments) {
        /* Before any port is known, so that no packet goes elsewhere first. */
        char *error = mbox_assignments_restore(&c->registry,
                                               config->assignments);

        if (error) {
            VLOG_WARN("cannot restore all assignments: %s", error);
            free(error);
        }
    }
    if (config->commits) {
        mbox_records_parse(&c->records, MBOX_COMMITS_KEY, config->commits);
    }
    if (config->open) {
        mbox_records_parse(&c->records, MBOX_OPEN_KEY, config->open);
    }
    if (config->usage) {
        mbox_usage_parse(&c->usage, config->usage);
    }
    mbox_usage_account(c);
    c->hold_limit = config->hold_limit;
    mbox_steer_set_limits(c->hold_limit, c->hold_limit / MIN_HELD_BYTES);
    mbox_registry_configure(&c->registry, config);
    c->ports_wanted |= c->registry.has_tenants;
    mbox_transfers_check_ports(c);
    mbox_conns_configure(&c->conns, config);
    if (config->scales) {
        mbox_scales_restore(c, config->scales);
    }
    mbox_policies_configure(c);
}

static void
process_mail(struct mbox_coordinator *c)
{
    struct mbox_mail *mail;

    latch_poll(&c->mailbox->wake);
    while ((mail = mbox_mailbox_next_for_coordinator(c->mailbox)) != NULL) {
        if (mail->type == MBOX_MAIL_CONFIG) {
            configure(c, mail->config);
        } else if (mail->type == MBOX_MAIL_PORTS) {
            c->ports_asked = false;
            mbox_registry_set_counters(&c->registry, &mail->ports);
            mbox_usage_count_ports(c);
        } else {
            mbox_command_execute(c, mail->request, &mail->argv);
        }
        mbox_mail_destroy(mail);
    }
}

/* Asks the main thread for the ports' counters, if anybody wants them and it
 * may be asked. */
static void
read_ports(struct mbox_coordinator *c)
{
    if (c->ports_wanted && !c->ports_asked && !c->exiting
        && time_msec() >= c->ports_ms) {
        mbox_mailbox_to_main(c->mailbox,
                             mbox_mail_create(MBOX_MAIL_READ_PORTS));
        c->ports_wanted = false;
        c->ports_asked = true;
        c->ports_ms = time_msec() + MBOX_READ_PORTS_MS;
    }
}

static void
run(struct mbox_coordinator *c)
{
    process_mail(c);
    mbox_conns_run(c);
    mbox_transfers_run(c);
    mbox_inspections_run(c);
    mbox_resolver_run(c);
    mbox_scales_run(c);
    mbox_policies_run(c);
    mbox_usage_run(c);
    read_ports(c);
    mbox_coordinator_publish_assignments(c);
    mbox_conns_flush(c);
}

static void
wait(struct mbox_coordinator *c)
{
    latch_wait(&c->mailbox->wake);
    mbox_conns_wait(c);
    mbox_transfers_wait(c);
    mbox_inspections_wait(c);
    mbox_resolver_wait(c);
    mbox_scales_wait(c);
    mbox_policies_wait(c);
    mbox_usage_wait(c);
    if (c->ports_wanted && !c->ports_asked && !c->exiting) {
        poll_timer_wait_until(c->ports_ms);
    }
}

void *
mbox_coordinator_main(void *mailbox)
{
    struct mbox_coordinator c = {
        .mailbox = mailbox,
        .epoch = ((uint64_t) random_uint32() << 32) | random_uint32(),
    };
    long long give_up;

    mbox_registry_init(&c.registry);
    mbox_conns_init(&c.conns);
    mbox_transfers_init(&c.transfers);
    mbox_inspections_init(&c.inspections);
    mbox_records_init(&c.records, c.epoch);
    mbox_resolver_init(&c.resolver);
    mbox_scales_init(&c.scales);
    mbox_policies_init(&c.policies);
    mbox_usage_init(&c.usage, time_msec());

    while (!latch_is_set(&c.mailbox->exit)) {
        run(&c);
        wait(&c);
        latch_wait(&c.mailbox->exit);
        poll_block();
    }

    c.exiting = true;
    process_mail(&c);
    mbox_transfers_cancel_all(&c, "ovs-vswitchd is exiting");
    give_up = time_msec() + EXIT_MS;
    for (;;) {
        run(&c);
        if (hmap_is_empty(&c.transfers.open) || time_msec() >= give_up) {
            break;
        }
        wait(&c);
        poll_timer_wait_until(give_up);
        poll_block();
    }
    mbox_usage_write(&c);
    mbox_coordinator_publish_assignments(&c);

    mbox_policies_destroy(&c.policies);
    mbox_scales_destroy(&c);
    mbox_transfers_destroy(&c);
    mbox_inspections_destroy(&c.inspections);
    mbox_resolver_destroy(&c.resolver);
    mbox_records_destroy(&c.records);
    mbox_conns_destroy(&c);
    mbox_usage_destroy(&c.usage);
    mbox_registry_destroy(&c.registry);
    return NULL;
}
