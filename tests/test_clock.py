"""Clocks that run, clocks that are set, clocks that nobody set."""

from __future__ import annotations

import time
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from edge_asc import clock
from edge_asc.clock import WallClock, clock_doubt, elapsed_s

YEAR_S = 365 * 24 * 3600.0


class Clocks:
    """A wall clock that can be set, and one that only runs."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.elapsed_s, self.offset_s = 5_000.0, 1_800_000_000.0
        self.said: list[str] = []
        monkeypatch.setattr(clock, "elapsed_s", lambda: self.elapsed_s)
        self.wall_clock = WallClock(self.said.append, wall_s=self.wall_s)

    def wall_s(self) -> float:
        return self.elapsed_s + self.offset_s

    def shown_s(self) -> float:
        """What it shows of this moment, against what the system's clock shows."""
        return self.wall_clock.at(self.elapsed_s).timestamp() - self.wall_s()


@pytest.fixture
def clocks(monkeypatch: pytest.MonkeyPatch) -> Clocks:
    return Clocks(monkeypatch)


def test_elapsed_time_only_runs() -> None:
    readings = [elapsed_s() for _ in range(1_000)]
    assert readings == sorted(readings)


def test_it_shows_the_system_clock_with_its_zone(clocks: Clocks) -> None:
    assert clocks.shown_s() == pytest.approx(0, abs=1e-6)
    moment = clocks.wall_clock.at(clocks.elapsed_s - 3)
    assert moment.tzinfo is not None
    assert moment.timestamp() == pytest.approx(clocks.wall_s() - 3, abs=1e-6)


@pytest.mark.parametrize(("step_s", "text"), [(YEAR_S, "forward"), (-YEAR_S, "back")])
def test_a_jump_of_a_year_is_followed_at_once_and_told_once(
    clocks: Clocks, step_s: float, text: str
) -> None:
    clocks.shown_s()
    clocks.offset_s += step_s
    clocks.elapsed_s += 0.1
    for _ in range(3):
        assert clocks.shown_s() == pytest.approx(0, abs=1e-5)
    assert clocks.said == [f"the clock was set {text} by 365 days, 0:00:00"]


def test_a_trimmed_clock_is_followed_slowly(clocks: Clocks) -> None:
    clocks.shown_s()
    clocks.offset_s += 1.0
    off_s = [abs(clocks.shown_s()) for _ in range(300)]
    assert off_s == sorted(off_s, reverse=True)
    assert off_s[0] == pytest.approx(0.98)
    assert off_s[-1] < 0.01
    assert clocks.said == []


def test_the_jitter_of_a_reading_hardly_shows(clocks: Clocks, rng: np.random.Generator) -> None:
    clocks.shown_s()
    shown = []
    for jitter_s in rng.uniform(0, 0.01, 1_000):
        clocks.elapsed_s += 0.1
        clocks.offset_s = 1_800_000_000.0 + jitter_s
        moment = clocks.wall_clock.at(clocks.elapsed_s)
        shown.append(moment.timestamp() - clocks.elapsed_s - 1_800_000_000.0)
    assert np.std(shown[200:]) < 0.001


def rtc(folder: Path, seconds: float) -> Path:
    (folder / "class/rtc/rtc0").mkdir(parents=True)
    (folder / "class/rtc/rtc0/since_epoch").write_text(f"{seconds:.0f}\n")
    return folder


@pytest.fixture
def _not_synchronized(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clock, "_kernel_is_synchronized", lambda: False)


@pytest.mark.usefixtures("_not_synchronized")
class TestNobodyTellsTheKernelTheTime:
    def test_without_a_battery_clock_it_is_in_doubt(self, tmp_path: Path) -> None:
        doubt = clock_doubt(tmp_path / "sys", tmp_path / "run")
        assert doubt is not None
        assert "NTP" in doubt

    def test_timesyncd_says_so(self, tmp_path: Path) -> None:
        (tmp_path / "systemd/timesync").mkdir(parents=True)
        (tmp_path / "systemd/timesync/synchronized").touch()
        assert clock_doubt(tmp_path / "sys", tmp_path) is None

    def test_a_battery_clock_that_agrees(self, tmp_path: Path) -> None:
        assert clock_doubt(rtc(tmp_path, time.time() - 60), tmp_path / "run") is None

    def test_a_battery_clock_without_a_battery(self, tmp_path: Path) -> None:
        """As on a Raspberry Pi 5: it starts in 1970."""
        assert clock_doubt(rtc(tmp_path, 20), tmp_path / "run") is not None


def test_the_kernel_can_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told = clock_doubt(tmp_path, tmp_path)
    assert (told is None) == clock._kernel_is_synchronized()
    monkeypatch.setattr(clock, "_kernel_is_synchronized", lambda: True)
    assert clock_doubt(tmp_path, tmp_path) is None


def test_a_moment_in_local_time() -> None:
    before, shown, after = time.time(), WallClock(print).at(elapsed_s()), time.time()
    assert before - 0.01 <= shown.timestamp() <= after + 0.01
    assert shown.utcoffset() == datetime.fromtimestamp(before).astimezone().utcoffset()
