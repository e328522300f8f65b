"""What a tensor of the TFLite file is called in PyTorch and in ONNX: told by its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime

from edge_asc.errors import ExportError
from edge_asc.export.alignment import MAX_DIFFERENCE, tap_values
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import CARRIERS
from edge_asc.export.onnx import Part, to_tflite_layout
from edge_asc.interpreter import Network

Array = npt.NDArray[np.float32]

_NUM_WINDOWS = 2
"""Two tensors may agree by chance on one input, above all where they are zero."""


@dataclass(frozen=True, slots=True)
class LayerNames:
    """One tensor's other names; "" where that network has no such tensor."""

    tap: str
    """In PyTorch: where a module named ".taps." passes it on; "/3" is the fourth time"""
    onnx: str
    """The output of an ONNX node"""


def layer_names(
    float32: bytes, part: Part, onnx_path: Path, windows: Sequence[Mapping[str, Array]]
) -> dict[str, LayerNames]:
    """Names in PyTorch and ONNX of the inputs of `float32`, a TFLite network, and all it computes.

    A tensor is found by its values, which are the same in all three up to their order; of several
    that hold the same, the first to be computed. A tensor that only moves values has the PyTorch
    name of what it moves.

    Args:
        windows: inputs in PyTorch's layout; the first two are used.

    Raises:
        ExportError: no windows.
    """
    if not windows:
        raise ExportError("names are told by values on real windows: give at least one, got none")
    windows = windows[:_NUM_WINDOWS]
    taps: dict[str, list[Array]] = {}
    for inputs in windows:
        for passed in tap_values(part, inputs):
            taps.setdefault(passed.name, []).append(passed.values)
    nodes = _onnx_values(onnx_path, windows)
    network = Network(float32, keep_tensors=True)
    tensors: dict[str, list[Array]] = {}
    for inputs in windows:
        network.run(**to_tflite_layout(inputs))
        for name, values in network.tensors().items():
            tensors.setdefault(name, []).append(values.reshape(-1))
    graph = Graph(float32)
    names = {
        name: LayerNames(_find(tensors[name], taps), name)
        for name in (graph.name(index) for index in graph.inputs)
    }
    for operator, output in graph.computed():
        name = graph.name(output)
        if graph.kind(operator) in CARRIERS:
            source = next(int(i) for i in operator.inputs if graph.constant(int(i)) is None)
            tap = names[graph.name(source)].tap
        else:
            tap = _find(tensors[name], taps)
        names[name] = LayerNames(tap, _find(tensors[name], nodes))
    return names


def _find(wanted: list[Array], candidates: Mapping[str, list[Array]]) -> str:
    """The first candidate that holds the `wanted` values in every window; "" if none does."""
    for name, found in candidates.items():
        if all(_equal(*pair) for pair in zip(wanted, found, strict=True)):
            return name.removesuffix(_CHANNELS_LAST)
    return ""


def _equal(wanted: Array, found: Array) -> bool:
    if len(wanted) != len(found):
        return False
    allowed = MAX_DIFFERENCE * max(float(np.abs(wanted).max(initial=0.0)), 1e-3)
    return bool(np.abs(wanted - found).max(initial=0.0) <= allowed)


_CHANNELS_LAST = " (channels last)"


def _onnx_values(path: Path, windows: Sequence[Mapping[str, Array]]) -> dict[str, list[Array]]:
    """Every float tensor that a node gives, flat; images also in TFLite's order."""
    model = onnx.load(path)
    outputs = [name for node in model.graph.node for name in node.output if name]
    known = {output.name for output in model.graph.output}
    model.graph.output.extend(
        onnx.ValueInfoProto(name=name) for name in outputs if name not in known
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    values: dict[str, list[Array]] = {}
    for inputs in windows:
        for name, found in zip(outputs, session.run(outputs, dict(inputs)), strict=True):
            if found.dtype != np.float32:
                continue
            values.setdefault(name, []).append(found.reshape(-1))
            if found.ndim == 4:
                last = found.transpose(0, 2, 3, 1).reshape(-1)
                values.setdefault(name + _CHANNELS_LAST, []).append(last)
    return values
