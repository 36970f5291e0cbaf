"""Imports point one way: conveyor_cli → conveyor_tools → conveyor_sandbox."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PACKAGES = {
    "conveyor_sandbox": ROOT / "sandbox" / "conveyor_sandbox",
    "conveyor_tools": ROOT / "tools" / "conveyor_tools",
    "conveyor_cli": ROOT / "conveyor_cli",
}
MAY_IMPORT = {
    "conveyor_sandbox": {"conveyor_sandbox"},
    "conveyor_tools": {"conveyor_tools", "conveyor_sandbox"},
    "conveyor_cli": {"conveyor_cli", "conveyor_tools", "conveyor_sandbox"},
}
HEAVY = {"torch", "transformers", "bitsandbytes", "docker", "pydantic", "prompt_toolkit", "gguf"}

_NEWER = {"annotationlib"}
"""Of the standard library since 3.14, and used by the guest there."""


def imports(path: Path) -> set[str]:
    """The modules that a file imports, wherever in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found.add(node.module)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_point_one_way(package: str) -> None:
    """No module imports one of a package above its own."""
    for path in PACKAGES[package].rglob("*.py"):
        ours = {name.split(".")[0] for name in imports(path)} & set(PACKAGES)
        assert ours <= MAY_IMPORT[package], path


def test_the_engine_imports_none_of_its_folds() -> None:
    """The engine knows no journal, timeline or view: they are folds over its events."""
    folds = {"journal", "timeline", "tracks", "metrics", "intervals", "pipeline"}
    for path in (PACKAGES["conveyor_cli"] / "engine").glob("*.py"):
        if path.stem not in folds:
            names = imports(path)
            assert not any(name.startswith("conveyor_cli.views") for name in names), path
            assert not names & {f"conveyor_cli.engine.{fold}" for fold in folds}, path


def test_the_guest_needs_the_standard_library_only() -> None:
    """Nothing of what runs inside a sandbox has to be installed there."""
    for path in (PACKAGES["conveyor_sandbox"] / "guest").glob("*.py"):
        roots = {name.split(".")[0] for name in imports(path)}
        assert roots <= sys.stdlib_module_names | _NEWER | {"conveyor_guest"}, path


def test_nothing_heavy_is_imported_at_start() -> None:
    """`conveyor --help` loads none of the slow packages."""
    program = "import sys, conveyor_cli.app; print('\\n'.join(sys.modules))"
    loaded = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert not HEAVY & set(loaded.stdout.split())
