"""This machine's Python as a root file system, for an image that needs no registry.

It holds the interpreter, its standard library and the shared libraries of both, a shell and the
core utilities with theirs, and little else: no packages but those asked for, no certificates.
Not covered: libraries that a program opens only while it runs (but for the C library's own).
"""

from __future__ import annotations

import importlib.util
import marshal
import os
import re
import shutil
import subprocess
import sys
import sysconfig
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from conveyor_sandbox.errors import SandboxImageError
from conveyor_sandbox.rootfs import RootFs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

PATH = "/usr/local/bin:/usr/bin:/bin"

_TOOLS = """
    sh bash [ awk base64 basename bunzip2 bzip2 cat chmod cksum cmp column comm cp csplit cut
    date dd df diff dirname du echo egrep env expand expr factor false fgrep find fmt fold grep
    gunzip gzip head hostname id install join kill less ln ls md5sum mkdir mkfifo mktemp mv nl
    nohup nproc numfmt od paste patch pgrep pkill pr printenv printf ps pwd readlink realpath rev
    rm rmdir sed seq sha1sum sha256sum sha512sum shuf sleep sort split stat sum tac tail tar tee
    test time timeout touch tr true truncate tsort tty uname unexpand uniq unlink unxz wc which
    whoami xargs xz yes zcat
""".split()  # noqa: SIM905 - a hundred words read better without quotes
_TOOL_FOLDERS = "/usr/bin:/bin:/usr/local/bin"

# config, config-*: what is needed to link programs against Python, tens of megabytes.
_LEFT_OUT = {
    "__pycache__", "config", "config-*", "dist-packages", "ensurepip", "idlelib", "lib2to3",
    "site-packages", "test", "tests", "tkinter", "turtledemo",
}  # fmt: skip
_LEFT_OUT_MODULES = re.compile(r"(_test|_xxtest|xx|_ctypes_test|_tkinter)")

_DATA_FOLDERS = ("/usr/lib/locale/C.utf8", "/usr/share/zoneinfo")
_OTHER_FORMS_OF_ZONES = {"posix", "right"}

_OPENED_AT_RUN_TIME = ("libgcc_s.so.1", "libnss_files.so.2")
"""What the C library opens by itself: to cancel threads, and (old ones) to read /etc/passwd."""

_USERS = """\
root:x:0:0:root:/:/bin/sh
conveyor:x:1000:1000:conveyor:/workspace:/bin/sh
nobody:x:65534:65534:nobody:/:/bin/false
"""
_GROUPS = "root:x:0:\nconveyor:x:1000:\nnogroup:x:65534:\n"

_LDD_LINE = re.compile(r"^\s+(?:\S+ => )?(/.+?) \(0x[0-9a-f]+\)$", re.MULTILINE)


def pack(done: Callable[[float], None], packages: Path) -> RootFs:
    """Collect the file system; `done` is told the fraction (0 to 1) collected.

    What lies in the folder `packages` is installed beside the standard library.

    Raises SandboxImageError where this machine's Python cannot be packed.
    """
    host = _Host()
    share = 0.2 if any(packages.iterdir()) else 1.0
    interpreter = host.add_python(lambda fraction: done(fraction * share))
    host.add_packages(packages, lambda fraction: done(share + fraction * (1 - share)))
    programs = [interpreter, *host.modules, *host.add_tools()]
    host.add_libraries(it for it in _libraries(programs) if not it.is_relative_to(packages))
    for folder in _DATA_FOLDERS:
        host.add_data(Path(folder))
    _add_bare_system(host.root)
    return host.root


class _Host:
    """Copies from this machine, at the same paths, but for the interpreter's own folder.

    That one becomes `/usr/local`, so that the image neither tells where it lay (a home folder,
    often) nor has it hidden by a mount on `/tmp` or `/workspace`.
    """

    def __init__(self) -> None:
        self.root = RootFs()
        self.modules: list[Path] = []
        self._prefix = os.path.realpath(sys.base_prefix)
        self._moves = self._prefix not in {"/", "/usr", "/usr/local"}
        for name in ("bin", "sbin", "lib", "lib32", "lib64", "libx32"):
            top = Path("/", name)
            if top.is_symlink():  # a merged /usr
                self.root.link(str(top), str(top.readlink()))
                self.root.folder(os.path.realpath(top))

    def add(self, path: Path) -> str:
        """Copy a file, and the link if `path` is one. Returns the file's path inside."""
        named = Path(os.path.realpath(path.parent), path.name)
        real = Path(os.path.realpath(named))
        inside = self._inside(real)
        self.root.file(inside, real, executable=os.access(real, os.X_OK))
        if named != real:
            self.root.link(self._inside(named), inside)
        return inside

    def add_python(self, done: Callable[[float], None]) -> Path:
        """Copy the interpreter and its standard library. Returns the interpreter's path here."""
        version = f"{sys.version_info.major}.{sys.version_info.minor}"
        interpreter = Path(sys.base_prefix, "bin", f"python{version}")
        if not interpreter.exists():
            raise SandboxImageError(f"this Python cannot be packed: {interpreter} is missing")
        inside = self.add(interpreter)
        for name in ("python3", "python"):
            self.root.link(f"/usr/local/bin/{name}", inside)

        library = Path(os.path.realpath(sysconfig.get_path("stdlib")))
        files = list(_files(library, _LEFT_OUT))
        for count, path in enumerate(files):
            done(count / len(files))
            if path.suffix == ".py":
                self._add_source(path, Path(self._inside(path)))
            elif path.suffix == ".so":
                if not _LEFT_OUT_MODULES.match(path.name):
                    self.add(path)
                    self.modules.append(path)
            else:
                self.root.file(self._inside(path), path)
        return interpreter

    def add_packages(self, folder: Path, done: Callable[[float], None]) -> None:
        """Copy installed packages to where the interpreter looks for them, without their tests."""
        files = list(_files(folder, {"__pycache__", "tests"}))
        site = Path(self._inside(_site_packages())) if files else folder
        for count, path in enumerate(files):
            done(count / len(files))
            inside = site / path.relative_to(folder)
            if path.suffix == ".py":
                self._add_source(path, inside)
            else:
                self.root.file(str(inside), path, executable=os.access(path, os.X_OK))
                if ".so" in path.suffixes:
                    self.modules.append(path)

    def _add_source(self, path: Path, inside: Path) -> None:
        """Copy a module with its byte code, compiled as what it will be called inside."""
        source = path.read_bytes()
        self.root.file(str(inside), source)
        try:
            code = compile(source, str(inside), "exec", dont_inherit=True)
        except SyntaxError:
            return  # a test's bad example: it is imported by nobody
        # Tied to the source by its hash, unchecked: the file's time is of no matter then.
        header = importlib.util.MAGIC_NUMBER + (1).to_bytes(4, "little")
        byte_code = header + importlib.util.source_hash(source) + marshal.dumps(code)
        cached = inside.parent / "__pycache__" / f"{inside.stem}.{sys.implementation.cache_tag}.pyc"
        self.root.file(str(cached), byte_code, derived=True)

    def add_tools(self) -> list[Path]:
        """Copy the shell and the utilities that exist. Returns their paths here."""
        folders = f"{_TOOL_FOLDERS}:{os.environ.get('PATH', '')}"
        found = {name: shutil.which(name, path=folders) for name in _TOOLS}
        tools = {name: Path(path) for name, path in found.items() if path}
        for name, path in tools.items():
            inside = self.add(path)
            if not any(f"{folder}/{name}" in self.root for folder in PATH.split(":")):
                self.root.link(f"/usr/bin/{name}", inside)
        return list(tools.values())

    def add_libraries(self, libraries: Iterable[Path]) -> None:
        """Copy shared libraries so that the loader finds each one without a cache of paths."""
        libraries = sorted(libraries)
        for library in libraries:
            self.add(library)
        # The loader always looks beside the C library. Elsewhere it looks where a program's
        # RPATH says, which may name the folder that we moved.
        default = next((it.parent for it in libraries if it.name.startswith("libc.")), None)
        if default is None:
            return
        for name in _OPENED_AT_RUN_TIME:
            if (default / name).exists():
                self.add(default / name)
        for library in libraries:
            beside = self._inside(Path(os.path.realpath(default), library.name))
            if beside not in self.root:
                self.root.link(beside, self._inside(Path(os.path.realpath(library))))

    def add_data(self, folder: Path) -> None:
        for path in _files(folder, _OTHER_FORMS_OF_ZONES):
            self.root.file(str(path), path)

    def _inside(self, path: Path) -> str:
        if self._moves and path.is_relative_to(self._prefix):
            return str(Path("/usr/local", path.relative_to(self._prefix)))
        return str(path)


def _site_packages() -> Path:
    """Where the packed interpreter looks for packages, by its path here."""
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    python = Path(sys.base_prefix, "bin", f"python{version}")
    program = "import site; print(site.getsitepackages()[0])"
    return Path(subprocess.check_output([python, "-I", "-c", program], text=True).strip())


def _files(folder: Path, left_out: set[str]) -> Iterable[Path]:
    """The files below a folder, in order. Links to files count as files: they may lead outside."""
    for where, folders, names in os.walk(folder):
        folders[:] = sorted(it for it in folders if not any(fnmatch(it, no) for no in left_out))
        for name in sorted(names):
            path = Path(where, name)
            if path.is_file() and path.suffix not in {".a", ".pyc"}:
                yield path


def _libraries(programs: Iterable[Path]) -> set[Path]:
    """The shared libraries that programs load, the loader included."""
    if shutil.which("ldd") is None:
        raise SandboxImageError("packing this machine's Python needs `ldd`: install it (libc-bin)")
    answer = subprocess.run(
        ["ldd", *map(str, programs)],
        env={name: value for name, value in os.environ.items() if name != "LD_PRELOAD"},
        capture_output=True,
        text=True,
        check=False,  # it fails when only one of them is a script, and names what it can
    )
    return {Path(path) for path in _LDD_LINE.findall(answer.stdout)}


def _add_bare_system(root: RootFs) -> None:
    root.file("/etc/passwd", _USERS.encode())
    root.file("/etc/group", _GROUPS.encode())
    root.folder("/tmp", 0o1777)  # noqa: S108 - the image's, not a file of ours
    root.folder("/workspace", uid=1000)
