"""A model as C beside the interpreters, on real windows and random ones: counts of unequal bytes.

    python -m edge_asc.firmware_bridge.codegen.compare MODEL --data DIR --windows 500

A window is ten cells for the encoder and one answer of the head. Real windows come from recordings
in DIR (*.flac and *.ogg, in any depth), evenly chosen, with random cities and times; random ones
are bytes without meaning. The C runs under gcc's address and undefined-behaviour sanitizers.
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path

import click
import numpy as np

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.errors import EdgeAscError, FirmwareError
from edge_asc.firmware_bridge.codegen.compiler import CompiledNetwork, compile_model
from edge_asc.firmware_bridge.codegen.host import HostModel
from edge_asc.firmware_bridge.codegen.oracle import (
    ARITHMETICS,
    Arithmetic,
    Int8,
    default_kernels,
)
from edge_asc.firmware_bridge.codegen.vectors import Array, ModelOracle, Vector
from edge_asc.model_file import ModelFile, default_model_path

_SOUNDS = ("*.flac", "*.ogg")
_SEED = 20268


@dataclass(frozen=True, slots=True)
class Inputs:
    """One real window."""

    features: Array
    """shape (num_frames, num_mels), standardised"""
    context: dict[str, Array]
    """City and time, where the model takes them"""


@dataclass(frozen=True, slots=True)
class Agreement:
    """How a network's C compares with what it must equal."""

    network: str
    vectors: int
    unequal_vectors: int
    largest: int
    """Difference of a byte"""
    same_highest: int
    """Vectors whose highest output is the same one: for a head, the scene"""


def real_windows(model: ModelFile, data_dir: Path, count: int) -> Iterator[Inputs]:
    """Windows of evenly chosen places of all recordings; raises FirmwareError without any."""
    paths = sorted(path for pattern in _SOUNDS for path in data_dir.rglob(pattern))
    if not paths:
        raise FirmwareError(f"{data_dir} holds no {' and no '.join(_SOUNDS)}")
    classifier = SceneClassifier(model)
    facts = model.manifest
    rng = np.random.default_rng(_SEED)
    for at in np.linspace(0, len(paths) - 1, count).round().astype(int):
        sound = read_audio(paths[at], classifier.sample_rate_hz)
        begin = int(rng.integers(max(1, len(sound) - classifier.window_samples)))
        features, _ = classifier.window_features(sound[begin:][: classifier.window_samples])
        yield Inputs(features, _context(facts.cities, rng) if facts.uses_context else {})


def real_vectors(ask: ModelOracle, windows: Sequence[Inputs]) -> list[Vector]:
    """What encoder and head give for them by an interpreter: its own steps go into its head."""
    vectors: list[Vector] = []
    for window in windows:
        cells = ask.encode(window.features)
        vectors += [*cells, ask.classify(cells, window.context)]
    return vectors


def random_vectors(
    ask: ModelOracle, encoder: CompiledNetwork, head: CompiledNetwork, count: int
) -> list[Vector]:
    """The same for random bytes: one cell and one head each, the same ones in every call."""
    rng = np.random.default_rng(_SEED)
    vectors: list[Vector] = []
    for _ in range(count):
        (cell,) = _random_inputs(rng, encoder)
        vectors += [ask.encode_cell(cell), ask.run_head(_random_inputs(rng, head))]
    return vectors


def run_in_c(host: HostModel, vectors: Sequence[Vector]) -> list[Vector]:
    """The same inputs through C."""
    made: dict[str, Iterator[list[Int8]]] = {}
    for name in {vector.network for vector in vectors}:
        own = [list(vector.inputs.values()) for vector in vectors if vector.network == name]
        made[name] = iter(host.run(name, own))
    return [replace(vector, outputs=next(made[vector.network])) for vector in vectors]


def compare(got: Sequence[Vector], wanted: Sequence[Vector]) -> list[Agreement]:
    """How far the outputs of each network differ, vector by vector."""
    pairs: dict[str, list[tuple[Int8, Int8]]] = {}
    for mine, other in zip(got, wanted, strict=True):
        pairs.setdefault(mine.network, []).append((mine.outputs[0], other.outputs[0]))
    return [_agreement(name, outputs) for name, outputs in pairs.items()]


def _agreement(name: str, pairs: Sequence[tuple[Int8, Int8]]) -> Agreement:
    off = [int(np.abs(a.astype(int) - b.astype(int)).max()) for a, b in pairs]
    same = sum(int(a.argmax() == b.argmax()) for a, b in pairs)
    return Agreement(name, len(off), sum(one > 0 for one in off), max(off), same)


def _context(cities: Sequence[str], rng: np.random.Generator) -> dict[str, Array]:
    city = [None, *cities][int(rng.integers(len(cities) + 1))]
    when = datetime(2026, int(rng.integers(1, 13)), int(rng.integers(1, 29)), int(rng.integers(24)))
    context = SceneContext(city, when if rng.random() < 0.8 else None)
    return {"city": context.encode_city(cities), "time": context.encode_time()}


def _random_inputs(rng: np.random.Generator, network: CompiledNetwork) -> list[Int8]:
    return [rng.integers(-128, 128, place.shape).astype(np.int8) for place in network.inputs]


def _line(what: str, found: Agreement) -> str:
    return (
        f"{what}: {found.network}, {found.vectors} vectors, {found.unequal_vectors} unequal,"
        f" largest difference {found.largest}, highest output the same in {found.same_highest}"
    )


def _compare_model(
    model: ModelFile, arithmetic: Arithmetic, data_dir: Path | None, windows: int
) -> bool:
    """Print what was found; whether all was equal."""
    encoder, head = compile_model(model, arithmetic)
    ask = ModelOracle(model, encoder, head)
    default = ModelOracle(model, encoder, head, default_kernels())
    sets = {"random": [random_vectors(one, encoder, head, windows) for one in (ask, default)]}
    if data_dir is not None:
        real = list(real_windows(model, data_dir, windows))
        sets["real"] = [real_vectors(one, real) for one in (ask, default)]
    equal = True
    with tempfile.TemporaryDirectory() as folder:
        host = HostModel([encoder, head], Path(folder))
        for name, (wanted, near) in sets.items():
            what = f"beside {encoder.oracle}, {windows} {name} windows"
            for found in compare(run_in_c(host, wanted), wanted):
                print(_line(f"C {what}", found))
                equal = equal and found.unequal_vectors == 0
            for found in compare(near, wanted):
                print(_line(f"LiteRT's default kernels {what}", found))
    return equal


@click.command(help=__doc__)
@click.argument("model", type=click.Path(path_type=Path), required=False)
@click.option("--data", type=click.Path(path_type=Path, exists=True), help="Recordings.")
@click.option("--windows", type=click.IntRange(min=1), default=20, show_default=True)
@click.option("--arith", type=click.Choice(ARITHMETICS), multiple=True, help="Default: both.")
def main(
    model: Path | None, data: Path | None, windows: int, arith: tuple[Arithmetic, ...]
) -> None:
    """Compare, and end with 1 if any byte is unequal."""
    try:
        read = ModelFile.read(model or default_model_path())
        equal = [_compare_model(read, one, data, windows) for one in arith or ARITHMETICS]
    except EdgeAscError as error:
        raise click.ClickException(str(error)) from error
    sys.exit(0 if all(equal) else 1)


if __name__ == "__main__":
    main()
