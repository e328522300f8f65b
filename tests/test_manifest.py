"""The manifest: versions and their upgrades, entries that are wrong, anything else."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.decision_config import DecisionConfig
from edge_asc.drift import DriftReference
from edge_asc.errors import ModelFileError
from edge_asc.features import FeatureConfig
from edge_asc.manifest import SCHEMA_VERSION, Manifest
from edge_asc.model_file import ModelFile

FEATURES = FeatureConfig().to_dict()
GOLDEN = {"windows": 3, "reference": "", "bound_logits": 0.5, "runtimes": {}}


@pytest.fixture
def values(small_model: ModelFile) -> dict[str, Any]:
    """A manifest as it is written."""
    written: dict[str, Any] = json.loads(small_model.manifest.to_json())
    return written


def parsed(values: dict[str, Any]) -> Manifest:
    return Manifest.from_json(json.dumps(values).encode(), "m.tflite")


def test_what_was_written_is_read(small_model: ModelFile) -> None:
    manifest = small_model.manifest
    assert Manifest.from_json(manifest.to_json().encode(), "m") == manifest
    assert (manifest.num_frames, manifest.window_samples) == (50, 44_100)


def test_a_newer_schema_is_refused_with_advice(values: dict[str, Any]) -> None:
    values["schema_version"] = SCHEMA_VERSION + 1
    with pytest.raises(ModelFileError, match=r"newer edge-asc.*schema 5.*up to 4; upgrade"):
        parsed(values)


@pytest.mark.parametrize("version", [None, 0, -1, True, "3", 2.0])
def test_no_schema_is_refused(values: dict[str, Any], version: object) -> None:
    values["schema_version"] = version
    with pytest.raises(ModelFileError, match="the manifest has no schema version"):
        parsed(values)


def test_schema_2_had_one_bound_for_every_interpreter(values: dict[str, Any]) -> None:
    del values["footprint"], values["decisions"]
    golden = {"windows": 1, "bound_logits": 0.5, "runtime": "ai-edge-litert 2.1.0"}
    upgraded = parsed(values | {"schema_version": 2, "golden": golden})
    assert upgraded.schema_version == 4
    assert upgraded.footprint == {}
    assert upgraded.golden == GOLDEN | {"windows": 1}


def test_schema_3_said_nothing_of_decisions(values: dict[str, Any]) -> None:
    del values["decisions"]
    manifest = parsed(values | {"schema_version": 3})
    assert (manifest.decision_config, manifest.drift_reference) == (DecisionConfig(), None)


DECISIONS: dict[str, Any] = {
    "config": {"smoothing": "hmm", "transition": [[0.9, 0.1], [0.2, 0.8]], "unknown_below": 3.5},
    "drift": {"level": [-0.5, 0.75], "colour": 0.5, "outside": 0.02},
    "held_out": {"data": "tones", "windows": 100},
}


def test_decisions_are_read(values: dict[str, Any]) -> None:
    manifest = parsed(values | {"decisions": DECISIONS})
    transition = ((0.9, 0.1), (0.2, 0.8))
    assert manifest.decision_config == DecisionConfig(
        "hmm", transition=transition, unknown_below=3.5
    )
    assert manifest.drift_reference == DriftReference((-0.5, 0.75), 0.5, 0.02)


@pytest.mark.parametrize(
    "wrong",
    [
        {"config": {"smoothing": "median"}},
        {"config": {"transition": [[0.5, 0.6], [0.5, 0.5]]}},
        {"config": {"transition": [[1.0]]}},
        {"config": {"stay": 5}},
        {"config": {"margin": 1.0}},
        {"drift": {"level": [1.0, 0.0], "colour": 0.5, "outside": 0.02}},
        {"drift": {"level": [0.0, 1.0], "colour": 0.5}},
        {"held_out": None},
    ],
)
def test_wrong_decisions_are_refused(values: dict[str, Any], wrong: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match="the manifest's decisions"):
        parsed(values | {"decisions": DECISIONS | wrong})


def test_schema_1_had_no_temperature_and_meant_1(values: dict[str, Any]) -> None:
    del values["footprint"], values["temperature"], values["decisions"]
    golden = {"windows": 1, "bound_logits": 0.5, "runtime": "ai-edge-litert 2.1.0"}
    assert parsed(values | {"schema_version": 1, "golden": golden}).temperature == 1.0


@pytest.mark.parametrize(
    ("schema", "missing"),
    [
        (1, "licence"),
        (2, "temperature"),
        (3, "footprint"),
        (3, "golden"),
        (4, "decisions"),
    ],
)
def test_an_entry_that_the_schema_has_must_be_there(
    values: dict[str, Any], schema: int, missing: str
) -> None:
    del values[missing]
    with pytest.raises(ModelFileError, match=f"manifest entries: {missing};"):
        parsed(values | {"schema_version": schema})


def test_an_unknown_entry_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(ModelFileError, match="manifest entries: surprise"):
        parsed(values | {"surprise": 1})


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_must_be_finite_and_above_0(
    values: dict[str, Any], small_model: ModelFile, temperature: float
) -> None:
    with pytest.raises(ModelFileError, match="temperature must be a finite number above 0, got"):
        parsed(values | {"temperature": temperature})
    with pytest.raises(ModelFileError, match="temperature"):
        replace(small_model.manifest, temperature=temperature)


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("name", 5),
        ("name", "two\nlines"),
        ("scenes", []),
        ("scenes", ["bus", "bus"]),
        ("scenes", "bus"),
        ("cities", [1]),
        ("trained_cities", ["Atlantis"]),
        ("features", FEATURES | {"hop_samples": 0, "window_samples": 0}),
        ("features", FEATURES | {"fft_size": 1024}),
        ("features", FEATURES | {"fmax_hz": 30_000}),
        ("features", FEATURES | {"num_mels": 10**9}),
        ("features", FEATURES | {"num_mels": 64.0}),
        ("features", FEATURES | {"extra": 1}),
        ("features", []),
        ("mel_mean", [0.0] * 63),
        ("mel_mean", [float("nan")] * 64),
        ("mel_std", [0.0] * 64),
        ("mel_std", []),
        ("standardized_range", [1.0, 1.0]),
        ("standardized_range", [-1.0, 0.0, 1.0]),
        ("window_s", float("inf")),
        ("window_s", 1e300),
        ("window_s", 0.01),
        ("cell_frames", 0),
        ("cell_frames", "50"),
        ("demonstration", 1),
        ("licence", None),
        ("card", []),
        ("footprint", None),
        ("golden", {}),
        ("golden", GOLDEN | {"windows": 0}),
        ("golden", GOLDEN | {"windows": True}),
        ("golden", GOLDEN | {"bound_logits": float("inf")}),
        ("golden", GOLDEN | {"bound_logits": -0.5}),
        ("golden", GOLDEN | {"runtimes": {"tflite-micro": {"bound_logits": 0.5}}}),
        ("golden", GOLDEN | {"runtimes": []}),
        ("versions", {"onnx": 1}),
        ("sha256", {"whole.tflite": None}),
    ],
)
def test_an_entry_that_is_wrong_is_named(values: dict[str, Any], name: str, wrong: object) -> None:
    with pytest.raises(ModelFileError, match=f"m.tflite: the manifest's {name}.* must be "):
        parsed(values | {name: wrong})


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=6,
)


@given(data=st.data())
@settings(max_examples=300, deadline=None)
def test_whatever_an_entry_holds_it_is_read_or_refused(
    small_model: ModelFile, data: st.DataObject
) -> None:
    values = json.loads(small_model.manifest.to_json())
    values[data.draw(st.sampled_from(sorted(values)))] = data.draw(anything)
    try:
        manifest = parsed(values)
    except ModelFileError:
        return
    assert manifest.num_frames >= 1
