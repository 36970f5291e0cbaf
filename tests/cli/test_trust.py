"""What is trusted is what runs, and nobody else adds to it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from conveyor_cli.tool_choice import ToolChoice
from conveyor_cli.toolbox import open_toolbox
from conveyor_cli.trust import Claim, TrustStore, claim_of, code_of, require_trust

TOOL = '''
from conveyor_tools.function import tool

@tool(effects="pure")
def greet() -> str:
    """{}"""
    return "hi"
'''


def test_a_file_that_is_swapped_once_it_was_looked_at_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As another user can do who may write into its folder."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    path = tmp_path / "greeting.py"
    path.write_text(TOOL.format("Greets."), encoding="utf-8")
    choice = ToolChoice(f"{path}:greet")
    require_trust(code_of([choice]), given=True)
    trusted = TrustStore.__contains__

    def swapped(store: TrustStore, claim: Claim) -> bool:
        found = trusted(store, claim)
        path.write_text(TOOL.format("Steals."), encoding="utf-8")
        return found

    monkeypatch.setattr(TrustStore, "__contains__", swapped)
    assert open_toolbox([choice]).functions["greet"].description == "Greets."


def test_trusted_code_with_other_options_is_asked_about(tmp_path: Path) -> None:
    """A task of others could have a trusted tool work on what it should not."""
    path, store = tmp_path / "tool.py", TrustStore(tmp_path / "trusted")
    path.write_text(TOOL, encoding="utf-8")

    def claim(options: dict[str, str], base: Path) -> Claim:
        found = claim_of(ToolChoice(f"{path}:greet", options, base=base))
        assert found is not None
        return found

    plain, docs = claim({}, tmp_path), claim({"folder": "docs"}, tmp_path)
    assert "folder" in docs.question
    store.add(plain)
    assert docs not in store
    store.add(docs)
    assert docs in store
    assert claim({}, tmp_path / "elsewhere") in store
    assert claim({"folder": "docs"}, tmp_path / "elsewhere") not in store
    assert claim({"folder": "private"}, tmp_path) not in store


def test_only_the_user_may_write_down_what_is_trusted(tmp_path: Path) -> None:
    path = tmp_path / "state" / "trusted"
    (tmp_path / "tool.py").write_text(TOOL, encoding="utf-8")
    claim = claim_of(ToolChoice(f"{tmp_path / 'tool.py'}:greet"))
    assert claim is not None
    before = os.umask(0)
    try:
        TrustStore(path).add(claim)
    finally:
        os.umask(before)
    assert path.stat().st_mode & 0o077 == 0
    assert claim in TrustStore(path)
