"""Mutants of the shell and of files: see `mutants_table`."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_CUT = "tools/conveyor_tools/splitters"
_GUEST = "sandbox/conveyor_sandbox/guest"

ORACLE = (
    "tests/tools/splitters/test_shell_oracle.py",
    "-k",
    "examples or may_end or open_end or any_text",
)


def commands(which: str) -> tuple[str, ...]:
    """Tests of the guest's shell, in the sandbox that starts faster."""
    return ("tests/sandbox/test_commands.py", "-k", f"local and ({which})")


def operations(which: str) -> tuple[str, ...]:
    """Tests of operations on files, likewise."""
    return ("tests/sandbox/test_operations.py", "-k", f"local and ({which})")


SHELL = [
    Mutant(
        "a command goes on after &&",
        f"{_CUT}/shell_grammar.py",
        "            self._begin_list()\n            self.owes = True",
        "            self._begin_list()",
        ORACLE,
    ),
    Mutant(
        "a function's body may stand on the next line",
        f"{_CUT}/shell_grammar.py",
        "            self.state, self.owes = State.COMMAND, True\n",
        "            self.state, self.owes = State.COMMAND, False\n",
        ORACLE,
    ),
    Mutant(
        "a bare parenthesis in a case ends a pattern",
        f"{_CUT}/shell_grammar.py",
        "elif self.state in (State.CASE_PATTERN, State.CASE_PATTERNS):\n            self._begin",
        "elif self.state is State.CASE_PATTERN:\n            self._begin",
        ORACLE,
    ),
    Mutant(
        "tabs before a delimiter do not count",
        f"{_CUT}/shell_documents.py",
        'line.lstrip("\\t") if self._document.tabs else line',
        "line",
        ORACLE,
    ),
    Mutant(
        "a plain redirection ends in the text at hand",
        f"{_CUT}/shell_lexer.py",
        r"[\w./-]++(?=[ \t\n;&|)])){0,999}",
        r"[\w./-]++){0,999}",
        ORACLE,
    ),
    Mutant(
        "a here-document is a string",
        f"{_CUT}/shell_lexer.py",
        "            self.strings += 1\n",
        "",
        ORACLE,
    ),
    Mutant(
        "$? is kept",
        f"{_GUEST}/shell_lines.py",
        "return self._restoring() + command + self._report",
        "return command + self._report",
        commands("one_script"),
    ),
    Mutant(
        "the shell's filter of system calls",
        f"{_GUEST}/shell_start.py",
        "        guard.confine()\n",
        "",
        commands("reach or confined"),
    ),
    Mutant(
        "SIGPIPE is as usual",
        f"{_GUEST}/shell_start.py",
        '"SIGINT", "SIGPIPE"',
        '"SIGINT"',
        commands("usual"),
    ),
    Mutant(
        "a command that is not complete is noticed",
        f"{_GUEST}/shell.py",
        "if starved and self._starved:",
        "if False:",
        commands("ends_of_the_shell"),
    ),
    Mutant(
        "what was saved is there again",
        f"{_GUEST}/shell.py",
        "self._lines.preparation(self._root, self._saved)",
        "self._lines.preparation(self._root, None)",
        commands("state_after_rollback"),
    ),
    Mutant(
        "a link that leads out is refused",
        f"{_GUEST}/file_operations.py",
        "        path = os.path.realpath(path)\n",
        "        pass\n",
        operations("refusals"),
    ),
    Mutant(
        "what is edited stands there once",
        f"{_GUEST}/file_operations.py",
        "if count != 1:",
        "if not count:",
        operations("refusals"),
    ),
]
