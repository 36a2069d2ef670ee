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

#include "tls-test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/err.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

char tls_dir[64];
char tls_files[N_FILES][100];

const struct mbox_tls_config tls_good = {
    tls_files[KEY], tls_files[CERT], tls_files[CA]
};
const struct mbox_tls_config tls_good2 = {
    tls_files[KEY2], tls_files[CERT2], tls_files[CA]
};

int
tls_make_files(void **state)
{
    (void) state;
    struct test_ca ca, other;
    FILE *file;

    strcpy(tls_dir, "/tmp/mbox-tls-XXXXXX");
    if (!mkdtemp(tls_dir)) {
        return -1;
    }
    for (int i = 0; i < N_FILES; i++) {
        snprintf(tls_files[i], sizeof tls_files[i], "%s/%d.pem", tls_dir, i);
    }
    test_make_ca(&ca, "our CA", tls_files[CA]);
    test_make_ca(&other, "other CA", tls_files[OTHER_CA]);
    test_make_pair(&ca, "one", -3600, 3600, tls_files[KEY], tls_files[CERT]);
    test_make_pair(&ca, "two", -3600, 3600, tls_files[KEY2], tls_files[CERT2]);
    test_make_pair(&other, "three", -3600, 3600, tls_files[OTHER_KEY],
                   tls_files[OTHER_CERT]);
    test_make_pair(&ca, "old", -7200, -3600, tls_files[OLD_KEY],
                   tls_files[OLD_CERT]);
    test_make_pair(&ca, "early", 3600, 7200, tls_files[EARLY_KEY],
                   tls_files[EARLY_CERT]);
    test_free_ca(&ca);
    test_free_ca(&other);

    file = fopen(tls_files[GARBAGE], "w");
    fprintf(file, "-----BEGIN CERTIFICATE-----\nxyz\n");
    fclose(file);

    /* A key with a passphrase: nobody may be asked for it. */
    EVP_PKEY *key = EVP_EC_gen("P-256");
    file = fopen(tls_files[LOCKED_KEY], "w");
    PEM_write_PrivateKey(file, key, EVP_aes_128_cbc(),
                         (const unsigned char *) "abcd", 4, NULL, NULL);
    fclose(file);
    EVP_PKEY_free(key);
    return 0;
}

int
tls_remove_files(void **state)
{
    (void) state;
    for (int i = 0; i < N_FILES; i++) {
        unlink(tls_files[i]);
    }
    return rmdir(tls_dir);
}

struct mbox_listener *
tls_listen(const char *address, const struct mbox_tls_config *config)
{
    struct mbox_listener *l;
    char *error;

    if (mbox_listener_open(address, config, &l, &error)) {
        fail_msg("%s", error);
    }
    return l;
}

struct mbox_channel *
tls_connect(const struct mbox_listener *l, const char *host,
           const struct mbox_tls_config *config)
{
    struct mbox_channel *ch;
    char address[64];
    char *error;

    snprintf(address, sizeof address, "ssl:%s:%u", host,
             mbox_listener_port(l));
    if (mbox_channel_connect(address, config, &ch, &error)) {
        fail_msg("%s", error);
    }
    return ch;
}

struct mbox_channel *
tls_wait_accept(struct mbox_listener *l)
{
    struct pollfd pfd;

    mbox_listener_wait(l, &pfd);
    assert_int_equal(poll(&pfd, 1, -1), 1);
    return mbox_listener_accept(l);
}

void
tls_run_both(struct mbox_channel *a, struct mbox_channel *b)
{
    struct pollfd pfds[2];

    mbox_channel_wait(a, &pfds[0]);
    mbox_channel_wait(b, &pfds[1]);
    if (pfds[0].fd >= 0 || pfds[1].fd >= 0) {
        assert_true(poll(pfds, 2, -1) > 0);
    }
    mbox_channel_run(a);
    mbox_channel_run(b);
    assert_int_equal(ERR_peek_error(), 0);
}

void
tls_open_pair(const struct mbox_tls_config *client,
          const struct mbox_tls_config *server,
          struct mbox_channel **a, struct mbox_channel **b)
{
    struct mbox_listener *l = tls_listen("pssl:0:127.0.0.1", server);

    *a = tls_connect(l, "127.0.0.1", client);
    assert_false(mbox_channel_is_connected(*a));
    *b = tls_wait_accept(l);
    assert_non_null(*b);
    mbox_listener_close(l);     /* Its channels live on. */
}

int
tls_connect_fd(unsigned int port)
{
    struct sockaddr_in sin = {
        .sin_family = AF_INET, .sin_port = htons(port),
        .sin_addr = { htonl(INADDR_LOOPBACK) },
    };
    int fd = socket(AF_INET, SOCK_STREAM, 0);

    assert_int_equal(connect(fd, (struct sockaddr *) &sin, sizeof sin), 0);
    return fd;
}

void
tls_shake_hands(struct mbox_channel *a, struct mbox_channel *b)
{
    while (!mbox_channel_is_connected(a) || !mbox_channel_is_connected(b)) {
        tls_run_both(a, b);
        assert_null(mbox_channel_error(a));
        assert_null(mbox_channel_error(b));
    }
}
