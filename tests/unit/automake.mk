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

EXTRA_DIST += \
	tests/unit/random-msg.h \
	tests/unit/test-certs.h \
	tests/unit/test-util.h

unit_libs = lib/libmboxbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-wire
tests_unit_test_wire_SOURCES = tests/unit/test-wire.c
tests_unit_test_wire_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-tag
tests_unit_test_tag_SOURCES = tests/unit/test-tag.c
tests_unit_test_tag_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-key
tests_unit_test_key_SOURCES = tests/unit/test-key.c
tests_unit_test_key_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-space
tests_unit_test_space_SOURCES = tests/unit/test-space.c
tests_unit_test_space_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-msg
tests_unit_test_msg_SOURCES = tests/unit/test-msg.c
tests_unit_test_msg_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-channel
tests_unit_test_channel_SOURCES = tests/unit/test-channel.c
tests_unit_test_channel_LDADD = $(unit_libs) -lutil

check_PROGRAMS += tests/unit/test-tls
tests_unit_test_tls_SOURCES = tests/unit/test-tls.c
tests_unit_test_tls_LDADD = $(unit_libs)

# Not a test: prints figures.
check_PROGRAMS += tests/unit/bench-lib
tests_unit_bench_lib_SOURCES = tests/unit/bench-lib.c
tests_unit_bench_lib_LDADD = lib/libmboxbase.la $(PTHREAD_LIBS)

# Fuzz targets without libFuzzer.  Here, so that the suites find them.
check_PROGRAMS += tests/unit/fuzz-key tests/unit/fuzz-msg tests/unit/fuzz-tag
fuzz_common = tests/fuzz/fuzz-main.c tests/fuzz/fuzz.h
tests_unit_fuzz_key_SOURCES = tests/fuzz/fuzz-key.c $(fuzz_common)
tests_unit_fuzz_key_LDADD = lib/libmboxbase.la
tests_unit_fuzz_msg_SOURCES = tests/fuzz/fuzz-msg.c $(fuzz_common)
tests_unit_fuzz_msg_LDADD = lib/libmboxbase.la
tests_unit_fuzz_tag_SOURCES = tests/fuzz/fuzz-tag.c $(fuzz_common)
tests_unit_fuzz_tag_LDADD = lib/libmboxbase.la

check_PROGRAMS += tests/unit/mbox-test-agent
tests_unit_mbox_test_agent_SOURCES = tests/test-agent.c
tests_unit_mbox_test_agent_LDADD = lib/libmboxbase.la
