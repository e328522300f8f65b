"""The C front end, built for this computer with its sanitizers, and called from Python."""

from __future__ import annotations

import ctypes
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc import firmware_bridge
from edge_asc.firmware_bridge.frontend import SOURCES, write_frontend
from edge_asc.model_file import ModelFile

Sound = npt.NDArray[np.int16]

CSOURCE = Path(firmware_bridge.__file__).parent / "csource"
DRIVERS = Path(__file__).parent / "csource"
STRICT = ("-std=c99", "-Wall", "-Wextra", "-Wconversion", "-pedantic", "-Werror", "-O1", "-g")
SHA256 = "5a" * 32
FEATURES_PER_CELL = 3200
FRACTION = 2.0**20
"""Steps of a decibel in fixed point"""


def write_sources(model: ModelFile, folder: Path) -> list[Path]:
    """The C files that are compiled; `folder` holds the generated headers afterwards."""
    for name, text in write_frontend(model, model_sha256=SHA256).items():
        (folder / name).write_text(text)
    fixed = [CSOURCE / name for name in SOURCES if name.endswith(".c") and name != "asc.c"]
    return [*fixed, folder / "asc_frontend_tables.c"]


def compile_host(
    output: Path, sources: Sequence[Path], folder: Path, *options: str, fixed: bool
) -> Path:
    """Raises CalledProcessError, and gcc says why."""
    # What `options` include comes before the model of these tests.
    include = [*options, *(f"-I{path}" for path in (folder, CSOURCE, DRIVERS))]
    subprocess.run(
        [
            *("gcc", *STRICT, "-fno-sanitize-recover=all", *include),
            *(f"-DASC_FRONTEND_FIXED={int(fixed)}", *map(str, sources)),
            *("-o", str(output)),
        ],
        check=True,
    )
    return output


@dataclass(frozen=True)
class Heard:
    """What the front end made of sound."""

    levels: npt.NDArray[np.float64]
    """dB, shape (num_frames, 64)"""
    features: npt.NDArray[np.int8]
    """shape (num_frames, 64)"""


class FrontEnd:
    """csource/levels.c for one model and one arithmetic."""

    def __init__(self, model: ModelFile, folder: Path, *, fixed: bool) -> None:
        sources = [*write_sources(model, folder), DRIVERS / "levels.c"]
        checks = "-fsanitize=address,undefined"
        self.fixed, self._folder = fixed, folder
        self._program = compile_host(folder / "levels", sources, folder, checks, fixed=fixed)

    def hear(self, sound: Sound, *chunks: int) -> Heard:
        """Cells of `sound`, taken in chunks of these sizes in turn; at once if none is given."""
        heard, levels, features = (self._folder / name for name in ("sound", "levels.out", "cells"))
        sound.tofile(heard)
        sizes = map(str, chunks or (len(sound) + 1,))
        files = map(str, (heard, levels, features))
        subprocess.run([str(self._program), *files, *sizes], check=True)
        raw = np.fromfile(levels, np.int32 if self.fixed else np.float32).astype(np.float64)
        in_db = raw / FRACTION if self.fixed else raw
        return Heard(in_db.reshape(-1, 64), np.fromfile(features, np.int8).reshape(-1, 64))


class Result(ctypes.Structure):
    """asc_result_t"""

    _fields_ = (
        ("number", ctypes.c_uint32),
        ("probabilities", ctypes.c_int16 * 10),
        ("logits", ctypes.c_int8 * 10),
        ("scene", ctypes.c_uint8),
        ("after_gap", ctypes.c_uint8),
    )


NetworkFunction = ctypes.CFUNCTYPE(None, ctypes.POINTER(ctypes.c_int8))
Arena = npt.NDArray[np.int8]


class Runtime:
    """asc.h as a library, with networks that are methods here: see csource/asc_model.h."""

    def __init__(self, model: ModelFile, folder: Path, *, fixed: bool) -> None:
        sources = [*write_sources(model, folder), CSOURCE / "asc.c", DRIVERS / "called_model.c"]
        options = ("-fsanitize=undefined", "-shared", "-fPIC")
        path = compile_host(folder / "runtime.so", sources, folder, *options, fixed=fixed)
        self.library = ctypes.CDLL(str(path))
        for name in ("scene_name", "city_name"):
            getattr(self.library, name).restype = ctypes.c_char_p
        self._functions = (NetworkFunction(self._encode), NetworkFunction(self._head))
        self.library.set_networks(*self._functions)
        self.features: list[Arena] = []
        self.encoder = lambda features: np.zeros(2048, np.int8)
        self.head = lambda steps, city, time: np.zeros(10, np.int8)
        self.init()

    def init(self) -> None:
        """asc_init, in memory that is not empty."""
        size = self.library.memory_bytes()
        self._memory = ctypes.create_string_buffer(b"\xa5" * size, size)
        self.features.clear()
        self.library.asc_init(self._memory)

    def process(self, sound: Sound) -> int:
        sound = np.ascontiguousarray(sound)
        data = sound.ctypes.data_as(ctypes.c_void_p)
        return int(self.library.asc_process(self._memory, data, ctypes.c_size_t(len(sound))))

    def result(self) -> Result:
        result = Result()
        self.library.asc_result(self._memory, ctypes.byref(result))
        return result

    def results(self, sound: Sound) -> list[Result]:
        """One for each second that completes one."""
        seconds = np.split(sound, range(44_100, len(sound), 44_100))
        return [self.result() for second in seconds if self.process(second)]

    def reset(self) -> None:
        self.library.asc_reset(self._memory)

    def set_context(self, city: int, minute_of_day: int, weekday: int = 0, month: int = 1) -> int:
        return int(self.library.asc_set_context(self._memory, city, minute_of_day, weekday, month))

    def _encode(self, arena: ctypes.Array) -> None:
        memory = np.ctypeslib.as_array(arena, (9000,))
        features = memory[1004 : 1004 + FEATURES_PER_CELL].copy()
        self.features.append(features)
        steps = self.encoder(features)
        memory[:] = 99
        memory[6000:8048] = steps

    def _head(self, arena: ctypes.Array) -> None:
        memory = np.ctypeslib.as_array(arena, (24_000,))
        steps, city, time = memory[64:20_544], memory[21_000:21_023], memory[21_024:21_032]
        logits = self.head(steps.copy(), city.copy(), time.copy())
        memory[:] = 99
        memory[23_980:23_990] = logits
