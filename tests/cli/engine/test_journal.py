"""The journal: whole lines, whatever happens."""

from __future__ import annotations

import json
import resource
from pathlib import Path

from conveyor_cli.engine.events import DeltaDecoded, TurnStarted
from conveyor_cli.engine.journal import Journal


def test_an_event_is_there_before_the_next(tmp_path: Path) -> None:
    """Another reader sees each line as soon as it is appended."""
    path = tmp_path / "new" / "journal"
    journal = Journal(path, lambda _: None)
    for turn in range(3):
        journal.apply(TurnStarted(0.5, turn))
        assert json.loads(path.read_text().splitlines()[-1])["turn"] == turn
    journal.close()


def test_text_that_no_encoding_carries(tmp_path: Path) -> None:
    """Lone surrogates, line separators and control characters stay within their line."""
    text = "\ud800\u2028\x85\n\x00"
    journal = Journal(tmp_path / "journal", lambda _: None)
    journal.apply(DeltaDecoded(0.1, 1, text, 1))
    journal.close()
    (line,) = (tmp_path / "journal").read_text().splitlines()
    assert json.loads(line)["text"] == text


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    """It holds all that the model and the tools said."""
    Journal(tmp_path / "journal", lambda _: None).close()
    assert (tmp_path / "journal").stat().st_mode & 0o077 == 0


def test_a_write_that_fails_is_told_once_and_leaves_whole_lines(tmp_path: Path) -> None:
    """At a limit on the file's size, a part of the line is written: it is taken back."""
    problems: list[OSError] = []
    journal = Journal(tmp_path / "journal", problems.append)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, before[1]))
    try:
        for turn in range(10):
            journal.apply(TurnStarted(0.5, turn))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        journal.close()
    assert len(problems) == 1
    lines = (tmp_path / "journal").read_text()
    assert lines.endswith("}\n")
    assert [json.loads(line)["turn"] for line in lines.splitlines()] == [0, 1]
