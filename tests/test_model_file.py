"""The model file: what is written is read, and nothing damaged or foreign is."""

from __future__ import annotations

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.archive import read_parts, write_parts
from edge_asc.errors import ModelFileError
from edge_asc.model_file import ModelFile, default_model_path


@pytest.fixture
def path(small_model: ModelFile, tmp_path: Path) -> Path:
    file = tmp_path / "model.tflite"
    small_model.write(file)
    return file


def with_manifest(data: bytes, **changes: object) -> bytes:
    """`data` with other manifest entries and a checksum that fits."""
    parts = read_parts(data, "m")
    manifest = json.loads(parts["manifest.json"]) | changes
    return write_parts({**parts, "manifest.json": json.dumps(manifest).encode()})


def test_what_was_written_is_read(path: Path, small_model: ModelFile) -> None:
    model = ModelFile.read(path)
    assert model.manifest == replace(small_model.manifest, sha256=model.manifest.sha256)
    for part in ("whole", "encoder", "head"):
        assert getattr(model, part) == getattr(small_model, part)
    assert model.golden.keys() == small_model.golden.keys()
    for name, array in small_model.golden.items():
        np.testing.assert_array_equal(model.golden[name], array)
    assert model.size_bytes == path.stat().st_size
    assert model.signature is None


def test_the_file_is_a_tflite_file_and_a_zip(path: Path, small_model: ModelFile) -> None:
    assert path.read_bytes().startswith(small_model.whole)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        assert archive.testzip() is None
    assert names == ["manifest.json", "encoder.tflite", "head.tflite", "golden.npz"]


def test_the_same_model_gives_the_same_bytes(path: Path) -> None:
    assert ModelFile.read(path).to_bytes() == path.read_bytes()


def test_one_changed_byte_is_found_wherever_it_is(path: Path) -> None:
    data = path.read_bytes()
    for position in [*range(0, len(data), 7), *range(len(data) - 200, len(data))]:
        changed = bytearray(data)
        changed[position] ^= 0x20
        with pytest.raises(ModelFileError):
            ModelFile.from_bytes(bytes(changed), "model.tflite")


@pytest.mark.parametrize("kept", [0, 3, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(path: Path, kept: float) -> None:
    data = path.read_bytes()
    size = int(kept * len(data)) if isinstance(kept, float) else kept
    with pytest.raises(ModelFileError, match=r"truncated|not a model file"):
        ModelFile.from_bytes(data[:size], "model.tflite")


@given(data=st.data())
@settings(max_examples=400, deadline=None)
def test_an_edit_of_a_part_raises_nothing_else(small_model: ModelFile, data: st.DataObject) -> None:
    """Whoever changes a part can make every checksum fit: then it is read or refused, no more."""
    parts = read_parts(small_model.to_bytes(), "m")
    name = data.draw(st.sampled_from(sorted(parts)))
    part = parts[name]
    at, cut = data.draw(st.integers(0, len(part) - 1)), data.draw(st.integers(0, 3))
    parts[name] = part[:at] + data.draw(st.binary(max_size=3)) + part[at + cut :]
    if name == "whole.tflite" and parts[name][4:8] != b"TFL3":
        return
    try:
        model = ModelFile.from_bytes(write_parts(parts), "m")
    except ModelFileError:
        return
    unchanged = {key: content for key, content in parts.items() if key != "manifest.json"}
    original = read_parts(small_model.to_bytes(), "m")
    assert unchanged == {key: original[key] for key in unchanged}
    assert len(model.manifest.scenes) == 2


def test_a_temperature_is_kept(tmp_path: Path, small_model: ModelFile) -> None:
    facts = replace(small_model.manifest, temperature=1.25, footprint={"arena_bytes": {"whole": 9}})
    replace(small_model, manifest=facts).write(tmp_path / "m.tflite")
    found = ModelFile.read(tmp_path / "m.tflite").manifest
    assert (found.temperature, found.footprint) == (1.25, {"arena_bytes": {"whole": 9}})


def test_parts_other_than_the_manifests_are_refused(path: Path) -> None:
    with pytest.raises(ModelFileError, match="not those that its manifest lists"):
        ModelFile.from_bytes(with_manifest(path.read_bytes(), sha256={}), "model.tflite")


@pytest.mark.parametrize("part", ["encoder.tflite", "head.tflite", "golden.npz"])
def test_a_part_that_the_manifest_needs_must_be_there(path: Path, part: str) -> None:
    data = path.read_bytes()
    hashes = json.loads(read_parts(data, "m")["manifest.json"])["sha256"]
    del hashes[part]
    parts = read_parts(with_manifest(data, sha256=hashes), "m")
    del parts[part]
    with pytest.raises(ModelFileError, match="lacks a part that its manifest needs"):
        ModelFile.from_bytes(write_parts(parts), "m")


def test_a_part_that_the_manifest_does_not_need_must_not_be_there(path: Path) -> None:
    with pytest.raises(ModelFileError, match="holds a part that its manifest has no use for"):
        ModelFile.from_bytes(with_manifest(path.read_bytes(), cell_frames=None), "m")


def test_a_plain_tflite_file_is_refused(tmp_path: Path, small_model: ModelFile) -> None:
    file = tmp_path / "plain.tflite"
    file.write_bytes(small_model.whole)
    with pytest.raises(ModelFileError, match="without an edge-asc manifest"):
        ModelFile.read(file)


def test_what_could_not_be_read_is_not_written(tmp_path: Path, small_model: ModelFile) -> None:
    golden = {**small_model.golden, "logits": np.zeros((1, 3), np.float32)}
    with pytest.raises(ModelFileError, match=r"golden logits must be float32 of shape \(1, 2\)"):
        replace(small_model, golden=golden).write(tmp_path / "m.tflite")
    assert list(tmp_path.iterdir()) == []


def test_the_shipped_model_is_whole_small_and_says_what_it_is() -> None:
    model = ModelFile.read(default_model_path())
    assert model.size_bytes < 1_400_000
    assert len(model.manifest.scenes) == 10
    assert model.manifest.variant == "edge"
    assert model.manifest.temperature > 0.0
    assert model.manifest.quantization == "int8"
    assert model.manifest.demonstration
    assert "not fit to decide anything" in model.manifest.card["text"]
    assert "Beijing" not in model.manifest.trained_cities
