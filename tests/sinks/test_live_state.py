"""What the view knows of a run."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from edge_asc.messages import Gap, OutputState, SceneChange
from edge_asc.sinks.live_state import KEPT_S, TERMINAL, LiveState, Moment
from edge_asc.vitals import Vitals
from tests.sinks.live_samples import ABOUT, NOON, REPORT, report


class Run:
    """A state whose clocks pass when they are told to."""

    def __init__(self) -> None:
        self.now_s = 50.0
        self.vitals = Vitals("walk.wav", "tiny", live=False)
        self.state = LiveState(ABOUT, self.vitals, now=self.now, elapsed_s=lambda: self.now_s)

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self.now_s)


def test_every_second_of_the_past_is_there_once() -> None:
    state = Run().state
    state.write(report(10.0, None, 0.5, 0.5, 0.0, 0.0))
    state.write(report(11.0, "bus", 0.75, 0.25, 0.0, 0.0))
    state.write(Gap(11.0, 15.5, 4.0, "unplugged", "walk.wav"))
    state.write(report(25.5, "bus", 0.75, 0.25, 0.0, 0.0))
    assert state.snapshot().past == (
        Moment(0.0, 10.0, False, None, None, -30),
        Moment(10.0, 11.0, False, "bus", 0.75, -30),
        Moment(11.0, 15.5, lost=True),
        Moment(15.5, 25.5, False, "bus", 0.75, -30),
    )
    assert state.snapshot().cause == "unplugged"


def test_a_long_past_is_forgotten() -> None:
    state = Run().state
    for second in range(11, 3_000):
        state.write(report(float(second), "bus", 1.0, 0.0, 0.0, 0.0))
    past = state.snapshot().past
    assert past[-1].end_s == 2_999.0
    assert past[0].end_s == 2_999.0 - KEPT_S


def test_without_a_decision_the_likeliest_scene_is_remembered() -> None:
    state = Run().state
    state.write(replace(REPORT, decision=None))
    assert state.snapshot().past[0].scene == "bar"
    assert state.snapshot().past[0].confidence == 0.75


def test_a_scene_that_is_given_up_is_shown_no_more() -> None:
    state = Run().state
    state.write(REPORT)
    assert state.snapshot().report is REPORT
    state.write(SceneChange("bus", 30.0, 41.0, 0.75, None, "walk.wav"))
    assert state.snapshot().report is REPORT
    state.write(SceneChange(None, 66.0, 66.0, None, None, "walk.wav"))
    assert state.snapshot().report is None


def test_it_counts_how_long_there_is_no_sound() -> None:
    run = Run()
    run.now_s += 7.0
    first = run.state.snapshot()
    run.vitals.paused = True
    second = run.state.snapshot()
    run.now_s += 3.5
    third = run.state.snapshot()
    assert [(it.state, it.state_s) for it in (first, second, third)] == [
        ("starting", 0),
        ("paused", 0),
        ("paused", 3),
    ]


def test_equal_pictures_are_equal_though_time_passes() -> None:
    run = Run()
    run.state.write(REPORT)
    first = run.state.snapshot()
    run.now_s += 5.0
    run.vitals.heard_s = 0.9
    assert run.state.snapshot() == first
    run.state.write(SceneChange(None, 66.0, 66.0, None, None, "walk.wav"))
    second = run.state.snapshot()
    run.state.write(report(66.0, "bus", 1.0, 0.0, 0.0, 0.0))
    assert first != second != run.state.snapshot()


def test_the_last_notes_and_what_is_going_on() -> None:
    run = Run()
    for number in range(9):
        run.state.note(f"note {number}")
    run.state.show("listening ... 3 of 10 s")
    snapshot = run.state.snapshot()
    assert [text for _, text in snapshot.notes] == [f"note {number}" for number in range(4, 9)]
    assert snapshot.notes[0][0] == run.now()
    assert snapshot.progress == "listening ... 3 of 10 s"


def test_the_view_does_not_list_itself_among_the_outputs() -> None:
    run = Run()
    others = OutputState("log a.csv", "ok")
    run.vitals.outputs = lambda: (OutputState(TERMINAL, "ok"), others)
    run.vitals.trouble = lambda: "unplugged"
    snapshot = run.state.snapshot()
    assert (snapshot.outputs, snapshot.trouble) == ((others,), "unplugged")
