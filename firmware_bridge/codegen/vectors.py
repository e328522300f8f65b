"""Inputs and right outputs of compiled networks: what a package checks itself with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.firmware_bridge.codegen.compiler import CompiledNetwork, Place
from edge_asc.firmware_bridge.codegen.oracle import Int8, Oracle, Run, oracle
from edge_asc.interpreter import TensorSpec
from edge_asc.model_file import ModelFile

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Vector:
    """One run of one network."""

    network: str
    inputs: Mapping[str, Int8]
    outputs: Sequence[Int8]
    """In the network's order"""


def quantize(place: Place, values: Array) -> Int8:
    """Float values as the network takes them, of its shape: as the runtime quantizes."""
    # The index is an interpreter's, which has no part in this.
    spec = TensorSpec(place.name, 0, place.shape, np.dtype(np.int8), place.scale, place.zero_point)
    result: Int8 = spec.quantize(values.reshape(place.shape).astype(np.float32))
    return result


class ModelOracle:
    """The interpreter's answers for a model's encoder and head, as a device chains them."""

    def __init__(
        self,
        model: ModelFile,
        encoder: CompiledNetwork,
        head: CompiledNetwork,
        ask: Oracle | None = None,
    ) -> None:
        """`encoder` and `head` are those of `compile_model`; `ask`: another than their oracle."""
        assert model.encoder is not None
        assert model.head is not None
        self._encoder, self._head = encoder, head
        ask = ask or oracle(encoder.arithmetic)
        self._run_encoder: Run = ask.load(model.encoder)
        self._run_head: Run = ask.load(model.head)

    def encode(self, features: Array) -> list[Vector]:
        """A vector for each cell of standardised features, shape (num_frames, num_mels)."""
        (place,) = self._encoder.inputs
        cells = features.reshape(-1, *place.shape)
        return [self.encode_cell(quantize(place, cell)) for cell in cells]

    def encode_cell(self, cell: Int8) -> Vector:
        (place,) = self._encoder.inputs
        return Vector(self._encoder.name, {place.name: cell}, self._run_encoder([cell]))

    def classify(self, cells: Sequence[Vector], context: Mapping[str, Array]) -> Vector:
        """The head's vector of the cells' steps, which are repeated until they fill a window.

        `context`: "city" and "time", shape (num_cities + 1,) and (8,), where the model takes them.
        """
        inputs: dict[str, Int8] = {}
        for place in self._head.inputs:
            if place.name in context:
                inputs[place.name] = quantize(place, context[place.name])
            else:
                steps = np.concatenate([cell.outputs[0].ravel() for cell in cells])
                inputs[place.name] = np.resize(steps, place.num_bytes).reshape(place.shape)
        return self.run_head(list(inputs.values()))

    def run_head(self, values: Sequence[Int8]) -> Vector:
        """The head's vector of inputs in its order."""
        names = [place.name for place in self._head.inputs]
        inputs = dict(zip(names, values, strict=True))
        return Vector(self._head.name, inputs, self._run_head(values))


def golden_vectors(
    model: ModelFile,
    encoder: CompiledNetwork,
    head: CompiledNetwork,
    *,
    windows: int = 2,
    cells: int = 3,
) -> list[Vector]:
    """Vectors of the first `cells` cells of the first windows that the model was exported with.

    The head runs on those cells' steps, repeated, so that a package need not hold whole windows.
    """
    ask = ModelOracle(model, encoder, head)
    vectors: list[Vector] = []
    for at in range(min(windows, len(model.golden["features"]))):
        encoded = ask.encode(model.golden["features"][at])[:cells]
        context = {
            name: model.golden[name][at] for name in ("city", "time") if name in model.golden
        }
        vectors += [*encoded, ask.classify(encoded, context)]
    return vectors
