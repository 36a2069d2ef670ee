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

vswitchd_ovs_vswitchd_SOURCES += \
	mbox/vswitchd-ext/coordinator/mbox-assignments.c \
	mbox/vswitchd-ext/coordinator/mbox-commands.c \
	mbox/vswitchd-ext/coordinator/mbox-conn.c \
	mbox/vswitchd-ext/coordinator/mbox-conn.h \
	mbox/vswitchd-ext/coordinator/mbox-coordinator-ops.c \
	mbox/vswitchd-ext/coordinator/mbox-coordinator-ops.h \
	mbox/vswitchd-ext/coordinator/mbox-coordinator-private.h \
	mbox/vswitchd-ext/coordinator/mbox-coordinator-thread.c \
	mbox/vswitchd-ext/coordinator/mbox-coordinator.c \
	mbox/vswitchd-ext/coordinator/mbox-coordinator.h \
	mbox/vswitchd-ext/coordinator/mbox-inspect.c \
	mbox/vswitchd-ext/coordinator/mbox-inspect.h \
	mbox/vswitchd-ext/coordinator/mbox-listeners.c \
	mbox/vswitchd-ext/coordinator/mbox-listeners.h \
	mbox/vswitchd-ext/coordinator/mbox-mailbox.c \
	mbox/vswitchd-ext/coordinator/mbox-mailbox.h \
	mbox/vswitchd-ext/coordinator/mbox-match.c \
	mbox/vswitchd-ext/coordinator/mbox-match.h \
	mbox/vswitchd-ext/coordinator/mbox-metrics.c \
	mbox/vswitchd-ext/coordinator/mbox-metrics.h \
	mbox/vswitchd-ext/coordinator/mbox-options.c \
	mbox/vswitchd-ext/coordinator/mbox-options.h \
	mbox/vswitchd-ext/coordinator/mbox-ports.c \
	mbox/vswitchd-ext/coordinator/mbox-ports.h \
	mbox/vswitchd-ext/coordinator/mbox-record.c \
	mbox/vswitchd-ext/coordinator/mbox-record.h \
	mbox/vswitchd-ext/coordinator/mbox-registry.c \
	mbox/vswitchd-ext/coordinator/mbox-registry.h \
	mbox/vswitchd-ext/coordinator/mbox-replica-commands.c \
	mbox/vswitchd-ext/coordinator/mbox-resolve.c \
	mbox/vswitchd-ext/coordinator/mbox-resolve.h \
	mbox/vswitchd-ext/coordinator/mbox-show.c \
	mbox/vswitchd-ext/coordinator/mbox-show.h \
	mbox/vswitchd-ext/coordinator/mbox-totals.c \
	mbox/vswitchd-ext/coordinator/mbox-totals.h \
	mbox/vswitchd-ext/coordinator/mbox-transfer-agent.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-copy.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-events.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-hold.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-keys.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-pace.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-private.h \
	mbox/vswitchd-ext/coordinator/mbox-transfer-replica.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-report.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-undo.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer.h \
	mbox/vswitchd-ext/coordinator/mbox-transfers.c \
	mbox/vswitchd-ext/coordinator/mbox-transfers.h \
	mbox/vswitchd-ext/coordinator/mbox-usage-count.c \
	mbox/vswitchd-ext/coordinator/mbox-usage.c \
	mbox/vswitchd-ext/coordinator/mbox-usage.h

AM_CPPFLAGS += -I $(top_srcdir)/mbox/vswitchd-ext/coordinator

include mbox/vswitchd-ext/scale/automake.mk

noinst_PROGRAMS += tests/test-mbox-transfer tests/test-mbox-usage

tests_test_mbox_usage_SOURCES = \
	mbox/tests/unit/test-usage.c \
	mbox/vswitchd-ext/coordinator/mbox-usage.c
tests_test_mbox_usage_LDADD = lib/libopenvswitch.la -lcmocka

tests_test_mbox_transfer_SOURCES = \
	mbox/tests/unit/test-transfer-check.c \
	mbox/tests/unit/test-transfer-direct.c \
	mbox/tests/unit/test-transfer-direct.h \
	mbox/tests/unit/test-transfer-mb.c \
	mbox/tests/unit/test-transfer-replica.c \
	mbox/tests/unit/test-transfer-stub.c \
	mbox/tests/unit/test-transfer-stub.h \
	mbox/tests/unit/test-transfer-switch.c \
	mbox/tests/unit/test-transfer-timeout.c \
	mbox/tests/unit/test-transfer-world.c \
	mbox/tests/unit/test-transfer-world.h \
	mbox/tests/unit/test-transfer.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-agent.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-copy.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-events.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-hold.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-keys.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-pace.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-replica.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-report.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer-undo.c \
	mbox/vswitchd-ext/coordinator/mbox-transfer.c
tests_test_mbox_transfer_LDADD = lib/libopenvswitch.la -lcmocka
