"""From a recording on an emulated board, over its UART, to the estimates of the file itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_asc.firmware_bridge.boards.board import board_named
from edge_asc.firmware_bridge.boards.package import Package
from edge_asc.firmware_bridge.boards.programs import build_classifier, build_ear, write_recording
from edge_asc.firmware_bridge.boards.qemu import emulated
from edge_asc.firmware_bridge.boards.toolchain import missing_tools
from edge_asc.firmware_bridge.exporter import FrontEnd, Kernels, Options, export_package
from edge_asc.model_file import default_model_path

EDGE_ASC = Path(sys.executable).with_name("edge-asc")
BAUD = 4_000_000
RATE_HZ = 44_100
LIMIT_S = 240.0
PLACE = ("--city", "Beijing", "--time", "2026-11-30T08:15:00")

PROBABILITY_BOUND = 0.0164
"""The board computes as LiteRT's reference kernels do, `listen` by the default ones. A step of the
shipped model's logits is 0.0327 after its temperature; two logits, each a step off in its own
direction, change a probability p by 2 * 0.0327 p (1 - p) at most. Measured: 0.0025."""

pytestmark = [
    pytest.mark.skipif(not EDGE_ASC.exists(), reason="edge-asc is not installed: pip install -e ."),
    pytest.mark.skipif(
        bool(missing_tools()), reason="needs a cross compiler and QEMU: make firmware-tools"
    ),
]


@pytest.fixture(scope="module")
def recording(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six seconds in a park, then six in an underground train; synthetic."""
    path = tmp_path_factory.mktemp("recording") / "walk.wav"
    options = ["--scenes", "urban_park,metro", "--seconds", "6"]
    subprocess.run([EDGE_ASC, "synth", "--recording", path, *options], check=True, timeout=LIMIT_S)
    return path


@pytest.fixture(scope="module")
def nowhere(recording: Path) -> list[dict[str, Any]]:
    """What listening to the file gives without city and time."""
    return estimates_of_file(recording)


@pytest.fixture(scope="module")
def in_beijing(recording: Path) -> list[dict[str, Any]]:
    return estimates_of_file(recording, *PLACE)


def samples_of(recording: Path) -> np.ndarray:
    samples, rate_hz = soundfile.read(recording, dtype="int16")
    assert (rate_hz, samples.shape) == (RATE_HZ, (12 * RATE_HZ,))
    return samples


def estimates(lines: Iterator[str]) -> Iterator[dict[str, Any]]:
    for line in lines:
        message = json.loads(line)
        if message["type"] == "estimate":
            yield message


def estimates_of_file(recording: Path, *options: str) -> list[dict[str, Any]]:
    command = [str(EDGE_ASC), "listen", "--source", str(recording), "--fast", "--format", "json"]
    done = subprocess.run(
        [*command, *options], check=True, capture_output=True, text=True, timeout=LIMIT_S
    )
    return list(estimates(iter(done.stdout.splitlines())))


@contextmanager
def running(*arguments: str, log: Path) -> Iterator[subprocess.Popen[str]]:
    """`edge-asc` with these arguments; it is ended with the context."""
    with log.open("w") as said:
        process = subprocess.Popen(
            [EDGE_ASC, *arguments, "--format", "json"],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
    end = threading.Timer(LIMIT_S, process.kill)  # which ends its output, and so the reader
    end.start()
    try:
        yield process
    finally:
        end.cancel()
        process.kill()
        process.wait()


def test_a_board_as_the_ear_gives_the_estimates_of_the_file(
    recording: Path, nowhere: list[dict[str, Any]], tmp_path: Path
) -> None:
    """Every probability of every estimate is equal: the same samples came through."""
    board = board_named("m4")
    program = build_ear(board, tmp_path, RATE_HZ)
    write_recording(samples_of(recording), tmp_path)
    assert len(nowhere) == 3
    log = tmp_path / "listen.log"
    with emulated(board, program.elf, tmp_path, uart="pty") as emulation:
        source = f"serial:{emulation.port}:{BAUD}"
        with running("listen", "--source", source, log=log) as listener:
            assert listener.stdout is not None
            found = list(islice(estimates(listener.stdout), 3))
    assert len(found) == 3, log.read_text()
    for name in ("scene", "probabilities", "familiarity", "start_s", "end_s", "after_gap"):
        assert [one[name] for one in found] == [one[name] for one in nowhere], name
    assert "'emulated ear'" in log.read_text()


@pytest.mark.parametrize(
    ("cpu", "kernels", "front_end"), [("m4", "dsp", "fixed"), ("m7", "portable", "float")]
)
def test_a_board_that_classifies_reports_the_scenes_of_the_file(
    cpu: str,
    kernels: Kernels,
    front_end: FrontEnd,
    recording: Path,
    in_beijing: list[dict[str, Any]],
    nowhere: list[dict[str, Any]],
    tmp_path: Path,
) -> None:
    """In Beijing, on a Monday morning: the board is told, and listening to the file, too."""
    package = tmp_path / "package"
    export_package(default_model_path(), package, Options(kernels=kernels, front_end=front_end))
    board = board_named(cpu)
    program = build_classifier(board, Package.read(package), tmp_path, speed=3)
    write_recording(samples_of(recording), tmp_path)
    log = tmp_path / "monitor.log"
    with emulated(board, program.elf, tmp_path, uart="pty") as emulation:
        arguments = ("firmware", "monitor", f"{emulation.port}:{BAUD}", "--estimates", "3")
        with running(*arguments, *PLACE, log=log) as monitor:
            assert monitor.stdout is not None
            found = list(estimates(monitor.stdout))
            assert monitor.wait(LIMIT_S) == 0, log.read_text()
    assert [one["scene"] for one in found] == [one["scene"] for one in in_beijing]
    assert apart(found, in_beijing) < PROBABILITY_BOUND
    assert apart(nowhere, in_beijing) > 2 * PROBABILITY_BOUND, (
        "the place must have an effect, or nothing is shown"
    )
    assert not any(one["after_gap"] for one in found)


def apart(found: list[dict[str, Any]], expected: list[dict[str, Any]]) -> float:
    """How far a probability is off at most."""
    return max(
        abs(one["probabilities"][scene] - other["probabilities"][scene])
        for one, other in zip(found, expected, strict=True)
        for scene in other["probabilities"]
    )
