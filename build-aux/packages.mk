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
	build-aux/packages.mk

# The Debian packages: built in a fresh root, installed and tested in others.
# "make check-package SUITE=trixie" takes Debian 13.  See Documentation/packages.md.
SUITE = bookworm
CHECK_PACKAGE_ARGS =
check-package:
	$(srcdir)/build-aux/check-package --suite=$(SUITE) $(CHECK_PACKAGE_ARGS)

.PHONY: check-package
