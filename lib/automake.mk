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

# What the switch and the middlebox share.  'mbox_lib_sources' is for whoever
# compiles it in; lib/libmboxbase.la is for programs that link it.

mbox_lib_sources = \
	lib/mbox-channel-output.c \
	lib/mbox-channel-private.h \
	lib/mbox-channel.c \
	lib/mbox-channel.h \
	lib/mbox-chunk.c \
	lib/mbox-chunk.h \
	lib/mbox-fnv.h \
	lib/mbox-key.c \
	lib/mbox-key.h \
	lib/mbox-listener.c \
	lib/mbox-msg.c \
	lib/mbox-msg.h \
	lib/mbox-serial.c \
	lib/mbox-serial.h \
	lib/mbox-sockaddr.c \
	lib/mbox-space-format.c \
	lib/mbox-space.c \
	lib/mbox-space.h \
	lib/mbox-stream.c \
	lib/mbox-stream.h \
	lib/mbox-tag.c \
	lib/mbox-tag.h \
	lib/mbox-tls.c \
	lib/mbox-tls.h \
	lib/mbox-wire.c \
	lib/mbox-wire.h
mbox_lib_libs = $(OPENSSL_LIBS) $(DEFLATE_LIBS)

noinst_LTLIBRARIES += lib/libmboxbase.la
lib_libmboxbase_la_SOURCES = $(mbox_lib_sources)
lib_libmboxbase_la_LIBADD = $(mbox_lib_libs)

EXTRA_DIST += lib/ovs.mk

# A dissector of the on-wire tag.
dist_pkgdata_DATA += utilities/wireshark/mbox-tag.lua
