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

EXTRA_DIST += \
	tests/unit/channel-test.h \
	tests/unit/random-msg.h \
	tests/unit/test-certs.h \
	tests/unit/test-util.h

unit_libs = lib/libmboxbase.la $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-wire
tests_unit_test_wire_SOURCES = tests/unit/test-wire.c
tests_unit_test_wire_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-tag
tests_unit_test_tag_SOURCES = tests/unit/test-tag.c
tests_unit_test_tag_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-key
tests_unit_test_key_SOURCES = tests/unit/test-key.c
tests_unit_test_key_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-space
tests_unit_test_space_SOURCES = tests/unit/test-space.c
tests_unit_test_space_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-msg
tests_unit_test_msg_SOURCES = tests/unit/test-msg.c
tests_unit_test_msg_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-channel
tests_unit_test_channel_SOURCES = tests/unit/test-channel.c
tests_unit_test_channel_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-channel-address
tests_unit_test_channel_address_SOURCES = tests/unit/test-channel-address.c
tests_unit_test_channel_address_LDADD = $(unit_libs) -lutil

check_PROGRAMS += tests/unit/test-serial
tests_unit_test_serial_SOURCES = tests/unit/test-serial.c
tests_unit_test_serial_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-channel-fds
tests_unit_test_channel_fds_SOURCES = tests/unit/test-channel-fds.c
tests_unit_test_channel_fds_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-tls
tls_test_sources = tests/unit/tls-test.c tests/unit/tls-test.h
tests_unit_test_tls_SOURCES = tests/unit/test-tls.c $(tls_test_sources)
tests_unit_test_tls_LDADD = $(unit_libs)

check_PROGRAMS += tests/unit/test-tls-refusal
tests_unit_test_tls_refusal_SOURCES = \
	tests/unit/test-tls-refusal.c $(tls_test_sources)
tests_unit_test_tls_refusal_LDADD = $(unit_libs)

# Not a test: prints figures.
check_PROGRAMS += tests/unit/bench-lib
tests_unit_bench_lib_SOURCES = tests/unit/bench-lib.c
tests_unit_bench_lib_LDADD = lib/libmboxbase.la $(PTHREAD_LIBS)

# Fuzz targets without libFuzzer.  Here, so that the suites find them.
check_PROGRAMS += tests/unit/fuzz-key tests/unit/fuzz-msg tests/unit/fuzz-tag
fuzz_common = tests/fuzz/fuzz-main.c tests/fuzz/fuzz.h
tests_unit_fuzz_key_SOURCES = tests/fuzz/fuzz-key.c $(fuzz_common)
tests_unit_fuzz_key_LDADD = lib/libmboxbase.la
tests_unit_fuzz_msg_SOURCES = tests/fuzz/fuzz-msg.c $(fuzz_common)
tests_unit_fuzz_msg_LDADD = lib/libmboxbase.la
tests_unit_fuzz_tag_SOURCES = tests/fuzz/fuzz-tag.c $(fuzz_common)
tests_unit_fuzz_tag_LDADD = lib/libmboxbase.la

check_PROGRAMS += tests/unit/mbox-test-agent
tests_unit_mbox_test_agent_SOURCES = \
	tests/test-agent-port.c \
	tests/test-agent-text.c \
	tests/test-agent.c \
	tests/test-agent.h
tests_unit_mbox_test_agent_LDADD = lib/libmboxbase.la

# The intrusion detection middlebox.
ids_test_cppflags = $(AM_CPPFLAGS) $(IDS_CPPFLAGS)
ids_test_libs = middleboxes/ids/libids.la $(JSONC_LIBS) $(unit_libs)
ids_test_sources = tests/unit/ids-test.c tests/unit/ids-test.h

check_PROGRAMS += tests/unit/test-ids-http
tests_unit_test_ids_http_SOURCES = \
	tests/unit/test-ids-http.c $(ids_test_sources)
tests_unit_test_ids_http_CPPFLAGS = $(ids_test_cppflags)
tests_unit_test_ids_http_LDADD = $(ids_test_libs)

check_PROGRAMS += tests/unit/test-ids-move
tests_unit_test_ids_move_SOURCES = \
	tests/unit/test-ids-move.c $(ids_test_sources)
tests_unit_test_ids_move_CPPFLAGS = $(ids_test_cppflags)
tests_unit_test_ids_move_LDADD = $(ids_test_libs)

check_PROGRAMS += tests/unit/test-ids-rules
tests_unit_test_ids_rules_SOURCES = \
	tests/unit/test-ids-rules.c $(ids_test_sources)
tests_unit_test_ids_rules_CPPFLAGS = $(ids_test_cppflags)
tests_unit_test_ids_rules_LDADD = $(ids_test_libs)

check_PROGRAMS += tests/unit/test-ids-scan
tests_unit_test_ids_scan_SOURCES = \
	tests/unit/test-ids-scan.c $(ids_test_sources)
tests_unit_test_ids_scan_CPPFLAGS = $(ids_test_cppflags)
tests_unit_test_ids_scan_LDADD = $(ids_test_libs)

check_PROGRAMS += tests/unit/test-ids-sig
tests_unit_test_ids_sig_SOURCES = \
	tests/unit/test-ids-sig.c $(ids_test_sources)
tests_unit_test_ids_sig_CPPFLAGS = $(ids_test_cppflags)
tests_unit_test_ids_sig_LDADD = $(ids_test_libs)

check_PROGRAMS += tests/unit/test-ids-state
tests_unit_test_ids_state_SOURCES = \
	tests/fuzz/fuzz-ids-state.c \
	tests/fuzz/fuzz-ids-state.h \
	tests/unit/test-ids-state.c $(ids_test_sources)
tests_unit_test_ids_state_CPPFLAGS = $(ids_test_cppflags)
tests_unit_test_ids_state_LDADD = $(ids_test_libs)

check_PROGRAMS += tests/unit/test-ids-tcp
tests_unit_test_ids_tcp_SOURCES = \
	tests/unit/test-ids-tcp.c $(ids_test_sources)
tests_unit_test_ids_tcp_CPPFLAGS = $(ids_test_cppflags)
tests_unit_test_ids_tcp_LDADD = $(ids_test_libs)

# libmbox.
EXTRA_DIST += tests/unit/libmbox-world.h
libmbox_unit_libs = libmbox/libmboxcore.la $(CMOCKA_LIBS) $(PTHREAD_LIBS)

check_PROGRAMS += tests/unit/test-libmbox-parts
tests_unit_test_libmbox_parts_SOURCES = tests/unit/test-libmbox-parts.c
tests_unit_test_libmbox_parts_LDADD = $(libmbox_unit_libs)

libmbox_sides = tests/unit/libmbox-sides.c tests/unit/libmbox-sides.h

check_PROGRAMS += tests/unit/test-libmbox-hold
tests_unit_test_libmbox_hold_SOURCES = \
	tests/unit/test-libmbox-hold.c $(libmbox_sides)
tests_unit_test_libmbox_hold_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-events
tests_unit_test_libmbox_events_SOURCES = \
	tests/unit/test-libmbox-events.c $(libmbox_sides)
tests_unit_test_libmbox_events_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-doubt
tests_unit_test_libmbox_doubt_SOURCES = \
	tests/unit/test-libmbox-doubt.c $(libmbox_sides)
tests_unit_test_libmbox_doubt_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-agent
tests_unit_test_libmbox_agent_SOURCES = \
	tests/unit/test-libmbox-agent.c $(libmbox_sides)
tests_unit_test_libmbox_agent_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-alias
tests_unit_test_libmbox_alias_SOURCES = \
	tests/unit/test-libmbox-alias.c $(libmbox_sides)
tests_unit_test_libmbox_alias_LDADD = $(libmbox_unit_libs)

# Its allocations fail when it says so.
check_PROGRAMS += tests/unit/test-libmbox-short
tests_unit_test_libmbox_short_SOURCES = \
	tests/unit/test-libmbox-short.c $(libmbox_sides)
tests_unit_test_libmbox_short_LDADD = $(libmbox_unit_libs)
tests_unit_test_libmbox_short_LDFLAGS = \
	$(AM_LDFLAGS) -Wl,--wrap=calloc -Wl,--wrap=realloc

check_PROGRAMS += tests/unit/test-libmbox-direct
tests_unit_test_libmbox_direct_SOURCES = \
	tests/unit/test-libmbox-direct.c $(tls_test_sources)
tests_unit_test_libmbox_direct_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-replica
tests_unit_test_libmbox_replica_SOURCES = \
	tests/unit/test-libmbox-replica.c $(libmbox_sides)
tests_unit_test_libmbox_replica_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-copy
tests_unit_test_libmbox_copy_SOURCES = \
	tests/unit/test-libmbox-copy.c $(libmbox_sides)
tests_unit_test_libmbox_copy_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-hostile
tests_unit_test_libmbox_hostile_SOURCES = \
	tests/unit/test-libmbox-hostile.c $(libmbox_sides)
tests_unit_test_libmbox_hostile_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-run
tests_unit_test_libmbox_run_SOURCES = \
	tests/unit/libmbox-memory.c \
	tests/unit/libmbox-memory.h \
	tests/unit/test-libmbox-run.c
tests_unit_test_libmbox_run_LDADD = $(libmbox_unit_libs)

check_PROGRAMS += tests/unit/test-libmbox-port
tests_unit_test_libmbox_port_SOURCES = tests/unit/test-libmbox-port.c
tests_unit_test_libmbox_port_LDADD = $(libmbox_unit_libs)

# Not a test: prints figures.
check_PROGRAMS += tests/unit/bench-libmbox
tests_unit_bench_libmbox_SOURCES = tests/unit/bench-libmbox.c
tests_unit_bench_libmbox_LDADD = $(libmbox_unit_libs)

# The load balancer.
lb_test_cppflags = $(AM_CPPFLAGS) $(LB_CPPFLAGS)
lb_test_libs = middleboxes/lb/liblb.la $(JSONC_LIBS) $(unit_libs)
lb_test_sources = tests/unit/lb-test.c tests/unit/lb-test.h
lb_fixture_sources = \
	tests/unit/lb-fixture.c tests/unit/lb-fixture.h $(lb_test_sources)

check_PROGRAMS += tests/unit/test-lb-parts
tests_unit_test_lb_parts_SOURCES = tests/unit/test-lb-parts.c
tests_unit_test_lb_parts_CPPFLAGS = $(lb_test_cppflags)
tests_unit_test_lb_parts_LDADD = $(lb_test_libs)

check_PROGRAMS += tests/unit/test-lb-packets
tests_unit_test_lb_packets_SOURCES = \
	tests/unit/test-lb-packets.c $(lb_fixture_sources)
tests_unit_test_lb_packets_CPPFLAGS = $(lb_test_cppflags)
tests_unit_test_lb_packets_LDADD = $(lb_test_libs)

check_PROGRAMS += tests/unit/test-lb-conns
tests_unit_test_lb_conns_SOURCES = \
	tests/unit/test-lb-conns.c $(lb_fixture_sources)
tests_unit_test_lb_conns_CPPFLAGS = $(lb_test_cppflags)
tests_unit_test_lb_conns_LDADD = $(lb_test_libs)

check_PROGRAMS += tests/unit/test-lb-state
tests_unit_test_lb_state_SOURCES = \
	tests/unit/test-lb-state.c $(lb_test_sources)
tests_unit_test_lb_state_CPPFLAGS = $(lb_test_cppflags)
tests_unit_test_lb_state_LDADD = $(lb_test_libs)

check_PROGRAMS += tests/unit/fuzz-lb
tests_unit_fuzz_lb_SOURCES = tests/fuzz/fuzz-lb.c $(fuzz_common)
tests_unit_fuzz_lb_CPPFLAGS = $(lb_test_cppflags)
tests_unit_fuzz_lb_LDADD = middleboxes/lb/liblb.la $(JSONC_LIBS)

# The WAN optimizer.
wanopt_test_cppflags = $(AM_CPPFLAGS) $(WANOPT_CPPFLAGS)
wanopt_test_libs = \
	middleboxes/wanopt/libwanopt.la $(JSONC_LIBS) $(unit_libs)
wanopt_test_sources = tests/unit/wanopt-test.c tests/unit/wanopt-test.h

check_PROGRAMS += tests/unit/test-wanopt-parts
tests_unit_test_wanopt_parts_SOURCES = tests/unit/test-wanopt-parts.c
tests_unit_test_wanopt_parts_CPPFLAGS = $(wanopt_test_cppflags)
tests_unit_test_wanopt_parts_LDADD = $(wanopt_test_libs)

check_PROGRAMS += tests/unit/test-wanopt-pair
tests_unit_test_wanopt_pair_SOURCES = \
	tests/unit/test-wanopt-pair.c $(wanopt_test_sources)
tests_unit_test_wanopt_pair_CPPFLAGS = $(wanopt_test_cppflags)
tests_unit_test_wanopt_pair_LDADD = $(wanopt_test_libs)

check_PROGRAMS += tests/unit/test-wanopt-hostile
tests_unit_test_wanopt_hostile_SOURCES = \
	tests/unit/test-wanopt-hostile.c $(wanopt_test_sources)
tests_unit_test_wanopt_hostile_CPPFLAGS = $(wanopt_test_cppflags)
tests_unit_test_wanopt_hostile_LDADD = $(wanopt_test_libs)

check_PROGRAMS += tests/unit/test-wanopt-state
tests_unit_test_wanopt_state_SOURCES = \
	tests/unit/test-wanopt-state.c $(wanopt_test_sources)
tests_unit_test_wanopt_state_CPPFLAGS = $(wanopt_test_cppflags)
tests_unit_test_wanopt_state_LDADD = $(wanopt_test_libs)

check_PROGRAMS += tests/unit/fuzz-wanopt
tests_unit_fuzz_wanopt_SOURCES = tests/fuzz/fuzz-wanopt.c $(fuzz_common)
tests_unit_fuzz_wanopt_CPPFLAGS = $(wanopt_test_cppflags)
tests_unit_fuzz_wanopt_LDADD = middleboxes/wanopt/libwanopt.la $(JSONC_LIBS)

# The cache.
cache_test_cppflags = $(AM_CPPFLAGS) $(CACHE_CPPFLAGS)
cache_test_libs = middleboxes/cache/libcache.la $(JSONC_LIBS) $(unit_libs)

check_PROGRAMS += tests/unit/test-cache-http
tests_unit_test_cache_http_SOURCES = \
	tests/unit/cache-test.h tests/unit/test-cache-http.c
tests_unit_test_cache_http_CPPFLAGS = $(cache_test_cppflags)
tests_unit_test_cache_http_LDADD = $(cache_test_libs)

check_PROGRAMS += tests/unit/test-cache-rules
tests_unit_test_cache_rules_SOURCES = \
	tests/unit/cache-test.h tests/unit/test-cache-rules.c
tests_unit_test_cache_rules_CPPFLAGS = $(cache_test_cppflags)
tests_unit_test_cache_rules_LDADD = $(cache_test_libs)

check_PROGRAMS += tests/unit/test-cache-exchange
tests_unit_test_cache_exchange_SOURCES = \
	tests/unit/cache-test.h tests/unit/test-cache-exchange.c
tests_unit_test_cache_exchange_CPPFLAGS = $(cache_test_cppflags)
tests_unit_test_cache_exchange_LDADD = $(cache_test_libs)

check_PROGRAMS += tests/unit/test-cache-import
tests_unit_test_cache_import_SOURCES = tests/unit/test-cache-import.c
tests_unit_test_cache_import_CPPFLAGS = $(cache_test_cppflags)
tests_unit_test_cache_import_LDADD = \
	middleboxes/cache/libproxy.la $(unit_libs)

check_PROGRAMS += tests/unit/fuzz-cache
tests_unit_fuzz_cache_SOURCES = tests/fuzz/fuzz-cache.c $(fuzz_common)
tests_unit_fuzz_cache_CPPFLAGS = $(cache_test_cppflags)
tests_unit_fuzz_cache_LDADD = middleboxes/cache/libcache.la $(JSONC_LIBS)
