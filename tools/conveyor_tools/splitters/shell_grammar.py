"""Where a command of the shell may end: its compound commands, read word by word.

As much of the grammar of bash (a superset of POSIX's) as tells whether a newline ends a command.
Aliases are not expanded. On text that is not valid it goes on in some way or other.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum, auto

from conveyor_tools.splitters.shell_documents import HereDocument

ASSIGNMENT = re.compile(r"[A-Za-z_]\w*\[?\+?=")
"""The beginning of a word that assigns; of a subscript, only its opening bracket is told."""
NAME = re.compile(r"[A-Za-z_]\w*")


class State(Enum):
    """What the grammar expects next."""

    COMMAND = auto()  # a command: words can be reserved ones
    ARGUMENTS = auto()  # the rest of a simple command
    AFTER = auto()  # a compound command has ended: redirections, or what follows it
    COPROC = auto()  # a command, or the name of one that follows
    FOR_NAME = auto()
    FOR_IN = auto()
    FOR_WORDS = auto()
    CASE_WORD = auto()
    CASE_IN = auto()
    CASE_PATTERN = auto()  # the first of a clause
    CASE_PATTERNS = auto()  # up to its parenthesis
    FUNCTION_NAME = auto()
    FUNCTION_OPEN = auto()  # the parentheses after `function name`, or its body
    FUNCTION_CLOSE = auto()
    CONDITION = auto()  # within [[ and ]]


FREE = (State.ARGUMENTS, State.FOR_WORDS, State.CASE_PATTERNS)
"""Where no word means anything to the grammar."""
_WAITING = (State.COMMAND, State.AFTER, State.COPROC, State.FUNCTION_OPEN)
"""Where a word may be a reserved one."""
_STARTS = ("{", "[[", "if", "while", "until", "for", "select", "case")
_OF_TIME = ("-p", "--")
"""Options of `time`: no command is called so."""


@dataclass(slots=True)
class Level:
    """A list of commands: the whole text, or what stands in a substitution."""

    closes: bool = False
    """Whether a parenthesis ends it."""
    state: State = State.COMMAND
    owes: bool = False
    """Whether a command must follow, on whichever line."""
    nest: list[str] = field(default_factory=list)
    """What is open: `if`, `while`, `for`, `loop` (from its `do` on), `case`, `{`, `(`."""
    documents: list[HereDocument] = field(default_factory=list)
    """Those whose lines come after the next newline."""
    redirects: bool = False
    """Whether the next word is a file's name, or the like."""
    alone: bool = False
    """Whether the simple command has one word so far, which may name a function."""

    @property
    def complete(self) -> bool:
        """Whether a newline would end all there is."""
        return not self.nest and not self.owes and self.state is State.COMMAND

    def word(self, text: str, *, quoted: bool) -> None:
        """A word has ended; `quoted`: it holds quotes or expansions, and is no reserved word."""
        if self.redirects:
            self.redirects = False
            if self.state in (State.COMMAND, State.COPROC):
                self._simple(alone=False)
            return
        if self.state in _WAITING:
            self._command_word("" if quoted else text, text)
        elif self.state is State.ARGUMENTS:
            self.alone = False
        elif self.state is State.CONDITION:
            if text == "]]" and not quoted:
                self.state = State.AFTER
        elif self.state is State.FUNCTION_CLOSE:  # it was a subshell that opened
            self._open("(")
            self._command_word("" if quoted else text, text)
        else:
            self._head_word("" if quoted else text)

    def _head_word(self, text: str) -> None:
        """A word of the head of a loop, a `case` or a function."""
        before = self.state
        self.state = _NEXT.get(before, before)
        if before is State.FOR_IN and text in ("do", "{"):
            self._reserved(text)
        elif before is State.CASE_PATTERN and text == "esac":
            self._close("case")
        elif before is State.FUNCTION_NAME:
            self.owes = True

    def _command_word(self, text: str, written: str) -> None:
        if text in _RESERVED and self._reserved(text):
            return
        if self.state is State.COPROC and NAME.fullmatch(text):
            self._simple(alone=False)
            self.state = State.COMMAND  # it names what follows, or is a command with arguments
            return
        if self.state is not State.AFTER:
            self._simple(alone=not ASSIGNMENT.match(written))

    def _simple(self, *, alone: bool) -> None:
        self.state, self.alone, self.owes = State.ARGUMENTS, alone, False

    def _reserved(self, text: str) -> bool:
        """Whether the word, which may be a reserved one, is one here; then it is taken."""
        top = self.nest[-1] if self.nest else ""
        if text in _STARTS and self.state is not State.AFTER:
            self._start(text, top)
        elif text in ("then", "else", "elif"):
            self._begin_list()
        elif text == "do":
            if top in ("for", "while"):
                self.nest[-1] = "loop"
            self._begin_list()
        elif text in _ENDS:
            self._close(*_ENDS[text])
        elif self.state is State.AFTER:
            return False
        elif text in ("!", "time"):
            self.state = State.COMMAND
        elif text == "coproc":
            self.state, self.owes = State.COPROC, False
        elif text == "function":
            self.state, self.owes = State.FUNCTION_NAME, False
        return True

    def _start(self, text: str, top: str) -> None:
        if text == "[[":
            self.state, self.owes = State.CONDITION, False
        elif text == "case":
            self._open("case", State.CASE_WORD)
        elif text in ("for", "select"):
            self._open("for", State.FOR_NAME)
        elif text == "{" and top == "for":
            self.nest[-1] = "{"
            self._begin_list()
        else:
            self._open("while" if text == "until" else text)

    def _open(self, what: str, state: State = State.COMMAND) -> None:
        self.nest.append(what)
        self.state, self.owes = state, False

    def _begin_list(self) -> None:
        self.state, self.owes = State.COMMAND, False

    def _close(self, *what: str) -> None:
        """What may be open here ends; if something else is, the text is not valid."""
        if self.nest and self.nest[-1] in what:
            self.nest.pop()
        self.state, self.owes = State.AFTER, False

    # Operators

    def newline(self) -> None:
        """A newline, once the here-documents before it are over."""
        self.redirects = False
        if self.state in _ENDED_BY_NEWLINE:
            self.state = State.COMMAND

    def separator(self) -> None:
        """`;` or `&`."""
        self.redirects = False
        if self.state not in (State.CONDITION, State.FOR_NAME):
            self._begin_list()

    def connector(self) -> None:
        """`&&`, `||`, `|` or `|&`: another command follows."""
        self.redirects = False
        if self.state not in (State.CONDITION, State.CASE_PATTERN, State.CASE_PATTERNS):
            self._begin_list()
            self.owes = True

    def clause_end(self) -> None:
        """`;;`, `;&` or `;;&`."""
        self._begin_list()
        if self.nest and self.nest[-1] == "case":
            self.state = State.CASE_PATTERN

    def redirection(self) -> None:
        """`<`, `>` or one of their kin: a word follows that is not the command's."""
        if self.state is not State.CONDITION:
            self.redirects = True
            self.alone = False

    def may_be_arithmetic(self) -> bool:
        """Whether `((` would begin an arithmetic command here."""
        return self.state in (*_WAITING, State.FOR_NAME)

    def arithmetic(self) -> None:
        """An arithmetic command is over, or the head of a loop."""
        is_head = self.state is State.FOR_NAME
        self.state = State.COMMAND if is_head else State.AFTER
        self.owes = False

    def open_parenthesis(self) -> None:
        """`(` that is part of no word."""
        if self.state is State.FUNCTION_OPEN or (self.state is State.ARGUMENTS and self.alone):
            self.state, self.owes = State.FUNCTION_CLOSE, True
        elif self.state is State.CASE_PATTERN:
            self.state = State.CASE_PATTERNS
        elif self.state in _WAITING:
            self._open("(")
        elif self.state is State.FUNCTION_CLOSE:
            self._open("(")
            self._open("(")

    def close_parenthesis(self) -> bool:
        """`)` that is part of no word. True: it ends this level."""
        self.redirects = False
        if self.state is State.FUNCTION_CLOSE:
            self.state, self.owes = State.COMMAND, True
        elif self.state in (State.CASE_PATTERN, State.CASE_PATTERNS):
            self._begin_list()
        elif self.state is State.CONDITION:
            pass
        elif self.nest and self.nest[-1] == "(":
            self._close("(")
        elif self.closes and not self.nest:
            return True
        return False


_ENDS = {"fi": ("if",), "done": ("loop", "while", "for"), "esac": ("case",), "}": ("{",)}
_RESERVED = frozenset(
    ("then", "else", "elif", "do", "!", "time", "coproc", "function", *_STARTS, *_ENDS, *_OF_TIME)
)
_NEXT = {
    State.FOR_NAME: State.FOR_IN,
    State.FOR_IN: State.FOR_WORDS,
    State.CASE_WORD: State.CASE_IN,
    State.CASE_IN: State.CASE_PATTERN,
    State.CASE_PATTERN: State.CASE_PATTERNS,
    State.FUNCTION_NAME: State.FUNCTION_OPEN,
}
"""What a word of a head leads to."""
_ENDED_BY_NEWLINE = (
    State.ARGUMENTS,
    State.AFTER,
    State.COPROC,
    State.FOR_WORDS,
)
