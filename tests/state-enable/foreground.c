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

/* For what is linked with a daemon, or preloaded: it stays in the foreground,
 * as the user that it is, and with the files that it sees. */

#include <pwd.h>
#include <unistd.h>

pid_t
fork(void)
{
    return 0;
}

struct passwd *
getpwnam(const char *name)
{
    (void) name;
    return getpwuid(getuid());
}

int
chroot(const char *path)
{
    (void) path;
    return 0;
}
