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

"""What a short packet costs a middlebox, and what of that is libmbox."""

import contextlib
import json
import os
import socket
import statistics
import struct
import subprocess
import time

import mbox_lab
from mbox_lab import LabError, find_program, run

here = os.path.dirname(os.path.realpath(__file__))
N_FLOWS = 1000
SIZE = 64                       # Of the payloads of UDP.
ADDRESS = '10.0.253.1'          # Of mbox-lb itself.
VIRTUAL_MAC = '02:00:5e:00:01:01'
LB_CONFIG = """\
mac %s
service udp udp 10.0.255.1:7777 mode=%%s check=arp
backend b1 10.0.254.1:7777
""" % VIRTUAL_MAC


def median(values):
    return statistics.median(values) if values else 0


def find_bench_program(name):
    """A program that may be one of ours that is not in PATH."""
    path = here + '/../../libexec/ovs-mbox/' + name
    return path if os.path.exists(path) else find_program(name)


def cpu_ns(pid):
    """Processor time of the first thread of a process, which is the one that
    handles packets."""
    with open('/proc/%d/schedstat' % pid) as f:
        return int(f.read().split()[0])


class Processes:
    """Processes that end with the context."""

    def __init__(self):
        self.procs = []

    def start(self, argv, **kwargs):
        p = subprocess.Popen(argv, stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL,
                             start_new_session=True, **kwargs)
        self.procs.append(p)
        return p

    def __enter__(self):
        return self

    def __exit__(self, *args):
        for p in self.procs:
            p.terminate()
        for p in self.procs:
            p.wait()


class Wire:
    """A cable between a sender and a middlebox, each in a namespace: packets
    of AF_PACKET.

    Like the other sources of packets this is a context in which one middlebox
    at a time runs, with 'port' among its options; 'baseline' is the command of
    a program without libmbox, null if there is none."""

    baseline = ['mbox-bench-mb', '--plain-forward=eth0']
    port = ['--port=afpacket:eth0']

    def __init__(self, _base):
        self.sender, self.mb = ('mbox%dw-%s' % (os.getpid(), end)
                                for end in ('sender', 'mb'))

    def __enter__(self):
        try:
            self._make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _make(self):
        for ns in self.sender, self.mb:
            run(['ip', 'netns', 'add', ns])
            with mbox_lab.in_namespace(ns):
                run(['sysctl', '-qw', 'net.ipv6.conf.all.disable_ipv6=1',
                     'net.ipv6.conf.default.disable_ipv6=1'])
        run(['ip', '-n', self.sender, '-batch', '-'], input="""\
link add eth0 type veth peer name eth0 netns %s
addr add 10.0.1.1/16 dev eth0
addr add 10.0.254.1/16 dev eth0
link set eth0 up
neigh add 10.0.255.1 lladdr %s dev eth0 nud permanent
""" % (self.mb, VIRTUAL_MAC))
        run(['ip', '-n', self.mb, 'link', 'set', 'eth0', 'mtu', '1600', 'up'])

    def __exit__(self, *args):
        for ns in self.sender, self.mb:
            if os.path.exists('/run/netns/' + ns):
                subprocess.call(['ip', 'netns', 'del', ns],
                                stderr=subprocess.DEVNULL)

    def start(self, procs, argv):
        """Starts a middlebox, and its load; returns the process."""
        mb = procs.start(['ip', 'netns', 'exec', self.mb] + argv)
        procs.start(['ip', 'netns', 'exec', self.sender,
                     find_program('mbox-traffic'), 'send',
                     '--flows=%d' % N_FLOWS, '--rate=10000000',
                     '--duration=600', '--size=%d' % SIZE,
                     '--source=10.0.1.1', '--source-port=20000',
                     '10.0.255.1'])
        return mb

    def sent(self):
        """How many packets the middlebox has sent on."""
        links = json.loads(run(['ip', '-n', self.mb, '-j', '-s', 'link',
                                'show', 'dev', 'eth0']))
        return links[0]['stats64']['tx']['packets']


def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16:
        total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff


def write_packets(name):
    """Writes the packets that Wire's sender sends to a file of libpcap's
    format, and the answer that mbox-lb waits for."""
    client, backend, address, service = (
        bytes(int(x) for x in text.split('.'))
        for text in ('10.0.1.1', '10.0.254.1', ADDRESS, '10.0.255.1'))
    virtual, sender = (bytes.fromhex(mac.replace(':', ''))
                       for mac in (VIRTUAL_MAC, '02:00:00:00:00:01'))
    frames = [virtual + sender + struct.pack('!HHHBBH', 0x0806, 1, 0x0800, 6,
                                             4, 2)
              + sender + backend + virtual + address]
    for i in range(N_FLOWS):
        udp = struct.pack('!HHHH', 20000 + i, 7777, 8 + SIZE, 0)
        ip = struct.pack('!BBHHHBBH4s4s', 0x45, 0, 28 + SIZE, 0, 0x4000, 64,
                         17, 0, client, service)
        ip = ip[:10] + struct.pack('!H', checksum(ip)) + ip[12:]
        frames.append(virtual + sender + b'\x08\x00' + ip + udp
                      + bytes(SIZE))
    with open(name, 'wb') as f:
        f.write(struct.pack('<IHHiIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
        for frame in frames:
            f.write(struct.pack('<IIII', 0, 0, len(frame), len(frame))
                    + frame)


def eal(prefix, *devices):
    """Arguments of DPDK."""
    return ' '.join(['--no-huge --no-pci --legacy-mem -m 128 --file-prefix='
                     + prefix] + ['--vdev=' + d for d in devices])


class Memory:
    """A DPDK device that always has a burst of packets, from memory, and
    forgets what is sent."""

    def __init__(self, base):
        self.base = base
        packets = base + '/packets.pcap'
        write_packets(packets)
        self.source = 'net_pcap0,rx_pcap=%s,infinite_rx=1' % packets
        self.baseline = ['mbox-bench-dpdk', 'net_pcap0'] + eal(
            'mb', self.source).split()
        self.port = ['--port=dpdk:net_pcap0',
                     '--dpdk-args=' + eal('mb', self.source)]
        self._socket = None

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self._disconnect()

    def start(self, procs, argv):
        # DPDK's files, and its messages.
        env = dict(os.environ, RUNTIME_DIRECTORY=self.base)
        with open(self.base + '/dpdk.out', 'ab') as out:
            return procs.start(argv, env=env, stderr=out)

    def _disconnect(self):
        if self._socket:
            self._socket.close()
        self._socket = None

    def sent(self):
        """As DPDK tells: 0 as long as it does not answer."""
        try:
            if not self._socket:
                self._socket = socket.socket(socket.AF_UNIX,
                                             socket.SOCK_SEQPACKET)
                self._socket.connect(self.base
                                     + '/dpdk/mb/dpdk_telemetry.v2')
                self._socket.recv(65536)
            self._socket.sendall(b'/ethdev/stats,0')
            answer = json.loads(self._socket.recv(65536))
            return answer['/ethdev/stats']['opackets']
        except (OSError, TypeError, ValueError):
            self._disconnect()
            return 0


class VhostUser(Memory):
    """The same packets by a vhost-user port, as of a switch, at whose other
    end another middlebox passes them on from memory."""

    def __init__(self, base):
        super().__init__(base)
        self.baseline = None
        self.path = base + '/vhost'
        self.port = ['--port=dpdk:net_virtio_user0', '--dpdk-args=' + eal(
            'mb', 'net_virtio_user0,path=%s,server=1,queue_size=1024'
            % self.path)]

    def start(self, procs, argv):
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.path)
        mb = super().start(procs, argv)
        mbox_lab.wait_until('the middlebox listens',
                            lambda: os.path.exists(self.path)
                            or mb.poll() is not None)
        super().start(procs, [
            find_bench_program('mbox-bench-mb'), '--name=sender',
            '--port=dpdk:net_pcap0', '--port=dpdk:net_vhost0',
            '--dpdk-args=' + eal('sender', self.source,
                                 'net_vhost0,iface=%s,client=1' % self.path)])
        return mb


def cost(source, argv, seconds):
    """Runs a middlebox under load; returns packets per second, and processor
    time for each packet, in ns."""
    with source, Processes() as procs:
        mb = source.start(procs, argv)

        def runs():
            if mb.poll() is not None:
                raise LabError('%s ended at its start' % argv[0])
            return source.sent() > 10000
        mbox_lab.wait_until('packets come through', runs)
        begin, packets, cpu = time.monotonic(), source.sent(), cpu_ns(mb.pid)
        time.sleep(seconds)
        cpu = cpu_ns(mb.pid) - cpu
        packets = source.sent() - packets
        seconds = time.monotonic() - begin
    return packets / seconds, cpu / packets


def middleboxes(base):
    """The commands of middleboxes, by name, without their ports."""
    rules = base + '/rules'
    with open(rules, 'w') as f:
        f.write('alert udp any any -> any any (msg:"bench"; '
                'content:"EVIL-DATAGRAM"; sid:1; rev:1;)\n')
    commands = {'libmbox alone': ['mbox-bench-mb', '--name=mb'],
                'mbox-ids': ['mbox-ids', '--rules=' + rules]}
    for mode in 'nat', 'dsr':
        conf = '%s/lb-%s.conf' % (base, mode)
        with open(conf, 'w') as f:
            f.write(LB_CONFIG % mode)
        commands['mbox-lb ' + mode] = ['mbox-lb', '--config=' + conf,
                                       '--address=' + ADDRESS]
    return commands


def measure(source, base, rounds, seconds):
    """Measures all with packets from one source, in turn; returns a list of
    costs by name."""
    commands = ({'without libmbox': source.baseline} if source.baseline
                else {})
    for name, argv in middleboxes(base).items():
        commands[name] = argv + source.port
    costs = {name: [] for name in commands}
    for _ in range(rounds):
        for name, argv in commands.items():
            costs[name].append(cost(source, [find_bench_program(argv[0])]
                                    + argv[1:], seconds))
    return costs


def library_cost(costs):
    """What libmbox takes for a packet, in ns."""
    return median([b[1] - a[1] for a, b in zip(costs['without libmbox'],
                                               costs['libmbox alone'])])


def report(costs):
    """Returns figures, and rows of the table."""
    result, table = {}, []
    library = library_cost(costs)
    for name, runs in costs.items():
        rate, cpu = (median(column) for column in zip(*runs))
        result[name] = {'packets_per_s': round(rate),
                        'packets_per_cpu_s': round(1e9 / cpu),
                        'ns_per_packet': round(cpu)}
        text = '%d ns per packet, %d packets/s' % (cpu, rate)
        budget = ''
        if name.startswith('mbox-'):
            result[name]['libmbox_share'] = round(library / cpu, 3)
            text += ', libmbox %.1f %%' % (100 * library / cpu)
            budget = '<= 3 %'
        table.append((name, text, budget))
    return result, table


def bench(args, base):
    """Returns figures, rows of the table, and what libmbox takes for a packet
    of AF_PACKET and, where that is built, of DPDK, in ns."""
    results, table, library = {}, [], {}
    kinds = {'afpacket': Wire}
    with contextlib.suppress(LabError):
        find_bench_program('mbox-bench-dpdk')
        kinds['dpdk'] = Memory
    for name, kind in kinds.items():
        costs = measure(kind(base), base, args.rounds, args.seconds)
        results[name], rows = report(costs)
        library[name] = library_cost(costs)
        table += [('%s, %s' % (row[0], name), *row[1:]) for row in rows]

    if 'dpdk' not in kinds:
        return results, table, library

    # Processor time would tell nothing: who has no packets polls for some.
    results['vhost-user'] = {}
    for name, runs in measure(VhostUser(base), base, args.rounds,
                              args.seconds).items():
        rate = median([run[0] for run in runs])
        results['vhost-user'][name] = {'packets_per_s': round(rate)}
        table.append((name + ', vhost-user', '%d packets/s' % rate, ''))
    return results, table, library
