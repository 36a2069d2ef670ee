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
	mbox/vswitchd-ext/scale/mbox-instantiator.c \
	mbox/vswitchd-ext/scale/mbox-instantiator.h \
	mbox/vswitchd-ext/scale/mbox-policies.c \
	mbox/vswitchd-ext/scale/mbox-policies.h \
	mbox/vswitchd-ext/scale/mbox-policy.c \
	mbox/vswitchd-ext/scale/mbox-policy.h \
	mbox/vswitchd-ext/scale/mbox-scale-commands.c \
	mbox/vswitchd-ext/scale/mbox-scale.c \
	mbox/vswitchd-ext/scale/mbox-scale.h \
	mbox/vswitchd-ext/scale/mbox-scales.c \
	mbox/vswitchd-ext/scale/mbox-scales.h

AM_CPPFLAGS += -I $(top_srcdir)/mbox/vswitchd-ext/scale

noinst_PROGRAMS += tests/test-mbox-policy tests/test-mbox-scale

tests_test_mbox_policy_SOURCES = \
	mbox/tests/unit/test-policy.c \
	mbox/vswitchd-ext/scale/mbox-policy.c
tests_test_mbox_policy_LDADD = lib/libopenvswitch.la -lcmocka

tests_test_mbox_scale_SOURCES = \
	mbox/tests/unit/test-scale.c \
	mbox/vswitchd-ext/scale/mbox-scale.c
tests_test_mbox_scale_LDADD = lib/libopenvswitch.la -lcmocka
