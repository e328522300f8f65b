"""The model file: what is written is read, and nothing damaged or foreign is."""

from __future__ import annotations

import hashlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc.errors import ModelFileError
from edge_asc.features import FeatureConfig
from edge_asc.model_file import SCHEMA_VERSION, Manifest, ModelFile, default_model_path

WHOLE = b"\x1c\0\0\0TFL3" + bytes(range(256)) * 4

MANIFEST = Manifest(
    name="test",
    scenes=("bus", "bar"),
    cities=("Xi'an", "Jinan"),
    trained_cities=("Jinan",),
    features=FeatureConfig(),
    mel_mean=(0.0,) * 64,
    mel_std=(1.0,) * 64,
    standardized_range=(-4.5, 4.5),
    variant="edge",
    fusion="gated",
    window_s=10.0,
    cell_frames=50,
    quantization="int8",
    demonstration=False,
    licence="MIT",
    card={"text": "größer"},
)

MODEL = ModelFile(
    MANIFEST,
    WHOLE,
    encoder=b"encoder" * 50,
    head=b"head" * 50,
    golden={"features": np.arange(6, dtype=np.float32).reshape(1, 2, 3)},
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "model.tflite"
    MODEL.write(file)
    return file


def rewritten(data: bytes, *, without: tuple[str, ...] = (), **changes: object) -> bytes:
    """`data` with other manifest entries and a checksum that fits, as a newer program writes it."""
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        entries = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(entries["manifest.json"]) | changes
    for name in without:
        del manifest[name]
    entries["manifest.json"] = json.dumps(manifest).encode()
    buffer = io.BytesIO()
    buffer.write(WHOLE)
    with zipfile.ZipFile(buffer, "a") as archive:
        for name, content in entries.items():
            archive.writestr(name, content)
        archive.comment = b"0" * 64
    content = buffer.getvalue()[:-64]
    return content + hashlib.sha256(content).hexdigest().encode()


def test_what_was_written_is_read(path: Path) -> None:
    model = ModelFile.read(path)
    assert model.manifest == replace(MANIFEST, sha256=model.manifest.sha256)
    assert (model.whole, model.encoder, model.head) == (WHOLE, MODEL.encoder, MODEL.head)
    np.testing.assert_array_equal(model.golden["features"], MODEL.golden["features"])
    assert model.size_bytes == path.stat().st_size
    assert model.manifest.num_frames == 500
    assert model.manifest.window_samples == 441_000


def test_the_file_is_a_tflite_file_and_a_zip(path: Path) -> None:
    assert path.read_bytes().startswith(WHOLE)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
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


def test_appended_bytes_are_refused(path: Path) -> None:
    with pytest.raises(ModelFileError):
        ModelFile.from_bytes(path.read_bytes() + b"more", "model.tflite")


def test_a_newer_schema_is_refused_with_advice(path: Path) -> None:
    data = rewritten(path.read_bytes(), schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(ModelFileError, match=r"newer edge-asc.*schema 3.*up to 2; upgrade"):
        ModelFile.from_bytes(data, "model.tflite")


def test_a_file_of_schema_1_has_no_temperature_and_means_1(path: Path) -> None:
    data = rewritten(path.read_bytes(), schema_version=1, without=("temperature",))
    manifest = ModelFile.from_bytes(data, "model.tflite").manifest
    assert manifest == replace(MANIFEST, sha256=manifest.sha256)
    assert manifest.temperature == 1.0


@pytest.mark.parametrize(("schema", "missing"), [(1, "licence"), (2, "temperature")])
def test_an_entry_that_the_schema_has_must_be_there(path: Path, schema: int, missing: str) -> None:
    gone = ("temperature", missing) if schema == 1 else (missing,)
    data = rewritten(path.read_bytes(), schema_version=schema, without=gone)
    with pytest.raises(ModelFileError, match=f"manifest entries: {missing};"):
        ModelFile.from_bytes(data, "model.tflite")


@pytest.mark.parametrize("temperature", [0.0, -1.0, float("nan"), float("inf")])
def test_a_temperature_must_be_finite_and_above_0(path: Path, temperature: float) -> None:
    data = rewritten(path.read_bytes(), temperature=temperature)
    with pytest.raises(ModelFileError, match="temperature must be a finite number above 0, got"):
        ModelFile.from_bytes(data, "model.tflite")
    with pytest.raises(ModelFileError, match="temperature"):
        replace(MANIFEST, temperature=temperature)


def test_a_temperature_is_kept(tmp_path: Path) -> None:
    replace(MODEL, manifest=replace(MANIFEST, temperature=1.25)).write(tmp_path / "m.tflite")
    assert ModelFile.read(tmp_path / "m.tflite").manifest.temperature == 1.25


def test_an_unknown_manifest_entry_is_refused(path: Path) -> None:
    with pytest.raises(ModelFileError, match="manifest entries: surprise"):
        ModelFile.from_bytes(rewritten(path.read_bytes(), surprise=1), "model.tflite")


def test_parts_other_than_the_manifests_are_refused(path: Path) -> None:
    with pytest.raises(ModelFileError, match="not those that its manifest lists"):
        ModelFile.from_bytes(rewritten(path.read_bytes(), sha256={}), "model.tflite")


def test_a_plain_tflite_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "plain.tflite"
    file.write_bytes(WHOLE)
    with pytest.raises(ModelFileError, match="without an edge-asc manifest"):
        ModelFile.read(file)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match=r"no model file at .*nothing\.tflite"):
        ModelFile.read(tmp_path / "nothing.tflite")


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
