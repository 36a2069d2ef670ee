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
"""Connections through two instances of mbox-lb, moved while they go on.

A lab (utilities/mbox_lab.py) with three backends, and services with address
translation and with direct server return, IPv4 and IPv6.  Each backend runs
nginx, which says in each response which one it is.  Prints what came of it,
one fact in each line; 'system-mbox-lb.at' says what it should be.
"""

import argparse
import asyncio
import collections
import contextlib
import hashlib
import json
import os
import signal
import socket
import sys
import time

here = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [here + '/../utilities']
sys.dont_write_bytecode = True
import mbox_lab                                             # noqa: E402
import mbox_nginx                                           # noqa: E402
from mbox_lab import find_program                           # noqa: E402

BACKENDS = ('b1', 'b2', 'b3')
INSTANCES = ('lb1', 'lb2')
VIRTUAL_MAC = '02:00:5e:00:01:01'
SERVICES = [(mode, family) for mode in ('nat', 'dsr') for family in (4, 6)]
PROBE_FLOWS = 50                # In each service.

NGINX_SERVER = """\
        listen 8080;
        listen [::]:8080;
        listen 80;
        listen [::]:80;
        root %s/www;
        add_header X-Backend %s;"""


def vip(mode, family):
    return '%s:%d' % ('fd00::ff', 1 + (mode == 'dsr')) if family == 6 \
        else '10.0.255.%d' % (1 + (mode == 'dsr'))


def host_address(kind, number, family):
    """Of client 1, 2; backend; load balancer."""
    net = {'client': 1, 'backend': 254, 'lb': 253}[kind]
    return 'fd00::%x:%d' % (net, number) if family == 6 \
        else '10.0.%d.%d' % (net, number)


def endpoint(address, port):
    return ('[%s]:%d' if ':' in address else '%s:%d') % (address, port)


class LbLab(mbox_lab.Lab):
    """The backends are instances, too, to the base class, so that it ends
    what belongs to them whoever calls it."""

    def __init__(self, path, checks):
        super().__init__(path, INSTANCES + BACKENDS)
        self.checks = checks    # Options of services.

    def _set_addresses(self):
        for name in ('client',) + BACKENDS:
            ns = self.hosts[name].ns
            for line in ('ipv6.conf.all.disable_ipv6=0',
                         'ipv6.conf.eth0.disable_ipv6=0',
                         'ipv6.conf.lo.disable_ipv6=0',
                         'ipv6.conf.eth0.accept_dad=0',
                         'ipv4.conf.all.rp_filter=0',
                         'ipv4.conf.all.arp_ignore=1',
                         'ipv4.conf.all.arp_announce=2'):
                mbox_lab.run(['ip', 'netns', 'exec', ns, 'sysctl', '-qw',
                              'net.' + line])
        client = self.hosts['client']
        for family, length in ((4, '/16'), (6, '/64 nodad')):
            clients = [host_address('client', i, family) for i in (1, 2)]

            def batch(ns, lines, option='-%d' % family):
                mbox_lab.run(['ip', option, '-n', ns, '-batch', '-'],
                             input='\n'.join(lines))
            batch(client.ns, ['addr add %s%s dev eth0' % (a, length)
                              for a in clients])
            for i, name in enumerate(BACKENDS, 1):
                batch(self.hosts[name].ns,
                      ['addr add %s%s dev eth0'
                       % (host_address('backend', i, family), length),
                       'addr add %s dev lo' % vip('dsr', family)]
                      + ['neigh add %s lladdr %s dev eth0 nud permanent'
                         % (a, client.mac) for a in clients])

    def _make_bridge(self):
        self.vsctl('add-br', 'br0', '--', 'set', 'bridge', 'br0',
                   'datapath_type=netdev', 'fail-mode=secure')
        for number, name in enumerate(self.hosts, 1):
            argv = ['add-port', 'br0', name, '--', 'set', 'interface', name,
                    'ofport_request=%d' % number]
            if name in INSTANCES:
                argv += ['other_config:mbox-class=lb',
                         'other_config:mbox-name=' + name]
            self.vsctl(*argv)
        self.vsctl('set', 'Open_vSwitch', '.',
                   'other_config:mbox-default-lb=lb1')
        self.set_flows(self._flows())

    def _flows(self):
        steer = 'actions=mbox_steer(lb)'
        solicit = 'icmp6,icmp_type=135,icmp_code=0,nd_target='
        # From clients to virtual addresses.
        flows = ['in_port=client,%s,%s' % (match, steer) for match in (
            'arp,arp_tpa=10.0.255.0/24', 'ip,nw_dst=10.0.255.0/24',
            solicit + 'fd00::ff:0/112', 'ipv6,ipv6_dst=fd00::ff:0/112')]
        # From backends: what answers a check goes to who asked, what is from
        # their own address to a load balancer, the rest to the client.
        for b in BACKENDS:
            for i, lb in enumerate(INSTANCES, 1):
                own4, own6 = (host_address('lb', i, f) for f in (4, 6))
                flows += ['priority=3,in_port=%s,%s,actions=%s'
                          % (b, match, lb) for match in (
                              'arp,arp_tpa=' + own4, 'ip,nw_dst=' + own4,
                              solicit + own6, 'ipv6,ipv6_dst=' + own6)]
            flows += ['priority=2,in_port=%s,%s,%s' % (b, match, steer)
                      for match in ('ip,nw_src=10.0.254.0/24',
                                    'ipv6,ipv6_src=fd00::fe:0/112')]
            flows += ['priority=1,in_port=%s,%s,actions=client' % (b, match)
                      for match in ('ip', 'ipv6')]
        # From load balancers: where it is addressed to.
        for lb in INSTANCES:
            flows += ['in_port=%s,dl_dst=%s,actions=%s'
                      % (lb, self.hosts[name].mac, name)
                      for name in ('client',) + BACKENDS]
            for i, b in enumerate(BACKENDS, 1):
                flows += ['priority=3,in_port=%s,%s,actions=%s'
                          % (lb, match, b) for match in (
                              'arp,arp_op=1,arp_tpa='
                              + host_address('backend', i, 4),
                              solicit + host_address('backend', i, 6))]
        return flows

    def start_backend(self, name):
        mbox_nginx.start(self, self.hosts[name].ns, name='nginx-' + name,
                         http='    keepalive_requests 1000000;',
                         server=NGINX_SERVER % (self.path, name))

    def start_receivers(self, name, number):
        """They send probes back from the address that they came to."""
        for mode, family in SERVICES:
            address = vip(mode, family) if mode == 'dsr' else \
                host_address('backend', number, family)
            self.start('receive-%s-%s%d' % (name, mode, family),
                       [find_program('mbox-traffic'), 'receive', '--echo',
                        '--bind=' + address], ns=self.hosts[name].ns)

    def start_lb(self, number):
        """The instances' hash tables differ, so that a connection whose state
        was lost would most likely change its backend."""
        name = 'lb%d' % number
        conf = '%s/%s.conf' % (self.path, name)
        with open(conf, 'w') as f:
            f.write('mac %s\ntable-size %d\n'
                    % (VIRTUAL_MAC, (65537, 16381)[number - 1]))
            for mode, family in SERVICES:
                for proto, port in ('tcp', 80), ('udp', 7777):
                    f.write('service %s%s%d %s %s mode=%s %s\n'
                            % (proto, mode, family, proto,
                               endpoint(vip(mode, family), port), mode,
                               self.checks))
                    own = 8080 if (mode, proto) == ('nat', 'tcp') else port
                    for i, b in enumerate(BACKENDS, 1):
                        f.write('backend %s %s\n' % (b, endpoint(
                            host_address('backend', i, family), own)))
        self.start(name, [
            find_program('mbox-lb'), '--name=' + name, '--config=' + conf,
            '--address=' + host_address('lb', number, 4),
            '--address=' + host_address('lb', number, 6),
            '--coordinator=unix:%s/mbox.sock' % self.path,
            '--log=%s/%s.eve.json' % (self.path, name), '--log-connections',
            '--trace=%s/%s.trace' % (self.path, name),
            '--port=afpacket:eth0'], ns=self.hosts[name].ns)

        def ready():
            n = collections.Counter(e['backend']['health']
                                    for e in self.events(name, 'backend'))
            return n['up'] >= 2 * len(SERVICES) * len(BACKENDS)
        mbox_lab.wait_until('%s has checked its backends' % name, ready)
        mbox_lab.wait_until('the switch knows ' + name,
                            lambda: self.is_live(name))

    def events(self, name, kind):
        with contextlib.suppress(FileNotFoundError), \
                open('%s/%s.eve.json' % (self.path, name)) as f:
            for line in f:
                # The last line may not be whole yet.
                if line.endswith('\n'):
                    event = json.loads(line)
                    if event['event_type'] == kind:
                        yield event


class Traffic:
    """HTTP, some on connections that stay open, some on new ones."""

    def __init__(self, lab, size):
        self.lab = lab
        self.responses = collections.Counter()  # Backends.
        self.right = self.wrong = 0
        self.connections = self.changed = 0
        self.failures = []
        self.stopped = False
        data = os.urandom(size)
        self.digest = hashlib.sha256(data).digest()
        os.makedirs(lab.path + '/www', exist_ok=True)
        with open(lab.path + '/www/file', 'wb') as f:
            f.write(data)

    async def _connect(self, mode, family, client):
        with mbox_lab.in_namespace(self.lab.hosts['client'].ns):
            loop = asyncio.get_running_loop()
            s = socket.socket(socket.AF_INET6 if family == 6
                              else socket.AF_INET)
        s.setblocking(False)
        s.bind((host_address('client', client, family), 0))
        await loop.sock_connect(s, (vip(mode, family), 80))
        return await asyncio.open_connection(sock=s)

    async def _get(self, reader, writer):
        """One request; returns the backend's name."""
        writer.write(b'GET /file HTTP/1.1\r\nHost: x\r\n\r\n')
        head = (await reader.readuntil(b'\r\n\r\n')).decode()
        fields = dict(line.split(': ', 1)
                      for line in head.split('\r\n')[1:] if line)
        body = await reader.readexactly(int(fields['Content-Length']))
        if hashlib.sha256(body).digest() == self.digest:
            self.right += 1
        else:
            self.wrong += 1
        self.responses[fields['X-Backend']] += 1
        return fields['X-Backend']

    async def connection(self, mode, family, client, n, pause, avoid=None):
        """A connection with 'n' requests, or all the time if that is 0;
        'avoid': stops when it turns out to be to that backend."""
        self.connections += 1
        try:
            reader, writer = await self._connect(mode, family, client)
            first = None
            while not self.stopped:
                backend = await self._get(reader, writer)
                if first is None:
                    first = backend
                elif backend != first:
                    self.changed += 1
                n -= 1
                if n == 0 or backend == avoid:
                    break
                await asyncio.sleep(pause)
            writer.close()
            await writer.wait_closed()
        except (OSError, EOFError) as e:
            self.failures.append('%s%d: %r' % (mode, family, e))

    async def new_connections(self, client, pause):
        """Begins them until stopped, one for each service in turn."""
        tasks = []
        while not self.stopped:
            mode, family = SERVICES[len(tasks) % len(SERVICES)]
            tasks.append(asyncio.ensure_future(
                self.connection(mode, family, client, 1, 0)))
            await asyncio.sleep(pause)
        await asyncio.gather(*tasks)


def start_probes(lab):
    """One sender for each service, numbered apart."""
    for i, (mode, family) in enumerate(SERVICES):
        lab.start('send-%s%d' % (mode, family), [
            find_program('mbox-traffic'), 'send', '--echo',
            '--flows=%d' % PROBE_FLOWS, '--rate=250', '--duration=600',
            '--first-flow=%d' % (i * PROBE_FLOWS),
            '--source=' + host_address('client', 1, family),
            '--source-port=%d' % (20000 + i * PROBE_FLOWS), vip(mode, family)],
            ns=lab.hosts['client'].ns)


def stop_probes(lab):
    """What the senders found out, in all."""
    total = collections.Counter()
    for mode, family in SERVICES:
        name = 'send-%s%d' % (mode, family)
        lab.stop(name, signal.SIGINT)
        with open('%s/%s.out' % (lab.path, name)) as f:
            result = json.loads(f.read().splitlines()[-1])
        total['sent'] += result['sent']
        for key in 'received', 'lost', 'reordered', 'duplicated':
            total[key] += result['echo'][key]
    return total


async def appctl(lab, *args):
    p = await asyncio.create_subprocess_exec(
        find_program('ovs-appctl'), '-t', lab.path + '/ovs-vswitchd.ctl',
        *args, stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE, env=lab.env)
    out, err = await p.communicate()
    if p.returncode:
        raise mbox_lab.LabError('%s: %s' % (' '.join(args), err.decode()))
    return out.decode()


async def moves(lab, args):
    """Moves flows back and forth; returns the answers."""
    spaces = {
        # Those of a client, both ways.
        'client': ('ip,nw_src=10.0.1.1', 'ipv6,ipv6_src=fd00::1:1'),
        # What goes to a service: what comes back has another key.
        'service': ('tcp,nw_dst=10.0.255.1,tp_dst=80',
                    'tcp6,ipv6_dst=fd00::ff:1,tp_dst=80'),
    }
    answers = []
    for i in range(args.moves):
        src, dst = INSTANCES[i % 2], INSTANCES[1 - i % 2]
        for space in spaces[args.space]:
            answers.append(json.loads(await appctl(
                lab, 'mbox/move', '--format=json', '--method=' + args.method,
                *args.option, src, dst, space)))
            await asyncio.sleep(0.1)
    return answers


async def run_moves(lab, args):
    traffic = Traffic(lab, 20000)
    tasks = [asyncio.ensure_future(traffic.connection(mode, family, client, 0,
                                                      0.1))
             for mode, family in SERVICES for client in (1, 1, 1, 2)
             for _ in range(4)]
    if args.space == 'client':
        tasks += [asyncio.ensure_future(traffic.new_connections(client, 0.05))
                  for client in (1, 2)]
    start_probes(lab)
    await asyncio.sleep(1)
    answers = await moves(lab, args)
    await asyncio.sleep(0.5)
    traffic.stopped = True
    await asyncio.gather(*tasks)
    probes = stop_probes(lab)
    with open(lab.path + '/moves.json', 'w') as f:
        json.dump(answers, f, indent=4)
    print('moves: %d, each of several connections: %s'
          % (len(answers), min(a['flows_moved'] for a in answers) > 10))
    print('probes: %d lost, %d reordered, %d duplicated'
          % (probes['sent'] - probes['received'] + probes['duplicated'],
             probes['reordered'], probes['duplicated']))
    print('traffic: %s' % (probes['sent'] > 1000 and traffic.right > 100
                           and len(traffic.responses) == len(BACKENDS)))
    return traffic


async def run_failure(lab, args):
    """A backend ends, and comes back: the others' connections go on, and new
    ones go to them."""
    traffic = Traffic(lab, 20000)
    tasks = [asyncio.ensure_future(traffic.connection(mode, family, client, 0,
                                                      0.05, avoid='b2'))
             for mode, family in SERVICES for client in (1, 2)
             for _ in range(8)]
    await asyncio.sleep(0.5)

    async def changes(health, n):
        # The time limit only ends a wait that is in vain.
        for _ in range(3000):
            if sum(e['backend']['health'] == health for name in INSTANCES
                   for e in lab.events(name, 'backend')
                   if e['backend']['service'].startswith('tcp')
                   and e['backend']['backend'] == 'b2') >= n:
                return
            await asyncio.sleep(0.02)
        raise mbox_lab.LabError('backends were not found ' + health)
    n_tcp = len(INSTANCES) * len(SERVICES)
    lab.stop('nginx-b2')
    await changes('down', n_tcp)
    traffic.responses.clear()
    await asyncio.gather(*[traffic.connection(mode, family, client, 1, 0)
                           for mode, family in SERVICES for client in (1, 2)
                           for _ in range(25)])
    print('responses of what is down: %d' % traffic.responses['b2'])
    lab.start_backend('b2')
    await changes('up', 2 * n_tcp)
    await asyncio.gather(*[traffic.connection(mode, family, client, 1, 0)
                           for mode, family in SERVICES for client in (1, 2)
                           for _ in range(25)])
    print('responses of what is back: %s' % (traffic.responses['b2'] > 10))
    traffic.stopped = True
    await asyncio.gather(*tasks)
    return traffic


def print_counters(lab):
    """Of both instances, where all are 0."""
    total = collections.Counter()
    ends = collections.Counter()
    for name in INSTANCES:
        lab.stop(name)
        total.update(list(lab.events(name, 'stats'))[-1]['stats'])
        for e in lab.events(name, 'connection'):
            ends[e['connection']['start'], e['src_ip'], e['dest_ip'],
                 e['src_port'], e['dest_port'], e['proto']] += 1
    print('connections: %s, ended twice: %d'
          % ('all ended' if total['created'] == sum(ends.values())
             else '%d begun, %d ended' % (total['created'],
                                          sum(ends.values())),
             sum(n > 1 for n in ends.values())))
    for key in ('adopted', 'reassigned', 'no_backend', 'no_connection',
                'no_service', 'malformed', 'fragments', 'table_full'):
        if total[key]:
            print('%s: %d' % (key, total[key]))


def main():
    mbox_lab.exit_on_signals()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('directory')
    parser.add_argument('--method', default='hold')
    parser.add_argument('--moves', type=int, default=20)
    parser.add_argument('--space', default='client')
    parser.add_argument('--option', action='append', default=[])
    parser.add_argument('--failure', action='store_true')
    parser.add_argument('--verbose', action='store_true')
    args = parser.parse_args()
    # A machine that is slow does not make a backend look dead.
    lab = LbLab(args.directory, 'interval=200 fall=5' if args.failure
                else 'interval=1000 fall=30')
    try:
        lab.up()
        for i, name in enumerate(BACKENDS, 1):
            lab.start_backend(name)
            lab.start_receivers(name, i)
        for i in 1, 2:
            lab.start_lb(i)
        begin = time.monotonic()
        traffic = asyncio.run((run_failure if args.failure
                               else run_moves)(lab, args))
        print('http: %d wrong, %d failed, %d changed their backend'
              % (traffic.wrong, len(traffic.failures), traffic.changed))
        for failure in traffic.failures[:5]:
            print(failure, file=sys.stderr)
        print_counters(lab)
        if args.verbose:
            print('%.1f s, %d responses (%s), %d connections'
                  % (time.monotonic() - begin, traffic.right,
                     dict(traffic.responses), traffic.connections),
                  file=sys.stderr)
    finally:
        lab.down()


if __name__ == '__main__':
    main()
