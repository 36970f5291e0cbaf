"""What SQL is cut into, by hand and against the databases' own judges.

In the tables, `¦` ends a unit; the last one may be blank.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
from collections.abc import Iterable

import duckdb
import pytest
import sqlglot
from hypothesis import given
from hypothesis import strategies as st
from sqlglot.tokens import TokenType

from conveyor_tools.splitters.base import Unit
from conveyor_tools.splitters.sql import SqlSplitter
from conveyor_tools.splitters.sql_rules import DIALECTS
from tests.tools.splitters.feeding import pieces

EVERYWHERE = {
    "one a line": "select 1;¦\nselect 2;¦\n",
    "several in a line": "select 1;¦ select 2;¦select 3",
    "no semicolon at the end": "select 1;¦\nselect 2¦\n\n",
    "nothing at all": "",
    "comments only": "-- a;\n/* b; */\n",
    "quotes": "select 'a;b';¦ select \"c;d\" from t;¦",
    "doubled quotes": "select 'it''s; ok';¦ select \"a\"\";b\";¦",
    "string after string": "select 'a'';','b;''';¦",
    "line comment": "select 1 -- a; 'b\n;¦ select 2;¦",
    "comment before": "-- a;\n/* ; */ select 1;¦",
    "comment at the end": "select 1;¦ -- bye;",
    "comment after a statement without semicolon": "select 1¦ -- bye",
    "block comment": "select /* a; ' */ 1;¦",
    "empty statements": ";; select 1;¦; ;select 2;¦;",
    "backslash is no escape": "select 'a\\';¦ select 'b';¦",
    "newlines in a string": "select 'a\n;\n';¦\nselect 2;¦",
    "brackets closed": "select (1 + (2));¦ select 3;¦",
    "not beyond ASCII": "select 'é;', 1 as été;¦ select '变;';¦",
    "operators": "select 1 - -2, 6/2, 3-1;¦ select 1;¦",
    "string not closed": "select 1;¦ select 'a; select 2;",
    "comment not closed": "select 1;¦ select /* a; select 2;",
}
SQLITE = {
    "backticks and brackets": "select `a;`, [b;'] from t;¦ select 1;¦",
    "trigger": "create trigger a after insert on t begin update t set b=1; select 2; end;¦ x;¦",
    "temporary trigger": "CREATE TEMP TRIGGER a AFTER INSERT ON t BEGIN SELECT 1; END;¦ SELECT 1;¦",
    "case in a trigger": "create trigger a delete on t begin select case b when 1 then 2 end;end;¦",
    "quoted end": "create trigger a delete on t begin select 1 as 'x'; select ';' ; end;¦ x;¦",
    "comment before the end": "create trigger a delete on t begin select 1; -- b\n end;¦ x;¦",
    "explained trigger": "explain create trigger a delete on t begin select 1; end;¦ select 2;¦",
    "no trigger": "create table trigger_a (b);¦ select 1;¦",
    "begin is a transaction": "begin;¦ insert into t values (1);¦ end;¦",
    "brackets not closed": "select (1;¦ select 2;¦",
    "comments do not nest": "select /* a /* b */ 1;¦ select 2;¦",
    "dollars are names": "select $a;¦ select $a$;¦",
}
POSTGRES = {
    "dollar quotes": "select $$a;b$$;¦ select $x$ ; $$ ; $y$ ; $x$;¦ select $1;¦",
    "dollar in a name": "select a$b$;¦ select $c$;$c$;¦",
    "do": "do $$ begin perform 1; end $$;¦ select 1;¦",
    "function": "create or replace function f() returns int language sql as $f$ select 1; $f$;¦",
    "atomic body": "create function f() returns int begin atomic select 1; select 2; end;¦ x;¦",
    "case in an atomic body": (
        "create procedure p() begin atomic select case when true then 1 end; select 2; end;¦ x;¦"
    ),
    "escapes": "select E'a\\';b';¦ select e'\\\\';¦ select 1;¦",
    "escape that doubles": "select E'a'';\\';b';¦",
    "escapes go on over lines": "select E'a'\n  '\\';';¦ select 1;¦",
    "a name that ends in e": "select date'a\\';¦ select 1;¦",
    "unicode and bits": "select U&'a\\';¦ select N'b\\';¦ select x'1F';¦",
    "nested comments": "select /* a /* b; */ ; */ 1;¦ select 2;¦",
    "rule with two actions": "create rule r as on insert to t do (select 1; select 2);¦ select 3;¦",
    "carriage return ends a comment": "select 1 -- a\r;¦ select 2;¦",
    "array slices": "select a[1:2];¦ select '{1}'::int[];¦",
    "no copy": "copy t to '/x';¦ copy t from program 'x';¦",
}
DUCK = {
    "dollar quotes": "select $$a;b$$;¦ select $x$ ; $x$;¦",
    "escapes": "select E'a\\';b';¦ select 1;¦",
    "lists and structs": "select [1,2], {'a;': 1};¦ select 1;¦",
}
CASES = [
    *((dialect, text) for dialect in DIALECTS for text in EVERYWHERE.values()),
    *(("sqlite", text) for text in SQLITE.values()),
    *(("postgresql", text) for text in POSTGRES.values()),
    *(("duckdb", text) for text in DUCK.values()),
]


def units(deltas: Iterable[str], dialect: str) -> list[Unit]:
    splitter = SqlSplitter(dialect)
    found = [unit for delta in deltas for unit in splitter.feed(delta)]
    return found + splitter.flush()


def texts(text: str, dialect: str) -> list[str]:
    return [unit.text for unit in units([text], dialect)]


@pytest.mark.parametrize(("dialect", "marked"), CASES)
def test_cuts(dialect: str, marked: str) -> None:
    """Each statement ends where the database ends it, however the text is chopped."""
    text = marked.replace("¦", "")
    expected = [part for part in marked.split("¦") if part]
    for size in (1, 2, 3, 7, len(text) + 1):
        assert [unit.text for unit in units(pieces(text, size), dialect)] == expected, size


@pytest.mark.parametrize(("dialect", "marked"), CASES)
def test_released_with_the_semicolon(dialect: str, marked: str) -> None:
    """A statement is given out at its semicolon, not one character later."""
    text = marked.replace("¦", "")
    splitter = SqlSplitter(dialect)
    for count, char in enumerate(text, 1):
        for unit in splitter.feed(char):
            assert splitter.released == count
            assert unit.text.endswith(";")


def test_lines_and_blanks() -> None:
    """Spans are the lines of the code; comments at the end make a blank unit."""
    found = units(["-- a\nselect\n  1;\n\nselect 2\n-- b\n"], "sqlite")
    assert [(unit.line, unit.span, unit.blank) for unit in found] == [
        (1, (2, 3), False),
        (3, (5, 5), False),
        (5, (5, 6), True),
    ]


@pytest.mark.parametrize(
    ("dialect", "text", "told"),
    [
        ("postgresql", "select 1; \\d orders\n", "command of a database's shell, not SQL"),
        ("sqlite", ".tables\n", "sqlite_schema"),
        ("duckdb", ".tables\n", "SHOW TABLES"),
        ("postgresql", "copy orders (a, b) from stdin;", "INSERT"),
        ("postgresql", 'COPY "from" /* x */ FROM -- y\n STDIN', "INSERT"),
    ],
)
@pytest.mark.parametrize("size", [1, 3, 100])
def test_not_sql(dialect: str, text: str, told: str, size: int) -> None:
    """What only a database's shell knows is refused, with what to write instead."""
    splitter = SqlSplitter(dialect)
    for delta in pieces(text, size):
        splitter.feed(delta)
    splitter.flush()
    assert splitter.problem is not None
    assert told in splitter.problem.message


@pytest.mark.parametrize(
    ("dialect", "text"),
    [
        ("postgresql", "select '\\d'; copy t from '/stdin'; copy (select 1 from stdin) to 'x';"),
        ("sqlite", "select .5; select 'a' from t where b = '.tables'"),
    ],
)
def test_sql_is_not_refused(dialect: str, text: str) -> None:
    splitter = SqlSplitter(dialect)
    splitter.feed(text)
    splitter.flush()
    assert splitter.problem is None


@pytest.mark.parametrize(
    ("dialect", "text", "expected"),
    [
        ("sqlite", "select 1", True),
        ("sqlite", "select 'a", False),
        ("sqlite", "select 'a' ", True),
        ("sqlite", "select [a", False),
        ("sqlite", "-- 'a", True),
        ("sqlite", "/* a", False),
        ("postgresql", "select $a$ ```", False),
        ("postgresql", "select $a$ ``` $a$", True),
        ("postgresql", "select E'a'\n", True),
    ],
)
def test_may_end(dialect: str, text: str, *, expected: bool) -> None:
    splitter = SqlSplitter(dialect)
    for char in text:
        splitter.feed(char)
    assert splitter.may_end() is expected


@given(st.data())
def test_truncate(data: st.DataObject) -> None:
    """Text that is taken back leaves no trace."""
    dialect = data.draw(st.sampled_from(DIALECTS))
    text = data.draw(programs())
    splitter = SqlSplitter(dialect)
    found = splitter.feed(text)
    length = data.draw(st.integers(splitter.released, len(text)))
    splitter.truncate(length)
    assert found + splitter.flush() == units([text[:length]], dialect)


FRAGMENTS = [
    ";", ";", ";", " ", "\n", "'", '"', "`", "[", "]", "--", "/*", "*/", "/", "-", "(", ")", "$",
    "$a$", "$$", "E'", "\\", "\r", "a", "e", "1", "é", "create ", "trigger ", "temp ", "explain ",
    "begin ", "end", "end;", "case ", "select 1", "'x;'", "function ", "atomic ", "or replace ",
    "END ", "\ttrigger\n", "query plan ",
]  # fmt: skip


def programs() -> st.SearchStrategy[str]:
    """Text that is full of what splitters stumble over."""
    return st.lists(st.sampled_from(FRAGMENTS), max_size=25).map("".join)


@given(text=programs(), cuts=st.lists(st.integers(0, 200)), dialect=st.sampled_from(DIALECTS))
def test_chopping_changes_nothing(text: str, cuts: list[int], dialect: str) -> None:
    places = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    deltas = [text[a:b] for a, b in itertools.pairwise(places)]
    whole = units([text], dialect)
    assert units(deltas, dialect) == whole
    assert units(list(text), dialect) == whole
    assert "".join(unit.text for unit in whole) == text
    assert [unit.index for unit in whole] == list(range(len(whole)))
    assert not any(unit.blank for unit in whole[:-1])


NOTHING = re.compile(r"(?:[\s;]|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)


@given(programs())
def test_sqlite_agrees(text: str) -> None:
    """SQLite's own `sqlite3_complete` ends the statements at the same places."""
    expected, start = [], 0
    for place, char in enumerate(text, 1):
        piece = text[start:place]
        if char == ";" and sqlite3.complete_statement(piece) and not NOTHING.fullmatch(piece):
            expected.append(piece)
            start = place
    found = texts(text, "sqlite")
    assert found[: len(expected)] == expected
    assert "".join(found[len(expected) :]) == text[start:]
    # What is left closes with the call, and SQLite does not think that a statement is complete.
    assert len(found) <= len(expected) + 2


VALUES = [
    "1", "'a;b'", "'it''s;'", "E'a\\';b'", "$$;$$", "$x$ ; $$ $x$", "/* ; */ 2", "-- ;\n 3", "(4)",
    "'\\'", "1 - -1", "/* /* ; */ ; */ 5", "date '2020-01-01'", "E'\\\\'", "'é;变'", '1 as "a;"',
    "1 as e, 'x\\'",
]  # fmt: skip
STATEMENTS = st.lists(st.sampled_from(VALUES), min_size=1, max_size=4).map(
    lambda values: f"select {', '.join(values)}"
)
ENDS = st.sampled_from([";", " ; ", ";\n-- x;\n", ";/*;*/\n", "\n;;\n"])


@given(st.lists(st.tuples(STATEMENTS, ENDS), min_size=1, max_size=4))
def test_duckdb_agrees(parts: list[tuple[str, str]]) -> None:
    """DuckDB's own parser ends the statements at the same places."""
    text = "".join(statement + end for statement, end in parts)
    found = [unit.text for unit in units([text], "duckdb") if not unit.blank]
    assert len(found) == len(duckdb.extract_statements(text)) == len(parts)
    assert [len(duckdb.extract_statements(each)) for each in found] == [1] * len(parts)


@given(st.lists(st.tuples(STATEMENTS, ENDS), min_size=1, max_size=4))
def test_sqlglot_agrees(parts: list[tuple[str, str]]) -> None:
    """sqlglot's lexer of PostgreSQL finds the semicolons that end statements at the same places."""
    text = "".join(statement + end for statement, end in parts)
    tokens = sqlglot.tokenize(text, read="postgres")
    ends = [it.end + 1 for it in tokens if it.token_type is TokenType.SEMICOLON]
    splitter, found = SqlSplitter("postgresql"), []
    for place, char in enumerate(text, 1):
        found += [place for _ in splitter.feed(char)]
    assert set(found) <= set(ends)
    assert len(found) == len(parts)
