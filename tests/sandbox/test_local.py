"""The local sandbox on a real kernel, started by root and by an ordinary user.

Each protection has a positive control: the same action, where it is allowed, succeeds.
"""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

import conveyor_sandbox
from conveyor_sandbox import cgroup, landlock
from conveyor_sandbox.abilities import abilities
from conveyor_sandbox.local import isolated, make_plan
from conveyor_sandbox.sandbox import SandboxSpec
from conveyor_sandbox.syscalls import call, number_of

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the local sandbox needs Linux")

MIB = 1024 * 1024
ORDINARY = 54321
WHO = ["root", "user"] if os.geteuid() == 0 else ["user"]
LEFTOVER_LIMIT = 5.0
SECRET = "a secret of the host"


class Host:
    """A process that starts local sandboxes, as root or as an ordinary user."""

    def __init__(self, who: str, folder: Path, *wrapper: str) -> None:
        self.folder = folder
        self.temp = folder / f"tmp-{who}"
        self.temp.mkdir(exist_ok=True)
        self.temp.chmod(0o777)
        identity = {}
        python = sys.executable
        if who == "user" and os.geteuid() == 0:
            identity = {"user": ORDINARY, "group": ORDINARY, "extra_groups": []}
            python = python_of_all(identity)
        self.process = subprocess.Popen(
            [*wrapper, python, str(folder / "driver.py")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={
                "PATH": os.environ["PATH"],
                "PYTHONPATH": str(folder),
                "PYTHONDONTWRITEBYTECODE": "1",
                "TMPDIR": str(self.temp),
                "HOST_SECRET": SECRET,
            },
            cwd="/",
            **identity,
        )

    def ask(self, code: str, **request: Any) -> dict[str, str]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps({"code": code, **request}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def out(self, code: str, **request: Any) -> str:
        """What a program prints that must end well."""
        result = self.ask(code, **request)
        assert result.get("status") == "ok", result
        return result["stdout"]

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(20)
        self.process.stdout.close()


def python_of_all(identity: dict[str, Any]) -> str:
    """A Python that an ordinary user may run: root's own may lie in a closed folder."""
    for python in (sys.executable, "/usr/bin/python3"):
        check = [python, "-c", "import sys; sys.exit(sys.version_info < (3, 11))"]
        try:
            if subprocess.run(check, check=False, cwd="/", **identity).returncode == 0:
                return python
        except PermissionError:
            continue
    pytest.fail("no Python >= 3.11 that an ordinary user may run: install python3")


@pytest.fixture(scope="module")
def shared() -> Iterator[Path]:
    """A folder that every user can read, with our package and a secret in it."""
    folder = Path(tempfile.mkdtemp(prefix="conveyor-test-"))
    folder.chmod(0o755)
    package = Path(conveyor_sandbox.__file__).parent
    shutil.copytree(package, folder / package.name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(Path(__file__).with_name("local_driver.py"), folder / "driver.py")
    (folder / "secret").write_text(SECRET)
    yield folder
    shutil.rmtree(folder)


@pytest.fixture(scope="module", params=WHO)
def host(request: pytest.FixtureRequest, shared: Path) -> Iterator[Host]:
    host = Host(request.param, shared)
    yield host
    host.close()


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


def test_process_limit(host: Host) -> None:
    """Forks end at the limit of processes, well before it ten succeed."""
    code = """
import os, signal
children = []
try:
    while len(children) < 60:
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
except BlockingIOError:
    pass
for child in children:
    os.kill(child, signal.SIGKILL)
print(len(children))
"""
    assert 10 <= int(host.out(code, limits={"pids": 20})) < 20


@pytest.mark.parametrize("how", ["bytearray({0})", "__import__('mmap').mmap(-1, 4 * {0})"])
def test_memory_limit(host: Host, how: str) -> None:
    """Twice the limit ends in an error, a quarter of it is fine."""
    limits = {"memory": 256 * MIB}
    assert host.ask(how.format(64 * MIB), limits=limits)["status"] == "ok"
    result = host.ask(how.format(512 * MIB), limits=limits)
    assert result["status"] == "error"
    assert result["kind"] == "memory" or "Cannot allocate memory" in result["message"]


def test_memory_in_small_pieces(host: Host) -> None:
    """A list that grows for ever is stopped, and the sandbox goes on."""
    code = "import os\npieces = []\nwhile True: pieces.append(bytearray(1_000_000))"
    assert host.ask(code, limits={"memory": 256 * MIB})["kind"] == "memory"


TOGETHER = """
import os, time
ended, end = os.pipe()
children = []
for _ in range({}):
    children.append(os.fork())
    if not children[-1]:
        held = bytearray(b"x") * {}
        os.write(end, b"r")
        time.sleep(60)
os.close(end)
def dead():
    return [pid for pid in children if os.waitpid(pid, os.WNOHANG) != (0, 0)]
gone, said = 0, 0
os.set_blocking(ended, False)
while gone + said < len(children):
    for pid in dead():
        gone += 1
        children.remove(pid)
    try:
        said += len(os.read(ended, 100))
    except BlockingIOError:
        time.sleep(0.05)
time.sleep({})
gone += len(dead())
print(gone)
"""


def groups() -> list[Path]:
    """Control groups of sandboxes, of every test that runs now."""
    top = Path("/sys/fs/cgroup")
    return [it for depth in ("", "*/", "*/*/", "*/*/*/") for it in top.glob(f"{depth}conveyor-*")]


def test_memory_of_all_processes(host: Host) -> None:
    """Ten that each hold a quarter of the limit: by a control group, or by being looked at.

    The control: two of them.
    """
    limits = {"memory": 256 * MIB, "workspace_size": 32 * MIB}
    few = host.ask(TOGETHER.format(2, 64 * MIB, 1), limits=limits)
    assert (few["status"], few["stdout"]) == ("ok", "0\n"), few
    many = host.ask(TOGETHER.format(10, 64 * MIB, 5), limits=limits)
    if many["weaker"]:
        assert "no control group" in many["weaker"]
        assert many["kind"] == "memory", many
    else:
        assert many["kind"] == "memory" or int(many["stdout"]) >= 6, many


def test_memory_that_processes_share_is_counted_once(host: Host) -> None:
    """Eight children of an interpreter that holds half of the limit, and change nothing of it."""
    limits = {"memory": 256 * MIB, "workspace_size": 32 * MIB}
    code = "held = bytearray(b'x') * (128 << 20)\n" + TOGETHER.format(8, 1, 3)
    shared = host.ask(code, limits=limits)
    assert (shared["status"], shared["stdout"]) == ("ok", "0\n"), shared


def test_strict(host: Host) -> None:
    """Refused where the memory of all processes together cannot be limited; else as ever."""
    weaker = host.ask("1", strict=False)["weaker"]
    told = host.ask("1", strict=True)
    if weaker:
        assert told["refused"].startswith("SandboxUnavailable: no local sandbox (strict): ")
        assert "control group" in told["refused"]
    else:
        assert told["status"] == "ok"


@pytest.mark.skipif(not cgroup.is_there(), reason="no control group can be had")
@pytest.mark.parametrize("how", ["normally", "host killed", "jail killed"])
def test_its_control_group_goes_with_it(shared: Path, how: str) -> None:
    """However it ends; one that is there is seen."""
    before = set(groups())
    host = Host("root", shared)
    host.ask("print('ready', flush=True)\nimport time\ntime.sleep(60)\n", hold=True)
    (ours,) = (it for it in set(groups()) - before if holds(it, host.process.pid))
    if how == "host killed":
        host.process.kill()
    elif how == "jail killed":
        outer, *_ = sorted(pid for pid, _ in descendants(host.process.pid))
        os.kill(outer, signal.SIGKILL)
        host.process.kill()
    host.close()
    until = time.monotonic() + 5
    while how != "jail killed" and ours.exists():
        assert time.monotonic() < until
        time.sleep(0.05)
    if how == "jail killed":  # nobody is there to remove it: it holds nothing
        while (ours / "cgroup.procs").read_text():
            assert time.monotonic() < until
            time.sleep(0.05)
        ours.rmdir()


def holds(group: Path, host: int) -> bool:
    inside = set((group / "cgroup.procs").read_text().split())
    return bool(inside & {str(pid) for pid, _ in descendants(host)})


def test_workspace_limit(host: Host) -> None:
    """A file, and files together, end at the workspace's size."""
    code = """
def write(name, size):
    try:
        with open(name, "wb") as file:
            file.write(bytes(size))
        return "ok"
    except OSError as error:
        return "full"
mib = 1 << 20
print(write("a", 4 * mib), write("b", 3 * mib), write("c", 3 * mib))
print(write("/tmp/d", 16 * mib))
"""
    assert host.out(code, limits={"workspace_size": 8 * MIB}) == "ok ok full\nfull\n"


def test_number_of_files_is_limited(host: Host) -> None:
    """Empty files cost the kernel memory: they are limited too."""
    code = """
try:
    for number in range(5000):
        open(str(number), "w").close()
except OSError as error:
    print(number, error.strerror)
"""
    number, reason = host.out(code, limits={"workspace_size": MIB}).split(" ", 1)
    assert int(number) > 500
    assert reason == "No space left on device\n"


def test_processors_are_limited(host: Host) -> None:
    """With one cpu it runs on one processor, and cannot choose more."""
    code = """
import os
print(len(os.sched_getaffinity(0)))
try:
    os.sched_setaffinity(0, range(os.cpu_count()))
except PermissionError:
    print("refused")
"""
    assert host.out(code, limits={"cpus": 1.0}) == "1\nrefused\n"


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

FAMILY = """
import os, signal
running, run = os.pipe()
for _ in range(2):
    if not os.fork():
        os.setsid()
        os.fork()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        open("/tmp/file", "w").close()
        os.write(run, b"x")
        while True: signal.pause()
count = 0
while count < 4:
    count += len(os.read(running, 4))
{0}
"""


@pytest.fixture(params=WHO)
def busy(request: pytest.FixtureRequest, shared: Path) -> Iterator[Host]:
    """A host whose sandbox runs a family of processes that ignore SIGTERM."""
    host = Host(request.param, shared)
    host.ask(FAMILY.format("print('ready', flush=True)\nwhile True: signal.pause()"), hold=True)
    yield host
    host.process.kill()
    host.close()


def test_on_the_host_it_is_never_root(busy: Host) -> None:
    """All that runs inside belongs to an ordinary user of the host, even when root started it."""
    outer, *inside = sorted(pid for pid, _ in descendants(busy.process.pid))
    assert len(inside) == 7
    assert all(uid_of(pid) != 0 for pid in inside)
    assert uid_of(outer) == uid_of(busy.process.pid)


@pytest.mark.parametrize("how", ["host killed", "guest frozen, host killed", "jail killed"])
def test_nothing_is_left_after_kill_9(busy: Host, how: str) -> None:
    """Whoever is killed, all processes of the sandbox are gone within 5 s, and all else too."""
    before = descendants(busy.process.pid)
    assert (
        len(before) == 8
    )  # outer, supervisor, worker, its frozen copy, two children, two grandchildren
    outer, supervisor, *_ = sorted(pid for pid, _ in before)
    if how.startswith("guest frozen"):
        os.kill(supervisor, signal.SIGSTOP)
    os.kill(outer if how == "jail killed" else busy.process.pid, signal.SIGKILL)
    killed = time.monotonic()
    while any(alive(process) for process in before):
        assert time.monotonic() < killed + LEFTOVER_LIMIT, "processes are left"
        time.sleep(0.01)
    assert list(busy.temp.iterdir()) == []


def test_nothing_is_left_after_stop(host: Host) -> None:
    """When a sandbox was stopped, its processes are gone, and there is no mount or file."""
    mounts = own_mounts()
    assert host.out(FAMILY.format("print('ready')")) == "ready\n"
    assert descendants(host.process.pid) == set()
    assert own_mounts() == mounts
    assert list(host.temp.iterdir()) == []


def own_mounts() -> list[str]:
    """This machine's mounts; an engine's, which come and go on their own, left out."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    return [mount for mount in mounts if "docker" not in mount and "netns" not in mount]


def descendants(pid: int) -> set[tuple[int, str]]:
    """All processes below one, each with its start time, so that a reused pid is another."""
    parents = {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdecimal():
            try:
                fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
            except (FileNotFoundError, ProcessLookupError):
                continue
            parents[int(folder.name)] = (int(fields[1]), fields[19])
    found = {pid}
    while more := {child for child, (parent, _) in parents.items() if parent in found} - found:
        found |= more
    return {(child, parents[child][1]) for child in found - {pid}}


def uid_of(pid: int) -> int:
    """The real user of a process, as the host counts users."""
    return int(Path(f"/proc/{pid}/status").read_text().split("Uid:")[1].split()[0])


def alive(process: tuple[int, str]) -> bool:
    try:
        fields = Path(f"/proc/{process[0]}/stat").read_text().rsplit(")", 1)[1].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[19] == process[1] and fields[0] not in "ZX"
