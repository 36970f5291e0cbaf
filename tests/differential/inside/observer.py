"""What a program left behind, in a form that can be compared. Runs inside, beside the program.

Sent as text and executed before the program, in a namespace of its own: `sys._observe()` then tells
of variables, files and settings. The same in a guest and in the oracle's interpreter.

Values are written out where they are plain data, also inside containers, instances, functions and
classes of the program; of any other object only the type counts. Of a function's code: constants,
names, flags and lines. (Its bytecode may differ: CPython calls `module.name()` in another way where
the module was imported in the same text.)

Not seen: running threads, open files, what C code keeps to itself.
"""

import _locale
import binascii
import builtins
import dis
import gc
import hashlib
import json
import os
import signal
import stat
import sys
import types
import zlib

MAIN = sys.modules["__main__"].__dict__
NAMES = dict(MAIN)
BUILTINS = dict(builtins.__dict__)
WORKSPACE = os.getcwd()
ENCODE = json.JSONEncoder(sort_keys=True).encode
LONG = 300
"""Characters or bytes of a text that are written out."""
DEEP = 60
BY_REPR = (
    "array",
    "collections",
    "datetime",
    "decimal",
    "fractions",
    "ipaddress",
    "pathlib",
    "re",
    "uuid",
    "zoneinfo",
)
"""Modules of plain data whose `repr` says all."""
NOT_OURS = ("__warningregistry__", "__value_of_the_last_expression__")
"""Names that the interpreter, or the oracle, keeps in a program's module."""
DESCRIPTORS = ("__dict__", "__weakref__")
instance_dict = object.__getattribute__
class_dict = type.__dict__["__dict__"].__get__


def clean(folder):
    """Remove what lies in a folder."""
    for name in os.listdir(folder):
        path = os.path.join(folder, name)
        if os.path.islink(path) or not os.path.isdir(path):
            os.unlink(path)
        else:
            os.chmod(path, 0o700)
            clean(path)
            os.rmdir(path)


def text(value):
    if len(value) <= LONG:
        return value if isinstance(value, str) else value.hex()
    octets = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else bytes(value)
    return [len(value), hashlib.sha256(octets).hexdigest()]


class Canon:
    """Writes values out. A mutable object that comes again is named by its number."""

    def __init__(self):
        self.seen = {}

    def __call__(self, value, depth=0):
        try:
            return self.write(value, depth + 1)
        except BaseException as problem:
            return ["unreadable", type(problem).__name__]

    def write(self, value, depth):
        kind = type(value)
        if value is None or value is Ellipsis or value is NotImplemented:
            return repr(value)
        if kind is bool or kind is float or kind is complex:
            return [kind.__name__, repr(value)]
        if kind is int:
            return ["int", hex(value)]
        if kind is str or kind is bytes:
            return [kind.__name__, text(value)]
        if depth > DEEP:
            return ["deep", kind.__name__]
        if kind is tuple:
            return ["tuple", [self(item, depth) for item in value]]
        if kind is frozenset:
            return ["frozenset", sorted(ENCODE(self(item, depth)) for item in value)]
        if kind in (range, slice):
            return [kind.__name__, repr(value)]
        if kind is types.ModuleType:
            return ["module", value.__name__]
        if id(value) in self.seen:
            return ["seen", self.seen[id(value)][0]]
        self.seen[id(value)] = (len(self.seen), value)
        return self.write_mutable(value, kind, depth)

    def write_mutable(self, value, kind, depth):
        if isinstance(value, type):
            return self.write_class(value, depth)
        if kind is types.FunctionType:
            return self.write_function(value, depth)
        if kind in (staticmethod, classmethod, types.MethodType):
            return [kind.__name__, self(value.__func__, depth)]
        if kind is property:
            parts = (value.fget, value.fset, value.fdel, value.__doc__)
            return ["property", [self(part, depth) for part in parts]]
        if kind is types.CellType:
            try:
                return ["cell", self(value.cell_contents, depth)]
            except ValueError:
                return ["cell"]
        return self.write_data(value, kind, depth)

    def write_data(self, value, kind, depth):
        """A container, or an instance of a class."""
        out = [kind.__module__ + "." + kind.__qualname__]
        if isinstance(value, dict):
            out.append([[self(key, depth), self(item, depth)] for key, item in dict.items(value)])
        elif isinstance(value, (list, tuple)):
            base = list if isinstance(value, list) else tuple
            out.append([self(item, depth) for item in base.__iter__(value)])
        elif isinstance(value, (set, frozenset)):
            base = set if isinstance(value, set) else frozenset
            out.append(sorted(ENCODE(self(item, depth)) for item in base.__iter__(value)))
        elif isinstance(value, (int, float, str, bytes)):
            base = next(it for it in (int, float, str, bytes) if isinstance(value, it))
            out.append(self(base.__add__(value, base()), depth))
        elif isinstance(value, bytearray):
            out.append(text(bytes(value)))
        elif isinstance(value, BaseException):
            out.append(self(BaseException.__dict__["args"].__get__(value), depth))
        elif kind.__module__ in BY_REPR and kind.__name__ != "Match":
            out.append(repr(value))
        if kind.__module__ == "__main__":
            out.append(self.write_attributes(value, kind, depth))
        return out

    def write_attributes(self, value, kind, depth):
        """Those of an instance of a class of the program."""
        found = {}
        for base in kind.__mro__:
            for name, member in class_dict(base).items():
                if type(member) is types.MemberDescriptorType and base.__module__ == "__main__":
                    try:
                        found[name] = self(member.__get__(value), depth)
                    except AttributeError:
                        found[name] = "unset"
        try:
            attributes = instance_dict(value, "__dict__")
        except AttributeError:
            return found
        for name, item in attributes.items():
            found[str(name)] = self(item, depth)
        return found

    def write_class(self, value, depth):
        name = value.__module__ + "." + value.__qualname__
        if value.__module__ != "__main__":
            return ["class", name]
        members = {
            key: self(member, depth)
            for key, member in class_dict(value).items()
            if key not in DESCRIPTORS
        }
        bases = [base.__module__ + "." + base.__qualname__ for base in value.__bases__]
        return ["class", name, bases, type(value).__qualname__, members]

    def write_function(self, value, depth):
        if value.__module__ != "__main__" and value.__globals__ is not MAIN:
            return ["function", str(value.__module__), value.__qualname__]
        parts = (
            value.__name__,
            value.__qualname__,
            value.__module__,
            value.__doc__,
            value.__defaults__,
            value.__kwdefaults__,
            value.__annotations__,
            value.__dict__,
            value.__closure__,
        )
        code = self.write_code(value.__code__, depth)
        return ["function", code, [self(part, depth) for part in parts]]

    def write_code(self, code, depth):
        consts = [
            self.write_code(const, depth) if type(const) is types.CodeType else self(const, depth)
            for const in code.co_consts
        ]
        return [
            code.co_name,
            consts,
            code.co_names,
            code.co_varnames,
            code.co_freevars,
            code.co_cellvars,
            code.co_flags,
            code.co_firstlineno,
            [code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount],
            sorted({line for _, line in dis.findlinestarts(code)}),
        ]


def look_at(path):
    status = os.lstat(path)
    if stat.S_ISLNK(status.st_mode):
        return ["link", os.readlink(path)]
    if not stat.S_ISREG(status.st_mode):
        return ["folder" if stat.S_ISDIR(status.st_mode) else "other", oct(status.st_mode)]
    with open(path, "rb") as file:
        return ["file", oct(status.st_mode), text(file.read())]


def files():
    found = {}
    for folder, folders, names in os.walk(WORKSPACE):
        for name in folders + names:
            path = os.path.join(folder, name)
            if "__pycache__" not in path:
                found[os.path.relpath(path, WORKSPACE)] = look_at(path)
    return found


def changed(before, now, canon):
    """Names that were set, or set anew, since; and those that are gone."""
    found = {}
    for name in sorted(now, key=str):
        if name in NOT_OURS:
            continue
        noted = name == "__annotations__" and now[name]  # a dict that only grows
        if noted or name not in before or before[name] is not now[name]:
            found[str(name)] = canon(now[name])
    for name in before:
        if name not in now:
            found[str(name)] = "gone"
    return found


def folder():
    try:
        return os.getcwd()
    except OSError as problem:
        return type(problem).__name__


def settings(canon, trace, profile):
    """Of the process and the interpreter, what a program may set."""
    mask = os.umask(0)
    os.umask(mask)
    handlers = {}
    for number in range(1, signal.NSIG):
        handler = signal.getsignal(number)
        handlers[str(number)] = str(handler) if isinstance(handler, int) else canon(handler)
    found = {
        "folder": folder(),
        "environment": {key: os.environ[key] for key in os.environ if key != "HOSTNAME"},
        "path": list(map(str, sys.path)),
        "arguments": list(map(str, sys.argv)),
        "umask": oct(mask),
        "locale": _locale.setlocale(_locale.LC_ALL),
        "handlers": handlers,
        "trace": canon(trace),
        "profile": canon(profile),
        "gc": [gc.isenabled(), gc.get_threshold()],
        "switch": sys.getswitchinterval(),
        "builtins": changed(BUILTINS, builtins.__dict__, canon),
        "hooks": [canon(sys.excepthook), canon(sys.displayhook)],
        "bytecode": sys.dont_write_bytecode,
    }
    for name in ("stdout", "stderr", "stdin"):
        stream = getattr(sys, name, "gone")
        found[name] = [type(stream).__name__, stream is getattr(sys, "__" + name + "__", None)]
    if MAIN.get("SEEDED") is True:  # the program says that its random state is not by chance
        state = repr(sys.modules["random"].getstate())
        found["random"] = hashlib.sha256(state.encode()).hexdigest()
    if "decimal" in sys.modules:
        found["decimal"] = repr(sys.modules["decimal"].getcontext())
    return found


def observe(write=os.write):
    """Write variables, files and settings to standard output: JSON, packed, in one line."""
    trace, profile, limit = sys.gettrace(), sys.getprofile(), sys.getrecursionlimit()
    sys.settrace(None)
    sys.setprofile(None)
    sys.setrecursionlimit(5000)
    try:
        canon = Canon()
        found = {
            "variables": changed(NAMES, MAIN, canon),
            "files": files(),
            "settings": settings(canon, trace, profile),
            "modules": sorted(map(str, sys.modules)),
        }
        found["settings"]["depth"] = limit
        packed = binascii.b2a_base64(zlib.compress(ENCODE(found).encode(), 1), newline=False)
        rest = b"\n<observed>" + packed + b"</observed>\n"
    finally:
        sys.setrecursionlimit(limit)
        sys.settrace(trace)
        sys.setprofile(profile)
    while rest:
        rest = rest[write(1, rest) :]


clean(WORKSPACE)
clean("/tmp")
sys._observe = observe
