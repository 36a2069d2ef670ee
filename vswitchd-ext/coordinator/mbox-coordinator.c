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
#include "mbox-coordinator.h"

#include <errno.h>

#include "connectivity.h"
#include "dpif.h"
#include "dpif-netdev.h"
#include "hash.h"
#include "mbox-coordinator-private.h"
#include "mbox-mailbox.h"
#include "mbox-ports.h"
#include "mbox-scales.h"
#include "mbox-usage.h"
#include "netdev.h"
#include "netdev-provider.h"
#include "ofproto/ofproto-dpif.h"
#include "openvswitch/dynamic-string.h"
#include "openvswitch/hmap.h"
#include "openvswitch/json.h"
#include "openvswitch/poll-loop.h"
#include "openvswitch/vlog.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "ovsdb-idl.h"
#include "seq.h"
#include "timeval.h"
#include "unixctl.h"
#include "util.h"
#include "vswitch-idl.h"

VLOG_DEFINE_THIS_MODULE(mbox_main);

/* How long an answer waits for the database to have the assignments that it
 * tells of, in ms. */
#define DURABLE_MS 2000

/* A command that has not been answered. */
struct pending {
    struct hmap_node node;      /* In 'pending', by 'request'. */
    uint64_t request;
    struct unixctl_conn *conn;

    /* The answer, once it is there and waits only for the database. */
    struct mbox_mail *reply;
    long long deadline;         /* ms. */
};

static struct ovsdb_idl *idl;
static struct mbox_mailbox mailbox;
static uint64_t mail_seqno;     /* Of 'mailbox.main_seq', before reading. */
static pthread_t thread;
static bool running;            /* The thread exists. */

static struct hmap pending = HMAP_INITIALIZER(&pending);
static uint64_t last_request;

/* Configuration. */
static unsigned int idl_seqno;
static uint64_t ports_seqno;
static bool recheck;            /* Look again after bridge_reconfigure(). */
static char *fingerprint;       /* Of what the coordinator has. */

/* Assignments on their way to the database. */
static struct mbox_mail *assignments;   /* To be written, or NULL. */
static struct ovsdb_idl_txn *txn;       /* Being committed, or NULL. */
static uint64_t txn_serial;             /* What it writes. */
static uint64_t durable_serial;         /* What the database has. */

/* Commands. */

static void
command_cb(struct unixctl_conn *conn, int argc, const char *argv[],
           void *aux OVS_UNUSED)
{
    struct mbox_mail *mail;
    struct pending *p;

    if (!running) {
        unixctl_command_reply_error(conn, "the coordinator has not started: "
                                    "ovs-vswitchd is not yet connected to the "
                                    "database");
        return;
    }

    p = xzalloc(sizeof *p);
    p->request = ++last_request;
    p->conn = conn;
    hmap_insert(&pending, &p->node, hash_uint64(p->request));

    mail = mbox_mail_create(MBOX_MAIL_COMMAND);
    mail->request = p->request;
    for (int i = 0; i < argc; i++) {
        svec_add(&mail->argv, argv[i]);
    }
    mbox_mailbox_to_coordinator(&mailbox, mail);
}

/* Tells the coordinator what the devices have counted. */
static void
send_ports(void)
{
    struct mbox_mail *mail = mbox_mail_create(MBOX_MAIL_PORTS);

    mbox_ports_read(idl, &mail->ports);
    mbox_mailbox_to_coordinator(&mailbox, mail);
}

/* Commands that need to know that. */
static void
figures_cb(struct unixctl_conn *conn, int argc, const char *argv[], void *aux)
{
    if (running) {
        send_ports();
    }
    command_cb(conn, argc, argv, aux);
}

/* Answers 'p' with 'mail', and frees both. */
static void
reply(struct pending *p, struct mbox_mail *mail)
{
    bool durable = mail->serial <= durable_serial;

    if (mail->serial && mail->json) {
        struct json *json = json_from_string(mail->text);

        if (json->type == JSON_OBJECT) {
            json_object_put(json, "durable", json_boolean_create(durable));
            free(mail->text);
            mail->text = json_to_string(json, JSSF_PRETTY | JSSF_SORT);
        }
        json_destroy(json);
    } else if (!durable) {
        char *text = xasprintf("%s\nwarning: the switch has the assignment, "
                               "but the database has not: it would be lost if "
                               "ovs-vswitchd ended now", mail->text);

        free(mail->text);
        mail->text = text;
    }

    if (mail->success) {
        unixctl_command_reply(p->conn, mail->text);
    } else {
        unixctl_command_reply_error(p->conn, mail->text);
    }
    mbox_mail_destroy(mail);
    hmap_remove(&pending, &p->node);
    free(p);
}

static struct pending *
find_pending(uint64_t request)
{
    struct pending *p;

    HMAP_FOR_EACH_WITH_HASH (p, node, hash_uint64(request), &pending) {
        if (p->request == request) {
            return p;
        }
    }
    return NULL;
}

static void
take_mail(struct mbox_mail *mail)
{
    if (mail->type == MBOX_MAIL_ASSIGNMENTS) {
        if (assignments && !mail->text) {
            mail->text = assignments->text;
            assignments->text = NULL;
        }
        if (assignments && !mail->usage) {
            mail->usage = assignments->usage;
            assignments->usage = NULL;
        }
        mbox_mail_destroy(assignments);
        assignments = mail;
    } else if (mail->type == MBOX_MAIL_READ_PORTS) {
        mbox_mail_destroy(mail);
        send_ports();
    } else {
        struct pending *p = find_pending(mail->request);

        if (p && !p->reply) {
            p->reply = mail;
            p->deadline = time_msec() + DURABLE_MS;
        } else {
            mbox_mail_destroy(mail);
        }
    }
}

/* Sends the answers that need not wait any longer. */
static void
send_replies(bool all)
{
    struct pending *p;

    HMAP_FOR_EACH_SAFE (p, node, &pending) {
        if (p->reply && (all || p->reply->serial <= durable_serial
                         || time_msec() >= p->deadline)) {
            reply(p, p->reply);
        }
    }
}

/* The database. */

/* Sets 'key' to 'value', unless that is NULL or it is so already. */
static void
set_external_id(const struct ovsrec_open_vswitch *cfg, const char *key,
                const char *value)
{
    if (value && strcmp(smap_get_def(&cfg->external_ids, key, ""), value)) {
        ovsrec_open_vswitch_update_external_ids_setkey(cfg, key, value);
    }
}

/* Advances the transaction that writes the assignments; begins one if there
 * is something to write. */
static void
write_assignments(void)
{
    const struct ovsrec_open_vswitch *cfg = ovsrec_open_vswitch_first(idl);
    enum ovsdb_idl_txn_status status;

    if (!txn && assignments && cfg && ovsdb_idl_has_lock(idl)) {
        txn = ovsdb_idl_txn_create(idl);
        txn_serial = assignments->serial;
        set_external_id(cfg, MBOX_ASSIGNMENTS_KEY, assignments->text);
        set_external_id(cfg, MBOX_OPEN_KEY, assignments->open);
        set_external_id(cfg, MBOX_COMMITS_KEY, assignments->commits);
        set_external_id(cfg, MBOX_SCALE_KEY, assignments->scales);
        set_external_id(cfg, MBOX_USAGE_KEY, assignments->usage);
    }
    if (!txn) {
        return;
    }

    status = ovsdb_idl_txn_commit(txn);
    if (status == TXN_INCOMPLETE) {
        return;
    }
    ovsdb_idl_txn_destroy(txn);
    txn = NULL;
    if (status == TXN_SUCCESS || status == TXN_UNCHANGED) {
        durable_serial = txn_serial;
        mbox_mailbox_set_durable(&mailbox, durable_serial);
        if (assignments && assignments->serial == txn_serial) {
            mbox_mail_destroy(assignments);
            assignments = NULL;
        }
    }
}

/* Finds where 'iface' of 'br' is in the datapath. */
static void
find_port(const struct ovsrec_bridge *br, const struct ovsrec_interface *iface,
          struct mbox_iface_config *config)
{
    struct ofproto_dpif *ofproto = ofproto_dpif_lookup_by_name(br->name);
    struct dpif_port port;
    struct netdev *netdev;
    struct dpif *dpif;

    if (!ofproto) {
        config->error = xasprintf("bridge %s does not exist in the switch",
                                  br->name);
        return;
    }
    dpif = ofproto->backer->dpif;
    if (!dpif_is_netdev(dpif)) {
        config->error = xasprintf("bridge %s has a kernel datapath; set its "
                                  "datapath_type=netdev", br->name);
        return;
    }
    if (dpif_port_query_by_name(dpif, iface->name, &port)) {
        config->error = xstrdup(iface->error && iface->error[0]
                                ? iface->error : "not in the datapath");
        return;
    }
    config->port = port.port_no;
    dpif_port_destroy(&port);
    ovs_strlcpy(config->dp_name, dpif_name(dpif), sizeof config->dp_name);

    netdev = netdev_from_name(iface->name);
    if (netdev) {
        netdev_get_etheraddr(netdev, &config->mac);
        netdev_close(netdev);
    }
}

static int
compare_ifaces(const void *a_, const void *b_)
{
    const struct mbox_iface_config *a = a_;
    const struct mbox_iface_config *b = b_;

    return strcmp(a->iface, b->iface);
}

static void
read_bridge(const struct ovsrec_bridge *br, struct mbox_config *config)
{
    for (size_t i = 0; i < br->n_ports; i++) {
        const struct ovsrec_port *port = br->ports[i];

        for (size_t j = 0; j < port->n_interfaces; j++) {
            const struct ovsrec_interface *iface = port->interfaces[j];
            const char *class_name = smap_get(&iface->other_config,
                                              "mbox-class");
            struct mbox_iface_config *ic;

            if (!class_name) {
                continue;
            }
            ic = mbox_config_add_iface(config);
            ic->iface = xstrdup(iface->name);
            ic->bridge = xstrdup(br->name);
            ic->class_name = xstrdup(class_name);
            ic->name = xstrdup(smap_get_def(&iface->other_config, "mbox-name",
                                            iface->name));
            find_port(br, iface, ic);
            config->in_use = true;
        }
    }
}

static struct mbox_config *
read_config(const struct ovsrec_open_vswitch *cfg)
{
    struct mbox_config *config = mbox_config_create();
    const struct smap *other_config = &cfg->other_config;
    const struct smap_node *node;
    const char *s;

    for (size_t i = 0; i < cfg->n_bridges; i++) {
        read_bridge(cfg->bridges[i], config);
    }
    if (config->n_ifaces) {
        qsort(config->ifaces, config->n_ifaces, sizeof *config->ifaces,
              compare_ifaces);
    }

    SMAP_FOR_EACH (node, other_config) {
        if (!strncmp(node->key, "mbox-", 5)) {
            config->in_use = true;
        }
        if (mbox_config_setting_class(node->key)) {
            smap_add(&config->class_settings, node->key, node->value);
        }
    }

    sset_from_delimited_string(&config->listen,
                               smap_get_def(other_config, "mbox-coordinator",
                                            ""), " ,");
    s = smap_get(other_config, "mbox-private-key");
    config->private_key = nullable_xstrdup(s ? s : cfg->ssl
                                           ? cfg->ssl->private_key : NULL);
    s = smap_get(other_config, "mbox-certificate");
    config->certificate = nullable_xstrdup(s ? s : cfg->ssl
                                           ? cfg->ssl->certificate : NULL);
    s = smap_get(other_config, "mbox-ca-cert");
    config->ca_cert = nullable_xstrdup(s ? s : cfg->ssl
                                       ? cfg->ssl->ca_cert : NULL);
    config->verify_names = smap_get_bool(other_config, "mbox-verify-names",
                                         true);
    config->hold_limit = smap_get_ullong(other_config, "mbox-hold-limit",
                                         MBOX_DEFAULT_HOLD_LIMIT);
    config->probe_ms = smap_get_int(other_config, "mbox-probe-interval",
                                    MBOX_DEFAULT_PROBE_MS);
    config->probe_ms = MIN(MAX(config->probe_ms, 0), 3600 * 1000);
    return config;
}

/* Sends the configuration to the coordinator if it has changed; starts the
 * thread the first time. */
static void
run_config(void)
{
    const struct ovsrec_open_vswitch *cfg;
    uint64_t seq = seq_read(connectivity_seq_get());
    bool idl_changed = ovsdb_idl_get_seqno(idl) != idl_seqno;

    if (!ovsdb_idl_has_lock(idl) || !ovsdb_idl_has_ever_connected(idl)
        || (!idl_changed && seq == ports_seqno && !recheck && running)) {
        return;
    }
    cfg = ovsrec_open_vswitch_first(idl);
    if (!cfg) {
        return;
    }
    idl_seqno = ovsdb_idl_get_seqno(idl);
    ports_seqno = seq;
    recheck = idl_changed;      /* bridge_reconfigure() follows. */

    struct mbox_config *config = read_config(cfg);
    char *new_fingerprint = mbox_config_fingerprint(config);

    if (fingerprint && !strcmp(fingerprint, new_fingerprint)) {
        mbox_config_destroy(config);
        free(new_fingerprint);
        return;
    }
    free(fingerprint);
    fingerprint = new_fingerprint;

    if (!running) {
        const struct smap *ids = &cfg->external_ids;

        config->assignments = nullable_xstrdup(smap_get(ids,
                                                        MBOX_ASSIGNMENTS_KEY));
        config->open = nullable_xstrdup(smap_get(ids, MBOX_OPEN_KEY));
        config->commits = nullable_xstrdup(smap_get(ids, MBOX_COMMITS_KEY));
        config->scales = nullable_xstrdup(smap_get(ids, MBOX_SCALE_KEY));
        config->usage = nullable_xstrdup(smap_get(ids, MBOX_USAGE_KEY));
        mbox_mailbox_init(&mailbox);
        thread = ovs_thread_create("mbox_coordinator", mbox_coordinator_main,
                                   &mailbox);
        running = true;
    }

    struct mbox_mail *mail = mbox_mail_create(MBOX_MAIL_CONFIG);
    mail->config = config;
    mbox_mailbox_to_coordinator(&mailbox, mail);
}

/* Interface of this module. */

void
mbox_coordinator_init(struct ovsdb_idl *idl_)
{
    static const struct {
        const char *name;
        const char *usage;
        int min_args, max_args;
    } commands[] = {
        { "mbox/list", "[--format=text|json]", 0, 1 },
        { "mbox/show", "[INSTANCE|CLASS]", 0, 1 },
        { "mbox/state", "INSTANCE [MATCH] [OPTION]...", 1, 20 },
        { "mbox/move", "SRC DST MATCH [OPTION]...", 3, 20 },
        { "mbox/copy", "SRC DST MATCH [OPTION]...", 3, 20 },
        { "mbox/failover", "INSTANCE|ID [OPTION]...", 1, 20 },
        { "mbox/status", "[ID] [--format=text|json]", 0, 2 },
        { "mbox/history", "[N] [--format=text|json]", 0, 2 },
        { "mbox/cancel", "ID [--format=text|json]", 1, 2 },
        { "mbox/assignments", "[CLASS] [--format=text|json]", 0, 2 },
        { "mbox/unassign", "CLASS MATCH|--all", 2, 3 },
        { "mbox/scale-out", "CLASS [MATCH] [OPTION]...", 1, 20 },
        { "mbox/scale-in", "INSTANCE [OPTION]...", 1, 20 },
        { "mbox/policy", "[CLASS] [--format=text|json]", 0, 2 },
    };

    idl = idl_;
    ovsdb_idl_add_column(idl, &ovsrec_open_vswitch_col_external_ids);
    ovsdb_idl_omit_alert(idl, &ovsrec_open_vswitch_col_external_ids);

    for (size_t i = 0; i < ARRAY_SIZE(commands); i++) {
        unixctl_command_register(commands[i].name, commands[i].usage,
                                 commands[i].min_args, commands[i].max_args,
                                 command_cb, NULL);
    }
    unixctl_command_register("mbox/metrics", "", 0, 0, figures_cb, NULL);
    unixctl_command_register("mbox/usage", "[--format=text|json]", 0, 1,
                             figures_cb, NULL);
}

void
mbox_coordinator_run(void)
{
    struct mbox_mail *mail;

    run_config();
    if (!running) {
        return;
    }
    mail_seqno = seq_read(mailbox.main_seq);
    while ((mail = mbox_mailbox_next_for_main(&mailbox)) != NULL) {
        take_mail(mail);
    }
    write_assignments();
    send_replies(false);
}

void
mbox_coordinator_wait(void)
{
    struct pending *p;

    if (!running) {
        return;
    }
    if (recheck) {
        poll_immediate_wake();
    }
    seq_wait(connectivity_seq_get(), ports_seqno);
    seq_wait(mailbox.main_seq, mail_seqno);
    if (txn) {
        ovsdb_idl_txn_wait(txn);
    }
    HMAP_FOR_EACH (p, node, &pending) {
        if (p->reply) {
            poll_timer_wait_until(p->deadline);
        }
    }
}

/* Stops the thread and takes the last of its mail. */
static void
stop_thread(void)
{
    struct mbox_mail *mail;

    /* What has been counted until now; it cannot ask any more. */
    send_ports();
    latch_set(&mailbox.exit);

    /* The coordinator may wait for a grace period. */
    ovsrcu_quiesce_start();
    xpthread_join(thread, NULL);
    ovsrcu_quiesce_end();

    while ((mail = mbox_mailbox_next_for_main(&mailbox)) != NULL) {
        take_mail(mail);
    }
    running = false;
}

void
mbox_coordinator_exit(void)
{
    struct pending *p;

    if (running) {
        stop_thread();
        long long deadline = time_msec() + DURABLE_MS;
        for (;;) {
            ovsdb_idl_run(idl);
            write_assignments();
            if ((!txn && !assignments) || time_msec() >= deadline) {
                break;
            }
            ovsdb_idl_wait(idl);
            if (txn) {
                ovsdb_idl_txn_wait(txn);
            }
            poll_timer_wait_until(deadline);
            poll_block();
        }
        mbox_mailbox_destroy(&mailbox);
    }

    send_replies(true);
    HMAP_FOR_EACH_SAFE (p, node, &pending) {
        unixctl_command_reply_error(p->conn, "ovs-vswitchd is exiting");
        hmap_remove(&pending, &p->node);
        free(p);
    }
    hmap_destroy(&pending);
    if (txn) {
        ovsdb_idl_txn_destroy(txn);
        txn = NULL;
    }
    mbox_mail_destroy(assignments);
    assignments = NULL;
    free(fingerprint);
    fingerprint = NULL;
}
