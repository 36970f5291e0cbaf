"""The mutants: one broken promise each, and the tests that should notice.

`old` must stand once in its file. To add one, add a line: what is broken, where, how, who notices.
"""

from __future__ import annotations

from tests.mutants_cutting import SPLITTER
from tests.mutants_data import DATA
from tests.mutants_engine import CALLS
from tests.mutants_library import LIBRARY
from tests.mutants_mutant import Mutant
from tests.mutants_net import NET
from tests.mutants_plan import PLAN
from tests.mutants_shell import SHELL
from tests.mutants_speech import SPEECH

_FENCES = "conveyor_cli/dialects/fences.py"
_CALL = "conveyor_cli/engine/call.py"
_TURN = "conveyor_cli/engine/turn.py"
_POLICY = "conveyor_cli/engine/policy.py"
_GUEST = "sandbox/conveyor_sandbox/guest"

FENCES = ("tests/cli/dialects/test_fences.py",)
CUT_OFF = ("tests/differential/test_cut_off.py", "-k", "spoilt or cancelled")
MODES = (
    "tests/cli/test_run.py",
    "-k",
    "both_modes or failed_unit or early_stop or exit_0 or sequential_does",
)


def programs(which: str) -> tuple[str, ...]:
    """Programs of the differential corpus whose names match."""
    tests = "tests/differential/test_partial_is_sequential.py"
    return (tests, "-k", f"test_program and ({which})")


def guest(which: str) -> tuple[str, ...]:
    """Tests of the guest, in the sandbox that starts faster."""
    subjects = ("", "_ends", "_misuse", "_output")
    tests = (f"tests/sandbox/test_guest{it}.py" for it in subjects)
    return (*tests, "-k", f"local and ({which})")


DIALECT = [
    Mutant(
        "what may become the fence is held back",
        _FENCES,
        "            if self._may_become_closing(line):",
        "            if False:",
        FENCES,
    ),
    Mutant(
        "a refused fence was the end after all",
        _FENCES,
        "if length >= self._call.released]",
        "if False]",
        FENCES,
    ),
    Mutant(
        "reasoning is no call",
        _FENCES,
        "        if self._thinking:\n            self._visible = line\n            return",
        "        if self._thinking:\n            self._visible = line",
        ("tests/cli/dialects/test_reasoning.py",),
    ),
    Mutant(
        "the message is cut after the failed unit",
        _FENCES,
        "self._kept(self._length if length is None else length)",
        "self._kept(self._length)",
        FENCES,
    ),
    Mutant(
        "the message ends with the failed unit",
        "conveyor_cli/engine/telling.py",
        "if it.index <= unit)",
        "if it.index <= unit + 1)",
        MODES,
    ),
]

ENGINE = [
    Mutant(
        "partial starts early",
        _POLICY,
        "return mode is Mode.PARTIAL or call_closed",
        "return call_closed",
        MODES,
    ),
    Mutant(
        "sequential waits for the call's end",
        _POLICY,
        "return mode is Mode.PARTIAL or call_closed",
        "return True",
        MODES,
    ),
    Mutant(
        "a failed unit stops decoding",
        _TURN,
        "        if self._early_stop:\n",
        "        if False:\n",
        MODES,
    ),
    Mutant(
        "a call cut off is no call",
        "conveyor_cli/engine/verdict.py",
        "        if self.abandoned is Abandoned.CUT_OFF:",
        "        if False:",
        CUT_OFF,
    ),
    Mutant(
        "what is undone is undone",
        _CALL,
        "            self._gate.roll_back(self.number)",
        "            self._rolled_back.set()",
        CUT_OFF,
    ),
    Mutant(
        "what counts stays",
        _CALL,
        "        self._gate.commit()",
        "        pass",
        CUT_OFF,
    ),
    Mutant(
        "blank units do not run",
        _CALL,
        "            if unit.blank:\n                continue",
        "            pass",
        programs("comment"),
    ),
]

GUEST = [
    Mutant(
        "future flags hold for later units",
        f"{_GUEST}/call.py",
        "        self._flags |= code.co_flags & _FUTURE\n",
        "",
        programs("futures"),
    ),
    Mutant(
        "a bare string is no docstring later",
        f"{_GUEST}/call.py",
        "if has_docstring and len(self._texts) > 1:",
        "if False:",
        programs("docstring"),
    ),
    Mutant(
        "lines count from the call's top",
        f"{_GUEST}/call.py",
        '"\\n" * (line - 1) + text',
        "text",
        programs("errors"),
    ),
    Mutant(
        "the whole call is compiled at its end",
        f"{_GUEST}/worker.py",
        "            call.check()\n",
        "            pass\n",
        programs("invalid"),
    ),
    Mutant(
        "a value is let go before the next statement",
        f"{_GUEST}/worker.py",
        "        call.value = None\n",
        "",
        programs("script"),
    ),
    Mutant(
        "a value is shown",
        f"{_GUEST}/worker.py",
        "            return eval(shown, names) if shown is not None else None",
        "            return None",
        programs("lines"),
    ),
    Mutant(
        "None is not shown",
        f"{_GUEST}/worker.py",
        "if error is None and call.value is not None:",
        "if error is None:",
        programs("lines"),
    ),
    Mutant(
        "a failed unit skips the rest",
        f"{_GUEST}/ledger.py",
        'if outcome["status"] != "ok" or answer["exited"]:',
        "if False:",
        guest("skips or exit"),
    ),
    Mutant(
        "sys.exit(0) skips the rest",
        f"{_GUEST}/ledger.py",
        'if outcome["status"] != "ok" or answer["exited"]:',
        'if outcome["status"] != "ok":',
        guest("exit_without"),
    ),
    Mutant(
        "an answer is for one unit only",
        f"{_GUEST}/current.py",
        'return (answer["call"], answer["index"]) == numbers',
        "return True",
        guest("forged"),
    ),
    Mutant(
        "a unit is said to start once",
        f"{_GUEST}/current.py",
        "is_news, self._started = not self._started, True",
        "is_news, self._started = True, True",
        guest("forged"),
    ),
    Mutant(
        "tracebacks show the text",
        f"{_GUEST}/call.py",
        "_sources[name] = (len(self._lines), None, self._lines, name)",
        "pass",
        programs("errors"),
    ),
    Mutant(
        "top-level await",
        f"{_GUEST}/call.py",
        "        self._flags = PyCF_ALLOW_TOP_LEVEL_AWAIT\n",
        "        self._flags = 0\n",
        programs("awaits"),
    ),
    Mutant(
        "output belongs to its unit",
        f"{_GUEST}/supervisor.py",
        '            self._outputs.unit = (frame["call"], frame["index"])',
        '            self._outputs.unit = (frame["call"], 0)',
        guest("belongs"),
    ),
    Mutant(
        "characters cut in two are one",
        f"{_GUEST}/capture.py",
        '("utf-8")("replace")\n        self._kept',
        '("latin-1")("replace")\n        self._kept',
        programs("outputs"),
    ),
]

UNDO = [
    Mutant(
        "random numbers come back",
        f"{_GUEST}/checkpoint.py",
        "            generator.setstate(numbers)",
        "            pass",
        CUT_OFF,
    ),
    Mutant(
        "the folder comes back",
        f"{_GUEST}/checkpoint.py",
        "        chdir(folder)  #",
        "        pass  #",
        CUT_OFF,
    ),
    Mutant(
        "open files stand where they stood",
        f"{_GUEST}/checkpoint.py",
        "            lseek(fd, offset, SEEK_SET)",
        "            pass",
        CUT_OFF,
    ),
    Mutant(
        "new files go",
        f"{_GUEST}/workspace.py",
        "                        _remove(path, status)",
        "                        pass",
        CUT_OFF,
    ),
    Mutant(
        "old files come back",
        f"{_GUEST}/workspace.py",
        "problems = [*self._remove_new(), *self._bring_back()]",
        "problems = self._remove_new()",
        CUT_OFF,
    ),
    Mutant(
        "modes come back",
        f"{_GUEST}/workspace.py",
        "        os.chmod(path, stat.S_IMODE(kept.status.st_mode))\n",
        "",
        CUT_OFF,
    ),
    Mutant(
        "the files are restored",
        f"{_GUEST}/errands.py",
        "lost, not_undone = self.replace_worker(restore_files=True)",
        "lost, not_undone = self.replace_worker(restore_files=False)",
        CUT_OFF,
    ),
    Mutant(
        "the interpreter is the copy",
        f"{_GUEST}/undo.py",
        "        if not copy.wake():",
        "        if True:",
        CUT_OFF,
    ),
]

START = [
    Mutant(
        "start: a spare is given once",
        "sandbox/conveyor_sandbox/pool.py",
        "self._ready.pop(0)",
        "self._ready[0]",
        ("tests/sandbox/test_pool.py", "-k", "local and given_once"),
    ),
    Mutant(
        "start: a spare that died is not given away",
        "sandbox/conveyor_sandbox/pool.py",
        "        if spare in self._ready:\n",
        "        if spare not in self._ready:\n",
        ("tests/sandbox/test_pool.py", "-k", "dies"),
    ),
    Mutant(
        "start: what a spare reported is not lost",
        "sandbox/conveyor_sandbox/client.py",
        "        for report in early:\n",
        "        for report in early[:0]:\n",
        ("tests/sandbox/test_pool.py", "-k", "local and given_once"),
    ),
    Mutant(
        "start: a unit comes before imports",
        f"{_GUEST}/post.py",
        "        self._understudy.dismiss()\n        self.process.send",
        "        self.process.send",
        ("tests/sandbox/test_preload.py", "-k", "local and nothing_more"),
    ),
    Mutant(
        "start: preloading is silent",
        f"{_GUEST}/process.py",
        "        os.dup2(nowhere, number)\n",
        "        pass\n",
        ("tests/sandbox/test_preload.py", "-k", "local and not_seen"),
    ),
    Mutant(
        "start: the successor brings its copy",
        f"{_GUEST}/undo.py",
        "        self._copy = copy\n        self._why_not",
        "        self._why_not",
        ("tests/sandbox/test_preload.py", "-k", "local and crash"),
    ),
    Mutant(
        "start: a killed local sandbox is replaced",
        "sandbox/conveyor_sandbox/channel.py",
        "        if not self._writer.transport.is_closing():\n",
        "        if self._writer:\n",
        ("tests/cli/test_ends.py", "-k", "killed_from_outside"),
    ),
]

MUTANTS = [
    *SPLITTER,
    *DIALECT,
    *ENGINE,
    *CALLS,
    *GUEST,
    *UNDO,
    *START,
    *LIBRARY,
    *NET,
    *PLAN,
    *SHELL,
    *DATA,
    *SPEECH,
]
