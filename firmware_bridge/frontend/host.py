"""The C front end as a library of this computer: what a device would compute, bit for bit."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.firmware_bridge.codegen.host import CSOURCE, compile_c
from edge_asc.firmware_bridge.frontend.tables import LEVEL_BITS
from edge_asc.firmware_bridge.frontend.writer import SOURCES, write_frontend
from edge_asc.mel_bands import BLOCK_FRAMES
from edge_asc.model_file import ModelFile

_NO_HASH = "0" * 64
_HEAD_BYTES = 16_384
"""More than asc_frontend_t takes, which lasts from frame to frame"""


@dataclass(frozen=True, slots=True)
class HeardCells:
    """What the front end made of sound; whole cells of 50 frames."""

    levels: npt.NDArray[np.float64]
    """dB, shape (num_frames, num_mels), without a floor"""
    features: npt.NDArray[np.int8]
    """The same as the encoder takes them"""


class HostFrontEnd:
    """asc_frontend.h of one model, compiled by gcc without sanitizers."""

    def __init__(self, model: ModelFile, folder: Path, *, fixed_point: bool) -> None:
        """Write and compile it in `folder`. Raises FirmwareError: no gcc, or an unfit model."""
        texts = write_frontend(model, model_sha256=_NO_HASH, fixed_point=fixed_point)
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            (folder / name).write_text(text)
        sources = [CSOURCE / name for name in SOURCES if name.endswith(".c") and name != "asc.c"]
        library = folder / "front_end.so"
        flags = ["-O2", "-shared", "-fPIC", f"-I{folder}", f"-I{CSOURCE}"]
        compile_c([*sources, folder / "asc_frontend_tables.c"], library, flags)
        self._library = ctypes.CDLL(str(library))
        self._library.asc_frontend_take.restype = ctypes.c_size_t
        self._fixed_point, self._config = fixed_point, model.manifest.features

    def hear(self, sound: npt.NDArray[np.int16]) -> HeardCells:
        """All whole cells of a stream that begins with `sound`, shape (num_samples,)."""
        config = self._config
        cell = BLOCK_FRAMES * config.num_mels
        state = ctypes.create_string_buffer(_HEAD_BYTES)
        work = np.zeros(cell + config.fft_size, np.int32 if self._fixed_point else np.float32)
        features = np.zeros(cell, np.int8)
        levels, numbers = [], []
        self._library.asc_frontend_reset(state)
        for first in range(0, len(sound), BLOCK_FRAMES * config.hop_samples):
            piece = np.ascontiguousarray(sound[first : first + BLOCK_FRAMES * config.hop_samples])
            count = ctypes.c_size_t(len(piece))
            self._library.asc_frontend_take(state, _pointer(work), _pointer(piece), count)
            if self._library.asc_frontend_is_full(state):
                levels.append(work[:cell].astype(np.float64))
                self._library.asc_frontend_features(state, _pointer(work), _pointer(features))
                numbers.append(features.copy())
        in_db = np.array(levels) * 2.0**-LEVEL_BITS if self._fixed_point else np.array(levels)
        shape = (-1, config.num_mels)
        return HeardCells(in_db.reshape(shape), np.array(numbers, np.int8).reshape(shape))


def _pointer(values: npt.NDArray[np.generic]) -> ctypes.c_void_p:
    return values.ctypes.data_as(ctypes.c_void_p)
