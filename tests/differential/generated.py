"""Generates programs that run deterministically and say and set much: number n is always the same.

Names are used only once they have a value, and loops are bounded; some programs end with an error,
and some lines in them would mislead a careless lexer.
"""

from __future__ import annotations

import random
from collections.abc import Callable

_BETWEEN = ["", "", "", "", "\n", "# note: else\n", "    # 'indented\n", "\n\n", "  \n"]
_AFTER = ["", "", "", "  # '''", "  # )", ";"]
_DECOYS = ["'''\nelse:\n# x\n'''", '"""```\nprint(1)\n"""', "'# no'", '"(["', "f'{1 + 1!r:>{4}}'"]
_NUMBERS = ["0", "1", "7", "-3", "12", "2 ** 10", "0x1F", "3_000"]
_TESTS = ["{} > 3", "{} % 2 == 0", "not {}", "{} in (1, 2,\n 7)", "len(str({})) > 1"]


class _Writer:
    """Writes one program."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._lines: list[str] = []
        self._indent = ""
        self._numbers = ["n0"]
        self._lists = ["l0"]
        self._functions: list[str] = []
        self._count = 0
        self._inside = 0
        """How many functions or classes we are in: names made there are not for later."""

    def write(self, statements: int) -> str:
        self._say("n0 = 5")
        self._say("l0 = [1, 2]")
        for _ in range(statements):
            self._between()
            self._statement(2)
        self._end()
        return "".join(self._lines)

    # Pieces

    def _choose(self, options: list[str]) -> str:
        return self._random.choice(options)

    def _say(self, line: str, after: str = "") -> None:
        self._lines.append(f"{self._indent}{line}{after}\n")

    def _between(self) -> None:
        self._lines.append(self._choose(_BETWEEN))

    def _new(self, letter: str) -> str:
        self._count += 1
        return f"{letter}{self._count}"

    def _number(self) -> str:
        return self._choose([*self._numbers, *self._numbers, *_NUMBERS])

    def _expression(self) -> str:
        a, b = self._number(), self._number()
        return self._choose(
            [
                f"{a} + {b}",
                f"({a} -\n  {b})",
                f"max({a}, {b})",
                f"({a} if {b} else {b})",
                f"sum({self._choose(self._lists)})",
                f"len({self._choose(_DECOYS)})",
                f"{a} * 3 % 17",
                f"[{a}, {b},\n{a}][1]",
                *(f"{name}({a})" for name in self._functions[-2:]),
            ]
        )

    def _body(self, depth: int) -> None:
        """An indented suite. Names that it makes may not exist after it."""
        kept = (list(self._numbers), list(self._lists), list(self._functions))
        outer = self._indent
        self._indent += self._choose(["  ", "    ", "\t"])
        for _ in range(self._random.randint(1, 3)):
            self._statement(depth - 1)
            self._between()
        self._indent = outer
        self._numbers, self._lists, self._functions = kept

    # Statements

    def _statement(self, depth: int) -> None:
        simple = [self._assign, self._assign, self._show, self._change, self._collect, self._file]
        compound = [self._if, self._for, self._while, self._try, self._def, self._class, self._with]
        options: list[Callable[[int], None]] = [*simple, *(compound if depth else [])]
        self._random.choice(options)(depth)

    def _assign(self, _: int) -> None:
        name = self._new("n")
        self._say(f"{name} = {self._expression()}", self._choose(_AFTER))
        self._numbers.append(name)

    def _show(self, _: int) -> None:
        decoy = self._choose(_DECOYS)
        self._say(f"print({self._expression()}, {decoy}, sep=':')", self._choose(_AFTER))

    def _change(self, _: int) -> None:
        if self._inside:
            self._show(0)
            return
        name = self._choose(self._numbers)
        self._say(f"{name} += {self._number()}; {name} %= 101")

    def _collect(self, _: int) -> None:
        name = self._new("l")
        pattern = self._choose(
            ["[x * {} for x in range(4) if x]", "sorted({{{}, 3, 1}})", "[*{1}, {0}]"]
        )
        self._say(f"{name} = {pattern.format(self._number(), self._choose(self._lists))}")
        self._lists.append(name)

    def _file(self, _: int) -> None:
        name = self._random.randint(0, 3)
        self._say(f"print({self._number()}, file=open('f{name}.txt', 'a'))")

    def _test(self) -> str:
        return f"({self._choose(_TESTS).format(self._number())})"

    def _if(self, depth: int) -> None:
        if self._random.random() < 0.3:
            self._say(f"if {self._test()}: print('one line')")
            self._say(f"else: print({self._number()})")
            return
        self._say(f"if {self._test()}:")
        self._body(depth)
        for clause in (f"elif {self._test()}:", "else:"):
            if self._random.random() < 0.5:
                self._between()
                self._say(clause)
                self._body(depth)

    def _for(self, depth: int) -> None:
        name = self._new("i")
        self._say(f"for {name} in range({self._random.randint(0, 3)}):")
        self._body(depth)
        if self._random.random() < 0.5:
            self._between()
            self._say("else:")
            self._body(depth)

    def _while(self, depth: int) -> None:
        name = self._new("w")
        self._say(f"{name} = {self._random.randint(0, 3)}")
        self._say(f"while {name}:")
        self._say(f"  {name} -= 1")
        outer = self._indent
        self._indent += "  "
        self._show(0)
        self._indent = outer
        if self._random.random() < 0.5:
            self._say("else:")
            self._body(depth)

    def _try(self, depth: int) -> None:
        self._say("try:")
        self._body(depth)
        self._say(f"  {self._choose(['pass', '1 / 0', 'missing', '[][1]'])}".lstrip())
        last = self._lines.pop()
        self._lines.append(self._last_indent() + last.lstrip())
        self._between()
        self._say("except (ZeroDivisionError,\nNameError) as e:")
        self._say("  print('caught', e)")
        self._say("except IndexError: print('index')")
        if self._random.random() < 0.5:
            self._between()
            self._say("else:")
            self._body(depth)
        if self._random.random() < 0.5:
            self._say("finally:")
            self._body(depth)

    def _last_indent(self) -> str:
        """That of the last statement's own suite: of the line after the last `try:` we wrote."""
        opened = max(
            number for number, line in enumerate(self._lines) if line == f"{self._indent}try:\n"
        )
        first = next(line for line in self._lines[opened + 1 :] if line.strip(" \t\n#"))
        return first[: len(first) - len(first.lstrip())]

    def _def(self, depth: int) -> None:
        name = self._new("f")
        if self._random.random() < 0.4:
            self._say("@(lambda f: f)")
            self._between()
        self._say(f"def {name}(a,\nb={self._number()}):")
        self._say(f"  '''Doc of {name}:\nelse'''")
        kept = list(self._numbers)
        outer = self._indent
        self._indent += "  "
        self._inside += 1
        self._numbers = ["a", "b"]
        for _ in range(self._random.randint(1, 2)):
            self._random.choice([self._assign, self._show])(depth)
        self._say(f"return {self._expression()}")
        self._indent = outer
        self._inside -= 1
        self._numbers = kept
        self._functions.append(name)

    def _class(self, depth: int) -> None:
        name = self._new("C")
        self._say(f"class {name}:")
        self._say(f"  k = {self._expression()}")
        if depth > 1 and self._random.random() < 0.5:
            self._say("  @property")
            self._say("  def p(self): return self.k + 1")
            self._say(f"print({name}().p)")
        else:
            self._say(f"o{name} = {name}(); o{name}.z = {self._number()}")

    def _with(self, depth: int) -> None:
        number = self._random.randint(0, 3)
        self._say(f"with open('f{number}.txt', 'a') as h:")
        self._body(depth)
        self._say("del h")

    def _end(self) -> None:
        """A value, an error, or nothing."""
        self._between()
        choice = self._random.random()
        if choice < 0.4:
            self._lines.append(self._choose(["n0, l0", f"({self._expression()})", "'done'"]))
            self._lines.append(self._choose(["\n", ""]))
        elif choice < 0.6:
            self._say(self._choose(["n0 / 0", "l0[99]", "undefined", "raise ValueError(n0)"]))
            self._say("print('never')")


def generate(seed: int) -> str:
    """The program of that number."""
    writer = _Writer(seed)
    return writer.write(random.Random(~seed).randint(4, 14))
