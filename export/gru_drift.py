"""How the error of the GRU's state grows over many steps, in integers against float.

A window has 8 to 62 steps. Whether an error that is made in each of them stays bounded shows only
after hundreds: so one step is cut out of either network and repeated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import CARRIERS
from edge_asc.export.tensor_error import ratio_db
from edge_asc.interpreter import Network

Array = npt.NDArray[np.float32]
Inputs = Mapping[str, Array]

_GATES, _CANDIDATE, _STATE = "gru.input_gates", "gru.input_candidate", "gru.state"

SHUT = 24.0
"""A gate that takes this in is open, and with minus this shut, whatever the state says."""


FREE_STEPS = 20


@dataclass(frozen=True, slots=True)
class GruInputs:
    """What the input contributes to each step."""

    gates: Array
    """Reset gate, then update gate, before the sigmoid: shape (sequences, steps, 2 * size)"""
    candidate: Array
    """shape (sequences, steps, size)"""


@dataclass(frozen=True, slots=True)
class GruDrift:
    """Error of the state after each step, over all sequences and units."""

    max_error: Array
    """shape (steps,)"""
    snr_db: Array
    """shape (steps,); infinite without error"""


class GruStep:
    """The last step of a network's GRU by itself."""

    def __init__(self, tflite: bytes) -> None:
        """Raises ExportError when the network has no GRU of two steps or more."""
        graph = Graph(tflite)
        numbers = {graph.name(output): output for _, output in graph.computed()}
        last = max((_step(name) for name in numbers), default=0)
        # The first state is what is new: nothing was kept yet.
        before = numbers.get(f"{_STATE}/{last - 1}" if last > 1 else "gru.new/0")
        after = numbers.get(f"{_STATE}/{last}")
        if before is None or after is None:
            raise ExportError(
                f"the network has no GRU of two steps or more: no tensor {_STATE}/1; give the"
                " whole network or the head"
            )
        inputs = {before: "state"}
        needed = {after}
        operators = []
        for operator, output in reversed(list(graph.computed())):
            if output not in needed or output in inputs:
                continue
            source = graph.name(output).split("|")[0]
            if graph.kind(operator) in CARRIERS and source in (_GATES, _CANDIDATE):
                inputs[output] = "gates" if source == _GATES else "candidate"
                continue
            operators.append(operator)
            needed |= {int(index) for index in operator.inputs}
        for index, name in inputs.items():
            graph.rename(index, name)
        graph.operators[:] = operators[::-1]
        graph.model.subgraphs[0].inputs = list(inputs)
        graph.model.subgraphs[0].outputs = [after]
        self.size = graph.shape(after)[1]
        self._network = Network(graph.to_bytes())

    def states(self, gates: Array, candidate: Array) -> Array:
        """The state after each step, shape (steps, size), from a state of zeros.

        `gates` is (steps, 2 * size), `candidate` (steps, size).
        """
        states = [np.zeros(self.size, np.float32)]
        for gate, new in zip(gates, candidate, strict=True):
            states.append(self.following(states[-1], gate, new))
        return np.stack(states[1:])

    def following(self, state: Array, gates: Array, candidate: Array) -> Array:
        """The state (size,) that follows `state`."""
        inputs = {"gates": gates[None], "candidate": candidate[None], "state": state[None]}
        (following,) = self._network.run(**inputs)
        return np.asarray(following, np.float32)


def gru_drift(float32: bytes, int8: bytes, inputs: GruInputs) -> GruDrift:
    """Repeat one step of both networks on the same `inputs` and compare the states.

    Raises:
        ExportError: see `GruStep`.
    """
    steps = GruStep(float32), GruStep(int8)
    wanted, found = (
        np.stack([step.states(*one) for one in zip(inputs.gates, inputs.candidate, strict=True)])
        for step in steps
    )
    error = (found - wanted).astype(np.float64)
    powers = (np.square(values).sum(axis=(0, 2)) for values in (wanted.astype(np.float64), error))
    return GruDrift(
        max_error=np.abs(error).max(axis=(0, 2)).astype(np.float32),
        snr_db=np.array([ratio_db(*pair) for pair in zip(*powers, strict=True)], np.float32),
    )


def real_inputs(float32: bytes, windows: Sequence[Inputs], sequences: int, steps: int) -> GruInputs:
    """What the float network gives its GRU on `windows`, one after the other.

    Windows are used again where they do not suffice for `sequences` of `steps`.

    Raises:
        ExportError: the network has no GRU.
    """
    network = Network(float32, keep_tensors=True)
    gates, candidates = [], []
    for inputs in windows:
        network.run(**inputs)
        tensors = network.tensors()
        if _GATES not in tensors:
            raise ExportError(f"the network has no tensor {_GATES!r}: it has no GRU")
        gates.append(tensors[_GATES])
        candidates.append(tensors[_CANDIDATE])
    return GruInputs(*(_sequences(values, sequences, steps) for values in (gates, candidates)))


def adversarial_inputs(real: GruInputs, seed: int = 0) -> dict[str, GruInputs]:
    """Inputs that a GRU of few bits may bear badly, each made of the `real` ones.

    The update gate is the share of its state that a GRU keeps. Where it is held at 1, it is from
    step `FREE_STEPS` on: before, the state has become something to keep.
    """
    random = np.random.default_rng(seed)
    steps, size = real.candidate.shape[1:]
    span = np.abs(real.candidate).max()
    sign = np.where(np.arange(steps) % 2, SHUT, -SHUT)[:, None]
    started = (np.arange(steps) >= FREE_STEPS)[:, None]
    reset, update = real.gates[..., :size], real.gates[..., size:]

    def gated(update: npt.ArrayLike, candidate: npt.ArrayLike) -> tuple[Array, npt.ArrayLike]:
        return np.concatenate([reset, np.broadcast_to(update, reset.shape)], axis=2), candidate

    frozen = np.where(started, SHUT, update)
    made = {
        "update gate at 1": gated(frozen, real.candidate),
        "update gate at 1, candidate at -1": gated(
            frozen, np.where(started, -SHUT, real.candidate)
        ),
        "update gate at 0": gated(-SHUT, real.candidate),
        "update gate 0 and 1 in turn": gated(sign, real.candidate),
        "candidate -1 and 1 in turn": gated(update, real.candidate + sign),
        "random": (
            random.uniform(-8, 8, real.gates.shape),
            random.uniform(-span, span, real.candidate.shape),
        ),
    }
    return {
        name: GruInputs(np.asarray(gates, np.float32), np.asarray(candidate, np.float32))
        for name, (gates, candidate) in made.items()
    }


def _step(name: str) -> int:
    head, _, step = name.partition("/")
    return int(step) if head == _STATE and step.isdigit() else 0


def _sequences(values: list[Array], sequences: int, steps: int) -> Array:
    """`values`, each (S, width), laid end to end and cut into (sequences, steps, width)."""
    line = np.concatenate(values)
    places = np.arange(sequences * steps) % len(line)
    cut: Array = line[places].reshape(sequences, steps, -1)
    return cut
