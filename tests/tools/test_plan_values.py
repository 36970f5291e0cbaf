"""What comes in the place of references, within bounds."""

from __future__ import annotations

from typing import Any

import pytest

from conveyor_tools.errors import ToolError
from conveyor_tools.plan_values import Reference, Template, resolve

ONE = Reference(1)


@pytest.mark.parametrize("result", ["x" * 250_000, [{"a": "x" * 250_000}]])
@pytest.mark.parametrize("many", [[ONE] * 2000, {"a": [Template((ONE,) * 2000)]}])
def test_a_result_cannot_be_used_until_memory_is_full(result: Any, many: Any) -> None:
    """A few kilobytes of a plan would make half a gigabyte, in sixteen steps at once."""
    with pytest.raises(ToolError, match="characters together"):
        resolve(many, {1: result})


def test_control() -> None:
    """Results of the largest size can be used, and several times."""
    text = "x" * 250_000
    assert resolve({"a": [Template((ONE, "-", ONE)), ONE]}, {1: text}) == {
        "a": [f"{text}-{text}", text]
    }
