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
#include "wanopt-config.h"

#include <errno.h>
#include <openssl/crypto.h>
#include <stdlib.h>
#include <string.h>
#include "conf.h"

struct parser {
    struct conf conf;           /* First: see parse_words(). */
    struct wanopt_config *config;
};

#define fail(P, ...) conf_fail(&(P)->conf, __VA_ARGS__)

static bool
net_has(const struct wanopt_net *net, uint8_t family, const uint8_t addr[16])
{
    size_t n = net->bits / 8;
    uint8_t mask = 0xff00 >> net->bits % 8;

    return (net->family == family && !memcmp(net->addr, addr, n)
            && (n == 16 || !((net->addr[n] ^ addr[n]) & mask)));
}

bool
wanopt_nets_have(const struct wanopt_nets *nets, uint8_t family,
                 const uint8_t addr[16])
{
    for (size_t i = 0; i < nets->n; i++) {
        if (net_has(&nets->nets[i], family, addr)) {
            return true;
        }
    }
    return false;
}

/* Fails if one of 'nets' has an address in common with 'net'. */
static bool
check_overlap(struct parser *p, const struct wanopt_nets *nets,
              const struct wanopt_net *net, const char *word)
{
    for (size_t i = 0; i < nets->n; i++) {
        const struct wanopt_net *other = &nets->nets[i];

        if (other->bits <= net->bits
            ? net_has(other, net->family, net->addr)
            : net_has(net, other->family, other->addr)) {
            return fail(p, "\"%s\" overlaps with a network of the other site: "
                        "an address is at one site only", word);
        }
    }
    return true;
}

/* Adds a network where it belongs in their order, unless it is there: the same
 * networks are the same configuration, in whichever order a file has them. */
static void
insert_net(struct wanopt_nets *nets, const struct wanopt_net *net)
{
    size_t i = nets->n;

    while (i > 0 && memcmp(&nets->nets[i - 1], net, sizeof *net) > 0) {
        i--;
    }
    if (i == 0 || memcmp(&nets->nets[i - 1], net, sizeof *net)) {
        memmove(&nets->nets[i + 1], &nets->nets[i],
                (nets->n++ - i) * sizeof *net);
        nets->nets[i] = *net;
    }
}

/* local NETWORK, remote NETWORK: an address, or ADDRESS/BITS. */
static bool
parse_net(struct parser *p, struct wanopt_nets *nets,
          const struct wanopt_nets *other, char *word)
{
    struct wanopt_net net;
    char *slash = strchr(word, '/');
    uint32_t bits;

    if (nets->n == WANOPT_MAX_NETS) {
        return fail(p, "more than %d networks of a site: give larger ones",
                    WANOPT_MAX_NETS);
    }
    if (slash) {
        *slash = '\0';
    }
    net.family = conf_address(word, net.addr);
    if (!net.family) {
        return fail(p, "\"%s\" is not an address: give a numeric one", word);
    }

    uint32_t max = net.family == 4 ? 32 : 128;
    bits = max;
    if (slash && !conf_uint(&p->conf, "length of a prefix", slash + 1, 0, max,
                            &bits)) {
        return false;
    }
    net.bits = bits + 128 - max;
    for (size_t i = net.bits; i < 128; i++) {
        if (net.addr[i / 8] & 0x80 >> i % 8) {
            return fail(p, "\"%s\" has bits set behind its prefix of %u: give "
                        "the address of a network", word, (unsigned int) bits);
        }
    }
    if (!check_overlap(p, other, &net, word)) {
        return false;
    }
    insert_net(nets, &net);
    return true;
}

/* key HEX */
static bool
parse_key(struct parser *p, const char *word)
{
    if (strlen(word) != 2 * WANOPT_KEY_LEN
        || strspn(word, "0123456789abcdefABCDEF") != 2 * WANOPT_KEY_LEN) {
        return fail(p, "the key must have %d hexadecimal digits: let "
                    "\"openssl rand -hex %d\" make one", 2 * WANOPT_KEY_LEN,
                    WANOPT_KEY_LEN);
    }
    for (size_t i = 0; i < WANOPT_KEY_LEN; i++) {
        char digits[] = { word[2 * i], word[2 * i + 1], '\0' };

        p->config->key[i] = strtoul(digits, NULL, 16);
    }
    p->config->has_key = true;
    return true;
}

static bool
parse_words(struct conf *conf, char *words[], size_t n)
{
    struct parser *p = (struct parser *) conf;
    struct wanopt_config *config = p->config;
    const struct {
        const char *name;
        uint32_t min, max;
        uint32_t *value;
    } numbers[] = {
        { "memory", 1, 65536, &config->memory },
        { "waiting-memory", 1, 65536, &config->waiting_memory },
        { "max-flows", 1, 100000000, &config->max_flows },
        { "compression-level", 0, 19, &config->level },
    };
    const char *word = words[0];

    if (n != 2) {
        return fail(p, "give one value for \"%s\"", word);
    } else if (!strcmp(word, "local")) {
        return parse_net(p, &config->local, &config->remote, words[1]);
    } else if (!strcmp(word, "remote")) {
        return parse_net(p, &config->remote, &config->local, words[1]);
    } else if (!strcmp(word, "key")) {
        return parse_key(p, words[1]);
    }
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        if (!strcmp(word, numbers[i].name)) {
            return conf_uint(conf, word, words[1], numbers[i].min,
                             numbers[i].max, numbers[i].value);
        }
    }
    return fail(p, "unknown word \"%s\": known are local, remote, key, "
                "memory, waiting-memory, max-flows, compression-level", word);
}

/* What only the whole file tells.  Messages name its last line. */
static bool
check_config(struct parser *p)
{
    const struct wanopt_config *config = p->config;

    if (!config->local.n || !config->remote.n) {
        return fail(p, "no \"%s\": give the networks of both sites",
                    config->local.n ? "remote" : "local");
    }
    if (!config->has_key) {
        return fail(p, "no \"key\": give the secret of the two sites; "
                    "\"openssl rand -hex %d\" makes one", WANOPT_KEY_LEN);
    }
    return true;
}

int
wanopt_config_parse(const char *name, const char *text, size_t len,
                    struct wanopt_config **configp, char **errp)
{
    struct parser p = { .conf = { .name = name } };

    p.config = calloc(1, sizeof *p.config);
    if (!p.config) {
        abort();
    }
    *p.config = (struct wanopt_config) {
        .memory = 64, .waiting_memory = 16, .max_flows = 65536, .level = 1,
    };
    if (!conf_parse(&p.conf, text, len, parse_words) || !check_config(&p)) {
        wanopt_config_destroy(p.config);
        *configp = NULL;
        *errp = p.conf.error;
        return -EINVAL;
    }
    *configp = p.config;
    *errp = NULL;
    return 0;
}

int
wanopt_config_load(const char *name, struct wanopt_config **configp,
                   char **errp)
{
    char *text;
    size_t len;
    int error;

    *configp = NULL;
    error = conf_read_file(name, &text, &len, errp);
    if (!error) {
        error = wanopt_config_parse(name, text, len, configp, errp);
        OPENSSL_cleanse(text, len);
        free(text);
    }
    return error;
}

void
wanopt_config_destroy(struct wanopt_config *config)
{
    if (config) {
        OPENSSL_cleanse(config, sizeof *config);
        free(config);
    }
}
