from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from edge_asc.errors import CheckpointError
from edge_asc.features import FeatureConfig
from edge_asc.training.checkpoint import (
    SCHEMA_VERSION,
    Checkpoint,
    Windows,
    load_checkpoint,
    load_windows,
    save_checkpoint,
    save_windows,
)
from edge_asc.training.models import NetworkConfig, build

CONFIG = NetworkConfig("edge", "gated", num_scenes=2, num_cities=3, num_frames=100, cell_frames=50)


@pytest.fixture
def checkpoint() -> Checkpoint:
    torch.manual_seed(0)
    return Checkpoint(
        state_dict=build(CONFIG).state_dict(),
        network=CONFIG,
        features=FeatureConfig(),
        scenes=("bus", "bar"),
        cities=("Jinan", "Hefei"),
        trained_cities=("Hefei",),
        window_s=2.0,
        mel_mean=(-10.5,) * 64,
        mel_std=(2.25,) * 64,
        standardized_range=(-4.5, 4.5),
        recipe={"name": "test", "data": {"balance": ["scene"]}},
        versions={"torch": "2"},
        metrics={"accuracy": 0.5, "recall": {"bus": None}},
        name="test",
        licence="MIT",
    )


def draw_windows(size: int, seed: int) -> Windows:
    rng = np.random.default_rng(seed)
    return Windows(
        features=rng.uniform(-4.5, 4.5, (size, 100, 64)).astype(np.float32),
        city=np.eye(3, dtype=np.float32)[rng.integers(3, size=size)],
        time=rng.standard_normal((size, 8)).astype(np.float32),
        label=rng.integers(2, size=size),
        group=[f"visit {i}" for i in range(size)],
    )


def edit_header(path: Path, **changes: object) -> None:
    """Write `path` again with changed facts in its header."""
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["edge_asc"])
    save_file(tensors, path, metadata={"edge_asc": json.dumps({**facts, **changes})})


def test_a_checkpoint_comes_back_as_it_was(checkpoint, tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint)
    loaded = load_checkpoint(path)
    assert replace(loaded, state_dict={}) == replace(checkpoint, state_dict={})
    features = torch.randn(1, 1, 100, 64)
    context = torch.eye(3)[:1], torch.ones(1, 8)
    with torch.no_grad():
        expected = checkpoint.build_network()(features, *context)
        assert torch.equal(loaded.build_network()(features, *context), expected)


@pytest.mark.parametrize(
    ("variant", "fusion"),
    [("edge", "none"), ("paper", "early"), ("se_trans", "early"), ("linear", "none")],
)
def test_every_architecture_comes_back_as_it_was(checkpoint, tmp_path, variant, fusion):
    torch.manual_seed(1)
    config = replace(CONFIG, variant=variant, fusion=fusion, cell_frames=None)
    network = build(config).eval()
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, replace(checkpoint, network=config, state_dict=network.state_dict()))
    inputs = [torch.randn(2, 1, 100, 64)]
    if config.uses_context:
        inputs += [torch.eye(3)[:2], torch.randn(2, 8)]
    with torch.no_grad():
        loaded = load_checkpoint(path).build_network()
        assert torch.equal(loaded(*inputs), network(*inputs))


def test_a_checkpoint_from_before_temperature_and_other_variants_still_loads(checkpoint, tmp_path):
    """Its header as version 1 first was: no temperature, and these seven facts of the network."""
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint)
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        facts = json.loads(file.metadata()["edge_asc"])
    del facts["temperature"]
    facts["network"] = {
        "variant": "edge",
        "fusion": "gated",
        "num_scenes": 2,
        "num_cities": 3,
        "num_frames": 100,
        "num_mels": 64,
        "cell_frames": 50,
    }
    save_file(tensors, path, metadata={"edge_asc": json.dumps(facts)})
    loaded = load_checkpoint(path)
    assert (loaded.network, loaded.temperature) == (CONFIG, 1.0)


def test_only_the_finished_file_is_left(checkpoint, tmp_path):
    save_checkpoint(tmp_path / "c.safetensors", checkpoint)
    assert [path.name for path in tmp_path.iterdir()] == ["c.safetensors"]


def test_weights_of_another_architecture_are_refused(checkpoint, tmp_path):
    path = tmp_path / "c.safetensors"
    other = build(replace(CONFIG, variant="paper", cell_frames=None))
    save_checkpoint(path, replace(checkpoint, state_dict=other.state_dict()))
    with pytest.raises(CheckpointError, match=r"another architecture.*'edge'.*expected.*found"):
        load_checkpoint(path)


def test_a_truncated_checkpoint_is_refused(checkpoint, tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint)
    path.write_bytes(path.read_bytes()[:-1000])
    with pytest.raises(CheckpointError, match="truncated"):
        load_checkpoint(path)


def test_a_later_schema_is_refused(checkpoint, tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint)
    edit_header(path, schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(CheckpointError, match="install a newer edge-asc"):
        load_checkpoint(path)


def test_a_damaged_description_is_refused(checkpoint, tmp_path):
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, checkpoint)
    edit_header(path, network={"variant": "edge"})
    with pytest.raises(CheckpointError, match="description is damaged"):
        load_checkpoint(path)


def test_foreign_files_are_refused(checkpoint, tmp_path):
    foreign = tmp_path / "foreign.safetensors"
    save_file({"x": torch.zeros(1)}, foreign)
    with pytest.raises(CheckpointError, match="not written by edge-asc train"):
        load_checkpoint(foreign)
    with pytest.raises(CheckpointError, match="no such file"):
        load_checkpoint(tmp_path / "none.safetensors")
    windows = tmp_path / "windows.safetensors"
    save_windows(windows, calibration=draw_windows(1, 0), test=draw_windows(1, 1))
    with pytest.raises(CheckpointError, match="holds 'windows', expected 'checkpoint'"):
        load_checkpoint(windows)


def test_windows_come_back_to_half_precision(tmp_path):
    path = tmp_path / "w.safetensors"
    calibration, test = draw_windows(3, 0), draw_windows(2, 1)
    save_windows(path, calibration=calibration, test=test)
    loaded = load_windows(path)
    for before, after in ((calibration, loaded.calibration), (test, loaded.test)):
        assert after.features.dtype == np.float32
        # float16 has 11 significant bits: half a step at 4.5 is 2^-9.
        np.testing.assert_allclose(after.features, before.features, rtol=0.0, atol=2.0**-9)
        np.testing.assert_array_equal(after.city, before.city)
        np.testing.assert_array_equal(after.time, before.time)
        np.testing.assert_array_equal(after.label, before.label)
        assert after.group == before.group


def test_windows_without_a_test_part_can_be_kept(tmp_path):
    path = tmp_path / "w.safetensors"
    some = draw_windows(2, 0)
    save_windows(path, calibration=some, test=some.take(np.array([], np.int64)))
    assert len(load_windows(path).test) == 0


def test_parts_of_different_length_are_refused():
    windows = draw_windows(2, 0)
    with pytest.raises(ValueError, match="one length"):
        replace(windows, group=["a"])
