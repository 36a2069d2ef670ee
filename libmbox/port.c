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

#include "port.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef MBOX_MODULE_DIR
#define MBOX_MODULE_DIR "/usr/lib/libmbox"
#endif

static const struct mb_port_class *registered;

void
mb_port_register(const struct mb_port_class *class)
{
    registered = class;
}

static int
fail(char **errp, int error, const char *what, const char *detail)
{
    if (errp && asprintf(errp, "%s: %s", what, detail) < 0) {
        *errp = NULL;
    }
    return error;
}

/* DPDK is in a part of its own, so that middleboxes without it do not need its
 * libraries.  It stays loaded: DPDK cannot be unloaded. */
static int
load_dpdk(const struct mb_port_class **classp, char **errp)
{
    const char *dir = getenv("MBOX_MODULE_DIR");
    char path[4096];

    snprintf(path, sizeof path, "%s/port-dpdk.so",
             dir ? dir : MBOX_MODULE_DIR);
    void *module = dlopen(path, RTLD_NOW | RTLD_LOCAL | RTLD_NODELETE);
    if (!module) {
        return fail(errp, -EOPNOTSUPP, "DPDK support is not installed",
                    dlerror());
    }
    *classp = dlsym(module, MB_PORT_DPDK_SYMBOL);
    if (!*classp) {
        return fail(errp, -EOPNOTSUPP, path, dlerror());
    }
    return 0;
}

int
mb_port_open(const char *spec, const struct mb_port_params *params,
             struct mb_port **portp, char **errp)
{
    const struct mb_port_class *class = NULL;
    const char *colon = strchr(spec, ':');
    size_t len = colon ? (size_t) (colon - spec) : 0;

    *portp = NULL;
    if (len && !strncmp(spec, "afpacket", len) && len == 8) {
        class = &mb_port_afpacket;
    } else if (len && !strncmp(spec, "dpdk", len) && len == 4) {
        int error = load_dpdk(&class, errp);
        if (error) {
            return error;
        }
    } else if (len && registered && strlen(registered->type) == len
               && !strncmp(spec, registered->type, len)) {
        class = registered;
    } else {
        return fail(errp, -EINVAL, spec,
                    "not a port: use afpacket:IFNAME or dpdk:NAME");
    }
    return class->open(colon + 1, params, portp, errp);
}
