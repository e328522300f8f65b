"""Log-mel of many clips, computed once by the runtime's own front end and kept on disk.

One file a window, named by a hash of all that its content depends on: audio file (path, size, time
of change), start, length, feature settings, and `CACHE_VERSION`. So nothing outdated is ever used,
an interrupted build goes on where it stopped, and any selection of clips can share the files.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt
from tqdm import tqdm

from edge_asc.atomic import atomic_path
from edge_asc.audio import read_audio
from edge_asc.errors import AudioError, DataError
from edge_asc.features import FeatureConfig, LogMel, log_mel
from edge_asc.training.datasets import Clip
from edge_asc.windows import fit_to_window

CACHE_VERSION = 1
"""Raise it when `log_mel`, the resampler or the padding rule changes what they give."""

LogMelArray = npt.NDArray[np.float32]
"""shape (num_clips, num_frames, num_mels)"""

# A clip may be this much longer than the window: lossy formats and resampling round their lengths.
_TOLERANCE_S = 0.05


@dataclass(frozen=True, slots=True)
class _Task:
    """One window to compute and where to keep it."""

    clip: Clip
    path: Path


class FeatureCache:
    """Log-mel windows of `window_s` seconds under `folder`, computed with `config`."""

    def __init__(self, folder: Path, config: FeatureConfig, window_s: float) -> None:
        self.folder = folder
        self.config = config
        self.window_s = window_s

    @property
    def shape(self) -> tuple[int, int]:
        """(num_frames, num_mels) of a window."""
        return self.config.num_frames(self.window_s), self.config.num_mels

    def build(self, clips: Sequence[Clip], num_workers: int | None = None) -> LogMelArray:
        """Features of `clips`, shape (num_clips, num_frames, num_mels), in their order.

        What is not in the cache, or is damaged there, is computed by `num_workers` processes (None:
        one a core). A clip shorter than the window is repeated to fill it, as the runtime does. The
        array is mapped from a temporary file, so that a large one need not fit into memory.

        Raises DataError, naming the files, for audio that cannot be read and clips longer than the
        window; everything else is in the cache by then.
        """
        paths = [self._path(clip) for clip in clips]
        self.folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self.folder) as file:
            array = np.memmap(file, np.float32, "w+", shape=(max(1, len(clips)), *self.shape))
        missing: dict[Path, _Task] = {}
        for index, (clip, path) in enumerate(zip(clips, paths, strict=True)):
            if not self._load(path, array[index]):
                missing[path] = _Task(clip, path)
        if missing:
            self._compute(list(missing.values()), num_workers or os.cpu_count() or 1)
        for index, path in enumerate(paths):
            if path in missing and not self._load(path, array[index]):
                raise DataError(f"{path} was written and cannot be read again; check the disk")
        return array[: len(clips)]

    def _path(self, clip: Clip) -> Path:
        """The cached file of `clip`."""
        try:
            status = clip.path.stat()
        except OSError as error:
            raise DataError(f"{clip.path} cannot be read: {error.strerror}") from error
        key = {
            "version": CACHE_VERSION,
            "path": clip.path.resolve().as_posix(),
            "size": status.st_size,
            "modified_ns": status.st_mtime_ns,
            "start_s": clip.start_s,
            "duration_s": clip.duration_s,
            "window_s": self.window_s,
            "features": self.config.to_dict(),
        }
        digest = hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]
        return self.folder / digest[:2] / f"{digest}.npz"

    def _load(self, path: Path, row: LogMel) -> bool:
        """Copy a cached window into `row`; False if it is missing or damaged (zip has a CRC)."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                frames = stored["frames"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return False
        if frames.shape != row.shape or frames.dtype != np.float32:
            return False
        row[:] = frames
        return True

    def _compute(self, tasks: Sequence[_Task], num_workers: int) -> None:
        """Compute and store `tasks`; raise DataError at the end if some could not be."""
        work = partial(compute_window, config=self.config, window_s=self.window_s)
        results = _in_processes(work, tasks, num_workers) if num_workers > 1 else map(work, tasks)
        errors = [error for error in _with_progress(results, len(tasks)) if error is not None]
        if errors:
            raise DataError(
                f"{len(errors)} of {len(tasks)} clips could not be used: {'; '.join(errors[:3])}"
                f"{'; ...' if len(errors) > 3 else ''}"
            )


def compute_window(task: _Task, config: FeatureConfig, window_s: float) -> str | None:
    """Compute and store one window. Returns what is wrong with its audio, or None.

    A returned text, not an exception: one broken file must not stop the others, here or in a
    process.
    """
    clip, num_samples = task.clip, round(window_s * config.sample_rate_hz)
    try:
        samples = read_audio(clip.path, config.sample_rate_hz, clip.start_s, clip.duration_s)
    except AudioError as error:
        return str(error)
    length_s = len(samples) / config.sample_rate_hz
    if length_s > window_s + _TOLERANCE_S:
        return f"{clip.path} lasts {length_s:.2f} s, the window {window_s:g} s: cut it into windows"
    window, _ = fit_to_window(samples[:num_samples], num_samples)
    with atomic_path(task.path) as temporary, temporary.open("wb") as file:
        np.savez(file, frames=log_mel(window, config))
    return None


def _in_processes(
    work: partial[str | None], tasks: Sequence[_Task], num_workers: int
) -> Iterator[str | None]:
    # Fresh interpreters: forking one in which torch has started threads can hang.
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(min(num_workers, len(tasks)), mp_context=context) as pool:
        yield from pool.map(work, tasks, chunksize=max(1, min(32, len(tasks) // (4 * num_workers))))


def _with_progress(results: Iterator[str | None], total: int) -> Iterator[str | None]:
    """`results` with a bar on a terminal, elsewhere with a line at every tenth (both on stderr)."""
    if sys.stderr.isatty():
        yield from tqdm(results, total=total, desc="features", unit="clip", file=sys.stderr)
        return
    for done, result in enumerate(results, start=1):
        if done * 10 // total > (done - 1) * 10 // total:
            print(f"features: clip {done} of {total}", file=sys.stderr, flush=True)
        yield result
