# Copyright (c) 2026 The ovs-mbox authors.
#
# Licensed under the Apache License, Version 2.0 (the "License");
# you may not use this file except in compliance with the License.
# You may obtain a copy of the License at:
#
#     http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS,
# WITHOUT WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied.
# See the License for the specific language governing permissions and
# limitations under the License.

# What moves the state of unmodified programs: the runtime that is linked with
# them.

noinst_LTLIBRARIES += state-enable/libstateruntime.la
state_enable_libstateruntime_la_SOURCES = \
	state-enable/runtime/delete.c \
	state-enable/runtime/delete.h \
	state-enable/runtime/export.c \
	state-enable/runtime/heap.c \
	state-enable/runtime/heap.h \
	state-enable/runtime/image-read.c \
	state-enable/runtime/image-read.h \
	state-enable/runtime/image.h \
	state-enable/runtime/import.c \
	state-enable/runtime/index.c \
	state-enable/runtime/index.h \
	state-enable/runtime/names.c \
	state-enable/runtime/names.h \
	state-enable/runtime/nodes.c \
	state-enable/runtime/nodes.h \
	state-enable/runtime/objects.c \
	state-enable/runtime/objects.h \
	state-enable/runtime/placement.c \
	state-enable/runtime/placement.h \
	state-enable/runtime/private.h \
	state-enable/runtime/program-state.c \
	state-enable/runtime/program-state.h \
	state-enable/runtime/program-tables.h
state_enable_libstateruntime_la_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime

# Unit tests.
check_PROGRAMS += tests/unit/test-state-runtime
tests_unit_test_state_runtime_SOURCES = \
	tests/unit/state-world.c \
	tests/unit/state-world.h \
	tests/unit/test-state-runtime.c
tests_unit_test_state_runtime_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime \
	-I $(top_srcdir)/tests/unit
tests_unit_test_state_runtime_LDADD = \
	state-enable/libstateruntime.la lib/libmboxbase.la $(CMOCKA_LIBS)
