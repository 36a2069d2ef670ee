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

"""Programs that are state-enabled to measure what that costs: how they are
built, run and loaded."""

import glob
import os
import shlex
import subprocess

from mbox_bench_captures import Capture
from mbox_lab import LabError, run

here = os.path.dirname(os.path.realpath(__file__))
SOURCE = os.path.normpath(here + '/..')
TESTS = SOURCE + '/tests/state-enable'

# What a state-enabled program calls instead: see state-enable/runtime/pcap.c.
PCAP = ('open_live', 'create', 'close', 'dispatch', 'loop', 'next', 'next_ex',
        'breakloop', 'setfilter', 'setdirection', 'setnonblock', 'getnonblock',
        'fileno', 'get_selectable_fd', 'stats', 'inject', 'sendpacket')


def setting(name):
    if name not in os.environ:
        raise LabError('%s is not set: use "./quickstart bench", which is in '
                       'the source' % name)
    return os.environ[name]


def command(argv, **kwargs):
    """Runs a command that may print much."""
    p = subprocess.run(argv, stdin=subprocess.DEVNULL, check=False, text=True,
                       stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                       **kwargs)
    if p.returncode:
        raise LabError('"%s" failed: %s' % (' '.join(argv[:8]),
                                            p.stdout[-2000:]))


def pkg_config(what, *packages):
    return shlex.split(run(['pkg-config', what, *packages]))


def code_lines(path):
    """Lines of a file of C, without comments and empty ones."""
    text = run(['cpp', '-fpreprocessed', '-dD', '-P', path])
    return sum(1 for line in text.splitlines() if line.strip())


class Program:
    """A program, of several kinds:

      plain    not state-enabled
      libmbox  not state-enabled either, but packets come by libmbox, and go
      enabled  state-enabled

    and 'sink', which takes the state of the last kind."""

    libraries = ('-lpcap',)
    optimise = '-O2'
    grows = True                # With the number of flows.
    hooks = ()                  # Files of C.
    settings = {}               # For mbox-state-link.

    def __init__(self, base):
        self.base = '%s/%s' % (base, self.name)
        os.makedirs(self.base, exist_ok=True)

    def path(self, name):
        return '%s/%s' % (self.base, name)

    @property
    def report(self):
        with open(self.path('enabled.state')) as f:
            return f.read()

    def bitcode(self):
        """Of the whole program."""
        command([SOURCE + '/tests/statealyzr/corpus/capture', self.name])
        return '%s/%s.bc' % (setting('MBOX_CORPUS_DIR'), self.name)

    def build(self):
        """Builds all kinds, unless they are there."""
        if os.path.exists(self.path('enabled')):
            return
        clang = setting('MBOX_CLANG')
        include = setting('MBOX_STATE_INCLUDE')
        bitcode = self.bitcode()
        flags = [self.optimise, '-fPIE']
        # As mbox-state-link has it.
        compiler = [clang, '-Wno-everything', '-mllvm',
                    '-force-remove-attribute=noinline', *flags]
        for name in 'foreground', 'live-host', 'live-libmbox', 'live-sink':
            command([clang, *flags, '-D_GNU_SOURCE', '-I', include,
                     '-I', SOURCE + '/libmbox', '-I', SOURCE + '/lib',
                     '-c', '%s/%s.c' % (TESTS, name),
                     '-o', self.path(name + '.o')])
        # What is installed keeps libmbox's names to itself.
        library = [setting('MBOX_STATE_PARTS'), *pkg_config(
            '--libs', 'libssl', 'libcrypto'), '-lpthread', '-ldl']
        if subprocess.call(['pkg-config', '--exists', 'libdeflate']) == 0:
            library += pkg_config('--libs', 'libdeflate')
        command([clang, '-pie', self.path('live-sink.o'), *library, '-o',
                 self.path('sink')])
        link = ['-pie', '-Wl,--strip-debug', self.path('foreground.o'),
                self.path('live-host.o'), '-Wl,--wrap=pcap_open_live',
                *self.libraries]
        command([*compiler, bitcode, *link, '-o', self.path('plain')])

        command([*compiler, '-c', bitcode, '-o', self.path('program.o')])
        command(['objcopy', self.path('program.o')]
                + ['--redefine-sym=pcap_%s=mbox_state_pcap_%s' % (name, name)
                   for name in PCAP])
        command([clang, self.path('program.o'), self.path('live-libmbox.o'),
                 *link, *library, '-o', self.path('libmbox')])

        command([setting('MBOX_STATE_LINK'), self.path('enabled'), bitcode,
                 *flags, *link], env=dict(os.environ, **self.settings))

    def argv(self, kind, instance):
        """The command of a program, which logs apart from other
        instances."""
        return [self.path(kind)] + [argument.format(instance=instance)
                                    for argument in self.arguments()]

    def first(self, capture, options):
        """What comes before that is measured: it makes state."""
        capture.open(options.first)

    def load(self, capture, options):
        """What is measured."""
        capture.connect(options.first, options.connections)

    def write(self, options):
        """Writes the captures; returns a list of (file, packets)."""
        files = []
        for name, write in ('first', self.first), ('load', self.load):
            with Capture(self.path(name + '.pcap')) as capture:
                write(capture, options)
            files.append((self.path(name + '.pcap'), capture.n))
        return files

    def hand_written(self):
        return sum(code_lines(path) for path in self.hooks)


class P0f(Program):
    name = 'p0f'
    optimise = '-O3'            # As its build has it.

    def arguments(self):
        fingerprints = glob.glob(setting('MBOX_CORPUS_DIR')
                                 + '/p0f-*/p0f.fp')[0]
        return ['-i', 'eth0', '-o', self.path('{instance}.log'),
                '-m', '60000,60000', '-f', fingerprints]


class Scanlogd(Program):
    name = 'scanlogd'
    grows = False

    def arguments(self):
        return []               # The first interface that there is.

    # Far more hosts than it remembers would end each other's entries.
    def first(self, capture, options):
        capture.scan(1, 11)

    def load(self, capture, options):
        capture.scan(11, 11 + options.connections // 40)


class Ids(Program):
    """The engine of mbox-ids, without the callbacks by which that moves its
    flows."""

    name = 'mbox-ids'
    hooks = (TESTS + '/ids/hooks.c',)
    settings = {
        'MBOX_STATE_HOOK': 'struct ids_flow=ids_flow_hook,'
                           'struct ids_sig_stream.state=ids_stream_hook,'
                           'struct host=ids_host_hook',
        'MBOX_STATE_KEY': 'struct host.addr=ip_src',
        'MBOX_STATE_MERGE': 'struct host.last_seen=max,struct host.quiet_until'
                            '=max'}

    @property
    def libraries(self):
        return ['-lpcap', *pkg_config('--libs', 'libhs', 'json-c'), '-lcrypto',
                '-lpthread']

    def arguments(self):
        return [TESTS + '/ids/rules', 'eth0', self.path('{instance}.log')]

    def bitcode(self):
        command([TESTS + '/ids/compile', setting('MBOX_BUILDDIR')],
                cwd=self.base)
        command(['mbox-cc', '-O2', *glob.glob(self.path('*.o')),
                 *self.libraries, '-o', self.path('live')])
        return self.path('live.bc')


PROGRAMS = {kind.name: kind for kind in (P0f, Scanlogd, Ids)}
