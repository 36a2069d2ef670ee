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
	build-aux/check-package \
	build-aux/ovs-unpack \
	build-aux/packages.mk \
	build-aux/refresh-patches

# The Debian packages: built in a fresh root, installed and tested in others.
# "make check-package SUITE=trixie" takes Debian 13.  See Documentation/packages.md.
SUITE = bookworm
CHECK_PACKAGE_ARGS =
check-package:
	$(srcdir)/build-aux/check-package --suite=$(SUITE) $(CHECK_PACKAGE_ARGS)

# "make refresh-patches OVS=3.7 OVS_SOURCE=...": the mechanical part of porting
# the patches to another release.  See Documentation/porting.md. OVS is what
# build-aux/automake.mk calls the folder of the build, if it is not given.
refresh-patches:
	$(srcdir)/build-aux/refresh-patches '$(OVS)' '$(OVS_SOURCE)' \
	    '$(abs_builddir)/_ovs/refresh-$(OVS)'

.PHONY: check-package refresh-patches
