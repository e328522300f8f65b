"""The process that captures: in this one against a played PortAudio, and as it is started."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_asc.clock import elapsed_s
from edge_asc.errors import SourceError
from edge_asc.sources import capture_process
from edge_asc.sources.capture_process import BLOCK_HEAD, Capture


def heads_and_frames(capture: Capture, count: int) -> list[tuple[bool, list[float]]]:
    """Whether sound was lost before a block, and its samples."""
    found = []
    for _ in range(count):
        block = capture.next_block()
        assert block is not None
        _, lost, num_bytes = BLOCK_HEAD.unpack(block[: BLOCK_HEAD.size])
        frames = block[BLOCK_HEAD.size :]
        assert len(frames) == num_bytes
        found.append((lost, np.frombuffer(frames, np.float32).tolist()))
    return found


def test_what_portaudio_is_asked_for(portaudio: Any) -> None:
    capture = Capture(44_100, None)
    assert capture.header == {"name": "USB microphone", "sample_rate_hz": 44_100, "channels": 1}
    asked = {name: portaudio.opened[name] for name in ("device", "channels", "dtype", "latency")}
    assert asked == {"device": 0, "channels": 1, "dtype": "float32", "latency": "high"}
    assert portaudio.opened["blocksize"] == 4_410
    assert portaudio.calls == ["start"]


def test_blocks_come_in_order_and_whole(portaudio: Any, rng: np.random.Generator) -> None:
    blocks = rng.uniform(-1, 1, (5, 10, 2)).astype(np.float32)
    capture = Capture(44_100, None)
    for block in blocks:
        buffer = block.copy()
        portaudio.play(buffer)
        buffer[:] = 0.0  # PortAudio reuses it
    found = heads_and_frames(capture, 5)
    assert [lost for lost, _ in found] == [False] * 5
    np.testing.assert_array_equal([frames for _, frames in found], blocks.reshape(5, 20))


def test_a_block_carries_the_time_at_which_it_came(portaudio: Any) -> None:
    capture = Capture(44_100, None)
    before_s = elapsed_s()
    portaudio.play(np.zeros((10, 1)))
    after_s = elapsed_s()
    block = capture.next_block()
    assert block is not None
    assert before_s <= BLOCK_HEAD.unpack(block[: BLOCK_HEAD.size])[0] <= after_s


def test_an_overflow_is_passed_on(portaudio: Any) -> None:
    capture = Capture(44_100, None)
    portaudio.play(np.zeros((10, 1)))
    portaudio.play(np.zeros((10, 1)), overflow=True)
    portaudio.play(np.zeros((10, 1)))
    assert [lost for lost, _ in heads_and_frames(capture, 3)] == [False, True, False]


def test_a_reader_who_is_too_late_is_told(portaudio: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture_process, "QUEUE_BLOCKS", 3)
    capture = Capture(44_100, None)
    for number in range(5):
        portaudio.play(np.full((1, 1), number))
    found = heads_and_frames(capture, 3)
    portaudio.play(np.full((1, 1), 5))
    found += heads_and_frames(capture, 1)
    assert found == [(False, [0]), (False, [1]), (False, [2]), (True, [5])]


def test_a_device_that_stops_ends_it(portaudio: Any) -> None:
    capture = Capture(44_100, None)
    portaudio.play(np.zeros((10, 1)))
    portaudio.stop()
    assert capture.next_block() is not None
    assert capture.next_block() is None


def test_a_stream_that_does_not_open(portaudio: Any) -> None:
    portaudio.stream_error = "Device unavailable [PaErrorCode -9985]"
    with pytest.raises(
        SourceError, match=r"cannot record from 'USB microphone'.*-9985.*may hold it"
    ):
        Capture(44_100, None)


FAKE = """
import threading, types, sys
print("noise on stdout", flush=True)
class PortAudioError(Exception): pass
class Stream:
    def __init__(self, *, callback, finished_callback, blocksize, **settings):
        self.callback, self.finished, self.size = callback, finished_callback, blocksize
    def start(self):
        threading.Thread(target=self.play).start()
    def play(self):
        status = types.SimpleNamespace(input_overflow=False)
        for number in range(3):
            self.callback(bytes([number]) * 4 * self.size, self.size, None, status)
        self.finished()
RawInputStream = Stream
def check_input_settings(**settings): pass
def query_devices():
    return [] if {nothing} else [dict(name="played", index=0, hostapi=0, max_input_channels=1,
                 default_samplerate=48000.0)]
def query_hostapis(): return [dict(name="ALSA")]
default = types.SimpleNamespace(device=[0, -1])
"""


def run(folder: Path, *arguments: str, nothing: bool = False) -> bytes:
    """What the process writes with a made-up sounddevice that plays three blocks."""
    (folder / "sounddevice.py").write_text(FAKE.replace("{nothing}", str(nothing)))
    done = subprocess.run(
        [sys.executable, "-m", "edge_asc.sources.capture_process", *arguments],
        env={**os.environ, "PYTHONPATH": str(folder)},
        capture_output=True,
        check=True,
    )
    return done.stdout


def test_the_process_writes_a_header_and_blocks_and_nothing_else(tmp_path: Path) -> None:
    line, _, rest = run(tmp_path, "16000", "play").partition(b"\n")
    assert json.loads(line) == {"name": "played", "sample_rate_hz": 16_000, "channels": 1}
    size = BLOCK_HEAD.size + 4 * 1_600
    assert len(rest) == 3 * size
    assert [rest[start + BLOCK_HEAD.size] for start in range(0, 3 * size, size)] == [0, 1, 2]


def test_the_process_tells_what_is_missing(tmp_path: Path) -> None:
    told = json.loads(run(tmp_path, "16000", nothing=True))
    assert told["final"] is False
    assert told["error"].startswith("no microphone found")


def test_the_process_stays_small() -> None:
    program = "import edge_asc.sources.capture_process, sys; print('numpy' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout == b"False\n"


def test_it_ends_with_its_reader(tmp_path: Path) -> None:
    """A reader that is gone closes the pipe; nothing is left that holds the microphone."""
    endless = FAKE.replace("range(3)", "range(10**9)").replace("{nothing}", "False")
    (tmp_path / "sounddevice.py").write_text(endless)
    with subprocess.Popen(
        [sys.executable, "-m", "edge_asc.sources.capture_process", "16000"],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.read(100)
        process.stdout.close()
        assert process.wait(timeout=30) == 0
