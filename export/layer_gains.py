"""Which layer would gain most if it alone were computed in float."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import KEEPS_SCALE
from edge_asc.export.quantizer import Precision, Ranges, quantize
from edge_asc.export.scale_faults import layer_of
from edge_asc.export.tensor_error import ratio_db
from edge_asc.interpreter import Network

Array = npt.NDArray[np.float32]
Inputs = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class LayerGain:
    """What the output's signal-to-noise ratio becomes with one layer in float."""

    layer: str
    snr_db: float
    gain_db: float
    """Over the network that is int8 throughout"""


def layer_gains(float32: bytes, ranges: Ranges, windows: Sequence[Inputs]) -> list[LayerGain]:
    """Quantize the network again and again, each time without one layer; the greatest gain first.

    A layer in float is a tensor that is not rounded: what makes it and what reads it compute in
    float. All steps of the GRU are one layer. `ranges` are those for `quantize`.

    Raises:
        ExportError: no windows, or a tensor without a range.
    """
    if not windows:
        raise ExportError("gains are measured on real windows: give at least one, got none")
    graph = Graph(float32)
    wanted = _outputs(float32, windows)
    base_db = _snr_db(wanted, _outputs(quantize(float32, ranges), windows))
    gains = []
    for layer in _layers(graph):
        without = quantize(float32, ranges, _in_float(graph, layer))
        snr_db = _snr_db(wanted, _outputs(without, windows))
        gains.append(LayerGain(layer, snr_db, snr_db - base_db))
    return sorted(gains, key=lambda gain: -gain.gain_db)


def _layers(graph: Graph) -> list[str]:
    names = [graph.name(i) for i in graph.inputs] + [graph.name(o) for _, o in graph.computed()]
    return list(dict.fromkeys(_layer(name) for name in names))


def _layer(name: str) -> str:
    """What a tensor belongs to: its numbers may have been moved since they were computed."""
    return layer_of(name.split("|")[0])


def _in_float(graph: Graph, layer: str) -> dict[str, Precision]:
    """The operators to compute in float so that no tensor of `layer` is rounded."""
    kept = {index for index in graph.inputs if _layer(graph.name(index)) == layer}
    precision: dict[str, Precision] = {}
    for operator, output in graph.computed():
        reads = any(int(index) in kept for index in operator.inputs)
        makes = _layer(graph.name(output)) == layer
        if makes or (reads and graph.kind(operator) in KEEPS_SCALE):
            kept.add(output)
        if makes or reads:
            precision[graph.name(output)] = "float"
    return precision


def _outputs(tflite: bytes, windows: Sequence[Inputs]) -> Array:
    network = Network(tflite)
    return np.stack([network.run(**inputs) for inputs in windows])


def _snr_db(wanted: Array, found: Array) -> float:
    power, noise = (
        float(np.square(values, dtype=np.float64).sum()) for values in (wanted, found - wanted)
    )
    return ratio_db(power, noise)
