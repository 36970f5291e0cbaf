"""Checkpoint and rollback in both sandboxes: what comes back, and what is said of the rest."""

from __future__ import annotations

import pytest

from tests.sandbox.conftest import Lab, LabMaker


def test_variables_come_back(lab: Lab) -> None:
    lab.call("x = [1]\n", "y = 2\n")
    taken = lab.checkpoint()
    assert taken.why_not == ""
    lab.call("x.append(2)\n", "del y\n", "z = 3\n")
    assert lab.roll_back().lost == ()
    assert lab.call("(x, y, 'z' in globals())\n").outcome.result == "([1], 2, False)"
