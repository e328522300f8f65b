"""`--source serial:PORT[:BAUD]` of `listen` and `record`, in this process."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_asc.firmware_bridge.link.controls import Can
from tests.commands.test_listen import json_lines
from tests.firmware_bridge.link.fake_device import FakeDevice, Line, plugged

PATIENCE_S = 20.0


@pytest.fixture
def line() -> Iterator[Line]:
    with plugged() as one:
        yield one


def noise(rng: np.random.Generator, seconds: int, rate_hz: int, level: float) -> np.ndarray:
    samples = level * rng.uniform(-32_768, 32_767, seconds * rate_hz)
    return samples.astype(np.int16)


def stream(device: FakeDevice, *pieces: np.ndarray | int) -> None:
    """Sound, and numbers of samples that are lost on the line, once the host asks."""

    def run() -> None:
        assert device.started.wait(PATIENCE_S)
        for piece in pieces:
            if isinstance(piece, int):
                device.lose(piece)
            else:
                device.stream_pcm(piece)

    threading.Thread(target=run, daemon=True).start()


def test_listening_equals_that_of_the_file(
    edge_asc: Any, model_path: Path, line: Line, rng: np.random.Generator, write_wav: Any
) -> None:
    """Loud and soft sound at 16 kHz, resampled to the model's rate in both cases."""
    sound = np.concatenate([noise(rng, 2, 16_000, 0.9), noise(rng, 3, 16_000, 0.001)])
    stream(FakeDevice(line, sample_rate_hz=16_000), sound)
    arguments = ("--format", "json", "--seconds", "4")
    done = edge_asc("listen", "--source", f"serial:{line.path}", "--no-retry", *arguments)
    assert done.exit_code == 0, done.stderr
    path = write_wav(sound, 16_000)
    expected = edge_asc("listen", "--source", path, "--fast", *arguments)
    ignored = ("time", "source")
    lines, of_file = (
        [{name: line[name] for name in line if name not in ignored} for line in json_lines(text)]
        for text in (done.stdout, expected.stdout)
    )
    assert len(lines) == 3
    assert lines == of_file
    assert json_lines(done.stdout)[0]["source"] == f"serial port {line.path}"
    assert done.stderr.splitlines()[0].startswith(
        f"listening to serial port {line.path} (921600 baud) with model level (int8)"
    )
    assert f"hearing serial port {line.path} at 16000 Hz" in done.stderr


def test_what_the_line_loses_is_a_gap(
    edge_asc: Any, model_path: Path, line: Line, rng: np.random.Generator
) -> None:
    first, second = noise(rng, 2, 44_100, 0.9), noise(rng, 3, 44_100, 0.9)
    stream(FakeDevice(line), first, 22_050, second)
    arguments = ("--format", "json", "--seconds", "4", "--no-retry")
    done = edge_asc("listen", "--source", f"serial:{line.path}:4000000", *arguments)
    assert done.exit_code == 0, done.stderr
    (gap,) = [line for line in json_lines(done.stdout) if line["type"] == "gap"]
    assert (gap["start_s"], gap["end_s"], gap["lost_s"]) == (2.0, 2.5, 0.5)
    assert gap["cause"] == "frames with 0.50 s were damaged on the line"
    after = [line for line in json_lines(done.stdout) if line.get("after_gap")]
    assert [(estimate["start_s"], estimate["end_s"]) for estimate in after] == [(2.5, 4.5)]


def test_a_device_that_classifies_by_itself_is_no_source(
    edge_asc: Any, model_path: Path, line: Line
) -> None:
    FakeDevice(line, capabilities=Can.ESTIMATES)
    done = edge_asc("listen", "--source", f"serial:{line.path}", "--no-retry")
    assert done.exit_code == 1
    assert "edge-asc firmware monitor shows what it reports" in done.stderr


@pytest.mark.parametrize("command", [("listen",), ("record", "--scene", "bus")])
def test_wrong_usage(command: tuple[str, ...], edge_asc: Any, model_path: Path) -> None:
    for source, words in (
        ("serial:", "must be a port, as /dev/ttyACM0, or PORT:BAUD, got ''"),
        ("serial:/dev/x:12", "BAUD must be from 300 to 20000000, got 12"),
    ):
        done = edge_asc(*command, "--source", source)
        assert done.exit_code == 2
        assert words in done.stderr
    done = edge_asc(*command, "--source", "serial:/dev/x", "--device", "USB")
    assert done.exit_code == 2
    assert "--device is for a microphone" in done.stderr


def test_recording_from_a_microcontroller(
    edge_asc: Any,
    line: Line,
    rng: np.random.Generator,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("edge_asc.sources.live._AHEAD_S", 20.0)  # not at the pace of time
    stream(FakeDevice(line), noise(rng, 11, 44_100, 0.5))
    out = tmp_path / "clips"
    arguments = ("--scene", "bus", "--minutes", str(10 / 60), "--out", out, "--no-retry")
    done = edge_asc("record", "--source", f"serial:{line.path}", *arguments)
    assert done.exit_code == 0, done.stderr
    assert len(list(out.rglob("*.flac"))) == 1


def test_the_device_is_told_when_listening_ends(line: Line, rng: np.random.Generator) -> None:
    """In a process of its own, which ends at once."""
    device = FakeDevice(line)
    stream(device, noise(rng, 2, 44_100, 0.5))
    words = ("listen", "--source", f"serial:{line.path}", "--seconds", "1", "--no-retry")
    done = subprocess.run(
        [sys.executable, "-m", "edge_asc", *words], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert "heard 1.0 s" in done.stderr
    assert device.stopped.wait(PATIENCE_S)
