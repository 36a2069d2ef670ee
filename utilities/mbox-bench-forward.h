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

#ifndef MBOX_BENCH_FORWARD_H
#define MBOX_BENCH_FORWARD_H 1

/* Sends back out of the network device 'iface' every frame that comes in, by
 * the system calls that libmbox makes, and no more: what packet input and
 * output cost without it.  Runs until a signal.  Returns an exit status. */
int plain_forward(const char *iface);

#endif /* mbox-bench-forward.h */
