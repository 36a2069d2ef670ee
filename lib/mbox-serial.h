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

#ifndef MBOX_SERIAL_H
#define MBOX_SERIAL_H 1

/* Sessions on a serial line
 * =========================
 *
 * A virtio-serial port of a virtual machine is a socket on the host, but not a
 * connection in the guest: QEMU's socket stays connected while a program in
 * the guest opens and closes the port, while it is killed with half a frame
 * written, and while the guest boots again.  Then one end goes on in the
 * middle of what the other one began, and both take old bytes for new ones.
 *
 * So each opening of the port is a session, and its bytes are
 *
 *     0x7e, 8 bytes, at random, that identify the session, anything
 *
 * in either direction, where each 0x7e and 0x7d behind the first byte is
 * written as 0x7d and the byte exclusive-or 0x20.  0x7e is thus at the start
 * of a session and nowhere else.
 *
 *   - The guest, which begins the session, ignores what comes until its own
 *     session starts: the rest was meant for an earlier one.
 *   - The host ends the connection if the first byte is not 0x7e (it would
 *     have to begin in the middle), or when another session starts.  QEMU
 *     connects again and tells the guest of both, whose next session is then
 *     the first one of its connection.
 *
 * A session thus gets all bytes of the other end's same session, from the
 * first one on, and no other byte.  Internal to lib/. */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct mbox_serial;

/* Starts a session on 'fd' (still the caller's), non-blocking: as its guest's
 * end, on a character device, or as the host's, on a socket.  NULL if out of
 * memory or randomness. */
struct mbox_serial *mbox_serial_create(int fd, bool host);
void mbox_serial_destroy(struct mbox_serial *);

/* True once the session is known to have started: at the host's end, when the
 * guest has opened its port. */
bool mbox_serial_has_started(const struct mbox_serial *);

/* Same as mbox_stream_read() and mbox_stream_write(), without descriptors.
 * -ECONNRESET is also the end of the session, -EPROTO what is not one; input
 * ends for good with the first error.  After -EAGAIN from a write, the next
 * one must begin with the same bytes.  The host's end can write only once it
 * has read the start of the session.  The cause of an error is left in
 * 'error'. */
ssize_t mbox_serial_read(struct mbox_serial *, void *, size_t n,
                         char *error, size_t error_size);
ssize_t mbox_serial_write(struct mbox_serial *, const void *, size_t n,
                          char *error, size_t error_size);

#endif /* mbox-serial.h */
