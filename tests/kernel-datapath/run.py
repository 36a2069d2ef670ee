#! /usr/bin/python3
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


"""Runs Open vSwitch on the kernel's datapath in a virtual machine.

usage: run.py OVS-BUILD SCHEMA SCRIPT IMAGE

Makes IMAGE with Debian's kernel, its module openvswitch and the programs of
OVS-BUILD, runs SCRIPT in it, and prints what SCRIPT prints.  Exits with
SCRIPT's status.  The guest ends with this program.
"""

import os
import re
import subprocess
import sys

here = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [here + '/../../utilities/vm']
sys.dont_write_bytecode = True
import mbox_vm_image                                        # noqa: E402
import mbox_vm_machine                                      # noqa: E402

PROGRAMS = ['ovsdb/ovsdb-server', 'ovsdb/ovsdb-tool', 'vswitchd/ovs-vswitchd',
            'utilities/ovs-vsctl', 'utilities/ovs-ofctl',
            'utilities/ovs-appctl']


def main():
    ovs, schema, script, image = sys.argv[1:]

    def fill(tree):
        for program in PROGRAMS:
            mbox_vm_image.add_executable(
                tree, ovs + '/' + program, '',
                '/usr/bin/' + os.path.basename(program))
        mbox_vm_image.add_program(tree, 'ip')
        tree.add(schema, '/etc/vswitch.ovsschema')
        tree.add(script, '/etc/script')
        return {'program': '/etc/script'}

    mbox_vm_image.make_image(image, here + '/init', ['openvswitch', 'veth'],
                             fill)
    accel = (os.environ.get('MBOX_VM_ACCEL')
             or mbox_vm_machine.choose_accel(image)[0])
    argv = (mbox_vm_machine.machine_options(image, accel, 512)
            + mbox_vm_machine.CONSOLE_ON_STDOUT
            + ['-append', mbox_vm_machine.COMMAND_LINE])
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                       preexec_fn=mbox_vm_machine.end_with_parent())
    output = p.stdout.decode(errors='replace').replace('\r', '')
    print(output, end='')
    status = re.search(r'^kernel-datapath: status (\d+)$', output,
                       re.MULTILINE)
    return int(status.group(1)) if status else 1


if __name__ == '__main__':
    try:
        sys.exit(main())
    except mbox_vm_image.VmError as e:
        sys.exit('run.py: %s' % e)
