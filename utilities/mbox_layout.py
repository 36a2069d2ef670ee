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

"""What images of a state-enabled program have where, as the program says it
(Documentation/state-layout.md).

It comes from the instance, and so may be anything: all of it that
mbox_image.py uses is checked here."""

import json
import re

FORMAT = 'mbox-state-layout'
VERSION = 2
KINDS = ('void', 'int', 'float', 'pointer', 'function', 'struct', 'union',
         'array', 'opaque')
DEPTH_MAX = 32                  # Of types in types.
SIZE_MAX = 1 << 32
KEYS_MAX = 16                   # Members with parts of one key.

# Names are printed as they are.
NAME = re.compile(r'[A-Za-z0-9_.$:*?\[\]()<> -]{0,1000}')


class LayoutError(Exception):
    """A description that makes no sense."""


def get(o, name, kind, default=None):
    """A member of an object; one without a default has to be there."""
    value = o.get(name, default) if type(o) is dict else None
    if type(value) is not kind:
        raise LayoutError('"%s" is no %s' % (name, kind.__name__))
    return value


def get_number(o, name, end=SIZE_MAX):
    value = get(o, name, int)
    if not 0 <= value < end:
        raise LayoutError('"%s" is out of range' % name)
    return value


def get_name(o, name):
    value = get(o, name, str)
    if not NAME.fullmatch(value):
        raise LayoutError('"%s" is no name' % name)
    return value


def get_place(o, name):
    """Offset and size of an integer, or None."""
    value = get(o, name, list, [])
    if not value:
        return None
    if (len(value) != 2 or not all(type(n) is int for n in value)
            or not 0 <= value[0] < SIZE_MAX or value[1] not in (1, 2, 4, 8)):
        raise LayoutError('"%s" is no place of an integer' % name)
    return tuple(value)


class Member:
    def __init__(self, o, n_types):
        self.name = get_name(o, 'name')
        self.type = get_number(o, 'type', n_types)
        self.bits = get(o, 'bits', int, 0)
        if self.bits:
            self.bit_offset = get_number(o, 'bit_offset')
            self.offset = self.bit_offset // 8
            if not 0 < self.bits <= 64:
                raise LayoutError('"bits" is out of range')
        else:
            self.offset = get_number(o, 'offset')


class Type:
    def __init__(self, o, n_types):
        self.name = get_name(o, 'name')
        self.kind = get(o, 'kind', str)
        if self.kind not in KINDS:
            raise LayoutError('no kind of types: %.20s' % ascii(self.kind))
        self.size = get_number(o, 'size')
        self.is_signed = get(o, 'signed', bool, False)
        self.target = (get_number(o, 'target', n_types) if 'target' in o
                       else None)
        self.elements = (get_number(o, 'elements') if self.kind == 'array'
                         else 0)
        self.members = [Member(m, n_types)
                        for m in get(o, 'members', list, [])]
        self.enumerators = {}
        for e in get(o, 'enumerators', list, []):
            # The first of several names of one value.
            self.enumerators.setdefault(get(e, 'value', int),
                                        get_name(e, 'name'))
        if self.kind == 'int' and self.size not in (1, 2, 4, 8, 16):
            raise LayoutError('%s is no integer' % self.name)
        if self.kind == 'array' and self.target is None:
            raise LayoutError('%s is an array of nothing' % self.name)

    def parts(self):
        """Types that it consists of."""
        if self.kind == 'array':
            return [self.target]
        return [m.type for m in self.members]


class Pointer:
    """Pointers that the image has a reference for, each: 'count' of them,
    'stride' bytes apart."""
    def __init__(self, o):
        self.offset = get_number(o, 'offset')
        self.count = get_number(o, 'count')
        self.stride = get_number(o, 'stride')
        self.link = get(o, 'link', bool)
        self.live = get_place(o, 'live')
        self.length = get_place(o, 'length')


class Hook:
    """Members that the image has a hook's bytes for, as pointers."""
    def __init__(self, o):
        self.offset = get_number(o, 'offset')
        self.count = get_number(o, 'count')
        self.stride = get_number(o, 'stride')
        self.size = get_number(o, 'size')
        self.name = get_name(o, 'name') if 'name' in o else ''
        self.live = get_place(o, 'live')


class LeftOut:
    """Members that an image does not have, if it has only what one of some
    output functions needs, or in any case."""
    def __init__(self, o, n_outputs):
        self.offset = get_number(o, 'offset')
        self.size = get_number(o, 'size')
        self.outputs = None             # In any case.
        if 'outputs' in o:
            self.outputs = get(o, 'outputs', list)
            if any(type(i) is not int or not 0 <= i < n_outputs
                   for i in self.outputs):
                raise LayoutError('"outputs" has no output functions')


class ImageType:
    def __init__(self, o, types, n_outputs):
        self.name = get_name(o, 'name')
        self.type = get_number(o, 'type', len(types))
        self.size = types[self.type].size
        if not self.size:
            raise LayoutError('%s has no size' % self.name)
        self.pointers = [Pointer(p) for p in get(o, 'pointers', list)]
        self.hooks = [Hook(h) for h in get(o, 'hooks', list, [])]

        # It ends with an array to the end of the block.
        self.is_open = get(o, 'is_open', bool, False)
        self.left_out = [LeftOut(l, n_outputs)
                         for l in get(o, 'left_out', list, [])]


class Key:
    def __init__(self, o):
        self.what = get(o, 'is', str)
        if self.what not in ('address', 'port'):
            raise LayoutError('a key is no address or port')
        self.size = get_number(o, 'size')
        if self.size not in ((4, 16) if self.what == 'address' else (2, 4)):
            raise LayoutError('a key has no size that it can have')
        self.offset = get_number(o, 'offset')
        self.host_order = get(o, 'host_order', bool)
        self.version = get_place(o, 'version')


class Structure:
    def __init__(self, o, n_image_types):
        self.name = get_name(o, 'name')
        self.type = get_number(o, 'type', n_image_types)
        self.n_lists = get_number(o, 'lists', 256)
        keys = get(o, 'keys', list)
        if len(keys) > KEYS_MAX:
            raise LayoutError('%s has too many keys' % self.name)
        self.keys = [Key(k) for k in keys]


def check_depth(types):
    """Types do not contain themselves, and not too many of each other."""
    depths = {}

    def depth_of(i, above):
        if above > DEPTH_MAX:
            raise LayoutError('%s is nested too deep' % types[i].name)
        if i not in depths:
            depths[i] = 1 + max((depth_of(p, above + 1)
                                 for p in types[i].parts()), default=0)
        if above + depths[i] > DEPTH_MAX + 1:
            raise LayoutError('%s is nested too deep' % types[i].name)
        return depths[i]

    for i in range(len(types)):
        depth_of(i, 0)


class Layout:
    """Raises LayoutError if 'data' is none."""

    def __init__(self, data):
        try:
            o = json.loads(data)
        except (ValueError, RecursionError):
            raise LayoutError('it is not JSON') from None
        if get(o, 'format', str) != FORMAT:
            raise LayoutError('it is of another format')
        if get(o, 'version', int) != VERSION:
            raise LayoutError('it is of version %d, not %d'
                              % (o['version'], VERSION))
        self.byte_order = get(o, 'byte_order', str)
        if self.byte_order not in ('little', 'big'):
            raise LayoutError('no byte order')
        self.pointer_size = get_number(o, 'pointer_size', 9)
        try:
            self.build = int(get(o, 'build', str), 16)
        except ValueError:
            raise LayoutError('"build" is no number') from None
        types = get(o, 'types', list)
        self.types = [Type(t, len(types)) for t in types]
        check_depth(self.types)
        self.outputs = [get_name({'name': name}, 'name')
                        for name in get(o, 'outputs', list, [])]
        self.image_types = {}
        by_number = []
        for t in get(o, 'image_types', list):
            image_type = ImageType(t, self.types, len(self.outputs))
            by_number.append(image_type)
            self.image_types.setdefault(image_type.name, image_type)
        self.structures = [Structure(s, len(by_number))
                           for s in get(o, 'structures', list)]
        for s in self.structures:
            s.type = by_number[s.type]
        self.variables = []
        for name in get(o, 'variables', list):
            self.variables.append(get_name({'name': name}, 'name'))
        self.symbols = [(get_name(s, 'name'), get(s, 'text', str, ''))
                        for s in get(o, 'symbols', list)]
