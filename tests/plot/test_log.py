"""Logs along time: every kind of message, damage, and a week of lines."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from edge_asc.errors import PlotError
from edge_asc.plot.log import LONGEST_LINE_BYTES, read_log
from edge_asc.plot.timeline import MAX_BINS, Stretch, Timeline
from tests.plot.log_material import a_minute, change, estimate, health, week_of_lines, write_log
from tests.sample_messages import REPORT, SCENES, TIME

Read = Callable[[Path], Timeline]
MILLISECOND = TIME.replace(microsecond=12_000)
"""TIME, as messages tell it"""


@pytest.fixture
def notes() -> list[str]:
    return []


@pytest.fixture
def read(notes: list[str]) -> Read:
    return lambda path: read_log(path, notes.append, lambda text: None)


def belief_in(timeline: Timeline, scene: str, at_s: float) -> float:
    series = timeline.belief
    column = timeline.scenes.index(scene)
    return float(series.mean[int((at_s - series.start_s) / series.width_s), column])


def test_every_kind_of_message_has_its_place(read: Read, notes: list[str], tmp_path: Path) -> None:
    timeline = read(write_log(tmp_path / "log.jsonl"))
    assert notes == []
    assert timeline.title == "log.jsonl: microphone 'USB'"
    assert (timeline.model, timeline.demonstration, timeline.smoothed) == ("tiny", True, True)
    assert timeline.begins == MILLISECOND
    assert timeline.scenes == SCENES
    assert (timeline.start_s, timeline.end_s) == (0.0, 60.0)
    assert timeline.decisions == [Stretch("bus", 0.0, 30.0), Stretch("unknown", 40.0, 60.0)]
    assert timeline.changes_s == [10.0, 48.0]
    assert timeline.gaps == [Stretch("gap", 30.0, 38.0)]
    assert timeline.states == [
        Stretch("starting", 0.0, 10.0),
        Stretch("listening", 10.0, 33.0),  # health tells of it a little later
        Stretch("no sound", 33.0, 38.0),
        Stretch("listening", 38.0, 60.0),
    ]


def test_belief_covers_the_first_window_and_leaves_a_gap_out(read: Read, tmp_path: Path) -> None:
    timeline = read(write_log(tmp_path / "log.jsonl"))
    assert belief_in(timeline, "bus", 0.5) == belief_in(timeline, "bus", 29.5) == 0.75
    assert np.isnan(belief_in(timeline, "bus", 34.5))
    assert belief_in(timeline, "bus", 38.5) == 0.125


def test_a_recording_was_heard_from_its_first_second(read: Read, tmp_path: Path) -> None:
    messages = [estimate(float(end_s), "bus") for end_s in range(10, 21)]
    timeline = read(write_log(tmp_path / "log.jsonl", messages))
    assert timeline.begins is not None
    assert timeline.begins + timedelta(seconds=timeline.start_s) == MILLISECOND
    length_s = timeline.end_s - timeline.start_s
    assert length_s == 20.0
    assert timeline.states == [Stretch("listening", timeline.start_s, timeline.end_s)]


def test_between_two_runs_it_did_not_run(read: Read, tmp_path: Path) -> None:
    later = timedelta(seconds=100)
    second = [
        replace(message, time=message.time + later)
        for message in a_minute()
        if message.time is not None
    ]
    timeline = read(write_log(tmp_path / "log.jsonl", [*a_minute(), *second]))
    assert timeline.end_s == 160.0
    assert not [s for s in timeline.states if s.start_s < 90.0 and s.end_s > 60.0]
    assert timeline.decisions[2] == Stretch("bus", 100.0, 130.0)


def test_without_times_of_day_streams_follow_each_other(read: Read, tmp_path: Path) -> None:
    stream = [estimate(float(end_s), "bus", clock=False) for end_s in range(10, 21)]
    timeline = read(write_log(tmp_path / "log.jsonl", [*stream, *stream]))
    assert timeline.begins is None
    assert (timeline.start_s, timeline.end_s) == (0.0, 40.0)


def test_without_decisions_there_are_the_network_s_own_probabilities(
    read: Read, tmp_path: Path
) -> None:
    raw = [replace(estimate(float(end_s), None), decision=None) for end_s in range(10, 21)]
    timeline = read(write_log(tmp_path / "log.jsonl", raw))
    assert (timeline.smoothed, timeline.decisions) == (False, [])
    assert belief_in(timeline, "shopping_mall", 5.5) == pytest.approx(0.83)


def test_another_model_s_scenes_have_rows_of_their_own(read: Read, tmp_path: Path) -> None:
    path = write_log(tmp_path / "log.jsonl")
    values = json.loads(path.read_text().splitlines()[-5])
    assert values["type"] == "estimate"
    values["decision"]["probabilities"] = {"bus": 0.5, "kitchen": 0.5}
    with path.open("a") as file:
        file.write(json.dumps(values) + "\n")
    timeline = read(path)
    assert timeline.scenes == (*SCENES, "kitchen")
    assert np.isnan(belief_in(timeline, "kitchen", 20.5))


def test_silence_and_what_has_no_level_are_left_out(read: Read, tmp_path: Path) -> None:
    messages = [
        estimate(10.0, "bus", level_dbfs=None),
        estimate(11.0, "bus", level_dbfs=-np.inf),
        estimate(12.0, "bus", level_dbfs=-40.0),
    ]
    level = read(write_log(tmp_path / "log.jsonl", messages)).level.mean
    assert level[~np.isnan(level)].tolist() == [-40.0]


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        ('{"schema": 3, "type": "estim', "it is not JSON"),
        ("\xff\xfe", "it is not JSON"),
        ("[]", "it is no message"),
        ('{"type": "gap"}', "it has no 'schema'"),
        ('{"schema": 2, "type": "gap"}', "its schema must be 3, got 2"),
        ('{"schema": 3, "type": "weather"}', "its type is 'weather'"),
        ('{"schema": 3, "type": "gap", "start_s": -1}', "-1 is no moment of a stream, in seconds"),
        ('{"schema": 3, "type": "gap", "start_s": NaN}', "nan is no moment of a stream"),
        ('{"schema": 3, "type": "gap", "start_s": 1e999}', "inf is no moment of a stream"),
    ],
)
def test_damaged_lines_are_counted_and_told(
    read: Read, notes: list[str], tmp_path: Path, damage: str, why: str
) -> None:
    path = write_log(tmp_path / "log.jsonl")
    lines = path.read_text().splitlines()
    lines[5:5] = [damage]
    path.write_text("\n".join(lines), encoding="latin-1")
    timeline = read(path)
    assert timeline.decisions[-1] == Stretch("unknown", 40.0, 60.0)
    (note,) = notes
    assert note.startswith(f"1 of {len(lines)} lines are left out as damaged (line 6: {why}")


def test_a_line_that_does_not_end_is_not_read_whole(
    read: Read, notes: list[str], tmp_path: Path
) -> None:
    path = write_log(tmp_path / "log.jsonl")
    with path.open("ab") as file:
        file.write(b"\0" * (20 * LONGEST_LINE_BYTES))
    num_lines = len(a_minute())
    read(path)
    assert notes[0].startswith(f"20 of {num_lines + 20} lines are left out as damaged")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", "holds 0 lines, and no estimate of a stream;"),
        (
            "name,age\nAnn,41\n",
            "holds 2 lines, and no estimate of a stream (line 1: it is not JSON",
        ),
        ('{"level": "info"}\n', "(line 1: it has no 'schema')"),
    ],
)
def test_a_foreign_file_is_an_error(read: Read, tmp_path: Path, text: str, found: str) -> None:
    path = tmp_path / "log.jsonl"
    path.write_text(text)
    with pytest.raises(PlotError) as error:
        read(path)
    assert found in str(error.value)
    assert "--log FILE.jsonl" in str(error.value)


def test_health_alone_cannot_be_drawn(read: Read, tmp_path: Path) -> None:
    with pytest.raises(PlotError, match="no estimate of a stream"):
        read(write_log(tmp_path / "log.jsonl", [health(0.0), change("bus", 0.0, 1.0)]))


def test_estimates_of_classify_are_no_stream(read: Read, tmp_path: Path) -> None:
    with pytest.raises(PlotError, match="it is of `classify`, about a file and no stream"):
        read(write_log(tmp_path / "log.jsonl", [replace(REPORT, file="a.wav")]))


def test_a_week_is_read_in_bounded_memory(read: Read, tmp_path: Path) -> None:
    path = tmp_path / "week.jsonl"
    with path.open("w") as file:
        file.writelines(week_of_lines(every_s=20.0))
    tracemalloc.start()
    try:
        timeline = read(path)
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert path.stat().st_size > 15e6
    assert peak_bytes < 5e6
    assert timeline.end_s - timeline.start_s == pytest.approx(7 * 86_400, abs=20)
    assert MAX_BINS / 2 <= len(timeline.belief.mean) <= MAX_BINS
    assert len(timeline.decisions) == 7 * 24
