"""Reads one step of a plan, a character at a time: `$1 = search(query="Oslo", limit=3)`.

What can no longer become a valid step is a `StepProblem` at the first character that shows it.
"""

from __future__ import annotations

from collections.abc import Mapping

from conveyor_tools.plan_literals import BLANKS, LINE_ENDS, WORDS, ValueReader, kind_of
from conveyor_tools.plan_schema import Parameters
from conveyor_tools.plan_strings import DIGITS, END, NAME, Reading, StepNumbers
from conveyor_tools.plan_values import Step, StepProblem, Value

_JOIN = "join"
"""LLMCompiler's last step, which collects all results. Here, nothing has to be done for that."""
_PLAN = "plan"
_LONGEST_NUMBER = 4
"""Digits of a step's number."""
_ASIDES = {"T": "Thought:", "<": "<END_OF_PLAN>"}
"""Lines of LLMCompiler's plans that are no steps, by their first character."""


class StepReader(ValueReader):
    """Reads the next step, and what stands before it: blank lines and comments.

    `tools` are those that may be called; None: any, with any arguments. `known` are the numbers of
    the steps before, `line` is the one that the text begins on. Line breaks must come as single
    line feeds.
    """

    def __init__(
        self, tools: Mapping[str, Parameters] | None, known: StepNumbers, line: int = 1
    ) -> None:
        super().__init__(known)
        self.line = line
        self.column = 0
        """Of the character taken last; both count from 1."""
        self.first_line: int | None = None
        """Where the step itself begins; None: it has not yet."""
        self.step: Step | None = None
        """The step that was read; None if there is nothing to run."""
        self._tools = tools
        self._reading = self._read()
        next(self._reading)

    def take(self, char: str) -> bool:
        """Take the next character, or `END`; say whether it closed the step.

        Raises:
            StepProblem: no step can be like this.
        """
        if self._char == "\n":
            self.line += 1
            self.column = 0
        self.column += 1
        self._char = char
        try:
            next(self._reading)
        except StopIteration:
            return True
        return False

    def _read(self) -> Reading[None]:
        yield
        while not (yield from self._gap()):
            pass
        if self._char == END:
            return
        self.first_line = self.line
        number = yield from self._step_number()
        yield from self._blanks()
        name = yield from self._tool_name()
        yield from self._blanks()
        self._expect("(")
        yield
        if self._tools is not None and name not in self._tools:  # join
            yield from self._rest_of_line()
            return
        parameters = Parameters(name, None) if self._tools is None else self._tools[name]
        arguments = yield from self._arguments(parameters)
        yield from self._blanks()
        if self._char == "#":
            yield from self._rest_of_line()
        elif self._char not in LINE_ENDS:
            raise StepProblem(f"a step ends with its line, but {self._shown()} follows")
        self.step = Step(number, name, arguments)

    # Before the step

    def _gap(self) -> Reading[bool]:
        """Skip blanks, a line break or a line that is no step; say if something else follows."""
        yield from self._blanks()
        if self._char == "\n":
            yield
        elif self._char == "#":
            yield from self._rest_of_line()
        elif self._char in _ASIDES:
            for expected in _ASIDES[self._char]:
                if self._char != expected:
                    raise _no_step()
                yield
            yield from self._rest_of_line()
        else:
            return True
        return False

    def _blanks(self) -> Reading[None]:
        while self._char in BLANKS:
            yield

    def _rest_of_line(self) -> Reading[None]:
        while self._char not in LINE_ENDS:
            yield

    # The call

    def _step_number(self) -> Reading[int]:
        """`$1 =`, or `1.` as LLMCompiler writes it."""
        sign = "."
        if self._char == "$":
            sign = "="
            yield
        number = ""
        while self._char in DIGITS and len(number) < _LONGEST_NUMBER:
            number += self._char
            yield
        if number in self._known:
            raise StepProblem(f"there is a step ${number} already")
        yield from self._blanks()
        if not number or number.startswith("0") or self._char != sign:
            raise _no_step()
        yield
        return int(number)

    def _tool_name(self) -> Reading[str]:
        names = None if self._tools is None else [*self._tools, _JOIN, _PLAN]
        name = ""
        while self._char in NAME or self._char == ".":
            name += self._char
            if names is not None and not any(each.startswith(name) for each in names):
                raise self._no_tool(name)
            yield
        if not name:
            raise _no_step()
        if name == _PLAN:
            why = "a plan is no step of a plan: write its steps as steps of this one"
            raise StepProblem(why, "unknown_tool")
        if names is not None and name not in names:
            raise self._no_tool(name)
        return name

    def _no_tool(self, name: str) -> StepProblem:
        there = ", ".join(sorted(self._tools or ())) or "none"
        return StepProblem(f"no tool is called {name!r}… (there is: {there})", "unknown_tool")

    def _arguments(self, parameters: Parameters) -> Reading[dict[str, Value]]:
        """The arguments by name, and the closing parenthesis."""
        arguments: dict[str, Value] = {}
        named = False
        yield from self._space()
        while self._char != ")":
            word = yield from self._argument_word(parameters, arguments)
            yield from self._space()
            if word and self._char == "=":
                named = True
                yield
                yield from self._space()
                arguments[word] = yield from self._value(parameters.shape(word))
                parameters.check(word, arguments[word])
            elif named:
                raise StepProblem("arguments without a name stand before those with one")
            else:
                yield from self._argument_by_place(parameters, arguments, word)
            yield from self._comma(")")
        parameters.check_complete(arguments)
        yield
        return arguments

    def _argument_word(self, parameters: Parameters, given: Mapping[str, Value]) -> Reading[str]:
        """An argument's name, or a value that is a word; empty if neither stands here."""
        names = parameters.left(given)
        word = ""
        while self._char in NAME and (word or self._char.isalpha() or self._char == "_"):
            word += self._char
            if names is not None and not any(each.startswith(word) for each in (*names, *WORDS)):
                raise parameters.no_argument(word, given)
            yield
        if word in WORDS or not word or names is None or word in names:
            return word
        raise parameters.no_argument(word, given)

    def _argument_by_place(
        self, parameters: Parameters, arguments: dict[str, Value], word: str
    ) -> Reading[None]:
        """The value of the next argument that has none; `word` is its text, if it is a word."""
        name = parameters.next(arguments)
        shape = parameters.shape(name)
        if not word:
            arguments[name] = yield from self._value(shape)
        elif word in WORDS:
            shape.admit(kind_of(word))
            arguments[name] = WORDS[word]
        else:
            self._expect("=")
            return
        parameters.check(name, arguments[name])


def _no_step() -> StepProblem:
    return StepProblem("a step is written $1 = tool(argument=value)")
