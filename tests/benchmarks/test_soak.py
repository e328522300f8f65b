"""Ten minutes of what `make soak` does for a day, and that it sees what is wrong."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.process_facts import ProcessFacts
from edge_asc.benchmarks.soak import Day, judge, judge_process, live_through, make_device
from edge_asc.benchmarks.unsteady_device import Fault, Kind, UnsteadyDevice, schedule
from edge_asc.listen import ListenSummary
from edge_asc.sources import Chunk
from edge_asc.sources.flow import Block
from edge_asc.sources.live import LiveSource

HOURS = 1 / 6

FAULTS = [
    (Kind.STOP, 60.0, 5.0),
    (Kind.OVERFLOW, 130.0, 0.3),
    (Kind.SILENT, 200.0, 1.5),
    (Kind.LATE, 270.0, 1.2),
    (Kind.HELD_UP, 340.0, 12.0),
    (Kind.STALL, 410.0, 3.0),
]

FACTS = ProcessFacts(rss_mb=90.0, peak_mb=95.0, cpu_s=1.0, threads=2, descriptors=8)


@pytest.fixture
def device(tmp_path: Path) -> UnsteadyDevice:
    noise = 0.1 * np.random.default_rng(1).standard_normal(20 * 44_100)
    recording = tmp_path / "noise.flac"
    soundfile.write(recording, noise, 44_100)
    return make_device([recording], tmp_path, [Fault(*fault) for fault in FAULTS], seed=1)


def listen_to(device: UnsteadyDevice) -> tuple[Day, ListenSummary]:
    day, summary = live_through(device, HOURS)
    # What ran before in this process has its own memory, threads and files.
    day.readings = [[FACTS]]
    return day, summary


def test_nothing_is_wrong_with_ten_minutes(device: UnsteadyDevice) -> None:
    day, summary = listen_to(device)
    assert judge(day, device, summary) == []
    assert [fault.kind for fault in device.over] == [kind for kind, _, _ in FAULTS]
    assert len(day.timeline.gaps) == 5
    assert day.timeline.estimated_s + day.timeline.gap_s == pytest.approx(600, abs=11)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda chunk: replace(chunk, lost_s=0.0), "5 faults, 0 gaps"),
        (lambda chunk: replace(chunk, lost_s=2 * chunk.lost_s), "s were heard or reported lost"),
        (lambda chunk: replace(chunk, cause="no idea"), "was reported as 'no idea'"),
    ],
    ids=["kept quiet", "counted twice", "wrong cause"],
)
def test_a_listener_that_tells_losses_wrong_is_found_out(
    device: UnsteadyDevice,
    monkeypatch: pytest.MonkeyPatch,
    spoil: Callable[[Chunk], Chunk],
    message: str,
) -> None:
    right = LiveSource._chunk

    def wrong(source: LiveSource, block: Block) -> Chunk:
        return spoil(right(source, block))

    monkeypatch.setattr(LiveSource, "_chunk", wrong)
    day, summary = listen_to(device)
    assert message in " ".join(judge(day, device, summary))


def test_sound_that_was_not_sent_is_found_out(
    device: UnsteadyDevice, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = LiveSource._chunk

    def copied(source: LiveSource, block: Block) -> Chunk:
        chunk = right(source, block)
        return replace(chunk, samples=chunk.samples.copy())

    monkeypatch.setattr(LiveSource, "_chunk", copied)
    with pytest.raises(RuntimeError, match="vanished"):
        live_through(device, HOURS)


@pytest.mark.parametrize(
    ("last", "message"),
    [
        (replace(FACTS, rss_mb=91.5), "memory grew by 1.50 MB"),
        (replace(FACTS, peak_mb=100.5), "the process took 100.5 MB"),
        (replace(FACTS, threads=3), r"threads come or go: [2, 3]"),
        (replace(FACTS, descriptors=9), r"descriptors come or go: [8, 9]"),
    ],
)
def test_what_a_process_may_not_do(last: ProcessFacts, message: str) -> None:
    hours = [[FACTS] * 12 for _ in range(20)]
    assert judge_process([*hours, *[[FACTS] * 12] * 4]) == []
    (wrong,) = judge_process([*hours, *[[last] * 12] * 4])
    assert message in wrong


def test_a_schedule_is_that_of_its_seed() -> None:
    day_s = 24 * 3600
    faults = schedule(1, day_s)
    assert faults == schedule(1, day_s)
    assert faults != schedule(2, day_s)
    assert {fault.kind for fault in faults} == set(Kind)
    assert all(after.at_s - before.at_s >= 60 for before, after in pairwise(faults))
