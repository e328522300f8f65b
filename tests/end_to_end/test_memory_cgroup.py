"""Listening within 128 MB, as on a board that has little more; nothing is killed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.listener import LISTEN, Listener
from edge_asc.benchmarks.memory_limit import MemoryGroup
from edge_asc.benchmarks.process_facts import read_facts
from edge_asc.benchmarks.sound_server import DEVICE, SoundServer, missing_parts

LIMIT_BYTES = 128 << 20

MOST_OF_LISTENER_MB = 75.0
"""What the project promises for `listen`; 72 were measured with numpy 1.26 and LiteRT 2.1"""

MOST_OF_CAPTURE_MB = 50.0
"""40.6 were measured, of which 27 are libraries of PortAudio, ALSA and its plugins"""


@pytest.fixture
def group() -> Iterator[MemoryGroup]:
    entered = False
    try:
        with MemoryGroup(LIMIT_BYTES) as made:
            entered = True
            yield made
    except OSError as error:
        if entered:
            raise
        pytest.skip(f"no control group for memory can be made here: {error}")


@pytest.fixture
def recording(tmp_path: Path) -> Path:
    """Half a minute of seeded noise."""
    rng = np.random.default_rng(7)
    path = tmp_path / "noise.wav"
    soundfile.write(path, 0.05 * rng.standard_normal(30 * 44_100), 44_100, subtype="PCM_16")
    return path


def inside(group: MemoryGroup, *arguments: str) -> list[str]:
    """A command line that joins the group and then becomes `arguments`."""
    return ["sh", "-c", f'echo $$ > {group.members}; exec "$@"', "sh", *arguments]


def test_a_recording_is_heard_within_it(group: MemoryGroup, recording: Path) -> None:
    done = subprocess.run(
        inside(group, *LISTEN, "--source", str(recording), "--fast"),
        capture_output=True,
        check=True,
    )
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert sum(line["type"] == "estimate" for line in lines) == 21  # 30 s, windows of 10 s
    assert group.kills() == 0


def test_what_needs_more_is_killed(group: MemoryGroup) -> None:
    """Else the test above would show nothing."""
    program = f"data = bytearray(b'1') * {2 * LIMIT_BYTES}"
    done = subprocess.run(inside(group, sys.executable, "-c", program), capture_output=True)
    assert done.returncode != 0
    assert group.kills() == 1


@pytest.mark.skipif(bool(missing_parts()), reason=f"needs {', '.join(missing_parts())}")
def test_a_microphone_is_heard_within_it(
    group: MemoryGroup, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    with SoundServer(tmp_path / "server") as server:
        command = tuple(inside(group, *LISTEN))
        with Listener("--device", DEVICE, command=command, env=server.env) as listener:
            listener.wait_for_estimates(3)
            capture_pid = listener.capture_pid()
            assert capture_pid is not None
            peaks_mb = [read_facts(pid).peak_mb for pid in (listener.process.pid, capture_pid)]
            assert listener.finish() == 0
    record_property("peak_mb", peaks_mb)
    assert group.kills() == 0
    assert peaks_mb[0] <= MOST_OF_LISTENER_MB
    assert peaks_mb[1] <= MOST_OF_CAPTURE_MB
