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

bin_PROGRAMS += utilities/mbox-traffic
utilities_mbox_traffic_SOURCES = utilities/mbox-traffic.c
dist_man_MANS += utilities/mbox-traffic.1

# Demonstration and measurement; mbox-lab is for the system tests only.
dist_bin_SCRIPTS += utilities/mbox-demo utilities/mbox-bench
dist_man_MANS += utilities/mbox-demo.1 utilities/mbox-bench.1
dist_pkgdata_DATA += \
	utilities/mbox_bench_captures.py \
	utilities/mbox_bench_enabled.py \
	utilities/mbox_bench_http.py \
	utilities/mbox_bench_packets.py \
	utilities/mbox_bench_programs.py \
	utilities/mbox_lab.py \
	utilities/mbox_nginx.py
EXTRA_DIST += utilities/mbox-lab
pkglibexec_PROGRAMS += utilities/mbox-bench-mb
utilities_mbox_bench_mb_SOURCES = \
	utilities/mbox-bench-forward.c \
	utilities/mbox-bench-forward.h \
	utilities/mbox-bench-mb.c
utilities_mbox_bench_mb_LDADD = libmbox/libmbox.la
pkglibexec_PROGRAMS += utilities/mbox-bench-watch
utilities_mbox_bench_watch_SOURCES = utilities/mbox-bench-watch.c
utilities_mbox_bench_watch_LDADD = $(PTHREAD_LIBS)
if HAVE_DPDK
pkglibexec_PROGRAMS += utilities/mbox-bench-dpdk
utilities_mbox_bench_dpdk_SOURCES = utilities/mbox-bench-dpdk.c
utilities_mbox_bench_dpdk_CFLAGS = $(AM_CFLAGS) $(DPDK_CFLAGS)
utilities_mbox_bench_dpdk_LDADD = $(DPDK_LIBS)
endif

# Views of a switch.
dist_bin_SCRIPTS += \
	utilities/mbox-state \
	utilities/mbox-timeline \
	utilities/ovs-mbox-top
dist_man_MANS += \
	utilities/mbox-state.8 \
	utilities/mbox-timeline.1 \
	utilities/ovs-mbox-top.8
dist_pkgdata_DATA += \
	utilities/mbox_ctl.py \
	utilities/mbox_image.py \
	utilities/mbox_layout.py

# Instantiators, in the directory where ovs-vswitchd looks for them.
instantiatordir = $(datadir)/openvswitch/mbox-instantiators
dist_instantiator_SCRIPTS = \
	utilities/instantiate/mbox-instantiate-libvirt \
	utilities/instantiate/mbox-instantiate-process \
	utilities/instantiate/mbox-instantiate-vm
dist_pkgdata_DATA += \
	utilities/instantiate/mbox-domain.xml \
	utilities/instantiate/mbox_instance.py
dist_man_MANS += \
	utilities/instantiate/mbox-instantiate-libvirt.8 \
	utilities/instantiate/mbox-instantiate-process.8 \
	utilities/instantiate/mbox-instantiate-vm.8

# Middleboxes in virtual machines.
dist_bin_SCRIPTS += utilities/mbox-vm
dist_man_MANS += utilities/vm/mbox-vm.1
dist_pkgdata_DATA += \
	utilities/vm/mbox-vm-init \
	utilities/vm/mbox_vm_image.py \
	utilities/vm/mbox_vm_machine.py

CLEAN_LOCAL += clean-vm-cache
clean-vm-cache:
	rm -rf _vm-cache
.PHONY: clean-vm-cache

# Reader of the traces of middleboxes.
bin_PROGRAMS += utilities/mbox-trace-check
utilities_mbox_trace_check_SOURCES = \
	middleboxes/common/packet-trace-format.c \
	middleboxes/common/packet-trace.h \
	utilities/mbox-trace-check.c
utilities_mbox_trace_check_CPPFLAGS = \
	$(AM_CPPFLAGS) -I $(top_srcdir)/middleboxes/common
dist_man_MANS += utilities/mbox-trace-check.1
