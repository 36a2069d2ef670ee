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

"""What mbox-cache and mbox-wanopt do with HTTP, and what that costs.

A lab in which curl fetches files from nginx; the cache, or both ends of the
WAN optimizer, are between:

    client -- switch == mb == switch -- server
    client -- switch == near == switch == far == switch -- server
"""

import os
import random
import re
import time

import mbox_lab
import mbox_nginx
from mbox_lab import LabError, find_program

from mbox_bench_packets import cpu_ns, median

N_CLIENTS = 4
KEY = '000102030405060708090a0b0c0d0e0f'
NEW_BYTES = 20000000            # Of a file through the optimizer.

NGINX_HTTP = """\
    sendfile on;
    keepalive_requests 1000000;"""
NGINX_SERVER = """\
        listen 80;
        root %s/www;
        location /stored/ { add_header Cache-Control max-age=36000; }
        location /passed/ { add_header Cache-Control no-store; }"""


class HttpLab(mbox_lab.Lab):
    """Middleboxes in a row between client and server; what they are is in
    'commands', by name."""

    def __init__(self, path, commands, pmd):
        super().__init__(path, list(commands), pmd=pmd,
                         prefix='mbox%dh' % os.getpid())
        self.commands = commands

    def add_flows(self):
        client, server = self.hosts['client'], self.hosts['server']
        row = [client.name] + self.instances + [server.name]
        flows = []
        for mac, way in (server.mac, row), (client.mac, row[::-1]):
            flows += ['in_port=%s,ip,dl_dst=%s,actions=output:%s' % (a, mac, b)
                      for a, b in zip(way, way[1:])]
        self.set_flows(flows)

    def up(self):
        super().up()
        for name, argv in self.commands.items():
            self.start(name, [find_program(argv[0]), '--name=' + name,
                              '--log=/dev/null'] + argv[1:]
                       + self.port_options(name), ns=self.hosts[name].ns)
        for name in 'stored', 'passed':
            os.makedirs('%s/www/%s' % (self.path, name))
        mbox_nginx.start(self, self.hosts['server'].ns, http=NGINX_HTTP,
                         server=NGINX_SERVER % self.path)
        mbox_lab.wait_until('nginx answers', lambda: not self._curl(
            1, '/', '-m', '1').wait())
        return self

    def write_file(self, name, size):
        with open('%s/www%s' % (self.path, name), 'wb') as f:
            f.write(random.randbytes(size))

    def _curl(self, host, path, *options):
        return self.popen(
            [find_program('curl'), '-s', '-o', '/dev/null', '--interface',
             self.address(1, host), *options,
             'http://%s%s' % (self.server, path)], self.hosts['client'].ns)

    def _packets(self, name):
        """What has come to and from a middlebox; one that it passes on counts
        once."""
        text = self.ofctl('dump-ports', 'br0', name)
        return sum(int(n) for n in re.findall(r'[rt]x pkts=(\d+)', text)) / 2

    def _now(self):
        return {name: (self._packets(name), cpu_ns(self.pid(name)))
                for name in self.instances}

    def fetch(self, path, n_clients, times):
        """Each of some clients fetches a file so often.  Returns the time that
        took, and for each middlebox how many packets and how much processor
        time."""
        before = self._now()
        begin = time.monotonic()
        # curl expands this, and sends nothing of it.
        clients = [self._curl(1 + i, '%s#[1-%d]' % (path, times))
                   for i in range(n_clients)]
        if any([p.wait() for p in clients]):
            raise LabError('curl failed')
        seconds = time.monotonic() - begin
        after = self._now()
        return seconds, {name: [b - a for a, b in zip(before[name], end)]
                         for name, end in after.items()}


class Figures:
    """Of several runs of one kind of traffic."""

    def __init__(self, n_files, size):
        self.n_files = n_files
        self.size = size
        self.runs = []

    def report(self, library):
        """Returns figures, and their text.  'library' is what libmbox takes
        for a packet, in ns."""
        seconds = median([run[0] for run in self.runs])
        result = {'requests_per_s': round(self.n_files / seconds),
                  'mbit_per_s': round(self.n_files * self.size * 8e-6
                                      / seconds)}
        text = []
        for name in self.runs[0][1]:
            packets = median([run[1][name][0] for run in self.runs])
            cpu = median([run[1][name][1] for run in self.runs]) / packets
            result[name] = {'ns_per_packet': round(cpu),
                            'packets_per_s': round(packets / seconds),
                            'libmbox_share': round(library / cpu, 3)}
            text.append('%s %d ns per packet, libmbox %.1f %%'
                        % (name, cpu, 100 * library / cpu))
        return result, ', '.join(text)


def measure_cache(lab, rounds):
    """Short and long files that are stored, and ones that are not."""
    kinds = {'hits, 1 kB': ('/stored/short', 1000, 2000),
             'hits, 1 MB': ('/stored/long', 1000000, 50),
             'misses, 1 MB': ('/passed/long', 1000000, 30)}
    figures = {}
    for kind, (path, size, times) in kinds.items():
        lab.write_file(path, size)
        lab.fetch(path, 1, 1)
        figures[kind] = Figures(N_CLIENTS * times, size)
    for _ in range(rounds):
        for kind, (path, _, times) in kinds.items():
            figures[kind].runs.append(lab.fetch(path, N_CLIENTS, times))
    return figures


def measure_wanopt(lab, rounds):
    """A file that is new, and the same once more."""
    figures = {kind: Figures(1, NEW_BYTES) for kind in ('new', 'seen before')}
    for _ in range(rounds):
        lab.write_file('/passed/file', NEW_BYTES)
        for f in figures.values():
            f.runs.append(lab.fetch('/passed/file', 1, 1))
    return figures


def commands_of(what, base):
    if what == 'mbox-cache':
        return {'mb': [what]}
    commands = {}
    for name in 'near', 'far':
        conf = '%s/%s.conf' % (base, name)
        sides = ['10.0.1.0/24', '10.0.255.0/24']
        with open(conf, 'w') as f:
            f.write('local %s\nremote %s\nkey %s\n' % (
                *(sides if name == 'near' else sides[::-1]), KEY))
        commands[name] = [what, '--config=' + conf]
    return commands


MEASURE = {'mbox-cache': measure_cache, 'mbox-wanopt': measure_wanopt}


def bench(args, base, library):
    """Returns figures, and rows of the table; 'library' is what libmbox takes
    for a packet, by the kind of ports."""
    results, table = {}, []
    for ports, cost in library.items():
        results[ports] = {}
        for what, measure in MEASURE.items():
            lab = HttpLab('%s/%s-%s' % (base, what, ports),
                          commands_of(what, base), ports == 'dpdk')
            try:
                lab.up()
                figures = measure(lab, args.rounds)
            finally:
                lab.down()
            results[ports][what] = {}
            for kind, f in figures.items():
                result, text = f.report(cost)
                results[ports][what][kind] = result
                came = '%(mbit_per_s)d Mbit/s' % result
                if f.n_files > 1:
                    came += ', %(requests_per_s)d requests/s' % result
                table += [('%s %s, %s' % (what, ports, kind), came, ''),
                          ('', text, '<= 3 %')]
    return results, table
