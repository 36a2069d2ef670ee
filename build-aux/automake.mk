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

# The patched Open vSwitch, in $(builddir)/_ovs:
#
#     src      the source, patched; mbox/* are links to our folders
#     build    its build
#     stamp-*  when each was made
#
# A changed patch makes a new source tree (build-aux/ovs-tree keeps the times
# of the files that come out the same, so that only what depends on the others
# is compiled again).  A changed file of ours is a matter of Open vSwitch's own
# make, which always runs.

EXTRA_DIST += \
	build-aux/debian-packages \
	build-aux/isolate \
	build-aux/ovs-tree \
	build-aux/run-suite \
	build-aux/sum-tests

OVS = _ovs
OVS_SRC = $(abs_builddir)/$(OVS)/src
OVS_BUILD = $(abs_builddir)/$(OVS)/build
OVS_PATCH_DIR = $(srcdir)/ovs-patches/$(OVS_SERIES)
OVS_MAKE = $(MAKE) -C $(OVS)/build

OVS_DPDK =
if HAVE_DPDK
OVS_DPDK += --with-dpdk=shared
endif
# What the sanitizers insert makes gcc see null pointers in Open vSwitch where
# there are none, so that its warnings remain warnings in such a build.
OVS_WERROR =
if WERROR
if !SANITIZERS
OVS_WERROR += --enable-Werror
endif
endif
if SANITIZERS
OVS_CFLAGS = $(CFLAGS) $(SANITIZE_CFLAGS)
else
OVS_CFLAGS = $(CFLAGS)
endif

# In one line, for the shell.
OVS_ARGS = \
	--prefix='$(prefix)' --exec-prefix='$(exec_prefix)' \
	--bindir='$(bindir)' --sbindir='$(sbindir)' \
	--libdir='$(libdir)' --includedir='$(includedir)' \
	--datarootdir='$(datarootdir)' --mandir='$(mandir)' \
	--sysconfdir='$(sysconfdir)' --localstatedir='$(localstatedir)' \
	--enable-ssl $(OVS_DPDK) $(OVS_WERROR) \
	CC='$(CC)' CFLAGS='$(OVS_CFLAGS)' CPPFLAGS='$(CPPFLAGS)' \
	LDFLAGS='$(LDFLAGS)' PYTHON3='$(PYTHON3)' $(OVS_CONFIGURE_ARGS)

if BUILD_SWITCH
ALL_LOCAL += ovs
endif

# The series is read when make runs, so that a new patch needs no configure.
$(OVS)/stamp-src: $(OVS_SOURCE) $(OVS_PATCH_DIR)/series \
		$(wildcard $(OVS_PATCH_DIR)/*.patch) $(srcdir)/build-aux/ovs-tree
	$(AM_V_GEN)$(MKDIR_P) $(OVS)
	@echo "  patches of ovs-patches/$(OVS_SERIES) onto $(OVS_SOURCE)"
	$(AM_V_at)QUILT='$(QUILT)' $(SHELL) $(srcdir)/build-aux/ovs-tree \
	    '$(OVS_SOURCE)' '$(abs_srcdir)' '$(OVS_SERIES)' '$(OVS_SRC)'
	$(AM_V_at)touch $@

# Changes only if the arguments do.  Two makes may run at a time (quickstart).
$(OVS)/args: FORCE
	$(AM_V_at)$(MKDIR_P) $(OVS)
	@tmp=$@.$$$$; echo "$(OVS_ARGS)" > $$tmp; \
	if cmp -s $$tmp $@; then rm $$tmp; else mv $$tmp $@; fi
FORCE:

$(OVS)/stamp-configure: $(OVS)/stamp-src $(OVS)/args
	@echo "  configure of Open vSwitch (output in $(OVS)/configure.log)"
	$(AM_V_at)$(MKDIR_P) $(OVS)/build
	$(AM_V_at)(cd $(OVS)/build && \
	    $(SHELL) ../src/configure $(OVS_ARGS)) >$(OVS)/configure.log 2>&1 \
	    || { tail -n 20 $(OVS)/configure.log >&2; exit 1; }
	$(AM_V_at)touch $@

ovs: $(OVS)/stamp-configure
	+$(AM_V_at)$(OVS_MAKE) all

# Open vSwitch's own suite.  Timing tests fail on a busy machine, so those that
# fail run again, alone, a few times; sum-tests lists them.
OVS_JOBS = 6
OVS_RECHECKS = 1 2 3 4 5
if BUILD_SWITCH
check-ovs: ovs
	+$(AM_V_at)isolated='$(srcdir)/build-aux/isolate $(OVS_MAKE)'; \
	$$isolated check \
	    TESTSUITEFLAGS='-j$(OVS_JOBS) $(TESTSUITEFLAGS)' && exit; \
	for try in $(OVS_RECHECKS); do \
	    echo "check-ovs: try $$try of what failed"; \
	    $$isolated check-local TESTSUITEFLAGS=--recheck && exit; \
	done; \
	exit 1
endif

# The same archive without our patches, built alike, to measure against.
$(OVS)/stamp-stock: $(OVS_SOURCE) $(OVS)/args
	@echo "  stock Open vSwitch in $(OVS)/stock (output in $(OVS)/stock.log)"
	$(AM_V_at)rm -rf $(OVS)/stock && $(MKDIR_P) $(OVS)/stock/src $(OVS)/stock/build
	$(AM_V_at)$(srcdir)/build-aux/ovs-unpack '$(OVS_SOURCE)' $(OVS)/stock/src
	$(AM_V_at)(cd $(OVS)/stock/build && \
	    $(SHELL) ../src/configure $(OVS_ARGS)) >$(OVS)/stock.log 2>&1 \
	    || { tail -n 20 $(OVS)/stock.log >&2; exit 1; }
	+$(AM_V_at)$(MAKE) -C $(OVS)/stock/build >>$(OVS)/stock.log 2>&1 \
	    || { tail -n 20 $(OVS)/stock.log >&2; exit 1; }
	$(AM_V_at)touch $@
ovs-stock: $(OVS)/stamp-stock

install-exec-local:
if BUILD_SWITCH
	+$(OVS_MAKE) install DESTDIR='$(DESTDIR)'
endif
uninstall-local:
if BUILD_SWITCH
	+$(OVS_MAKE) uninstall DESTDIR='$(DESTDIR)'
endif

CLEAN_LOCAL += clean-ovs
clean-ovs:
	-test ! -f $(OVS)/build/Makefile || $(OVS_MAKE) clean
distclean-local:
	rm -rf $(OVS)
.PHONY: check-ovs clean-ovs ovs-stock FORCE
