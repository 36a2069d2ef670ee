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

EXTRA_DIST += tests

# Our programs, found by the suites before those of Open vSwitch.
MBOX_AUTOTEST_PATH = $(abs_builddir)/tests/unit:$(abs_builddir)/utilities:$(abs_srcdir)/utilities:$(abs_builddir)/middleboxes/ids:$(abs_builddir)/middleboxes/lb:$(abs_builddir)/middleboxes/wanopt:$(abs_builddir)/middleboxes/cache:$(abs_builddir)/statealyzr
MBOX_SUITE = \
	env AUTOM4TE='$(AUTOM4TE)' $(SHELL) $(srcdir)/build-aux/run-suite
MBOX_SUITE_ARGS = \
	$(OVS_SRC) $(OVS_BUILD) AUTOTEST_PATH=$(MBOX_AUTOTEST_PATH) \
	MBOX_BUILDDIR=$(abs_builddir)

# What "make check" builds before it runs anything.
check-programs: $(check_PROGRAMS)

if BUILD_SWITCH
CHECK_LOCAL += check-mbox

# Programs that need Open vSwitch are in its build.
check-mbox: ovs $(check_PROGRAMS) $(noinst_PROGRAMS) $(bin_PROGRAMS)
	$(srcdir)/build-aux/isolate $(MBOX_SUITE) testsuite.at \
	    $(MBOX_SUITE_ARGS) $(TESTSUITEFLAGS)

# Real traffic between network namespaces.  Needs root, and one at a time.
check-system: all $(check_PROGRAMS)
	$(MBOX_SUITE) system-testsuite.at $(MBOX_SUITE_ARGS) $(TESTSUITEFLAGS) -j1

# The units only, with fewer rounds (see tests/mbox-macros.at): a few minutes.
# What valgrind calls possibly lost are the stacks of threads that still run.
MBOX_VALGRIND = \
	valgrind -q --error-exitcode=1 --leak-check=full \
	--show-leak-kinds=definite,indirect \
	--errors-for-leak-kinds=definite,indirect
check-valgrind: all $(check_PROGRAMS)
	$(MBOX_SUITE) testsuite.at $(MBOX_SUITE_ARGS) -k unit \
	    MBOX_VALGRIND='$(MBOX_VALGRIND)' $(TESTSUITEFLAGS)
else
CHECK_LOCAL += check-none

# The suites are Autotest's, with macros and programs of Open vSwitch's build.
NO_SUITE = \
	"configured with --disable-switch, so there is no Open vSwitch," \
	"whose build the test suites need"
check-none:
	@echo "check: nothing was run, neither units nor actions, datapath and" \
	    "coordinator:" $(NO_SUITE) >&2
check-ovs check-system check-valgrind:
	@echo "$@: cannot run:" $(NO_SUITE) >&2; exit 1
endif

if BUILD_STATEALYZR
# What the analyser finds in real programs, compared with lists made by hand:
# see tests/statealyzr/corpus/README.md.  The first time it needs the network.
CORPUS = p0f scanlogd pen tinyproxy dnsmasq openvpn mbox-ids
MBOX_CORPUS_ENV = \
	MBOX_CORPUS_DIR='$(abs_builddir)/_corpus' \
	MBOX_CC='$(abs_builddir)/statealyzr/mbox-cc' \
	MBOX_STATEALYZR='$(abs_builddir)/statealyzr/mbox-statealyzr' \
	MBOX_STATEALYZR_TABLES='$(abs_srcdir)/statealyzr/share'
check-statealyzr: all
	$(MBOX_CORPUS_ENV) PYTHON3='$(PYTHON3)' \
	    $(srcdir)/tests/statealyzr/corpus/check $(CORPUS)

# What state-enabling costs p0f.  BENCH_STATE has arguments, such as --help.
bench-state: all
	$(MBOX_CORPUS_ENV) $(srcdir)/tests/statealyzr/corpus/capture p0f
	. tests/atlocal && $(MBOX_CORPUS_ENV) $(PYTHON3) \
	    $(srcdir)/tests/state-enable/overhead $(BENCH_STATE) _corpus/p0f-*/
endif

.PHONY: bench-state check-mbox check-none check-programs check-statealyzr check-system check-valgrind
