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

"""What state-enabling costs programs that were not written for it, on live
packets, and what it takes."""

import contextlib
import json
import os
import re
import signal
import statistics
import time
import types

import mbox_bench_packets
import mbox_lab
from mbox_bench_packets import median
from mbox_bench_programs import PROGRAMS
from mbox_lab import Lab, LabError, find_program, run

# How a program runs, and which of its commands that is.
VARIANTS = {'plain': 'plain', 'unjoined': 'enabled', 'libmbox': 'libmbox',
            'joined': 'enabled', 'tracked': 'enabled'}

# What is compared: alike but for state-enabling.  None of the last row is a
# bar: packets come another way, too.
RATIOS = (('unjoined', 'plain', '<= 1.02'),
          ('joined', 'libmbox', '<= 1.02'),
          ('tracked', 'libmbox', '<= 1.05'),
          ('tracked', 'joined', ''),
          ('joined', 'plain', ''))

# Flows that are there when state is copied, to see how that grows.
EFFORT_FLOWS = 1000, 4000, 16000

QUIET_S = 0.1                   # Processes that do no more than QUIET_NS of
QUIET_NS = 2000000              # work in that time have nothing to do.


def cpu_ns(pid):
    """Processor time of a process, also in the kernel for it."""
    total = 0
    with contextlib.suppress(FileNotFoundError):
        for task in os.listdir('/proc/%d/task' % pid):
            with open('/proc/%d/task/%s/schedstat' % (pid, task)) as f:
                total += int(f.read().split()[0])
    return total


def settle(pids):
    """Waits until processes have done what there is to do; returns the
    processor time of each."""
    last = [cpu_ns(pid) for pid in pids]
    while True:
        time.sleep(QUIET_S)
        now = [cpu_ns(pid) for pid in pids]
        if all(b - a <= QUIET_NS for a, b in zip(last, now)):
            return now
        last = now


@contextlib.contextmanager
def on_processors(processors):
    """What is started meanwhile runs on these."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, processors)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


class Wire(mbox_bench_packets.Wire):
    """A cable to the program from what replays captures.  The program has the
    last processor for itself, all else of the benchmark has the others."""

    def __init__(self, base):
        super().__init__(base)
        processors = sorted(os.sched_getaffinity(0))
        self.last = processors[-1:]
        self.others = processors[:-1] or processors

    def __enter__(self):
        super().__enter__()
        try:
            for ns in self.sender, self.mb:
                mbox_lab.set_up_link('eth0', 1500, within=['ip', 'netns',
                                                           'exec', ns])
        except BaseException:
            self.__exit__()
            raise
        return self

    def is_open(self, pid):
        """Whether a process reads packets here."""
        with open('/proc/%d/net/packet' % pid) as f:
            sockets = [line.split() for line in f][1:]
        return any(int(s[3], 16) and s[4] != '0' for s in sockets)

    def replay(self, path, rate, pid):
        """Has process 'pid' get packets at a rate, or, if that is 0, find all
        of them in its queue at once."""
        argv = ['ip', 'netns', 'exec', self.sender, find_program('tcpreplay'),
                '--quiet', '--preload-pcap', '--intf1=eth0',
                '--pps=%d' % rate if rate else '--topspeed', path]
        with on_processors(self.others):
            if rate:
                run(argv)
                return
            os.kill(pid, signal.SIGSTOP)
            try:
                run(argv)
            finally:
                os.kill(pid, signal.SIGCONT)


class Bench:
    """A switch, whose coordinator the programs join, and a cable, by which
    packets come to one of them."""

    def __init__(self, args, base):
        self.args = args
        self.wire = Wire(base)
        self.lab = Lab(base + '/lab', instances=('mb1', 'mb2'),
                       prefix='mbox%de' % os.getpid())

    def __enter__(self):
        try:
            with on_processors(self.wire.others):
                self.lab.up()
                self.wire.__enter__()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *args):
        self.lab.down()
        self.wire.__exit__()

    def environment(self, name):
        return dict(self.lab.env, MBOX_NAME=name, MBOX_CLASS='ids',
                    MBOX_COORDINATOR=self.coordinator,
                    MBOX_STATE_START=self.lab.path + '/start')

    @contextlib.contextmanager
    def running(self, program, variant):
        """Runs a program at the wire."""
        name = self.lab.instances[0]
        joins = variant in ('joined', 'tracked')
        env = dict(self.lab.env)
        if joins:
            env = self.environment(name)
        for stale in self.lab.path + '/start', self.output():
            with contextlib.suppress(FileNotFoundError):
                os.unlink(stale)
        with on_processors(self.wire.last):
            p = self.lab.start(name, program.argv(VARIANTS[variant], name),
                               ns=self.wire.mb, env=env)
        try:
            if joins:
                self.lab.wait_for_instance(name, p)

            def listens():
                if p.poll() is not None:
                    with open(self.output()) as f:
                        raise LabError('%s ended at its start: %s' % (
                            program.name, f.read()[-2000:]))
                return self.wire.is_open(p.pid)
            mbox_lab.wait_until('%s reads packets' % program.name, listens)
            yield p.pid
        finally:
            self.lab.stop(name, patience=10)

    @contextlib.contextmanager
    def replica(self, argv):
        """Runs another instance, which gets no packets."""
        name = self.lab.instances[1]
        with on_processors(self.wire.others):
            p = self.lab.start(name, argv, ns=self.lab.hosts[name].ns,
                               env=self.environment(name))
        try:
            self.lab.wait_for_instance(name, p)
            yield p.pid
        finally:
            self.lab.stop(name, patience=10)

    def copy(self, *options):
        """Copies all state to the replica."""
        return json.loads(self.lab.appctl(
            'mbox/copy', *self.lab.instances, 'any', '--timeout=600',
            '--format=json', *options))

    @property
    def coordinator(self):
        return 'unix:%s/mbox.sock' % self.lab.path

    def output(self):
        return '%s/%s.out' % (self.lab.path, self.lab.instances[0])

    def dropped(self, pid, variant, sent, passed_on):
        """How many packets of 'sent' the program has not seen."""
        if variant not in ('plain', 'unjoined'):
            return sent - passed_on
        os.kill(pid, signal.SIGUSR1)

        def answer():
            with open(self.output(), errors='replace') as f:
                return re.search(r'packets \d+ dropped (\d+)\n', f.read())
        return int(mbox_lab.wait_until('libpcap tells what was dropped',
                                       answer)[1])

    def cost(self, program, files, variant):
        """Processor time for each packet of the second capture, in ns, and
        how many of these the program has missed."""
        (first, _), (load, n) = files
        rate = self.args.send_rate
        with contextlib.ExitStack() as stack:
            pid = stack.enter_context(self.running(program, variant))
            self.wire.replay(first, rate, pid)
            settle([pid])
            if variant == 'tracked':
                stack.enter_context(self.replica([
                    program.path('sink'), self.lab.instances[1], 'ids',
                    self.coordinator]))
                self.copy('--every=3600000')
            begin, = settle([pid])
            packets = self.wire.sent()
            self.wire.replay(load, rate, pid)
            end, = settle([pid])
            packets = self.wire.sent() - packets
            dropped = self.dropped(pid, variant, n, packets)
            if variant == 'tracked':
                self.check_tracked()
        if dropped == n:
            raise LabError('%s, %s: no packet came through' % (program.name,
                                                               variant))
        return (end - begin) / (n - dropped), dropped

    def check_tracked(self):
        answer = json.loads(self.lab.appctl('mbox/status', '1',
                                            '--format=json', check=False)
                            or '{}')
        if answer.get('replica', {}).get('rounds') != 1:
            raise LabError('tracked: not one round: %s' % answer)


def quartiles(values):
    low, middle, high = (statistics.quantiles(values, n=4, method='inclusive')
                         if len(values) > 1 else 3 * values)
    return {'median': round(middle, 4), 'quartiles': [round(low, 4),
                                                      round(high, 4)]}


def overhead(bench, program, args):
    """Measures a program as all variants, in turn; returns figures, and rows
    of the table."""
    files = program.write(args)
    costs = {variant: [] for variant in VARIANTS}
    for i in range(args.rounds):
        for variant in list(VARIANTS)[::-1 if i % 2 else 1]:
            costs[variant].append(bench.cost(program, files, variant))

    result, table = {'packets': files[1][1], 'sent_per_s': args.send_rate}, []
    for variant, runs in costs.items():
        ns, dropped = zip(*runs)
        result[variant] = {'ns_per_packet': round(median(ns), 1),
                           'packets_per_cpu_s': round(1e9 / median(ns)),
                           'dropped': sum(dropped)}
        table.append(('%s, %s' % (program.name, variant),
                      '%d packets per second of a processor, %d ns each, '
                      '%d dropped' % (1e9 / median(ns), median(ns),
                                      sum(dropped)), ''))
    for name, base, bar in RATIOS:
        ratio = quartiles([a[0] / b[0] for a, b in zip(costs[name],
                                                       costs[base])])
        result['%s_vs_%s' % (name, base)] = ratio
        table.append(('%s, %s / %s' % (program.name, name, base),
                      '%.3f (half between %.3f and %.3f)'
                      % (ratio['median'], *ratio['quartiles']), bar))
    return result, table


def chosen(args, base):
    """The programs, built."""
    for name in args.programs or PROGRAMS:
        program = PROGRAMS[name](base)
        program.build()
        yield program


def bench_overhead(args, base):
    results, table = {}, []
    load = os.getloadavg()[0]
    for program in chosen(args, base):
        with Bench(args, base) as bench:
            results[program.name], rows = overhead(bench, program, args)
        table += rows
    results['load'] = [load, os.getloadavg()[0]]
    table.append(('load of the machine, before and after', '%.1f, %.1f'
                  % tuple(results['load']), ''))
    return results, table


def copy_cost(bench, pids, scope):
    """Copies all state of a scope; returns figures, or None if there is
    none."""
    before = settle(pids)
    answer = bench.copy('--scope=' + scope)
    export, put = (b - a for a, b in zip(before, settle(pids)))
    n = answer['chunks']
    return n and {'entries': n,
                  'bytes_per_entry': round(answer['state_bytes'] / n),
                  'exported_per_cpu_s': round(n * 1e9 / export),
                  'imported_per_cpu_s': round(n * 1e9 / put),
                  'copy_ms': round(answer['transfer_ms'], 1)}


def copies(program, flows, args, base):
    """What it costs to copy state to an instance that has none."""
    options = types.SimpleNamespace(first=flows, connections=0)
    (first, _), _ = program.write(options)
    with Bench(args, base) as bench, \
            bench.running(program, 'joined') as pid:
        bench.wire.replay(first, 0, pid)
        settle([pid])
        with bench.replica(program.argv('enabled',
                                        bench.lab.instances[1])) as other:
            results = {scope: copy_cost(bench, [pid, other], scope)
                       for scope in ('multi-flow', 'per-flow')}
    return {scope: figures for scope, figures in results.items() if figures}


def effort(program, args, base):
    """Returns figures, and rows of the table."""
    report = program.report
    variables = {what: int(n) for n, what in re.findall(
        r'(\d+) (links|references|owned|names|by hooks|bytes)',
        re.search(r'^variables: (.*)', report, re.M)[1])}
    writes, points = map(int, re.search(
        r'^writes: (\d+) .* at (\d+) points', report, re.M).groups())
    result = {'hand_written_lines': program.hand_written(),
              'variables': variables, 'writes': writes, 'points': points,
              'copies': []}
    table = [('lines written by hand', '%d' % result['hand_written_lines'],
              ''),
             ('variables that move', '%d: %s' % (
                 sum(variables.values()), ', '.join(
                     '%d %s' % (n, what) for what, n in variables.items())),
              ''),
             ('writes, and points that tell of them', '%d, %d'
              % (writes, points), '')]
    for flows in EFFORT_FLOWS[:None if program.grows else 1]:
        for scope, figures in copies(program, flows, args, base).items():
            result['copies'].append(dict(figures, scope=scope))
            table.append((
                '%d %s' % (figures['entries'], 'flows' if scope == 'per-flow'
                           else 'hosts'),
                '%(bytes_per_entry)d bytes each; %(exported_per_cpu_s)d '
                'exported, %(imported_per_cpu_s)d imported per second of a '
                'processor; copied in %(copy_ms).1f ms' % figures, ''))
    return result, [('%s, %s' % (program.name, what), *rest)
                    for what, *rest in table]


def bench_effort(args, base):
    results, table = {}, []
    for program in chosen(args, base):
        results[program.name], rows = effort(program, args, base)
        table += rows
    return results, table
