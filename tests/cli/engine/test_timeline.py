"""The timeline: what it knows after each event."""

from __future__ import annotations

import pytest

from conveyor_cli.engine import events as ev
from conveyor_cli.engine.timeline import Timeline
from conveyor_cli.engine.tracks import Phase
from conveyor_sandbox.reports import Failure, Outcome, Status, Stream, UnitKey

A, B, C = UnitKey(1, 0), UnitKey(1, 1), UnitKey(1, 2)
OK = Outcome(Status.OK)


def fold(*events: ev.Event) -> Timeline:
    timeline = Timeline()
    for event in events:
        timeline.apply(event)
    return timeline


OPENED = (
    ev.TurnStarted(1.0, 1),
    ev.FirstToken(1.2, 1),
    ev.DeltaDecoded(1.2, 1, "so: ", 1),
    ev.CallOpened(1.2, 1, 1, "python", "workspace", 4),
    ev.DeltaDecoded(1.3, 1, "a\nb\n", 2),
)
READY = (
    *OPENED,
    ev.UnitReady(1.3, A, (1, 1), "a\n"),
    ev.UnitReady(1.3, B, (2, 2), "b\n"),
)


def test_a_turn_keeps_its_text_tokens_and_times() -> None:
    """Text is the deltas joined; the first delta's tokens stand apart; zero is the first turn."""
    timeline = fold(*OPENED)
    turn = timeline.turns[1]
    assert (turn.text, turn.tokens, turn.first_tokens) == ("so: a\nb\n", 3, 1)
    assert (turn.started_at, turn.first_token_at, turn.last_delta_at) == (1.0, 1.2, 1.3)
    assert timeline.origin == 1.0
    assert turn.text[timeline.calls[1].start :] == "a\nb\n"


def test_text_read_in_between_loses_nothing() -> None:
    """Reading the text while it grows does not change what it becomes."""
    timeline = fold(*OPENED)
    assert timeline.turns[1].text == "so: a\nb\n"
    timeline.apply(ev.DeltaDecoded(1.4, 1, "c", 1))
    assert timeline.turns[1].text == "so: a\nb\nc"


def test_a_unit_waits_for_the_tools_that_it_calls() -> None:
    """Until the last of them is answered; those of its threads do not count."""
    timeline = fold(*READY, ev.UnitStarted(1.4, A))
    unit = timeline.lanes["workspace"][0]
    phases = []
    for event in (
        ev.NestedCallMade(1.5, A, 1, "search", "{}", waits=False),
        ev.NestedCallMade(1.5, A, 2, "search", "{}", waits=True),
        ev.NestedCallMade(1.5, A, 3, "search", "{}", waits=True),
        ev.NestedCallFinished(1.6, A, 2, Status.OK, ""),
        ev.NestedCallStarted(1.7, A, 3),
        ev.NestedCallFinished(1.8, A, 3, Status.ERROR, "no"),
    ):
        timeline.apply(event)
        phases.append(unit.phase)
    waiting = Phase.WAITING
    assert phases == [Phase.RUNNING, waiting, waiting, waiting, waiting, Phase.RUNNING]
    last = unit.nested[-1]
    assert (last.made_at, last.started_at, last.finished_at) == (1.5, 1.7, 1.8)
    assert (last.status, last.message) == (Status.ERROR, "no")


def test_a_unit_goes_through_its_phases() -> None:
    """Waiting, held, running, ok: as the events say."""
    timeline = fold(*READY)
    unit = timeline.lanes["workspace"][0]
    phases = [unit.phase]
    for event in (
        ev.UnitHeld(1.3, A),
        ev.UnitStarted(1.5, A),
        ev.UnitFinished(1.7, A, 1.51, OK),
    ):
        timeline.apply(event)
        phases.append(unit.phase)
    assert phases == [Phase.WAITING, Phase.HELD, Phase.RUNNING, Phase.OK]
    assert (unit.started_at, unit.finished_at) == (1.51, 1.7)


@pytest.mark.parametrize("status", [Status.ERROR, Status.TIMEOUT, Status.CANCELLED])
def test_every_bad_end_is_a_failure(status: Status) -> None:
    """A unit that erred, ran too long or was cancelled has failed, and keeps why."""
    why = Failure("exception", "ValueError", "no")
    timeline = fold(*READY, ev.UnitFinished(2.0, A, 1.5, Outcome(status, why)))
    assert timeline.lanes["workspace"][0].phase is Phase.FAILED
    assert timeline.lanes["workspace"][0].failure is why


def test_a_rollback_undoes_what_ran_and_only_that() -> None:
    """Units that ran are rolled back; one that never ran keeps its own phase."""
    timeline = fold(
        *READY,
        ev.UnitFinished(1.6, A, 1.4, OK),
        ev.UnitSkipped(1.7, B),
        ev.RolledBack(1.8, 1, "a thread"),
    )
    assert [unit.phase for unit in timeline.calls[1].units] == [Phase.ROLLED_BACK, Phase.SKIPPED]
    assert timeline.calls[1].lost == "a thread"


def test_units_without_an_end_end_with_their_call() -> None:
    """A call that a dead sandbox ended: what ran failed then, what waited is skipped."""
    timeline = fold(
        *READY,
        ev.UnitStarted(1.4, A),
        ev.SandboxDied(1.9, "killed"),
        ev.CallEnded(2.0, 1, Outcome(Status.ERROR)),
    )
    first, second = timeline.calls[1].units
    assert (first.phase, first.finished_at) == (Phase.FAILED, 2.0)
    assert (second.phase, second.started_at) == (Phase.SKIPPED, None)


def test_output_is_kept_by_stream_and_in_order() -> None:
    """Both streams keep their own text; the order between them is kept as it came."""
    timeline = fold(
        *READY,
        ev.OutputReceived(1.5, A, Stream.STDOUT, "one\n"),
        ev.OutputReceived(1.6, A, Stream.STDERR, "bad\n"),
        ev.OutputReceived(1.7, B, Stream.STDOUT, "two\n"),
    )
    call = timeline.calls[1]
    assert call.written(Stream.STDOUT) == "one\ntwo\n"
    assert call.written(Stream.STDERR) == "bad\n"
    assert [text for _, text in call.output] == ["one\n", "bad\n", "two\n"]


def test_units_know_the_line_they_begin_on() -> None:
    """Lines count on through the call, comments before a unit included."""
    timeline = fold(*READY, ev.UnitReady(1.4, C, (4, 5), "# c\nfor _ in x:\n    y\n"))
    assert [unit.line for unit in timeline.calls[1].units] == [1, 2, 3]


def test_time_never_goes_back() -> None:
    """An event older than the one before it (the guest's clock) does not move the run's end."""
    timeline = fold(*READY, ev.UnitFinished(1.25, A, 1.22, OK))
    assert timeline.last_at == 1.3


def test_an_event_of_nothing_known_is_refused() -> None:
    """A unit that never was ready is a bug of the emitter, and said so."""
    with pytest.raises(KeyError):
        fold(*OPENED, ev.UnitStarted(1.5, A))
