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

# libmbox/libmboxcore.la has everything, for programs that test what is not
# public; libmbox.la exports what libmbox.map says.

mbox_module_dir = $(libdir)/libmbox

noinst_LTLIBRARIES += libmbox/libmboxcore.la
libmbox_libmboxcore_la_SOURCES = \
	libmbox/agent.c \
	libmbox/agent.h \
	libmbox/buffer.c \
	libmbox/buffer.h \
	libmbox/copied.c \
	libmbox/copied.h \
	libmbox/destination-packets.c \
	libmbox/destination-state.c \
	libmbox/dirty.c \
	libmbox/dirty.h \
	libmbox/export.c \
	libmbox/export.h \
	libmbox/mbox-private.h \
	libmbox/mbox.c \
	libmbox/mbox.h \
	libmbox/offload.c \
	libmbox/offload.h \
	libmbox/super-frame.c \
	libmbox/super-frame.h \
	libmbox/packet.c \
	libmbox/packet.h \
	libmbox/pending.c \
	libmbox/pending.h \
	libmbox/port-afpacket.c \
	libmbox/port.c \
	libmbox/port.h \
	libmbox/process.h \
	libmbox/run.c \
	libmbox/source-state.c \
	libmbox/space-match.c \
	libmbox/state.c \
	libmbox/state.h \
	libmbox/step.h \
	libmbox/table.c \
	libmbox/table.h \
	libmbox/transfer-destination.c \
	libmbox/transfer-direct.c \
	libmbox/transfer-doubt.c \
	libmbox/transfer-destination.h \
	libmbox/transfer-source.c \
	libmbox/transfer-source.h \
	libmbox/transfer.c \
	libmbox/transfer.h \
	libmbox/workers.c \
	libmbox/workers.h
libmbox_libmboxcore_la_CPPFLAGS = \
	$(AM_CPPFLAGS) \
	-DMBOX_VERSION='"$(PACKAGE_VERSION)"' \
	-DMBOX_MODULE_DIR='"$(mbox_module_dir)"'
libmbox_libmboxcore_la_LIBADD = \
	lib/libmboxbase.la $(OPENSSL_LIBS) $(DEFLATE_LIBS) $(PTHREAD_LIBS) -ldl

lib_LTLIBRARIES += libmbox/libmbox.la
libmbox_libmbox_la_SOURCES =
libmbox_libmbox_la_LIBADD = libmbox/libmboxcore.la
libmbox_libmbox_la_LDFLAGS = \
	$(AM_LDFLAGS) \
	-version-info 1:0:0 \
	-Wl,-Bsymbolic-functions \
	-Wl,--version-script=$(srcdir)/libmbox/libmbox.map
libmbox_libmbox_la_DEPENDENCIES = \
	libmbox/libmboxcore.la libmbox/libmbox.map

mboxincludedir = $(includedir)/mbox
mboxinclude_HEADERS = libmbox/mbox.h lib/mbox-key.h
pkgconfig_DATA += libmbox/libmbox.pc
dist_man_MANS += libmbox/libmbox.3
EXTRA_DIST += libmbox/libmbox.map

# DPDK is loaded when a port needs it, so that other middleboxes do not depend
# on its libraries.
if HAVE_DPDK
mboxmoduledir = $(mbox_module_dir)
mboxmodule_LTLIBRARIES = libmbox/port-dpdk.la
libmbox_port_dpdk_la_SOURCES = libmbox/port-dpdk.c
libmbox_port_dpdk_la_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
libmbox_port_dpdk_la_LIBADD = $(DPDK_LIBS)
libmbox_port_dpdk_la_LDFLAGS = \
	$(AM_LDFLAGS) -module -avoid-version -shared -Wl,--no-undefined
endif

# A middlebox that counts packets per flow; the one of the manual page.
noinst_PROGRAMS += libmbox/example
libmbox_example_SOURCES = libmbox/example.c
libmbox_example_LDADD = libmbox/libmbox.la
