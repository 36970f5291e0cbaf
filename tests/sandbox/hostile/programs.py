"""The hostile programs that are one expression each, with their controls."""

# ruff: noqa: E501 - a table: an attack, how it is stopped, its control

from __future__ import annotations

from tests.sandbox.hostile.arena import Program, Programs

LOCAL, BOTH = ("local",), ("docker", "local")
GONE = "ENOENT"
CLOSED = "EACCES|EPERM|ENOENT|EROFS"

FILES: Programs = {
    "a file of the host": Program("open(SECRET).read()", GONE, "open('given').read()"),
    "passwords": Program("open('/etc/shadow').read()", CLOSED, "open('/etc/passwd').read()"),
    "the host's environment": Program("os.environ['HOST_SECRET']", "KeyError", "os.environ['HOME']"),
    "the supervisor's environment": Program("open('/proc/1/environ').read()", CLOSED, "open('/proc/self/environ').read()"),
    "the supervisor's root": Program("os.listdir('/proc/1/root/')", CLOSED, "os.listdir('/proc/self/root/')"),
    "the supervisor's folder": Program("os.listdir('/proc/1/cwd/')", CLOSED, "os.listdir('/proc/self/cwd/')"),
    "a disk": Program("os.mknod('/tmp/disk', 0o60600, os.makedev(8, 0))", CLOSED, "os.mkfifo('/tmp/fifo')"),
    "memory of the machine": Program("open('/dev/mem', 'rb')", CLOSED, "open('/dev/null', 'rb')"),
    "memory of the kernel": Program("open('/proc/kcore', 'rb').read(16)[0]", CLOSED + "|IndexError", "open('/proc/stat', 'rb').read(16)[0]"),
    "messages of the kernel": Program("open('/dev/kmsg').read()", CLOSED, "open('/dev/zero').read(1)"),
    "kernel settings": Program("write('/proc/sys/kernel/core_pattern')", CLOSED, "open('/proc/sys/kernel/core_pattern').read()"),
    "the system request key": Program("write('/proc/sysrq-trigger', '')", CLOSED, "open('/proc/self/comm', 'w').write('x')"),
    "control groups": Program("os.mkdir('/sys/fs/cgroup/memory/x')", CLOSED, "os.mkdir('/tmp/x')"),
    "a file in the root": Program("write('/x')", CLOSED, "write('/workspace/x')"),
    "a file among programs": Program("write('/usr/bin/x')", CLOSED, "write('/tmp/program')"),
    "a file without a name": Program("os.open('/usr', os.O_TMPFILE | os.O_WRONLY)", CLOSED, "os.open('/tmp', os.O_TMPFILE | os.O_WRONLY)"),
    "through a link": Program("(os.symlink('/etc/passwd', '/tmp/link'), write('/tmp/link'))", CLOSED, "(os.symlink(made('/tmp/file'), '/tmp/lnk'), write('/tmp/lnk'))"),
    "a second name": Program("os.link('/etc/passwd', '/tmp/name')", "EXDEV|EPERM", "os.link(made('/tmp/of'), '/tmp/name-of')"),
    "a renamed program": Program("os.rename('/usr/bin/env', '/usr/bin/python3')", CLOSED, "os.rename(made('/tmp/from'), '/tmp/to')"),
    "a mode": Program("os.chmod('/etc/passwd', 0o777)", "EPERM|EROFS", "os.chmod(made('/tmp/mode'), 0o777)"),
    "the root is not read-only": Program("claim('rw' in options('/'))", "Stopped", "claim('rw' in options('/tmp'))"),
    "the place of our socket": Program("write('/run/conveyor/x')", CLOSED, "write('/tmp/conveyor')"),
    "a file's handle": Program("syscall('open_by_handle_at', -100, bytes(64), 0)", "EPERM", "syscall('socket', 1, 1, 0)"),
    "setuid programs count": Program("claim('nosuid' not in options('/workspace'))", "Stopped", "claim('nosuid' in options('/workspace'))"),
    "a larger workspace": Program("claim(size('/workspace') > 256 << 20)", "Stopped", "claim(size('/workspace') > 1 << 20)"),
    "a larger temporary folder": Program("claim(size('/tmp') > 64 << 20)", "Stopped", "claim(size('/tmp') > 1 << 20)"),
    "more shared memory": Program("claim(size('/dev/shm') > 64 << 20)", "Stopped", "claim(size('/dev/shm') > 1 << 20)"),
    "a huge file of holes": Program("os.truncate(made('/workspace/holes'), 1 << 40)", "EFBIG", "os.truncate(made('/workspace/small'), 1 << 20)"),
}  # fmt: skip

NETWORK: Programs = {
    "TCP": Program("ask(socket.AF_INET, TCP)", "ECONNREFUSED|ENETUNREACH", "own_echo() if KIND == 'local' else echo(socket.AF_INET, ('127.0.0.1', 0))"),
    "TCP over IPv6": Program("ask(socket.AF_INET6, TCP6)", "ECONNREFUSED|ENETUNREACH|EADDRNOTAVAIL", "own_echo()"),
    "UDP": Program("ask(socket.AF_INET, UDP, socket.SOCK_DGRAM)", "ECONNREFUSED|ENETUNREACH", "own_echo() if KIND == 'local' else echo(socket.AF_INET, ('127.0.0.1', 0), socket.SOCK_DGRAM)"),
    "a question to a name server": Program("socket.socket(2, 2).sendto(bytes.fromhex('abcd01000001000000000000016100000100') + b'x', UDP) and claim(0)", "Stopped|ENETUNREACH", "own_echo()"),
    "a Unix socket": Program("ask(socket.AF_UNIX, UNIX)", GONE, "own_echo('/tmp/unix')"),
    "an abstract socket": Program("ask(socket.AF_UNIX, ABSTRACT)", "ECONNREFUSED", "own_echo('\\0hostile')"),
    "the engine's socket": Program("ask(socket.AF_UNIX, '/var/run/docker.sock')", CLOSED, "own_echo('/tmp/engine')"),
    "an interface": Program("claim([it for it in open('/proc/net/dev').read().split() if it.endswith(':')] != ['lo:'])", "Stopped", "claim('lo:' in open('/proc/net/dev').read())"),
    "an interface's address": Program("fcntl.ioctl(socket.socket(2, 2), 0x8916, struct.pack('16sHH4s8x', b'lo', 2, 0, bytes([10, 0, 0, 1])))", "EPERM", "fcntl.ioctl(socket.socket(2, 2), 0x8913, struct.pack('16s24x', b'lo'))"),
    "raw packets": Program("socket.socket(socket.AF_INET, socket.SOCK_RAW, 1)", "EPERM", "socket.socket(socket.AF_INET, socket.SOCK_DGRAM)"),
    "packets of the link": Program("socket.socket(17, socket.SOCK_RAW, 0)", "EAFNOSUPPORT", "socket.socket(1, socket.SOCK_STREAM)"),
    "the host of a virtual machine": Program("socket.socket(40, socket.SOCK_STREAM)", "EAFNOSUPPORT", "socket.socket(10, socket.SOCK_STREAM)"),
    "the kernel's ciphers": Program("socket.socket(38, socket.SOCK_SEQPACKET)", "EAFNOSUPPORT", "socket.socketpair(1, socket.SOCK_SEQPACKET)"),
    "another network": Program("syscall('setns', os.open('/proc/self/ns/net', 0), 0)", "EPERM", "os.open('/proc/self/ns/net', 0)"),
}  # fmt: skip

_FREE = "syscall('socket', 1, 1, 0)"


def _denied(name: str, arguments: str, error: str = "EPERM") -> Program:
    """A system call that is no program's business; the same way of calling reaches another."""
    return Program(f"syscall({name!r}, {arguments})", error, _FREE)


RIGHTS: Programs = {
    "mount": _denied("mount", "b'x', b'/tmp', b'tmpfs', 0, 0"),
    "mount again, for writing": _denied("mount", "0, b'/', 0, 32, 0"),
    "mount, the new way": _denied("fsopen", "b'tmpfs', 0"),
    "a copy of a mount": _denied("open_tree", "-100, b'/', 1"),
    "unmount": _denied("umount2", "b'/proc', 2"),
    "another root": _denied("chroot", "b'/tmp'"),
    "the root for another": _denied("pivot_root", "b'/tmp', b'/tmp'"),
    "a user namespace": _denied("unshare", "0x10000000"),
    "a user namespace, by a child": _denied("clone", "0x10000000 | 17, 0, 0, 0, 0"),
    "a namespace where no filter looks": _denied("clone3", "0, 0", "ENOSYS"),
    "another user": Program("os.setuid(0)", "EPERM|EINVAL", "os.setuid(os.getuid())"),
    "another group": Program("os.setgid(0)", "EPERM|EINVAL", "os.setgid(os.getgid())"),
    "more groups": Program("os.setgroups([0])", "EPERM", "os.getgroups()"),
    "root": Program("claim(os.getuid() == 0 or os.geteuid() == 0)", "Stopped", "claim(os.getuid() == os.geteuid())"),
    "capabilities": Program("claim(any(int(status('Cap' + it), 16) for it in ('Inh', 'Prm', 'Eff', 'Bnd', 'Amb')))", "Stopped", "claim(int(status('CapEff'), 16) == 0)"),
    "without the outer filter": Program("claim(int(status('Seccomp_filters')) < 2)", "Stopped", "claim(int(status('Seccomp_filters')) > 0)"),
    "new privileges": Program("claim(status('NoNewPrivs') != '1')", "Stopped", "claim(status('NoNewPrivs'))"),
    "no filter": Program("claim(status('Seccomp') != '2')", "Stopped", "claim(status('Seccomp') == '2')"),
    "keys of the user": _denied("keyctl", "0, -3, 0"),
    "a new key": _denied("add_key", "b'user', b'x', b'x', 1, -3"),
    "the clock": Program("time.clock_settime(time.CLOCK_REALTIME, time.time())", "EPERM", "time.clock_gettime(time.CLOCK_REALTIME)"),
    "the clock, slowly": _denied("adjtimex", "struct.pack('I300x', 1)"),
    "the host's name": Program("socket.sethostname('x')", "EPERM", "socket.gethostname()"),
    "a program in the kernel": _denied("bpf", "0, 0, 0"),
    "counters of the processor": _denied("perf_event_open", "0, 0, -1, -1, 0"),
    "faults of pages": _denied("userfaultfd", "0"),
    "calls without calling": _denied("io_uring_setup", "1, bytes(120)", "ENOSYS"),
    "a module of the kernel": _denied("finit_module", "0, b'', 0"),
    "another kernel": _denied("kexec_load", "0, 0, 0, 0"),
    "a reboot": _denied("reboot", "0, 0, 0, 0"),  # wrong magic numbers: EINVAL if it got through
    "swapping": _denied("swapoff", "b'/nowhere'"),
    "the log of the kernel": _denied("syslog", "10, 0, 0"),
    "typing into a terminal": Program("fcntl.ioctl(0, 0x5412, b'x')", "EPERM", "fcntl.fcntl(0, fcntl.F_GETFL)"),
    "a plainer address space": _denied("personality", "0x0040000"),
    "quotas": _denied("quotactl", "0, 0, 0, 0"),
    "accounting": _denied("acct", "0"),
    "memory of a sibling, by tracing": Program("to_child(lambda pid: syscall('ptrace', 16, pid, 0, 0))", "EPERM", "to_child(lambda pid: os.kill(pid, 0))"),
    "memory of a sibling, by copying": Program("to_child(lambda pid: syscall('process_vm_readv', pid, 0, 0, 0, 0, 0))", "EPERM", "to_child(lambda pid: os.getpgid(pid))"),
    "descriptors of a sibling": Program("to_child(lambda pid: syscall('pidfd_getfd', os.pidfd_open(pid), 0, 0))", "EPERM", "to_child(lambda pid: os.pidfd_open(pid))"),
    "kinship of processes": Program("to_child(lambda pid: syscall('kcmp', pid, os.getpid(), 0, 0, 0))", "EPERM", "to_child(lambda pid: os.getsid(pid))"),
    "a process of the host": Program("os.kill(HOST_PID, 0)", "ESRCH", "os.kill(os.getpid(), 0)"),
    "more processors": Program("os.sched_setaffinity(0, range(64))", "EPERM", "os.sched_getaffinity(0)", LOCAL),
    "real-time priority": Program("os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50))", "EPERM", "os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))"),
    "a better priority": Program("os.setpriority(os.PRIO_PROCESS, 0, -5)", "EACCES|EPERM", "os.setpriority(os.PRIO_PROCESS, 0, 0)"),
    "a higher limit": Program("resource.setrlimit(resource.RLIMIT_NOFILE, (1 << 19, 1 << 19))", "ValueError|EPERM", "resource.setrlimit(resource.RLIMIT_NOFILE, resource.getrlimit(resource.RLIMIT_NOFILE))"),
    "core dumps": Program("claim(resource.getrlimit(resource.RLIMIT_CORE) != (0, 0))", "Stopped", "resource.getrlimit(resource.RLIMIT_CORE)"),
    "more processes": Program("claim(not 0 < resource.getrlimit(resource.RLIMIT_NPROC)[1] <= 128)", "Stopped", "resource.getrlimit(resource.RLIMIT_NPROC)", LOCAL),
    "more memory of its own": Program("claim(not 0 < resource.getrlimit(resource.RLIMIT_DATA)[1] <= 1 << 30)", "Stopped", "resource.getrlimit(resource.RLIMIT_DATA)", LOCAL),
    "more descriptors": Program("claim(not 0 < resource.getrlimit(resource.RLIMIT_NOFILE)[1] <= 1024)", "Stopped", "resource.getrlimit(resource.RLIMIT_NOFILE)"),
    "memory outside of limits": Program("os.memfd_create('x')", "ENOSYS", "open('/dev/shm/memory', 'w')", LOCAL),
    **{
        f"the host's {name} namespace": Program(f"claim(os.readlink('/proc/self/ns/{name}') == NAMESPACES[{name!r}])", "Stopped", f"os.readlink('/proc/self/ns/{name}')", kinds)
        for name, kinds in {"mnt": BOTH, "pid": BOTH, "net": BOTH, "ipc": BOTH, "uts": BOTH, "user": LOCAL, "cgroup": LOCAL}.items()
    },
    "more memory that stays": Program("claim(libc.mlock(ctypes.create_string_buffer(64 << 20), 64 << 20) == 0)", "Stopped", "claim(libc.mlock(ctypes.create_string_buffer(4096), 4096) == 0)"),
}  # fmt: skip

SUPERVISOR: Programs = {
    **{
        f"signal {name}": Program(f"os.kill(1, signal.{name})", "EPERM", "to_child(lambda pid: os.kill(pid, signal.SIGKILL))")
        for name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGSTOP", "SIGSEGV", "SIGCHLD")
    },
    "a signal to everyone": Program("os.kill(-1, signal.SIGKILL)", "EPERM", "os.kill(0, 0)"),
    "a signal with bits too many": Program("syscall('kill', (7 << 32) | 1, 17)", "EPERM", "syscall('kill', (7 << 32) | os.getpid(), 0)"),
    "a signal to its thread": Program("syscall('tkill', 1, 17)", "EPERM", "syscall('tkill', os.getpid(), 0)"),
    "a signal to a thread in its group": Program("syscall('tgkill', 1, 1, 17)", "EPERM", "syscall('tgkill', os.getpid(), os.getpid(), 0)"),
    "a queued signal": Program("syscall('rt_sigqueueinfo', 1, 17, struct.pack('iii116x', 17, 0, -1))", "EPERM", "to_child(lambda pid: syscall('rt_sigqueueinfo', pid, 17, struct.pack('iii116x', 17, 0, -1)))"),
    "a queued signal to its thread": Program("syscall('rt_tgsigqueueinfo', 1, 1, 17, struct.pack('iii116x', 17, 0, -1))", "EPERM", "to_child(lambda pid: syscall('rt_tgsigqueueinfo', pid, pid, 17, struct.pack('iii116x', 17, 0, -1)))"),
    "a descriptor of it": Program("os.pidfd_open(1)", "EPERM", "os.pidfd_open(os.getpid())"),
    "a signal through /proc": Program("syscall('pidfd_send_signal', os.open('/proc/1', 0), 17, 0, 0)", "ENOSYS", "os.open('/proc/1', 0)"),
    "a signal on input": Program("[(fcntl.fcntl(a, fcntl.F_SETOWN, 1), fcntl.fcntl(a, 10, signal.SIGKILL), fcntl.fcntl(a, fcntl.F_SETFL, os.O_ASYNC), b.send(b'x')) for a, b in [socket.socketpair()]]", "done", "socket.socketpair()"),
    "its limits": Program("resource.prlimit(1, resource.RLIMIT_NOFILE, (1, 1))", "EPERM", "resource.prlimit(os.getpid(), resource.RLIMIT_NOFILE)"),
    "its time": Program("resource.prlimit(1, resource.RLIMIT_CPU, (1, 1))", "EPERM", "resource.prlimit(0, resource.RLIMIT_CPU)"),
    "its memory's limit": Program("resource.prlimit(1, resource.RLIMIT_AS, (1, 1))", "EPERM", "to_child(lambda pid: resource.prlimit(pid, resource.RLIMIT_AS, (1 << 32, 1 << 32)))"),
    "its priority": Program("os.setpriority(os.PRIO_PROCESS, 1, 19)", "EPERM", "to_child(lambda pid: os.setpriority(os.PRIO_PROCESS, pid, 19))"),
    "the priority of its group": Program("os.setpriority(os.PRIO_PGRP, 1, 19)", "EPERM", "os.setpriority(os.PRIO_PGRP, 0, os.getpriority(os.PRIO_PGRP, 0))"),
    "the priority of its user": Program("os.setpriority(os.PRIO_USER, os.getuid(), 19)", "EPERM", "os.getpriority(os.PRIO_USER, os.getuid())"),
    "its scheduler": Program("os.sched_setscheduler(1, os.SCHED_IDLE, os.sched_param(0))", "EPERM", "to_child(lambda pid: os.sched_setscheduler(pid, os.SCHED_IDLE, os.sched_param(0)))"),
    "its scheduler's settings": Program("os.sched_setparam(1, os.sched_param(0))", "EPERM", "to_child(lambda pid: os.sched_setparam(pid, os.sched_param(0)))"),
    "its scheduler's attributes": Program("syscall('sched_setattr', 1, struct.pack('IIQiIQQQ', 48, 5, 0, 0, 0, 0, 0, 0), 0)", "EPERM", "to_child(lambda pid: syscall('sched_setattr', pid, struct.pack('IIQiIQQQ', 48, 5, 0, 0, 0, 0, 0, 0), 0))"),
    "its processors": Program("os.sched_setaffinity(1, [0])", "EPERM", "os.sched_getaffinity(1)"),
    "its input and output": Program("syscall('ioprio_set', 1, 1, 3 << 13)", "EPERM", "syscall('ioprio_set', 1, 0, 0)"),
    "input and output of its user": Program("syscall('ioprio_set', 3, os.getuid(), 3 << 13)", "EPERM", "syscall('ioprio_set', 1, 0, 0)"),
    "its place when memory is out": Program("write('/proc/1/oom_score_adj', '1000')", CLOSED, "write('/proc/self/oom_score_adj', '1000')"),
    "its descriptors": Program("os.listdir('/proc/1/fd')", CLOSED, "os.listdir('/proc/self/fd')"),
    "its standard output": Program("write('/proc/1/fd/1', '{}\\n')", CLOSED, "open('/proc/self/fd/0')"),
    "its memory": Program("open('/proc/1/mem', 'rb+')", CLOSED, "open('/proc/self/mem', 'rb+')"),
    "the map of its memory": Program("open('/proc/1/maps').read()", CLOSED, "open('/proc/self/maps').read()"),
    "its name": Program("open('/proc/1/comm', 'w').write('x')", CLOSED, "open('/proc/self/comm', 'w').write('x')"),
    "its pages": Program("write('/proc/1/clear_refs', '1')", CLOSED, "write('/proc/self/clear_refs', '1')"),
    "tracing it": Program("syscall('ptrace', 16, 1, 0, 0)", "EPERM", _FREE),
    "writing into it": Program("syscall('process_vm_writev', 1, 0, 0, 0, 0, 0)", "EPERM", _FREE),
    "advice on its memory": Program("syscall('process_madvise', os.open('/proc/1', 0), 0, 0, 21, 0)", "EPERM", _FREE),
    "its session": Program("os.setpgid(0, 1)", "EPERM", "os.getpgid(1) if KIND == 'docker' else os.getpgid(0)"),
    "its copy's memory": Program("open('/proc/%d/mem' % copy(), 'rb+')", CLOSED, "to_child(lambda pid: open('/proc/%d/mem' % pid, 'rb+'))"),
    "its copy's descriptors": Program("os.listdir('/proc/%d/fd' % copy())", CLOSED, "to_child(lambda pid: os.listdir('/proc/%d/fd' % pid))"),
}  # fmt: skip

TABLES = {"files": FILES, "network": NETWORK, "rights": RIGHTS, "supervisor": SUPERVISOR}
