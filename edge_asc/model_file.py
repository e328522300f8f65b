"""The model file: an ordinary .tflite that carries its own facts.

    | whole-window network | zip: manifest.json, encoder.tflite, head.tflite, golden.npz,
    ^ a TFLite flatbuffer    ^ signature.json if it was signed                    | sha256 |

`python -m zipfile -l FILE` lists the zip. Its comment is the SHA-256, in hex, of every byte before
it, so no byte of the file can change unnoticed; that nobody changed it and the checksum with it is
what a signature shows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.archive import WHOLE, read_file, read_parts, sha256, write_parts
from edge_asc.atomic import atomic_path
from edge_asc.errors import ModelFileError
from edge_asc.golden import pack_golden, unpack_golden
from edge_asc.manifest import SCHEMA_VERSION, Manifest
from edge_asc.signature import PublicKey, Signature, check_trust

__all__ = ["SCHEMA_VERSION", "Manifest", "ModelFile", "default_model_path"]

_SUBJECT_TO_HASH = (WHOLE, "encoder.tflite", "head.tflite", "golden.npz")


def default_model_path() -> Path:
    """The model that is shipped with the package."""
    return Path(__file__).parent / "models" / "default.tflite"


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
    signature: Signature | None = None
    """Of the file that was read; who made it is known only if it was read with a trusted key."""

    @classmethod
    def read(cls, path: Path, trusted: PublicKey | None = None) -> ModelFile:
        """Read and verify all but the golden outputs. Raises ModelFileError.

        With a `trusted` key, only a file that this key signed: raises SignatureError otherwise.
        """
        return cls.from_bytes(read_file(path), str(path), trusted)

    @classmethod
    def from_bytes(cls, data: bytes, source: str, trusted: PublicKey | None = None) -> ModelFile:
        """`read` for a model in memory; `source` names it in errors."""
        parts = read_parts(data, source)
        signature = Signature.of(parts, source)
        if trusted is not None:
            check_trust(signature, trusted, source)
        manifest = Manifest.from_json(parts["manifest.json"], source)
        _check_parts(parts, manifest, source)
        return cls(
            manifest,
            parts[WHOLE],
            parts.get("encoder.tflite"),
            parts.get("head.tflite"),
            unpack_golden(parts["golden.npz"], manifest, source),
            len(data),
            signature,
        )

    def to_bytes(self) -> bytes:
        """The file's content, unsigned; the manifest's hashes are those of the parts."""
        parts = {
            WHOLE: self.whole,
            "encoder.tflite": self.encoder,
            "head.tflite": self.head,
            "golden.npz": pack_golden(self.golden),
        }
        present = {name: part for name, part in parts.items() if part is not None}
        hashes = {name: sha256(part) for name, part in present.items()}
        values = {entry.name: getattr(self.manifest, entry.name) for entry in fields(Manifest)}
        manifest = Manifest(**{**values, "sha256": hashes})
        return write_parts({**present, "manifest.json": manifest.to_json().encode()})

    def write(self, path: Path) -> None:
        """Write the file whole or not at all. Raises ModelFileError if it could not be read."""
        data = self.to_bytes()
        ModelFile.from_bytes(data, str(path))
        with atomic_path(path) as temporary:
            temporary.write_bytes(data)


def _check_parts(parts: Mapping[str, bytes], manifest: Manifest, source: str) -> None:
    hashes = {name: sha256(part) for name, part in parts.items() if name in _SUBJECT_TO_HASH}
    if hashes != manifest.sha256:
        raise ModelFileError(
            f"{source} is damaged: its parts are not those that its manifest lists"
        )
    needed = {"golden.npz"}
    if manifest.cell_frames is not None:
        needed |= {"encoder.tflite", "head.tflite"}
    found = parts.keys() & {"encoder.tflite", "head.tflite", "golden.npz"}
    if found != needed:
        fault = "lacks a part that its manifest needs"
        if found > needed:
            fault = "holds a part that its manifest has no use for"
        odd = ", ".join(sorted(found ^ needed))
        raise ModelFileError(f"{source} {fault}: {odd}; export the model again")
