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

#ifndef LB_FIXTURE_H
#define LB_FIXTURE_H 1

#include "lb-test.h"

/* The world of a test, whose backends are known. */
extern struct world world;

int world_set_up(void **);
int world_tear_down(void **);

/* Such a test, for cmocka. */
#define WORLD_TEST(NAME) \
    cmocka_unit_test_setup_teardown(NAME, world_set_up, world_tear_down)

#endif /* lb-fixture.h */
