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


"""Images of guests that run a middlebox.

An image is a directory with Debian's kernel ('vmlinuz'), an initial RAM disk
that holds the middlebox with the shared libraries that it needs, busybox and
the kernel modules for QEMU's devices ('initramfs'), and what they were made of
('image.json').  Nothing is installed: the kernel's package is only unpacked,
and root is not needed.

Only the standard library is used; programs: cpio, dpkg-deb, ldd and, to get
the kernel's package, apt.
"""

import contextlib
import glob
import json
import lzma
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time

ENDING_SIGNALS = [signal.SIGINT, signal.SIGTERM, signal.SIGHUP]

KERNEL_PACKAGE = 'linux-image-cloud-amd64'

# What drives the devices that mbox_vm_machine gives to a guest, the one that
# mbox-cache makes, and what lets DPDK have the network device.
MODULES = ['virtio_pci', 'virtio_net', 'virtio_console', 'button', 'evdev',
           'qemu_fw_cfg', 'tun', 'uio_pci_generic']

# libmbox's part for DPDK, in a guest, and the drivers that it needs there.
DPDK_MODULE = '/usr/lib/libmbox/port-dpdk.so'
DPDK_DRIVERS = ['librte_bus_pci.so', 'librte_mempool_ring.so',
                'librte_net_virtio.so']

INIT = os.path.join(os.path.dirname(os.path.realpath(__file__)),
                    'mbox-vm-init')


class VmError(Exception):
    """Something failed; the text says what and why."""


def run(argv, **kwargs):
    """Runs a command and returns its output."""
    try:
        p = subprocess.run(argv, stdout=subprocess.PIPE,
                           stderr=subprocess.PIPE, universal_newlines=True,
                           **kwargs)
    except FileNotFoundError:
        raise VmError('%s is not installed' % argv[0]) from None
    if p.returncode:
        raise VmError('"%s" failed: %s' % (' '.join(argv),
                                           (p.stderr or p.stdout).strip()))
    return p.stdout


def default_cache():
    return (os.environ.get('MBOX_VM_CACHE')
            or (os.environ.get('XDG_CACHE_HOME')
                or os.path.expanduser('~/.cache')) + '/ovs-mbox')


# The kernel.

def fetch_kernel(package=KERNEL_PACKAGE, cache=None):
    """Returns the file of a kernel's package: 'package' itself if that is a
    file, otherwise what the package of that name is or depends on now, from
    the folder 'cache' or from Debian's archive."""
    cache = os.path.abspath(cache or default_cache())
    if package.endswith('.deb'):
        return package
    depends = re.search(r'Depends: (linux-image-\S+)',
                        run(['apt-cache', 'depends', package]))
    name = depends.group(1) if depends else package
    version = re.search(r'Candidate: (\S+)',
                        run(['apt-cache', 'policy', name]))
    if not version or version.group(1) == '(none)':
        raise VmError('apt does not know the package %s ("apt-get update"?)'
                      % name)
    pattern = '%s/%s_%s_*.deb' % (cache, name,
                                  version.group(1).replace(':', '%3a'))
    if not glob.glob(pattern):
        os.makedirs(cache, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=cache) as tmp:
            run(['apt-get', '-q', 'download', '%s=%s'
                 % (name, version.group(1))], cwd=tmp)
            for file in os.listdir(tmp):
                os.rename('%s/%s' % (tmp, file), '%s/%s' % (cache, file))
    return glob.glob(pattern)[0]


def modules(folder, names):
    """The modules 'names' below 'folder' (/lib/modules/VERSION) and those that
    they need, in the order in which to load them, as pairs of a file name and
    its content."""
    files = {}
    for path, _, found in os.walk(folder):
        for file in found:
            match = re.match(r'(.*)\.ko(\.xz)?$', file)
            if match:
                files[match.group(1).replace('-', '_')] = path + '/' + file
    with open(folder + '/modules.builtin') as f:
        built_in = {os.path.basename(line.strip())[:-3].replace('-', '_')
                    for line in f}
    order = {}

    def add(name):
        if name in built_in or name + '.ko' in order:
            return
        if name not in files:
            raise VmError('the kernel lacks the module %s' % name)
        opener = lzma.open if files[name].endswith('.xz') else open
        with opener(files[name], 'rb') as f:
            content = f.read()
        depends = re.search(rb'\0depends=([^\0]*)\0', content)
        for other in depends.group(1).decode().split(','):
            if other:
                add(other.replace('-', '_'))
        order[name + '.ko'] = content
    for name in names:
        add(name)
    return order.items()


# The program.

def find_executable(name):
    """The executable file of 'name', and folders of shared libraries beside
    the system's: of a program that libtool has built and not installed, not
    the script but what it would run."""
    path = shutil.which(name)
    if not path:
        raise VmError('%s: no such program' % name)
    path = os.path.realpath(path)
    real = '%s/.libs/%s' % os.path.split(path)
    if os.path.exists(real):
        with open(path, errors='replace') as f:
            folders = re.search(r'LD_LIBRARY_PATH="(.*):\$', f.read())
        return real, folders.group(1) if folders else ''
    return path, ''


def libraries(executable, folders):
    """Maps the path in the guest to the file here of each shared library that
    'executable' loads at its start."""
    env = dict(os.environ, LD_LIBRARY_PATH=folders, LC_ALL='C')
    found = {}
    for line in run(['ldd', executable], env=env).splitlines():
        missing = re.search(r'(\S+) => not found', line)
        if missing:
            raise VmError('%s needs %s, which is not there'
                          % (executable, missing.group(1)))
        library = re.search(r'(\S+) => (/\S+)', line)
        loader = re.match(r'\s*(/\S+)', line)
        if library:
            found['/usr/lib/' + library.group(1)] = library.group(2)
        elif loader:
            found[loader.group(1)] = loader.group(1)
    return found


# The image.

class Tree:
    """The files of an initial RAM disk, below 'root'."""

    def __init__(self, root):
        self.root = root

    def add(self, source, name, mode=0o644):
        target = self.root + name
        os.makedirs(os.path.dirname(target), exist_ok=True)
        shutil.copyfile(source, target)
        os.chmod(target, mode)

    def link(self, target, name):
        os.makedirs(os.path.dirname(self.root + name), exist_ok=True)
        os.symlink(target, self.root + name)

    def write(self, name, content):
        os.makedirs(os.path.dirname(self.root + name), exist_ok=True)
        with open(self.root + name, 'wb') as f:
            f.write(content)

    def strip(self, name):
        """Without debugging information, if there is a program for that."""
        with contextlib.suppress(VmError):
            run(['strip', self.root + name])

    def pack(self, output):
        names = []
        for path, folders, files in os.walk(self.root):
            names += [os.path.relpath(path + '/' + name, self.root)
                      for name in folders + files]
        with open(output, 'wb') as out:
            p = subprocess.run(['cpio', '--quiet', '-o', '-H', 'newc', '-R',
                                '0:0', '--reproducible'], cwd=self.root,
                               input='\n'.join(sorted(names)).encode(),
                               stdout=out)
        if p.returncode:
            raise VmError('%s: cpio failed' % output)


def find_busybox():
    path = shutil.which('busybox')
    if not path:
        raise VmError('busybox is not installed (busybox-static)')
    return path


def add_executable(tree, executable, folders, name):
    """Adds a program or library as 'name', with the libraries that it needs;
    returns these, as libraries() does."""
    tree.add(executable, name, 0o755)
    tree.strip(name)
    needed = libraries(executable, folders)
    for library, source in needed.items():
        tree.add(source, library, 0o755)
        tree.strip(library)
    return needed


def add_dpdk(tree, libmbox):
    """Adds what the library 'libmbox' needs for DPDK ports, if it has those
    here."""
    module = (os.environ.get('MBOX_MODULE_DIR')
              or os.path.dirname(libmbox) + '/libmbox') + '/port-dpdk.so'
    if not os.path.exists(module):
        return
    needed = add_executable(tree, module, '', DPDK_MODULE)
    eal = next(path for name, path in needed.items() if 'librte_eal.' in name)
    for folder in glob.glob(os.path.realpath(os.path.dirname(eal))
                            + '/dpdk/pmds-*'):
        for driver in DPDK_DRIVERS:
            # The name that others know it by, which is the shortest.  DPDK
            # looks into this folder, and takes a link for the same.
            for library in sorted(glob.glob('%s/%s.*' % (folder, driver)))[:1]:
                name = '/usr/lib/' + os.path.basename(library)
                add_executable(tree, library, '', name)
                tree.link(name, '%s/%s' % (folder, driver))


def add_program(tree, program):
    """Adds a program with its libraries, and returns its path in the
    guest."""
    executable, folders = find_executable(program)
    name = '/usr/bin/' + os.path.basename(executable)
    for library, source in add_executable(tree, executable, folders,
                                          name).items():
        if os.path.basename(library).startswith('libmbox.so.'):
            add_dpdk(tree, source)
    return name


def add_modules(tree, folder, wanted):
    """Adds the modules 'wanted' of those in 'folder', and what they need."""
    names = []
    for file, content in modules(folder, wanted):
        name = '/lib/modules/' + file
        tree.write(name, content)
        names.append(name + '\n')
    tree.write('/etc/modules', ''.join(names).encode())


def is_image(path):
    return os.path.exists(path + '/image.json')


def check_files(files):
    """Fails if the pairs of a path here and one in the guest are not files
    that can be read and places in the tree."""
    for source, name in files:
        if not re.match('/[^/]', name) or os.path.normpath(name) != name:
            raise VmError('%s is no absolute path without ".", ".." and empty '
                          'parts' % name)
        with open(source, 'rb'):
            pass


def replace(image, new, aside):
    """Makes the directory 'new' the image, and moves what was there to
    'aside'.  A signal that ends this program waits until both are done."""
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, ENDING_SIGNALS)
    try:
        if is_image(image):
            os.rename(image, aside)
        os.rename(new, image)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def make_image(image, init, wanted, fill, package=KERNEL_PACKAGE, cache=None):
    """Makes the image directory 'image' with the first program 'init' and the
    kernel's modules 'wanted'.  'fill' adds the rest to the tree that it is
    called with, and returns what else image.json is to say.  An image that is
    there stays until the new one is complete.  Returns what is in
    image.json."""
    image = os.path.abspath(image)
    if os.path.exists(image) and not is_image(image):
        raise VmError('%s is there and is no image' % image)
    for tool in 'cpio', 'ldd', 'dpkg-deb':
        if not shutil.which(tool):
            raise VmError('%s is not installed' % tool)
    begin = time.monotonic()
    deb = fetch_kernel(package, cache)
    os.makedirs(os.path.dirname(image), exist_ok=True)
    with tempfile.TemporaryDirectory(prefix='.mbox-vm-',
                                     dir=os.path.dirname(image)) as tmp:
        run(['dpkg-deb', '-x', deb, tmp + '/kernel'])
        version = os.listdir(tmp + '/kernel/lib/modules')[0]
        tree = Tree(tmp + '/root')
        tree.add(init, '/init', 0o755)
        tree.add(find_busybox(), '/bin/busybox', 0o755)
        add_modules(tree, tmp + '/kernel/lib/modules/' + version, wanted)
        about = fill(tree)

        os.mkdir(tmp + '/image')
        tree.pack(tmp + '/image/initramfs')
        shutil.copyfile('%s/kernel/boot/vmlinuz-%s' % (tmp, version),
                        tmp + '/image/vmlinuz')
        about['kernel'] = version
        about['bytes'] = sum(os.path.getsize('%s/image/%s' % (tmp, name))
                             for name in ('vmlinuz', 'initramfs'))
        about['seconds'] = round(time.monotonic() - begin, 2)
        with open(tmp + '/image/image.json', 'w') as f:
            json.dump(about, f, indent=4)
            f.write('\n')
        replace(image, tmp + '/image', tmp + '/old')
    return about


def build(image, program, files=(), package=KERNEL_PACKAGE, cache=None):
    """Makes the image directory 'image' of a middlebox, with more files: pairs
    of the path here and in the guest.  Otherwise as make_image()."""
    check_files(files)

    def fill(tree):
        guest = add_program(tree, program)
        tree.write('/etc/mbox-program', guest.encode() + b'\n')
        for source, name in files:
            tree.add(source, name)
        return {'program': guest}
    return make_image(image, INIT, MODULES, fill, package, cache)
