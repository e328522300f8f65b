"""The model file: an ordinary .tflite that carries its own facts.

    | whole-window network | zip: manifest.json, encoder.tflite, head.tflite, golden.npz | sha256 |
    ^ a TFLite flatbuffer    ^ `python -m zipfile -l FILE` lists this                      ^ comment

The zip's comment is the SHA-256, in hex, of every byte before it, so no byte of the file can change
unnoticed.
"""

from __future__ import annotations

import hashlib
import io
import json
import math
import zipfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.atomic import atomic_path
from edge_asc.errors import ModelFileError
from edge_asc.features import FeatureConfig

SCHEMA_VERSION = 2
"""1: the first. 2: `temperature`."""

_TFLITE_MARK = b"TFL3"  # at bytes 4..7 of every TFLite flatbuffer
_DIGEST_LENGTH = 64
_ENTRY_DATE = (1980, 1, 1, 0, 0, 0)  # the same model gives the same bytes, whenever it is written
_SUBJECT_TO_HASH = ("whole.tflite", "encoder.tflite", "head.tflite", "golden.npz")


def default_model_path() -> Path:
    """The model that is shipped with the package."""
    return Path(__file__).parent / "models" / "default.tflite"


@dataclass(frozen=True, slots=True)
class Manifest:
    """Everything that is known of a model."""

    name: str
    scenes: tuple[str, ...]
    cities: tuple[str, ...]
    """The rows of the city input, without the last one, "unknown"; empty when the network takes no
    context."""
    trained_cities: tuple[str, ...]
    """Cities that a training clip came from; the others are used as "unknown"."""
    features: FeatureConfig
    mel_mean: tuple[float, ...]
    mel_std: tuple[float, ...]
    standardized_range: tuple[float, float]
    variant: str
    fusion: str
    window_s: float
    cell_frames: int | None
    """Frames of one streaming cell; None when the network takes whole windows only."""
    quantization: str
    demonstration: bool
    """True for a model that shows how things work and must decide nothing."""
    licence: str
    temperature: float = 1.0
    """Logits are divided by it before the softmax; 1.0 = not fitted"""
    card: dict[str, Any] = field(default_factory=dict)
    calibration: dict[str, Any] = field(default_factory=dict)
    parity: dict[str, Any] = field(default_factory=dict)
    golden: dict[str, Any] = field(default_factory=dict)
    recipe: dict[str, Any] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    sha256: dict[str, str] = field(default_factory=dict)
    schema_version: int = SCHEMA_VERSION

    def __post_init__(self) -> None:
        if not (math.isfinite(self.temperature) and self.temperature > 0.0):
            raise ModelFileError(
                f"model {self.name}: temperature must be a finite number above 0, got"
                f" {self.temperature}; export the model again"
            )

    @property
    def uses_context(self) -> bool:
        return self.fusion != "none"

    @property
    def num_frames(self) -> int:
        """Frames of one window."""
        return self.features.num_frames(self.window_s)

    @property
    def window_samples(self) -> int:
        return round(self.window_s * self.features.sample_rate_hz)

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1, sort_keys=True, ensure_ascii=False)

    @classmethod
    def from_json(cls, text: str, source: str) -> Manifest:
        """Raises ModelFileError, naming `source`, for a newer schema or other keys."""
        values = json.loads(text)
        found = values.get("schema_version") if isinstance(values, dict) else None
        if not isinstance(found, int):
            raise ModelFileError(
                f"{source}: the manifest has no schema version; export the model again"
            )
        if found > SCHEMA_VERSION:
            raise ModelFileError(
                f"{source} was made by a newer edge-asc: its manifest has schema {found}, this"
                f" program knows up to {SCHEMA_VERSION}; upgrade edge-asc"
            )
        values = _upgrade(values, found)
        names = {entry.name for entry in fields(cls)}
        if names != set(values):
            odd = ", ".join(sorted(names.symmetric_difference(values)))
            raise ModelFileError(
                f"{source}: missing or unknown manifest entries: {odd}; export it again"
            )
        for name in (
            "scenes",
            "cities",
            "trained_cities",
            "mel_mean",
            "mel_std",
            "standardized_range",
        ):
            values[name] = tuple(values[name])
        values["features"] = FeatureConfig.from_dict(values["features"])
        return cls(**values)


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model as it is kept on disk; its parts are TFLite flatbuffers."""

    manifest: Manifest
    whole: bytes
    """features (1, num_frames, num_mels, 1) [, city, time] -> logits (1, num_scenes)"""
    encoder: bytes | None
    """One cell, features (1, cell_frames, num_mels, 1) -> steps (1, steps_per_cell, step_size)"""
    head: bytes | None
    """All steps of a window [, city, time] -> logits (1, num_scenes)"""
    golden: Mapping[str, npt.NDArray[np.float32]]
    """A few windows' inputs and the outputs that were seen at export; checked before first use."""
    size_bytes: int = 0

    @classmethod
    def read(cls, path: Path) -> ModelFile:
        """Read and verify all but the golden outputs. Raises ModelFileError."""
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            raise ModelFileError(f"no model file at {path}") from None
        except OSError as error:
            raise ModelFileError(f"cannot read the model file {path}: {error.strerror}") from error
        return cls.from_bytes(data, str(path))

    @classmethod
    def from_bytes(cls, data: bytes, source: str) -> ModelFile:
        """`read` for a model in memory; `source` names it in errors."""
        entries, whole_size = _open_zip(data, source)
        manifest = Manifest.from_json(entries.pop("manifest.json").decode(), source)
        parts = {"whole.tflite": data[:whole_size], **entries}
        _check_parts(parts, manifest, source)
        with np.load(io.BytesIO(parts["golden.npz"]), allow_pickle=False) as arrays:
            golden = {name: arrays[name] for name in arrays.files}
        return cls(
            manifest,
            parts["whole.tflite"],
            parts.get("encoder.tflite"),
            parts.get("head.tflite"),
            golden,
            len(data),
        )

    def to_bytes(self) -> bytes:
        """The file's content; the manifest's hashes are those of the parts."""
        golden = io.BytesIO()
        np.savez_compressed(golden, **dict(self.golden))
        parts = {
            "encoder.tflite": self.encoder,
            "head.tflite": self.head,
            "golden.npz": golden.getvalue(),
        }
        present = {name: part for name, part in parts.items() if part is not None}
        hashes = {
            name: _sha256(part) for name, part in {"whole.tflite": self.whole, **present}.items()
        }
        values = {entry.name: getattr(self.manifest, entry.name) for entry in fields(Manifest)}
        manifest = Manifest(**{**values, "sha256": hashes})
        buffer = io.BytesIO()
        buffer.write(self.whole)
        with zipfile.ZipFile(buffer, "a", zipfile.ZIP_DEFLATED) as archive:
            for name, part in {"manifest.json": manifest.to_json().encode(), **present}.items():
                entry = zipfile.ZipInfo(name, _ENTRY_DATE)
                archive.writestr(entry, part, zipfile.ZIP_DEFLATED, compresslevel=9)
            archive.comment = b"0" * _DIGEST_LENGTH
        content = buffer.getvalue()[:-_DIGEST_LENGTH]
        return content + _sha256(content).encode()

    def write(self, path: Path) -> None:
        """Write the file whole or not at all."""
        with atomic_path(path) as temporary:
            temporary.write_bytes(self.to_bytes())


def _upgrade(values: dict[str, Any], found: int) -> dict[str, Any]:
    """Manifest entries of schema `found` as those of SCHEMA_VERSION, one step a version.

    A step adds only what the older version meant without saying so; all else must be there.
    """
    if found < 2:
        # Before schema 2 logits went into the softmax as they were.
        values = {"temperature": 1.0, **values}
    return {**values, "schema_version": SCHEMA_VERSION}


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _open_zip(data: bytes, source: str) -> tuple[dict[str, bytes], int]:
    """The zip's entries and where it begins, which is where the whole-window network ends."""
    if data[4:8] != _TFLITE_MARK:
        raise ModelFileError(
            f"{source} is not a model file: it does not begin as a TFLite file does"
        )
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if _sha256(data[:-_DIGEST_LENGTH]).encode() != archive.comment:
                raise ModelFileError(
                    f"{source} is damaged or truncated: its checksum is not that of its content;"
                    " copy it again"
                )
            entries = {entry.filename: archive.read(entry) for entry in archive.infolist()}
            start = min((entry.header_offset for entry in archive.infolist()), default=0)
    except zipfile.BadZipFile as error:
        raise ModelFileError(
            f"{source} is a TFLite file without an edge-asc manifest: it is truncated, or was not"
            f" made by `edge-asc export` ({error})"
        ) from error
    if "manifest.json" not in entries:
        raise ModelFileError(
            f"{source} holds no manifest.json; only files made by `edge-asc export` can be used"
        )
    return entries, start


def _check_parts(parts: Mapping[str, bytes], manifest: Manifest, source: str) -> None:
    hashes = {name: _sha256(part) for name, part in parts.items() if name in _SUBJECT_TO_HASH}
    if hashes != manifest.sha256:
        raise ModelFileError(
            f"{source} is damaged: its parts are not those that its manifest lists"
        )
    if ("encoder.tflite" in parts) != (
        manifest.cell_frames is not None
    ) or "golden.npz" not in parts:
        raise ModelFileError(f"{source} lacks a part that its manifest needs; export it again")
