"""Mutants of calls that run early, side by side, once they are allowed, or not at all."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_ENGINE = "conveyor_cli/engine"
_CALLS = "tests/cli/test_argument_calls.py"

CALLS = [
    Mutant(
        "calls: external ones wait for the end of the call",
        f"{_ENGINE}/consent.py",
        "return unit.external or self.asks([unit])",
        "return self.asks([unit])",
        (_CALLS, "-k", "external_calls_wait or cut_off"),
    ),
    Mutant(
        "calls: pure ones run side by side",
        f"{_ENGINE}/turn.py",
        "at_once=call.tool.effects is Effects.PURE",
        "at_once=False",
        (_CALLS, "-k", "side_by_side", "--timeout", "60"),
    ),
    Mutant(
        "calls: what ran beside one that failed is dropped",
        f"{_ENGINE}/call.py",
        "self._befell.dropped = True",
        "pass",
        (_CALLS, "-k", "beside"),
    ),
    Mutant(
        "calls: the message is cut where the arguments are wrong",
        f"{_ENGINE}/telling.py",
        "length = calls[last].rejected_at",
        "length = None",
        (_CALLS, "-k", "decoding_stops_where_arguments"),
    ),
    Mutant(
        "calls: what has failed is not asked about",
        f"{_ENGINE}/release.py",
        "await self._quiet.wait()",
        "pass",
        (_CALLS, "-k", "has_failed"),
    ),
]
