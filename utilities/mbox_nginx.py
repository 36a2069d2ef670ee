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

"""nginx as a server of a lab."""

import os

from mbox_lab import find_program

CONF = """\
daemon off;
worker_processes 1;
user root;
pid {path}/{name}.pid;
error_log {path}/{name}.log;
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {path}/{name}.tmp;
    proxy_temp_path {path}/{name}.tmp;
    fastcgi_temp_path {path}/{name}.tmp;
    uwsgi_temp_path {path}/{name}.tmp;
    scgi_temp_path {path}/{name}.tmp;
{http}
    server {{
{server}
    }}
}}
"""


def start(lab, ns, server, http='', name='nginx'):
    """Starts nginx in namespace 'ns' as the program 'name' of the lab, with
    its files in the lab's directory.  'server' and 'http' are what these
    blocks of its configuration have beyond where files are; 'server' says
    where it listens.  Does not wait until it answers."""
    os.makedirs('%s/%s.tmp' % (lab.path, name), exist_ok=True)
    conf = '%s/%s.conf' % (lab.path, name)
    with open(conf, 'w') as f:
        f.write(CONF.format(path=lab.path, name=name, http=http,
                            server=server))
    return lab.start(name, [find_program('nginx'), '-p', lab.path, '-c', conf],
                     ns=ns)
