"""Whole runs with the shipped model, on this machine and on others; each is held against
docs/bench.schema.json.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_asc.benchmarks.bench import run as run_module
from edge_asc.benchmarks.bench.energy import Constant
from edge_asc.benchmarks.bench.machine import Machine
from edge_asc.benchmarks.bench.result import SCHEMA_VERSION, STAGES, TOTAL, WAYS, Result
from edge_asc.benchmarks.bench.run import Run, Settings, Telling
from edge_asc.benchmarks.bench.subject import Sound, opened_sound, read_subjects
from edge_asc.benchmarks.bench.text import describe
from edge_asc.model_file import default_model_path
from tests.benchmarks.bench.machines import make_machine, zero_2_w

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "bench.schema.json").read_text())
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
QUICK = Settings(runs=3, warm_up=1, hop_s=0.05, minutes=0.005, starts=0)


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run_module, "REST_S", 0.02)
    monkeypatch.setattr(run_module, "THROUGHPUT_S", 0.05)


@pytest.fixture
def sound() -> Iterator[Sound]:
    with opened_sound(None, 10.0) as opened:
        yield opened


def run_with(sound: Sound, settings: Settings = QUICK, **options: Any) -> Run:
    return Run(read_subjects([default_model_path()]), sound, settings, **options)


def measured(run: Run) -> Result:
    run.measure()
    result = run.result()
    VALIDATOR.validate(result.to_dict())
    return result


def test_the_schema_is_one_and_of_this_version() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["properties"]["schema_version"] == {"const": SCHEMA_VERSION}
    ways = SCHEMA["properties"]["timings"]["items"]["properties"]["way"]["description"]
    stages = SCHEMA["properties"]["timings"]["items"]["properties"]["stage"]["description"]
    assert all(f"`{way}`" in ways for way in WAYS)
    assert all(f"`{stage}`" in stages for stage in (*STAGES, TOTAL))


def test_a_run_measures_every_way(sound: Sound) -> None:
    result = measured(run_with(sound))
    assert result.complete
    counts = {
        way: {each.stage: len(each.samples_s) for each in result.timings if each.way == way}
        for way in WAYS
    }
    window = {*STAGES, TOTAL} - {"encoder", "head"}
    stream = {*STAGES, TOTAL} - {"network"}
    assert counts["window"] == dict.fromkeys(window, 3)
    assert counts["stream"] == dict.fromkeys(stream, 3)
    assert counts["live"] == dict.fromkeys(stream - {"read"}, 6)  # 0.3 s at 0.05 s a hop
    assert result.throughput[0].threads == 1
    (live,) = result.live
    assert (live.hop_s, live.hops) == (0.05, 6)
    assert live.cpu_share > 0.0


def test_answers_that_come_too_late_are_counted(sound: Sound) -> None:
    """Nothing answers within a tenth of a millisecond."""
    settings = Settings(runs=1, warm_up=0, hop_s=1e-4, minutes=5e-6, starts=0)
    (live,) = measured(run_with(sound, settings)).live
    assert (live.hops, live.missed) == (3, 3)


def test_only_totals_tell_when(sound: Sound) -> None:
    result = measured(run_with(sound))
    for timing in result.timings:
        assert len(timing.at_s) == (len(timing.samples_s) if timing.stage == TOTAL else 0)
        assert list(timing.at_s) == sorted(timing.at_s)


def test_fresh_processes_tell_start_and_memory(sound: Sound) -> None:
    settings = Settings(runs=1, warm_up=0, minutes=0.0, starts=1)
    result = measured(run_with(sound, settings))
    (start,), (memory,) = result.cold_start, result.memory
    assert [len(each) for each in (start.import_s, start.load_s, start.first_answer_s)] == [1] * 3
    assert min(*start.import_s, *start.load_s) > 0.0
    assert memory.peak_mb >= memory.rss_mb > 10.0  # an interpreter with numpy takes more
    arena = read_subjects([default_model_path()])[0].model.manifest.footprint["arena_bytes"]
    assert memory.arena_bytes == arena["whole"]


def test_without_fresh_processes_the_rest_is_measured(
    sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As under qemu-user, where the system cannot start another emulated program."""
    monkeypatch.setattr("sys.executable", "/dev/null")
    settings = Settings(runs=1, warm_up=0, hop_s=0.05, minutes=0.001, starts=2)
    result = measured(run_with(sound, settings))
    assert result.complete
    assert result.live
    assert (result.cold_start, result.memory) == ((), ())
    (said,) = (each for each in result.warnings if each.startswith("cold starts failed: "))
    assert said == "cold starts failed: Permission denied"


def test_a_fresh_process_that_fails_says_why(
    sound: Sound, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = Settings(runs=1, warm_up=0, minutes=0.0, starts=1)
    (subject,) = read_subjects([default_model_path()])
    gone = replace(subject, path=tmp_path / "gone.tflite")
    result = measured(Run([gone], sound, settings))
    (said,) = (each for each in result.warnings if each.startswith("cold starts failed: "))
    assert "gone.tflite" in said


def test_order_is_shuffled_and_follows_the_seed(
    sound: Sound, monkeypatch: pytest.MonkeyPatch
) -> None:
    def order(seed: int) -> list[str]:
        shown: list[str] = []
        settings = Settings(runs=8, warm_up=0, minutes=0.0, starts=0, seed=seed)
        run = run_with(sound, settings, telling=Telling(show=shown.append))
        run.measure()
        return [text.rpartition(" ")[2] for text in shown if text.startswith("run ")]

    first = order(1)
    assert sorted(first) == ["stream"] * 8 + ["window"] * 8
    assert first != sorted(first)
    assert order(1) == first
    assert order(2) != first


def test_a_machine_that_tells_nothing(sound: Sound, tmp_path: Path) -> None:
    """No /proc, no /sys, no vcgencmd: the fields are absent, and nothing is zero instead."""
    document = measured(run_with(sound, machine=make_machine(tmp_path, {}, "riscv64"))).to_dict()
    assert not {"energy", "cold_start", "memory", "operators"} & document.keys()
    assert not {"model", "cpu", "memory_mb", "governor", "emulated"} & document["device"].keys()
    assert document["conditions"].keys() == {"away_share", "involuntary_switches"}
    assert {name for moment in document["timeline"] for name in moment} == {"at_s"}


def test_a_raspberry_pi_in_trouble(sound: Sound, tmp_path: Path) -> None:
    machine = zero_2_w(tmp_path, "echo throttled=0x4")
    (tmp_path / "sys/class/thermal/thermal_zone0/temp").write_text("83900\n")
    result = measured(run_with(sound, machine=machine))
    assert result.timeline[0].temperature_c == 83.9
    said = " / ".join(result.warnings)
    assert "the governor is ondemand" in said
    assert "the processor reached 84 °C" in said
    assert "it is slowed down" in said


def test_a_busy_machine_says_so(
    sound: Sound, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = zero_2_w(tmp_path)

    def at_work(*_: object) -> float:
        (machine.proc / "stat").write_text("cpu  900000 0 0 0 0 0 0 30 0 0\n")  # two hours of it
        return 1.9

    monkeypatch.setattr(run_module, "busy_cores", at_work)
    result = measured(run_with(sound, machine=machine))
    assert result.conditions["busy_cores_before"] == 1.9
    assert any("busy before the run: other programs used 1.90" in each for each in result.warnings)
    assert any("busy during the run" in each for each in result.warnings)


def test_the_users_constant_is_called_so(sound: Sound) -> None:
    began_s = time.monotonic()
    result = measured(run_with(sound, meters=[Constant(3.0)]))
    seconds = time.monotonic() - began_s
    assert {row.meter for row in result.energy} == {"constant given by the user"}
    ways = [(row.model, row.way) for row in result.energy]
    assert ways[:2] == [(None, "rest"), ("default", "window")]
    assert ways[-1] == ("default", "live")
    assert all(row.joules > 0.0 for row in result.energy)
    assert sum(row.joules for row in result.energy) <= 3.0 * seconds


@pytest.mark.parametrize(
    ("phase", "has"),
    [
        ("the machine at rest", set()),
        ("run 3 of 6", {"timings"}),
        ("throughput", {"timings"}),
        ("default live: hop 1", {"timings", "throughput"}),
        ("default live: hop 3", {"timings", "throughput", "live"}),
    ],
)
def test_ctrl_c_keeps_what_was_measured(sound: Sound, phase: str, has: set[str]) -> None:
    said: list[str] = []

    def show(text: str) -> None:
        if text.startswith(phase):
            raise KeyboardInterrupt

    run = run_with(sound, telling=Telling(said.append, show))
    document = measured(run).to_dict()
    assert document["complete"] is False
    assert document.keys() & {"timings", "throughput", "live"} == has
    assert said[-1] == "interrupted: what was measured by now is kept"
    if "live" in has:
        assert document["live"][0]["hops"] == 2


def test_a_stage_that_was_slowed_on_purpose_is_confessed(sound: Sound) -> None:
    settings = Settings(runs=1, warm_up=0, minutes=0.0, starts=0, slowed={"decision": 2.0})
    assert "decision was slowed 2 times on purpose" in measured(run_with(sound, settings)).warnings


def test_a_result_survives_its_file(sound: Sound, tmp_path: Path) -> None:
    result = measured(run_with(sound, meters=[Constant(1.0)]))
    result.write(tmp_path / "a.json")
    again = Result.read(tmp_path / "a.json")
    assert again.to_dict() == result.to_dict()
    assert again.timings == result.timings
    assert again.energy == result.energy


def test_a_result_as_text(sound: Sound) -> None:
    result = measured(run_with(sound, machine=Machine()))
    text = "\n".join(describe(result))
    assert "sound: built-in clip: 10 s inside a train (44100 Hz, WAV PCM_16); 3 runs" in text
    for way in WAYS:
        assert f"\n{way}: " in text
    assert text.count("| **end to end** |") == 3
    assert "live, a hop every 0.05 s" in text
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {7}
