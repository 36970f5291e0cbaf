"""The local sandbox on a real kernel, started by root and by an ordinary user.

Each protection has a positive control: the same action, where it is allowed, succeeds.
"""

from __future__ import annotations

import errno
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from conveyor_sandbox import landlock
from conveyor_sandbox.abilities import abilities
from conveyor_sandbox.local import isolated, make_plan
from conveyor_sandbox.sandbox import SandboxSpec
from conveyor_sandbox.syscalls import call, number_of
from tests.sandbox.local_host import SECRET, Host

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the local sandbox needs Linux")

# Walls


def test_ordinary_work(host: Host) -> None:
    """Threads, child processes, pipes, temporary files, databases and the shell work."""
    code = """
import multiprocessing, sqlite3, subprocess, tempfile, threading
threading.Thread(target=print, args=("thread",)).start()
with tempfile.NamedTemporaryFile("w") as file:
    file.write("x")
sqlite3.connect("/workspace/a.db").execute("create table t (x)")
with multiprocessing.Pool(2) as pool:
    print(pool.map(abs, [-1, -2]))
print(subprocess.run("echo shell | tr a-z A-Z", shell=True, capture_output=True).stdout)
"""
    assert host.out(code) == "thread\n[1, 2]\nb'SHELL\\n'\n"


def test_host_files_are_not_there(host: Host) -> None:
    """A file that every user of the host may read cannot be; one of the task can."""
    code = "import os; print(os.path.exists(path), open('given').read())"
    secret = host.folder / "secret"
    assert host.out(f"path = {str(secret)!r}\n{code}", files={"given": "ok"}) == "False ok\n"
    assert secret.read_text() == SECRET


def test_no_home_and_no_state_of_the_system(host: Host) -> None:
    """The root holds programs and libraries, and nothing that users or services keep."""
    shown = set(host.out("import os; print(*os.listdir('/'), sep='\\n')").split())
    assert {"usr", "workspace", "tmp", "proc", "dev", "etc"} <= shown
    assert not shown & {"home", "var", "run", "srv", "mnt", "media", "boot", "sys"}


def test_environment_of_the_host_is_not_seen(host: Host) -> None:
    """No variable of the host, neither in the worker nor in the supervisor."""
    code = "import os; print(os.environ['HOME'], sorted(os.environ))"
    shown = host.out(code)
    assert shown.startswith("/workspace ")
    assert "HOST_SECRET" not in shown
    environment = Path(f"/proc/{host.process.pid}/environ").read_text()
    assert f"HOST_SECRET={SECRET}" in environment


def test_descriptors_of_the_host_are_closed(tmp_path: Path) -> None:
    """A descriptor that the jail inherits is closed before anything runs in it."""
    program = "import os; print(*(fd for fd in range(99) if os.path.exists(f'/proc/self/fd/{fd}')))"
    plan = make_plan(SandboxSpec(), program)
    with (tmp_path / "secret").open("w") as secret:
        done = subprocess.run(
            isolated("jail", *plan.to_arguments()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            pass_fds=[secret.fileno()],
            check=True,
        )
    assert done.stdout == b"0 1 2\n"


@pytest.mark.parametrize("family", ["inet", "abstract"])
def test_no_network(host: Host, family: str) -> None:
    """A listener of this machine, which the test reaches, cannot be reached from inside."""
    name: Any = ("127.0.0.1", 0)
    if family == "abstract":
        name = f"\0conveyor-test-{os.getpid()}-{host.process.pid}"
    kind = socket.AF_INET if family == "inet" else socket.AF_UNIX
    with socket.socket(kind) as listener:
        listener.bind(name)
        listener.listen()
        address = listener.getsockname()
        with socket.socket(kind) as control:
            control.connect(address)
        code = f"import socket; socket.socket({int(kind)}).connect({address!r})"
        result = host.ask(code)
    assert result["status"] == "error"
    assert "OSError" in result["message"] or "ConnectionRefusedError" in result["message"]


def test_no_network_interface_is_up(host: Host) -> None:
    """There is only the loopback interface, and it is down: sending has no way out."""
    code = """
import errno, socket
print(open("/proc/net/dev").read())
try:
    socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"x", ("127.0.0.1", 9))
except OSError as error:
    print(errno.errorcode[error.errno])
left, right = socket.socketpair()
left.send(b"x")
print(right.recv(1))
"""
    shown = host.out(code)
    assert [line.split(":")[0].strip() for line in shown.splitlines() if ":" in line] == ["lo"]
    assert shown.endswith("ENETUNREACH\nb'x'\n")


def test_other_processes_are_not_seen(host: Host) -> None:
    """It sees its own processes and no other, and can signal no other."""
    code = f"""
import os
child = os.fork()
if not child:
    import signal; signal.pause()
pids = {{int(name) for name in os.listdir("/proc") if name.isdecimal()}}
print(os.getpid() in pids, child in pids, len(pids) < 6)
try:
    os.kill({os.getpid()}, 0)
    print("reached")
except ProcessLookupError:
    print("none")
os.kill(child, 9)
"""
    assert host.out(code) == "True True True\nnone\n"


CALLS = {
    "mount": ("mount", [0, b"/tmp", b"tmpfs", 0, 0], errno.EPERM),
    "bind a file system": ("open_tree", [-100, b"/", 1], errno.EPERM),
    "unmount": ("umount2", [b"/tmp", 2], errno.EPERM),
    "change root": ("chroot", [b"/tmp"], errno.EPERM),
    "user namespace": ("unshare", [0x10000000], errno.EPERM),
    "user namespace by clone": ("clone", [0x10000000 | 17, 0, 0, 0, 0], errno.EPERM),
    "clone3": ("clone3", [0, 0], errno.ENOSYS),
    "trace": ("ptrace", [0, 0, 0, 0], errno.EPERM),
    "another's memory": ("process_vm_readv", [1, 0, 0, 0, 0, 0], errno.EPERM),
    "keyring": ("keyctl", [0, -3, 0], errno.EPERM),
    "bpf": ("bpf", [0, 0, 0], errno.EPERM),
    "performance events": ("perf_event_open", [0, 0, -1, -1, 0], errno.EPERM),
    "page faults": ("userfaultfd", [0], errno.EPERM),
    "io_uring": ("io_uring_setup", [1, 0], errno.ENOSYS),
    "memory files": ("memfd_create", [b"x", 0], errno.ENOSYS),
    "file handles": ("open_by_handle_at", [-100, 0, 0], errno.EPERM),
    "host name": ("sethostname", [b"x", 1], errno.EPERM),
    "no randomization": ("personality", [0x0040000], errno.EPERM),
    "terminal input": ("ioctl", [0, 0x5412, b"x"], errno.EPERM),
    "netlink": ("socket", [16, 3, 0], errno.EAFNOSUPPORT),
    "packets": ("socket", [17, 3, 0], errno.EAFNOSUPPORT),
    "virtual machine sockets": ("socket", [40, 1, 0], errno.EAFNOSUPPORT),
}
CALL = """
import ctypes
def call(number, *arguments):
    libc = ctypes.CDLL(None, use_errno=True)
    wide = [ctypes.c_long(a) if isinstance(a, int) else a for a in arguments]
    return ctypes.get_errno() if libc.syscall(ctypes.c_long(number), *wide) == -1 else 0
"""


@pytest.mark.parametrize("what", CALLS)
def test_system_call_is_denied(host: Host, what: str) -> None:
    """The filter denies it; the same way of calling reaches a call that is allowed."""
    name, arguments, expected = CALLS[what]
    allowed = f"call({number_of('socket')}, {int(socket.AF_INET)}, 1, 0)"
    code = f"{CALL}\nprint({allowed}, call({number_of(name)}, *{arguments!r}))"
    assert host.out(code) == f"0 {expected}\n"


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="x32 is an ABI of x86_64")
def test_other_abi_is_denied(host: Host) -> None:
    """The same call by its x32 number, which would slip past a filter of plain numbers."""
    code = f"{CALL}\nprint(call(39), call(0x40000000 + 39))"
    assert host.out(code) == f"0 {errno.ENOSYS}\n"


MACHINE_CODE = """
import ctypes, mmap, os
def run(code):
    child = os.fork()
    if not child:
        page = mmap.mmap(-1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
        page.write(bytes.fromhex(code))
        address = ctypes.addressof(ctypes.c_char.from_buffer(page))
        os._exit(ctypes.CFUNCTYPE(ctypes.c_int)(address)() == os.getpid())
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
print(run("b8270000000f05c3"), run("b814000000cd80c3"))
"""


@pytest.mark.skipif(os.uname().machine != "x86_64", reason="int 0x80 is an instruction of x86")
def test_32_bit_calls_are_fatal(host: Host) -> None:
    """`getpid` by `syscall` gives the pid; by `int 0x80`, whose numbers differ, it kills."""
    normal, by_interrupt = map(int, host.out(MACHINE_CODE).split())
    assert normal == 1
    # Kernels without 32-bit emulation raise the second.
    assert -by_interrupt in (signal.SIGSYS, signal.SIGSEGV)


def test_no_other_user_and_no_capability(host: Host) -> None:
    """It is user 1000, cannot become another, and no program can give it a capability."""
    code = """
import os
print(os.getresuid(), os.getresgid(), os.getgroups())
os.setuid(1000)
for user in (0, 65534):
    try:
        os.setuid(user)
        print("became", user)
    except OSError:
        print("refused")
status = dict(line.split(":", 1) for line in open("/proc/self/status"))
print([int(status["Cap" + name], 16) for name in ("Inh", "Prm", "Eff", "Bnd", "Amb")])
print(status["NoNewPrivs"].strip(), status["Seccomp"].strip())
"""
    lines = host.out(code).splitlines()
    assert lines[0].startswith("(1000, 1000, 1000) (1000, 1000, 1000)")
    assert lines[1:] == ["refused", "refused", "[0, 0, 0, 0, 0]", "1 2"]


def test_root_is_read_only(host: Host) -> None:
    """Only the workspace, /tmp and /dev/shm can be written.

    /dev/urandom is on no read-only mount: it is Landlock's.
    """
    code = """
for path in ("/x", "/usr/x", "/etc/passwd", "/dev/x", "/proc/sys/kernel/hostname", "/workspace/x",
             "/dev/urandom", "/tmp/x", "/dev/shm/x", "/dev/null"):
    try:
        open(path, "w").write("x")
        print(path)
    except OSError:
        pass
"""
    assert host.out(code).split() == ["/workspace/x", "/tmp/x", "/dev/shm/x", "/dev/null"]


def test_mounts_are_read_only_by_themselves(host: Host) -> None:
    """Each mount but the writable places, /proc and the devices is read-only, without setuid."""
    mounts = [line.split()[1::2][:2] for line in host.out(MOUNTS).splitlines()]
    writable = {path for path, options in mounts if "rw" in options.split(",")}
    devices = {f"/dev/{name}" for name in ("null", "zero", "full", "random", "urandom")}
    assert writable == {"/workspace", "/tmp", "/dev/shm", "/proc"} | devices
    assert all("nosuid" in options.split(",") for _, options in mounts)


def test_host_name(host: Host) -> None:
    """The name of the machine is not seen."""
    assert host.out("import socket; print(socket.gethostname())") == "conveyor\n"


# Abilities


def test_landlock_by_itself(tmp_path: Path) -> None:
    """Without any read-only mount, writing ends where the ruleset ends."""
    inside, outside = tmp_path / "inside", tmp_path / "outside"
    inside.mkdir()
    outside.mkdir()
    child = os.fork()
    if not child:
        code = 1
        try:
            (outside / "before").touch()
            call("no new privileges", "prctl", 38, 1, 0, 0, 0)
            landlock.allow_writing(trees=(str(inside),), existing=())
            (inside / "a").write_text("x")
            try:
                (outside / "a").write_text("x")
            except PermissionError:
                code = 0
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert (outside / "before").exists()


def test_refusal_of_the_kernel_is_named(shared: Path) -> None:
    """Where user namespaces run out there is an error that says so, and no weaker sandbox."""
    no_more = 'echo 0 > /proc/sys/user/max_user_namespaces && exec "$0" "$@"'
    namespace = ("unshare", "--user", "--map-current-user", "--keep-caps", "sh", "-c", no_more)
    host = Host("user", shared, *namespace)
    try:
        refused = host.ask("print(1)")["refused"]
    finally:
        host.close()
    assert refused.startswith("SandboxUnavailable: ")
    assert "a user namespace (ENOSPC" in refused


def test_abilities_of_this_machine() -> None:
    """All that is required is there, since the other tests run; each lack has its remedy."""
    found = abilities()
    assert [ability.name for ability in found if ability.required and not ability.available] == []
    assert all(ability.available or ability.remedy for ability in found)


MOUNTS = "print(open('/proc/self/mounts').read(), end='')"
