"""Where an SQL statement ends: what differs between the databases.

A grammar hears the words, brackets and semicolons of a statement, strings and comments left out.
It says which semicolons close it, and what can never become one.
"""

from __future__ import annotations

from typing import Protocol


class Grammar(Protocol):
    """The rules of one database, for the statement under way."""

    attentive: bool
    """Whether it needs to hear the words that follow, and not only semicolons and brackets."""

    def begin(self) -> None:
        """A new statement begins."""

    def word(self, word: str) -> str | None:
        """A word in capitals, or "" for any other token. Returns why it cannot stand there."""

    def bracket(self, char: str) -> None:
        """A round bracket."""

    def semicolon(self) -> bool:
        """Whether this semicolon closes the statement."""


class PlainGrammar:
    """Every semicolon closes a statement: DuckDB."""

    attentive = False

    def begin(self) -> None:
        """Nothing is remembered."""

    def word(self, word: str) -> str | None:  # noqa: ARG002 - no word matters
        return None

    def bracket(self, char: str) -> None:
        """Brackets do not matter."""

    def semicolon(self) -> bool:
        return True


_NOT_EXPLAINED = ("EXPLAIN", "TEMP", "TEMPORARY", "TRIGGER", "END")


class SqliteGrammar:
    """SQLite: the body of a trigger holds statements, and ends with END after a semicolon.

    The same rule as SQLite's own `sqlite3_complete`.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.attentive = True
        self._state = "start"
        self._ended = ""  # in a trigger: the semicolon and the END that came last

    def word(self, word: str) -> str | None:
        match self._state, word:
            case "trigger", _:
                self._ended = "; END" if word == "END" and self._ended == ";" else ""
            case "start", "EXPLAIN":
                self._state = "explain"
            case "start" | "explain", "CREATE":
                self._state = "create"
            case "create", "TEMP" | "TEMPORARY":
                pass
            case "create", "TRIGGER":
                self._state = "trigger"
            case "explain", _ if word not in _NOT_EXPLAINED:
                pass  # EXPLAIN QUERY PLAN …
            case _:
                self.attentive = False
        return None

    def bracket(self, char: str) -> None:  # noqa: ARG002
        if self.attentive:
            self.word("")

    def semicolon(self) -> bool:
        if self._state == "trigger" and self._ended != "; END":
            self._ended = ";"
            return False
        return True


class PostgresGrammar:
    """PostgreSQL, by the rules of `psql`: brackets, and the SQL bodies of functions.

    `CREATE FUNCTION … BEGIN ATOMIC … END` holds statements, and `CASE … END` may stand in it.
    """

    def __init__(self) -> None:
        self.begin()

    def begin(self) -> None:
        self.attentive = True
        self._words: list[str] = []  # the first ones
        self._depth = 0
        self._routine = False
        self._blocks = 0
        self._copy = ""

    def word(self, word: str) -> str | None:
        if self._routine:
            self._count_blocks(word)
        elif self._copy:
            return self._copy_word(word)
        else:
            self._words.append(word)
            self._classify()
        return None

    def _count_blocks(self, word: str) -> None:
        if word == "BEGIN" or (word == "CASE" and self._blocks):
            self._blocks += 1
        elif word == "END" and self._blocks:
            self._blocks -= 1

    def _copy_word(self, word: str) -> str | None:
        if self._copy == "FROM" and word == "STDIN" and not self._depth:
            return "COPY … FROM stdin cannot be used here: write INSERT … VALUES (…), (…)"
        self._copy = word if word == "FROM" and not self._depth else "COPY"
        return None

    def _classify(self) -> None:
        match self._words:
            case ["COPY"]:
                self._copy = "COPY"
            case ["CREATE"] | ["CREATE", "OR"] | ["CREATE", "OR", "REPLACE"]:
                pass
            case ["CREATE", "FUNCTION" | "PROCEDURE"] | [
                "CREATE",
                "OR",
                "REPLACE",
                "FUNCTION" | "PROCEDURE",
            ]:
                self._routine = True
            case _:
                self.attentive = False

    def bracket(self, char: str) -> None:
        if char == "(":
            self._depth += 1
        elif self._depth:
            self._depth -= 1
        if self.attentive and not self._copy:
            self.word("")

    def semicolon(self) -> bool:
        return not self._depth and not self._blocks
