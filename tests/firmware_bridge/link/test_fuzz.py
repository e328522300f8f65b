"""Seconds of fuzzing: the C of the link with mutated lines, the host with any bytes."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.errors import LinkError
from edge_asc.firmware_bridge.link import C_SOURCES
from edge_asc.firmware_bridge.link.controls import Can, HelloRequest, Start
from edge_asc.firmware_bridge.link.frames import Frame, encode
from edge_asc.firmware_bridge.link.host import HostLink
from edge_asc.firmware_bridge.link.messages import FrameType, from_frame, to_frame
from tests.firmware_bridge.link.conftest import compile_c


def test_no_line_harms_the_device(tmp_path: Path, vectors: dict[str, Any]) -> None:
    program = compile_c(tmp_path, "fuzz_link.c", "fuzz_driver.c")
    seeds = []
    for number, vector in enumerate([*vectors["frames"][:17], *vectors["lines"]]):
        seeds.append(tmp_path / f"{number}.bin")
        seeds[-1].write_bytes(bytes.fromhex(vector["line"]))
    done = subprocess.run([program, "1", "2", *seeds], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"\d{4,} inputs, none did harm\n", done.stdout)


def test_the_fuzzer_sees_harm_where_there_is_some(tmp_path: Path) -> None:
    """With a reader that writes beyond its buffer."""
    for source in C_SOURCES.iterdir():
        text = source.read_text()
        broken = text.replace("if (reader->count == reader->capacity)", "if (0)")
        assert (broken != text) == (source.name == "asc_frame.c")
        (tmp_path / source.name).write_text(broken)
    program = compile_c(tmp_path, "fuzz_link.c", "fuzz_driver.c", link=tmp_path)
    seed = tmp_path / "seed.bin"
    seed.write_bytes(bytes(range(256)))
    done = subprocess.run([program, "1", "1", seed], capture_output=True, text=True)
    assert done.returncode != 0


LOSSY = (
    FrameType.HELLO_REQUEST,
    FrameType.HELLO,
    FrameType.LOG,
    FrameType.CONTEXT,
    FrameType.ADPCM,
)

FRAMES = st.builds(Frame, st.sampled_from(list(FrameType)), st.integers(0, 3), st.binary())


@settings(max_examples=400, deadline=None, derandomize=True)
@given(pieces=st.lists(st.one_of(FRAMES.map(encode), st.binary(max_size=30)), max_size=8))
def test_whatever_comes_the_host_knows_what_to_say(pieces: list[bytes]) -> None:
    sent: list[bytes] = []
    link = HostLink(sent.append, lambda: 0.0)
    link.ask(HelloRequest())
    link.ask(Start(Can.PCM, 5))
    for piece in pieces:
        try:
            for arrived in link.receive(piece):
                assert arrived.message.stream == 5
        except LinkError:
            return
    link.tick()


@settings(max_examples=300, deadline=None, derandomize=True)
@given(frame=FRAMES)
def test_a_payload_is_refused_or_comes_back(frame: Frame) -> None:
    """What can be read is written as the same bytes, but for what says less than its bytes."""
    try:
        message = from_frame(frame)
    except LinkError:
        return
    if frame.type not in LOSSY:
        assert message is not None
        assert to_frame(message, frame.sequence).payload == frame.payload
