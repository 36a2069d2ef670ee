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
"""Traffic between two sites through mbox-wanopt, whose flows are moved.

A lab (utilities/mbox_lab.py) with two instances at the client's site and one at
the server's; what is between them is the WAN:

    client -- switch == near1 or near2 == switch == far1 == switch -- server

First curl fetches files from nginx twice, and what the switch counted on the
WAN is compared with what it counted on the LAN.  Then flows move between near1
and near2 while files and probes go on.  Prints what came of it, one fact in each
line; 'system-mbox-wanopt.at' says what it should be.
"""

import argparse
import collections
import hashlib
import json
import os
import random
import re
import signal
import sys
import threading
import time

here = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [here + '/../utilities']
sys.dont_write_bytecode = True
import mbox_lab                                             # noqa: E402
import mbox_nginx                                           # noqa: E402
from mbox_lab import find_program                           # noqa: E402

NEAR = ('near1', 'near2')
FAR = 'far1'
KEY = '000102030405060708090a0b0c0d0e0f'
PROBE_FLOWS = 50                # In each half of the clients.
SPACE = 'ip,nw_src=10.0.1.0/24'         # Half of the clients.


class WanoptLab(mbox_lab.Lab):
    def __init__(self, path):
        super().__init__(path, NEAR + (FAR,))

    def _make_bridge(self):
        self.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0',
                   'datapath_type=netdev', 'fail-mode=secure')
        for number, name in enumerate(self.hosts, 1):
            argv = ['add-port', 'br0', name, '--', 'set', 'interface', name,
                    'ofport_request=%d' % number]
            if name in NEAR:
                argv += ['other_config:mbox-class=wanopt',
                         'other_config:mbox-name=' + name]
            self.vsctl(*argv)
        self.vsctl('set', 'Open_vSwitch', '.',
                   'other_config:mbox-default-wanopt=near1')
        client, server = self.hosts['client'].mac, self.hosts['server'].mac
        steer = 'actions=mbox_steer(wanopt)'
        flows = ['in_port=client,ip,dl_dst=%s,%s' % (server, steer),
                 'in_port=server,ip,dl_dst=%s,actions=%s' % (client, FAR),
                 'in_port=%s,ip,dl_dst=%s,%s' % (FAR, client, steer),
                 'in_port=%s,ip,dl_dst=%s,actions=server' % (FAR, server)]
        for name in NEAR:
            flows += ['in_port=%s,ip,dl_dst=%s,actions=%s'
                      % (name, server, FAR),
                      'in_port=%s,ip,dl_dst=%s,actions=client'
                      % (name, client)]
        self.set_flows(flows)

    def start_wanopt(self, name):
        conf = '%s/%s.conf' % (self.path, name)
        near, far = ('remote', 'local') if name == FAR else ('local', 'remote')
        with open(conf, 'w') as f:
            f.write('%s 10.0.1.0/24\n%s 10.0.2.0/24\n%s 10.0.255.0/24\n'
                    'key %s\n' % (near, near, far, KEY))
        argv = [find_program('mbox-wanopt'), '--name=' + name,
                '--config=' + conf, '--port=afpacket:eth0',
                '--log=%s/%s.eve.json' % (self.path, name),
                '--trace=%s/%s.trace' % (self.path, name)]
        if name in NEAR:
            argv.append('--coordinator=unix:%s/mbox.sock' % self.path)
        self.start(name, argv, ns=self.hosts[name].ns)

    def up_all(self):
        self.up()
        for name in NEAR + (FAR,):
            self.start_wanopt(name)
        for name in NEAR:
            mbox_lab.wait_until('the switch knows ' + name,
                                lambda: self.is_live(name))
        os.makedirs(self.path + '/www', exist_ok=True)
        mbox_nginx.start(self, self.hosts['server'].ns,
                         server='        listen 80;\n'
                         '        root %s/www;' % self.path)
        client = self.hosts['client'].ns
        mbox_lab.wait_until('nginx answers', lambda: not self.popen(
            [find_program('curl'), '-s', '-o', '/dev/null', '-m', '1',
             'http://%s/' % self.server], client).wait())

    def bytes(self):
        """What the switch has carried to the client so far: bytes on the WAN,
        and on the LAN."""
        self.appctl('revalidator/wait')
        counts = collections.Counter()
        for line in self.ofctl('dump-flows', '--names', 'br0').splitlines():
            match = re.search(r'n_bytes=(\d+).*in_port="?([a-z0-9]+)"?'
                              r'.*dl_dst=([0-9a-f:]+)', line)
            if match and match.group(3) == self.hosts['client'].mac:
                counts[match.group(2)] += int(match.group(1))
        return counts[FAR], sum(counts[name] for name in NEAR)


class Files:
    """Files at the server, and curl at the client."""

    def __init__(self, lab):
        self.lab = lab
        self.digests = {}
        self.results = collections.Counter()
        self.stopped = threading.Event()
        self.threads = []
        rng = random.Random(1)
        words = [rng.randbytes(rng.randint(1, 5)).hex() for _ in range(2000)]
        self._add('random', rng.randbytes(4000000))
        self._add('text', ' '.join(rng.choices(words, k=400000)).encode())
        self.parts = ['part%d' % i for i in range(5)]
        for name in self.parts:
            self._add(name, rng.randbytes(300000))

    def _add(self, name, data):
        self.digests[name] = hashlib.sha256(data).digest()
        with open('%s/www/%s' % (self.lab.path, name), 'wb') as f:
            f.write(data)

    def fetch(self, name, group, host, *options):
        """Fetches a file from a client's address; notes if it is right."""
        out = '%s/got-%s-%d-%d' % (self.lab.path, name, group, host)
        p = self.lab.popen(
            [find_program('curl'), '-sS', '-o', out, '--interface',
             self.lab.address(group, host)] + list(options)
            + ['http://%s/%s' % (self.lab.server, name)],
            self.lab.hosts['client'].ns)
        if p.wait():
            self.results['failed'] += 1
            return
        with open(out, 'rb') as f:
            right = hashlib.sha256(f.read()).digest() == self.digests[name]
        self.results['right' if right else 'wrong'] += 1

    def ratio(self, name):
        """Fetches a file; returns how many bytes of it went over the WAN for
        each on the LAN."""
        before = self.lab.bytes()
        self.fetch(name, 1, 1)
        after = self.lab.bytes()
        return (after[0] - before[0]) / (after[1] - before[1])

    def _repeat(self, group, host):
        while not self.stopped.is_set():
            for name in self.parts:
                self.fetch(name, group, host, '--limit-rate', '1M')

    def start(self):
        for group in 1, 2:
            for host in 1, 2:
                t = threading.Thread(target=self._repeat, args=(group, host))
                t.start()
                self.threads.append(t)

    def stop(self):
        self.stopped.set()
        for t in self.threads:
            t.join()


def start_probes(lab):
    lab.start('receive', [find_program('mbox-traffic'), 'receive', '--echo',
                          '--trace=%s/receive.trace' % lab.path],
              ns=lab.hosts['server'].ns)
    mbox_lab.wait_until('the receiver listens', lambda: os.path.getsize(
        lab.path + '/receive.out'))
    # Long ones, of which most is the same.
    for group in 1, 2:
        lab.start('send%d' % group, [
            find_program('mbox-traffic'), 'send', '--echo',
            '--flows=%d' % PROBE_FLOWS, '--rate=500', '--size=1200',
            '--duration=600', '--first-flow=%d' % (group * PROBE_FLOWS),
            '--source=' + lab.address(group, 4), lab.server],
            ns=lab.hosts['client'].ns)


def n_probe_flows(lab):
    """How many flows of probes have come to the server."""
    with open(lab.path + '/receive.trace') as f:
        return len({line.split()[0] for line in f if line.endswith('\n')})


def stop_probes(lab):
    """What the senders found out, in all."""
    total = collections.Counter()
    for group in 1, 2:
        name = 'send%d' % group
        lab.stop(name, signal.SIGINT)
        with open('%s/%s.out' % (lab.path, name)) as f:
            result = json.loads(f.read().splitlines()[-1])
        total['sent'] += result['sent']
        for key in 'received', 'reordered', 'duplicated':
            total[key] += result['echo'][key]
    return total


def run_moves(lab, files, args):
    for name in files.parts:
        files.fetch(name, 2, 9)
    files.start()
    start_probes(lab)
    mbox_lab.wait_until('all probes have begun',
                        lambda: n_probe_flows(lab) == 2 * PROBE_FLOWS)
    before = lab.bytes()
    answers = []
    for i in range(args.moves):
        answers.append(lab.move(NEAR[i % 2], NEAR[1 - i % 2], SPACE,
                                '--method=' + args.method))
        time.sleep(0.1)
    after = lab.bytes()
    probes = stop_probes(lab)
    files.stop()
    with open(lab.path + '/moves.json', 'w') as f:
        json.dump(answers, f, indent=4)
    print('moves: %d, each of several flows: %s'
          % (len(answers),
             min(a['flows_moved'] for a in answers) >= PROBE_FLOWS))
    print('probes: %d lost, %d reordered, %d duplicated'
          % (probes['sent'] - probes['received'] + probes['duplicated'],
             probes['reordered'], probes['duplicated']))
    return ((after[0] - before[0]) / (after[1] - before[1]), probes['sent'])


def stats(lab, name):
    with open('%s/%s.eve.json' % (lab.path, name)) as f:
        events = [json.loads(line) for line in f]
    return [e for e in events if e['event_type'] == 'stats'][-1]['stats']


def print_counters(lab, verbose):
    """Of all instances, where all are 0."""
    total = collections.Counter()
    for name in NEAR + (FAR,):
        lab.stop(name)
        one = stats(lab, name)
        total.update(one)
        if verbose:
            print(name, one, file=sys.stderr)
    for key in ('undecodable', 'forged', 'malformed', 'inside',
                'table_full'):
        if total[key]:
            print('%s: %d' % (key, total[key]))


def main():
    mbox_lab.exit_on_signals()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('directory')
    parser.add_argument('--method', default='hold')
    parser.add_argument('--moves', type=int, default=20)
    parser.add_argument('--verbose', action='store_true')
    args = parser.parse_args()
    lab = WanoptLab(args.directory)
    files = None
    try:
        lab.up_all()
        files = Files(lab)
        begin = time.monotonic()
        ratios = {}
        for name, bounds in (('random', ((0.9, 1.2), (0, 0.3))),
                             ('text', ((0, 0.7), (0, 0.3)))):
            for i, (low, high) in enumerate(bounds):
                ratio = ratios[name, i] = files.ratio(name)
                print('%s, %s time: WAN/LAN from %g to %g: %s'
                      % (name, ('first', 'second')[i], low, high,
                         low <= ratio <= high))
        ratios['moves'], n_probes = run_moves(lab, files, args)
        print('during moves: WAN/LAN from 0 to 0.3: %s'
              % (ratios['moves'] <= 0.3))
        print('traffic: %s' % (n_probes > 1000
                               and files.results['right'] > 20))
        print('files: %d wrong, %d failed' % (files.results['wrong'],
                                              files.results['failed']))
        print_counters(lab, args.verbose)
        print('%.1f s, %d files, %d probes, WAN/LAN %s'
              % (time.monotonic() - begin, files.results['right'], n_probes,
                 ', '.join('%s %.3f' % r for r in ratios.items())),
              file=sys.stderr)
    finally:
        if files:
            files.stopped.set()
        lab.down()


if __name__ == '__main__':
    main()
