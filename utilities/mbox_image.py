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

"""Images of the state of state-enabled programs (see
state-enable/runtime/image.h), read by the description that the program gives
of them (mbox_layout.py).

Both come from an instance, and may be anything: what does not fit together is
an ImageError."""

import bisect
import collections
import ipaddress
import json
import re
import struct
import time

MAGIC = 0x4d535432              # Of format 2.
MAGIC_LOOK = 0x4d534c32         # Not to be imported.
MAGIC_UNREADABLE = 0x4d535532
BLOCKS_MAX = 16 * 1024 * 1024   # Bytes that the objects have together.
BYTES = 0xffff                  # An object without a type.
NO_NODE = 0xffff
REFERENCES = {                  # Kinds, and formats of what follows.
    0: ('null', ''), 1: ('owned', '>II'), 2: ('node', '>I'),
    3: ('static', '>IQIQ'), 4: ('symbol', '>IQ'),
}
LOOK_BYTES, LOOK_TEXT, LOOK_ERROR = range(3)    # At members with hooks.
REFUSED = 5                     # A pointer in a look: not followed.
MEMBERS_MAX = 100000            # Of one image.
BYTES_OF_ONE = 64               # More of them, or of its name, are several.
SEARCHED_MAX = 10000000
DEPTH_MAX = 64                  # Of objects of other types.

IPV4, IPV6 = (2, 4), (6, 10)    # Versions, or address families.
V4_MAPPED = bytes(10) + b'\xff\xff'


class ImageError(Exception):
    """An image that is malformed, or is not as it is described."""


class Reader:
    """The numbers in an image, which are big-endian."""

    def __init__(self, data):
        self.data = data
        self.at = 0

    def bytes(self, n):
        if n > len(self.data) - self.at:
            raise ImageError('it is truncated')
        self.at += n
        return self.data[self.at - n:self.at]

    def number(self, n):
        return int.from_bytes(self.bytes(n), 'big')

    def string(self):
        text = self.bytes(self.number(2)).decode('latin-1')
        if not (text.isascii() and text.isprintable()):
            raise ImageError('a name is not in ASCII')
        return text

    def text(self):
        """What a hook says, or the system in the instance's language."""
        text = self.bytes(self.number(2)).decode('utf-8', 'replace')
        return ''.join(c if c.isprintable() else '?' for c in text)


Header = collections.namedtuple('Header', 'look build output types')


def read_header(r):
    """Reads what is before the objects: the build, the index of the output
    function whose needs it is restricted to, or None, and names of types."""
    magic = r.number(4)
    if magic == MAGIC_UNREADABLE:
        raise ImageError('it cannot be read: ' + r.text())
    if magic not in (MAGIC, MAGIC_LOOK):
        raise ImageError('it is no image')
    build = r.number(8)
    scope = r.number(1)         # And whether of a flow.
    output = scope // 2 - 1 if scope > 1 else None
    r.bytes(r.number(4))        # Placement variables.
    names = []
    for _ in range(r.number(2)):
        names.append(r.string())
        r.number(8)             # Hash of its layout.
    return Header(magic == MAGIC_LOOK, build, output, names)


def types_of(data):
    """The names of the structures in an image; None if it is none."""
    try:
        return read_header(Reader(data)).types
    except ImageError:
        return None


def is_unreadable(data):
    """Whether an instance says that there is state but not what."""
    return data[:4] == MAGIC_UNREADABLE.to_bytes(4, 'big')


def merged(ranges):
    """Ranges that do not touch, in their order."""
    result = []
    for start, end in sorted(ranges):
        if result and start <= result[-1][1]:
            result[-1] = result[-1][0], max(end, result[-1][1])
        else:
            result.append((start, end))
    return result


class Parts:
    """What images that are restricted to an output function, or to none, have
    of the objects of a type."""

    def __init__(self, image_type, output, pointer_size, spend):
        gone = [(l.offset, l.offset + l.size) for l in image_type.left_out
                if l.outputs is None or output in l.outputs]
        self.left_out = merged(gone)
        for p in image_type.pointers:
            spend(p.count)
            gone += [(p.offset + j * p.stride,
                      p.offset + j * p.stride + pointer_size)
                     for j in range(p.count)]
        for h in image_type.hooks:
            spend(h.count)
            gone += [(h.offset + j * h.stride,
                      h.offset + j * h.stride + h.size)
                     for j in range(h.count)]
        self.parts = []         # Start and end.
        at = 0
        for start, end in merged(gone) + [(image_type.size, None)]:
            if at < min(start, image_type.size):
                self.parts.append((at, min(start, image_type.size)))
            at = end
        spend(len(self.parts))

    def is_left_out(self, start, end):
        i = bisect.bisect_right(self.left_out, (start, float('inf'))) - 1
        return i >= 0 and end <= self.left_out[i][1]


def read_look(r):
    """What there is to be seen of a member with a hook: kind, and bytes or
    text."""
    kind = r.number(1)
    if kind == LOOK_BYTES:
        return kind, r.bytes(r.number(4))
    if kind not in (LOOK_TEXT, LOOK_ERROR):
        raise ImageError('a hook has said nothing that is known')
    return kind, r.text()


Hooked = collections.namedtuple('Hooked', 'hook kind data')


def read_reference(r):
    """A pointer: kind, and numbers or text."""
    kind = r.number(1)
    if kind == REFUSED:
        return 'refused', r.text()
    if kind not in REFERENCES:
        raise ImageError('a pointer is of no known kind')
    name, form = REFERENCES[kind]
    return (name, *struct.unpack(form, r.bytes(struct.calcsize(form))))


class Object:
    """A block of the heap: a node, something that it owns, or bytes."""

    def __init__(self, r, layout, names, parts_of, spend):
        number = r.number(2)
        structure = r.number(2)
        self.wanted = r.number(1) != 0
        size = r.number(4)
        self.offset = r.number(4)
        self.type = self.structure = None
        if number != BYTES:
            name = names[number] if number < len(names) else '?'
            self.type = layout.image_types.get(name)
            if not self.type:
                raise ImageError('it has a type that is not described')
        if structure != NO_NODE:
            if structure >= len(layout.structures):
                raise ImageError('it has a structure that is not described')
            self.structure = layout.structures[structure]
            if self.structure.type is not self.type:
                raise ImageError('a node is of another type')
            r.bytes(4 * self.structure.n_lists)     # Buckets.
        if self.offset > size or size > BLOCKS_MAX:
            raise ImageError('an object lies beside its block')
        self.elements = 0
        if self.type:
            self.elements = (size - self.offset) // self.type.size
            if not self.elements:
                raise ImageError('a %s is too short' % self.type.name)
            if self.structure or self.type.is_open:
                self.elements = 1
        self.parts = parts_of(self.type) if self.type else None
        self.data = self._read_block(r, size, spend)
        self.references = {}    # By offset in the block.
        self.hooked = {}        # What hooks have, likewise.
        self.seen_at = None     # The path by which it was come to.
        if self.type:
            self._read_references(r, layout.byte_order, spend)

    def _read_block(self, r, size, spend):
        if not self.type:
            return r.bytes(size)
        data = bytearray(size)
        data[:self.offset] = r.bytes(self.offset)
        at = self.offset
        for _ in range(self.elements):
            spend(1)
            for start, end in self.parts.parts:
                data[at + start:at + end] = r.bytes(end - start)
            at += self.type.size
        data[at:] = r.bytes(size - at)
        return bytes(data)

    def is_left_out(self, at, size):
        """Whether the image does not have some bytes of the block."""
        inside = at - self.offset
        if not self.parts or not size or inside < 0:
            return False
        start = inside % self.type.size if self.elements > 1 else inside
        return self.parts.is_left_out(start, start + size)

    def _live(self, p, start, order):
        """How many of the elements of a pointer there are references for."""
        if not p.live:
            return p.count
        at, size = start + p.live[0], p.live[1]
        if self.is_left_out(at, size):
            return 0
        return min(p.count, int.from_bytes(self.bytes(at, size), order))

    def _read_references(self, r, order, spend):
        pointers = [p for p in self.type.pointers
                    if p.count and not p.link]
        for e in range(self.elements if pointers else 0):
            start = self.offset + e * self.type.size
            for p in pointers:
                n = self._live(p, start, order)
                spend(1)
                for j in range(n):
                    if self.is_left_out(start + p.offset + j * p.stride, 1):
                        spend(1)
                        continue
                    self.references[start + p.offset + j * p.stride] = (
                        read_reference(r))

    def read_hooked(self, r, look, order, spend):
        for e in range(self.elements if self.type and self.type.hooks else 0):
            start = self.offset + e * self.type.size
            for h in self.type.hooks:
                spend(1)
                n = h.count
                if h.live:
                    n = min(n, int.from_bytes(
                        self.bytes(start + h.live[0], h.live[1]), order))
                for j in range(n):
                    self.hooked[start + h.offset + j * h.stride] = Hooked(
                        h, *read_look(r) if look
                        else (LOOK_BYTES, r.bytes(r.number(4))))

    def bytes(self, at, n):
        if at < 0 or n > len(self.data) - at:
            raise ImageError('a member lies beside its object')
        return self.data[at:at + n]


LEFT_OUT = object()             # The value of a member that was not sent.


class NotRead(str):
    """The value of a member that a hook has not read, or of a pointer that is
    not followed: why."""


class Value(collections.namedtuple('Value', 'path type value text hook',
                                   defaults=(None,))):
    """A member: what it is called from its node, its type, its value as it is
    in JSON (None: a null pointer), or bytes, and as people want it; the name
    of the hook by which it moves, or None."""
    __slots__ = ()

    def json_value(self):
        """Bytes are an object, so that nobody takes them for a string, and so
        is what is no value."""
        if self.value is LEFT_OUT:
            return {'left_out': True}
        if isinstance(self.value, NotRead):
            return {'not_read': self.value}
        return ({'hex': self.value.hex()} if isinstance(self.value, bytes)
                else self.value)

    def to_json(self):
        member = {'path': self.path, 'type': self.type}
        if self.hook is not None:
            member['hook'] = self.hook
        value = self.json_value()
        if self.value is LEFT_OUT or isinstance(self.value, NotRead):
            return {**member, **value}
        return {**member, 'value': value}


Node = collections.namedtuple('Node', 'name values')


def is_text(data):
    return all(32 <= b < 127 or b in b'\t\r\n' for b in data)


def string_of(data, is_char):
    """Bytes as a string, if they are one; as bytes, otherwise."""
    text, _, rest = data.partition(b'\0')
    if is_text(text) and (is_char or (text and not any(rest))):
        return text.decode('ascii')
    return data


def text_of_bytes(data):
    if len(data) == 16 and data[:12] == V4_MAPPED:
        return '%s (%s)' % (data.hex(' '), ipaddress.IPv4Address(data[12:]))
    used = data.rstrip(b'\0')
    zeros = len(data) - len(used)
    return ' '.join(([used.hex(' ')] if used else [])
                    + (['(%d zeros)' % zeros] if zeros else []))


def text_of(value):
    if isinstance(value, bytes):
        return text_of_bytes(value)
    return 'NULL' if value is None else json.dumps(value)


_REPEATED = re.compile(r'->([^>]*?)(?:\{(\d+)\})?->([^>]*)$')


def repeated(path):
    """The path of a pointer, shorter if that is called as the one that leads
    to its object: the n-th of a list is "->next{n}"."""
    match = _REPEATED.search(path)
    if not match or match[1] != match[3]:
        return path
    return '%s->%s{%d}' % (path[:match.start()], match[1],
                           int(match[2] or 1) + 1)


class Decoder:
    def __init__(self, data, layout):
        r = Reader(data)
        header = read_header(r)
        if header.build != layout.build:
            raise ImageError('it is of another build than the description')
        if header.output is not None and header.output >= len(layout.outputs):
            raise ImageError('it is for no output function')
        self.layout = layout
        self.n_members = self.n_searched = 0
        self.output = header.output
        self.parts = {}
        self.objects = []
        size = 0
        for _ in range(r.number(4)):
            o = Object(r, layout, header.types, self._parts_of, self._spend)
            self.objects.append(o)
            size += len(o.data)
            if size > BLOCKS_MAX:
                raise ImageError('its objects are too large')
        for o in self.objects:
            o.read_hooked(r, header.look, layout.byte_order, self._spend)
        if r.at != len(data):
            raise ImageError('%d bytes are left over' % (len(data) - r.at))

    def nodes(self):
        """What was asked for."""
        result = []
        for o in self.objects:
            if o.wanted and o.structure:
                self.values = []
                self.depth = 0
                o.seen_at = o.structure.name
                self._objects(o, '')
                result.append(Node(o.structure.name, self.values))
        return result

    def _parts_of(self, image_type):
        if image_type not in self.parts:
            self.parts[image_type] = Parts(
                image_type, self.output, self.layout.pointer_size,
                self._spend)
        return self.parts[image_type]

    def _spend(self, n):
        """Bounds what a description can make of a few bytes."""
        self.n_members += n
        if self.n_members > MEMBERS_MAX:
            raise ImageError('it has more than %d members' % MEMBERS_MAX)

    def _search(self, places):
        """Bounds how often a long list is searched."""
        self.n_searched += len(places)
        if self.n_searched > SEARCHED_MAX:
            raise ImageError('its description has too many pointers')
        return places

    def _put(self, path, type_name, value, text=None, hook=None):
        n = len(value) if isinstance(value, (bytes, str)) else 0
        self._spend((len(path) + n) // BYTES_OF_ONE)
        self.values.append(Value(path, type_name, value,
                                 text_of(value) if text is None else text,
                                 hook))

    def _put_hooked(self, t, path, hooked):
        name, data = hooked.hook.name, hooked.data
        if hooked.kind == LOOK_BYTES:
            text = '%d bytes%s' % (len(data), ': ' + text_of(
                data.decode('ascii') if is_text(data) else data)
                if data else '')
        else:
            text = data
        self._put(path, t.name,
                  NotRead(data) if hooked.kind == LOOK_ERROR else data,
                  '(%s: %s)' % (name or 'hook', text), name)

    def _objects(self, o, prefix):
        """An object, and those of the same type that it leads to, behind it:
        lists can be long."""
        outer = getattr(self, 'later', None)
        self.later = collections.deque([(o, prefix)])
        while self.later:
            self._object(*self.later.popleft())
        self.later = outer

    def _object(self, o, prefix):
        t = self.layout.types[o.type.type]
        for e in range(o.elements):
            at = o.offset + e * t.size
            if o.elements == 1 and t.members:
                self._members(o, t, at, prefix)
            else:
                self._member(o, t, at, '%s[%d]' % (prefix[:-2], e))

    def _members(self, o, t, at, prefix):
        for m in t.members:
            mt = self.layout.types[m.type]
            if m.bits:
                self._spend(1)
                self._bit_field(o, m, mt, at, prefix)
            elif m.name:
                self._member(o, mt, at + m.offset, prefix + m.name)
            else:
                self._spend(1)
                self._members(o, mt, at + m.offset, prefix)

    def _member(self, o, t, at, path):
        self._spend(1)
        key = self._key(o, at, t)
        if (o.is_left_out(at, t.size)
                and (key is not None or self._is_one(t))):
            self._put(path, t.name, LEFT_OUT, '(left out)')
        elif at in o.hooked and o.hooked[at].hook.size == t.size:
            self._put_hooked(t, path, o.hooked[at])
        elif key is not None:
            self._put(path, t.name, key, str(key))
        elif t.kind == 'pointer':
            self._pointer(o, t, at, path)
        elif t.kind == 'array':
            self._array(o, t, at, path)
        elif t.kind in ('struct', 'union'):
            self._members(o, t, at, path + '.')
        elif t.kind in ('int', 'float'):
            self._put(path, t.name, *self._scalar(o, t, at))

    def _is_one(self, t):
        """Whether a type is none of structs, which have members."""
        while t.kind == 'array':
            t = self.layout.types[t.target]
        return t.kind not in ('struct', 'union')

    # Numbers.

    def _integer(self, o, at, size, is_signed=False):
        return int.from_bytes(o.bytes(at, size), self.layout.byte_order,
                              signed=is_signed)

    def _scalar(self, o, t, at):
        """A number as value and text."""
        if t.kind == 'float':
            form = {4: 'f', 8: 'd'}.get(t.size)
            if not form:
                data = o.bytes(at, t.size)
                return data, text_of(data)
            order = '<' if self.layout.byte_order == 'little' else '>'
            value = struct.unpack(order + form, o.bytes(at, t.size))[0]
            # JSON has no NaN.
            return (value if abs(value) < float('inf') else str(value),
                    repr(value))
        return self._number(t, self._integer(o, at, t.size, t.is_signed))

    def _number(self, t, n):
        if t.name in ('_Bool', 'bool') and n in (0, 1):
            return bool(n), json.dumps(bool(n))
        if n in t.enumerators:
            return t.enumerators[n], t.enumerators[n]
        if t.name in ('time_t', '__time_t') and 0 <= n < 1 << 40:
            return n, '%d (%s)' % (n, time.strftime('%Y-%m-%d %H:%M:%S UTC',
                                                    time.gmtime(n)))
        if t.name == 'in_port_t' and t.size == 2:
            n = int.from_bytes((n & 0xffff).to_bytes(
                2, self.layout.byte_order), 'big')
        elif t.name == 'in_addr_t' and t.size == 4:
            address = str(ipaddress.IPv4Address((n & 0xffffffff).to_bytes(
                4, self.layout.byte_order)))
            return address, address
        elif t.name == 'char' and 32 <= n < 127:
            return n, "%d '%c'" % (n, n)
        return n, str(n)

    def _bit_field(self, o, m, t, at, prefix):
        first = at * 8 + m.bit_offset
        start, end = first // 8, (first + m.bits + 7) // 8
        n = self._integer(o, start, end - start)
        if self.layout.byte_order == 'little':
            n >>= first % 8
        else:
            n >>= end * 8 - first - m.bits
        n &= (1 << m.bits) - 1
        if t.is_signed and n >> (m.bits - 1):
            n -= 1 << m.bits
        self._put(prefix + m.name, '%s:%d' % (t.name, m.bits),
                  *self._number(t, n))

    # Addresses and ports.

    def _key(self, o, at, t):
        """An address or port at 'at', if its type or place says so."""
        if t.name == 'struct in_addr' and t.size == 4:
            return str(ipaddress.IPv4Address(o.bytes(at, 4)))
        if t.name == 'struct in6_addr' and t.size == 16:
            address = ipaddress.IPv6Address(o.bytes(at, 16))
            return ('::ffff:%s' % address.ipv4_mapped if address.ipv4_mapped
                    else str(address))
        for key in o.structure.keys if o.structure else ():
            if o.offset + key.offset == at and key.size == t.size:
                return self._key_value(o, key)
        return None

    def _key_value(self, o, key):
        data = o.bytes(o.offset + key.offset, key.size)
        order = self.layout.byte_order if key.host_order else 'big'
        if key.what == 'port':
            return int.from_bytes(data, order)
        is_ipv4 = len(data) == 4 or not any(data[4:])
        if data[:12] == V4_MAPPED:
            data = data[12:]
            is_ipv4 = True
        elif key.version and len(data) == 16:
            version = self._integer(o, o.offset + key.version[0],
                                    key.version[1])
            if version not in IPV4 + IPV6:
                return data.hex()
            is_ipv4 = version in IPV4
        if is_ipv4:
            return str(ipaddress.IPv4Address(int.from_bytes(data[:4], order)))
        return str(ipaddress.IPv6Address(data))

    # Arrays and strings.

    def _array(self, o, t, at, path):
        element = self.layout.types[t.target]
        n = t.elements
        if not n and element.size:              # Flexible: the rest.
            n = (len(o.data) - at) // element.size
        for p in self._search(o.type.pointers):
            inside = (at - o.offset) % o.type.size
            if (p.live and p.count == n
                    and inside <= p.offset < inside + element.size):
                n = min(n, self._integer(o, at - inside + p.live[0],
                                         p.live[1]))
        self._elements(o, element, at, n, path, '%s[%d]' % (element.name, n))

    def _elements(self, o, t, at, n, path, type_name):
        data = o.bytes(at, n * t.size)
        if t.kind == 'int' and t.size == 1 and not t.enumerators:
            self._put(path, type_name, string_of(data, t.name == 'char'))
        elif t.kind in ('int', 'float'):
            self._spend(n)
            values = [self._scalar(o, t, at + i * t.size) for i in range(n)]
            self._put(path, type_name,
                      [v.hex() if isinstance(v, bytes) else v
                       for v, _ in values],
                      '{ %s }' % ', '.join(text for _, text in values))
        else:
            for i in range(n):
                self._member(o, t, at + i * t.size, '%s[%d]' % (path, i))

    # Pointers.

    def _pointer(self, o, t, at, path):
        reference = o.references.get(at)
        if not reference:
            return              # A link: it is made anew.
        kind, *numbers = reference
        getattr(self, '_' + kind)(o, t, at, repeated(path), *numbers)

    def _null(self, o, t, at, path):
        self._put(path, t.name, None)

    def _refused(self, o, t, at, path, why):
        self._put(path, t.name, NotRead(why), '(not followed: %s)' % why)

    def _find(self, number):
        if number >= len(self.objects):
            raise ImageError('a pointer leads to no object')
        return self.objects[number]

    def _object_name(self, o):
        name = o.type.name
        if o.structure:
            keys = [str(self._key_value(o, k)) for k in o.structure.keys]
            return ' '.join([name, *keys])
        return name if o.elements == 1 else '%s[%d]' % (name, o.elements)

    def _node(self, o, t, at, path, number):
        to = self._find(number)
        if not to.structure:
            raise ImageError('a pointer to a node leads to none')
        self._to_object(o, t, to, path)

    def _to_object(self, o, t, to, path):
        name = self._object_name(to)
        if to.seen_at is not None:
            self._put(path, t.name, name, '(%s, as %s)' % (name, to.seen_at))
            return
        self._put(path, t.name, name, '(%s)' % name)
        to.seen_at = path
        if to.type is o.type:
            self.later.append((to, path + '->'))
            return
        self.depth += 1
        if self.depth > DEPTH_MAX:
            raise ImageError('objects are nested too deep')
        self._objects(to, path + '->')
        self.depth -= 1

    def _owned(self, o, t, at, path, number, offset):
        to = self._find(number)
        if to.type:
            inside = offset - to.offset
            if inside % to.type.size or inside < 0:
                raise ImageError('a pointer leads between objects')
            self._to_object(o, t, to, path)
            return
        element = (self.layout.types[t.target] if t.target is not None
                   else None)
        n = len(to.data) - offset
        if n < 0:
            raise ImageError('a pointer leads beside its object')
        if (element is None or element.kind not in ('int', 'float')
                or not element.size):
            self._put(path, t.name, to.data[offset:])
            return
        is_string = element.kind == 'int' and element.size == 1
        length = self._length(o, at)
        if length is not None:
            n = min(n, length * element.size)
        elif is_string:
            end = to.data.find(b'\0', offset)
            n = end - offset if end >= 0 else n
        self._elements(to, element, offset, n // element.size, path, t.name)

    def _length(self, o, at):
        """How many elements are behind the pointer at 'at', if it is known."""
        start = at - (at - o.offset) % o.type.size
        for p in self._search(o.type.pointers):
            if p.length and start + p.offset == at:
                return self._integer(o, start + p.length[0], p.length[1])
        return None

    def _static(self, o, t, at, path, variable, fingerprint, number, offset):
        if variable >= len(self.layout.variables):
            raise ImageError('a pointer leads to no variable')
        text = '%s#%d' % (self.layout.variables[variable], number)
        if offset:
            text += '+%d' % offset
        self._put(path, t.name, text, text)

    def _symbol(self, o, t, at, path, index, offset):
        if index >= len(self.layout.symbols):
            raise ImageError('a pointer leads to no symbol')
        name, text = self.layout.symbols[index]
        if text and offset <= len(text):
            self._put(path, t.name, text[offset:])
            return
        name = '&' + name + ('+%d' % offset if offset else '')
        self._put(path, t.name, name, name)


def decode(data, layout):
    """The nodes of an image that are what was asked for."""
    try:
        return Decoder(data, layout).nodes()
    except RecursionError:
        raise ImageError('objects are nested too deep') from None
