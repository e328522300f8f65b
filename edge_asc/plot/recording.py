"""A recording along time, as `listen` hears it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.decision import Decider
from edge_asc.features import (
    FeatureConfig,
    LogMel,
    LogMelStream,
    Samples,
)
from edge_asc.level import measure_level
from edge_asc.listen import Judgement, listen
from edge_asc.mel_bands import BLOCK_FRAMES, mel_matrix
from edge_asc.messages import Message, Report, SceneChange
from edge_asc.outputs import Outputs
from edge_asc.plot.timeline import Bins, Spectrogram, Stretches, Timeline, Values
from edge_asc.resample import Resampler
from edge_asc.sources import CHUNK_S, AudioSource, Chunk
from edge_asc.sources.audio_file import AudioFile

QUIETEST_DBFS = -100.0
"""Digital silence, which is infinitely quiet, is drawn here: below the noise of 16 bits."""


@dataclass(frozen=True, slots=True)
class Hearing:
    """With what a recording is heard."""

    classifier: SceneClassifier
    context: SceneContext
    decider: Decider | None
    say: Callable[[str], None]
    """A note for the user"""
    progress: Callable[[str], None]
    """How far it is"""


def hear(path: Path, hearing: Hearing) -> Timeline:
    """Listen to a recording as fast as it can be read. Raises AudioError."""
    manifest, context = hearing.classifier.manifest, hearing.context
    sound = _Sound(AudioFile(path, fast=True), manifest.features, hearing.progress)
    answers = _Answers(manifest.scenes)
    outputs = Outputs([answers], say=hearing.say, patient=True)
    try:
        summary = listen(
            sound,
            hearing.classifier,
            outputs,
            context,
            judgement=Judgement(hearing.decider),
            say=hearing.say,
        )
    finally:
        outputs.close()
    hearing.progress("")
    place = f", {context.city}" if context.city else ""
    return Timeline(
        title=f"{path.name}{place}",
        model=manifest.name,
        demonstration=manifest.demonstration,
        smoothed=hearing.decider is not None,
        begins=context.local_time,
        start_s=0.0,
        end_s=summary.heard_s,
        scenes=manifest.scenes,
        belief=answers.belief.series(),
        level=sound.level.series(),
        decisions=answers.decisions.finish(),
        changes_s=answers.changes_s,
        spectrogram=sound.spectrogram(),
    )


class _Answers:
    """An output that keeps what is drawn."""

    name = "picture"
    is_main = True

    def __init__(self, scenes: tuple[str, ...]) -> None:
        self.belief = Bins(len(scenes), 1.0)
        self.decisions = Stretches()
        self.changes_s: list[float] = []
        self._covered_s = 0.0

    def write(self, message: Message) -> None:
        if isinstance(message, Report):
            estimate, decision = message.estimate, message.decision
            belief = estimate.probabilities if decision is None else decision.belief
            self.belief.fill(self._covered_s, estimate.end_s, belief.tolist())
            self._covered_s = estimate.end_s
            if decision is not None:
                since_s = estimate.end_s if decision.since_s is None else decision.since_s
                self.decisions.add(decision.scene, since_s, estimate.end_s)
        elif isinstance(message, SceneChange) and message.scene is not None:
            self.changes_s.append(message.detected_s)

    def close(self) -> None: ...


class _Sound:
    """The source, as the listener hears it; keeps level and spectrogram of what passes."""

    def __init__(
        self, source: AudioSource, config: FeatureConfig, progress: Callable[[str], None]
    ) -> None:
        self._source, self._config, self._progress = source, config, progress
        self.name, self.description, self.live = source.name, source.description, source.live
        self.level = Bins(2, CHUNK_S)
        self._mel = Bins(config.num_mels, 1.0 / config.frames_per_second)
        self._stream = LogMelStream(config)
        self._num_frames = self._num_samples = 0

    @property
    def trouble(self) -> str:
        return self._source.trouble

    def __enter__(self) -> _Sound:
        self._source.__enter__()
        return self

    def __exit__(self, *exc: object) -> None:
        self._source.__exit__(*exc)

    def __iter__(self) -> Iterator[Chunk]:
        resampler: Resampler | None = None
        heard_s = 0.0
        for chunk in self._source:
            resampler = resampler or Resampler(chunk.sample_rate_hz, self._config.sample_rate_hz)
            self._add_frames(resampler.process(chunk.samples))
            level = measure_level(chunk.samples)
            row = [max(value, QUIETEST_DBFS) for value in (level.rms_dbfs, level.peak_dbfs)]
            length_s = len(chunk.samples) / chunk.sample_rate_hz
            self.level.add(heard_s + length_s / 2, row)
            heard_s += length_s
            self._progress(f"hearing ... {heard_s:.0f} s")
            yield chunk
        if resampler is not None:
            self._add_frames(resampler.finish())
            self._finish_frames()

    def spectrogram(self) -> Spectrogram:
        """Of all that was heard."""
        return Spectrogram(self._mel.series(), centres_hz(self._config))

    def _add_frames(self, samples: Samples) -> None:
        self._num_samples += len(samples)
        self._keep(self._stream.process(samples))

    def _finish_frames(self) -> None:
        """The frames of the last second, which is not whole, by silence after it."""
        rest = self._num_samples // self._config.hop_samples - self._num_frames
        silence = np.zeros(BLOCK_FRAMES * self._config.hop_samples, np.float32)
        self._keep(self._stream.process(silence)[:rest])

    def _keep(self, frames: LogMel) -> None:
        for frame in frames:
            # In the middle of its bin, so that no rounding moves it.
            at_s = (self._num_frames + 0.5) / self._config.frames_per_second
            self._mel.add(at_s, frame)
            self._num_frames += 1


def centres_hz(config: FeatureConfig) -> Values:
    """The centre of gravity of each mel band, shape (num_mels,)."""
    bins_hz = np.fft.rfftfreq(config.fft_size, 1.0 / config.sample_rate_hz)
    weights = mel_matrix(config).astype(np.float64)
    return np.asarray(weights @ bins_hz / weights.sum(axis=1))
