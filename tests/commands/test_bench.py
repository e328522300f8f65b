"""`edge-asc bench` as it is typed."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge_asc.benchmarks.bench.result import Result
from edge_asc.commands.bench import bench
from edge_asc.model_file import default_model_path
from tests.commands.conftest import Program
from tests.conftest import WavWriter

SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "bench.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_PATH.read_text()))
QUICK = ("--runs", "2", "--warm-up", "0", "--minutes", "0", "--starts", "0")


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_asc.benchmarks.bench.run.REST_S", 0.02)
    monkeypatch.setattr("edge_asc.benchmarks.bench.run.THROUGHPUT_S", 0.05)


def test_without_a_model_it_measures_the_one_in_use(edge_asc: Program) -> None:
    done = edge_asc("bench", *QUICK)
    assert done.exit_code == 0, done.stderr
    assert "\n## default (int8, " in done.stdout
    assert "**end to end**" in done.stdout
    assert done.stderr.splitlines()[0] == "2 runs of 2 ways, in shuffled order"


def test_a_first_word_that_is_no_command_is_a_model(edge_asc: Program, tmp_path: Path) -> None:
    done = edge_asc("bench", tmp_path / "none.tflite", *QUICK)
    assert (done.exit_code, done.stdout) == (1, "")
    assert "none.tflite" in done.stderr


def test_the_sub_command_has_a_name_of_its_own(edge_asc: Program) -> None:
    assert edge_asc("bench", "run", "--help").output.startswith("Usage: edge-asc bench run ")
    listed = edge_asc("bench", "--help").output.split("Commands:\n")[1]
    assert [line.split()[0] for line in listed.splitlines()] == sorted(bench.commands)
    assert "run" in bench.commands


def test_json_is_as_the_schema_says(edge_asc: Program) -> None:
    done = edge_asc("bench", *QUICK, "--format", "json", "--watts", "2.5")
    document = json.loads(done.stdout)
    VALIDATOR.validate(document)
    assert document["energy"][-1]["meter"] == "constant given by the user"


def test_a_model_that_takes_whole_windows_only(edge_asc: Program, model_path: Path) -> None:
    """Its stream runs the whole network each second; of its arena nothing is known."""
    done = edge_asc("bench", *QUICK, "--minutes", "0.001", "--hop", "0.03", "--format", "json")
    assert done.exit_code == 0, done.stderr
    document = json.loads(done.stdout)
    VALIDATOR.validate(document)
    assert document["models"][0]["name"] == "level"
    assert document["models"][0]["streams"] is False
    stages = {(row["way"], row["stage"]) for row in document["timings"]}
    assert {(way, "network") for way in ("window", "stream", "live")} <= stages
    assert not {stage for _, stage in stages} & {"encoder", "head"}


def test_two_models_and_a_recording_into_a_folder_that_is_not_there(
    edge_asc: Program, tmp_path: Path, write_wav: WavWriter
) -> None:
    other = tmp_path / "other.tflite"
    other.write_bytes(default_model_path().read_bytes())
    noise = write_wav(0.1 * np.random.default_rng(1).standard_normal((220_500, 2)), 22_050)
    out = tmp_path / "new" / "folder" / "a.json"
    done = edge_asc("bench", default_model_path(), other, "--audio", noise, *QUICK, "-o", out)
    assert done.exit_code == 0, done.stderr
    assert f"wrote {out}" in done.stderr
    result = Result.read(out)
    VALIDATOR.validate(result.to_dict())
    assert [model["name"] for model in result.models] == ["default", "default (other.tflite)"]
    assert result.settings["rate_hz"] == 22_050
    assert {timing.model for timing in result.timings} == {"default", "default (other.tflite)"}


@pytest.mark.parametrize(
    ("options", "exit_code", "said"),
    [
        (["--audio", "missing.wav"], 1, "missing.wav: no such file"),
        (["--runs", "0"], 2, "'--runs'"),
        (["--hop", "0"], 2, "'--hop'"),
        (["--watts", "0"], 2, "'--watts'"),
        (["--ina219", "i2c-1"], 2, "must be BUS:ADDRESS[:OHMS], for instance 1:0x40:0.1"),
        (["--ina219", "77:0x40"], 1, "no INA219 answers at 0x40 of /dev/i2c-77"),
        (["-o", "."], 2, ". is a folder; name a file in it"),
    ],
)
def test_wrong_usage_is_told_before_anything_is_measured(
    edge_asc: Program, options: list[str], exit_code: int, said: str
) -> None:
    done = edge_asc("bench", *QUICK, *options)
    assert (done.exit_code, done.stdout) == (exit_code, "")
    assert said in " ".join(done.stderr.split())


def test_sound_that_is_too_short(edge_asc: Program, write_wav: WavWriter) -> None:
    done = edge_asc("bench", *QUICK, "--audio", write_wav(np.zeros(44_100)))
    assert (done.exit_code, done.stdout) == (1, "")
    assert "lasts 1.00 s; a window of the model is 10 s long" in done.stderr


def test_a_broken_model_among_good_ones(edge_asc: Program, tmp_path: Path) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(default_model_path().read_bytes()[:-1])
    done = edge_asc("bench", default_model_path(), broken, *QUICK)
    assert (done.exit_code, done.stdout) == (1, "")
    assert f"edge-asc: error: {broken}" in done.stderr


def test_a_reader_that_has_seen_enough_takes_no_file_with_it(tmp_path: Path) -> None:
    """As `edge-asc bench -o a.json | head -1`, whose pipe is gone before all is told."""
    out = tmp_path / "a.json"
    command = [sys.executable, "-m", "edge_asc", "bench", *QUICK, "-o", str(out)]
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(command, stdout=writer, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    VALIDATOR.validate(json.loads(out.read_text()))


def test_a_failure_on_the_way_keeps_what_was_measured(
    edge_asc: Program, tmp_path: Path, write_wav: WavWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The recording is gone when throughput is to be measured."""
    noise = write_wav(0.1 * np.random.default_rng(1).standard_normal(441_000))

    def remove(*_: object) -> list[int]:
        noise.unlink()
        return [1]

    monkeypatch.setattr("edge_asc.benchmarks.bench.run.thread_counts", remove)
    out = tmp_path / "a.json"
    done = edge_asc("bench", *QUICK, "--audio", noise, "-o", out)
    assert done.exit_code == 1
    assert (
        f"edge-asc: error: {noise}: no such file; what was measured by now is kept" in done.stderr
    )
    result = Result.read(out)
    assert not result.complete
    assert f"ended early: {noise}: no such file" in result.warnings
    assert {timing.way for timing in result.timings} == {"window", "stream"}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_loses_nothing(
    edge_asc: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = edge_asc("bench", *QUICK, "-o", "/dev/full")
    assert done.exit_code == 1
    assert "**end to end**" in done.stdout
    assert "/dev/full cannot be written: No space left on device" in done.stderr
    (spare,) = tmp_path.glob("edge-asc-bench-*/result.json")
    assert f"the result is in {spare} instead" in done.stderr
    VALIDATOR.validate(json.loads(spare.read_text()))
    assert Path("/dev/full").is_char_device()


def test_where_nothing_can_be_written_it_is_told_on_stderr(
    edge_asc: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Result, path: Path) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

    monkeypatch.setattr(Result, "write", refuse)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    done = edge_asc("bench", *QUICK, "-o", tmp_path / "a.json")
    assert done.exit_code == 1
    told = next(line for line in done.stderr.splitlines() if line.startswith("{"))
    VALIDATOR.validate(json.loads(told))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_writes_what_was_measured(tmp_path: Path, number: int) -> None:
    """In a process of its own, in the middle of thousands of runs."""
    out = tmp_path / "a.json"
    command = [sys.executable, "-m", "edge_asc", "bench", "--runs", "100000", "-o", str(out)]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background may have SIGINT ignored, and would hand that on.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    assert process.stderr.readline() == "100000 runs of 2 ways, in shuffled order\n"
    time.sleep(0.3)  # so that there are a few
    process.send_signal(number)
    stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    assert "interrupted: what was measured by now is kept" in stderr
    assert "not complete: this is what had been measured when the run ended" in stdout
    document: dict[str, Any] = json.loads(out.read_text())
    VALIDATOR.validate(document)
    assert document["complete"] is False
