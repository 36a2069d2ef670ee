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
#include "mbox-instantiator.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "dirs.h"
#include "latch.h"
#include "mbox-msg.h"
#include "ovs-atomic.h"
#include "ovs-rcu.h"
#include "ovs-thread.h"
#include "process.h"
#include "socket-util.h"
#include "svec.h"
#include "timeval.h"
#include "util.h"

extern char **environ;

/* Between SIGTERM and SIGKILL. */
#define TERM_MS 2000

/* What a pipe holds. */
#define PIPE_BYTES 65536

/* What is remembered of a program's last line of output. */
#define LINE_MAX_LEN 200

struct mbox_instantiator {
    /* Constant. */
    char *path;
    struct svec args;           /* argv, null-terminated. */
    struct svec env;            /* The whole environment, null-terminated. */
    struct latch *wake;         /* To tell the owner. */
    pthread_t thread;

    struct latch stop;          /* Set by the owner: SIGTERM. */
    struct latch kill;          /* Set by the owner: SIGKILL. */

    char *error;                /* The thread's until 'done'. */
    atomic_bool done;
};

/* The last line of output. */
struct line {
    char text[LINE_MAX_LEN + 1];
    size_t len;
    bool ended;                 /* A newline followed: the next byte begins
                                 * another. */
};

/* Checks the owner and the mode of a directory or program. */
static char *
check_owner(const char *path, const struct stat *s)
{
    if (s->st_uid && s->st_uid != geteuid()) {
        return xasprintf("%s belongs to user %d, not to root", path,
                         (int) s->st_uid);
    } else if (s->st_mode & (S_IWGRP | S_IWOTH)) {
        return xasprintf("%s is writable by its group or by others", path);
    }
    return NULL;
}

char *
mbox_instantiator_find(const char *name, char **pathp)
{
    char *dir = xasprintf("%s/%s", ovs_pkgdatadir(), MBOX_INSTANTIATOR_DIR);
    char *path = xasprintf("%s/%s", dir, name);
    char *error = NULL;
    struct stat s;

    if (!mbox_name_is_valid(name) || name[0] == '.') {
        error = xasprintf("\"%s\" is not the name of a program in %s", name,
                          dir);
    } else if (stat(dir, &s)) {
        error = xasprintf("%s: %s", dir, ovs_strerror(errno));
    } else if ((error = check_owner(dir, &s)) == NULL) {
        if (stat(path, &s)) {
            error = xasprintf("%s: %s", path, ovs_strerror(errno));
        } else if (!S_ISREG(s.st_mode) || access(path, X_OK)) {
            error = xasprintf("%s is not an executable program", path);
        } else {
            error = check_owner(path, &s);
        }
    }
    free(dir);
    if (error) {
        free(path);
        path = NULL;
    }
    *pathp = path;
    return error;
}

static void
line_add(struct line *line, const char *data, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        unsigned char c = data[i];

        if (c == '\n') {
            line->ended = true;
            continue;
        }
        if (line->ended) {
            line->ended = false;
            line->len = 0;
        }
        if (line->len < LINE_MAX_LEN) {
            line->text[line->len++] = isprint(c) ? c : ' ';
        }
    }
    line->text[line->len] = '\0';
}

/* Reads what there is in 'fd', of what is written meanwhile not more than the
 * pipe holds: who writes without end keeps nobody here.  Returns false at the
 * end. */
static bool
read_output(int fd, struct line *line)
{
    char buf[4096];

    for (size_t left = PIPE_BYTES; left > 0; ) {
        ssize_t n = read(fd, buf, MIN(left, sizeof buf));

        if (n <= 0) {
            return n < 0 && (errno == EAGAIN || errno == EINTR);
        }
        line_add(line, buf, n);
        left -= n;
    }
    return true;
}

/* Starts the program with its output to 'fd'. */
static int
spawn(const struct mbox_instantiator *p, int fd, pid_t *pid)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attr;
    sigset_t all, none;
    int error;

    sigfillset(&all);
    sigemptyset(&none);
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&actions, fd, 1);
    posix_spawn_file_actions_adddup2(&actions, fd, 2);
    posix_spawn_file_actions_addclosefrom_np(&actions, 3);

    /* A session, and so a process group, of its own, so that a signal reaches
     * all of it; and ordinary signals, which ovs-vswitchd handles or blocks.
     */
    posix_spawnattr_init(&attr);
    posix_spawnattr_setsigdefault(&attr, &all);
    posix_spawnattr_setsigmask(&attr, &none);
    posix_spawnattr_setflags(&attr, (POSIX_SPAWN_SETSID
                                     | POSIX_SPAWN_SETSIGDEF
                                     | POSIX_SPAWN_SETSIGMASK));

    error = posix_spawn(pid, p->path, &actions, &attr, p->args.names,
                        p->env.names);
    posix_spawnattr_destroy(&attr);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

/* Waits until the process 'pidfd' has ended, which it does at the latest when
 * the owner wants that, and collects what it writes to 'fd'.  If the owner
 * wanted it, nothing of its process group is left. */
static void
wait_for(struct mbox_instantiator *p, pid_t pid, int pidfd, int fd,
         struct line *line)
{
    long long kill_at = LLONG_MAX;
    bool stopping = false, killing = false;
    bool open = true;

    for (;;) {
        struct pollfd fds[] = {
            { .fd = pidfd, .events = POLLIN },
            { .fd = open ? fd : -1, .events = POLLIN },
            { .fd = stopping ? -1 : p->stop.fds[0], .events = POLLIN },
            { .fd = killing ? -1 : p->kill.fds[0], .events = POLLIN },
        };

        poll(fds, ARRAY_SIZE(fds),
             kill_at == LLONG_MAX ? -1 : MAX(0, kill_at - time_msec()));
        if (fds[1].revents) {
            open = read_output(fd, line);
        }
        if (fds[0].revents) {
            if (stopping) {
                kill(-pid, SIGKILL);
            }
            return;
        }

        if (fds[3].revents || time_msec() >= kill_at) {
            kill(-pid, SIGKILL);
            kill_at = LLONG_MAX;
            stopping = killing = true;
        } else if (fds[2].revents) {
            kill(-pid, SIGTERM);
            kill_at = time_msec() + TERM_MS;
            stopping = true;
        }
    }
}

static char *
run(struct mbox_instantiator *p)
{
    struct line line = { .len = 0 };
    char *error = NULL;
    int fds[2];
    int status;
    int pidfd;
    pid_t pid;
    int err;

    if (pipe2(fds, O_CLOEXEC)) {
        return xasprintf("pipe: %s", ovs_strerror(errno));
    }
    set_nonblocking(fds[0]);
    err = spawn(p, fds[1], &pid);
    close(fds[1]);
    if (err) {
        close(fds[0]);
        return xasprintf("%s: %s", p->path, ovs_strerror(err));
    }

    /* The process is ours and not reaped, so its id is its own. */
    pidfd = pidfd_open(pid, 0);
    if (pidfd < 0) {
        error = xasprintf("pidfd_open: %s", ovs_strerror(errno));
        kill(-pid, SIGKILL);
    } else {
        wait_for(p, pid, pidfd, fds[0], &line);
        close(pidfd);
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
        continue;
    }
    read_output(fds[0], &line);
    close(fds[0]);

    if (!error && status) {
        char *how = process_status_msg(status);

        error = (line.len ? xasprintf("%s: %s", p->args.names[0], line.text)
                 : xasprintf("%s: %s", p->args.names[0], how));
        free(how);
    }
    return error;
}

static void *
instantiator_main(void *p_)
{
    struct mbox_instantiator *p = p_;
    struct latch *wake = p->wake;

    /* Nobody waits for this thread's grace periods. */
    ovsrcu_quiesce_start();
    p->error = run(p);
    ovsrcu_quiesce_end();

    atomic_store(&p->done, true);
    latch_set(wake);
    return NULL;
}

/* True if 'env' has the variable that 'line', "KEY=VALUE", sets. */
static bool
has_key(const struct svec *env, const char *line)
{
    size_t len = strcspn(line, "=") + 1;
    const char *other;
    size_t i;

    SVEC_FOR_EACH (i, other, env) {
        if (!strncmp(other, line, len)) {
            return true;
        }
    }
    return false;
}

struct mbox_instantiator *
mbox_instantiator_start(const char *path, const struct svec *args,
                        const struct svec *env, struct latch *wake)
{
    struct mbox_instantiator *p = xzalloc(sizeof *p);
    const char *base = strrchr(path, '/');

    p->path = xstrdup(path);
    svec_init(&p->args);
    svec_add(&p->args, base ? base + 1 : path);
    svec_append(&p->args, args);
    svec_terminate(&p->args);

    svec_init(&p->env);
    svec_append(&p->env, env);
    for (char **e = environ; *e; e++) {
        if (!has_key(env, *e)) {
            svec_add(&p->env, *e);
        }
    }
    svec_terminate(&p->env);

    p->wake = wake;
    latch_init(&p->stop);
    latch_init(&p->kill);
    atomic_init(&p->done, false);
    p->thread = ovs_thread_create("mbox_instantiator", instantiator_main, p);
    return p;
}

void
mbox_instantiator_cancel(struct mbox_instantiator *p)
{
    latch_set(&p->stop);
}

bool
mbox_instantiator_is_done(const struct mbox_instantiator *p, char **error)
{
    bool done;

    atomic_read(&CONST_CAST(struct mbox_instantiator *, p)->done, &done);
    *error = done ? nullable_xstrdup(p->error) : NULL;
    return done;
}

void
mbox_instantiator_destroy(struct mbox_instantiator *p)
{
    if (!p) {
        return;
    }
    latch_set(&p->kill);

    /* It ends at once, but a grace period must not wait for that. */
    ovsrcu_quiesce_start();
    xpthread_join(p->thread, NULL);
    ovsrcu_quiesce_end();

    latch_destroy(&p->stop);
    latch_destroy(&p->kill);
    svec_destroy(&p->args);
    svec_destroy(&p->env);
    free(p->path);
    free(p->error);
    free(p);
}
