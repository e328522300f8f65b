"""A package of a few lines whose answers Python computes, too."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from edge_asc.firmware_bridge.boards.toolchain import missing_tools
from edge_asc.firmware_bridge.boards.vectors import Vectors

MATERIAL = Path(__file__).parent / "package"
CELLS, CELL_VALUES, CELL_SAMPLES = 2, 12, 32
"""As in package/asc_facts.h"""


def seal(folder: Path, **facts: str) -> None:
    """Write a manifest of the files as they are now, and of `facts`."""
    files = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.glob("*.[ch]")
    }
    (folder / "manifest.json").write_text(json.dumps({**facts, "files": files}))


def mix(values: np.ndarray, outputs: int) -> np.ndarray:
    """What asc_model.c's mix() computes: C's division rounds toward zero."""
    weights = 1 + np.arange(len(values))[None, :] + np.arange(outputs)[:, None]
    halves = np.trunc((weights * values.astype(np.int64)).sum(axis=1) / 2)
    return np.clip(halves, -128, 127).astype(np.int8)


def logits_of(features: np.ndarray, city: np.ndarray, time: np.ndarray) -> np.ndarray:
    """Logits of one window, features of shape (2, 12)."""
    steps = np.concatenate([mix(cell, 5) for cell in features])
    return mix(steps, 3) ^ city ^ time[:3]


@pytest.fixture
def package(tmp_path: Path) -> Path:
    folder = tmp_path / "package"
    shutil.copytree(MATERIAL, folder)
    seal(folder)
    return folder


@pytest.fixture
def vectors(rng: np.random.Generator) -> Vectors:
    features = rng.integers(-128, 128, (20, CELLS, CELL_VALUES)).astype(np.int8) // 64
    city, time = (rng.integers(0, 128, (20, size)).astype(np.int8) for size in (3, 8))
    logits = np.stack(list(map(logits_of, features, city, time)))
    samples = rng.integers(-32768, 32768, (4, CELLS, CELL_SAMPLES)).astype(np.int16) // 64
    heard = np.trunc(samples[:, :, :CELL_VALUES] / 256).astype(np.int8)
    nothing = np.zeros(8, np.int8)
    sound_logits = np.stack([logits_of(cells, nothing[:3], nothing) for cells in heard])
    for answers in (logits, sound_logits):
        assert len(np.unique(answers)) > 6, "the answers must differ, or they prove nothing"
    return Vectors(features, city, time, logits, samples.reshape(4, -1), sound_logits)


@pytest.fixture
def boards_are_here() -> None:
    if missing := missing_tools():
        pytest.skip(f"needs {', '.join(missing)}: make firmware-tools installs them")


@pytest.fixture
def only_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """A machine that has these programs alone."""

    def limit(*names: str) -> None:
        folder = tmp_path / "bin"
        folder.mkdir()
        for name in names:
            found = shutil.which(name)
            assert found is not None, f"{name} is not on this machine"
            (folder / name).symlink_to(found)
        monkeypatch.setenv("PATH", str(folder))

    return limit
