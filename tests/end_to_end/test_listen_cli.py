"""The installed `edge-asc` with the shipped model, in processes of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

WavWriter = Callable[..., Path]
EDGE_ASC = Path(sys.executable).with_name("edge-asc")
SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))
RATE_HZ = 44_100

pytestmark = [
    pytest.mark.skipif(not EDGE_ASC.exists(), reason="edge-asc is not installed: pip install -e ."),
]


def json_lines(text: str) -> list[dict[str, Any]]:
    """The estimates; all other lines are checked and left out."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    return [line for line in lines if line["type"] == "estimate"]


@pytest.fixture
def recording(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    """Sixteen seconds of soft stereo noise at 48 kHz."""
    return write_wav(0.05 * rng.standard_normal((16 * 48_000, 2)), 48_000)


@pytest.fixture
def pcm(rng: np.random.Generator) -> bytes:
    """Twelve seconds of mono noise at 44.1 kHz, s16."""
    noise: bytes = (1_000 * rng.standard_normal(12 * RATE_HZ)).astype("<i2").tobytes()
    return noise


@contextmanager
def listening_to_a_pipe(pcm: bytes) -> Iterator[subprocess.Popen[bytes]]:
    """`edge-asc listen` that has heard `pcm`, printed an estimate and waits for more."""
    command = [str(EDGE_ASC), "listen", "--source", "-", "--format", "json"]
    pipes: dict[str, Any] = {
        "stdin": subprocess.PIPE,
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
    }
    # A test run in the background may have SIGINT ignored, and would hand that on.
    pipes["preexec_fn"] = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        try:
            process.stdin.write(pcm)
            process.stdin.flush()
            num_estimates = 0
            while num_estimates < 3:  # those that end at 10, 11 and 12 s
                num_estimates += len(json_lines(process.stdout.readline().decode()))
            yield process
        finally:
            process.kill()


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)], ids=["Ctrl-C", "SIGTERM"]
)
def test_a_signal_ends_it_with_a_summary(pcm: bytes, number: int, exit_code: int) -> None:
    with listening_to_a_pipe(pcm) as process:
        process.send_signal(number)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == exit_code
    last = stderr.decode().splitlines()[-1]
    assert last.startswith("heard 12.0 s; 3 estimates: ")
    assert b"Traceback" not in stderr


def test_the_end_of_the_pipe_ends_it(pcm: bytes) -> None:
    with listening_to_a_pipe(pcm) as process:
        process.communicate(timeout=60)
    assert process.returncode == 0


def test_a_reader_that_goes_away_ends_it_quietly(recording: Path) -> None:
    command = [str(EDGE_ASC), "listen", "--source", str(recording), "--fast"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.close()
        _, stderr = process.communicate(timeout=60)
    assert process.returncode == 0
    assert b"Traceback" not in stderr
    assert b"Exception ignored" not in stderr
    assert b"heard" not in stderr


def test_json_of_a_recording(recording: Path) -> None:
    done = subprocess.run(
        [EDGE_ASC, "listen", "--source", recording, "--fast", "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    estimates = json_lines(done.stdout)
    assert [estimate["end_s"] for estimate in estimates] == [10, 11, 12, 13, 14, 15, 16]
    assert done.stderr.splitlines()[-1].startswith("heard 16.0 s; 7 estimates: ")


PEAK_OF_ITSELF = """
import re, sys
from edge_asc.cli import main
main(sys.argv[1:], standalone_mode=False)
print(re.search(r"VmHWM:\\s+(\\d+) kB", open("/proc/self/status").read())[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from /proc")
def test_listening_takes_less_than_120_mb(recording: Path) -> None:
    """What a device with 512 MB can spare; 70 to 90 MB were seen.

    The process reads its own peak: what a parent is told includes the parent's, before exec.
    """
    done = subprocess.run(
        [sys.executable, "-c", PEAK_OF_ITSELF, "listen", "--source", recording, "--fast"],
        capture_output=True,
        text=True,
        check=True,
    )
    peak_kb = int(done.stdout.splitlines()[-1])
    assert 20_000 < peak_kb < 120_000


def test_classify_every_open_recording(data_dir: Path) -> None:
    files = sorted(str(path) for path in (data_dir / "scenes_open").rglob("*.flac"))
    done = subprocess.run(
        [EDGE_ASC, "classify", *files, "--format", "json"], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    assert [estimate["file"] for estimate in json_lines(done.stdout)] == files


def test_info() -> None:
    done = subprocess.run([EDGE_ASC, "info"], capture_output=True, text=True, check=True)
    assert "demonstration model: not fit to decide anything" in done.stdout
    assert "construction site" in done.stdout
