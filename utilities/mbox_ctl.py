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

"""Commands and figures of a switch, for the tools that look at it.

ovs-vswitchd is asked through its unixctl socket, with Open vSwitch's own
Python library.
"""

import json
import math
import re

VERSION = '0.1.0'


class SwitchError(Exception):
    """The switch cannot be asked, or refuses; the text says why."""


class Switch:
    """ovs-vswitchd: connected when it is needed, and again after an error.

    A command blocks until its answer is there."""

    def __init__(self, target='ovs-vswitchd'):
        try:
            import ovs.dirs
            import ovs.unixctl.client
            import ovs.util
        except ImportError as e:
            raise SwitchError("Open vSwitch's Python library is missing (%s): "
                              'install python3-openvswitch, or set '
                              'PYTHONPATH' % e) from None
        self._ovs = ovs
        self._target = target
        self._client = None

    def _socket_name(self):
        # ovs.unixctl.socket_name_from_target() would lock the pidfile for a
        # moment, in which the daemon refuses to start: "already running".
        if self._target.startswith('/') or ':' in self._target:
            return self._target
        prefix = '%s/%s' % (self._ovs.dirs.RUNDIR, self._target)
        try:
            with open(prefix + '.pid') as f:
                return '%s.%d.ctl' % (prefix, int(f.read()))
        except (OSError, ValueError):
            raise SwitchError('cannot read pidfile "%s.pid"'
                              % prefix) from None

    def _connect(self):
        ovs = self._ovs
        name = self._socket_name()
        error, client = ovs.unixctl.client.UnixctlClient.create(name)
        if error:
            raise SwitchError('cannot connect to "%s" (%s)'
                              % (name, ovs.util.ovs_retval_to_string(error)))
        self._client = client

    def command(self, name, *args):
        """The answer to a command, as text."""
        if not self._client:
            self._connect()
        try:
            errno, error, result = self._client.transact(name, list(args))
        except (OSError, UnicodeError) as e:
            self.close()
            raise SwitchError('%s: %s' % (self._target, e)) from None
        if errno:
            self.close()
            raise SwitchError('%s: %s' % (
                self._target, self._ovs.util.ovs_retval_to_string(errno)))
        if error is not None:
            raise SwitchError(error.strip())
        return result

    def json(self, name, *args):
        """The answer to a command that has --format=json."""
        text = self.command(name, *args, '--format=json')
        try:
            return json.loads(text)
        except ValueError as e:
            raise SwitchError('answer to %s: %s' % (name, e)) from None

    def metrics(self):
        """What parse_metrics() returns for "mbox/metrics"."""
        return parse_metrics(self.command('mbox/metrics'))

    def close(self):
        if self._client:
            self._client.close()
            self._client = None


_SAMPLE = re.compile(r'(\w+)(?:\{(.*)\})? (\S+)')
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)",?')
_ESCAPE = re.compile(r'\\(.)')


def parse_metrics(text):
    """Parses the text format of Prometheus.  Returns a dictionary by name of
    sample, of lists of (labels, value)."""
    metrics = {}
    for line in text.split('\n'):      # Labels may have other ends of lines.
        match = _SAMPLE.fullmatch(line)
        if not match or line.startswith('#'):
            continue
        labels = {label: _ESCAPE.sub(lambda m: {'n': '\n'}.get(m[1], m[1]),
                                     value)
                  for label, value in _LABEL.findall(match[2] or '')}
        metrics.setdefault(match[1], []).append((labels, _number(match[3])))
    return metrics


def _number(text):
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise SwitchError('answer to mbox/metrics: number "%s"' % text)
    return value
