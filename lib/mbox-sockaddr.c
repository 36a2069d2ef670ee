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

#ifndef _GNU_SOURCE
#define _GNU_SOURCE 1
#endif

#include "mbox-stream.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

int
mbox_sockaddr_from_path(const char *path, struct mbox_sockaddr *sa)
{
    struct sockaddr_un *un = (struct sockaddr_un *) &sa->ss;
    size_t len = strlen(path);
    int n;

    memset(sa, 0, sizeof *sa);
    sa->dir_fd = -1;
    un->sun_family = AF_UNIX;
    if (!len) {
        return -EINVAL;
    }
    if (len < sizeof un->sun_path) {
        memcpy(un->sun_path, path, len + 1);
    } else {
        /* Name it relative to its directory, through a short name of that. */
        char dir[4096];
        const char *slash = strrchr(path, '/');
        size_t dir_len = slash ? (size_t) (slash - path) : 0;

        if (!slash || dir_len >= sizeof dir) {
            return -ENAMETOOLONG;
        }
        memcpy(dir, path, dir_len);
        dir[dir_len] = '\0';
        sa->dir_fd = open(dir_len ? dir : "/", O_PATH | O_DIRECTORY
                                               | O_CLOEXEC);
        if (sa->dir_fd < 0) {
            return -errno;
        }
        n = snprintf(un->sun_path, sizeof un->sun_path, "/proc/self/fd/%d/%s",
                     sa->dir_fd, slash + 1);
        if (n < 0 || (size_t) n >= sizeof un->sun_path) {
            return -ENAMETOOLONG;
        }
    }
    sa->len = offsetof(struct sockaddr_un, sun_path)
              + strlen(un->sun_path) + 1;
    return 0;
}

int
mbox_sockaddr_from_host(const char *host, const char *port,
                        struct mbox_sockaddr *sa)
{
    const struct addrinfo hints = {
        .ai_flags = (AI_NUMERICHOST | AI_NUMERICSERV
                     | (host ? 0 : AI_PASSIVE)),
        .ai_family = host ? AF_UNSPEC : AF_INET6,
        .ai_socktype = SOCK_STREAM,
    };
    struct addrinfo *ai;
    char name[128];

    memset(sa, 0, sizeof *sa);
    sa->dir_fd = -1;
    if (host) {
        size_t len = strlen(host);

        if (len >= 2 && host[0] == '[' && host[len - 1] == ']') {
            host++;
            len -= 2;
        }
        if (!len || len >= sizeof name) {
            return -EINVAL;
        }
        memcpy(name, host, len);
        name[len] = '\0';
    }
    if (!port[0] || strspn(port, "0123456789") != strlen(port)
        || strlen(port) > 5 || atoi(port) > UINT16_MAX
        || getaddrinfo(host ? name : NULL, port, &hints, &ai)) {
        return -EINVAL;
    }
    memcpy(&sa->ss, ai->ai_addr, ai->ai_addrlen);
    sa->len = ai->ai_addrlen;
    freeaddrinfo(ai);
    return 0;
}

void
mbox_sockaddr_format(const struct sockaddr_storage *ss, char *buf, size_t size)
{
    char ip[INET6_ADDRSTRLEN];

    if (ss->ss_family == AF_INET) {
        const struct sockaddr_in *sin = (const struct sockaddr_in *) ss;

        inet_ntop(AF_INET, &sin->sin_addr, ip, sizeof ip);
        snprintf(buf, size, "%s:%u", ip, ntohs(sin->sin_port));
    } else if (ss->ss_family == AF_INET6) {
        const struct sockaddr_in6 *sin6 = (const struct sockaddr_in6 *) ss;

        inet_ntop(AF_INET6, &sin6->sin6_addr, ip, sizeof ip);
        snprintf(buf, size, "[%s]:%u", ip, ntohs(sin6->sin6_port));
    } else {
        snprintf(buf, size, "unix");
    }
}

void
mbox_set_error(char **errp, const char *format, ...)
{
    va_list args;

    if (errp) {
        va_start(args, format);
        if (vasprintf(errp, format, args) < 0) {
            *errp = NULL;
        }
        va_end(args);
    }
}
