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
noinst_LTLIBRARIES += middleboxes/ids/libids.la
middleboxes_ids_libids_la_SOURCES = \
	middleboxes/ids/ids-flow.c \
	middleboxes/ids/ids-flow.h \
	middleboxes/ids/ids-frame.c \
	middleboxes/ids/ids-frame.h \
	middleboxes/ids/ids-http.c \
	middleboxes/ids/ids-http.h \
	middleboxes/ids/ids-pcap.c \
	middleboxes/ids/ids-pcap.h \
	middleboxes/ids/ids-private.h \
	middleboxes/ids/ids-rules-match.c \
	middleboxes/ids/ids-rules-options.c \
	middleboxes/ids/ids-rules-parser.h \
	middleboxes/ids/ids-rules.c \
	middleboxes/ids/ids-rules.h \
	middleboxes/ids/ids-scan.c \
	middleboxes/ids/ids-scan.h \
	middleboxes/ids/ids-sig.c \
	middleboxes/ids/ids-sig.h \
	middleboxes/ids/ids-state.c \
	middleboxes/ids/ids-tcp.c \
	middleboxes/ids/ids-tcp.h \
	middleboxes/ids/ids.c \
	middleboxes/ids/ids.h
middleboxes_ids_libids_la_CPPFLAGS = $(AM_CPPFLAGS) $(IDS_CPPFLAGS)
middleboxes_ids_libids_la_LIBADD = \
	middleboxes/common/libcommon.la $(HYPERSCAN_LIBS)

IDS_CPPFLAGS = \
	-I $(top_srcdir)/middleboxes/ids $(COMMON_CPPFLAGS) $(HYPERSCAN_CFLAGS)

bin_PROGRAMS += middleboxes/ids/mbox-ids
middleboxes_ids_mbox_ids_SOURCES = \
	middleboxes/ids/ids-capacity.c \
	middleboxes/ids/ids-capacity.h \
	middleboxes/ids/ids-program.h \
	middleboxes/ids/ids-transfer.c \
	middleboxes/ids/main.c
middleboxes_ids_mbox_ids_CPPFLAGS = $(AM_CPPFLAGS) $(IDS_CPPFLAGS)
middleboxes_ids_mbox_ids_LDADD = \
	middleboxes/common/libmbprogram.la middleboxes/ids/libids.la \
	libmbox/libmbox.la $(JSONC_LIBS)

idsrulesdir = $(pkgdatadir)/rules
dist_idsrules_DATA = middleboxes/ids/rules/demo.rules
dist_man_MANS += middleboxes/ids/mbox-ids.8
