"""`conveyor split`: the units of a text, not run."""

from __future__ import annotations

import pytest

from tests.cli.command import Command

TEXT = "# first\nx = 1\r\n\nfor i in range(3):\n    print('''\n''')\n\ny = 'é'; z = 2\n\n# last"


@pytest.mark.parametrize("chunk", ["1", "7", "1000"])
def test_the_texts_joined_are_the_file(conveyor: Command, chunk: str) -> None:
    """However it is fed; with carriage returns, strings over lines and a missing last newline."""
    path = conveyor.folder / "code.py"
    path.write_bytes(TEXT.encode())
    done = conveyor("split", "code.py", "--json", "--chunk", chunk)
    assert done.code == 0
    assert "".join(unit["text"] for unit in done.json) == TEXT
    assert [unit["index"] for unit in done.json] == list(range(len(done.json)))
    assert done.json == conveyor("split", "-", "--json", stdin=TEXT.encode()).json


def test_an_empty_text_has_no_units(conveyor: Command) -> None:
    assert conveyor("split", "-", "--json", stdin="").json == []
    assert conveyor("split", "-", stdin="").out == ""


def test_units_for_people(conveyor: Command) -> None:
    """Each unit under its lines."""
    done = conveyor("split", "-", stdin="x = 1\nif x:\n    y\n")
    assert done.out == "--- 0: line 1\nx = 1\n--- 1: lines 2-3\nif x:\n    y\n"


@pytest.mark.parametrize("version", ["3", "3.8", "3.12.1"])
def test_any_python_3(conveyor: Command, version: str) -> None:
    assert conveyor("split", "-", "--python", version, stdin="x = 1\n").code == 0


def test_a_plan_is_cut_into_steps(conveyor: Command) -> None:
    """Of any tools; where it is no plan any more is said after the steps before that."""
    plan = "$1 = f(1)\n$2 = g($1)\n"
    done = conveyor("split", "-", "--language", "plan", "--json", stdin=plan)
    assert [unit["text"] for unit in done.json] == plan.splitlines(keepends=True)
    done = conveyor("split", "-", "--language", "plan", stdin=f"{plan}$3 = h($4)\n")
    assert done.code == 2
    assert done.out.startswith("--- 0: line 1\n$1 = f(1)\n--- 1")
    assert "-: line 3, column 9: there is no step $4 before this one" in done.err


def test_commands_are_cut_where_they_are_complete(conveyor: Command) -> None:
    text = "cat <<E &&\n1\nE\nb; c\nif d\nthen e; fi\n"
    done = conveyor("split", "-", "--language", "shell", "--chunk", "1", "--json", stdin=text)
    assert [unit["text"] for unit in done.json] == [text[:20], text[20:]]
    assert [unit["span"] for unit in done.json] == [[1, 4], [5, 6]]


def test_an_unknown_language(conveyor: Command) -> None:
    done = conveyor("split", "-", "--language", "cobol", stdin="")
    assert done.code == 2
    assert "python" in done.err


def test_sql(conveyor: Command) -> None:
    """The database decides what is one statement; what is not SQL is told."""
    text = "select E'a\\';'; select 2"
    sql = ["split", "-", "--language", "sql", "--dialect"]
    cut = {
        dialect: [unit["text"] for unit in conveyor(*sql, dialect, "--json", stdin=text).json]
        for dialect in ("postgresql", "sqlite")
    }
    assert cut["postgresql"] == ["select E'a\\';';", " select 2"]
    assert cut["sqlite"] == ["select E'a\\';", "'; select 2"]
    assert conveyor(*sql, "oracle", stdin="").code == 2
    done = conveyor(*sql, "sqlite", stdin=".tables\n")
    assert done.code == 2
    assert "sqlite_schema" in done.err
