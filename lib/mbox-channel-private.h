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

#ifndef MBOX_CHANNEL_PRIVATE_H
#define MBOX_CHANNEL_PRIVATE_H 1

/* What channels and listeners share.  Internal to lib/. */

#include "mbox-channel.h"
#include "mbox-stream.h"

/* mbox_channel_from_fd(), as the server's end of TLS if 'ctx' is nonnull. */
struct mbox_channel *mbox_channel_from_fd__(int fd, struct mbox_tls_ctx *ctx);

/* Same, of a unix socket to which a guest's serial line leads. */
struct mbox_channel *mbox_channel_from_serial__(int fd);

/* The context of a TLS channel, which has the reference. */
struct mbox_tls_ctx *mbox_channel_tls_ctx__(const struct mbox_channel *);

#endif /* mbox-channel-private.h */
