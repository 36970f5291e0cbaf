"""What a schema says of an object's keys while they are written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conveyor_tools.schema_check import AllAsked, Asked, Check, Wrong
from conveyor_tools.schema_pattern import Pattern
from conveyor_tools.schema_value import Find, agreement, listed, shown


class Keyed(Check):
    """Keywords about objects. `what` is what a key is called: an argument, at the top."""

    def __init__(
        self, schema: Mapping[str, Any], patterns: Mapping[str, Pattern], find: Find, what: str
    ) -> None:
        self._known: Mapping[str, Any] = schema.get("properties", {})
        self._of_patterns: Mapping[str, Any] = schema.get("patternProperties", {})
        self._patterns = patterns
        self._other = schema.get("additionalProperties", True)
        self._required = schema.get("required", ())
        self._closed = self._other is False and not self._patterns
        self._find = find
        self._what = what
        self._left = dict.fromkeys(self._known)
        self._key = ""

    def key_text(self, text: str) -> Wrong | None:
        before = len(self._key) if text else 0
        self._key = self._key + text if text else ""
        if not self._closed or any(name.startswith(self._key) for name in self._left):
            return None
        agreed = max((agreement(it, self._key) for it in self._left), default=0)
        return Wrong(self._unknown(self._key[: agreed + 1]), max(agreed - before, 0))

    def key(self, key: str) -> Wrong | None:
        self._key = key
        self._left.pop(key, None)
        if self._other is False and self._schemas(key) == [False]:
            return Wrong(self._unknown(key))
        return None

    def _unknown(self, key: str) -> str:
        """What is said of a key that cannot be, or of its beginning."""
        again = [name for name in self._known if name.startswith(key) and name not in self._left]
        if again and key:
            return f"{again[0]!r} is there twice"
        if not self._known:
            return f"it has no {self._what}s"
        if not self._left:
            return f"there is no other {self._what}: all of them are there"
        return f"no {self._what} is called {shown(key)}… ({self._what}s: {listed([*self._known])})"

    def comma(self) -> Wrong | None:
        if self._closed and not self._left:
            return Wrong(self._unknown(""))
        return None

    def _schemas(self, key: str) -> list[Any]:
        found = [self._known[key]] if key in self._known else []
        unknown = False
        for name, pattern in self._patterns.items():
            matches = pattern.found_in(key)
            unknown = unknown or matches is None
            if matches:
                found.append(self._of_patterns[name])
        return found or [True if unknown else self._other]

    def child(self) -> Asked:
        asked = [self._find(schema) for schema in self._schemas(self._key)]
        return asked[0] if len(asked) == 1 else AllAsked(asked)

    def end(self, value: Any) -> Wrong | None:
        missing = [name for name in self._required if name not in value]
        if missing:
            return Wrong(f"the {self._what} {missing[0]!r} is missing")
        return None
