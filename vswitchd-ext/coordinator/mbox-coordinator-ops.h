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

#ifndef MBOX_COORDINATOR_OPS_H
#define MBOX_COORDINATOR_OPS_H 1

#include "mbox-transfer.h"

/* What a transfer's state machine does in ovs-vswitchd.  'aux' is the "struct
 * mbox_open_transfer".  Coordinator thread only. */
extern const struct mbox_transfer_ops mbox_coordinator_ops;

#endif /* mbox-coordinator-ops.h */
