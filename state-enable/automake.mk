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

# What moves the state of unmodified programs: the runtime that is linked with
# them, and the generator of its tables.

EXTRA_DIST += state-enable tests/state-enable

noinst_LTLIBRARIES += state-enable/libstateruntime.la
state_enable_libstateruntime_la_SOURCES = \
	state-enable/runtime/coroutine.c \
	state-enable/runtime/coroutine.h \
	state-enable/runtime/delete.c \
	state-enable/runtime/delete.h \
	state-enable/runtime/dirty-check.c \
	state-enable/runtime/dirty-private.h \
	state-enable/runtime/dirty.c \
	state-enable/runtime/dirty.h \
	state-enable/runtime/export.c \
	state-enable/runtime/heap.c \
	state-enable/runtime/heap.h \
	state-enable/runtime/hooks.c \
	state-enable/runtime/hooks.h \
	state-enable/runtime/image-read.c \
	state-enable/runtime/image-read.h \
	state-enable/runtime/image.h \
	state-enable/runtime/import.c \
	state-enable/runtime/index.c \
	state-enable/runtime/index.h \
	state-enable/runtime/known.c \
	state-enable/runtime/known.h \
	state-enable/runtime/names.c \
	state-enable/runtime/names.h \
	state-enable/runtime/nodes.c \
	state-enable/runtime/nodes.h \
	state-enable/runtime/objects.c \
	state-enable/runtime/objects.h \
	state-enable/runtime/parts.c \
	state-enable/runtime/parts.h \
	state-enable/runtime/placement.c \
	state-enable/runtime/placement.h \
	state-enable/runtime/private.h \
	state-enable/runtime/program-state.c \
	state-enable/runtime/program-state.h \
	state-enable/runtime/program-tables.h \
	state-enable/runtime/shadow.c \
	state-enable/runtime/shadow.h \
	state-enable/runtime/slots.c \
	state-enable/runtime/slots.h \
	state-enable/runtime/standing.c \
	state-enable/runtime/standing.h \
	state-enable/runtime/state-hook.h \
	state-enable/runtime/trees.c \
	state-enable/runtime/trees.h
state_enable_libstateruntime_la_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime

# The ready-made hook.
noinst_LTLIBRARIES += state-enable/libstatetcp.la
state_enable_libstatetcp_la_SOURCES = \
	state-enable/runtime/state-tcp.c \
	state-enable/runtime/state-tcp.h \
	state-enable/runtime/tcp-image.c \
	state-enable/runtime/tcp-image.h
state_enable_libstatetcp_la_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/middleboxes/common
state_enable_libstatetcp_la_LIBADD = middleboxes/common/libinet.la

# The program as an instance of libmbox.
noinst_LTLIBRARIES += state-enable/libstateinstance.la
state_enable_libstateinstance_la_SOURCES = \
	state-enable/runtime/instance.c \
	state-enable/runtime/instance.h \
	state-enable/runtime/start.c
state_enable_libstateinstance_la_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime
state_enable_libstateinstance_la_LIBADD = \
	state-enable/libstateruntime.la state-enable/libstatetcp.la \
	libmbox/libmboxcore.la

# All that a program is linked with that reads packets by libpcap,
noinst_LTLIBRARIES += state-enable/libstateprogram.la
state_enable_libstateprogram_la_SOURCES =
if HAVE_PCAP
state_enable_libstateprogram_la_SOURCES += state-enable/runtime/pcap.c
endif
state_enable_libstateprogram_la_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime
state_enable_libstateprogram_la_LIBADD = state-enable/libstateinstance.la

# or from sockets of the kernel.
noinst_LTLIBRARIES += state-enable/libstatesockets.la
state_enable_libstatesockets_la_SOURCES = \
	state-enable/runtime/kernel.c \
	state-enable/runtime/kernel.h \
	state-enable/runtime/links.c \
	state-enable/runtime/links.h \
	state-enable/runtime/sockets.c
state_enable_libstatesockets_la_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime \
	-I $(top_srcdir)/middleboxes/common
state_enable_libstatesockets_la_LIBADD = state-enable/libstateinstance.la

# Unit tests.
STATE_TEST_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime \
	-I $(top_srcdir)/tests/unit
STATE_TEST_LIBS = \
	state-enable/libstateruntime.la lib/libmboxbase.la $(CMOCKA_LIBS) \
	$(PTHREAD_LIBS)

check_PROGRAMS += tests/unit/test-state-parts
tests_unit_test_state_parts_SOURCES = \
	tests/unit/state-tree.c \
	tests/unit/state-tree.h \
	tests/unit/state-world.c \
	tests/unit/state-world.h \
	tests/unit/test-state-parts.c
tests_unit_test_state_parts_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_parts_LDADD = $(STATE_TEST_LIBS)

check_PROGRAMS += tests/unit/test-state-dirty
tests_unit_test_state_dirty_SOURCES = \
	tests/unit/state-tree.c \
	tests/unit/state-tree.h \
	tests/unit/state-world.c \
	tests/unit/state-world.h \
	tests/unit/test-state-dirty.c
tests_unit_test_state_dirty_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_dirty_LDADD = $(STATE_TEST_LIBS)

check_PROGRAMS += tests/unit/test-state-runtime
tests_unit_test_state_runtime_SOURCES = \
	tests/unit/state-pair.c \
	tests/unit/state-pair.h \
	tests/unit/state-tree.c \
	tests/unit/state-tree.h \
	tests/unit/state-world.c \
	tests/unit/state-world.h \
	tests/unit/test-state-runtime.c
tests_unit_test_state_runtime_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_runtime_LDADD = $(STATE_TEST_LIBS)

check_PROGRAMS += tests/unit/test-state-slots
tests_unit_test_state_slots_SOURCES = tests/unit/test-state-slots.c
tests_unit_test_state_slots_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_slots_LDADD = $(STATE_TEST_LIBS)

check_PROGRAMS += tests/unit/test-state-hooks
tests_unit_test_state_hooks_SOURCES = tests/unit/test-state-hooks.c
tests_unit_test_state_hooks_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_hooks_LDADD = $(STATE_TEST_LIBS)

check_PROGRAMS += tests/unit/test-state-memory
tests_unit_test_state_memory_SOURCES = \
	tests/unit/state-pair.c \
	tests/unit/state-pair.h \
	tests/unit/state-tree.c \
	tests/unit/state-tree.h \
	tests/unit/state-world.c \
	tests/unit/state-world.h \
	tests/unit/test-state-memory.c
tests_unit_test_state_memory_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_memory_LDFLAGS = \
	-Wl,--wrap=malloc,--wrap=calloc,--wrap=realloc,--wrap=free
tests_unit_test_state_memory_LDADD = $(STATE_TEST_LIBS)

check_PROGRAMS += tests/unit/test-state-tcp
tests_unit_test_state_tcp_SOURCES = tests/unit/test-state-tcp.c
tests_unit_test_state_tcp_CPPFLAGS = \
	$(STATE_TEST_CPPFLAGS) -I $(top_srcdir)/middleboxes/common
tests_unit_test_state_tcp_LDFLAGS = -Wl,-u,mbox_state_tcp_save
tests_unit_test_state_tcp_LDADD = \
	state-enable/libstatetcp.la lib/libmboxbase.la $(CMOCKA_LIBS) \
	$(PTHREAD_LIBS)

check_PROGRAMS += tests/unit/test-state-sockets
tests_unit_test_state_sockets_SOURCES = \
	state-enable/runtime/links.c \
	state-enable/runtime/sockets.c \
	tests/unit/test-state-sockets.c
tests_unit_test_state_sockets_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_sockets_LDADD = \
	lib/libmboxbase.la $(CMOCKA_LIBS) $(PTHREAD_LIBS)

check_PROGRAMS += tests/unit/test-state-hostile
tests_unit_test_state_hostile_SOURCES = \
	tests/unit/state-pair.c \
	tests/unit/state-pair.h \
	tests/unit/state-tree.c \
	tests/unit/state-tree.h \
	tests/unit/state-world.c \
	tests/unit/state-world.h \
	tests/unit/test-state-hostile.c
tests_unit_test_state_hostile_CPPFLAGS = $(STATE_TEST_CPPFLAGS)
tests_unit_test_state_hostile_LDADD = $(STATE_TEST_LIBS)

if BUILD_STATEALYZR
# As one object, which keeps all names but those of libmbox-state.sym to itself:
# a program may have functions and variables of any name.
statelibdir = $(pkglibdir)
statelib_DATA = \
	state-enable/libmbox-state.a \
	state-enable/libmbox-state-sockets.a
EXTRA_DIST += state-enable/libmbox-state.sym
state-enable/libmbox-state.a: state-enable/libstateprogram.la
state-enable/libmbox-state-sockets.a: state-enable/libstatesockets.la
$(statelib_DATA): state-enable/libmbox-state.sym
	$(AM_V_GEN)object=$(@:.a=.o) && rm -f $@ && \
	parts=$$(echo $@ | sed 's|libmbox-state.a|.libs/libstateprogram.a|; \
	    s|libmbox-state-sockets.a|.libs/libstatesockets.a|') && \
	$(CC) $(AM_CFLAGS) $(CFLAGS) $(RELOCATABLE_LDFLAGS) -nostdlib \
	    -Wl,--whole-archive $$parts -Wl,--no-whole-archive -o $$object && \
	$(OBJCOPY) --keep-global-symbols='$(srcdir)'/state-enable/libmbox-state.sym \
	    $$object && \
	$(AR) cr $@ $$object && $(RANLIB) $@
CLEANFILES += $(statelib_DATA) $(statelib_DATA:.a=.o)

pkginclude_HEADERS = \
	state-enable/runtime/program-tables.h \
	state-enable/runtime/state-hook.h \
	state-enable/runtime/state-tcp.h

STATE_LIBS = $(OPENSSL_LIBS) $(DEFLATE_LIBS) $(PTHREAD_LIBS) -ldl
pkglibexec_SCRIPTS = state-enable/mbox-state-link
state-enable/mbox-state-link: state-enable/mbox-state-link.in Makefile
	$(AM_V_GEN)$(MKDIR_P) state-enable && \
	sed -e 's|[@]bindir[@]|$(bindir)|g' -e 's|[@]clang[@]|$(CLANG)|g' \
	    -e 's|[@]includedir[@]|$(pkgincludedir)|g' \
	    -e 's|[@]libdir[@]|$(pkglibdir)|g' \
	    -e 's|[@]libexecdir[@]|$(pkglibexecdir)|g' \
	    -e 's|[@]libs[@]|$(STATE_LIBS)|g' \
	    '$(srcdir)'/state-enable/mbox-state-link.in > $@.tmp && \
	chmod +x $@.tmp && mv $@.tmp $@
CLEANFILES += state-enable/mbox-state-link

pkglibexec_PROGRAMS += state-enable/mbox-state-gen
state_enable_mbox_state_gen_SOURCES = \
	state-enable/gen/buffers.c \
	state-enable/gen/container.c \
	state-enable/gen/container.h \
	state-enable/gen/counts.c \
	state-enable/gen/counts.h \
	state-enable/gen/evidence-private.h \
	state-enable/gen/evidence.c \
	state-enable/gen/evidence.h \
	state-enable/gen/heads.c \
	state-enable/gen/instrument-calls.c \
	state-enable/gen/instrument-private.h \
	state-enable/gen/handlers.c \
	state-enable/gen/handlers.h \
	state-enable/gen/instrument-prune.c \
	state-enable/gen/instrument-writes.c \
	state-enable/gen/instrument.c \
	state-enable/gen/instrument.h \
	state-enable/gen/json.c \
	state-enable/gen/main.c \
	state-enable/gen/order.c \
	state-enable/gen/place.c \
	state-enable/gen/place.h \
	state-enable/gen/plan-containers.c \
	state-enable/gen/plan-counts.c \
	state-enable/gen/plan-hooks.c \
	state-enable/gen/plan-keys.c \
	state-enable/gen/plan-merge.c \
	state-enable/gen/plan-names.c \
	state-enable/gen/plan-outputs.c \
	state-enable/gen/plan-slots.c \
	state-enable/gen/plan-strategies.c \
	state-enable/gen/plan-strays.c \
	state-enable/gen/plan-types.c \
	state-enable/gen/plan-unmovable.c \
	state-enable/gen/plan.c \
	state-enable/gen/plan.h \
	state-enable/gen/rewrite.c \
	state-enable/gen/rewrite.h \
	state-enable/gen/threads.c \
	state-enable/gen/trace.c \
	state-enable/gen/trees.c \
	state-enable/gen/waits.c \
	state-enable/gen/waits.h \
	state-enable/gen/write-layout.c \
	state-enable/gen/write-layout.h \
	state-enable/gen/write-tables.c \
	state-enable/gen/write-tables.h
state_enable_mbox_state_gen_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/state-enable/runtime \
	$(STATEALYZR_CPPFLAGS)
state_enable_mbox_state_gen_LDADD = $(statealyzr_libs)
endif
