"""How recordings are cut into windows, and what becomes of the last one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier, SceneEstimate
from edge_asc.context import SceneContext
from edge_asc.errors import AudioError
from edge_asc.features import Samples
from edge_asc.recordings import classify_recording, mean_estimate

WavWriter = Callable[..., Path]
RATE_HZ, WINDOW = 8_000, 16_000


class Classifier:
    """Writes down the windows it is given."""

    sample_rate_hz, window_samples = RATE_HZ, WINDOW

    def __init__(self) -> None:
        self.windows: list[Samples] = []
        self.contexts: list[SceneContext] = []

    def classify(self, samples: Samples, context: SceneContext) -> SceneEstimate:
        self.windows.append(samples)
        self.contexts.append(context)
        probabilities = np.array([0.25, 0.75], np.float32)
        padded = len(samples) < WINDOW
        return SceneEstimate(("bus", "bar"), probabilities, 0.0, len(samples) / RATE_HZ, padded)


def classify(
    path: Path, context: SceneContext | None = None
) -> tuple[Classifier, list[SceneEstimate]]:
    classifier = Classifier()
    used = cast(SceneClassifier, classifier)
    return classifier, classify_recording(path, used, context or SceneContext())


@pytest.mark.parametrize(
    ("seconds", "ends_s"),
    [
        (0.1, [0.1]),  # the only one, however short
        (2.0, [2]),
        (2.9, [2]),  # 0.9 s are less than half a window
        (3.0, [2, 3]),
        (3.9, [2, 3.9]),
        (4.0, [2, 4]),
        (7.0, [2, 4, 6, 7]),
    ],
)
@pytest.mark.parametrize("rate_hz", [8_000, 48_000])
def test_windows_follow_each_other(
    write_wav: WavWriter, seconds: float, ends_s: list[float], rate_hz: int
) -> None:
    path = write_wav(np.zeros(round(seconds * rate_hz)), rate_hz)
    _, estimates = classify(path)
    assert [estimate.end_s for estimate in estimates] == ends_s
    assert [estimate.start_s for estimate in estimates] == [0, 2, 4, 6][: len(ends_s)]
    last_is_full = ends_s[-1] % 2 == 0
    assert [estimate.padded for estimate in estimates][-1] is not last_is_full
    assert not any(estimate.padded for estimate in estimates[:-1])


def test_the_windows_are_the_sound(write_wav: WavWriter, rng: np.random.Generator) -> None:
    path = write_wav(rng.uniform(-1, 1, (5 * 44_100, 2)), 44_100)
    classifier, _ = classify(path)
    assert [len(window) for window in classifier.windows] == [WINDOW, WINDOW, RATE_HZ]
    expected = read_audio(path, RATE_HZ)
    np.testing.assert_array_equal(np.concatenate(classifier.windows), expected)


def test_time_goes_on_within_a_recording(write_wav: WavWriter) -> None:
    path = write_wav(np.zeros(4 * RATE_HZ), RATE_HZ)
    context = SceneContext("Hefei", datetime(2026, 5, 17, 14, 59, 58))
    classifier, _ = classify(path, context)
    assert classifier.contexts == [
        SceneContext("Hefei", datetime(2026, 5, 17, 15, 0, 0)),
        SceneContext("Hefei", datetime(2026, 5, 17, 15, 0, 2)),
    ]


def test_the_mean_of_the_windows() -> None:
    scenes = ("bus", "bar", "metro")
    first = SceneEstimate(scenes, np.array([0.5, 0.25, 0.25], np.float32), 0, 10)
    last = SceneEstimate(scenes, np.array([0.0, 0.75, 0.25], np.float32), 10, 17, padded=True)
    mean = mean_estimate([first, last])
    np.testing.assert_array_equal(mean.probabilities, np.array([0.25, 0.5, 0.25], np.float32))
    assert (mean.start_s, mean.end_s, mean.padded, mean.scene) == (0, 17, True, "bar")


def test_an_unreadable_recording(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match="no such file"):
        classify(tmp_path / "nothing.wav")
