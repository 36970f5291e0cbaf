"""Mutants of the tool library: schemas in streams, argument tools, declarations, the calculator."""

from __future__ import annotations

from tests.mutants_mutant import Mutant

_TOOLS = "tools/conveyor_tools"
_STREAM = ("tests/tools/test_schema_stream.py", "-k", "not work_grows and not long_text")
_COST = ("tests/tools/test_schema_stream.py", "-k", "work_grows or long_text")
_SESSION = ("tests/tools/test_host_session.py", "tests/tools/test_argument_splitter.py")
_REGISTRY = ("tests/tools/test_registry.py",)
_CALCULATOR = ("tests/tools/test_calculator.py",)

LIBRARY = [
    Mutant(
        "schema: a key that all have is not asked for twice",
        f"{_TOOLS}/schema_keys.py",
        "        self._left.pop(key, None)\n",
        "",
        _STREAM,
    ),
    Mutant(
        "schema: the comma after the last item is one too many",
        f"{_TOOLS}/schema_value.py",
        "        return self._full()\n",
        "        return None\n",
        _STREAM,
    ),
    Mutant(
        "schema: an integer grows by digits",
        f"{_TOOLS}/json_number.py",
        "first * 10, last * 10 + 9",
        "first * 10, last * 10",
        _STREAM,
    ),
    Mutant(
        "schema: a negative exponent makes smaller",
        f"{_TOOLS}/json_number.py",
        'exponent.startswith("-") else',
        'exponent.startswith("+") else',
        _STREAM,
    ),
    Mutant(
        "schema: a branch that is wrong inside is wrong",
        f"{_TOOLS}/schema_check.py",
        "            self._within._drop(place)  # noqa: SLF001 - it is one of its own kind\n",
        "            pass\n",
        _STREAM,
    ),
    Mutant(
        "schema: oneOf is one",
        f"{_TOOLS}/schema_check.py",
        "self._only_one and left > 1",
        "self._only_one and left > 9",
        _STREAM,
    ),
    Mutant(
        "schema: patterns that look around wait",
        f"{_TOOLS}/schema_value.py",
        "sure = self._regex is not None and not _UNSURE.search(self._regex.pattern)",
        "sure = self._regex is not None",
        _STREAM,
    ),
    Mutant(
        "schema: a long text is not matched at each character",
        f"{_TOOLS}/schema_value.py",
        "self._next_try = tried + 1 if tried < _EACH_UP_TO else grown",
        "self._next_try = tried + 1",
        _COST,
    ),
    Mutant(
        "schema: a pattern that takes too long is given up",
        f"{_TOOLS}/schema_value.py",
        "            self._regex = None\n            return True\n",
        "            return True\n",
        _COST,
    ),
    Mutant(
        "schema: alternatives of alternatives are bounded",
        f"{_TOOLS}/schema_stream.py",
        "self._checks.append(ANYTHING if budget.is_spent else check)",
        "self._checks.append(check)",
        _COST,
    ),
    Mutant(
        "arguments: started when enough is there",
        f"{_TOOLS}/arguments.py",
        "self._ready_when is not None and self._ready_when <= self._arguments.keys()",
        "self._ready_when is not None and self._ready_when < self._arguments.keys()",
        _SESSION,
    ),
    Mutant(
        "arguments: effects wait for the end",
        f"{_TOOLS}/arguments.py",
        "external = self._tool.effects_of(self._arguments) is not Effects.PURE",
        "external = False",
        _SESSION,
    ),
    Mutant(
        "arguments: the tool's own check",
        f"{_TOOLS}/function.py",
        "            check(name, value)\n",
        "            pass\n",
        _SESSION,
    ),
    Mutant(
        "arguments: early work waits for the preparation",
        f"{_TOOLS}/function.py",
        '            await (prepared or self.prepare())\n            await self._run_hook("on_arg',
        '            await self._run_hook("on_arg',
        _SESSION,
    ),
    Mutant(
        "session: what is used is closed once",
        f"{_TOOLS}/function.py",
        "            self._used.clear()\n",
        "            pass\n",
        _SESSION,
    ),
    Mutant(
        "arguments: the first mistake counts in both modes",
        "conveyor_cli/engine/call.py",
        "self._befell.invalid = self.written.problem or failure",
        "self._befell.invalid = failure",
        ("tests/cli/test_rehearsal.py", "-k", "sequential"),
    ),
    Mutant(
        "session: a value is given before the end",
        f"{_TOOLS}/host_call.py",
        "            return partial(_done, self._give(unit))\n",
        "            return lambda: asyncio.sleep(0, self._give(unit))\n",
        _SESSION,
    ),
    Mutant(
        "session: what was not written has its default",
        f"{_TOOLS}/host_call.py",
        "            later.give(self._tool.signature.later[name])\n",
        "            later.give(None)\n",
        _SESSION,
    ),
    Mutant(
        "session: cancelling cancels",
        f"{_TOOLS}/host_call.py",
        "            task.cancel()\n",
        "            pass\n",
        ("tests/tools/test_host_session.py", "-k", "cancelling", "--timeout", "60"),
    ),
    Mutant(
        "session: waiting for the model is no time",
        f"{_TOOLS}/attempts.py",
        "            self._timeout.reschedule(None)\n",
        "            pass\n",
        _SESSION,
    ),
    Mutant(
        "session: the limit goes on afterwards",
        f"{_TOOLS}/attempts.py",
        "            if not self._waiting and not self.expired:\n                self._resume()\n",
        "            pass\n",
        ("tests/tools/test_host_session.py", "-k", "too_long", "--timeout", "60"),
    ),
    Mutant(
        "session: calls with effects are not tried again",
        f"{_TOOLS}/function.py",
        "            retries = self.declaration.retries if harmless else 0\n",
        "            retries = self.declaration.retries\n",
        _SESSION,
    ),
    Mutant(
        "session: no more at once than allowed",
        f"{_TOOLS}/function.py",
        "Slots(self.declaration.concurrency)",
        "Slots(99)",
        _SESSION,
    ),
    Mutant(
        "tools: what they print is not the answer",
        f"{_TOOLS}/printing.py",
        "if _of_a_tool.get() and",
        "if False and",
        ("tests/tools/test_loading.py",),
    ),
    Mutant(
        "session: each event loop has a limit of its own",
        f"{_TOOLS}/attempts.py",
        "loop = asyncio.get_running_loop()\n        return self._of.setdefault(loop,",
        "loop = asyncio\n        return self._of.setdefault(loop,",
        _SESSION,
    ),
    Mutant(
        "session: a preparation that failed is made again",
        f"{_TOOLS}/function.py",
        "getting_ready, ready = ready or self.prepare(), None",
        "getting_ready = ready or self.prepare()",
        _SESSION,
    ),
    Mutant(
        "registry: paths begin at the task",
        f"{_TOOLS}/options.py",
        "        return base / value.expanduser()\n",
        "        return value.expanduser()\n",
        _REGISTRY,
    ),
    Mutant(
        "registry: a package cannot take a name of ours",
        f"{_TOOLS}/registry.py",
        " if it.name not in _BUILT_IN}",
        "}",
        _REGISTRY,
    ),
    Mutant(
        "calculator: a number and its unit are one factor",
        f"{_TOOLS}/calculator_syntax.py",
        "({token[0]}*{units})",
        "{token[0]}*{units}",
        _CALCULATOR,
    ),
    Mutant(
        "calculator: exponents of units are bounded",
        f"{_TOOLS}/calculator_quantity.py",
        "    if any(abs(power) > _LARGEST_UNIT_POWER for power in units.values()):\n",
        "    if False:\n",
        _CALCULATOR,
    ),
    Mutant(
        "calculator: factors that are not exact are rounded",
        f"{_TOOLS}/calculator_quantity.py",
        "            decimal.getcontext().flags[decimal.Inexact] = True\n",
        "            pass\n",
        _CALCULATOR,
    ),
    Mutant(
        "null is told where it means something",
        "tools/conveyor_tools/schema_told.py",
        ' or schema.get("default", ...) is not None:',
        ":",
        ("tests/tools/test_schema_told.py",),
    ),
]
