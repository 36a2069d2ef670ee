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

# Included by the Makefile.am of the patched Open vSwitch, in whose source
# tree our folders are symbolic links below mbox/.

AM_CPPFLAGS += -I $(top_srcdir)/mbox/lib
AM_CPPFLAGS += -I $(top_srcdir)/mbox/vswitchd-ext/datapath
AM_CPPFLAGS += -I $(top_srcdir)/mbox/vswitchd-ext/openflow

lib_libopenvswitch_la_SOURCES += \
	mbox/lib/mbox-channel-output.c \
	mbox/lib/mbox-channel-private.h \
	mbox/lib/mbox-channel.c \
	mbox/lib/mbox-channel.h \
	mbox/lib/mbox-key.c \
	mbox/lib/mbox-key.h \
	mbox/lib/mbox-listener.c \
	mbox/lib/mbox-msg.c \
	mbox/lib/mbox-msg.h \
	mbox/lib/mbox-serial.c \
	mbox/lib/mbox-serial.h \
	mbox/lib/mbox-sockaddr.c \
	mbox/lib/mbox-space-format.c \
	mbox/lib/mbox-space.c \
	mbox/lib/mbox-space.h \
	mbox/lib/mbox-stream.c \
	mbox/lib/mbox-stream.h \
	mbox/lib/mbox-tag.c \
	mbox/lib/mbox-tag.h \
	mbox/lib/mbox-tls.c \
	mbox/lib/mbox-tls.h \
	mbox/lib/mbox-wire.c \
	mbox/lib/mbox-wire.h
lib_libopenvswitch_la_LIBADD += -ldeflate
