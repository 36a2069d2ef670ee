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

# The cache, which knows neither libmbox nor the network.
noinst_LTLIBRARIES += middleboxes/cache/libcache.la
middleboxes_cache_libcache_la_SOURCES = \
	middleboxes/cache/cache-control.c \
	middleboxes/cache/cache-control.h \
	middleboxes/cache/cache-exchange.c \
	middleboxes/cache/cache-exchange.h \
	middleboxes/cache/cache-heads.c \
	middleboxes/cache/cache-heads.h \
	middleboxes/cache/cache-object.c \
	middleboxes/cache/cache-object.h \
	middleboxes/cache/cache-rules.c \
	middleboxes/cache/cache-rules.h \
	middleboxes/cache/cache-store.c \
	middleboxes/cache/cache-store.h \
	middleboxes/cache/cache-uri.c \
	middleboxes/cache/cache-uri.h \
	middleboxes/cache/http-body.c \
	middleboxes/cache/http-body.h \
	middleboxes/cache/http-date.c \
	middleboxes/cache/http-date.h \
	middleboxes/cache/http-head.c \
	middleboxes/cache/http-head.h \
	middleboxes/cache/proxy-handshake.c \
	middleboxes/cache/proxy-handshake.h
middleboxes_cache_libcache_la_CPPFLAGS = $(AM_CPPFLAGS) $(CACHE_CPPFLAGS)
middleboxes_cache_libcache_la_LIBADD = \
	middleboxes/common/libcommon.la $(OPENSSL_LIBS) $(HTTP_PARSER_LIBS)

CACHE_CPPFLAGS = \
	-I $(top_srcdir)/middleboxes/cache $(COMMON_CPPFLAGS) \
	$(OPENSSL_CFLAGS) $(MNL_CFLAGS)

# With the kernel's TCP; does not know libmbox.
noinst_LTLIBRARIES += middleboxes/cache/libproxy.la
middleboxes_cache_libproxy_la_SOURCES = \
	middleboxes/cache/proxy-config.c \
	middleboxes/cache/proxy-config.h \
	middleboxes/cache/proxy-conn.c \
	middleboxes/cache/proxy-events.c \
	middleboxes/cache/proxy-flow.c \
	middleboxes/cache/proxy-net.c \
	middleboxes/cache/proxy-net.h \
	middleboxes/cache/proxy-packet.c \
	middleboxes/cache/proxy-private.h \
	middleboxes/cache/proxy-relay.c \
	middleboxes/cache/proxy-state.c \
	middleboxes/cache/proxy-tcp.c \
	middleboxes/cache/proxy-tcp.h \
	middleboxes/cache/proxy.c \
	middleboxes/cache/proxy.h
middleboxes_cache_libproxy_la_CPPFLAGS = $(AM_CPPFLAGS) $(CACHE_CPPFLAGS)
middleboxes_cache_libproxy_la_LIBADD = \
	middleboxes/cache/libcache.la $(JSONC_LIBS) $(MNL_LIBS)

bin_PROGRAMS += middleboxes/cache/mbox-cache
middleboxes_cache_mbox_cache_SOURCES = \
	middleboxes/cache/cache-program.h \
	middleboxes/cache/cache-transfer.c \
	middleboxes/cache/main.c
middleboxes_cache_mbox_cache_CPPFLAGS = $(AM_CPPFLAGS) $(CACHE_CPPFLAGS)
middleboxes_cache_mbox_cache_LDADD = \
	middleboxes/common/libmbprogram.la middleboxes/cache/libproxy.la \
	libmbox/libmbox.la $(JSONC_LIBS)

dist_man_MANS += middleboxes/cache/mbox-cache.8

cacheexampledir = $(pkgdatadir)/examples
dist_cacheexample_DATA = middleboxes/cache/mbox-cache.conf
