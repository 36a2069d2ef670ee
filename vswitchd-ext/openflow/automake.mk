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

lib_libopenvswitch_la_SOURCES += \
	mbox/vswitchd-ext/openflow/mbox-ofp.c \
	mbox/vswitchd-ext/openflow/mbox-ofp.h

ofproto_libofproto_la_SOURCES += \
	mbox/vswitchd-ext/openflow/mbox-xlate.c \
	mbox/vswitchd-ext/openflow/mbox-xlate.h

EXTRA_DIST += mbox/vswitchd-ext/openflow/mbox-actions.rst
