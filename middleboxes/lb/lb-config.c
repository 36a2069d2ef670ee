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
#include "lb-config.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "conf.h"
#include "lb-maglev.h"
#include "mbox-fnv.h"

static const char *const state_names[LB_N_STATES] = {
    [LB_SYN] = "syn", [LB_OPEN] = "open", [LB_FIN] = "fin",
    [LB_CLOSED] = "closed", [LB_DATAGRAMS] = "udp",
};

struct parser {
    struct conf conf;           /* First: see parse_words(). */
    struct lb_config *config;
};

#define fail(P, ...) conf_fail(&(P)->conf, __VA_ARGS__)

static bool
parse_uint(struct parser *p, const char *what, const char *s, uint32_t min,
           uint32_t max, uint32_t *value)
{
    return conf_uint(&p->conf, what, s, min, max, value);
}

const char *
lb_state_to_string(enum lb_state state)
{
    return state_names[state];
}

static bool
parse_name(struct parser *p, const char *what, const char *s,
           char name[LB_NAME_MAX + 1])
{
    size_t len = strlen(s);

    if (len > LB_NAME_MAX
        || strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                  "0123456789_.-") != len) {
        return fail(p, "%s \"%s\": a name has at most %d letters, digits and "
                    "\"_.-\"", what, s, LB_NAME_MAX);
    }
    memcpy(name, s, len + 1);
    return true;
}

uint8_t
lb_address_family(const uint8_t addr[16])
{
    static const uint8_t v4_prefix[12] = { [10] = 0xff, 0xff };

    return memcmp(addr, v4_prefix, sizeof v4_prefix) ? 6 : 4;
}

/* False for what cannot be the address of one host. */
static bool
is_unicast(uint8_t family, const uint8_t addr[16])
{
    static const uint8_t zeros[16];

    if (family == 4) {
        return addr[12] && addr[12] != 127 && addr[12] < 224;
    }
    return addr[0] != 0xff && memcmp(addr, zeros, 15);
}

/* Parses "A.B.C.D:PORT" or "[A::B]:PORT", which it changes. */
static bool
parse_endpoint(struct parser *p, char *s, uint8_t *family, uint8_t addr[16],
               uint16_t *port)
{
    char *host = s;
    char *colon = strrchr(s, ':');
    uint32_t n;

    if (!colon || (*s == '[') != (colon > s && colon[-1] == ']')) {
        return fail(p, "\"%s\": give ADDRESS:PORT, IPv6 as [ADDRESS]:PORT", s);
    }
    *colon = '\0';
    if (*s == '[') {
        host++;
        colon[-1] = '\0';
    }
    *family = conf_address(host, addr);
    if (!*family || (*family == 6) != (*s == '[')) {
        return fail(p, "\"%s\" is not an address: give a numeric one, IPv6 as "
                    "[ADDRESS]:PORT", host);
    }
    if (*family != lb_address_family(addr)) {
        return fail(p, "\"%s\" is IPv4-mapped: give it as IPv4, %u.%u.%u.%u",
                    host, addr[12], addr[13], addr[14], addr[15]);
    }
    if (!is_unicast(*family, addr)) {
        return fail(p, "\"%s\" is not the address of a host: give a unicast "
                    "address", host);
    }
    if (!parse_uint(p, "port", colon + 1, 1, UINT16_MAX, &n)) {
        return false;
    }
    *port = n;
    return true;
}

static bool
parse_mac(struct parser *p, const char *s)
{
    uint8_t *mac = p->config->mac;
    int len = 0;

    if (sscanf(s, "%2"SCNx8":%2"SCNx8":%2"SCNx8":%2"SCNx8":%2"SCNx8":%2"SCNx8
               "%n", &mac[0], &mac[1], &mac[2], &mac[3], &mac[4], &mac[5],
               &len) != 6 || s[len]) {
        return fail(p, "\"%s\" is not a MAC address: give one like "
                    "02:00:5e:00:01:01", s);
    }
    if (mac[0] & 1) {
        return fail(p, "\"%s\" is a multicast address: the first byte must be "
                    "even", s);
    }
    p->config->has_mac = true;
    return true;
}

/* Options of services and backends, "NAME=VALUE". */

static bool
parse_choice(struct parser *p, const char *what, const char *s,
             const char *const *choices, unsigned int n, unsigned int *choice)
{
    char list[64] = "";

    for (*choice = 0; *choice < n; ++*choice) {
        if (!strcmp(s, choices[*choice])) {
            return true;
        }
        strcat(list, *choice ? " or " : "");
        strcat(list, choices[*choice]);
    }
    return fail(p, "%s \"%s\": give %s", what, s, list);
}

static bool
parse_service_option(struct parser *p, struct lb_service_config *service,
                     const char *name, const char *value)
{
    static const char *const modes[] = {
        [LB_NAT] = "nat", [LB_DSR] = "dsr",
    };
    static const char *const checks[] = {
        [LB_CHECK_TCP] = "tcp", [LB_CHECK_PING] = "ping",
        [LB_CHECK_ARP] = "arp",
    };
    unsigned int choice;
    uint32_t n;

    if (!strcmp(name, "mode")) {
        if (!parse_choice(p, name, value, modes, 2, &choice)) {
            return false;
        }
        service->mode = choice;
        return true;
    } else if (!strcmp(name, "check")) {
        if (!parse_choice(p, name, value, checks, 3, &choice)) {
            return false;
        }
        service->check = choice;
        return true;
    } else if (!strcmp(name, "check-port")) {
        if (!parse_uint(p, name, value, 1, UINT16_MAX, &n)) {
            return false;
        }
        service->check_port = n;
        return true;
    } else if (!strcmp(name, "interval")) {
        return parse_uint(p, name, value, 100, 3600000, &service->interval);
    } else if (!strcmp(name, "rise")) {
        return parse_uint(p, name, value, 1, 1000, &service->rise);
    } else if (!strcmp(name, "fall")) {
        return parse_uint(p, name, value, 1, 1000, &service->fall);
    }
    return fail(p, "unknown option \"%s\" of a service: known are mode, "
                "check, check-port, interval, rise, fall", name);
}

static bool
parse_backend_option(struct parser *p, struct lb_backend_config *backend,
                     const char *name, const char *value)
{
    if (!strcmp(name, "weight")) {
        return parse_uint(p, name, value, 0, LB_MAGLEV_MAX_WEIGHT,
                          &backend->weight);
    }
    return fail(p, "unknown option \"%s\" of a backend: known is weight",
                name);
}

/* Cuts "NAME=VALUE". */
static bool
split_option(struct parser *p, char *word, char **value)
{
    *value = strchr(word, '=');
    if (!*value || *value == word) {
        return fail(p, "\"%s\": give options as NAME=VALUE", word);
    }
    *(*value)++ = '\0';
    return true;
}

static void *
grow(void *array, size_t n, size_t size)
{
    /* Powers of two, when one is full. */
    if (n & (n - 1)) {
        return array;
    }
    array = realloc(array, (n ? n * 2 : 1) * size);
    if (!array) {
        abort();
    }
    return array;
}

/* Statements. */

/* service NAME PROTO ENDPOINT [OPTION...] */
static bool
parse_service(struct parser *p, char *words[], size_t n)
{
    struct lb_config *config = p->config;
    struct lb_service_config service = {
        .interval = 1000, .rise = 2, .fall = 3,
    };

    if (n < 4) {
        return fail(p, "incomplete service: give \"service NAME tcp|udp "
                    "ADDRESS:PORT\"");
    }
    if (!parse_name(p, "service", words[1], service.name)) {
        return false;
    }
    if (!strcmp(words[2], "tcp")) {
        service.proto = IPPROTO_TCP;
        service.check = LB_CHECK_TCP;
    } else if (!strcmp(words[2], "udp")) {
        service.proto = IPPROTO_UDP;
        service.check = LB_CHECK_PING;
    } else {
        return fail(p, "protocol \"%s\": give tcp or udp", words[2]);
    }
    if (!parse_endpoint(p, words[3], &service.family, service.addr,
                        &service.port)) {
        return false;
    }
    for (size_t i = 4; i < n; i++) {
        char *value;

        if (!split_option(p, words[i], &value)
            || !parse_service_option(p, &service, words[i], value)) {
            return false;
        }
    }
    if (service.proto == IPPROTO_UDP && service.check == LB_CHECK_TCP
        && !service.check_port) {
        return fail(p, "check=tcp of a UDP service: give check-port=PORT, "
                    "too");
    }
    for (size_t i = 0; i < config->n_services; i++) {
        const struct lb_service_config *other = &config->services[i];

        if (!strcmp(other->name, service.name)) {
            return fail(p, "service \"%s\" is there already: give it another "
                        "name", service.name);
        }
        if (other->proto == service.proto && other->port == service.port
            && !memcmp(other->addr, service.addr, sizeof service.addr)) {
            return fail(p, "service \"%s\" has the same address: give each "
                        "its own address or port", other->name);
        }
    }
    config->services = grow(config->services, config->n_services,
                            sizeof service);
    config->services[config->n_services++] = service;
    return true;
}

static bool
check_backend(struct parser *p, const struct lb_service_config *service,
              const struct lb_backend_config *backend, uint8_t family)
{
    if (family != service->family) {
        return fail(p, "backend \"%s\" has an IPv%u address and its service "
                    "an IPv%u one: give an IPv%u address", backend->name,
                    family, service->family, service->family);
    }
    if (service->mode == LB_DSR && backend->port != service->port) {
        return fail(p, "backend \"%s\" has port %u, but direct server return "
                    "keeps ports: give port %u", backend->name, backend->port,
                    service->port);
    }
    if (service->n_backends >= LB_MAGLEV_MAX_NODES) {
        return fail(p, "more than %d backends", LB_MAGLEV_MAX_NODES);
    }
    for (size_t i = 0; i < service->n_backends; i++) {
        const struct lb_backend_config *other = &service->backends[i];

        if (!strcmp(other->name, backend->name)) {
            return fail(p, "backend \"%s\" is there already: give it another "
                        "name", backend->name);
        }
        if (other->port == backend->port
            && !memcmp(other->addr, backend->addr, sizeof backend->addr)) {
            return fail(p, "backend \"%s\" has the same address: give one of "
                        "them more weight instead", other->name);
        }
    }
    return true;
}

/* backend NAME ENDPOINT [OPTION...] */
static bool
parse_backend(struct parser *p, char *words[], size_t n)
{
    struct lb_config *config = p->config;
    struct lb_backend_config backend = { .weight = 1 };
    struct lb_service_config *service;
    uint8_t family;

    if (!config->n_services) {
        return fail(p, "backend without a service: write its service before "
                    "it");
    }
    service = &config->services[config->n_services - 1];
    if (n < 3) {
        return fail(p, "incomplete backend: give \"backend NAME "
                    "ADDRESS:PORT\"");
    }
    if (!parse_name(p, "backend", words[1], backend.name)
        || !parse_endpoint(p, words[2], &family, backend.addr,
                           &backend.port)) {
        return false;
    }
    for (size_t i = 3; i < n; i++) {
        char *value;

        if (!split_option(p, words[i], &value)
            || !parse_backend_option(p, &backend, words[i], value)) {
            return false;
        }
    }
    if (!check_backend(p, service, &backend, family)) {
        return false;
    }
    service->backends = grow(service->backends, service->n_backends,
                             sizeof backend);
    service->backends[service->n_backends++] = backend;
    return true;
}

/* timeout STATE SECONDS */
static bool
parse_timeout(struct parser *p, char *words[])
{
    unsigned int state;

    return (parse_choice(p, "timeout", words[1], state_names, LB_N_STATES,
                         &state)
            && parse_uint(p, "timeout", words[2], 1, 7 * 86400,
                          &p->config->timeouts[state]));
}

static bool
parse_table_size(struct parser *p, const char *s)
{
    uint32_t *size = &p->config->table_size;

    if (!parse_uint(p, "table-size", s, 3, 1 << 23, size)) {
        return false;
    }
    return (lb_maglev_size_is_valid(*size)
            || fail(p, "table-size %"PRIu32" is not a prime: give one, like "
                    "16381, 65537 or 655373", *size));
}

static bool
parse_words(struct conf *conf, char *words[], size_t n)
{
    struct parser *p = (struct parser *) conf;
    const char *word = words[0];

    if (!strcmp(word, "service")) {
        return parse_service(p, words, n);
    } else if (!strcmp(word, "backend")) {
        return parse_backend(p, words, n);
    } else if (!strcmp(word, "timeout")) {
        return (n == 3 ? parse_timeout(p, words)
                : fail(p, "give \"timeout STATE SECONDS\""));
    } else if (strcmp(word, "mac") && strcmp(word, "table-size")
               && strcmp(word, "max-connections")) {
        return fail(p, "unknown word \"%s\": known are mac, table-size, "
                    "max-connections, timeout, service, backend", word);
    } else if (n != 2) {
        return fail(p, "give one value for \"%s\"", word);
    } else if (!strcmp(word, "mac")) {
        return parse_mac(p, words[1]);
    } else if (!strcmp(word, "table-size")) {
        return parse_table_size(p, words[1]);
    }
    return parse_uint(p, word, words[1], 1, 100000000,
                      &p->config->max_connections);
}

/* Checks a backend against the services that it is not of, too. */
static bool
check_with_others(struct parser *p, const struct lb_service_config *service,
                  const struct lb_backend_config *backend)
{
    const struct lb_config *config = p->config;

    for (size_t i = 0; i < config->n_services; i++) {
        const struct lb_service_config *other = &config->services[i];

        if (!memcmp(backend->addr, other->addr, sizeof other->addr)) {
            return fail(p, "backend \"%s\" has the virtual address of service "
                        "\"%s\": give the host's own address", backend->name,
                        other->name);
        }
        for (size_t j = 0; j < other->n_backends; j++) {
            if (other != service && service->mode == LB_NAT
                && other->mode == LB_NAT && other->proto == service->proto
                && other->backends[j].port == backend->port
                && !memcmp(other->backends[j].addr, backend->addr,
                           sizeof backend->addr)) {
                return fail(p, "backend \"%s\" of service \"%s\" is in "
                            "service \"%s\", too, so that answers cannot be "
                            "told apart: give it another port there",
                            backend->name, service->name, other->name);
            }
        }
    }
    return true;
}

/* What only the whole file tells.  Messages name its last line. */
static bool
check_config(struct parser *p)
{
    const struct lb_config *config = p->config;

    if (!config->has_mac) {
        return fail(p, "no \"mac\": give the virtual MAC address, the same "
                    "for all instances");
    }
    if (!config->n_services) {
        return fail(p, "no \"service\": give at least one");
    }
    for (size_t i = 0; i < config->n_services; i++) {
        const struct lb_service_config *service = &config->services[i];

        if (!service->n_backends) {
            return fail(p, "service \"%s\" has no backend: give at least one",
                        service->name);
        }
        if (service->n_backends > config->table_size) {
            return fail(p, "service \"%s\" has more backends than table-size: "
                        "raise that to 100 times their number",
                        service->name);
        }
        for (size_t j = 0; j < service->n_backends; j++) {
            if (!check_with_others(p, service, &service->backends[j])) {
                return false;
            }
        }
    }
    return true;
}

static void
digest(uint64_t *d, const void *data, size_t len)
{
    *d = mbox_fnv1a(*d, data, len);
}

static void
digest_number(uint64_t *d, uint64_t number)
{
    digest(d, &number, sizeof number);
}

static uint64_t
digest_config(const struct lb_config *config)
{
    uint64_t d = MBOX_FNV1A_INIT;

    digest(&d, config->mac, sizeof config->mac);
    digest_number(&d, config->table_size);
    digest_number(&d, config->max_connections);
    digest(&d, config->timeouts, sizeof config->timeouts);
    for (size_t i = 0; i < config->n_services; i++) {
        const struct lb_service_config *s = &config->services[i];

        digest(&d, s->name, strlen(s->name) + 1);
        digest(&d, s->addr, sizeof s->addr);
        digest_number(&d, s->proto);
        digest_number(&d, s->port);
        digest_number(&d, s->mode);
        digest_number(&d, s->check);
        digest_number(&d, s->check_port);
        digest_number(&d, s->interval);
        digest_number(&d, s->rise);
        digest_number(&d, s->fall);
        for (size_t j = 0; j < s->n_backends; j++) {
            const struct lb_backend_config *b = &s->backends[j];

            digest(&d, b->name, strlen(b->name) + 1);
            digest(&d, b->addr, sizeof b->addr);
            digest_number(&d, b->port);
            digest_number(&d, b->weight);
        }
    }
    return d;
}

int
lb_config_parse(const char *name, const char *text, size_t len,
                struct lb_config **configp, char **errp)
{
    struct parser p = { .conf = { .name = name } };

    p.config = calloc(1, sizeof *p.config);
    if (!p.config) {
        abort();
    }
    *p.config = (struct lb_config) {
        .table_size = 65537,
        .max_connections = 1000000,
        .timeouts = { [LB_SYN] = 30, [LB_OPEN] = 900, [LB_FIN] = 120,
                      [LB_CLOSED] = 10, [LB_DATAGRAMS] = 120 },
    };
    if (!conf_parse(&p.conf, text, len, parse_words) || !check_config(&p)) {
        lb_config_destroy(p.config);
        *configp = NULL;
        *errp = p.conf.error;
        return -EINVAL;
    }
    p.config->digest = digest_config(p.config);
    *configp = p.config;
    *errp = NULL;
    return 0;
}

int
lb_config_load(const char *name, struct lb_config **configp, char **errp)
{
    char *text;
    size_t len;
    int error;

    *configp = NULL;
    error = conf_read_file(name, &text, &len, errp);
    if (!error) {
        error = lb_config_parse(name, text, len, configp, errp);
        free(text);
    }
    return error;
}

void
lb_config_destroy(struct lb_config *config)
{
    if (config) {
        for (size_t i = 0; i < config->n_services; i++) {
            free(config->services[i].backends);
        }
        free(config->services);
        free(config);
    }
}
