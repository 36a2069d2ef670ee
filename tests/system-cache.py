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
"""Downloads through mbox-cache, whose connections are moved.

A lab (utilities/mbox_lab.py) with two instances:

    client -- switch -- server
              /    \\
          cache1  cache2

At the server are nginx (port 80), and a server of this program's own (port
8080), which stops in the middle of a response until it is told to go on: so a
connection moves in the middle of a download, of a request, of being opened, by
construction.  Prints what came of it, one fact in each line;
'system-mbox-cache.at' says what it should be.
"""

import argparse
import collections
import hashlib
import http.server
import json
import os
import random
import resource
import signal
import socket
import socketserver
import sys
import threading
import time

here = os.path.dirname(os.path.realpath(__file__))
sys.path[:0] = [here + '/../utilities']
sys.dont_write_bytecode = True
import mbox_lab                                             # noqa: E402
import mbox_nginx                                           # noqa: E402
from mbox_lab import find_program                           # noqa: E402

INSTANCES = ('cache1', 'cache2')
GATED_PORT = 8080
CONF = '/etc/mbox-cache.conf'   # In the lab's directory, or a guest.
PROBE_FLOWS = 20                # In each half of the clients.
CLIENTS = ((1, 5), (1, 6), (1, 8), (1, 10), (2, 5))     # Of the load.

NGINX_SERVER = """\
        listen 80;
        listen [::]:80;
        root {path}/www;
        access_log {path}/nginx.access uri;
        location /fresh/ {{ add_header Cache-Control max-age=3600; }}
        location /load/ {{ add_header Cache-Control max-age=0; }}"""


class Gate(http.server.BaseHTTPRequestHandler):
    """Sends half of a file, and the rest when that may pass."""

    protocol_version = 'HTTP/1.1'
    wbufsize = 0

    def do_GET(self):
        gate = self.server.gates[self.path]
        gate.n_requests += 1
        half = len(gate.data) // 2
        self.send_response(200)
        self.send_header('Cache-Control', 'max-age=3600')
        if gate.chunked:
            self.send_header('Transfer-Encoding', 'chunked')
        else:
            self.send_header('Content-Length', str(len(gate.data)))
        self.end_headers()
        self.send_part(gate, gate.data[:half])
        gate.half.set()
        gate.open.wait()
        self.send_part(gate, gate.data[half:])
        if gate.chunked:
            self.wfile.write(b'0\r\n\r\n')

    def do_POST(self):
        gate = self.server.gates[self.path]
        gate.n_requests += 1
        gate.half.set()
        gate.open.wait()
        body = self.rfile.read(int(self.headers['Content-Length']))
        answer = hashlib.sha256(body).hexdigest().encode()
        self.send_response(200)
        self.send_header('Content-Length', str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def send_part(self, gate, data):
        if gate.chunked:
            self.wfile.write(b'%x\r\n%s\r\n' % (len(data), data))
        else:
            self.wfile.write(data)

    def log_message(self, *args):
        pass


class GatedServer(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address, handler):
        if ':' in address[0]:
            self.address_family = socket.AF_INET6
        super().__init__(address, handler)

    def server_bind(self):
        """Without looking up a name for the address."""
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class GatedFile:
    def __init__(self, data, chunked=False):
        self.data = data
        self.chunked = chunked
        self.n_requests = 0
        self.half = threading.Event()
        self.open = threading.Event()


class CacheLab(mbox_lab.Lab):
    mb_class = 'cache'

    def start_cache(self, name):
        if self.vm:
            return self.start_vm(
                name, ['--config=' + CONF, '--log=/dev/virtio-ports/log',
                       '--trace=/dev/virtio-ports/trace'],
                ['log:%s/%s.eve.json' % (self.path, name),
                 'trace:%s/%s.trace' % (self.path, name)])
        return self.start(name, [
            find_program('mbox-cache'), '--name=' + name,
            '--config=' + self.path + CONF, '--port=afpacket:eth0',
            '--log=%s/%s.eve.json' % (self.path, name),
            '--trace=%s/%s.trace' % (self.path, name),
            '--coordinator=unix:%s/mbox.sock' % self.path],
            ns=self.hosts[name].ns)

    def up_all(self):
        self.up()
        procs = [self.start_cache(name) for name in INSTANCES]
        for name, p in zip(INSTANCES, procs):
            self.wait_for_instance(name, p)
        for name in 'fresh', 'load':
            os.makedirs('%s/www/%s' % (self.path, name), exist_ok=True)
        mbox_nginx.start(self, self.hosts['server'].ns,
                         http="    log_format uri '$uri';",
                         server=NGINX_SERVER.format(path=self.path))
        mbox_lab.wait_until('nginx answers', lambda: not self.curl(
            1, 9, '/', '-m', '1', '-o', '/dev/null').wait())
        with mbox_lab.in_namespace(self.hosts['server'].ns):
            self.gated = GatedServer((self.server, GATED_PORT), Gate)
        self.gated.gates = {}
        threading.Thread(target=self.gated.serve_forever,
                         daemon=True).start()

    def curl(self, group, host, path, *options, port=80):
        return self.popen(
            [find_program('curl'), '-sS', '--interface',
             self.address(group, host)] + list(options)
            + ['http://%s:%d%s' % (self.url_host(), port, path)],
            self.hosts['client'].ns)

    def add_file(self, name, data):
        with open('%s/www%s' % (self.path, name), 'wb') as f:
            f.write(data)
        return hashlib.sha256(data).hexdigest()

    def n_asked(self, uri):
        """How often nginx was asked."""
        with open(self.path + '/nginx.access') as f:
            return f.read().split('\n').count(uri)

    def events(self, name):
        with open('%s/%s.eve.json' % (self.path, name)) as f:
            return [json.loads(line) for line in f if line.endswith('\n')]


def digest(name):
    with open(name, 'rb') as f:
        return hashlib.sha256(f.read()).hexdigest()


def move(lab, i, method):
    """Moves half of the clients for the 'i'th time."""
    return lab.move(INSTANCES[i % 2], INSTANCES[1 - i % 2], lab.space(1),
                    '--method=' + method)


def run_gated(lab, rng, method):
    """Moves connections in the middle of downloads and of an upload."""
    files = {'/plain': GatedFile(rng.randbytes(6000000)),
             '/chunked': GatedFile(rng.randbytes(3000000), True)}
    upload = GatedFile(b'')
    lab.gated.gates = dict(files, **{'/upload': upload})
    data = lab.path + '/upload'
    with open(data, 'wb') as f:
        f.write(rng.randbytes(5000000))
    stored = lab.add_file('/fresh/stored', rng.randbytes(1000000))
    out = lab.path + '/got'
    lab.curl(1, 1, '/fresh/stored', '-o', out).wait()

    running = {path: lab.curl(1, 2, path, '-o', out + path[1:],
                              port=GATED_PORT) for path in files}
    running['/upload'] = lab.curl(
        1, 3, '/upload', '-o', out + 'upload', '--data-binary', '@' + data,
        '-H', 'Expect:', '-H', 'Content-Type: application/octet-stream',
        port=GATED_PORT)
    gates = dict(files, **{'/upload': upload})
    for gate in gates.values():
        gate.half.wait()
    try:
        copied = lab.appctl('mbox/copy', *INSTANCES, lab.space(1))
    except mbox_lab.LabError as e:
        copied = str(e)
    print('copy refused: %s' % ('Operation not supported' in copied))
    answer = move(lab, 0, method)
    for gate in gates.values():
        gate.open.set()
    codes = [p.wait() for p in running.values()]
    with open(out + 'upload') as f:
        uploaded = f.read() == digest(data)
    print('moved in the middle: %s' % (answer['flows_moved'] >= 3))
    print('downloads: %s, upload: %s, exit statuses: %s'
          % (all(digest(out + path[1:])
                 == hashlib.sha256(gate.data).hexdigest()
                 for path, gate in files.items()), uploaded, codes))

    p = lab.curl(1, 4, '/fresh/stored', '-o', out + '2')
    print('stored before the move: exit status %d, right: %s, origin asked '
          '%d time' % (p.wait(), digest(out + '2') == stored,
                       lab.n_asked('/fresh/stored')))
    return 1


def n_sleeps(pid):
    """How often the first thread of a process has waited for something."""
    with open('/proc/%d/status' % pid) as f:
        return int(f.read().split('\nvoluntary_ctxt_switches:')[1].split()[0])


def run_starved(lab):
    """A connection that the cache has no descriptor for waits for one, and
    does not keep it busy."""
    pid = lab.pid(INSTANCES[0])
    used = [int(name) for name in os.listdir('/proc/%d/fd' % pid)]
    limit = min(set(range(len(used) + 1)) - set(used))
    old = resource.prlimit(pid, resource.RLIMIT_NOFILE)
    resource.prlimit(pid, resource.RLIMIT_NOFILE, (limit, old[1]))
    with mbox_lab.in_namespace(lab.hosts['client'].ns):
        s = socket.socket(socket.AF_INET6 if lab.ipv6 else socket.AF_INET)
    with s:
        s.bind((lab.address(2, 1), 0))
        s.connect((lab.server, 80))
        s.sendall(b'GET /fresh/stored HTTP/1.1\r\nHost: a\r\n\r\n')
        before = n_sleeps(pid)
        mbox_lab.wait_until('the cache sleeps again and again',
                            lambda: n_sleeps(pid) > before + 20)
        s.setblocking(False)
        try:
            waits = not s.recv(1)
        except BlockingIOError:
            waits = True
        resource.prlimit(pid, resource.RLIMIT_NOFILE, old)
        s.settimeout(60)
        print('without descriptors: waits: %s, then: %s'
              % (waits, s.recv(100).split(b'\r')[0].decode()))


class Load:
    """curl at the clients, again and again."""

    def __init__(self, lab, rng):
        self.lab = lab
        self.results = collections.Counter()
        self.stopped = threading.Event()
        self.digests = {}
        for i in range(3):
            for folder in 'fresh', 'load':
                name = '/%s/part%d' % (folder, i)
                self.digests[name] = lab.add_file(name,
                                                  rng.randbytes(400000))
        self.threads = [threading.Thread(target=self._repeat, args=(g, h))
                        for g, h in CLIENTS]
        for t in self.threads:
            t.start()

    def _repeat(self, group, host):
        while not self.stopped.is_set():
            self._fetch_all(group, host)

    def _fetch_all(self, group, host):
        """All files by one connection."""
        argv = ['--limit-rate', '4M']
        names = []
        for name in self.digests:
            out = '%s/load-%d-%d-%s' % (self.lab.path, group, host,
                                        name.replace('/', '-'))
            names.append(out)
            argv += ['-o', out]
            if len(names) < len(self.digests):
                argv += ['http://%s%s' % (self.lab.url_host(), name)]
        if self.lab.curl(group, host, list(self.digests)[-1],
                         *argv).wait():
            self.results['failed'] += 1
        for name, out in zip(self.digests, names):
            right = (os.path.exists(out)
                     and digest(out) == self.digests[name])
            self.results['right' if right else 'wrong'] += 1
            if os.path.exists(out):
                os.unlink(out)

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
    for group in 1, 2:
        lab.start('send%d' % group, [
            find_program('mbox-traffic'), 'send', '--echo',
            '--flows=%d' % PROBE_FLOWS, '--rate=500',
            '--duration=600', '--first-flow=%d' % (group * PROBE_FLOWS),
            '--source=' + lab.address(group, 7), lab.server],
            ns=lab.hosts['client'].ns)


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


def run_moves(lab, rng, first, args):
    start_probes(lab)
    load = Load(lab, rng)
    answers = []
    try:
        for i in range(first, first + args.moves):
            # Each one meets connections at work.
            n = sum(load.results.values())
            mbox_lab.wait_until('files come', lambda: sum(
                load.results.values()) > n)
            answers.append(move(lab, i, args.method))
    finally:
        load.stop()
    probes = stop_probes(lab)
    with open(lab.path + '/moves.json', 'w') as f:
        json.dump(answers, f, indent=4)
    print('moves: %d, with connections: %s'
          % (len(answers), sum(a['flows_moved'] for a in answers) > 0))
    print('probes: %d lost, %d reordered, %d duplicated'
          % (probes['sent'] - probes['received'] + probes['duplicated'],
             probes['reordered'], probes['duplicated']))
    print('files: %d wrong, %d failed' % (load.results['wrong'],
                                          load.results['failed']))
    print('%d files, %d probes, %d flows moved'
          % (load.results['right'], probes['sent'],
             sum(a['flows_moved'] for a in answers)), file=sys.stderr)


def print_counters(lab):
    total = collections.Counter()
    for name in INSTANCES:
        lab.stop_instance(name)
        total.update([e for e in lab.events(name)
                      if e['event_type'] == 'stats'][-1]['stats'])
    print('hits: %s' % (total['hits'] > 0))
    for key in 'timeouts', 'origin_failures', 'errors', 'table_full':
        if total[key]:
            print('%s: %d' % (key, total[key]))
    print(dict(total), file=sys.stderr)


def build_image(directory):
    image = directory + '/image'
    mbox_lab.run([find_program('mbox-vm'), 'build',
                  '--file=%s:%s' % (directory + CONF, CONF), image,
                  'mbox-cache'])
    return image


def main():
    mbox_lab.exit_on_signals()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('directory')
    parser.add_argument('--method', default='hold')
    parser.add_argument('--moves', type=int, default=20)
    parser.add_argument('--ipv6', action='store_true')
    parser.add_argument('--vm', action='store_true',
                        help='run the instances in virtual machines, with '
                        'one move')
    args = parser.parse_args()
    os.makedirs(os.path.dirname(args.directory + CONF), exist_ok=True)
    with open(args.directory + CONF, 'w') as f:
        f.write('port 80\nport %d\nmax-object 8192\n' % GATED_PORT)
    lab = CacheLab(args.directory, INSTANCES, args.ipv6,
                   vm=build_image(args.directory) if args.vm else None,
                   accel=os.environ.get('MBOX_VM_ACCEL', 'auto'))
    rng = random.Random(1)
    try:
        lab.up_all()
        begin = time.monotonic()
        first = run_gated(lab, rng, args.method)
        if not args.vm:
            run_starved(lab)
            run_moves(lab, rng, first, args)
        print_counters(lab)
        print('%.1f s' % (time.monotonic() - begin), file=sys.stderr)
    finally:
        lab.down()


if __name__ == '__main__':
    main()
