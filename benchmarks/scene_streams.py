"""Streams with known changes of scene, made of recordings that a model never heard.

    |--- bus: recordings, one after the other ---|--- bar ... ---|--- bus: others ... ---|
    0 s                                        change          change

Within a stream every recording is used once.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.audio import open_audio, read_blocks
from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.features import Samples
from edge_asc.resample import Resampler
from edge_asc.training.datasets import Clip

_BLOCK_SAMPLES = 1 << 16


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of a stream in which one scene is heard."""

    scene: str
    start_s: float
    end_s: float


@dataclass(frozen=True, slots=True)
class Stream:
    """What a model made of a stream, and what was to be heard."""

    stretches: tuple[Stretch, ...]
    estimates: tuple[SceneEstimate, ...]

    @property
    def duration_s(self) -> float:
        return self.stretches[-1].end_s

    @property
    def num_changes(self) -> int:
        return len(self.stretches) - 1


def plan(
    recordings: Sequence[Clip], seed: int, *, stretch_recordings: tuple[int, int] = (1, 1)
) -> list[list[Clip]]:
    """Stretches of recordings of one scene, neighbours of different scenes, in a seeded order.

    Recordings of one group follow each other, as their parts did; a stretch has a random number of
    recordings within `stretch_recordings`. What is left of the most frequent scene, when no other
    can be put between, is not used.
    """
    rng = random.Random(seed)
    groups = sorted({recording.group for recording in recordings})
    place = {group: number for number, group in enumerate(rng.sample(groups, len(groups)))}
    by_scene: dict[str, list[Clip]] = defaultdict(list)
    for recording in sorted(recordings, key=lambda one: (place[one.group], one.path)):
        by_scene[str(recording.scene)].append(recording)
    stretches: dict[str, list[list[Clip]]] = {}
    for scene, waiting in sorted(by_scene.items()):
        stretches[scene] = []
        while waiting:
            count = rng.randint(*stretch_recordings)
            stretches[scene].append(waiting[:count])
            del waiting[:count]
    order: list[list[Clip]] = []
    last = ""
    while candidates := [scene for scene, left in stretches.items() if left and scene != last]:
        # In proportion to what is left, so that no scene is left over at the end.
        weights = [len(stretches[scene]) ** 2 for scene in candidates]
        last = rng.choices(candidates, weights)[0]
        order.append(stretches[last].pop())
    return order


def hear(classifier: SceneClassifier, order: Sequence[Sequence[Clip]]) -> Stream:
    """Let a model hear a planned stream, as `edge-asc listen` would."""
    classifier.begin_at(0.0)
    rate_hz = classifier.sample_rate_hz
    stretches: list[Stretch] = []
    estimates: list[SceneEstimate] = []
    num_samples = 0
    for recordings in order:
        start_s = num_samples / rate_hz
        for recording in recordings:
            samples = _sound(recording.path, rate_hz)
            num_samples += len(samples)
            estimates += classifier.process(samples, SceneContext())
        stretches.append(Stretch(str(recordings[0].scene), start_s, num_samples / rate_hz))
    return Stream(tuple(stretches), tuple(estimates))


def hear_alone(
    classifier: SceneClassifier,
    recordings: Sequence[Clip],
    value: Callable[[SceneEstimate], float],
) -> npt.NDArray[np.float64]:
    """The mean of `value` over the windows of each recording, heard by itself."""
    heard = []
    for recording in recordings:
        classifier.begin_at(0.0)
        samples = _sound(recording.path, classifier.sample_rate_hz)
        estimates = classifier.process(samples, SceneContext())
        estimates = estimates or classifier.finish(SceneContext())
        heard.append(float(np.mean([value(one) for one in estimates])))
    return np.array(heard)


def _sound(path: Path, rate_hz: int) -> Samples:
    with open_audio(path) as file:
        resampler = Resampler(file.samplerate, rate_hz)
        pieces = [resampler.process(block) for block in read_blocks(file, _BLOCK_SAMPLES)]
        return np.concatenate([*pieces, resampler.finish()])
