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

/* Values that a program draws at its start, such as the random start of a
 * hash, and that have to be the same in all instances of a class.  The first
 * instance writes them to the file that MBOX_STATE_START names, the others
 * take them from there.  It is readable for its owner only: who knows the
 * values can make packets that all fall into one bucket.
 *
 * A line is a name and the bytes in hexadecimal digits. */

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>
#include "instance.h"

void mbox_state_start_value(const char *name, void *address, size_t size);

static void
fail(const char *file, const char *what)
{
    fprintf(stderr, "%s: state: %s: %s\n", mbox_state_program.name, file,
            what);
    exit(1);
}

static int
digit(int c)
{
    return (!isxdigit(c) ? -1 : isdigit(c) ? c - '0' : tolower(c) - 'a' + 10);
}

/* Returns false if 's' is not 'size' bytes. */
static bool
parse(const char *s, uint8_t *bytes, size_t size)
{
    for (size_t i = 0; i < size; i++) {
        int high = digit((unsigned char) s[2 * i]);
        int low = high < 0 ? -1 : digit((unsigned char) s[2 * i + 1]);

        if (low < 0) {
            return false;
        }
        bytes[i] = high << 4 | low;
    }
    return s[2 * size] == '\n';
}

/* Finds the name's line.  Returns false if there is none. */
static bool
read_value(FILE *stream, const char *file, const char *name, uint8_t *bytes,
           size_t size)
{
    size_t n = strlen(name), allocated = 0;
    char *line = NULL;
    bool found = false;

    while (!found && getline(&line, &allocated, stream) > 0) {
        found = !strncmp(line, name, n) && line[n] == ' ';
        if (found && !parse(line + n + 1, bytes, size)) {
            fail(file, "is not of this program");
        }
    }
    free(line);
    return found;
}

void
mbox_state_start_value(const char *name, void *address, size_t size)
{
    const char *file = getenv("MBOX_STATE_START");
    uint8_t *bytes = malloc(size);

    if (!file || !*file || !st_instance_is_wanted() || !bytes) {
        free(bytes);
        return;
    }
    int fd = open(file, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    FILE *stream = fd >= 0 && !flock(fd, LOCK_EX) ? fdopen(fd, "r+") : NULL;
    if (!stream) {
        fail(file, strerror(errno));
    }
    if (read_value(stream, file, name, bytes, size)) {
        memcpy(address, bytes, size);
    } else {
        const uint8_t *value = address;

        fseek(stream, 0, SEEK_END);
        fprintf(stream, "%s ", name);
        for (size_t i = 0; i < size; i++) {
            fprintf(stream, "%02x", value[i]);
        }
        putc('\n', stream);
    }
    if (fclose(stream)) {
        fail(file, strerror(errno));
    }
    free(bytes);
}
