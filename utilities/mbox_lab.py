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

"""A private switch with middleboxes and hosts, for demonstrations and tests.

A lab is a directory and a few network namespaces:

    client --- switch --- server
                /  \\
             ids1  ids2 ...

Its ovsdb-server and ovs-vswitchd run in the directory and in a namespace of
their own, so they never meet the system's.  The switch is the userspace
datapath.  Everything that a lab starts is recorded in its directory by process
id and start time, so that any process can end the lab with down(), which ends
exactly what was started and deletes exactly what was made.

Only the standard library is used.
"""

import contextlib
import ctypes
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

CLONE_NEWNET = 0x40000000
ENDING_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]
_libc = ctypes.CDLL(None, use_errno=True)

# Buffers of packet sockets.  The defaults hold about 90 packets, which the
# burst of a few TCP connections fills.
SYSCTLS = {
    'net.core.rmem_default': 16 * 1024 * 1024,
    'net.core.wmem_default': 4 * 1024 * 1024,
    'net.core.netdev_max_backlog': 30000,
}


class LabError(Exception):
    """Something failed; the text says what and why."""


def setns(name):
    """Moves the calling thread to the network namespace 'name', which may be
    a path."""
    path = os.path.join('/run/netns', name)
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        if _libc.setns(fd, CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'setns ' + name)
    finally:
        os.close(fd)


@contextlib.contextmanager
def _and_back():
    """Whatever namespace the thread enters in this context, it leaves."""
    home = os.open('/proc/thread-self/ns/net', os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield
    finally:
        failed = _libc.setns(home, CLONE_NEWNET)
        os.close(home)
        if failed:
            raise OSError(ctypes.get_errno(), 'setns')


@contextlib.contextmanager
def in_namespace(name):
    """Sockets made in this context belong to the namespace for ever."""
    with _and_back():
        setns(name)
        yield


def new_namespace():
    """Makes a network namespace, which lives as long as the descriptor that
    this returns or a process in it."""
    with _and_back():
        if _libc.unshare(CLONE_NEWNET):
            raise OSError(ctypes.get_errno(), 'new network namespace')
        return os.open('/proc/thread-self/ns/net',
                       os.O_RDONLY | os.O_CLOEXEC)


def exit_on_signals(signals=ENDING_SIGNALS):
    """Has the signals end the program as sys.exit() does, so that it takes its
    lab down; once is enough, and another one must not interrupt that."""
    def end(signum, _):
        for s in signals:
            signal.signal(s, signal.SIG_IGN)
        sys.exit(128 + signum)
    for signum in signals:
        signal.signal(signum, end)


def wait_until(what, condition, timeout=30, interval=0.02):
    """Waits until 'condition' returns something true, and returns that.  The
    time limit only ends a wait that is in vain."""
    deadline = time.monotonic() + timeout
    while True:
        result = condition()
        if result:
            return result
        if time.monotonic() > deadline:
            raise LabError('waited %d s in vain until %s' % (timeout, what))
        time.sleep(interval)


def process_stat(pid):
    """What /proc/PID/stat has behind the name of process 'pid', a list of
    words; None if there is none or it is a zombie."""
    try:
        with open('/proc/%d/stat' % pid) as f:
            fields = f.read().rpartition(')')[2].split()
    except OSError:
        return None
    return None if fields[0] == 'Z' else fields


def start_time(pid):
    """When process 'pid' started, in ticks; None as above."""
    fields = process_stat(pid)
    return fields and int(fields[19])


def run(argv, check=True, **kwargs):
    """Runs a command and returns its output."""
    p = subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       universal_newlines=True, **kwargs)
    if check and p.returncode:
        raise LabError('"%s" failed: %s' % (' '.join(argv),
                                            (p.stderr or p.stdout).strip()))
    return p.stdout


def set_up_link(dev, mtu, mac=None, within=()):
    """Prepares one end of a cable, a veth device.  'within' is a command that
    runs another in its namespace, with that namespace's /sys."""
    # veth spreads packets over the backlogs of the CPUs that send them, which
    # reorders what several threads send; one CPU keeps order.
    run(list(within) + [
        'sh', '-c',
        'ip link set {0} mtu {1} txqueuelen 10000 {2} || exit 1; '
        'ethtool -K {0} tx off rx off tso off gso off gro off '
        'txvlan off rxvlan off >/dev/null 2>&1; '
        'for q in /sys/class/net/{0}/queues/rx-*; do '
        'echo 1 > $q/rps_cpus; done; '
        'ip link set {0} up'.format(dev, mtu, 'address ' + mac if mac
                                    else '')])


def temporary_directory(prefix):
    """Makes a directory for a lab, in memory if there is enough: a middlebox
    that waits for a disk to take its log does not read packets."""
    if 'TMPDIR' not in os.environ:
        with contextlib.suppress(OSError):
            fs = os.statvfs('/dev/shm')
            if fs.f_bavail * fs.f_frsize > 1 << 30:
                return tempfile.mkdtemp(prefix=prefix, dir='/dev/shm')
    return tempfile.mkdtemp(prefix=prefix)


def find_program(name):
    path = shutil.which(name)
    if not path:
        raise LabError('%s is not in PATH: build first, or use ./quickstart'
                       % name)
    return path


def find_schema():
    """The database schema that belongs to the ovs-vswitchd in PATH."""
    here = os.path.dirname(find_program('ovs-vswitchd'))
    candidates = [os.environ.get('MBOX_OVS_SCHEMA', ''),
                  here + '/../../src/vswitchd/vswitch.ovsschema',
                  here + '/../share/openvswitch/vswitch.ovsschema']
    for name in candidates:
        if name and os.path.exists(name):
            return name
    raise LabError('vswitch.ovsschema not found; set MBOX_OVS_SCHEMA')


class Host:
    """One end of a cable: a namespace with the interface eth0."""

    def __init__(self, lab, name, number):
        self.name = name
        self.ns = '%s-%s' % (lab.prefix, name)
        self.mac = '02:00:00:00:00:%02x' % number


class Lab:
    """A lab in directory 'path'.

    Create one with Lab(path, ...).up(), find an existing one with
    Lab.open(path).  'instances' are the names of middleboxes; 'ipv6' chooses
    the addresses; 'pmd' connects everything to PMD threads: the middleboxes
    by vhost-user, the hosts by packet rings.  'vm' is an image (mbox-vm(1)) in
    which the middleboxes run, connected by vhost-user; 'accel' says how, and
    'dpdk' that DPDK has the device there.  'mb_class' is their class."""

    mb_class = 'ids'

    def __init__(self, path, instances=('ids1', 'ids2'), ipv6=False,
                 pmd=False, vm=None, accel='auto', dpdk=False, prefix=None):
        self.path = os.path.abspath(path)
        self.instances = list(instances)
        self.ipv6 = ipv6
        self.pmd = pmd
        self.vm = os.path.abspath(vm) if vm else None
        self.accel = accel
        self.dpdk = dpdk
        self.prefix = prefix or 'mbox%d' % os.getpid()
        self.switch_ns = self.prefix + '-sw'
        self.hosts = {}
        for i, name in enumerate(['client', 'server'] + self.instances):
            self.hosts[name] = Host(self, name, i + 1)
        self.children = []
        self.ids_options = {}
        self.env = dict(os.environ, OVS_RUNDIR=self.path,
                        OVS_LOGDIR=self.path, OVS_DBDIR=self.path,
                        OVS_SYSCONFDIR=self.path, OVS_PKGDATADIR=self.path)

    # Addresses.

    def address(self, group, host):
        """Client address number 'host' of group 1, 2, ... or, group 255, of
        the server."""
        if self.ipv6:
            return 'fd00::%x:%x' % (group, host)
        return '10.0.%d.%d' % (group, host)

    @property
    def server(self):
        return self.address(255, 1)

    def space(self, group, proto=''):
        """The flow space of a group of clients, as an OpenFlow match."""
        if self.ipv6:
            return '%s,ipv6_src=fd00::%x:0/112' % (
                proto + '6' if proto else 'ipv6', group)
        return '%s,nw_src=10.0.%d.0/24' % (proto or 'ip', group)

    def has_cable(self, host):
        """True if there is a veth device between the host and the switch."""
        return host.name not in self.instances or not (self.pmd or self.vm)

    def url_host(self):
        return '[%s]' % self.server if self.ipv6 else self.server

    # Life.

    def up(self):
        os.makedirs(self.path, exist_ok=True)
        if len(self.path) > 80:
            raise LabError('%s: too long for unix sockets' % self.path)
        if os.geteuid():
            raise LabError('network namespaces need root')
        if os.path.exists(self.path + '/lab.json'):
            raise LabError('%s: a lab is there already, "mbox-lab down" ends '
                           'it' % self.path)
        for name in os.listdir(self.path):
            if name.startswith(('conf.db', '.conf.db')):
                os.unlink('%s/%s' % (self.path, name))
        self._save()
        self._make_network()
        self._raise_sysctls()
        self._start_switch()
        self._make_bridge()
        return self

    def _save(self):
        with open(self.path + '/lab.json', 'w') as f:
            json.dump({'instances': self.instances, 'ipv6': self.ipv6,
                       'pmd': self.pmd, 'vm': self.vm, 'accel': self.accel,
                       'dpdk': self.dpdk, 'prefix': self.prefix}, f)

    @classmethod
    def open(cls, path):
        try:
            with open(os.path.abspath(path) + '/lab.json') as f:
                return cls(path, **json.load(f))
        except FileNotFoundError:
            raise LabError('%s: no lab there' % path) from None

    def down(self):
        """Ends everything.  Never raises; safe to call twice."""
        for name in sorted(os.listdir(self.path)) if os.path.isdir(
                self.path) else []:
            if name.endswith('.started'):
                self.stop(name[:-len('.started')], signal.SIGTERM, wait=False)
        for name in sorted(os.listdir(self.path)) if os.path.isdir(
                self.path) else []:
            if name.endswith('.started'):
                self.stop(name[:-len('.started')], signal.SIGTERM, patience=5)
        for p in self.children:
            if p.poll() is None:
                p.kill()
                p.wait()
        for ns in [self.switch_ns] + [h.ns for h in self.hosts.values()]:
            if os.path.exists('/run/netns/' + ns):
                subprocess.call(['ip', 'netns', 'del', ns],
                                stderr=subprocess.DEVNULL)
        self._restore_sysctls()
        with contextlib.suppress(OSError):
            os.unlink(self.path + '/lab.json')

    # Settings of the whole machine are raised while the first lab is there.

    _SYSCTL_DIR = '/run/ovs-mbox-labs'

    def _raise_sysctls(self):
        os.makedirs(self._SYSCTL_DIR, exist_ok=True)
        for key, wanted in SYSCTLS.items():
            name = '/proc/sys/' + key.replace('.', '/')
            with open(name) as f:
                old = int(f.read())
            if old < wanted:
                with open('%s/%s' % (self._SYSCTL_DIR, key), 'w') as f:
                    f.write(str(old))
                with open(name, 'w') as f:
                    f.write(str(wanted))
        with open('%s/lab-%s' % (self._SYSCTL_DIR, self.prefix), 'w') as f:
            f.write(self.path)

    def _restore_sysctls(self):
        with contextlib.suppress(OSError):
            os.unlink('%s/lab-%s' % (self._SYSCTL_DIR, self.prefix))
        with contextlib.suppress(OSError):
            for name in os.listdir(self._SYSCTL_DIR):
                if name.startswith('lab-'):
                    if os.path.exists('/run/netns/%s-sw' % name[4:]):
                        return
                    # It was killed.
                    os.unlink('%s/%s' % (self._SYSCTL_DIR, name))
            for key in os.listdir(self._SYSCTL_DIR):
                with open('%s/%s' % (self._SYSCTL_DIR, key)) as f:
                    old = f.read()
                with open('/proc/sys/' + key.replace('.', '/'), 'w') as f:
                    f.write(old)
                os.unlink('%s/%s' % (self._SYSCTL_DIR, key))
            os.rmdir(self._SYSCTL_DIR)

    # Processes.

    def start(self, name, argv, ns=None, sysfs=False, **kwargs):
        """Starts a long-lived process, with output to NAME.out in the lab's
        directory, in namespace 'ns' ('sysfs': with that namespace's
        /sys)."""
        if sysfs:
            argv = ['ip', 'netns', 'exec', ns] + argv
        out = open('%s/%s.out' % (self.path, name), 'ab')
        p = self.popen(argv, None if sysfs else ns, name, stdout=out,
                       stderr=out, start_new_session=True, **kwargs)
        out.close()
        return p

    def record(self, name, pid):
        with open('%s/%s.started' % (self.path, name), 'w') as f:
            f.write('%d %d' % (pid, start_time(pid) or 0))

    def popen(self, argv, ns=None, name=None, **kwargs):
        """Starts a process in namespace 'ns', and records it as 'name' if that
        is given."""
        kwargs.setdefault('env', self.env)
        kwargs.setdefault('stdin', subprocess.DEVNULL)
        fd = os.open('/run/netns/' + ns, os.O_RDONLY | os.O_CLOEXEC) \
            if ns else None

        def prepare():
            if ns:
                _libc.setns(fd, CLONE_NEWNET)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)

        # A signal that ends this program waits until down() would find the
        # new one: this object's or, with a name, that of any process.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
        try:
            p = subprocess.Popen(argv, preexec_fn=prepare, **kwargs)
            self.children.append(p)
            if name:
                self.record(name, p.pid)
        finally:
            if ns:
                os.close(fd)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        return p

    def pid(self, name):
        """The process id of 'name', None if it does not run (any more)."""
        try:
            with open('%s/%s.started' % (self.path, name)) as f:
                pid, started = map(int, f.read().split())
        except (OSError, ValueError):
            return None
        return pid if started and start_time(pid) == started else None

    def stop(self, name, signum=signal.SIGTERM, wait=True, patience=60):
        """Sends a signal to 'name' and waits until it has ended."""
        pid = self.pid(name)
        if pid:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
        if wait:
            deadline = time.monotonic() + patience
            while self.pid(name):
                for p in self.children:
                    p.poll()
                if time.monotonic() > deadline:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)
                time.sleep(0.01)
            with contextlib.suppress(OSError):
                os.unlink('%s/%s.started' % (self.path, name))

    # The network.

    def _make_network(self):
        batch = []
        for ns in [self.switch_ns] + [h.ns for h in self.hosts.values()]:
            run(['ip', 'netns', 'add', ns])
            ipv6 = self.ipv6 and ns.endswith(('-client', '-server'))
            with in_namespace(ns):
                # Nobody speaks unless spoken to.
                for key, value in (('disable_ipv6', not ipv6),
                                   ('accept_dad', 0), ('accept_ra', 0)):
                    for which in 'all', 'default':
                        run(['sysctl', '-qw', 'net.ipv6.conf.%s.%s=%d'
                             % (which, key, value)], check=False)
            run(['ip', '-n', ns, 'link', 'set', 'lo', 'up'])
        for host in self.hosts.values():
            if not self.has_cable(host):
                continue
            batch += ['link add %s type veth peer name eth0 netns %s'
                      % (host.name, host.ns)]
        run(['ip', '-n', self.switch_ns, '-batch', '-'], input='\n'.join(
            batch))
        for host in self.hosts.values():
            if not self.has_cable(host):
                continue
            # Room for a tag on the way to a middlebox.
            mtu = 1600 if host.name in self.instances else 1500
            for ns, dev, mac in ((self.switch_ns, host.name, None),
                                 (host.ns, 'eth0', host.mac)):
                set_up_link(dev, mtu, mac, ['ip', 'netns', 'exec', ns])
        self._set_addresses()

    def _set_addresses(self):
        client, server = self.hosts['client'], self.hosts['server']
        length = '/64 nodad' if self.ipv6 else '/16'
        addresses = [self.address(group, host)
                     for group in (1, 2) for host in range(1, 11)]
        family = '-6' if self.ipv6 else '-4'

        def batch(ns, lines):
            run(['ip', family, '-n', ns, '-batch', '-'],
                input='\n'.join(lines))
        batch(client.ns,
              ['addr add %s%s dev eth0' % (a, length) for a in addresses]
              + ['neigh add %s lladdr %s dev eth0 nud permanent'
                 % (self.server, server.mac)])
        batch(server.ns,
              ['addr add %s%s dev eth0' % (self.server, length)]
              + ['neigh add %s lladdr %s dev eth0 nud permanent'
                 % (a, client.mac) for a in addresses])

    # The switch.

    def _start_switch(self):
        run([find_program('ovsdb-tool'), 'create', self.path + '/conf.db',
             find_schema()])
        self.start('ovsdb-server',
                   [find_program('ovsdb-server'), self.path + '/conf.db',
                    '--remote=punix:%s/db.sock' % self.path,
                    '--unixctl=%s/ovsdb-server.ctl' % self.path,
                    '--log-file=%s/ovsdb-server.log' % self.path,
                    '-vconsole:off'])
        wait_until('ovsdb-server answers',
                   lambda: os.path.exists(self.path + '/db.sock'))
        self.vsctl('--no-wait', 'init')
        if self.vm:
            # Pools of packets as large as the ports need, no larger.
            self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                       'other_config:per-port-memory=true',
                       'other_config:mbox-coordinator="serial:%s/'
                       'mbox-serial.sock"' % self.path)
        if self.pmd or self.vm:
            self.vsctl('--no-wait', 'set', 'Open_vSwitch', '.',
                       'other_config:dpdk-init=true',
                       'other_config:dpdk-extra=--no-huge --legacy-mem '
                       '-m 1024 --no-pci --file-prefix=%s' % self.prefix,
                       'other_config:pmd-cpu-mask=%s'
                       % ('0x7' if self.pmd else '0x1'),
                       'other_config:pmd-maxsleep=50',
                       'other_config:tx-flush-interval=0')
        self.start_vswitchd()

    def start_vswitchd(self):
        argv = [find_program('ovs-vswitchd'), 'unix:%s/db.sock' % self.path,
                '--unixctl=%s/ovs-vswitchd.ctl' % self.path,
                '--log-file=%s/ovs-vswitchd.log' % self.path,
                '-vconsole:off']
        if self.pmd:
            # Three PMD threads whatever the number of CPUs.
            argv.append('--dummy-numa=0,0,0,0')
        p = self.start('ovs-vswitchd', argv, ns=self.switch_ns, sysfs=True)

        def answers():
            if p.poll() is not None:
                raise LabError('ovs-vswitchd ended at its start, see %s/'
                               'ovs-vswitchd.log' % self.path)
            return self.appctl('version', check=False)
        wait_until('ovs-vswitchd answers', answers)
        return p

    def _make_bridge(self):
        self.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0',
                   'datapath_type=netdev', 'fail-mode=secure')
        for number, host in enumerate(self.hosts.values(), 1):
            argv = ['add-port', 'br0', host.name, '--', 'set', 'interface',
                    host.name, 'ofport_request=%d' % number]
            if host.name in self.instances:
                argv += ['other_config:mbox-class=' + self.mb_class,
                         'other_config:mbox-name=' + host.name]
                if not self.has_cable(host):
                    argv += ['type=dpdkvhostuserclient', 'mtu_request=1600',
                             'options:vhost-server-path=%s/%s.vhost'
                             % (self.path, host.name)]
            elif self.pmd:
                argv += ['type=dpdk',
                         'options:dpdk-devargs=net_af_packet_%s,iface=%s,'
                         'framecnt=4096,blocksz=65536,framesz=2048'
                         % (host.name, host.name)]
            self.vsctl(*argv)
        self.add_flows()

    def add_flows(self):
        """Steers what the hosts send; what the middleboxes send goes where it
        is addressed to."""
        client, server = self.hosts['client'], self.hosts['server']
        ip = 'ipv6' if self.ipv6 else 'ip'
        flows = ['in_port=%s,%s,dl_dst=%s,actions=mbox_steer(%s)'
                 % (a.name, ip, b.mac, self.mb_class)
                 for a, b in ((client, server), (server, client))]
        flows += ['in_port=%s,dl_dst=%s,actions=output:%s'
                  % (name, host.mac, host.name)
                  for name in self.instances for host in (client, server)]
        # From instances that come later.
        flows += ['priority=1,dl_dst=%s,actions=output:%s'
                  % (host.mac, host.name) for host in (client, server)]
        self.set_flows(flows)

    def set_flows(self, flows):
        run([find_program('ovs-ofctl'), 'replace-flows', 'br0', '-'],
            input='\n'.join(flows) + '\n', env=self.env)

    def vsctl(self, *args):
        return run([find_program('ovs-vsctl'), '--timeout=60',
                    '--db=unix:%s/db.sock' % self.path] + list(args),
                   env=self.env)

    def ofctl(self, *args):
        return run([find_program('ovs-ofctl')] + list(args), env=self.env)

    def appctl(self, *args, check=True):
        return run([find_program('ovs-appctl'), '-t',
                    self.path + '/ovs-vswitchd.ctl'] + list(args),
                   check=check, env=self.env)

    # Middleboxes.

    def start_ids(self, name, rules, trace=True, extra=(), wait=True):
        """Starts the intrusion detection instance 'name' and waits, unless
        told otherwise, until the switch knows it.  In a virtual machine
        'rules' is a file of the image."""
        host = self.hosts[name]
        if self.vm:
            p = self._start_ids_vm(host, rules, trace, extra)
        else:
            p = self._start_ids_process(host, rules, trace, extra)
        if wait:
            self.wait_for_instance(name, p)
        return p

    def wait_for_instance(self, name, p):
        """Waits until the switch knows the instance, which is process 'p'."""
        def known():
            if p.poll() is not None:
                with open('%s/%s.out' % (self.path, name)) as f:
                    raise LabError('%s ended at its start: %s'
                                   % (name, f.read().strip()))
            return self.is_live(name)
        wait_until('the switch knows %s' % name, known,
                   timeout=120 if self.vm else 30)

    def _start_ids_vm(self, host, rules, trace, extra):
        outputs = ['log:%s/%s.eve.json' % (self.path, host.name)]
        args = ['--rules=' + rules, '--log=/dev/virtio-ports/log']
        if trace:
            outputs.append('trace:%s/%s.trace' % (self.path, host.name))
            args.append('--trace=/dev/virtio-ports/trace')
        return self.start_vm(host.name, args + list(extra), outputs)

    def start_vm(self, name, args, outputs):
        """Starts the virtual machine of an instance, with arguments of the
        middlebox besides name, coordinator and port; 'outputs' are those of
        mbox-vm(1)."""
        return self.start(name, [
            find_program('mbox-vm'), 'run', '--accel=' + self.accel,
            '--vhost=%s/%s.vhost' % (self.path, name),
            '--coordinator=%s/mbox-serial.sock' % self.path,
            '--mac=' + self.hosts[name].mac]
            + ['--output=' + output for output in outputs]
            + [self.vm, '%s/%s.vm' % (self.path, name), '--', '--name=' + name,
               '--coordinator=serial:/dev/virtio-ports/org.openvswitch.mbox']
            + (['--port=dpdk:0000:00:10.0', '--dpdk-args=--in-memory']
               if self.dpdk else ['--port=afpacket:eth0']) + args)

    def boot_seconds(self, name):
        """How long the virtual machine of an instance took to start it."""
        with open('%s/%s.vm/console' % (self.path, name),
                  errors='replace') as f:
            match = re.search(r'started after ([\d.]+) s', f.read())
        return float(match.group(1)) if match else None

    def stop_instance(self, name):
        """Ends an instance, which completes its logs."""
        if self.vm and self.pid(name):
            run([find_program('mbox-vm'), 'stop',
                 '%s/%s.vm' % (self.path, name)])
        self.stop(name)

    def _start_ids_process(self, host, rules, trace, extra):
        name = host.name
        argv = [find_program('mbox-ids'), '--name=' + name,
                '--coordinator=unix:%s/mbox.sock' % self.path,
                '--rules=' + rules,
                '--log=%s/%s.eve.json' % (self.path, name)]
        if trace:
            argv.append('--trace=%s/%s.trace' % (self.path, name))
        argv += self.port_options(name)
        return self.start(name, argv + list(extra), ns=host.ns)

    def port_options(self, name):
        """What tells a middlebox, as a process, about the port of instance
        'name'."""
        if not self.pmd:
            return ['--port=afpacket:eth0']
        return ['--port=dpdk:net_virtio_user0',
                '--dpdk-args=--no-huge --no-pci -m 256 --legacy-mem '
                '--file-prefix=%s-%s '
                '--vdev=net_virtio_user0,path=%s/%s.vhost,server=1,'
                'queue_size=1024' % (self.prefix, name, self.path, name)]

    def enable_scaling(self, rules):
        """Lets the switch make more instances, like those that start_ids()
        starts.  In virtual machines, 'rules' is a file of the image."""
        program = ('mbox-instantiate-vm' if self.vm
                   else 'mbox-instantiate-process')
        folder = self.path + '/mbox-instantiators'
        conf = self.path + '/openvswitch/mbox-instances'
        os.makedirs(folder, exist_ok=True)
        os.makedirs(conf, exist_ok=True)
        os.chmod(folder, 0o755)
        for name in ('mbox-instantiate-libvirt', 'mbox-instantiate-process',
                     'mbox-instantiate-vm', 'mbox_instance.py', 'mbox_lab.py',
                     'mbox_vm_image.py', 'mbox_vm_machine.py'):
            self._copy_instantiator(name, folder)
        options = ('--name={name} --coordinator={coordinator} '
                   '--port=afpacket:{port} --rules=%s ' % rules)
        lines = ['mtu = 1600']
        if self.vm:
            lines += ['image = ' + self.vm, 'accel = ' + self.accel,
                      'arguments = %s --log=/dev/virtio-ports/log '
                      '--trace=/dev/virtio-ports/trace' % options,
                      'outputs = log:{0}/{{name}}.eve.json '
                      'trace:{0}/{{name}}.trace'.format(self.path)]
        else:
            lines += ['command = {1} {2} --log={0}/{{name}}.eve.json '
                      '--trace={0}/{{name}}.trace'.format(
                          self.path, find_program('mbox-ids'), options)]
        with open(conf + '/ids.conf', 'w') as f:
            f.write('\n'.join(['[instance]'] + lines) + '\n')
        os.chmod(conf + '/ids.conf', 0o644)
        self.vsctl('set', 'Open_vSwitch', '.',
                   'other_config:mbox-instantiator-ids=' + program)

    @staticmethod
    def _copy_instantiator(name, folder):
        """Copies a file of an instantiator, of the source or installed."""
        here = os.path.dirname(os.path.realpath(__file__))
        source = next(s for s in (
            '%s/%s/%s' % (here, where, name)
            for where in ('.', 'instantiate', 'vm',
                          '../openvswitch/mbox-instantiators'))
            if os.path.exists(s))
        shutil.copyfile(source, '%s/%s' % (folder, name))
        os.chmod('%s/%s' % (folder, name),
                 0o755 if name.startswith('mbox-') else 0o644)

    def is_live(self, name):
        answer = self.appctl('mbox/list', '--format=json', check=False)
        return bool(answer) and any(
            i['name'] == name and i['live']
            for i in json.loads(answer)['instances'])

    def move(self, src, dst, space, *options):
        """Moves a flow space; returns the answer as a dictionary."""
        answer = self.appctl('mbox/move', '--format=json', *options, src, dst,
                             space)
        return json.loads(answer)

    # Probe traffic.

    def start_probes(self, options):
        """Starts a receiver at the server and a sender at the client."""
        for name in 'receive', 'send':
            with contextlib.suppress(OSError):
                os.unlink('%s/%s.out' % (self.path, name))
        program = find_program('mbox-traffic')
        self.start('receive', [program, 'receive', '--trace=%s/receive.trace'
                               % self.path], ns=self.hosts['server'].ns)
        wait_until('the receiver listens', lambda: os.path.getsize(
            self.path + '/receive.out'))
        self.start('send', [program, 'send'] + options + [self.server],
                   ns=self.hosts['client'].ns)

    def _result(self, name):
        with open('%s/%s.out' % (self.path, name)) as f:
            lines = f.read().splitlines()
        try:
            return json.loads(lines[-1])
        except (IndexError, ValueError):
            raise LabError('mbox-traffic %s: %s' % (name, lines)) from None

    def stop_probes(self, cut=True):
        """Ends the probes ('cut': now, otherwise when the sender is done) and
        returns how many were sent, received, lost, reordered and
        duplicated."""
        if not cut:
            wait_until('the sender ends', lambda: not self.pid('send'), 600)
        self.stop('send')
        sent = self._result('send')['sent']

        # What was sent may still be on the way.  What is lost never arrives.
        def arrived():
            with open(self.path + '/receive.trace') as f:
                return sum(1 for _ in f) >= sent
        with contextlib.suppress(LabError):
            wait_until('all probes arrive', arrived, timeout=5, interval=0.1)
        self.stop('receive')
        received = self._result('receive')
        distinct = received['received'] - received['duplicated']
        return {'sent': sent, 'received': received['received'],
                'lost': sent - distinct, 'reordered': received['reordered'],
                'duplicated': received['duplicated']}
