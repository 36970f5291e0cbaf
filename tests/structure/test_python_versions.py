"""What early releases of a supported Python do wrong is not used: tests may run on later ones."""

from __future__ import annotations

import ast
import re

from tests.structure.test_imports import ROOT

SOURCES = sorted(
    path for top in ("conveyor_cli", "tools", "sandbox") for path in (ROOT / top).rglob("*.py")
)
_POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[\d,{}]+\})\+|\(\?>")


def found(source: str) -> list[str]:
    """What there is of it, as the code has it."""
    nodes = list(ast.walk(ast.parse(source)))
    wrong = ["except*" for node in nodes if isinstance(node, ast.TryStar)]
    if "import re\n" in source:
        texts = (it.value for it in nodes if isinstance(it, ast.Constant))
        wrong += [it for it in texts if isinstance(it, str) and _POSSESSIVE_GROUP.search(it)]
    return wrong


def test_nothing_that_early_releases_do_wrong() -> None:
    """Python 3.11.0 to 3.11.3 wrap what is raised in `except*`, and up to 3.11.4 `re` finds too
    little with possessive groups."""
    wrong = {str(path): found(path.read_text("utf-8")) for path in SOURCES}
    assert {path: what for path, what in wrong.items() if what} == {}
    assert len(wrong) > 100


def test_it_is_found() -> None:
    assert found("try:\n    x\nexcept* E:\n    raise y\n") == ["except*"]
    assert found('import re\nre.compile(r"(?:a|b)*+")\n') == ["(?:a|b)*+"]
    assert found('import re\nre.compile(rf"(?:{x}){{0,9}}+")\n') != []
    assert found('import re\nre.compile(r"a*+(b){2}")\n') == []
