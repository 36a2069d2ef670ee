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
#include "proxy-config.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include "cache-object.h"
#include "conf.h"

struct parser {
    struct conf conf;           /* First: conf_parse() hands on its address. */
    struct proxy_config *config;
    bool has_ports;             /* The default is replaced. */
};

void
proxy_config_init(struct proxy_config *config)
{
    *config = (struct proxy_config) {
        .ports = { 80 }, .n_ports = 1, .memory = 64, .max_object = 4096,
        .max_flows = 4096, .socket_buffer = 256, .request_timeout = 30,
        .idle_timeout = 60, .stall_timeout = 60, .mtu = 1500,
    };
}

bool
proxy_config_has_port(const struct proxy_config *config, uint16_t port)
{
    for (size_t i = 0; i < config->n_ports; i++) {
        if (config->ports[i] == port) {
            return true;
        }
    }
    return false;
}

static bool
parse_port(struct parser *p, const char *s)
{
    struct proxy_config *config = p->config;
    uint32_t port;

    if (!conf_uint(&p->conf, "port", s, 1, 65535, &port)) {
        return false;
    }
    if (!p->has_ports) {
        p->has_ports = true;
        config->n_ports = 0;
    }
    if (proxy_config_has_port(config, port)) {
        return conf_fail(&p->conf, "port %s is there twice: give it once", s);
    } else if (config->n_ports == PROXY_MAX_PORTS) {
        return conf_fail(&p->conf, "more than %d ports", PROXY_MAX_PORTS);
    }
    config->ports[config->n_ports++] = port;
    return true;
}

static bool
parse_words(struct conf *conf, char *words[], size_t n)
{
    struct parser *p = (struct parser *) conf;
    struct proxy_config *config = p->config;
    const struct {
        const char *name;
        uint32_t min, max;
        uint32_t *value;
    } numbers[] = {
        { "memory", 1, 1 << 20, &config->memory },
        { "max-object", 1, CACHE_OBJECT_MAX >> 10, &config->max_object },
        { "max-connections", 1, 1 << 20, &config->max_flows },
        { "socket-buffer", 16, 512, &config->socket_buffer },
        { "request-timeout", 1, 3600, &config->request_timeout },
        { "idle-timeout", 1, 86400, &config->idle_timeout },
        { "stall-timeout", 1, 86400, &config->stall_timeout },
        { "mtu", 1280, 9216, &config->mtu },
    };

    if (n != 2) {
        return conf_fail(conf, "\"%s\" takes one value", words[0]);
    } else if (!strcmp(words[0], "port")) {
        return parse_port(p, words[1]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!strcmp(words[0], numbers[i].name)) {
            return conf_uint(conf, words[0], words[1], numbers[i].min,
                             numbers[i].max, numbers[i].value);
        }
    }
    return conf_fail(conf, "unknown word \"%s\": known are port, memory, "
                     "max-object, max-connections, socket-buffer, "
                     "request-timeout, idle-timeout, stall-timeout, mtu",
                     words[0]);
}

int
proxy_config_parse(struct proxy_config *config, const char *name,
                   const char *text, size_t len, char **errp)
{
    struct parser p = { .conf = { .name = name }, .config = config };

    *errp = NULL;
    if (!conf_parse(&p.conf, text, len, parse_words)) {
        *errp = p.conf.error;
        return -EINVAL;
    }
    return 0;
}

int
proxy_config_load(struct proxy_config *config, const char *name, char **errp)
{
    char *text;
    size_t len;
    int error = conf_read_file(name, &text, &len, errp);

    if (!error) {
        error = proxy_config_parse(config, name, text, len, errp);
        free(text);
    }
    return error;
}
