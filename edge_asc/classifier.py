"""From sound to scene: a whole window at once, or second by second."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.context import TIME_FEATURES, SceneContext
from edge_asc.errors import ModelFileError
from edge_asc.features import (
    LogMel,
    LogMelStream,
    Samples,
    apply_floor,
    log_mel,
    standardize,
)
from edge_asc.golden import allowed_error
from edge_asc.interpreter import Network, runtime_name
from edge_asc.mel_bands import BLOCK_FRAMES
from edge_asc.model_file import ModelFile
from edge_asc.windows import fit_to_window

Array = npt.NDArray[np.float32]

_golden_seen: set[tuple[str, ...]] = set()
"""Models whose golden outputs this process has seen come out right."""


@dataclass(frozen=True, slots=True)
class SceneEstimate:
    """What one window of sound was taken for."""

    scenes: tuple[str, ...]
    probabilities: Array
    """shape (num_scenes,); of logits divided by the manifest's temperature"""
    start_s: float
    end_s: float
    """Seconds since the stream began, lost sound included"""
    padded: bool = False
    """The window held less sound than the model wants; it was repeated to fill it."""
    after_gap: bool = False
    """The first window after lost sound."""
    familiarity: float = math.nan
    """How like what the model was trained on the sound is: the logarithm of the sum of the
    exponentials of the logits (the energy score of Liu et al., NeurIPS 2020, with its sign turned).
    """
    profile: Array | None = None
    """shape (num_mels,); mean of the standardised features over the window"""

    @property
    def scene(self) -> str:
        return self.scenes[int(np.argmax(self.probabilities))]

    @property
    def confidence(self) -> float:
        return float(self.probabilities.max())

    def ranked(self, count: int) -> list[tuple[str, float]]:
        """The `count` likeliest scenes with their probabilities, likeliest first."""
        order = np.argsort(-self.probabilities, kind="stable")[:count]
        return [(self.scenes[index], float(self.probabilities[index])) for index in order]


def familiarity(logits: Array) -> float:
    """What `SceneEstimate.familiarity` is, of logits of shape (num_scenes,)."""
    highest = float(logits.max())
    return highest + math.log(float(np.exp(logits - highest).sum()))


class SceneClassifier:
    """A model ready to listen.

    Streaming costs one second of features, one encoder cell and one head for each new second:

        cells  |c0|c1|c2|...|c9|            -> head -> estimate of [0 s, 10 s)
                  |c1|c2|...|c9|c10|        -> head -> estimate of [1 s, 11 s)

    It differs from `classify` on the same ten seconds in two ways, by nature: the first frame of a
    later window sees the real past where `classify` sees zeros, and the 80 dB floor under digital
    silence follows the highest frame heard so far in the window, since an encoded cell cannot know
    what comes after it.
    """

    def __init__(self, model: ModelFile, num_threads: int = 1) -> None:
        """Raises ModelFileError when shapes or golden outputs are not those of the manifest."""
        self.manifest = model.manifest
        self.temperature = model.manifest.temperature
        """1 gives the network's own probabilities"""
        self._whole = Network(model.whole, num_threads)
        self._encoder = Network(model.encoder, num_threads) if model.encoder is not None else None
        self._head = Network(model.head, num_threads) if model.head is not None else None
        self._mel_mean = np.asarray(self.manifest.mel_mean, np.float32)
        self._mel_std = np.asarray(self.manifest.mel_std, np.float32)
        self._check_shapes()
        key = (runtime_name(), *sorted(model.manifest.sha256.values()))
        if key not in _golden_seen:
            self._check_golden(model)
            _golden_seen.add(key)
        self._stream = LogMelStream(self.manifest.features)
        self._samples_heard = 0
        self._lost_sound = False
        self.reset()

    @property
    def sample_rate_hz(self) -> int:
        return self.manifest.features.sample_rate_hz

    @property
    def window_samples(self) -> int:
        return self.manifest.window_samples

    @property
    def streams(self) -> bool:
        """Whether a second of a stream costs a second, not a whole window."""
        return self._encoder is not None

    @property
    def hop_s(self) -> float:
        """Seconds between two estimates of a stream."""
        return BLOCK_FRAMES / self.manifest.features.frames_per_second

    def context_note(self, context: SceneContext) -> str | None:
        """What a user must know about how `context` is used, if anything."""
        city = context.city
        if not self.manifest.uses_context:
            return "this model uses no city and no time" if city else None
        if city is None or city in self.manifest.trained_cities:
            return None
        return f"no training clip of this model came from {city}: it is used as 'unknown city'"

    def classify(self, samples: Samples, context: SceneContext) -> SceneEstimate:
        """The scene of one window of sound, shape (num_samples,), at most `window_samples` long.

        A shorter one is repeated until it fills the window, and the estimate says so. Raises
        ValueError for an empty or longer one.
        """
        features, padded = self.window_features(samples)
        end_s = len(samples) / self.sample_rate_hz
        logits = self.whole_logits(features, context)
        return self._estimate(logits, features.mean(axis=0), 0.0, end_s, padded=padded)

    def process(self, chunk: Samples, context: SceneContext) -> list[SceneEstimate]:
        """Take in `chunk`, shape (num_samples,); return an estimate for each second it completes.

        The first comes when a whole window has been heard.
        """
        self._samples_heard += len(chunk)
        if self._estimates_since_reset == 0:
            self._unfinished.append(chunk)
        estimates = []
        frames = self._stream.process(chunk)
        for start in range(0, len(frames), BLOCK_FRAMES):
            self._add_block(frames[start : start + BLOCK_FRAMES])
            if self._window_is_full():
                estimates.append(self._stream_estimate(context))
        return estimates

    def finish(self, context: SceneContext) -> list[SceneEstimate]:
        """The stream has ended: if it never filled a window, estimate what there was, padded."""
        sound = np.concatenate(self._unfinished) if self._unfinished else np.zeros(0, np.float32)
        if self._estimates_since_reset > 0 or len(sound) == 0:
            return []
        estimate = self.classify(sound[: self.window_samples], context)
        start_s = self._start_samples / self.sample_rate_hz
        return [
            replace(
                estimate,
                start_s=start_s,
                end_s=start_s + estimate.end_s,
                after_gap=self._lost_sound,
            )
        ]

    def begin_at(self, start_s: float) -> None:
        """Sound was lost; what comes next begins `start_s` after the stream did.

        At 0 it is a stream of its own, before which nothing was lost.
        """
        self._samples_heard = round(start_s * self.sample_rate_hz)
        self.reset()
        self._lost_sound = start_s > 0

    def reset(self) -> None:
        """Forget the sound heard so far; time goes on."""
        num_blocks = -(-self.manifest.num_frames // BLOCK_FRAMES)
        self._stream.reset()
        self._frames: deque[LogMel] = deque(maxlen=num_blocks)
        self._highest: deque[float] = deque(maxlen=num_blocks)
        self._steps: deque[npt.NDArray[Any]] = deque(maxlen=num_blocks)
        self._profiles: deque[Array] = deque(maxlen=num_blocks)
        self._unfinished: list[Samples] = []
        self._start_samples = self._samples_heard
        self._blocks_since_reset = 0
        self._estimates_since_reset = 0

    def window_features(self, samples: Samples) -> tuple[LogMel, bool]:
        """Standardised features, shape (num_frames, num_mels), of one window of sound.

        The second value says whether the sound was too short and repeated. Raises as `classify`.
        """
        window, padded = fit_to_window(samples, self.window_samples)
        return self.standardize(log_mel(window, self.manifest.features)), padded

    def probabilities(self, features: LogMel, context: SceneContext) -> Array:
        """Calibrated probabilities, shape (num_scenes,), of one window's standardised features."""
        return self._softmax(self.whole_logits(features, context))

    def whole_logits(self, features: LogMel, context: SceneContext) -> Array:
        """Logits, shape (num_scenes,), of standardised features, shape (num_frames, num_mels)."""
        return self._run_whole(features, self._encode(context))

    def streamed_logits(self, features: LogMel, context: SceneContext) -> Array:
        """The same by encoder and head; only for a model that has them."""
        return self._run_streamed(features, self._encode(context))

    def _softmax(self, logits: Array) -> Array:
        exponentials = np.exp((logits - logits.max()) / np.float32(self.temperature))
        probabilities: Array = exponentials / exponentials.sum()
        return probabilities

    def _estimate(
        self,
        logits: Array,
        profile: Array,
        start_s: float,
        end_s: float,
        *,
        padded: bool = False,
        after_gap: bool = False,
    ) -> SceneEstimate:
        return SceneEstimate(
            self.manifest.scenes,
            self._softmax(logits),
            start_s,
            end_s,
            padded,
            after_gap,
            familiarity(logits),
            profile,
        )

    def standardize(self, frames: LogMel) -> LogMel:
        """`frames` as this model wants them; both of shape (num_frames, num_mels)."""
        limits = self.manifest.standardized_range
        return standardize(frames, self._mel_mean, self._mel_std, limits)

    def _encode(self, context: SceneContext) -> dict[str, Array]:
        if not self.manifest.uses_context:
            return {}
        known = context.city in self.manifest.trained_cities
        usable = context if known else replace(context, city=None)
        city = usable.encode_city(self.manifest.cities)
        return {"city": city[None], "time": usable.encode_time()[None]}

    def _add_block(self, block: LogMel) -> None:
        self._blocks_since_reset += 1
        self._frames.append(block)
        self._highest.append(float(block.max()))
        if self._encoder is not None:
            floor = max(self._highest) - self.manifest.features.top_db
            floored = np.maximum(block, np.float32(floor))
            cell = self.standardize(floored)
            self._steps.append(self._encode_cell(cell))
            self._profiles.append(cell.mean(axis=0))

    def _window_is_full(self) -> bool:
        return len(self._frames) == self._frames.maxlen

    def _stream_estimate(self, context: SceneContext) -> SceneEstimate:
        if self._encoder is not None:
            logits = self._run_head(list(self._steps), self._encode(context))
            profile = np.add.reduce(list(self._profiles)) / np.float32(len(self._profiles))
        else:
            frames = np.concatenate(list(self._frames))[-self.manifest.num_frames :]
            features = self.standardize(apply_floor(frames, self.manifest.features.top_db))
            logits, profile = self.whole_logits(features, context), features.mean(axis=0)
        after_gap = self._lost_sound and self._estimates_since_reset == 0
        self._estimates_since_reset += 1
        self._unfinished = []
        heard = self._blocks_since_reset * BLOCK_FRAMES * self.manifest.features.hop_samples
        end_s = (self._start_samples + heard) / self.sample_rate_hz
        start_s = end_s - self.manifest.window_s
        return self._estimate(logits, profile, start_s, end_s, after_gap=after_gap)

    def _run_whole(self, features: LogMel, context: dict[str, Array]) -> Array:
        logits: Array = self._whole.run(features=features[None, :, :, None], **context)[0]
        return logits

    def _run_streamed(self, features: LogMel, context: dict[str, Array]) -> Array:
        cells = features.reshape(-1, BLOCK_FRAMES, features.shape[1])
        return self._run_head([self._encode_cell(cell) for cell in cells], context)

    def _encode_cell(self, cell: LogMel) -> npt.NDArray[Any]:
        """Steps of one cell, as the head takes them: quantized once, not once a hop."""
        assert self._encoder is not None
        assert self._head is not None
        encoded, taken = self._encoder.output, self._head.inputs["steps"]
        steps = self._encoder.invoke(features=cell[None, :, :, None])
        return steps if encoded.has_scale_of(taken) else taken.quantize(encoded.dequantize(steps))

    def _run_head(self, steps: list[npt.NDArray[Any]], context: dict[str, Array]) -> Array:
        assert self._head is not None
        logits: Array = self._head.run(steps=np.concatenate(steps, axis=1), **context)[0]
        return logits

    def _check_shapes(self) -> None:
        facts = self.manifest
        num_mels, logits = facts.features.num_mels, (1, len(facts.scenes))
        context: dict[str, tuple[int, ...]] = {}
        if facts.uses_context:
            context = {"city": (1, len(facts.cities) + 1), "time": (1, TIME_FEATURES)}
        window = {"features": (1, facts.num_frames, num_mels, 1), **context}
        self._check_network("whole-window network", self._whole, window, logits)
        if self._encoder is None or self._head is None:
            return
        cell: dict[str, tuple[int, ...]] = {"features": (1, BLOCK_FRAMES, num_mels, 1)}
        self._check_network("encoder", self._encoder, cell, self._encoder.output.shape)
        _, steps_per_cell, step_size = self._encoder.output.shape
        num_steps = facts.num_frames // BLOCK_FRAMES * steps_per_cell
        steps = {"steps": (1, num_steps, step_size)}
        self._check_network("head", self._head, steps | context, logits)

    def _check_network(
        self,
        part: str,
        network: Network,
        inputs: dict[str, tuple[int, ...]],
        output: tuple[int, ...],
    ) -> None:
        found = {name: spec.shape for name, spec in network.inputs.items()}
        if found != inputs or network.output.shape != output:
            raise ModelFileError(
                f"model {self.manifest.name}: its {part} takes {found} and gives"
                f" {network.output.shape}; the manifest says {inputs} and {output}"
            )

    def _check_golden(self, model: ModelFile) -> None:
        """Run the windows that were kept at export: the same logits, or as near as is allowed."""
        runtime = runtime_name()
        allowed = allowed_error(self.manifest, runtime)
        runs = {"logits": self._run_whole}
        if self._head is not None:
            runs["streamed_logits"] = self._run_streamed
        for index, features in enumerate(model.golden["features"]):
            context = {
                name: model.golden[name][index][None]
                for name in ("city", "time")
                if name in model.golden
            }
            for name, run in runs.items():
                error = np.abs(run(features, context) - model.golden[name][index]).max()
                if not error <= allowed:  # so that NaN is refused too
                    must = f"at most {allowed:.3g} is allowed" if allowed else "they must be equal"
                    raise ModelFileError(
                        f"model {self.manifest.name} computes wrong results with {runtime}: the"
                        f" {name} of a window kept at export are off by {error:.3g}, {must}; use"
                        " another version of the interpreter"
                    )
