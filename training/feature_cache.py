"""Log-mel of many clips, computed once by the runtime's own front end and kept on disk.

    FOLDER/3f/3f09...npz     one window: an interrupted build goes on where it stopped
    FOLDER/packs/a1...f16    a whole selection of windows, one after the other, and its CRC

A window's name is a hash of all that its content depends on: audio file (path, size, time of
change), start, length, feature settings, and `CACHE_VERSION`; a pack's is a hash of its windows'
names. So nothing outdated is ever used. Packs are mapped into memory: they open at once, and
processes that train side by side share them.

Values are kept as float16: within 0.032 feature dB, where a band's deviation is 3 to 6.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import zipfile
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.atomic import atomic_path
from edge_asc.audio import read_audio
from edge_asc.errors import AudioError, DataError
from edge_asc.features import FeatureConfig, log_mel
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.parallel import map_in_processes
from edge_asc.windows import fit_to_window

CACHE_VERSION = 3
"""Raise it when `log_mel`, the resampler or the padding rule changes what they give."""

LogMelArray = npt.NDArray[np.float16]
"""shape (num_clips, num_frames, num_mels), feature dB"""

_CRC_BYTES = 4
_PACKED_AT_ONCE = 256

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
        """Features of `clips`, shape (num_clips, num_frames, num_mels), in their order; read-only.

        What is not in the cache, or is damaged there, is computed by `num_workers` processes (None:
        one a core). A clip shorter than the window is repeated to fill it, as the runtime does.

        Raises DataError, naming the files, for audio that cannot be read and clips longer than the
        window; everything else is in the cache by then. DataError too when the disk is full: what
        was cached before stays valid.
        """
        paths = [self._path(clip) for clip in clips]
        if not paths:
            return np.zeros((0, *self.shape), np.float16)
        names = "".join(path.name for path in paths)
        pack = self.folder / "packs" / f"{hashlib.sha256(names.encode()).hexdigest()[:32]}.f16"
        packed = self._open_pack(pack, len(paths))
        if packed is None:
            self._complete(clips, paths, num_workers or os.cpu_count() or 1)
            try:
                self._write_pack(pack, paths)
            except OSError as error:
                raise _explain(error, self.folder) from error
            packed = self._open_pack(pack, len(paths))
        if packed is None:
            raise DataError(f"{pack} was written and cannot be read again; check the disk")
        return packed

    def _complete(self, clips: Sequence[Clip], paths: Sequence[Path], num_workers: int) -> None:
        """Compute every window that is missing or damaged."""
        missing = {
            path: _Task(clip, path)
            for clip, path in zip(clips, paths, strict=True)
            if self._load(path) is None
        }
        if missing:
            self._compute(list(missing.values()), num_workers)

    def _write_pack(self, pack: Path, paths: Sequence[Path]) -> None:
        crc = 0
        with atomic_path(pack) as temporary, temporary.open("wb") as file:
            for path in paths:
                frames = self._load(path)
                if frames is None:
                    raise DataError(f"{path} was written and cannot be read again; check the disk")
                content = frames.tobytes()
                crc = zlib.crc32(content, crc)
                file.write(content)
            file.write(crc.to_bytes(_CRC_BYTES, "little"))

    def _open_pack(self, pack: Path, num_windows: int) -> LogMelArray | None:
        """Map a pack into memory; None if it is missing or damaged."""
        shape = (num_windows, *self.shape)
        num_bytes = 2 * int(np.prod(shape))
        if not pack.is_file() or pack.stat().st_size != num_bytes + _CRC_BYTES:
            return None
        array = np.memmap(pack, np.float16, "r", shape=shape)
        crc = 0
        for begin in range(0, num_windows, _PACKED_AT_ONCE):
            crc = zlib.crc32(array[begin : begin + _PACKED_AT_ONCE].tobytes(), crc)
        with pack.open("rb") as file:
            file.seek(num_bytes)
            stored = int.from_bytes(file.read(_CRC_BYTES), "little")
        return array if crc == stored else None

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

    def _load(self, path: Path) -> LogMelArray | None:
        """Read a cached window; None if it is missing or damaged (zip has a CRC)."""
        try:
            with np.load(path, allow_pickle=False) as stored:
                frames: LogMelArray = stored["frames"]
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None
        return frames if frames.shape == self.shape and frames.dtype == np.float16 else None

    def _compute(self, tasks: Sequence[_Task], num_workers: int) -> None:
        """Compute and store `tasks`; raise DataError at the end if some could not be."""
        work = partial(compute_window, config=self.config, window_s=self.window_s)
        chunk = max(1, min(32, len(tasks) // (4 * num_workers)))
        results = map_in_processes(
            work, tasks, "features: clip", num_workers=num_workers, chunk_size=chunk
        )
        errors = [error for error in results if error is not None]
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
    try:
        with atomic_path(task.path) as temporary, temporary.open("wb") as file:
            np.savez(file, frames=log_mel(window, config).astype(np.float16))
    except OSError as error:
        raise _explain(error, task.path.parent.parent) from error
    return None


def _explain(error: OSError, folder: Path) -> DataError:
    """What to do about a cache that cannot be written."""
    reason = "the disk is full" if error.errno == errno.ENOSPC else error.strerror
    return DataError(
        f"features cannot be kept in {folder}: {reason}; make room, or name another folder in "
        "EDGE_ASC_CACHE (what is cached already stays valid)"
    )
