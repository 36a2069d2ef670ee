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


"""Virtual machines of QEMU that run an image of mbox_vm_image.

A guest has one processor, one network device, which is a vhost-user port of
Open vSwitch, and virtio-serial ports: one for the coordinator's socket, and
any number that write to files.
"""

import contextlib
import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import time

from mbox_vm_image import VmError, is_image

QEMU = 'qemu-system-x86_64'

# The name of the port that leads to the coordinator.
CONTROL = 'org.openvswitch.mbox'

# How long the monitor may take to end a guest at once.
QUIT_PATIENCE = 10

# How long a guest's kernel may take to say its first word, with KVM.  Some
# hosts have a /dev/kvm that takes guests but does not run them.
KVM_PATIENCE = 5

NO_QEMU = VmError('%s is not installed (qemu-system-x86)' % QEMU)

# The guest's console is the standard output of QEMU.
CONSOLE_ON_STDOUT = ['-chardev', 'stdio,id=console',
                     '-serial', 'chardev:console']

COMMAND_LINE = 'console=ttyS0 panic=-1 quiet'

PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


def qemu_option(value):
    """'value' as part of an option of QEMU."""
    return str(value).replace(',', ',,')


def check_image(image):
    if not is_image(image):
        raise VmError('%s is no image' % image)


def machine_options(image, accel, memory):
    """What each start of an image has in common.  'max' is the host's CPU with
    KVM, and all that can be emulated without."""
    return [QEMU, '-nodefaults', '-no-user-config', '-display', 'none',
            '-no-reboot', '-machine', 'q35,accel=%s,memory-backend=memory'
            % accel, '-cpu', 'max', '-smp', '1', '-m', '%dM' % memory,
            '-object', 'memory-backend-memfd,id=memory,size=%dM,share=on'
            % memory,
            '-kernel', image + '/vmlinuz', '-initrd', image + '/initramfs']


def end_with_parent():
    """Returns a function for subprocess's 'preexec_fn' that has the process
    end with this one."""
    parent = os.getpid()

    def set_signal():
        _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)
    return set_signal


def why_not_kvm(image):
    """Why KVM cannot be used, or None if it runs the image's kernel."""
    try:
        os.close(os.open('/dev/kvm', os.O_RDWR | os.O_CLOEXEC))
    except OSError as e:
        return '/dev/kvm: %s' % e.strerror
    argv = (machine_options(image, 'kvm', 128) + CONSOLE_ON_STDOUT
            + ['-append', 'console=ttyS0 earlyprintk=serial panic=-1'])
    try:
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                             stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                             preexec_fn=end_with_parent())
    except FileNotFoundError:
        raise NO_QEMU from None
    seen = b''
    deadline = time.monotonic() + KVM_PATIENCE
    try:
        while b'Linux version' not in seen:
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([p.stdout], [], [], left)[0]:
                return 'a guest does not run with it'
            data = os.read(p.stdout.fileno(), 65536)
            if not data:
                return seen.decode(errors='replace').partition('\n')[0]
            seen += data
        return None
    finally:
        p.kill()
        p.wait()
        p.stdout.close()


def choose_accel(image):
    """Returns 'kvm' or 'tcg', and why not 'kvm'."""
    check_image(image)
    why = why_not_kvm(image)
    return ('tcg' if why else 'kvm'), why


def command(image, directory, name, vhost, coordinator, args, accel='auto',
            memory=256, mtu=1600, mac=None, outputs=(), console=None):
    """The command line of QEMU for a guest.  It has its monitor in
    'directory', and its console there or in the file 'console', listens at the
    socket 'vhost' for the switch, and connects to the socket 'coordinator';
    'args' are those of the middlebox, and 'outputs' pairs of the name of a
    virtio-serial port and a file."""
    check_image(image)
    if accel == 'auto':
        accel = choose_accel(image)[0]
    if any('\n' in arg for arg in args):
        raise VmError('an argument of the middlebox has several lines')
    os.makedirs(directory, exist_ok=True)
    with open(directory + '/args', 'w') as f:
        f.write(''.join(arg + '\n' for arg in args))

    # Under TCG, QEMU 7.2 ends itself on MSI-X of a vhost-user device; the boot
    # ROM's use of the device would confuse the switch.  Its address is part of
    # its name for DPDK.
    no_msix = ',vectors=0' if accel == 'tcg' else ''
    argv = machine_options(image, accel, memory) + [
        '-name', qemu_option(name), '-append', COMMAND_LINE,
        '-fw_cfg', 'name=opt/%s.args,file=%s/args'
        % (CONTROL, qemu_option(directory)),
        '-fw_cfg', 'name=opt/%s.mtu,string=%d' % (CONTROL, mtu),
        '-chardev', 'socket,id=monitor,path=%s/monitor,server=on,wait=off'
        % qemu_option(directory), '-mon', 'chardev=monitor,mode=control',
        '-chardev', 'file,id=console,path=%s'
        % qemu_option(console or directory + '/console'),
        '-serial', 'chardev:console',
        '-chardev', 'socket,id=data,path=%s,server=on' % qemu_option(vhost),
        '-netdev', 'vhost-user,id=data,chardev=data',
        '-device', 'virtio-net-pci,netdev=data,romfile=,rx_queue_size=1024,'
        'tx_queue_size=1024,addr=10%s%s' % (',mac=' + mac if mac else '',
                                            no_msix),
        '-device', 'virtio-serial-pci' + no_msix,
        '-chardev', 'socket,id=control,path=%s,reconnect=1'
        % qemu_option(coordinator),
        '-device', 'virtserialport,chardev=control,name=' + CONTROL]
    for i, (port, file) in enumerate(outputs):
        argv += ['-chardev', 'file,id=output%d,path=%s'
                 % (i, qemu_option(file)),
                 '-device', 'virtserialport,chardev=output%d,name=%s'
                 % (i, qemu_option(port))]
    return argv


class Monitor:
    """A connection to the monitor of a running guest (QMP).  It is closed when
    the guest has ended.  Whatever waits raises socket.timeout at its deadline,
    a value of time.monotonic()."""

    def __init__(self, directory):
        self.socket = socket.socket(socket.AF_UNIX)
        self.buffer = b''
        self.socket.settimeout(QUIT_PATIENCE)
        try:
            self.socket.connect(directory + '/monitor')
        except OSError as e:
            self.socket.close()
            raise VmError('%s: no guest answers there: %s'
                          % (directory, e.strerror or e)) from None

    def receive(self, deadline):
        """Returns the next message, or None if the guest has ended."""
        while b'\n' not in self.buffer:
            left = deadline - time.monotonic()
            if left <= 0:
                raise socket.timeout
            self.socket.settimeout(left)
            try:
                data = self.socket.recv(65536)
            except ConnectionResetError:
                return None
            if not data:
                return None
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b'\n')
        return json.loads(line)

    def open(self, deadline):
        """Waits until the monitor is there for this connection: it has one at
        a time."""
        self.receive(deadline)
        self.execute('qmp_capabilities', deadline)

    def execute(self, name, deadline):
        """Executes a command, unless the guest has ended."""
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.socket.sendall(json.dumps({'execute': name}).encode())
        while True:
            answer = self.receive(deadline)
            if answer is None or 'return' in answer:
                return
            if 'error' in answer:
                raise VmError(answer['error']['desc'])

    def wait_for_end(self, deadline):
        while self.receive(deadline) is not None:
            pass

    def close(self):
        self.socket.close()


def stop(directory, timeout=60):
    """Presses the power button of the guest and waits until it is off.  If it
    is not within 'timeout' seconds, ends it at once and returns false."""
    deadline = time.monotonic() + timeout
    last = deadline + QUIT_PATIENCE
    with contextlib.closing(Monitor(directory)) as monitor:
        try:
            monitor.open(last)
            try:
                monitor.execute('system_powerdown', deadline)
                monitor.wait_for_end(deadline)
                return True
            except socket.timeout:
                monitor.execute('quit', last)
                monitor.wait_for_end(last)
                return False
        except socket.timeout:
            raise VmError('%s: the monitor does not answer'
                          % directory) from None
        except OSError as e:
            raise VmError('%s: the monitor: %s'
                          % (directory, e.strerror or e)) from None
