"""What ten seconds of log-mel cost, by each way that was considered, beside their arithmetic floor.

    python -m edge_asc.benchmarks.front_end [--rounds 200] [--recordings FOLDER]

Real sound, one process, one thread, one block of 50 frames at a time, shuffled order. scipy and
librosa take part where they are installed. The floor is the arithmetic that the cheapest known
algorithm needs, and the time it would take at the rate of a large matrix product here.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy reads it when it is loaded

import importlib
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click
import numpy as np
import numpy.typing as npt

from edge_asc.audio import read_audio
from edge_asc.benchmarks.programme import recordings_option
from edge_asc.features import FeatureConfig, Samples
from edge_asc.mel_bands import BLOCK_FRAMES, Floats, FourierBands, ProductBands, hann, mel_matrix

CONFIG = FeatureConfig()
BLOCKS = 10
"""In ten seconds of sound"""

Way = Callable[[Samples], object]


def floor_operations(config: FeatureConfig) -> dict[str, int]:
    """Additions, products, roots and logarithms of real numbers that one frame needs at least.

    The FFT: 2 N log2 N - 4 N + 6 for N real samples by split radix (Johnson and Frigo, IEEE
    Transactions on Signal Processing 55(1), 2007).
    """
    size, num_bins = config.fft_size, config.fft_size // 2 + 1
    return {
        "window": config.window_samples,
        "FFT": 2 * size * round(np.log2(size)) - 4 * size + 6,
        "magnitude": 4 * num_bins,  # two squares, their sum, its root
        "mel": 2 * int(np.count_nonzero(mel_matrix(config))) - config.num_mels,
        "logarithm": 2 * config.num_mels,
    }


def ways() -> Iterator[tuple[str, Way]]:
    """Name and function of each way; a function takes 51 halves of a window, (51 * hop,)."""
    yield "before: numpy FFT in double precision, dense mel weights", dense_fourier
    yield "FourierBands", FourierBands(CONFIG).process
    yield "ProductBands", ProductBands(CONFIG).process
    yield "numpy FFT in single precision, dense mel weights", single_fourier(np.fft.rfft)
    if scipy_fft := _installed("scipy.fft"):
        yield "scipy FFT in single precision, dense mel weights", single_fourier(scipy_fft.rfft)
    if librosa := _installed("librosa"):
        yield "librosa", librosa_bands(librosa)


def _installed(name: str) -> Any:  # noqa: ANN401
    """The module, or None, which is told."""
    try:
        return importlib.import_module(name)
    except ImportError:
        click.echo(f"{name} is not installed: left out", err=True)
        return None


def dense_fourier(samples: Samples) -> npt.NDArray[np.float32]:
    """As it was computed before there were two ways."""
    buffer = np.zeros((BLOCK_FRAMES, CONFIG.fft_size))
    _window(samples, hann(CONFIG.window_samples), buffer)
    magnitude = np.abs(np.fft.rfft(buffer).astype(np.complex64))
    return magnitude @ mel_matrix(CONFIG).T


def single_fourier(rfft: Callable[..., Any]) -> Way:
    """By a library's FFT of float32."""
    window = hann(CONFIG.window_samples).astype(np.float32)
    weights = np.ascontiguousarray(mel_matrix(CONFIG).T)
    buffer = np.zeros((BLOCK_FRAMES, CONFIG.fft_size), np.float32)

    def way(samples: Samples) -> object:
        _window(samples, window, buffer)
        return np.abs(rfft(buffer).astype(np.complex64, copy=False)) @ weights

    return way


def librosa_bands(librosa: Any) -> Way:  # noqa: ANN401
    """As the official baseline calls librosa, up to the mel bands."""

    def way(samples: Samples) -> object:
        return librosa.feature.melspectrogram(
            y=samples,
            sr=CONFIG.sample_rate_hz,
            n_fft=CONFIG.fft_size,
            hop_length=CONFIG.hop_samples,
            win_length=CONFIG.window_samples,
            n_mels=CONFIG.num_mels,
            fmin=CONFIG.fmin_hz,
            fmax=CONFIG.fmax_hz,
            power=1.0,
        )

    return way


def _window(samples: Samples, window: Floats, out: Floats) -> None:
    hop = CONFIG.hop_samples
    halves = samples.reshape(-1, hop)
    np.multiply(halves[:-1], window[:hop], out=out[:, :hop])
    np.multiply(halves[1:], window[hop:], out=out[:, hop : 2 * hop])


def measure(
    every: dict[str, Way], blocks: list[Samples], rounds: int, seed: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Seconds for ten seconds of sound, `rounds` times each, in shuffled order."""
    rng = random.Random(seed)
    times_s: dict[str, list[float]] = {name: [] for name in every}
    for way in every.values():
        way(blocks[0])  # tables are made, libraries loaded
    for name in rng.sample([*every] * rounds, rounds * len(every)):
        began_s = time.perf_counter()
        for block in rng.choices(blocks, k=BLOCKS):
            every[name](block)
        times_s[name].append(time.perf_counter() - began_s)
    return {name: np.array(values) for name, values in times_s.items()}


def product_rate() -> float:
    """Operations a second of a large product of matrices in single precision: the best of ten."""
    factor = np.random.default_rng(1).standard_normal((1024, 1024)).astype(np.float32)
    times_s = []
    for _ in range(10):
        began_s = time.perf_counter()
        factor @ factor
        times_s.append(time.perf_counter() - began_s)
    return 2 * 1024**3 / min(times_s)


def read_blocks(recordings: list[Path]) -> list[Samples]:
    """Real sound for a block, from each recording that is long enough."""
    size = (BLOCK_FRAMES + 1) * CONFIG.hop_samples
    sounds = (read_audio(path, CONFIG.sample_rate_hz, duration_s=2.0) for path in recordings)
    return [sound[:size] for sound in sounds if len(sound) >= size]


@click.command()
@click.option("--rounds", type=click.IntRange(min=10), default=200, show_default=True)
@click.option("--seed", default=1, show_default=True)
@recordings_option
def main(rounds: int, seed: int, recordings: list[Path]) -> None:
    """Print a table of every way, and the floor."""
    times_s = measure(dict(ways()), read_blocks(recordings), rounds, seed)
    before = np.median(next(iter(times_s.values())))
    click.echo("| way | best | median | median, of the way before |\n|---|---:|---:|---:|")
    for name, values in times_s.items():
        median = np.median(values)
        click.echo(
            f"| {name} | {1e3 * values.min():.2f} ms | {1e3 * median:.2f} ms |"
            f" {median / before:.2f} |"
        )
    needed, rate = floor_operations(CONFIG), product_rate()
    total = sum(needed.values()) * BLOCK_FRAMES * BLOCKS
    click.echo(f"\noperations a frame: {', '.join(f'{name} {n:,}' for name, n in needed.items())}")
    click.echo(
        f"floor for ten seconds: {total / 1e6:.1f} million operations,"
        f" {1e3 * total / rate:.2f} ms at the {rate / 1e9:.0f} GFLOP/s of a large product here"
    )


if __name__ == "__main__":
    main()
