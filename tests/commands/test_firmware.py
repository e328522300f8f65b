"""`edge-asc firmware monitor`, in this process."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge_asc.firmware_bridge.link.controls import Can, Context, Start, model_hash
from edge_asc.firmware_bridge.link.streams import Estimate, Level, Log
from edge_asc.model_file import ModelFile
from tests.commands.test_listen import SCHEMA
from tests.firmware_bridge.link.fake_device import FakeDevice, Line, plugged

PATIENCE_S = 20.0


@pytest.fixture
def line() -> Iterator[Line]:
    with plugged() as one:
        yield one


@pytest.fixture
def device(line: Line, model_path: Path) -> FakeDevice:
    """It runs the model of this test, and reports two estimates and a line when it is asked."""
    its_hash = model_hash(ModelFile.read(model_path).manifest)
    can = Can.ESTIMATES | Can.LOG | Can.CONTEXT
    device = FakeDevice(line, capabilities=can, model_sha256=its_hash)
    device.clock_us = 30_000_000

    def report() -> None:
        while not any(isinstance(control, Start) for control in device.asked):
            assert device.started.wait(PATIENCE_S)
        device.stream_message(Log(device.stream, Level.INFORMATION, "awake"))
        for end_s, flags in ((30, 0), (31, Estimate.AFTER_GAP)):
            values = np.array([-256, -1_280, 256], np.int16)
            device.stream_message(Estimate(device.stream, end_s * 1_000_000, flags, values))

    threading.Thread(target=report, daemon=True).start()
    return device


def test_text(edge_asc: Any, line: Line, device: FakeDevice) -> None:
    arguments = ("--estimates", "2", "--city", "Hefei", "--time", "2026-11-29T12:08")
    done = edge_asc("firmware", "monitor", line.path, *arguments)
    assert done.exit_code == 0, done.stderr
    log, first, second = done.stdout.splitlines()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  \[information\] awake", log)
    # Softmax of -1, -5 and 1: 0.1189, 0.0022, 0.8789.
    words = r"\d\d:\d\d:\d\d  bar +88 %  \S+ +\(bus 12 %, airport 0 %\)"
    assert re.fullmatch(words, first)
    assert re.fullmatch(words + r" \[first after lost sound\]", second)
    assert done.stderr.splitlines() == [f"fake on {line.path} classifies with model level"]
    context = device.asked[0]
    assert isinstance(context, Context)
    assert context.city == 0
    assert context.local_time is not None
    assert (context.local_time.hour, context.local_time.minute) == (12, 8)


def test_json(edge_asc: Any, line: Line, device: FakeDevice) -> None:
    done = edge_asc("firmware", "monitor", line.path, "--estimates", "2", "--format", "json")
    assert done.exit_code == 0, done.stderr
    log, first, second = map(json.loads, done.stdout.splitlines())
    assert log.pop("time") is not None
    source = f"fake on {line.path}"
    expected = {"schema": 3, "type": "log", "source": source, "level": "information"}
    assert log == expected | {"text": "awake"}
    for estimate in (first, second):
        jsonschema.validate(estimate, SCHEMA)
    assert (first["scene"], first["end_s"], first["after_gap"]) == ("bar", 30.0, False)
    assert (second["scene"], second["end_s"], second["after_gap"]) == ("bar", 31.0, True)
    assert first["model"] == "level"
    assert first["decision"] is None


def test_a_city_without_training_clips_is_told_as_unknown(
    edge_asc: Any, line: Line, device: FakeDevice
) -> None:
    done = edge_asc("firmware", "monitor", line.path, "--estimates", "1", "--city", "beijing")
    assert "no training clip of level came from Beijing: it is 'unknown city' there" in done.stderr
    assert isinstance(device.asked[0], Context)
    assert device.asked[0].city == 255


def test_another_model_is_refused(edge_asc: Any, line: Line, model_path: Path) -> None:
    FakeDevice(line, capabilities=Can.ESTIMATES, model_sha256=b"\xab" * 32)
    done = edge_asc("firmware", "monitor", line.path)
    assert done.exit_code == 1
    assert "edge-asc: error: fake runs another model: its hash begins with abab" in done.stderr


def test_wrong_usage(edge_asc: Any, model_path: Path) -> None:
    done = edge_asc("firmware", "monitor", "/dev/ttyACM0:1")
    assert done.exit_code == 2
    assert "BAUD must be from 300 to 20000000, got 1" in done.stderr
    done = edge_asc("firmware", "monitor", "/dev/is/not/there", "--no-retry")
    assert done.exit_code == 1
    assert "there is no port /dev/is/not/there" in done.stderr


@pytest.mark.parametrize("missing", ["serial", "cobs"])
@pytest.mark.parametrize(
    "arguments", [("firmware", "monitor", "/dev/x"), ("listen", "--source", "serial:/dev/x")]
)
def test_missing_packages_are_named(missing: str, arguments: tuple[str, ...]) -> None:
    program = (
        f"import sys; sys.modules[{missing!r}] = None\n"
        f"from edge_asc.cli import main; main({arguments!r})"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 1
    assert f"({missing} is missing): pip install 'edge-asc[serial]'" in done.stderr
