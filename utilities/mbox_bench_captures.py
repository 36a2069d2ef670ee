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

"""Captures of TCP that benchmarks make: files of libpcap's format."""

import struct

FIN, SYN, ACK = 1, 2, 16
REQUEST = (b'GET /%d HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: '
           b'Mozilla/5.0 (X11; Linux x86_64) Chrome/30.0\r\nAccept: */*\r\n'
           b'Accept-Language: de,en\r\nConnection: keep-alive\r\n\r\n')
RESPONSE = (b'HTTP/1.1 200 OK\r\nServer: Apache/2.2\r\n'
            b'Content-Length: 0\r\nConnection: close\r\n\r\n')
CLIENTS, SERVERS = 5000, 10
SCANNERS = 200


class Capture:
    """A capture in the making; a context."""

    def __init__(self, path):
        self.file = open(path, 'wb')
        self.file.write(struct.pack('<IHHIIII', 0xa1b2c3d4, 2, 4, 0, 0, 65535,
                                    1))
        self.n = 0

    def __enter__(self):
        return self

    def __exit__(self, *args):
        self.file.close()

    def packet(self, source, destination, ports, flags, seq=0, ack=0,
               data=b''):
        options = (struct.pack('>BBHBBBBBB', 2, 4, 1460, 4, 2, 1, 3, 3, 7)
                   + bytes(2) if flags & SYN else b'')
        tcp = struct.pack('>HHIIBBHHH', *ports, seq, ack,
                          (20 + len(options)) // 4 << 4, flags, 64240, 0,
                          0) + options + data
        frame = (bytes(12) + b'\x08\x00'
                 + struct.pack('>BBHHHBBH4s4s', 0x45, 0, 20 + len(tcp), 1,
                               0x4000, 64, 6, 0, source, destination) + tcp)
        self.n += 1
        self.file.write(struct.pack('<IIII', 1700000000 + self.n // 100000,
                                    self.n % 100000 * 10, len(frame),
                                    len(frame)) + frame)

    def segment(self, i, to_server, *args):
        """Of connection 'i'."""
        client = struct.pack('>BBH', 10, 1, i % CLIENTS)
        server = struct.pack('>BBBB', 10, 2, 0, i % SERVERS)
        ports = 1024 + i // CLIENTS, 80
        if to_server:
            self.packet(client, server, ports, *args)
        else:
            self.packet(server, client, ports[::-1], *args)

    def opening(self, i):
        self.segment(i, True, SYN, 0, 0)
        self.segment(i, False, SYN | ACK, 0, 1)
        self.segment(i, True, ACK, 1, 1)

    def half(self, i):
        """A response whose headers have not ended."""
        request = REQUEST % i
        self.segment(i, True, ACK, 1, 1, request)
        self.segment(i, False, ACK, 1, 1 + len(request), RESPONSE[:-2])

    def rest(self, i):
        request = REQUEST % i
        end = 1 + len(request)
        self.segment(i, True, ACK, 1, 1, request)
        self.segment(i, False, ACK, 1, end, RESPONSE)
        self.segment(i, True, ACK, end, 1 + len(RESPONSE))
        self.segment(i, True, ACK | FIN, end, 1 + len(RESPONSE))
        self.segment(i, False, ACK | FIN, 1 + len(RESPONSE), end + 1)

    def open(self, n):
        """Opens the connections before 'n'."""
        for i in range(n):
            self.opening(i)

    def connect(self, first, n):
        """Brings 'n' connections to their end, half of which are among the
        'first' that were opened before, as long as there are some."""
        for i in range(n):
            there = i % 2 == 0 and i < first
            connection = i if there else first + i
            if not there:
                self.opening(connection)
            self.rest(connection)

    def scan(self, begin, end):
        """Has each of some addresses try the ports from 'begin' up to
        'end'."""
        for port in range(begin, end):
            for i in range(SCANNERS):
                self.packet(struct.pack('>BBH', 10, 3, i),
                            bytes([10, 2, 0, 1]), (40000, port), SYN)
