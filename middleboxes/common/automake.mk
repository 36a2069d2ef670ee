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

# What several middleboxes share.
noinst_LTLIBRARIES += middleboxes/common/libcommon.la
middleboxes_common_libcommon_la_SOURCES = \
	middleboxes/common/bytes.h \
	middleboxes/common/conf.c \
	middleboxes/common/conf.h \
	middleboxes/common/event-log.c \
	middleboxes/common/event-log.h \
	middleboxes/common/packet-trace-format.c \
	middleboxes/common/packet-trace.c \
	middleboxes/common/packet-trace.h \
	middleboxes/common/wheel.c \
	middleboxes/common/wheel.h
middleboxes_common_libcommon_la_CPPFLAGS = $(AM_CPPFLAGS) $(COMMON_CPPFLAGS)
middleboxes_common_libcommon_la_LIBADD = \
	lib/libmboxbase.la middleboxes/common/libinet.la $(JSONC_LIBS) \
	$(PTHREAD_LIBS)

# Checksums, connections of the kernel's TCP that move, and a TUN device for
# them: also a part of state-enabled programs.
noinst_LTLIBRARIES += middleboxes/common/libinet.la
middleboxes_common_libinet_la_SOURCES = \
	middleboxes/common/bytes.h \
	middleboxes/common/inet-checksum.c \
	middleboxes/common/inet-checksum.h \
	middleboxes/common/tcp-repair.c \
	middleboxes/common/tcp-repair.h \
	middleboxes/common/tcp-socket.c \
	middleboxes/common/tcp-socket.h \
	middleboxes/common/tun-net.c \
	middleboxes/common/tun-net.h

noinst_LTLIBRARIES += middleboxes/common/libmbprogram.la
middleboxes_common_libmbprogram_la_SOURCES = \
	middleboxes/common/mb-program.c \
	middleboxes/common/mb-program.h \
	middleboxes/common/mb-state.c \
	middleboxes/common/mb-state.h
middleboxes_common_libmbprogram_la_CPPFLAGS = \
	$(AM_CPPFLAGS) $(COMMON_CPPFLAGS)
middleboxes_common_libmbprogram_la_LIBADD = \
	middleboxes/common/libcommon.la libmbox/libmbox.la

COMMON_CPPFLAGS = -I $(top_srcdir)/middleboxes/common $(JSONC_CFLAGS)
