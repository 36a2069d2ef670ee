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


"""What instantiators (Documentation/scale.md) have in common.

One is a subclass of Instance for a kind of instance, and main().
"""

import configparser
import contextlib
import fcntl
import os
import re
import signal
import subprocess
import sys
import time

import mbox_lab
from mbox_lab import LabError, run

RUNDIR = os.environ.get('OVS_RUNDIR', '/var/run/openvswitch')
LOGDIR = os.environ.get('OVS_LOGDIR', '/var/log/openvswitch')
CONFDIR = os.environ.get('OVS_SYSCONFDIR', '/etc') \
    + '/openvswitch/mbox-instances'
TERM_SECONDS = 5


# The longest name of a unix socket.
SOCKET_NAME_MAX = 107


def check_socket_names(*paths):
    """Fails if a unix socket cannot have one of these names."""
    for path in paths:
        if len(os.fsencode(path)) > SOCKET_NAME_MAX:
            raise LabError('%s: longer than the name of a socket' % path)


def vsctl(*args):
    """Runs ovs-vsctl, and returns its output.  Errors have its words only:
    ovs-vswitchd cuts what is long at the end."""
    p = subprocess.run(['ovs-vsctl', '--timeout=20'] + list(args),
                       stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                       universal_newlines=True)
    if p.returncode:
        raise LabError(p.stderr.strip() or 'ovs-vsctl: exit status %d'
                       % p.returncode)
    return p.stdout


def check_trusted(path):
    """Checks a file or directory that says what root executes."""
    s = os.stat(path)
    if s.st_uid not in (0, os.geteuid()) or s.st_mode & 0o022:
        raise LabError('%s: must belong to root and be writable by nobody else'
                       % path)


def read_trusted(path):
    """Returns what is in a text file that says what root executes."""
    check_trusted(path)
    with open(path) as f:
        try:
            return f.read()
        except ValueError as e:
            raise LabError('%s: %s' % (path, e)) from None


def find_serial_listener():
    """The socket at which the coordinator listens for guests."""
    addresses = vsctl('--if-exists', 'get', 'Open_vSwitch', '.',
                      'other_config:mbox-coordinator').strip().strip('"')
    for address in re.split('[ ,]+', addresses):
        if address.startswith('serial:/'):
            return address[len('serial:'):]
    raise LabError('the coordinator does not listen for guests: set '
                   'other_config:mbox-coordinator of the Open_vSwitch table '
                   'to serial:PATH')


def group_lives(pgid):
    """Whether there is a process, not a zombie, in process group 'pgid'."""
    stats = (mbox_lab.process_stat(int(pid))
             for pid in filter(str.isdigit, os.listdir('/proc')))
    return any(fields and int(fields[2]) == pgid for fields in stats)


def resign_privileges():
    """Gives up what the service of ovs-vswitchd has and a middlebox must not
    have: to be scheduled first and to be killed last."""
    if os.getpriority(os.PRIO_PROCESS, 0) < 0:
        os.setpriority(os.PRIO_PROCESS, 0, 0)
    with open('/proc/self/oom_score_adj', 'r+') as f:
        if int(f.read()) < 0:
            f.seek(0)
            f.write('0')


class Instance:
    """An instance that is, or will be, a port of the switch of the instance's
    name, and what it leads to: the process group of one process, unless
    something else has the process.

    A subclass has PROGRAM, its own name, and

    configure(parser)  takes what it needs from section [instance] of the
                       class's file, and raises configparser.Error or
                       ValueError if that cannot be;
    check()            raises LabError if the instance cannot be made; nothing
                       has been made yet;
    make()             makes everything but the port, and calls start() for
                       the process;
    interface()        returns what 'ovs-vsctl set Interface' is to set for the
                       port, a list of words;
    confirm()          is called with the port in the database; returns when
                       the process does what it should, or raises LabError;
    check_remove()     may be there, too, see below;
    remove()           removes what make() and confirm() have made, at whatever
                       point they were killed, and calls stop() for the
                       process.

    check() may set 'note', a line that is there again in check_remove() and
    remove(), unless the host was started anew in between: then it is ''."""

    def __init__(self, class_name, name):
        self.class_name = class_name
        self.name = name
        self.base = '%s/mbox-%s' % (RUNDIR, name)
        self.owner_file = self.base + '.instance'   # Has the mark.
        self.pid_file = self.base + '.started'      # Process id, start time.
        self.lock_file = self.base + '.lock'
        self.output_file = '%s/mbox-%s.out' % (LOGDIR, name)
        self.config_file = '%s/%s.conf' % (CONFDIR, class_name)
        # external_ids:mbox-instantiator of its Interface.
        self.mark = '%s/%s' % (self.PROGRAM, class_name)
        self.note = ''
        self._take_lock()

    def _take_lock(self):
        """Whoever destroys waits until nobody creates any more."""
        while True:
            self.lock = open(self.lock_file, 'w')
            fcntl.flock(self.lock, fcntl.LOCK_EX)
            # Whoever had it may have deleted it.
            with contextlib.suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(self.lock.fileno()),
                                    os.stat(self.lock_file)):
                    return

    def read_config(self):
        parser = configparser.ConfigParser(interpolation=None)
        try:
            parser.read_string(read_trusted(self.config_file))
            self.configure(parser)
        except (OSError, ValueError, configparser.Error) as e:
            raise LabError('%s: %s' % (self.config_file, e)) from None

    def fill_in(self, what, words, **kwargs):
        """Replaces {name} and {class}, and the 'kwargs' likewise, in each of
        'words', which are called 'what' in error messages."""
        values = {'name': self.name, 'class': self.class_name, **kwargs}
        try:
            return [word.format_map(values) for word in words]
        except (KeyError, ValueError, IndexError, AttributeError) as e:
            raise LabError('%s.conf: unknown word %s in the %s'
                           % (self.class_name, e, what)) from None

    def create(self):
        self.read_config()
        bridge = os.environ.get('MBOX_BRIDGE')
        if not bridge:
            raise LabError('no bridge: MBOX_BRIDGE is empty, as the class has '
                           'no instance yet')
        if self._find_port()[0]:
            raise LabError('%s: there is such a port' % self.name)
        if self.pid() or self._recorded() not in (None, self.mark):
            raise LabError('%s: there is such an instance' % self.name)
        self.check()

        # Whole or not at all.
        with open(self.owner_file + '.new', 'w') as f:
            f.write('%s\n%s\n' % (self.mark, self.note))
        os.rename(self.owner_file + '.new', self.owner_file)
        self.make()
        vsctl('add-port', bridge, self.name, '--', 'set', 'Interface',
              self.name, 'other_config:mbox-class=' + self.class_name,
              'other_config:mbox-name=' + self.name,
              'external_ids:mbox-instantiator="%s"' % self.mark,
              *self.interface())
        self.confirm()

    @staticmethod
    def vhost_user_port(vhost, mtu):
        """For interface(): a port that connects to the socket 'vhost'."""
        return ['type=dpdkvhostuserclient', 'mtu_request=%d' % mtu,
                'options:vhost-server-path="%s"' % vhost]

    def start(self, argv, enter=None):
        """Starts a process as the leader of a session.  It calls 'enter'
        first."""
        def prepare():
            if enter:
                enter()
            # Before anything can go wrong with it.
            with open(self.pid_file, 'w') as f:
                f.write('%d %d' % (os.getpid(),
                                   mbox_lab.start_time(os.getpid())))
            resign_privileges()
        with open(self.output_file, 'ab') as out:
            argv = self._scope(out) + argv
            try:
                return subprocess.Popen(argv, preexec_fn=prepare, stdout=out,
                                        stderr=out, stdin=subprocess.DEVNULL,
                                        start_new_session=True)
            except OSError as e:
                raise LabError('%s: %s' % (argv[0], e.strerror)) from None

    def _scope(self, out):
        """A command that executes another, as the same process, where systemd
        does not end it with the service of ovs-vswitchd."""
        if not os.path.isdir('/run/systemd/system'):
            return []
        systemd_run = ['systemd-run', '--scope', '--quiet', '--collect']
        try:
            run(systemd_run + ['--', 'true'])
        except (LabError, OSError) as e:
            out.write(('warning: %s ends with the service of ovs-vswitchd: '
                       '%s\n' % (self.name, e)).encode())
            out.flush()
            return []
        # One of an earlier instance of this name may not be gone yet.
        return systemd_run + ['--unit=mbox-%s-%d.scope'
                              % (self.name, os.getpid()), '--']

    def destroy(self):
        """Leaves nothing, whatever there is of it."""
        try:
            self._destroy()
        finally:
            os.unlink(self.lock_file)

    def _destroy(self):
        # The file knows of what has no port yet; it does not outlive a
        # reboot, but the database does.
        exists, marked = self._find_port()
        recorded = self._recorded()
        with contextlib.suppress(FileNotFoundError):
            os.unlink(self.owner_file + '.new')
        if not exists and recorded is None:
            return
        for mark in recorded, marked if exists else None:
            if mark is not None and mark != self.mark:
                program, _, class_name = mark.partition('/')
                if program != self.PROGRAM:
                    raise LabError('%s was not made by %s'
                                   % (self.name, self.PROGRAM))
                raise LabError('%s is an instance of class %s'
                               % (self.name, class_name))

        self.check_remove()
        if exists:
            vsctl('--if-exists', 'del-port', self.name)
        self.remove()
        for path in self.pid_file, self.owner_file:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)

    def _recorded(self):
        """The mark in the owner file, or None; sets the note that comes with
        it."""
        try:
            with open(self.owner_file) as f:
                mark, self.note = f.read().split('\n')[:2]
        except FileNotFoundError:
            return None
        return mark

    def check_remove(self):
        """Raises LabError if remove() would fail; the port is still there."""

    def _find_port(self):
        """Whether the database has a port or interface of the name, and the
        mark of an instantiator on it, or ''."""
        out = vsctl('--if-exists', 'get', 'Port', self.name, 'name', '--',
                    '--if-exists', 'get', 'Interface', self.name, 'name',
                    'external_ids:mbox-instantiator')
        lines = [line.strip('"') for line in out.splitlines()]
        # No name has a slash.
        return bool(lines), ''.join(line for line in lines if '/' in line)

    def pid(self):
        """Its process id; None if it has ended."""
        try:
            with open(self.pid_file) as f:
                pid, started = map(int, f.read().split())
        except (OSError, ValueError):
            return None
        return pid if mbox_lab.start_time(pid) == started else None

    def stop(self):
        """Ends the process and its descendants, as far as they are in its
        process group."""
        pid = self.pid()
        if not pid:
            return
        # As long as the group lives, nobody else gets its number.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(pid, signal.SIGTERM)
            kill_at = time.monotonic() + TERM_SECONDS
            while self.pid() or group_lives(pid):
                if time.monotonic() > kill_at:
                    os.killpg(pid, signal.SIGKILL)
                time.sleep(0.01)


def main(subclass, usage, errors=()):
    """The whole of the program of 'subclass', whose help is 'usage'.  Its
    methods may raise 'errors', too."""
    args = sys.argv[1:]
    if args in (['-h'], ['--help']):
        print(usage, end='')
        return
    if len(args) != 3 or args[0] not in ('create', 'destroy'):
        sys.exit(usage.splitlines()[0])
    try:
        for arg in args[1:]:
            if not re.fullmatch(r'[A-Za-z0-9_][A-Za-z0-9_.-]{0,62}', arg):
                raise LabError('%s: not a name' % arg)
        instance = subclass(args[1], args[2])
        if args[0] == 'create':
            instance.create()
        else:
            instance.destroy()
    except (LabError, OSError, subprocess.SubprocessError) + errors as e:
        sys.exit(str(e).replace('\n', ' '))
