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

# The core, which knows neither libmbox nor the network.
noinst_LTLIBRARIES += middleboxes/wanopt/libwanopt.la
middleboxes_wanopt_libwanopt_la_SOURCES = \
	middleboxes/wanopt/wanopt-answer.c \
	middleboxes/wanopt/wanopt-chunk.c \
	middleboxes/wanopt/wanopt-chunk.h \
	middleboxes/wanopt/wanopt-cipher.c \
	middleboxes/wanopt/wanopt-cipher.h \
	middleboxes/wanopt/wanopt-codec.c \
	middleboxes/wanopt/wanopt-codec.h \
	middleboxes/wanopt/wanopt-config.c \
	middleboxes/wanopt/wanopt-config.h \
	middleboxes/wanopt/wanopt-decode.c \
	middleboxes/wanopt/wanopt-dict.c \
	middleboxes/wanopt/wanopt-dict.h \
	middleboxes/wanopt/wanopt-encode.c \
	middleboxes/wanopt/wanopt-events.c \
	middleboxes/wanopt/wanopt-flow.c \
	middleboxes/wanopt/wanopt-flow.h \
	middleboxes/wanopt/wanopt-private.h \
	middleboxes/wanopt/wanopt-state.c \
	middleboxes/wanopt/wanopt-wire.c \
	middleboxes/wanopt/wanopt-wire.h \
	middleboxes/wanopt/wanopt.c \
	middleboxes/wanopt/wanopt.h
middleboxes_wanopt_libwanopt_la_CPPFLAGS = $(AM_CPPFLAGS) $(WANOPT_CPPFLAGS)
middleboxes_wanopt_libwanopt_la_LIBADD = \
	middleboxes/common/libcommon.la $(OPENSSL_LIBS) $(ZSTD_LIBS)

WANOPT_CPPFLAGS = \
	-I $(top_srcdir)/middleboxes/wanopt $(COMMON_CPPFLAGS) \
	$(OPENSSL_CFLAGS) $(ZSTD_CFLAGS)

bin_PROGRAMS += middleboxes/wanopt/mbox-wanopt
middleboxes_wanopt_mbox_wanopt_SOURCES = \
	middleboxes/wanopt/main.c \
	middleboxes/wanopt/wanopt-program.h \
	middleboxes/wanopt/wanopt-transfer.c
middleboxes_wanopt_mbox_wanopt_CPPFLAGS = $(AM_CPPFLAGS) $(WANOPT_CPPFLAGS)
middleboxes_wanopt_mbox_wanopt_LDADD = \
	middleboxes/common/libmbprogram.la middleboxes/wanopt/libwanopt.la \
	libmbox/libmbox.la $(JSONC_LIBS)

dist_man_MANS += middleboxes/wanopt/mbox-wanopt.8

wanoptexampledir = $(pkgdatadir)/examples
dist_wanoptexample_DATA = middleboxes/wanopt/mbox-wanopt.conf
