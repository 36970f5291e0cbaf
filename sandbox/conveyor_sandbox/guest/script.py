"""The `__main__` module of the model's code, as a script has it."""

from __future__ import annotations

import sys
import types
from importlib.machinery import ModuleSpec
from os import getcwd

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Tuple

_OLD = sys.version_info < (3, 14)
"""Annotations are evaluated at once, and processes started by fork unless asked otherwise."""


class Script:
    """`__main__`, as if the workspace had been given to `python3` to run.

    So it has a `__file__` in the workspace, where no file needs to be. A process that
    `multiprocessing` spawns sees by the name in `__spec__` that it cannot import this module, and
    does not try: it knows no function that was defined here. Processes are forked by default.
    """

    def __init__(self) -> None:
        main = types.ModuleType("__main__")
        self.names = main.__dict__
        self.file = "%s/__main__.py" % getcwd()
        self.names["__builtins__"] = sys.modules["builtins"]
        self.names["__spec__"] = ModuleSpec("__main__", None)
        self.names["__file__"] = sys.argv[0] = self.file
        self.names["__cached__"] = None
        if _OLD:
            self.names["__annotations__"] = {}
        sys.modules["__main__"] = main
        self._annotations = _Annotations(self.names)

    def begin_call(self) -> None:
        """Warnings are given once a line: those of another call's lines do not count."""
        self.names.pop("__warningregistry__", None)

    def before(self, text: str) -> None:
        """A unit of this text is about to run."""
        if _OLD:
            return
        if "multiprocessing" in sys.modules or "multiprocessing" in text or "ProcessPool" in text:
            _fork_by_default()

    def after(self) -> None:
        """A unit has run."""
        if not _OLD:
            self._annotations.collect()


def _fork_by_default() -> None:
    """What Python did before 3.14; the code's own choice goes before it."""
    from multiprocessing import context

    default: Any = context._default_context  # noqa: SLF001 - there is no other way
    default._default_context = context._concrete_contexts["fork"]  # type: ignore[attr-defined] # noqa: SLF001


class _Annotations:
    """The annotations of the module, from 3.14 on: there, each unit brings only its own.

    A unit leaves a function that evaluates them when they are asked for, and the numbers of those
    that it came by, which the function looks up in the module.
    """

    def __init__(self, names: Dict[str, Any]) -> None:
        self._names = names
        self._units: List[Tuple[Callable[[int], Any], Any]] = []

        def annotate(form: int) -> Dict[str, Any]:
            found: Dict[str, Any] = {}
            for evaluate, reached in self._units:
                names["__conditional_annotations__"] = reached
                found.update(_evaluate(evaluate, form))
            return found

        self._annotate = annotate

    def collect(self) -> None:
        """Add those of the unit that has run."""
        annotate = self._names.get("__annotate__")
        if callable(annotate) and annotate is not self._annotate:
            self._units.append((annotate, self._names.get("__conditional_annotations__")))
            self._names["__annotate__"] = self._annotate


def _evaluate(evaluate: Callable[[int], Any], form: int) -> Any:
    if form <= 2:  # noqa: PLR2004 - other forms than values are made by annotationlib
        return evaluate(form)
    import annotationlib  # type: ignore[import-not-found]

    return annotationlib.call_annotate_function(evaluate, form)
