"""The microphone, whose capturing process is played by a few lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator

import numpy as np
import pytest

from edge_asc.errors import AudioError, MissingLibraryError, SourceError
from edge_asc.sources.flow import Block
from edge_asc.sources.microphone import Microphone

PROLOGUE = """
import json, struct, sys, os, signal
import numpy as np
def header(**values):
    sys.stdout.buffer.write(json.dumps(values).encode() + b"\\n")
    sys.stdout.buffer.flush()
def block(arrived_s, lost, *frames):
    data = np.array(frames, np.float32).tobytes()
    sys.stdout.buffer.write(struct.pack("<d?I", arrived_s, lost, len(data)) + data)
    sys.stdout.buffer.flush()
"""


def hear(program: str, *, device: str | None = None) -> Iterator[Block]:
    session = Microphone(device, 44_100, [sys.executable, "-c", PROLOGUE + program]).open()
    try:
        yield from session.blocks()
    finally:
        session.close()


def test_blocks_as_the_process_wrote_them() -> None:
    program = """
header(name="USB", sample_rate_hz=16000, channels=1)
block(7.5, False, 0.25, -0.5)
block(7.6, True, 1.0)
"""
    blocks = hear(program)
    first, second = next(blocks), next(blocks)
    np.testing.assert_array_equal(first.samples, [0.25, -0.5])
    assert (first.sample_rate_hz, first.arrived_s, first.overflow) == (16_000, 7.5, False)
    assert (second.arrived_s, second.overflow) == (7.6, True)
    with pytest.raises(SourceError, match=r"'USB' sends no more sound \(unplugged, or its sound"):
        next(blocks)


def test_the_process_is_told_what_to_capture() -> None:
    program = "header(name='|'.join(sys.argv[1:]), sample_rate_hz=8000, channels=1)"
    with pytest.raises(SourceError, match=r"'44100\|USB mic' sends no more sound"):
        next(hear(program, device="USB mic"))


def test_two_channels_are_averaged_and_more_are_left_out() -> None:
    program = """
header(name="array", sample_rate_hz=48000, channels=4)
block(0.1, False, 0.5, 0.25, 1, 1, -1.0, 0.0, 1, 1)
"""
    np.testing.assert_array_equal(next(hear(program)).samples, [0.375, -0.5])


def test_nan_from_a_device() -> None:
    program = """
header(name="USB", sample_rate_hz=10, channels=1)
block(0.1, False, *[0.0] * 10)
block(0.2, False, 0.0, float("nan"))
"""
    blocks = hear(program)
    next(blocks)
    with pytest.raises(AudioError, match=r"'USB' holds .* not a finite number at 1\.1000 s"):
        next(blocks)


@pytest.mark.parametrize(("final", "error"), [(True, MissingLibraryError), (False, SourceError)])
def test_what_the_process_cannot_open(final: bool, error: type[SourceError]) -> None:
    with pytest.raises(SourceError, match="no such thing") as caught:
        next(hear(f"header(error='no such thing', final={final})"))
    assert type(caught.value) is error


@pytest.mark.parametrize(
    ("program", "message"),
    [
        ("sys.exit('PortAudio is in pieces')", "ended with exit code 1: PortAudio is in pieces"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "died of SIGSEGV"),
    ],
)
def test_a_process_that_dies_before_it_begins(program: str, message: str) -> None:
    with pytest.raises(SourceError, match=f"the default microphone cannot be captured.*{message}"):
        next(hear(program))


def test_a_process_that_dies_within_a_block() -> None:
    program = """
header(name="USB", sample_rate_hz=16000, channels=1)
sys.stdout.buffer.write(struct.pack("<d?I", 0.1, False, 100) + bytes(50))
sys.stdout.buffer.flush()
os.kill(os.getpid(), signal.SIGKILL)
"""
    with pytest.raises(SourceError, match=r"'USB' sends no more sound \(its process died of SIGK"):
        next(hear(program))


def test_the_header_is_json() -> None:
    with pytest.raises(json.JSONDecodeError):
        next(hear("print('hello')"))
