"""What a shared result holds, and what it does not tell."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from edge_asc.benchmarks.bench.compare import compare
from edge_asc.benchmarks.bench.publish import (
    OWN_RECORDING,
    Identity,
    checksum,
    is_unchanged,
    publish,
)
from edge_asc.benchmarks.bench.result import TOTAL, BenchError, Result, Timing
from tests.benchmarks.bench.made_results import MODEL, made_result

SCHEMA = json.loads((Path(__file__).parents[3] / "docs" / "bench.schema.json").read_text())
JANE = Identity("jane", "janes-laptop")
HASH = "ab" * 32


def telling_result() -> Result:
    """A run that says much of who made it."""
    result = made_result()
    name = "/srv/jane/models/kitchen.tflite"
    return replace(
        result,
        device={
            **result.device,
            "machine": "aarch64",
            "kernel": "6.1.0-janes-laptop",
            "python": "3.11.2",
            "serial": "10000000abcdef01",
            "emulated": "/proc/cpuinfo is of GenuineIntel, the system says aarch64",
        },
        settings={
            **{name: value for name, value in result.settings.items() if name != "hop_s"},
            "audio": "jane-sings.wav",
            "cities": {name: None},
            "folder": "/srv/jane",
        },
        models=({"name": name, "sha256": HASH, "path": name},),
        timings=tuple(replace(timing, model=name) for timing in result.timings),
        live=(),
        warnings=("jane was told by /srv/jane/notes.txt (hot)",),
    )


def test_nothing_tells_on_the_owner() -> None:
    shared = publish(telling_result(), JANE)
    text = json.dumps(shared.to_dict())
    for word in ("jane", "janes-laptop", "/srv", "sings", "10000000abcdef01", "notes_"):
        assert word not in text
    assert shared.settings["audio"] == OWN_RECORDING
    assert shared.models[0]["name"] == "kitchen.tflite"
    assert {timing.model for timing in shared.timings} == {"kitchen.tflite"}
    assert shared.settings["cities"] == {"kitchen.tflite": None}
    assert shared.warnings == ("(left out) was told by notes.txt (hot)",)
    assert list(shared.published["left_out"]) == [
        "device: serial",
        "models: path",
        "names of folders",
        "names of the user or the machine",
        "part of a model's name",
        "settings: folder",
        "the recording's name",
    ]


def test_what_every_system_has_stays() -> None:
    shared = publish(telling_result(), JANE)
    assert shared.device["emulated"].startswith("/proc/cpuinfo is of GenuineIntel")
    assert shared.device["model"] == "Raspberry Pi 5 Model B Rev 1.0"


def test_samples_stay_to_the_last_bit_and_compare_as_before() -> None:
    result = made_result()
    shared = publish(result, JANE)
    assert [t.samples_s for t in shared.timings] == [t.samples_s for t in result.timings]
    assert compare(result, shared).rows == compare(result, result).rows
    assert "left_out" not in shared.published


def test_names_that_systems_come_with_are_nobodys() -> None:
    result = made_result(warnings=("root and pi and raspberrypi",))
    shared = publish(result, Identity("pi", "raspberrypi"))
    assert shared.warnings == result.warnings
    assert publish(result, Identity("", "")).warnings == result.warnings


def test_models_that_lose_their_folders_still_have_names_of_their_own() -> None:
    names = ["/a/x.tflite", "/b/x.tflite"]
    result = replace(
        made_result(),
        models=tuple({"name": name} for name in names),
        timings=tuple(Timing(name, "window", TOTAL, (0.1,)) for name in names),
    )
    assert [model["name"] for model in publish(result, JANE).models] == ["x.tflite", "x.tflite'"]


def test_a_shared_file_is_valid_and_read_back_unchanged(tmp_path: Path) -> None:
    publish(telling_result(), JANE).write(tmp_path / "shared.json")
    document = json.loads((tmp_path / "shared.json").read_text())
    jsonschema.validate(document, SCHEMA)
    assert document["published"]["licence"] == "CC0-1.0"
    back = Result.read(tmp_path / "shared.json")
    assert is_unchanged(back)
    document["timings"][0]["samples_s"][0] += 1e-6
    (tmp_path / "shared.json").write_text(json.dumps(document))
    assert not is_unchanged(Result.read(tmp_path / "shared.json"))


def test_the_checksum_is_of_the_rest_as_sorted_json(tmp_path: Path) -> None:
    """So that it can be checked without this program: docs/bench.schema.json says how."""
    shared = publish(made_result(), JANE, licence="CC-BY-4.0")
    document = json.loads(json.dumps(shared.to_dict()))
    told = document["published"].pop("sha256")
    text = json.dumps(document, sort_keys=True, separators=(",", ":"))
    assert told == hashlib.sha256(text.encode()).hexdigest() == checksum(shared)
    assert document["published"]["licence"] == "CC-BY-4.0"
    assert is_unchanged(made_result())


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"complete": False}, "it is incomplete: it was interrupted"),
        (
            {"conditions": {"others_cores": 1.5}},
            "the machine was busy during the run: other programs used 1.50 cores",
        ),
        (
            {"warnings": ("features was slowed 2 times on purpose",)},
            "features was slowed 2 times on purpose",
        ),
    ],
)
def test_disturbed_runs_are_refused_or_say_so(changed: dict[str, Any], reason: str) -> None:
    result = made_result(**changed)
    with pytest.raises(BenchError, match=f"better not be shared: {reason}.*--anyway"):
        publish(result, JANE)
    shared = publish(result, JANE, anyway=True)
    assert list(shared.published["anyway"]) == [reason]
    assert is_unchanged(shared)


def test_being_hot_or_emulated_is_told_and_no_reason_to_refuse() -> None:
    hot = made_result(warnings=("the processor reached 85 °C: hot processors are slowed down",))
    assert publish(hot, JANE).warnings == hot.warnings


@pytest.mark.parametrize(
    ("timings", "reason"),
    [
        ((), "it has no timings"),
        ((Timing(MODEL, "window", TOTAL, ()),), "m, window, total has no samples"),
        ((Timing(MODEL, "window", TOTAL, (0.1, -0.1)),), "m, window, total: a time is below zero"),
        ((Timing(MODEL, "window", TOTAL, (float("nan"),)),), "or no number"),
        ((Timing("x", "window", TOTAL, (0.1,)),), "x, window, total: its models are m"),
    ],
)
def test_what_no_run_measures_is_refused_whatever_is_said(
    timings: tuple[Timing, ...], reason: str
) -> None:
    with pytest.raises(BenchError, match="no result of a run") as refused:
        publish(made_result(timings=timings), JANE, anyway=True)
    assert reason in str(refused.value)
