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

/* Drives a fuzz target without libFuzzer:
 *
 *     fuzz-TARGET [-n N] [-s SEED] [FILE | DIRECTORY]...
 *
 * tries every file, then N random inputs: valid ones, of which most are
 * damaged in up to 8 places. */

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "fuzz.h"

static uint64_t random_state;

/* The generator splitmix64. */
uint64_t test_random(void);
uint64_t
test_random(void)
{
    uint64_t z = random_state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

/* Tries the input in a block of its own size, so that a sanitizer or valgrind
 * sees any access behind it. */
static void
try_input(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size ? size : 1);

    if (!copy) {
        abort();
    }
    if (size) {
        memcpy(copy, data, size);
    }
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
}

static bool
try_file(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *file = fopen(path, "r");

    if (!file) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    try_input(data, fread(data, 1, sizeof data, file));
    fclose(file);
    return true;
}

static bool
try_path(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0) {
        fprintf(stderr, "%s: %s\n", path, strerror(errno));
        return false;
    }
    if (!S_ISDIR(st.st_mode)) {
        return try_file(path);
    }

    DIR *dir = opendir(path);
    struct dirent *de;
    bool ok = dir != NULL;
    while (dir && (de = readdir(dir))) {
        char name[4096];

        snprintf(name, sizeof name, "%s/%s", path, de->d_name);
        if (!stat(name, &st) && S_ISREG(st.st_mode)) {
            ok = try_file(name) && ok;
        }
    }
    if (dir) {
        closedir(dir);
    }
    return ok;
}

/* Damages the 'size' bytes at 'data' in one place.  Returns the new size. */
static size_t
damage(uint8_t *data, size_t size)
{
    static const uint8_t values[] = { 0, 1, 0x7f, 0x80, 0xff };
    uint64_t r = test_random();
    size_t i = size ? (r >> 8) % size : 0;
    size_t n = 1 + (r >> 40) % 8;

    switch (r % 6) {
    case 0:
        data[i] ^= 1 << (r >> 32) % 8;
        break;
    case 1:
        data[i] = r >> 32;
        break;
    case 2:
        data[i] = values[(r >> 32) % sizeof values];
        break;
    case 3:                     /* Cut off. */
        return i;
    case 4:                     /* Remove. */
        if (n < size - i) {
            memmove(data + i, data + i + n, size - i - n);
            return size - n;
        }
        break;
    case 5:                     /* Repeat. */
        if (size + n <= FUZZ_MAX_INPUT && n < size - i) {
            memmove(data + i + n, data + i, size - i);
            return size + n;
        }
        break;
    }
    return size;
}

int
main(int argc, char *argv[])
{
    unsigned long n = 0;
    bool ok = true;
    int c;

    random_state = 1;
    while ((c = getopt(argc, argv, "n:s:")) != -1) {
        switch (c) {
        case 'n':
            n = strtoul(optarg, NULL, 0);
            break;
        case 's':
            random_state = strtoull(optarg, NULL, 0);
            break;
        default:
            fprintf(stderr, "usage: %s [-n N] [-s SEED] [FILE | DIRECTORY]"
                    "...\n", argv[0]);
            return EXIT_FAILURE;
        }
    }
    for (int i = optind; i < argc; i++) {
        ok = try_path(argv[i]) && ok;
    }
    for (unsigned long i = 0; i < n; i++) {
        uint8_t data[FUZZ_MAX_INPUT];
        size_t size = fuzz_make_input(data, sizeof data);

        for (int j = test_random() % 9; j > 0 && size; j--) {
            size = damage(data, size);
        }
        try_input(data, size);
    }
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
