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

/* Channels over unix sockets and character devices. */

#include "channel-test.h"

#include <pty.h>
#include <sys/un.h>
#include "mbox-stream.h"

static char tmp_dir[64];

static int
make_tmp_dir(void **state)
{
    (void) state;
    strcpy(tmp_dir, "/tmp/mbox-channel-XXXXXX");
    return mkdtemp(tmp_dir) ? 0 : -1;
}

static int
remove_tmp_dir(void **state)
{
    (void) state;
    return rmdir(tmp_dir);
}

static struct mbox_channel *
connect_to(const char *address)
{
    struct mbox_channel *ch;
    char *error;

    if (mbox_channel_connect(address, NULL, &ch, &error)) {
        fail_msg("%s", error);
    }
    return ch;
}

static void
check_listener(const char *path)
{
    struct mbox_listener *l;
    struct mbox_channel *a, *b;
    struct pollfd pfd;
    struct stat st;
    char address[400];
    char *error;
    uint32_t id;
    int fd;

    snprintf(address, sizeof address, "unix:%s", path);
    assert_int_equal(mbox_listener_open(address, NULL, &l, &error), 0);
    assert_null(error);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    assert_null(mbox_listener_accept(l));

    a = connect_to(address);
    mbox_listener_wait(l, &pfd);
    assert_int_equal(poll(&pfd, 1, -1), 1);
    b = mbox_listener_accept(l);
    assert_non_null(b);
    assert_null(mbox_listener_accept(l));
    send_simple(a, MBOX_MSG_ECHO_REQUEST, 77, numbered_fd(7));
    assert_int_equal(mbox_channel_run(a), 0);
    assert_int_equal(mbox_channel_run(b), 0);
    assert_int_equal(recv_simple(b, &id, &fd), 0);
    assert_int_equal(id, 77);
    check_numbered_fd(fd, 7);

    /* A second one may not take the socket away. */
    struct mbox_listener *l2;
    assert_int_equal(mbox_listener_open(address, NULL, &l2, &error),
                     -EADDRINUSE);
    assert_non_null(strstr(error, path));
    free(error);
    assert_null(l2);
    mbox_channel_close(mbox_listener_accept(l));

    mbox_channel_close(a);
    mbox_channel_close(b);
    mbox_listener_close(l);
    assert_int_equal(stat(path, &st), -1);
}

static void
test_unix(void **state)
{
    (void) state;
    char path[400];
    int n_fds = count_fds();

    snprintf(path, sizeof path, "%s/sock", tmp_dir);
    check_listener(path);

    /* Longer than fits in a socket's address. */
    snprintf(path, sizeof path, "%s/%0100d", tmp_dir, 0);
    assert_int_equal(mkdir(path, 0700), 0);
    snprintf(path, sizeof path, "%s/%0100d/sock", tmp_dir, 0);
    check_listener(path);
    snprintf(path, sizeof path, "%s/%0100d", tmp_dir, 0);
    rmdir(path);
    assert_int_equal(count_fds(), n_fds);
}

static void
test_stale_socket(void **state)
{
    (void) state;
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    snprintf(un.sun_path, sizeof un.sun_path, "%s/sock", tmp_dir);
    assert_int_equal(bind(fd, (struct sockaddr *) &un, sizeof un), 0);
    close(fd);
    check_listener(un.sun_path);
}

static void
test_unix_errors(void **state)
{
    (void) state;
    struct mbox_listener *l;
    struct mbox_channel *ch;
    char address[100];
    char *error;
    FILE *file;

    snprintf(address, sizeof address, "unix:%s/none", tmp_dir);
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, &error),
                     -ENOENT);
    assert_null(ch);
    assert_non_null(strstr(error, "/none: No such file"));
    free(error);
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, NULL), -ENOENT);

    /* Something else in the way is left alone. */
    snprintf(address, sizeof address, "unix:%s/file", tmp_dir);
    file = fopen(address + 5, "w");
    fclose(file);
    assert_int_equal(mbox_listener_open(address, NULL, &l, &error), -EEXIST);
    assert_non_null(strstr(error, "no socket"));
    free(error);
    unlink(address + 5);

    static const char *bad[] = { "", "tcp:1", "unix", "pssl:1", "unix:" };
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        assert_int_equal(mbox_channel_connect(bad[i], NULL, &ch, &error),
                         -EINVAL);
        assert_non_null(error);
        free(error);
    }
    assert_int_equal(mbox_listener_open("ssl:1:2", NULL, &l, &error), -EINVAL);
    free(error);

    /* A descriptor that is no socket makes a channel that has failed. */
    ch = mbox_channel_from_fd(numbered_fd(1));
    assert_int_equal(mbox_channel_run(ch), -ENOTSOCK);
    assert_non_null(mbox_channel_error(ch));
    mbox_channel_close(ch);
}

/* A guest's serial line: a character device, for which a pseudoterminal
 * stands, and the socket that QEMU connects to the coordinator's. */
struct serial_line {
    int master;                 /* Of the pseudoterminal. */
    int qemu;
    struct mbox_channel *guest, *host;
};

static void
copy_bytes(int from, int to)
{
    uint8_t buf[4096];
    ssize_t n;

    while ((n = read(from, buf, sizeof buf)) > 0) {
        assert_int_equal(write(to, buf, n), n);
    }
}

/* Carries bytes until 'ch' has received a message or failed. */
static int
carry(struct serial_line *line, struct mbox_channel *ch, uint32_t *id)
{
    int error;

    do {
        mbox_channel_run(line->guest);
        mbox_channel_run(line->host);
        copy_bytes(line->master, line->qemu);
        copy_bytes(line->qemu, line->master);
        mbox_channel_run(ch);
        error = recv_simple(ch, id, NULL);
    } while (error == -EAGAIN);
    return error;
}

static void
test_serial(void **state)
{
    (void) state;
    char name[100], address[110], listen_at[110];
    struct mbox_listener *l;
    struct serial_line line;
    struct mbox_sockaddr sa;
    uint32_t id;
    int slave;

    snprintf(listen_at, sizeof listen_at, "serial:%s/sock", tmp_dir);
    assert_int_equal(mbox_listener_open(listen_at, NULL, &l, NULL), 0);
    assert_int_equal(mbox_sockaddr_from_path(listen_at + 7, &sa), 0);
    line.qemu = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(connect(line.qemu, (struct sockaddr *) &sa.ss, sa.len),
                     0);
    assert_int_equal(fcntl(line.qemu, F_SETFL, O_NONBLOCK), 0);
    line.host = mbox_listener_accept(l);
    assert_non_null(line.host);
    assert_false(mbox_channel_can_pass_fd(line.host));
    assert_string_equal(mbox_channel_peer(line.host), "serial");

    assert_int_equal(openpty(&line.master, &slave, name, NULL, NULL), 0);
    assert_int_equal(fcntl(line.master, F_SETFL, O_NONBLOCK), 0);
    snprintf(address, sizeof address, "serial:%s", name);
    line.guest = connect_to(address);
    assert_true(mbox_channel_is_connected(line.guest));
    assert_false(mbox_channel_can_pass_fd(line.guest));
    assert_string_equal(mbox_channel_peer(line.guest), name);

    struct mbox_msg msg;
    mbox_msg_init(&msg, MBOX_MSG_ECHO_REQUEST, 1);
    assert_int_equal(mbox_channel_send(line.guest, &msg, NULL, numbered_fd(1)),
                     -EOPNOTSUPP);

    /* Every byte passes as it is. */
    mbox_msg_init(&msg, MBOX_MSG_PACKET, 0x0a0d0304);
    msg.kind = MBOX_TAG_RETURNED;
    msg.data = "\x03\x04\x11\x13\x1a\x7f\r\n\xff\x7e\x7d";
    msg.data_len = 12;
    assert_int_equal(mbox_channel_send(line.guest, &msg, NULL, -1), 0);
    assert_int_equal(carry(&line, line.host, &id), 0);
    assert_int_equal(id, 0x0a0d0304);
    assert_int_equal(mbox_channel_send(line.host, &msg, NULL, -1), 0);
    assert_int_equal(carry(&line, line.guest, &id), 0);
    assert_int_equal(id, 0x0a0d0304);

    /* The guest's program is killed in the middle of a frame, and started
     * again. */
    assert_int_equal(mbox_channel_send(line.guest, &msg, NULL, -1), 0);
    assert_int_equal(mbox_channel_flush(line.guest), 0);
    uint8_t half[20];
    assert_int_equal(read(line.master, half, sizeof half), sizeof half);
    assert_int_equal(write(line.qemu, half, sizeof half), sizeof half);
    mbox_channel_close(line.guest);
    while (read(line.master, half, sizeof half) > 0) {
        continue;               /* The rest is lost. */
    }
    line.guest = connect_to(address);
    send_simple(line.guest, MBOX_MSG_ECHO_REQUEST, 5, -1);
    assert_int_equal(carry(&line, line.host, &id), -ECONNRESET);
    mbox_channel_close(line.host);
    close(line.qemu);

    close(slave);
    close(line.master);
    assert_int_equal(mbox_channel_run(line.guest), -ECONNRESET);
    mbox_channel_close(line.guest);
    mbox_listener_close(l);
}

static void
test_serial_errors(void **state)
{
    (void) state;
    struct mbox_channel *ch;
    char address[110];
    char *error;

    snprintf(address, sizeof address, "serial:%s", tmp_dir);
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, &error),
                     -EISDIR);
    free(error);
    snprintf(address, sizeof address, "serial:%s/file", tmp_dir);
    close(open(address + 7, O_CREAT | O_WRONLY, 0600));
    assert_int_equal(mbox_channel_connect(address, NULL, &ch, &error),
                     -ENODEV);
    assert_non_null(strstr(error, "not a character device"));
    free(error);
    unlink(address + 7);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_unix),
        cmocka_unit_test(test_stale_socket),
        cmocka_unit_test(test_unix_errors),
        cmocka_unit_test(test_serial),
        cmocka_unit_test(test_serial_errors),
    };

    return cmocka_run_group_tests_name("channel addresses", tests,
                                       make_tmp_dir, remove_tmp_dir);
}
