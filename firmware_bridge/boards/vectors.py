"""Windows with known answers, as a file: what `firmware check --vectors` runs on a board.

An .npz with, all of one length n:

    features     int8 (n, num_frames, num_mels)    what the encoder takes, cell after cell
    city, time   int8 (n, ...)                     what the head takes; absent without context
    logits       int8 (n, num_scenes)              the answers, equal byte for byte

and, of another length m, or absent:

    samples        int16 (m, window_samples)       sound
    sound_logits   int8 (m, num_scenes)            what Python's runtime made of it, context unknown
"""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.atomic import atomic_path
from edge_asc.errors import FirmwareError

Int8 = npt.NDArray[np.int8]
Int16 = npt.NDArray[np.int16]

_TYPES = {
    "features": np.int8,
    "city": np.int8,
    "time": np.int8,
    "logits": np.int8,
    "samples": np.int16,
    "sound_logits": np.int8,
}


@dataclass(frozen=True, slots=True)
class Vectors:
    """Windows and what must come of them; the module says the shapes."""

    features: Int8 | None = None
    city: Int8 | None = None
    time: Int8 | None = None
    logits: Int8 | None = None
    samples: Int16 | None = None
    sound_logits: Int8 | None = None

    def __post_init__(self) -> None:
        features, sound = (self.features, self.logits), (self.samples, self.sound_logits)
        context = (self.city, self.time)
        for names, arrays in (
            ("features and logits", features),
            ("samples and sound_logits", sound),
        ):
            _check_together(names, arrays)
        if any(array is not None for array in context):
            _check_together("features, city and time", (self.features, *context))

    @classmethod
    def read(cls, path: Path) -> Vectors:
        """Raises FirmwareError for a file that is damaged, or whose arrays are other ones."""
        try:
            with np.load(path) as file:
                arrays = {name: file[name] for name in file.files}
        except (OSError, ValueError, zipfile.BadZipFile) as error:
            raise FirmwareError(
                f"{path} cannot be read as an .npz file of windows: {error}"
            ) from error
        for name, array in arrays.items():
            if name not in _TYPES or array.dtype != _TYPES[name]:
                wanted = ", ".join(f"{key} {np.dtype(kind)}" for key, kind in _TYPES.items())
                raise FirmwareError(f"{path} may hold {wanted}; found {name} {array.dtype}")
        return cls(**arrays)

    def write(self, path: Path) -> None:
        arrays = {name: getattr(self, name) for name in _TYPES if getattr(self, name) is not None}
        with atomic_path(path) as temporary, temporary.open("wb") as file:
            np.savez_compressed(file, **arrays)

    def write_raw(self, folder: Path) -> None:
        """As measure.c reads them: features.bin and samples.bin."""
        if self.features is not None:
            parts = [part for part in (self.features, self.city, self.time) if part is not None]
            rows = [part.reshape(len(part), -1) for part in parts]
            (folder / "features.bin").write_bytes(np.concatenate(rows, axis=1).tobytes())
        if self.samples is not None:
            (folder / "samples.bin").write_bytes(self.samples.astype("<i2").tobytes())


def _check_together(names: str, arrays: tuple[Int8 | Int16 | None, ...]) -> None:
    lengths = [0 if array is None else len(array) for array in arrays]
    missing = any(array is None for array in arrays) and any(lengths)
    if missing or len(set(lengths)) > 1:
        raise FirmwareError(f"windows need {names}, of one length; got lengths {lengths}")
