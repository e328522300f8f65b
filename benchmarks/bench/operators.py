"""Which layer costs what: a network is cut after each, and the cuts are timed in turn.

LiteRT's wheels (2.1.0 to 2.3.0) offer no profiler to Python: `Interpreter` has none, and that of
the compiled model is reached only from C, whose headers the wheels do not bring.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.benchmarks.bench.bootstrap import RESAMPLES, Values, block_length, drawn_places
from edge_asc.benchmarks.bench.graph_cuts import Group, cut, groups, joined
from edge_asc.interpreter import (
    Network,
    load_interpreter,
    quantize_inputs,
    tensor_spec,
)
from edge_asc.model_file import ModelFile

NETWORKS = ("whole", "encoder", "head")
"""Of a model file"""

ROUNDS = 200

Inputs = Mapping[str, npt.NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Cost:
    """What a group of operators adds to the network's time."""

    group: Group
    median_s: float
    low_s: float
    """Of the 95 % interval, as `high_s`; one that holds zero cannot be told from nothing."""
    high_s: float
    share: float
    """Of all operators' time"""


@dataclass(frozen=True, slots=True)
class Profile:
    """All operators of one network."""

    network: str
    """One of NETWORKS"""
    costs: tuple[Cost, ...]
    sum_s: float
    """Of all costs"""
    whole_s: float
    """The network as the file has it, uncut, in the same rounds"""
    call_s: float
    """What a network without operators takes: part of `whole_s`, but not of `sum_s`"""

    def rows(self, model: str) -> list[dict[str, Any]]:
        """As in `Result.operators`."""
        return [
            {
                "model": model,
                "network": self.network,
                "index": cost.group.index,
                "operators": cost.group.count,
                "operator": cost.group.label,
                "median_s": cost.median_s,
                "low_s": cost.low_s,
                "high_s": cost.high_s,
                "share": cost.share,
            }
            for cost in self.costs
        ]


def profile(
    network: str,
    tflite: bytes,
    inputs: Inputs,
    *,
    rounds: int = ROUNDS,
    seed: int = 1,
    num_threads: int = 1,
    show: Callable[[str], None] = lambda text: None,
) -> Profile:
    """Time each operator of a network with `inputs`, float32 or quantized, by their names.

    Raises InterpreterError if the interpreter refuses a cut.
    """
    found = groups(tflite)
    counts = [0, *(group.index + group.count for group in found)]
    files = [*(cut(tflite, count) for count in counts), tflite]
    calls = [_ready(file, inputs, num_threads) for file in files]
    rng = random.Random(seed)
    times_s = np.empty((rounds, len(calls)))
    for place in range(rounds):
        show(f"{network}: round {place + 1} of {rounds}")
        times_s[place] = one_round(calls, rng)
    return summarize(network, found, times_s, np.random.default_rng(seed))


def one_round(
    calls: Sequence[Callable[[], object]],
    rng: random.Random,
    clock: Callable[[], float] = time.perf_counter,
) -> list[float]:
    """Seconds of each call, made in shuffled order; one before it, untimed, warms its memory."""
    times_s = [0.0] * len(calls)
    for place in rng.sample(range(len(calls)), len(calls)):
        calls[place]()
        began_s = clock()
        calls[place]()
        times_s[place] = clock() - began_s
    return times_s


def summarize(
    network: str, found: Sequence[Group], times_s: Values, rng: np.random.Generator
) -> Profile:
    """Costs from times of rounds, shape (num_rounds, 1 + num_groups + 1): no group, the first, the
    first two, ..., all of them, and the network uncut.

    A group with which the network is surely faster than without it was fused with the one before
    it, and is joined to it.
    """
    medians = np.median(times_s, axis=0)
    places = drawn_places(len(times_s), block_length(times_s[:, -1]), RESAMPLES, rng)
    drawn = np.stack([np.median(column[places], axis=1) for column in times_s.T])
    bounds = [*zip(found, range(len(found)), range(1, len(found) + 1), strict=True)]
    sum_s = float(medians[len(found)] - medians[0])
    while True:
        costs = [_cost(group, medians, drawn, begin, end, sum_s) for group, begin, end in bounds]
        faster = next((place for place, cost in enumerate(costs) if cost.high_s < 0.0), None)
        if faster is None or len(bounds) == 1:
            break
        first = max(faster, 1) - 1
        (one, begin, _), (two, _, end) = bounds[first : first + 2]
        bounds[first : first + 2] = [(joined(one, two), begin, end)]
    return Profile(network, tuple(costs), sum_s, float(medians[-1]), float(medians[0]))


def network_inputs(model: ModelFile) -> dict[str, Inputs]:
    """What each network is given for the first window that the model was checked with at export.

    By NETWORKS; those that the model does not have are left out. Raises InterpreterError.
    """
    first = {name: values[:1] for name, values in model.golden.items()}
    features = first["features"][..., None]
    context: dict[str, npt.NDArray[Any]] = {
        name: values for name, values in first.items() if name in ("city", "time")
    }
    found: dict[str, Inputs] = {"whole": {"features": features, **context}}
    if model.encoder is not None and model.manifest.cell_frames is not None:
        cells = np.split(features, features.shape[1] // model.manifest.cell_frames, axis=1)
        encoder = Network(model.encoder)
        steps = np.concatenate([encoder.run(features=cell) for cell in cells], axis=1)
        found |= {"encoder": {"features": cells[-1]}, "head": {"steps": steps, **context}}
    return found


def _ready(tflite: bytes, inputs: Inputs, num_threads: int) -> Callable[[], object]:
    """The interpreter's `invoke`, with its inputs set."""
    interpreter = load_interpreter(tflite, num_threads)
    specs = [tensor_spec(details) for details in interpreter.get_input_details()]
    wanted = {spec.name: spec for spec in specs}
    given = {name: values for name, values in inputs.items() if name in wanted}
    for index, values in quantize_inputs(wanted, given):
        interpreter.set_tensor(index, values)
    invoke: Callable[[], object] = interpreter.invoke
    return invoke


def _cost(group: Group, medians: Values, drawn: Values, begin: int, end: int, sum_s: float) -> Cost:
    """Of what lies between two cuts; `drawn` has the shape (num_cuts, RESAMPLES)."""
    low_s, high_s = np.percentile(drawn[end] - drawn[begin], [2.5, 97.5])
    median_s = float(medians[end] - medians[begin])
    return Cost(group, median_s, float(low_s), float(high_s), median_s / sum_s)
