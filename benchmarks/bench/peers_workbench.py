"""What peers are made of: the model they are compared with, its sound, a folder for networks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from itertools import cycle
from pathlib import Path
from typing import NamedTuple

import numpy as np

from edge_asc.atomic import atomic_path
from edge_asc.benchmarks.bench.peers import (
    RATE_HZ,
    TRAINED,
    Array,
    Hop,
    Peer,
    pieces,
)
from edge_asc.benchmarks.bench.ways import usual_context
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.features import Samples
from edge_asc.interpreter import Network, Package, runtime_name
from edge_asc.model_file import ModelFile
from edge_asc.sources import CHUNK_S

NUM_WINDOWS = 16
"""Of the sound, to set int8 ranges by and to try networks with"""

Run = Callable[..., Array]
"""Takes a network's inputs by their names"""


class TfliteForms(NamedTuple):
    """A network as TFLite has it."""

    float32: bytes
    int8: bytes


@dataclass(slots=True)
class Workbench:
    """Makes peers. Raises ModelFileError and InterpreterError as SceneClassifier does."""

    model: ModelFile
    """What the others are compared with"""
    sound: Samples
    """At RATE_HZ, at least a window long"""
    folder: Path
    """Converted networks are kept here; those that are there are not made again."""
    seed: int = 1
    say: Callable[[str], None] = lambda text: None
    classifier: SceneClassifier = field(init=False)
    context: SceneContext = field(init=False)

    def __post_init__(self) -> None:
        self.classifier = SceneClassifier(self.model)
        self.context = usual_context(self.model)

    def features(self, samples: Samples) -> Array:
        """Our front end: standardised log-mel, shape (num_frames, num_mels)."""
        return self.classifier.window_features(samples)[0]

    def windows(self) -> list[Samples]:
        """Some windows of the sound."""
        return pieces(self.sound, NUM_WINDOWS, self.seed)

    def context_inputs(self) -> dict[str, Array]:
        """City and time as networks with random weights take them."""
        return {
            "city": self.context.encode_city()[None],
            "time": self.context.encode_time()[None],
        }

    def kept(self, name: str, make: Callable[[], TfliteForms]) -> TfliteForms:
        """Forms of a network from the folder; made and put there if they are not there yet."""
        paths = [self.folder / f"{name}.{form}.tflite" for form in TfliteForms._fields]
        if not all(path.is_file() for path in paths):
            self.say(f"converting {name} to TFLite: about a minute")
            for path, tflite in zip(paths, make(), strict=True):
                with atomic_path(path) as temporary:
                    temporary.write_bytes(tflite)
        return TfliteForms(*(path.read_bytes() for path in paths))

    def hop(self) -> Hop:
        """One more second of the model's stream."""
        from edge_asc.benchmarks.hop_cost import Stream

        size = round(CHUNK_S * RATE_HZ)
        last = len(self.sound) - size
        chunks = [self.sound[start : start + size] for start in range(0, last + 1, size)]
        return Stream(self.model, cycle(chunks), RATE_HZ).hop


def model_peer(bench: Workbench, name: str, package: Package) -> Peer:
    """The model itself. Raises InterpreterError without that interpreter."""
    manifest = bench.model.manifest
    inputs: dict[str, Array] = {}
    if manifest.uses_context:
        city = bench.context.encode_city(manifest.cities)
        inputs = {"city": city[None], "time": bench.context.encode_time()[None]}
    return Peer(
        name,
        runtime_name(package),
        TRAINED,
        f"our front end and the model {manifest.name}",
        bench.features,
        whole_window(Network(bench.model.whole, package=package).run, inputs, last_axis=True),
        quantization=manifest.quantization,
    )


def whole_window(
    run: Run, inputs: Mapping[str, Array], *, last_axis: bool = False
) -> Callable[[Array], Array]:
    """Probabilities of features, shape (num_frames, num_mels), by a network that gives logits.

    It takes features as (1, 1, T, M), or with `last_axis` as (1, T, M, 1), and `inputs`.
    """

    def probabilities(features: Array) -> Array:
        shaped = features[None, :, :, None] if last_axis else features[None, None]
        return softmax(run(features=shaped, **inputs)[0])

    return probabilities


def softmax(logits: Array) -> Array:
    """Probabilities of `logits`, shape (num_scenes,)."""
    powers = np.exp(logits - logits.max())
    probabilities: Array = powers / powers.sum()
    return probabilities


def runtime(package: str) -> str:
    """As "torch 2.13.0"."""
    return f"{package} {version(package)}"
