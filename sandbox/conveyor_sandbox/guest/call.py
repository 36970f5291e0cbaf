"""The text of a call in the worker, unit by unit."""

from __future__ import annotations
import __future__

import linecache
import re
import warnings as _warnings
from ast import (
    Constant,
    Expr,
    Expression,
    Pass,
    PyCF_ALLOW_TOP_LEVEL_AWAIT,
    PyCF_ONLY_AST,
    copy_location,
)

TYPE_CHECKING = False
if TYPE_CHECKING:
    from ast import stmt
    from typing import Any, List, Tuple

# What the model's code may put in the place of names in modules must not be met here.
_sources = linecache.cache
_NEWLINE = re.compile(r"\r\n|\r|\n")
_FUTURE = 0
for _name in __future__.all_feature_names:
    _FUTURE |= getattr(__future__, _name).compiler_flag


class Call:
    """The text of a call as far as it has come, and what its units leave to each other."""

    def __init__(self, number: int, main_file: str) -> None:
        self.filename = "<call %d>" % number
        self._main_file = main_file
        self.value: Any = None
        """The value of the last unit's last expression."""
        self._texts: List[str] = []
        self._lines: List[str] = []
        self._flags = PyCF_ALLOW_TOP_LEVEL_AWAIT

    def add(self, text: str) -> None:
        """Make the text known to tracebacks and `inspect`, which ask `linecache`.

        For a class, `inspect` looks into the file of its module: that is the call that runs.
        """
        cut_between = self._texts and self._texts[-1][-1:] == "\r" and text[:1] == "\n"
        self._lines += [line + "\n" for line in _NEWLINE.split(text[1:] if cut_between else text)]
        if self._lines[-1] == "\n":
            self._lines.pop()
        self._texts.append(text)
        for name in (self.filename, self._main_file):
            _sources[name] = (len(self._lines), None, self._lines, name)

    def compile(self, text: str, line: int) -> Tuple[Any, Any]:
        """The unit as code to execute, and its last expression as code to evaluate (or None).

        Raises what `compile` does: SyntaxError, ValueError and others.
        """
        # Empty lines before it, so that errors, warnings and code count from the call's top.
        padded = "\n" * (line - 1) + text
        flags = self._flags | PyCF_ONLY_AST
        tree = compile(padded, self.filename, "exec", flags, dont_inherit=True)
        body = tree.body
        has_docstring = bool(body) and _is_string(body[0])
        shown = None
        if body and isinstance(body[-1], Expr):
            shown = Expression(body[-1].value)
            if not (has_docstring and len(body) == 1):
                body = body[:-1]
        if has_docstring and len(self._texts) > 1:  # only a call's first statement is its __doc__
            body = [copy_location(Pass(), body[0]), *body[1:]]
        tree.body = body
        code = compile(tree, self.filename, "exec", self._flags, dont_inherit=True)
        self._flags |= code.co_flags & _FUTURE
        if shown is not None:
            shown = compile(shown, self.filename, "eval", self._flags, dont_inherit=True)
        return code, shown

    def check(self) -> None:
        """Compile the call as a whole, for what only the whole shows. Raises as `compile`."""
        if len(self._texts) <= 1:
            return
        # Each unit has given its own warnings already. `catch_warnings` would make Python forget
        # which ones of the whole program it has shown.
        filters = _warnings.filters
        silence = ("ignore", None, Warning, None, 0)
        if isinstance(filters, list):
            filters.insert(0, silence)
        try:
            text = "".join(self._texts)
            compile(text, self.filename, "exec", PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
        finally:
            if isinstance(filters, list):
                filters.remove(silence)


def _is_string(node: stmt) -> bool:
    return (
        isinstance(node, Expr)
        and isinstance(node.value, Constant)
        and isinstance(node.value.value, str)
    )
