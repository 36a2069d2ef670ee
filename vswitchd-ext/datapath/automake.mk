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

# All that needs the datapath action.
lib_libopenvswitch_la_SOURCES += \
	mbox/vswitchd-ext/datapath/mbox-alias.c \
	mbox/vswitchd-ext/datapath/mbox-alias.h \
	mbox/vswitchd-ext/datapath/mbox-assign.c \
	mbox/vswitchd-ext/datapath/mbox-assign.h \
	mbox/vswitchd-ext/datapath/mbox-class-private.h \
	mbox/vswitchd-ext/datapath/mbox-class.c \
	mbox/vswitchd-ext/datapath/mbox-class.h \
	mbox/vswitchd-ext/datapath/mbox-execute.c \
	mbox/vswitchd-ext/datapath/mbox-flow.c \
	mbox/vswitchd-ext/datapath/mbox-flow.h \
	mbox/vswitchd-ext/datapath/mbox-hold.c \
	mbox/vswitchd-ext/datapath/mbox-hold.h \
	mbox/vswitchd-ext/datapath/mbox-inject.c \
	mbox/vswitchd-ext/datapath/mbox-inject.h \
	mbox/vswitchd-ext/datapath/mbox-move.c \
	mbox/vswitchd-ext/datapath/mbox-ovs.h \
	mbox/vswitchd-ext/datapath/mbox-steer-private.h \
	mbox/vswitchd-ext/datapath/mbox-steer.c \
	mbox/vswitchd-ext/datapath/mbox-steer.h \
	mbox/vswitchd-ext/datapath/mbox-upcall.c \
	mbox/vswitchd-ext/datapath/mbox-upcall.h \
	mbox/vswitchd-ext/openflow/mbox-odp.c \
	mbox/vswitchd-ext/openflow/mbox-odp.h

# Unit tests of what needs Open vSwitch, below the name that its test suite
# finds.
noinst_PROGRAMS += \
	tests/test-mbox-class \
	tests/test-mbox-execute \
	tests/test-mbox-move \
	tests/test-mbox-steer

tests_test_mbox_class_SOURCES = \
	mbox/tests/unit/test-assign.h \
	mbox/tests/unit/test-class.c \
	mbox/tests/unit/test-ovs.h \
	mbox/tests/unit/test-util.h
tests_test_mbox_class_LDADD = lib/libopenvswitch.la -lcmocka

tests_test_mbox_move_SOURCES = \
	mbox/tests/unit/test-assign.h \
	mbox/tests/unit/test-move.c \
	mbox/tests/unit/test-ovs.h \
	mbox/tests/unit/test-util.h
tests_test_mbox_move_LDADD = lib/libopenvswitch.la -lcmocka

tests_test_mbox_execute_SOURCES = \
	mbox/tests/unit/test-assign.h \
	mbox/tests/unit/test-ovs.h \
	mbox/tests/unit/test-steer-execute.c \
	mbox/tests/unit/test-steer-fake.c \
	mbox/tests/unit/test-steer-fake.h \
	mbox/tests/unit/test-util.h
tests_test_mbox_execute_LDADD = lib/libopenvswitch.la -lcmocka

tests_test_mbox_steer_SOURCES = \
	mbox/tests/unit/test-assign.h \
	mbox/tests/unit/test-ovs.h \
	mbox/tests/unit/test-steer-fake.c \
	mbox/tests/unit/test-steer-fake.h \
	mbox/tests/unit/test-steer.c \
	mbox/tests/unit/test-util.h
tests_test_mbox_steer_LDADD = lib/libopenvswitch.la -lcmocka
