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


# The analyser of middlebox programs (mbox-statealyzr) and the compiler driver
# that captures them (mbox-cc).  All but main() is a library, for the tests.
#
# A new file is one line in statealyzr_sources.

statealyzr_sources = \
	statealyzr/analysis.h \
	statealyzr/array.c \
	statealyzr/array.h \
	statealyzr/bitcode-version.c \
	statealyzr/bitcode-version.h \
	statealyzr/buffers.c \
	statealyzr/buffers.h \
	statealyzr/call.c \
	statealyzr/call.h \
	statealyzr/containers.c \
	statealyzr/containers.h \
	statealyzr/control.c \
	statealyzr/control.h \
	statealyzr/declared-variables.c \
	statealyzr/descriptors.c \
	statealyzr/descriptors.h \
	statealyzr/diag.c \
	statealyzr/diag.h \
	statealyzr/effects.c \
	statealyzr/enumerators.c \
	statealyzr/enumerators.h \
	statealyzr/feasible.c \
	statealyzr/feasible.h \
	statealyzr/flow-space.c \
	statealyzr/flow-space.h \
	statealyzr/headers.c \
	statealyzr/headers.h \
	statealyzr/heap-structures.c \
	statealyzr/integers.c \
	statealyzr/integers.h \
	statealyzr/layout.c \
	statealyzr/layout.h \
	statealyzr/links.c \
	statealyzr/links.h \
	statealyzr/locals.c \
	statealyzr/locals.h \
	statealyzr/lookups.c \
	statealyzr/lookups.h \
	statealyzr/loop-candidates.c \
	statealyzr/loop-choice.c \
	statealyzr/loop-private.h \
	statealyzr/loop.c \
	statealyzr/loop.h \
	statealyzr/members.c \
	statealyzr/members.h \
	statealyzr/model-private.h \
	statealyzr/model.c \
	statealyzr/model.h \
	statealyzr/modref-insns.c \
	statealyzr/modref-private.h \
	statealyzr/modref.c \
	statealyzr/modref.h \
	statealyzr/nodeset.c \
	statealyzr/nodeset.h \
	statealyzr/outputs.c \
	statealyzr/outputs.h \
	statealyzr/packet-memory.c \
	statealyzr/packet-names.c \
	statealyzr/packet-private.h \
	statealyzr/packet-sources.c \
	statealyzr/packet.c \
	statealyzr/packet.h \
	statealyzr/paths-private.h \
	statealyzr/paths-run.c \
	statealyzr/paths.c \
	statealyzr/paths.h \
	statealyzr/procedures.c \
	statealyzr/procedures.h \
	statealyzr/pta-access.c \
	statealyzr/pta-alloc.c \
	statealyzr/pta-arithmetic.c \
	statealyzr/pta-calls.c \
	statealyzr/pta-chains.c \
	statealyzr/pta-classes.c \
	statealyzr/pta-code.c \
	statealyzr/pta-constraints.c \
	statealyzr/pta-copies.c \
	statealyzr/pta-filters.c \
	statealyzr/pta-globals.c \
	statealyzr/pta-objects.c \
	statealyzr/pta-private.h \
	statealyzr/pta-solve.c \
	statealyzr/pta-values.c \
	statealyzr/pta.c \
	statealyzr/pta.h \
	statealyzr/regions.c \
	statealyzr/regions.h \
	statealyzr/report-dot.c \
	statealyzr/report-html.c \
	statealyzr/report-json.c \
	statealyzr/report-text.c \
	statealyzr/report.c \
	statealyzr/report.h \
	statealyzr/result.c \
	statealyzr/result.h \
	statealyzr/sdg-edges.c \
	statealyzr/sdg-private.h \
	statealyzr/sdg.c \
	statealyzr/sdg.h \
	statealyzr/slice.c \
	statealyzr/slice.h \
	statealyzr/source.c \
	statealyzr/state-private.h \
	statealyzr/state.c \
	statealyzr/state.h \
	statealyzr/tables-private.h \
	statealyzr/tables.c \
	statealyzr/tables.h \
	statealyzr/targets.c \
	statealyzr/targets.h \
	statealyzr/types.c \
	statealyzr/types.h \
	statealyzr/unmovable.c \
	statealyzr/unmovable.h \
	statealyzr/value-sets.c \
	statealyzr/value-sets.h \
	statealyzr/variables.c \
	statealyzr/walks.c \
	statealyzr/walks.h \
	statealyzr/wrappers.c \
	statealyzr/wrappers.h

# Data, found in $(statealyzrdir) or where MBOX_STATEALYZR_TABLES says.
statealyzr_tables = \
	statealyzr/share/fields.json \
	statealyzr/share/library.json \
	statealyzr/share/outputs.json \
	statealyzr/share/packet-reads.json

statealyzrdir = $(pkgdatadir)/statealyzr

STATEALYZR_CPPFLAGS = \
	-I $(top_srcdir)/statealyzr \
	-DSTATEALYZR_TABLES_DIR='"$(statealyzrdir)"' \
	$(GLIB_CFLAGS) $(JSONC_CFLAGS) $(LLVM_CFLAGS)
statealyzr_libs = \
	statealyzr/libstatealyzr.la $(JSONC_LIBS) $(GLIB_LIBS) $(LLVM_LIBS)

EXTRA_DIST += statealyzr tests/statealyzr

if BUILD_STATEALYZR
noinst_LTLIBRARIES += statealyzr/libstatealyzr.la
statealyzr_libstatealyzr_la_SOURCES = $(statealyzr_sources)
statealyzr_libstatealyzr_la_CPPFLAGS = $(AM_CPPFLAGS) $(STATEALYZR_CPPFLAGS)
statealyzr_libstatealyzr_la_LIBADD = \
	$(JSONC_LIBS) $(GLIB_LIBS) $(LLVM_LIBS)

dist_statealyzr_DATA = $(statealyzr_tables)

dist_man_MANS += \
	statealyzr/mbox-cc.1 \
	statealyzr/mbox-statealyzr.1

# What every HTML report has, as C strings.
statealyzr/report-assets.h: statealyzr/report.css statealyzr/report.js
	$(AM_V_GEN)$(MKDIR_P) statealyzr && \
	for f in css js; do \
	    echo "static const char report_$$f[] ="; \
	    sed -e '1,/^ \*\/$$/d' -e 's/\\/\\\\/g' -e 's/"/\\"/g' \
	        -e 's/.*/"&\\n"/' '$(srcdir)'/statealyzr/report.$$f; \
	    echo ';'; \
	done > $@.tmp && mv $@.tmp $@
# Not for that of report-html.c alone: that would replace automake's own rule.
$(statealyzr_libstatealyzr_la_OBJECTS): | statealyzr/report-assets.h
CLEANFILES += statealyzr/report-assets.h

bin_PROGRAMS += statealyzr/mbox-statealyzr
statealyzr_mbox_statealyzr_SOURCES = statealyzr/main.c
statealyzr_mbox_statealyzr_CPPFLAGS = $(AM_CPPFLAGS) $(STATEALYZR_CPPFLAGS)
statealyzr_mbox_statealyzr_LDADD = $(statealyzr_libs)

bin_PROGRAMS += statealyzr/mbox-cc
statealyzr_mbox_cc_SOURCES = \
	statealyzr/cc-args.c \
	statealyzr/cc-args.h \
	statealyzr/cc-section.c \
	statealyzr/cc-section.h \
	statealyzr/cc.c
statealyzr_mbox_cc_CPPFLAGS = \
	$(AM_CPPFLAGS) $(GLIB_CFLAGS) \
	-DMBOX_CLANG='"$(CLANG)"' -DMBOX_LLVM_LINK='"$(LLVM_LINK)"' \
	-DMBOX_STATE_LINK='"$(pkglibexecdir)/mbox-state-link"'
statealyzr_mbox_cc_LDADD = $(GLIB_LIBS)

# Unit tests.
STATEALYZR_TEST_CPPFLAGS = \
	$(AM_CPPFLAGS) $(STATEALYZR_CPPFLAGS) -I $(top_srcdir)/tests/unit

check_PROGRAMS += tests/unit/test-statealyzr-slice
tests_unit_test_statealyzr_slice_SOURCES = \
	tests/unit/statealyzr-world.c \
	tests/unit/statealyzr-world.h \
	tests/unit/test-statealyzr-slice.c
tests_unit_test_statealyzr_slice_CPPFLAGS = $(STATEALYZR_TEST_CPPFLAGS)
tests_unit_test_statealyzr_slice_LDADD = $(statealyzr_libs) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-statealyzr-pta
tests_unit_test_statealyzr_pta_SOURCES = \
	tests/unit/statealyzr-pta-world.c \
	tests/unit/statealyzr-pta-world.h \
	tests/unit/test-statealyzr-pta.c
tests_unit_test_statealyzr_pta_CPPFLAGS = $(STATEALYZR_TEST_CPPFLAGS)
tests_unit_test_statealyzr_pta_LDADD = $(statealyzr_libs) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-statealyzr-solver
tests_unit_test_statealyzr_solver_SOURCES = \
	tests/unit/statealyzr-pta-world.c \
	tests/unit/statealyzr-pta-world.h \
	tests/unit/test-statealyzr-solver.c
tests_unit_test_statealyzr_solver_CPPFLAGS = $(STATEALYZR_TEST_CPPFLAGS)
tests_unit_test_statealyzr_solver_LDADD = $(statealyzr_libs) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-statealyzr-flow-space
tests_unit_test_statealyzr_flow_space_SOURCES = \
	tests/unit/statealyzr-world.c \
	tests/unit/statealyzr-world.h \
	tests/unit/test-statealyzr-flow-space.c
tests_unit_test_statealyzr_flow_space_CPPFLAGS = $(STATEALYZR_TEST_CPPFLAGS)
tests_unit_test_statealyzr_flow_space_LDADD = $(statealyzr_libs) $(CMOCKA_LIBS)

check_PROGRAMS += tests/unit/test-statealyzr-loop
tests_unit_test_statealyzr_loop_SOURCES = \
	tests/unit/statealyzr-world.c \
	tests/unit/statealyzr-world.h \
	tests/unit/test-statealyzr-loop.c
tests_unit_test_statealyzr_loop_CPPFLAGS = $(STATEALYZR_TEST_CPPFLAGS)
tests_unit_test_statealyzr_loop_LDADD = $(statealyzr_libs) $(CMOCKA_LIBS)
endif
