"""What one more second of a stream costs, as a share of a whole window.

    python -m edge_asc.benchmarks.hop_cost [MODEL ...] [--recordings FOLDER]

Both are what a listener does, features and network, in one process on one thread, in shuffled
order, on real recordings: a hop is ten chunks of 0.1 s through resampler and classifier; a whole
window is all of its sound through `SceneClassifier.classify`. Prints the medians and their ratio,
with a 95 % interval by bootstrap.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # numpy reads it when it is loaded

import random
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import soundfile

from edge_asc.benchmarks.programme import recordings_option, write_programme
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.features import Samples
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.resample import Resampler, resample
from edge_asc.sources import CHUNK_S

RATES_HZ = (44_100, 48_000)
RUNS = 400
RESAMPLES = 2_000


@dataclass(frozen=True, slots=True)
class Cost:
    """One row of the table."""

    model: str
    rate_hz: int
    hop_s: npt.NDArray[np.float64]
    """shape (num_runs,)"""
    whole_s: npt.NDArray[np.float64]
    """shape (num_runs,)"""

    @property
    def ratio(self) -> float:
        return float(np.median(self.hop_s) / np.median(self.whole_s))

    def interval(self, rng: np.random.Generator) -> tuple[float, float]:
        """In which the ratio lies with 95 %."""
        hop, whole = (
            np.median(rng.choice(times, (RESAMPLES, len(times))), axis=1)
            for times in (self.hop_s, self.whole_s)
        )
        low, high = np.percentile(hop / whole, [2.5, 97.5])
        return float(low), float(high)


class Stream:
    """A listener in the middle of a stream."""

    def __init__(self, model: ModelFile, chunks: Iterator[Samples], rate_hz: int) -> None:
        self._classifier = SceneClassifier(model)
        self._resampler = Resampler(rate_hz, self._classifier.sample_rate_hz)
        self._chunks = chunks
        self._hop_chunks = round(self._classifier.hop_s / CHUNK_S)
        for _ in range(round(model.manifest.window_s / CHUNK_S)):
            self._hear()

    def hop(self) -> None:
        """Hear one more second."""
        if sum(self._hear() for _ in range(self._hop_chunks)) != 1:
            raise RuntimeError("a hop must give one estimate")

    def _hear(self) -> int:
        samples = self._resampler.process(next(self._chunks))
        return len(self._classifier.process(samples, SceneContext()))


def measure(model: ModelFile, programme: Path, runs: int, rng: random.Random) -> Cost:
    """Time hops and whole windows, `runs` of each in shuffled order."""
    rate_hz = soundfile.info(programme).samplerate
    sound, _ = soundfile.read(programme, dtype="float32")
    size = round(CHUNK_S * rate_hz)
    chunks = cycle([sound[start : start + size] for start in range(0, len(sound) - size, size)])
    stream = Stream(model, chunks, rate_hz)
    classifier = SceneClassifier(model)
    window_samples = round(model.manifest.window_s * rate_hz)

    def whole() -> None:
        start = rng.randrange(len(sound) - window_samples)
        window = resample(sound[start : start + window_samples], rate_hz, classifier.sample_rate_hz)
        classifier.classify(window, SceneContext())

    kinds: dict[str, Callable[[], None]] = {"hop": stream.hop, "whole": whole}
    times_s: dict[str, list[float]] = {name: [] for name in kinds}
    for name in rng.sample([*kinds] * (runs + 10), 2 * (runs + 10)):
        began_s = time.perf_counter()
        kinds[name]()
        times_s[name].append(time.perf_counter() - began_s)
    hop_s, whole_s = (np.array(times_s[name][10:]) for name in kinds)  # the first ones warm up
    return Cost(model.manifest.name, rate_hz, hop_s, whole_s)


@click.command()
@click.argument("models", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--runs", type=click.IntRange(min=20), default=RUNS, show_default=True)
@click.option("--seed", default=1, show_default=True)
@recordings_option
def main(models: tuple[Path, ...], runs: int, seed: int, recordings: list[Path]) -> None:
    """Compare a hop with a whole window, for each MODEL; without one, for the shipped one."""
    click.echo("| model | sound at | a hop | a whole window | ratio (95 % interval) |")
    click.echo("|---|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as name:
        for path in models or (default_model_path(),):
            for rate_hz in RATES_HZ:
                programme = Path(name) / f"{rate_hz}.wav"
                write_programme(recordings, programme, seed, rate_hz=rate_hz, most_s=120)
                cost = measure(ModelFile.read(path), programme, runs, random.Random(seed))
                low, high = cost.interval(np.random.default_rng(seed))
                hop_ms, whole_ms = (1e3 * np.median(times) for times in (cost.hop_s, cost.whole_s))
                click.echo(
                    f"| {cost.model} | {rate_hz} Hz | {hop_ms:.2f} ms | {whole_ms:.2f} ms |"
                    f" {cost.ratio:.3f} ({low:.3f} - {high:.3f}) |"
                )


if __name__ == "__main__":
    main()
