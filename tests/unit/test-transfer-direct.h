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

#ifndef TEST_TRANSFER_DIRECT_H
#define TEST_TRANSFER_DIRECT_H 1

/* Runs the tests of test-transfer-direct.c.  Returns how many failed. */
int test_transfer_direct(void);

/* Same, test-transfer-replica.c. */
int test_transfer_replica(void);

/* Same, test-transfer-timeout.c. */
int test_transfer_timeout(void);

#endif /* test-transfer-direct.h */
