"""Networks that hear patches of 16 kHz sound, as YAMNet does: their front end, and .tflite files.

    samples   |-------------------- 10 s, zeros behind --------------------|--|
    frames    |-25 ms-|
                |-25 ms-|  every 10 ms, log-mel
    patch 0   |--- 96 frames ---|
    patch 1            |--- 96 frames ---|  every half patch: 20 of them

After YAMNet's features.py and params.py (tensorflow/models, research/audioset/yamnet).
"""

from __future__ import annotations

import math
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from numpy.lib.stride_tricks import sliding_window_view
from scipy.fft import rfft

from edge_asc.benchmarks.bench.peers import THEIRS, Peer
from edge_asc.benchmarks.bench.result import BenchError
from edge_asc.features import Samples
from edge_asc.interpreter import Package, load_interpreter, runtime_name, tensor_spec

Array = npt.NDArray[np.float32]

FrontEnd = Literal["log-mel", "samples"]

RATE_HZ = 16_000
WINDOW_SAMPLES = 400
HOP_SAMPLES = 160
FFT_SIZE = 512
FMIN_HZ, FMAX_HZ = 125.0, 7_500.0
LOG_OFFSET = 0.01
NUM_FRAMES, NUM_MELS = 96, 64
"""YAMNet's"""

_BLOCK_FRAMES = 126
"""Frames computed together: what a core's second cache holds."""


def file_peer(name: str, path: Path, kind: FrontEnd) -> Peer:
    """A .tflite file that hears patches. Raises BenchError, InterpreterError, OSError."""
    network = PatchNetwork(name, path.read_bytes(), kind)
    return Peer(
        name,
        runtime_name(),
        THEIRS,
        f"{path.name} on patches of {kind} at 16 kHz",
        network.front_end,
        network.run,
        RATE_HZ,
        network.arithmetic,
    )


def log_mel_patches(
    samples: Samples, num_frames: int = NUM_FRAMES, num_mels: int = NUM_MELS
) -> Array:
    """Patches of log-mel of sound at RATE_HZ, shape (num_patches, num_frames, num_mels)."""
    size = (num_frames - 1) * HOP_SAMPLES + WINDOW_SAMPLES
    hop_frames = num_frames // 2
    padded = _whole_patches(samples, size, hop_frames * HOP_SAMPLES)
    frames = log_mel(padded, num_mels)
    patches = sliding_window_view(frames, num_frames, axis=0)[::hop_frames].transpose(0, 2, 1)
    return np.ascontiguousarray(patches)


def sample_patches(samples: Samples, size: int) -> Array:
    """The sound itself in patches, one every half patch, shape (num_patches, size)."""
    padded = _whole_patches(samples, size, size // 2)
    return np.ascontiguousarray(sliding_window_view(padded, size)[:: size // 2])


def log_mel(samples: Samples, num_mels: int = NUM_MELS) -> Array:
    """log(mel + 0.01) of whole frames, shape (num_frames, num_mels)."""
    framed = sliding_window_view(samples, WINDOW_SAMPLES)[::HOP_SAMPLES]
    matrix = mel_matrix(num_mels)
    bands = np.empty((len(framed), num_mels), np.float32)
    for start in range(0, len(framed), _BLOCK_FRAMES):
        block = slice(start, start + _BLOCK_FRAMES)
        spectrum = np.abs(rfft(framed[block] * _hann(), FFT_SIZE))
        np.matmul(spectrum, matrix, out=bands[block])
    logarithms: Array = np.log(bands + np.float32(LOG_OFFSET))
    return logarithms


@lru_cache(maxsize=4)
def mel_matrix(num_mels: int) -> Array:
    """Weights, shape (FFT_SIZE // 2 + 1, num_mels): HTK's scale, triangles in mel, none for 0 Hz.

    As tf.signal.linear_to_mel_weight_matrix.
    """
    mels = _mel(np.linspace(0.0, RATE_HZ / 2, FFT_SIZE // 2 + 1)[1:])[:, None]
    edges = np.linspace(_mel(FMIN_HZ), _mel(FMAX_HZ), num_mels + 2)
    rising = (mels - edges[:-2]) / (edges[1:-1] - edges[:-2])
    falling = (edges[2:] - mels) / (edges[2:] - edges[1:-1])
    weights = np.maximum(0.0, np.minimum(rising, falling))
    return np.pad(weights, ((1, 0), (0, 0))).astype(np.float32)


class PatchNetwork:
    """A .tflite file that hears patches; of several outputs the first one is taken."""

    def __init__(
        self, name: str, tflite: bytes, kind: FrontEnd, package: Package | None = None
    ) -> None:
        """Raises BenchError for an input that `kind` cannot fill, InterpreterError."""
        self._interpreter = load_interpreter(tflite, package=package)
        inputs = [tensor_spec(details) for details in self._interpreter.get_input_details()]
        if len(inputs) != 1:
            named = ", ".join(spec.name for spec in inputs)
            raise BenchError(f"{name}: must have one input, which patches are for; it has {named}")
        self._input = inputs[0]
        self._output = tensor_spec(self._interpreter.get_output_details()[0])
        self._kind = kind
        self._batch, self._size = _patch_shape(name, self._input.shape, kind)

    @property
    def arithmetic(self) -> str:
        """What its input is, as "int8"."""
        return str(self._input.dtype)

    def front_end(self, samples: Samples) -> Array:
        """Patches of sound at RATE_HZ, shape (num_patches, ...)."""
        if self._kind == "samples":
            return sample_patches(samples, *self._size)
        return log_mel_patches(samples, *self._size)

    def run(self, patches: Array) -> Array:
        """The mean output over `patches`, as many at once as the file takes."""
        shape, outputs = self._input.shape, []
        for start in range(0, len(patches), self._batch):
            batch = patches[start : start + self._batch]
            if len(batch) < self._batch:  # the last ones, where they do not come out even
                batch = np.resize(batch, (self._batch, *batch.shape[1:]))
            outputs.append(self._run_once(batch.reshape(shape)))
        mean: Array = np.concatenate(outputs).reshape(-1, outputs[0].shape[-1]).mean(axis=0)
        return mean

    def _run_once(self, batch: Array) -> Array:
        self._interpreter.set_tensor(self._input.index, self._input.quantize(batch))
        self._interpreter.invoke()
        return self._output.dequantize(self._interpreter.get_tensor(self._output.index))


def _patch_shape(name: str, shape: tuple[int, ...], kind: FrontEnd) -> tuple[int, tuple[int, ...]]:
    """How many patches an input takes at once, and the size of each."""
    if kind == "samples" and len(shape) in (1, 2):
        batch, size = (1, *shape)[-2:]
        if size >= WINDOW_SAMPLES:
            return batch, (size,)
    if kind == "log-mel" and (len(shape) == 3 or (len(shape) == 4 and shape[3] == 1)):
        batch, num_frames, num_mels = shape[:3]
        if num_frames >= 2 and num_mels >= 2:
            return batch, (num_frames, num_mels)
    wanted = {
        "log-mel": "(patches, frames, mels) or (patches, frames, mels, 1)",
        "samples": f"(samples,) or (patches, samples), at least {WINDOW_SAMPLES} samples",
    }
    raise BenchError(
        f"{name}: its input has shape {shape}; the front end {kind!r} fills {wanted[kind]}. Name"
        " another with --peer NAME=FILE:FRONTEND"
    )


def _whole_patches(samples: Samples, size: int, hop: int) -> Samples:
    """`samples` with zeros behind until they are a whole number of patches."""
    num_more = max(0, math.ceil((len(samples) - size) / hop))
    return np.pad(samples, (0, size + num_more * hop - len(samples)))


@lru_cache(maxsize=1)
def _hann() -> Array:
    """Periodic."""
    phase = 2.0 * np.pi * np.arange(WINDOW_SAMPLES) / WINDOW_SAMPLES
    window: Array = (0.5 - 0.5 * np.cos(phase)).astype(np.float32)
    return window


def _mel(hz: npt.ArrayLike) -> npt.NDArray[np.float64]:
    mels: npt.NDArray[np.float64] = 1127.0 * np.log1p(np.asarray(hz, np.float64) / 700.0)
    return mels
