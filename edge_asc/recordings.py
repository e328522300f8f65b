"""Classify whole recordings, one window after the other."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np

from edge_asc.audio import open_audio, read_blocks
from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.features import Samples
from edge_asc.resample import Resampler
from edge_asc.windows import MIN_WINDOW_SHARE


def classify_recording(
    path: Path, classifier: SceneClassifier, context: SceneContext
) -> list[SceneEstimate]:
    """One estimate for each window of a sound file; the windows follow each other without overlap.

        |---- window ----|---- window ----|--- at least half: padded ---|
        |---- window ----|---- window ----|- less: left out -|

    `context.local_time` is the time at which the recording begins. Raises AudioError.
    """
    estimates: list[SceneEstimate] = []
    rate_hz = classifier.sample_rate_hz
    for window in _windows(path, rate_hz, classifier.window_samples):
        if estimates and len(window) < MIN_WINDOW_SHARE * classifier.window_samples:
            break
        start_s = len(estimates) * classifier.window_samples / rate_hz
        end_s = start_s + len(window) / rate_hz
        estimate = classifier.classify(window, context_after(context, end_s))
        estimates.append(replace(estimate, start_s=start_s, end_s=end_s))
    return estimates


def mean_estimate(estimates: list[SceneEstimate]) -> SceneEstimate:
    """The mean of the probabilities of a recording's windows; padded if any of them is."""
    probabilities = np.mean([estimate.probabilities for estimate in estimates], axis=0)
    return SceneEstimate(
        scenes=estimates[0].scenes,
        probabilities=probabilities.astype(np.float32),
        start_s=estimates[0].start_s,
        end_s=estimates[-1].end_s,
        padded=any(estimate.padded for estimate in estimates),
    )


def context_after(context: SceneContext, elapsed_s: float) -> SceneContext:
    """`context` at a later moment of a recording that began at its local time, if that is known."""
    if context.local_time is None:
        return context
    return replace(context, local_time=context.local_time + timedelta(seconds=elapsed_s))


def _windows(path: Path, sample_rate_hz: int, window_samples: int) -> Iterator[Samples]:
    """The sound of a file in windows, the last as long as the file lasts."""
    with open_audio(path) as file:
        resampler = Resampler(file.samplerate, sample_rate_hz)
        block_samples = round(window_samples / sample_rate_hz * file.samplerate)
        waiting = np.empty(0, np.float32)
        for block in read_blocks(file, block_samples):
            waiting = np.concatenate([waiting, resampler.process(block)])
            while len(waiting) >= window_samples:
                yield waiting[:window_samples]
                waiting = waiting[window_samples:]
        waiting = np.concatenate([waiting, resampler.finish()])
        for start in range(0, len(waiting), window_samples):
            yield waiting[start : start + window_samples]
