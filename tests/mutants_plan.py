"""Mutants of plans: steps, what they wait for, which failure counts; metrics and rows of graphs."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_TOOLS = "tools/conveyor_tools"
_STEPS = ("tests/tools/splitters/test_plan_splitter.py",)
_RUN = ("tests/tools/test_plan.py",)
_LANES = ("tests/cli/test_plan_lanes.py",)
_CODE = ("tests/cli/test_plan_steps.py::test_effects_of_code_do_not_happen_for_nothing",)
_AFTER = ("tests/cli/test_plan_steps.py::test_a_call_after_a_plan_can_be_stopped",)
_ROWS = ("tests/cli/test_plan_steps.py::test_rows_that_are_too_many_are_not_used",)
_STAYS = ("tests/cli/test_plan_steps.py::test_what_cannot_be_undone_is_named",)
_METRICS = ("tests/cli/engine/test_metrics.py",)
_CHART = ("tests/cli/views/test_chart.py",)
_BLOCKS = ("tests/cli/dialects/test_plan_blocks.py",)

PLAN = [
    Mutant(
        "plan: a CR LF that is cut in two is one",
        f"{_TOOLS}/splitters/plan.py",
        'self._held = "\\r" if text.endswith("\\r") else ""',
        'self._held = ""',
        _STEPS,
    ),
    Mutant(
        "plan: effects that depend on a result are not known",
        f"{_TOOLS}/splitters/plan.py",
        "known = not any(references(step.arguments))",
        "known = True",
        _STEPS,
    ),
    Mutant(
        "plan: an effect waits for all before it",
        f"{_TOOLS}/splitters/plan.py",
        "else (tuple(self._steps.values()), True)",
        "else (tuple(sorted(after)), True)",
        _RUN,
    ),
    Mutant(
        "plan: the tool itself judges its arguments",
        f"{_TOOLS}/plan_schema.py",
        "            self._tool.check(name, value)\n",
        "            pass\n",
        _STEPS,
    ),
    Mutant(
        "plan: a string's own ${ can be written",
        f"{_TOOLS}/plan_strings.py",
        'if text[-1:] == ["$"]:',
        'if text[-1:] == ["$$"]:',
        _STEPS,
    ),
    Mutant(
        "plan: what stands behind a failure does not begin",
        f"{_TOOLS}/plan_run.py",
        "self._first_failed is not None and unit > self._first_failed",
        "False",
        _RUN,
    ),
    Mutant(
        "plan: a gap is a step that may still come",
        f"{_TOOLS}/plan_run.py",
        "        if self._closed:\n            while self._settled",
        "        if self._steps:\n            while self._settled",
        _RUN,
    ),
    Mutant(
        "plan: what was stopped did not fail",
        f"{_TOOLS}/plan_run.py",
        "ended = outcome if failed else Outcome(Status.CANCELLED)",
        "ended = outcome",
        _RUN,
    ),
    Mutant(
        "plan: code in triple quotes stands as it is",
        f"{_TOOLS}/plan_strings.py",
        'if char == "\\\\" and not raw:',
        'if char == "\\\\":',
        ("tests/cli/test_plan_steps.py::test_values_flow_through_every_tool",),
    ),
    Mutant(
        "plan: steps of one lane follow each other",
        f"{_TOOLS}/splitters/plan.py",
        "after |= {self._on_lane[lane]} if lane in self._on_lane else set()",
        "after |= set()",
        _LANES,
    ),
    Mutant(
        "plan: a failure takes back what other lanes did",
        f"{_TOOLS}/plan_calls.py",
        "            taken_back = await call.take_back()\n",
        "            taken_back = TakenBack()\n",
        _LANES,
    ),
    Mutant(
        "plan: what cannot be undone is called undone",
        f"{_TOOLS}/plan_run.py",
        "_PARTLY if not_undone else _UNDONE",
        "_UNDONE",
        _STAYS,
    ),
    Mutant(
        "plan: what its steps did is kept",
        f"{_TOOLS}/plan_calls.py",
        "                    call.inner.commit()\n",
        "                    pass\n",
        _LANES,
    ),
    Mutant(
        "plan: the steps on one database are one transaction",
        f"{_TOOLS}/sql_session.py",
        "        if self._open:\n            call.begun = True\n            return\n",
        "",
        _LANES,
    ),
    Mutant(
        "plan: what code does for good waits for the steps before it",
        "conveyor_cli/engine/inner.py",
        "        counts = await asyncio.shield(self._counts)\n"
        "        return self._text if counts and",
        "        return self._text if",
        _CODE,
    ),
    Mutant(
        "plan: what code does for good waits for the plan",
        "conveyor_cli/engine/inner.py",
        "if counts and whole is not None",
        "if counts",
        _CODE,
    ),
    Mutant(
        "plan: calls of earlier numbers can still be stopped in the sandbox",
        "sandbox/conveyor_sandbox/guest/ledger.py",
        "return call not in self._ended and call not in self._over",
        "return call > max(self._ended) and call not in self._over",
        _AFTER,
    ),
    Mutant(
        "plan: rows that are too many are not used in part",
        f"{_TOOLS}/databases/data.py",
        "            return Unusable(self._why)",
        "            return self._rows",
        _ROWS,
    ),
    Mutant(
        "plan: a longer block is closed by as many marks",
        "conveyor_cli/dialects/plan.py",
        '"<" * len(opening[2])',
        '"<<<"',
        _BLOCKS,
    ),
    Mutant(
        "metrics: pure calls wait for none before them",
        "conveyor_cli/engine/pipeline.py",
        "-math.inf if call.pure else calls_over",
        "calls_over",
        _METRICS,
    ),
    Mutant(
        "metrics: an effect waits for its call, in the ideal too",
        "conveyor_cli/engine/metrics.py",
        "closed(unit) if unit.external else unit.ready_at",
        "unit.ready_at",
        _METRICS,
    ),
    Mutant(
        "chart: bars side by side stand in rows",
        "conveyor_cli/views/stacking.py",
        "end <= unit.started_at + _SLACK",
        "end <= unit.started_at + 9",
        _CHART,
    ),
    Mutant(
        "chart: what ran for nothing is marked",
        "conveyor_cli/engine/timeline.py",
        "case UnitSkipped() if unit.finished_at is not None:",
        "case UnitSkipped() if unit.undone:",
        _CHART,
    ),
]
