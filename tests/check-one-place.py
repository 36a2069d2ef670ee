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

"""Checks that the state of each flow was at one intrusion detection instance.

usage: check-one-place.py EVE-LOG...

When an instance ends it logs each flow that it has.  A flow that two have was
duplicated by a move.  If the flows count fewer packets than the instances have
processed, state got lost."""

import collections
import json
import sys

ends = collections.defaultdict(list)
processed = counted = 0
for name in sys.argv[1:]:
    stats = {'packets': 0}
    with open(name) as f:
        for line in f:
            event = json.loads(line)
            if event['event_type'] == 'stats':
                stats = event['stats']
            if event['event_type'] != 'flow':
                continue
            flow = event['flow']
            counted += flow['pkts_toserver'] + flow['pkts_toclient']
            if flow['reason'] == 'shutdown':
                ends[(event['proto'], event['src_ip'], event.get('src_port'),
                      event['dest_ip'], event.get('dest_port'))].append(name)
    processed += stats['packets']

twice = {flow: names for flow, names in ends.items() if len(names) > 1}
print('%d flows, %d packets processed, %d counted'
      % (len(ends), processed, counted))
for flow, names in sorted(twice.items())[:10]:
    print('%s is at %s' % (flow, ' and '.join(names)))
if twice:
    sys.exit('%d flows are at more than one instance' % len(twice))
if counted != processed:
    sys.exit('packets processed and packets counted differ')
