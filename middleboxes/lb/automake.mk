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
noinst_LTLIBRARIES += middleboxes/lb/liblb.la
middleboxes_lb_liblb_la_SOURCES = \
	middleboxes/lb/lb-check.c \
	middleboxes/lb/lb-config.c \
	middleboxes/lb/lb-config.h \
	middleboxes/lb/lb-conn.c \
	middleboxes/lb/lb-conn.h \
	middleboxes/lb/lb-events.c \
	middleboxes/lb/lb-frame.c \
	middleboxes/lb/lb-frame.h \
	middleboxes/lb/lb-health.c \
	middleboxes/lb/lb-health.h \
	middleboxes/lb/lb-maglev.c \
	middleboxes/lb/lb-maglev.h \
	middleboxes/lb/lb-private.h \
	middleboxes/lb/lb-rewrite.c \
	middleboxes/lb/lb-rewrite.h \
	middleboxes/lb/lb-state.c \
	middleboxes/lb/lb.c \
	middleboxes/lb/lb.h
middleboxes_lb_liblb_la_CPPFLAGS = $(AM_CPPFLAGS) $(LB_CPPFLAGS)
middleboxes_lb_liblb_la_LIBADD = middleboxes/common/libcommon.la

LB_CPPFLAGS = -I $(top_srcdir)/middleboxes/lb $(COMMON_CPPFLAGS)

bin_PROGRAMS += middleboxes/lb/mbox-lb
middleboxes_lb_mbox_lb_SOURCES = \
	middleboxes/lb/lb-program.h \
	middleboxes/lb/lb-transfer.c \
	middleboxes/lb/main.c
middleboxes_lb_mbox_lb_CPPFLAGS = $(AM_CPPFLAGS) $(LB_CPPFLAGS)
middleboxes_lb_mbox_lb_LDADD = \
	middleboxes/common/libmbprogram.la middleboxes/lb/liblb.la \
	libmbox/libmbox.la $(JSONC_LIBS)

dist_man_MANS += middleboxes/lb/mbox-lb.8

lbexampledir = $(pkgdatadir)/examples
dist_lbexample_DATA = middleboxes/lb/mbox-lb.conf
