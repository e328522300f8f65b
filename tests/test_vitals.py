"""What is known of a listener while it runs."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from edge_asc import vitals as module
from edge_asc.level import Level
from edge_asc.messages import Health, OutputState
from edge_asc.vitals import SILENT_S, Heart, Vitals, resident_mb

PATIENCE_S = 30.0


@pytest.fixture
def now_s(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A clock that stands still; its only element is the time."""
    clock = [100.0]
    monkeypatch.setattr(module, "elapsed_s", lambda: clock[0])
    return clock


def test_states_from_the_first_sound_to_the_end(now_s: list[float]) -> None:
    vitals = Vitals("mic", "m", live=True)
    states: list[str] = [vitals.state]
    vitals.sound_came()
    states.append(vitals.state)
    now_s[0] += SILENT_S + 0.1
    states.append(vitals.state)
    vitals.sound_came()
    states.append(vitals.state)
    vitals.paused = True
    states.append(vitals.state)
    vitals.ended = True
    states.append(vitals.state)
    assert states == ["starting", "listening", "no sound", "listening", "paused", "ended"]


def test_a_recording_is_never_without_sound(now_s: list[float]) -> None:
    vitals = Vitals("walk.wav", "m", live=False)
    vitals.sound_came()
    now_s[0] += 100.0
    assert vitals.state == "listening"


def test_health_is_all_of_it_and_latencies_since_the_last(now_s: list[float]) -> None:
    vitals = Vitals("mic", "m", live=True)
    vitals.outputs = lambda: (OutputState("stdout", "ok"),)
    vitals.trouble = lambda: "unplugged"
    for latency_s in (0.001, 0.003, 0.002):
        vitals.sound_came()
        now_s[0] += latency_s
        vitals.estimate_made()
    vitals.level = Level(-30.0, -12.0, 0.0)
    health = vitals.health()
    assert (health.state, health.trouble) == ("listening", "")
    assert health.latency is not None
    assert health.latency.median_ms == pytest.approx(2.0)
    assert health.latency.max_ms == pytest.approx(3.0)
    assert (health.num_estimates, health.level_dbfs) == (3, -30.0)
    assert health.uptime_s == pytest.approx(0.006)
    assert health.outputs == (OutputState("stdout", "ok"),)
    assert vitals.health().latency is None
    assert vitals.latency_ms == pytest.approx(2.0)
    now_s[0] += 10.0
    assert vitals.health().trouble == "unplugged"


def test_a_change_of_state_is_sent_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    vitals, sent, came = Vitals("mic", "m", live=True), [], threading.Event()

    def send(health: Health) -> None:
        sent.append(health.state)
        came.set()

    with Heart(vitals, 3600.0, send):
        vitals.paused = True
        assert came.wait(PATIENCE_S)
    assert sent == ["paused"]


def test_without_a_change_it_is_sent_every_so_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    third = threading.Semaphore(0)
    with Heart(Vitals("mic", "m", live=True), 0.02, lambda health: third.release()):
        for _ in range(3):
            assert third.acquire(timeout=PATIENCE_S)


def test_a_main_output_that_ended_stops_the_heart(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BEAT_S", 0.01)
    calls = threading.Semaphore(0)

    def send(health: Health) -> None:
        calls.release()
        raise BrokenPipeError

    with Heart(Vitals("mic", "m", live=True), 0.01, send):
        assert calls.acquire(timeout=PATIENCE_S)
    assert not calls.acquire(timeout=0.1)


def test_memory_is_that_of_this_process(tmp_path: Path) -> None:
    here = resident_mb()
    assert here is None or 5.0 < here < 20_000.0
    assert resident_mb(tmp_path / "none") is None
    (tmp_path / "status").write_text("Name:\tx\nVmRSS:\t  2048 kB\n")
    assert resident_mb(tmp_path / "status") == 2.0
