"""The shell of the session: one process that is given commands, and kept from call to call.

It is `bash`, or `sh` where there is none. It is started when it is first needed, as confined as the
worker. A unit is written to its script, followed by a line that reports how it ended (see
`shell_lines`). Between calls its state is saved, as commands; where the process is lost, by `exit`
or a rollback, the next one begins with that state.

Not saved: open descriptors, the stack of folders, jobs. Of a plain `sh`, nothing is saved.
"""

from __future__ import annotations

import array
import contextlib
import fcntl
import os
import select
import signal
import termios
import time

from .answers import failed
from .process import count_oom_kills
from .processes import is_asleep
from .shell_lines import Lines
from .shell_start import find_shell, start

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Callable, List, Optional

    from .frames import Frame
    from .guard import Guard
    from .outputs import Outputs
    from .polling import Poller
    from .shell_start import Started

_LOOK = 0.25
"""Seconds between two looks whether a shell waits for more of a command than it was given."""
_AT_ONCE = 65536


class Shell:
    """At most one process. `on_end` is told how a unit ended: status, error, exited."""

    def __init__(
        self,
        poller: Poller,
        outputs: Outputs,
        guard: Guard,
        on_end: Callable[[Frame], None],
    ) -> None:
        self._poller = poller
        self._outputs = outputs
        self._guard = guard
        self._on_end = on_end
        self._root = os.getcwdb()
        self._process: Optional[Started] = None
        self._lines = Lines(b"", is_bash=True)
        self._unsent = b""
        self._runs = self._prepares = False
        self._next_look = 0.0
        self._starved = False
        """Whether it had read all it was given when we last looked."""
        self._saved: Optional[List[bytes]] = None
        self._then: Optional[Callable[[], None]] = None
        """What is done when its state is saved."""
        self._dirty = False
        """Whether it ran something since its state was saved."""
        self._lasting = False
        """Whether it had run something when its state was saved."""
        self._oom_kills: Optional[int] = None
        self.status = 0
        """The exit status of the last unit."""
        self.took_too_much = False
        """Whether it is killed for the memory of all."""

    @property
    def pid(self) -> Optional[int]:
        """Its process, if it has one."""
        return self._process.pid if self._process is not None else None

    # Units

    def prepare(self) -> None:
        """It will be needed."""
        if self._process is None:
            path = find_shell()
            out, err = self._outputs.ends
            self._process = start(path, self._guard, out, err, blank=self._saved is not None)
            is_bash = os.path.basename(path) == "bash"
            self._lines = Lines(os.urandom(8).hex().encode(), is_bash=is_bash)
            self._prepares = True
            self._poller.watch(self._process.report, self._hear)
            self._send(self._lines.preparation(self._root, self._saved))

    def begin(self, frame: Frame) -> None:
        """Run a unit; nothing else runs."""
        if self._process is None and self._dirty:
            self._end(failed("error", "crash", "ChildProcessError", "the shell has ended"))
            return
        try:
            self.prepare()
        except OSError as error:
            self._end(failed("error", "crash", type(error).__name__, "no shell: %s" % error))
            return
        self._runs = self._dirty = True
        self._starved = False
        self._next_look = time.monotonic() + _LOOK
        self._oom_kills = count_oom_kills()
        self._send(self._lines.unit(frame["text"], is_open=frame.get("open") is True))

    def interrupt(self) -> None:
        """What Ctrl-C does to a script: SIGINT to it and its children. It ends by that."""
        self._signal(signal.SIGINT)

    def kill(self) -> None:
        """The same, without a choice."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)

    @property
    def look_within(self) -> Optional[float]:
        """Seconds after which `look` is to be called again; None: no need."""
        return _LOOK if self._runs else None

    def look(self) -> None:
        """A command that is not complete takes our report for a part of it, and waits for ever.

        `bash` reads byte by byte, and our line only when the unit is over. So if it sleeps when all
        is read and nothing reported, and so a moment later, it waits for more.
        """
        now = time.monotonic()
        if not self._runs or self._process is None or now < self._next_look:
            return
        self._next_look = now + _LOOK
        unread = array.array("i", [0])
        fcntl.ioctl(self._process.script, termios.FIONREAD, unread)
        waits = self._lines.reads_bytewise and not unread[0] and not self._unsent
        starved = waits and is_asleep(self._process.pid)
        if starved and self._starved:
            self.kill()
        self._starved = starved

    def _end(self, outcome: Frame) -> None:
        self._runs = False
        self._on_end({"exited": False, "result": None, "t": time.monotonic(), **outcome})

    # Its process

    def _send(self, data: bytes) -> None:
        self._unsent += data
        self._flush()

    def _flush(self) -> None:
        process = self._process
        if process is None:
            return
        try:
            while self._unsent:
                self._unsent = self._unsent[os.write(process.script, self._unsent[:_AT_ONCE]) :]
        except BlockingIOError:
            pass
        except OSError:
            self._unsent = b""  # its death is on its way to us
        if self._unsent:
            self._poller.watch(process.script, self._flush, select.POLLOUT)
        else:
            self._poller.unwatch(process.script)

    def _hear(self) -> None:
        assert self._process is not None
        try:
            data = os.read(self._process.report, _AT_ONCE)
        except BlockingIOError:
            return
        if not data:  # closed in every process; its death, or the time limit, says more
            self._poller.unwatch(self._process.report)
            return
        if self._then is not None:
            done, state = self._lines.hear_state(data)
            if done:
                self._note_saved(state)
            return
        status = self._lines.hear(data)
        while status is not None:
            self._note_report(status)
            status = self._lines.hear(b"")

    def _note_report(self, status: int) -> None:
        """It has done what it was given."""
        if self._prepares:
            self._prepares = False
            if self._process is not None:
                self._process.tidy()
        elif self._runs:
            self.status = status
            self._end({"status": "ok", "error": None})

    def ended(self, pid: int, wait_status: int) -> bool:
        """A process has ended. Returns whether it was the shell."""
        if self._process is None or pid != self._process.pid:
            return False
        if self._runs:
            self._hear()  # its last words
        runs, starved = self._runs, self._starved
        self.forget(keep_dirty=True)
        if self._then is not None:
            self._note_saved(self._saved)
        if runs:
            self.status = 0
            outcome = self._cause(wait_status, starved=starved)
            self._end({**outcome, "restarted": "shell"})
        return True

    def _cause(self, wait_status: int, *, starved: bool) -> Frame:
        """The outcome of the unit that ended it."""
        if os.WIFEXITED(wait_status):
            code = os.WEXITSTATUS(wait_status)
            if not code:
                return {"status": "ok", "error": None, "exited": True}
            return failed("error", "exit", "exit status", str(code))
        number = os.WTERMSIG(wait_status)
        if starved:
            return failed("error", "exit", "syntax error", "the command is not complete")
        killed, self.took_too_much = self.took_too_much, False
        if killed or (number == signal.SIGKILL and count_oom_kills() != self._oom_kills):
            return failed("error", "memory", "MemoryError", "killed: out of memory")
        try:
            name = signal.Signals(number).name
        except ValueError:  # a real-time signal
            name = "signal %d" % number
        return failed("error", "crash", name, "the shell was killed by %s" % name)

    def forget(self, *, keep_dirty: bool = False) -> None:
        """Its process is gone: the next one begins with what was saved."""
        process, self._process = self._process, None
        self._runs = self._prepares = False
        self._unsent = b""
        if not keep_dirty:
            self._dirty = False
        if process is not None:
            for fd in (process.script, process.report):
                self._poller.unwatch(fd)
                os.close(fd)
            process.tidy()

    def reset(self) -> None:
        """Forget what was saved, too."""
        self._saved, self._lasting = None, False

    @property
    def outcome(self) -> Frame:
        """How a call ends, all of whose units have run."""
        ended = {"exited": False, "result": None, "t": time.monotonic()}
        if not self.status:
            return {"status": "ok", "error": None, **ended}
        return {**failed("error", "exit", "exit status", str(self.status)), **ended}

    # Its state

    def save(self, then: Callable[[], None]) -> None:
        """Save its state, if that has changed, then do this. Nothing runs."""
        if self._process is None or not self._dirty or not self._lines.can_save:
            self._lasting = self._lasting or self._dirty
            self._dirty = False
            then()
            return
        self._then = then
        self._send(self._lines.save)

    def _note_saved(self, state: Optional[List[bytes]]) -> None:
        then, self._then = self._then, None
        self._saved, self._dirty, self._lasting = state, False, True
        assert then is not None
        then()

    def give_up(self) -> bool:
        """It takes too long: whether it was saving its state, which then cannot be gone back to."""
        if self._then is None:
            return False
        self.kill()
        self._note_saved(None)
        return True

    @property
    def lost(self) -> List[str]:
        """What a new process would lack of earlier calls' state, in words."""
        return ["variables of the shell"] if self._lasting and self._saved is None else []
