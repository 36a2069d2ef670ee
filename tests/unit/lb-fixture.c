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

#include <config.h>
#include "lb-fixture.h"

struct world world;

int
world_set_up(void **state)
{
    (void) state;
    world_init(&world, test_config_text);
    world_run(&world, 1);
    return 0;
}

int
world_tear_down(void **state)
{
    (void) state;
    world_uninit(&world);
    return 0;
}
