"""The file system that code in the local sandbox sees.

A small read-only tmpfs with read-only views of the system's programs and libraries and of the
running Python, an `/etc` of our own, a fresh `/proc`, a handful of devices, and two writable
places: `/workspace` and `/tmp`, both in memory. No home folder, no `/var`, no `/run`.

All of it lives in a mount namespace, so nothing is left on the host when the last process ends.
"""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import NamedTuple

from conveyor_sandbox.capacity import most_files
from conveyor_sandbox.cgroup import Group
from conveyor_sandbox.syscalls import call

MIB = 1024 * 1024
WORKSPACE = "/workspace"
TMP = "/tmp"  # noqa: S108 - the sandbox's own
SHM = "/dev/shm"  # noqa: S108
PYTHON_PARTS = ("bin", "lib", "lib64", "pyvenv.cfg")
"""What an interpreter needs of its prefix. A prefix such as `~/.local` holds more than that."""

_STAGE = "/tmp"  # noqa: S108 - any folder of the host: it is covered in our namespace only
_SYSTEM = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/etc/alternatives")
_DEVICES = ("null", "zero", "full", "random", "urandom")
_DEVICE_LINKS = {"fd": "/proc/self/fd", "stdin": "fd/0", "stdout": "fd/1", "stderr": "fd/2"}
_PROC_READ_ONLY = ("sys", "irq", "bus", "fs", "sysrq-trigger")
_PROC_HIDDEN = ("kcore", "keys", "key-users", "kmsg", "timer_list", "sched_debug", "kallsyms")

_PRIVATE, _RECURSIVE = 1 << 18, 1 << 14  # of mount(2)
_NOSUID, _NODEV, _NOEXEC = 2, 4, 8  # of mount(2)
_SET_RDONLY, _SET_NOSUID, _SET_NODEV, _SET_NOEXEC = 1, 2, 4, 8  # of mount_setattr(2)
_HERE = -100  # AT_FDCWD
_EMPTY_PATH, _AT_RECURSIVE, _AT_NO_AUTOMOUNT = 0x1000, 0x8000, 0x800
_CLONE = 1
_MOVE_EMPTY_PATH = 4
_DETACH = 2


class Owner(NamedTuple):
    """Who owns the writable places, as numbers of the namespace that mounts them."""

    uid: int
    gid: int


class View:
    """Which of the host's paths will be seen, and the symbolic links on the way to them."""

    def __init__(self) -> None:
        self.trees: dict[Path, int] = {}
        """Detached read-only copies of mounts: descriptors, by the path to attach them to."""
        self.links: dict[Path, str] = {}

    def show(self, path: Path) -> None:
        """Let the path lead to the same place as on the host. A missing path is left out."""
        if not path.exists():
            return
        for part in (*reversed(path.parents), path):
            if part.is_symlink():
                target = str(part.readlink())
                if not self._covers(part):
                    self.links[part] = target
                rest = path.relative_to(part)
                self.show(Path(os.path.normpath(part.parent / target / rest)))
                return
        if not self._covers(path):
            self.trees[path] = _read_only_copy(path, _SET_RDONLY | _SET_NOSUID | _SET_NODEV)

    def _covers(self, path: Path) -> bool:
        return any(place in self.trees for place in (path, *path.parents))


def enter(
    python: Path,
    prefixes: tuple[Path, ...],
    workspace_size: int,
    owner: Owner,
    group: Group | None = None,
) -> None:
    """Make the new root and change to it, for good; the working directory is the workspace.

    Needs a mount namespace of its own and all rights in it; run as first process of a new pid
    namespace. Raises Refused.
    """
    call("private mounts", "mount", None, b"/", None, _RECURSIVE | _PRIVATE, None)
    view = _view(python, prefixes)
    if group is not None:
        counted, seen = group.kills
        view.trees[seen] = _read_only_copy(counted, _SET_RDONLY | _SET_NOSUID | _SET_NODEV)
    devices = [(name, _device(name)) for name in _DEVICES]
    libraries = _content("/etc/ld.so.cache")
    _tmpfs(_STAGE, f"mode=755,size={4 * MIB},nr_inodes=2048")
    os.chdir(_STAGE)
    os.umask(0o022)
    owned = f"uid={owner.uid},gid={owner.gid}"
    # First, since the running Python may lie in one of them, as a virtual environment in /tmp.
    _space(WORKSPACE, workspace_size, f"mode=755,{owned}")
    _space(TMP, 64 * MIB, f"mode=1777,{owned}")
    _space(SHM, 64 * MIB, f"mode=1777,{owned}")
    for path, link in view.links.items():
        _below(path).parent.mkdir(parents=True, exist_ok=True)
        _below(path).symlink_to(link)
    for path, tree in sorted(view.trees.items()):
        _attach(tree, _below(path))
    for name, tree in devices:
        _attach(tree, Path("dev", name))
    for name, link in _DEVICE_LINKS.items():
        Path("dev", name).symlink_to(link)
    _proc()
    _etc(libraries)
    _change_root()
    os.chdir(WORKSPACE)


def _view(python: Path, prefixes: tuple[Path, ...]) -> View:
    view = View()
    for name in _SYSTEM:
        view.show(Path(name))
    for prefix in prefixes:
        for part in PYTHON_PARTS:
            view.show(prefix / part)
    view.show(python)
    return view


def _read_only_copy(path: Path, attributes: int) -> int:
    """A detached copy of what is mounted at and below a path, with attributes set on all of it."""
    flags = _CLONE | os.O_CLOEXEC | _AT_RECURSIVE | _AT_NO_AUTOMOUNT
    tree = call(f"a copy of the mount at {path}", "open_tree", _HERE, os.fsencode(path), flags)
    _set(tree, b"", _EMPTY_PATH | _AT_RECURSIVE, attributes)
    return tree


def _device(name: str) -> int:
    return _read_only_copy(Path("/dev", name), _SET_NOSUID | _SET_NOEXEC)


def _set(folder: int, path: bytes, flags: int, attributes: int) -> None:
    attr = struct.pack("=QQQQ", attributes, 0, 0, 0)
    what = "mounts made read-only as a tree (Linux 5.12)"
    call(what, "mount_setattr", folder, path, flags, attr, len(attr))


def _attach(tree: int, target: Path) -> None:
    if os.path.isdir(tree):  # noqa: PTH112 - a descriptor
        target.mkdir(parents=True, exist_ok=True)
    elif not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        target.touch()
    where = os.fsencode(target)
    call(f"a mount at /{target}", "move_mount", tree, b"", _HERE, where, _MOVE_EMPTY_PATH)
    os.close(tree)


def _below(path: Path) -> Path:
    return path.relative_to("/")


def _tmpfs(target: str, options: str) -> None:
    what = f"a tmpfs ({options})"
    flags = _NOSUID | _NODEV
    call(what, "mount", b"tmpfs", os.fsencode(target), b"tmpfs", flags, options.encode())


def _space(path: str, size: int, options: str) -> None:
    """A writable place of a size in bytes. Empty files take memory too: their number is limited."""
    target = _below(Path(path))
    target.mkdir(parents=True, exist_ok=True)
    _tmpfs(str(target), f"size={size},nr_inodes={most_files(size)},{options}")


def _proc() -> None:
    Path("proc").mkdir()
    flags = _NOSUID | _NODEV | _NOEXEC
    what = "a fresh /proc (in a container, its masked /proc forbids one)"
    call(what, "mount", b"proc", b"proc", b"proc", flags, None)
    for name in _PROC_READ_ONLY:
        path = Path("proc", name)
        if path.exists():
            _attach(_read_only_copy(path, _SET_RDONLY | _SET_NOSUID | _SET_NODEV), path)
    for name in _PROC_HIDDEN:
        path = Path("proc", name)
        if path.exists():
            _attach(_read_only_copy(Path("dev/null"), _SET_RDONLY | _SET_NOSUID), path)


def _etc(libraries: bytes) -> None:
    files = {
        "passwd": "root:x:0:0:root:/:/bin/sh\nuser:x:1000:1000:user:/workspace:/bin/sh\n"
        "nobody:x:65534:65534:nobody:/:/bin/false\n",
        "group": "root:x:0:\nuser:x:1000:\nnogroup:x:65534:\n",
        "hosts": "127.0.0.1 localhost conveyor\n::1 localhost\n",
        "nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\n",
    }
    Path("etc").mkdir(exist_ok=True)
    for name, text in files.items():
        Path("etc", name).write_text(text)
    if libraries:
        Path("etc/ld.so.cache").write_bytes(libraries)


def _content(path: str) -> bytes:
    try:
        return Path(path).read_bytes()
    except FileNotFoundError:
        return b""


def _change_root() -> None:
    """The working directory becomes the root; the old one is taken away, the new one closed."""
    call("a new root (pivot_root)", "pivot_root", b".", b".")
    call("the old root taken away", "umount2", b".", _DETACH)
    os.chdir("/")
    _set(_HERE, b"/", 0, _SET_RDONLY)
