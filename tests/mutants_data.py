"""Mutants of the tools that read data: the cutting of SQL, databases, search."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_TOOLS = "tools/conveyor_tools"
_SPLITTER = f"{_TOOLS}/splitters/sql.py"
_CUTS = ("tests/tools/splitters/test_sql.py",)
_SQL = "tests/tools/test_sql_tool.py"
_SERVER = "tests/tools/test_sql_server.py"
_SEARCH = "tests/tools/test_search.py"
_FOLDER = "tests/tools/test_search_folder.py"
_SERVERS = "tests/tools/test_search_servers.py"

DATA = [
    Mutant(
        "sql: a dash at the end may begin a comment",
        _SPLITTER,
        'if char in "-/" and not self._final',
        'if char in "" and not self._final',
        _CUTS,
    ),
    Mutant(
        "sql: strings with backslashes",
        _SPLITTER,
        "self._escaping = char ==",
        "self._escaping = False and char ==",
        _CUTS,
    ),
    Mutant(
        "sql: the end of a dollar quote may come in pieces",
        _SPLITTER,
        "len(text) - len(self._closer) + 1)",
        "len(text) - 1)",
        _CUTS,
    ),
    Mutant(
        "sql: END ends a trigger only after a semicolon",
        f"{_TOOLS}/splitters/sql_grammar.py",
        'if word == "END" and self._ended == ";" else',
        'if word == "END" else',
        _CUTS,
    ),
    Mutant(
        "sql: the model's COMMIT is not ours, prepared before",
        f"{_TOOLS}/databases/sqlite.py",
        "cached_statements=0",
        "cached_statements=99",
        (_SQL, "-k", "not_the_models and sqlite"),
    ),
    Mutant(
        "sql: SQLite's pragmas cannot be set",
        f"{_TOOLS}/databases/sqlite.py",
        "case sqlite3.SQLITE_PRAGMA if one not in _PRAGMAS or (two and one in _TAKE_NO_VALUE):",
        "case sqlite3.SQLITE_PRAGMA if one not in _PRAGMAS and not two:",
        (_SQL, "-k", "no_way_out and sqlite"),
    ),
    Mutant(
        "sql: DuckDB reaches no other file",
        f"{_TOOLS}/databases/duck.py",
        '    "SET enable_external_access = false",',
        '    "SELECT 1",',
        (_SQL, "-k", "no_way_out and duckdb"),
    ),
    Mutant(
        "sql: DuckDB explains nothing that is refused",
        f"{_TOOLS}/databases/duck.py",
        "                return self._refusals.get(found.type)\n",
        "                return None\n",
        ("tests/tools/test_sql_hostile.py", "-k", "duckdb_commits_nothing"),
    ),
    Mutant(
        "sql: a call ends also where no thread is to be had",
        f"{_TOOLS}/sql_session.py",
        "in_database(step, counted=False)",
        "in_database(step)",
        (_SQL, "-k", "whatever_happens and duckdb"),
    ),
    Mutant(
        "sql: DuckDB puts nothing beside the file",
        f"{_TOOLS}/databases/duck.py",
        '    "temp_directory": "",\n',
        "",
        ("tests/tools/test_sql_hostile.py", "-k", "fill_the_disk"),
    ),
    Mutant(
        "sql: a failure to connect is told, not tried again",
        f"{_TOOLS}/sql_session.py",
        "            self._unreached = failed\n",
        "            pass\n",
        (_SERVER, "-k", "something_else"),
    ),
    Mutant(
        "sql: a read-only transaction stays so",
        f"{_TOOLS}/databases/postgresql.py",
        'self._value("SELECT count(*) FROM pg_class WHERE false")',
        "pass",
        (_SQL, "-k", "no_way_out and postgresql"),
    ),
    Mutant(
        "sql: superusers are refused",
        f"{_TOOLS}/databases/postgresql.py",
        "if not superuser and",
        "if superuser and",
        (_SERVER, "-k", "superuser"),
    ),
    Mutant(
        "sql: a failed call is undone",
        f"{_TOOLS}/sql_session.py",
        "if call.begun and call.outcome.ends_call:",
        "if call.begun and call.stopped.is_set():",
        (_SQL, "-k", "undone_as_a_whole and sqlite"),
    ),
    Mutant(
        "sql: a password is told to nobody",
        f"{_TOOLS}/sql_session.py",
        "message.replace(text, instead)",
        "message",
        (_SERVER, "-k", "password"),
    ),
    Mutant(
        "sql: what was not kept is told",
        f"{_TOOLS}/sql_session.py",
        "        if self._unkept:",
        "        if False:",
        (_SQL, "-k", "foreign_keys"),
    ),
    Mutant(
        "search: words are no operators",
        f"{_TOOLS}/searching/folder.py",
        "f'\"{word}\"' for word",
        "word for word",
        (_FOLDER, "-k", "operators"),
    ),
    Mutant(
        "search: what changed is read again",
        f"{_TOOLS}/searching/index.py",
        "if known.pop(document.path, None) != (document.changed, document.size):",
        "if not known.pop(document.path, None):",
        (_FOLDER, "-k", "changes"),
    ),
    Mutant(
        "search: what was read is lost",
        f"{_TOOLS}/searching/index.py",
        "                self._keep(connection)\n",
        "",
        (_FOLDER, "-k", "kept"),
    ),
    Mutant(
        "search: used indexes are removed",
        f"{_TOOLS}/searching/index.py",
        "            os.utime(path)\n",
        "            pass\n",
        (_FOLDER, "-k", "unused"),
    ),
    Mutant(
        "search: as many as are wanted",
        f"{_TOOLS}/search.py",
        "return found[: await limit]",
        "await limit\n        return found",
        (_SEARCH, "-k", "is_direct"),
    ),
    Mutant(
        "search: no answer is read without end",
        f"{_TOOLS}/searching/web.py",
        "if size > _LONGEST_ANSWER:",
        "if size < 0:",
        (_SERVERS, "-k", "wrong_answers"),
    ),
    Mutant(
        "search: its time is for all of the answer",
        f"{_TOOLS}/searching/web.py",
        "async with asyncio.timeout(self._timeout):  # httpx",
        "if True:  # httpx",
        (_SERVERS, "-k", "never_comes", "--timeout", "90"),
    ),
    Mutant(
        "search: a folder that is gone is told",
        f"{_TOOLS}/searching/folder.py",
        "if not self._folder.is_dir():",
        "if False:",
        (_FOLDER, "-k", "gone"),
    ),
    Mutant(
        "sql: interrupts are tried again",
        f"{_TOOLS}/sql_session.py",
        "asyncio.wait([press], timeout=_GRACE)",
        "asyncio.wait([work, press], timeout=_GRACE)",
        (_SQL, "-k", "too_early and sqlite"),
    ),
    Mutant(
        "sql: what was given up is closed",
        f"{_TOOLS}/sql_call.py",
        "            await work\n    with contextlib.suppress(Exception):\n"
        "        await in_thread(database.close, counted=False)",
        "            await work",
        (_SQL, "-k", "given_up and sqlite"),
    ),
]
