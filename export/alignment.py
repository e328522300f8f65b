"""Which tensor of a converted network is which tensor of the PyTorch network: told by their values.

A converter names, orders and merges as it likes. But on the same input both networks compute the
same numbers. A tensor is found by what it holds: as many values, equal but for rounding errors of
float32, in TFLite's order (mel outside, channel inside).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from edge_asc.errors import ExportError
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import CARRIERS
from edge_asc.export.onnx import Part
from edge_asc.interpreter import Network
from edge_asc.training.models.device_layers import Tap

Array = npt.NDArray[np.float32]

MAX_DIFFERENCE = 1e-3
"""Share of a tensor's largest value by which the two networks may differ in it."""

_ROUNDING = 1e-5
"""Share by which they differ anyway: of taps that are as near as that, the first is taken."""


@dataclass(frozen=True, slots=True)
class TapValue:
    """What passed a tap at one time."""

    name: str
    """Of the tap; with "/3" behind it for step 3 of those that are passed once a step"""
    low: float
    high: float
    values: Array
    """Flat, in TFLite's order"""


@torch.no_grad()
def tap_values(part: Part, inputs: Mapping[str, Array]) -> list[TapValue]:
    """What passes the taps of `part` for one window's `inputs`, in the order of computation.

    `inputs` are in PyTorch's layout, features (1, 1, T, M).
    """
    taps = {module: name for name, module in part.module.named_modules() if isinstance(module, Tap)}
    passed: list[tuple[Tap, Tensor]] = []

    def keep(tap: nn.Module, _: object, out: Tensor) -> None:
        assert isinstance(tap, Tap)
        passed.append((tap, out))

    hooks = [tap.register_forward_hook(keep) for tap in taps]
    try:
        part.module(**{name: torch.from_numpy(values) for name, values in inputs.items()})
    finally:
        for hook in hooks:
            hook.remove()
    times = {tap: sum(other is tap for other, _ in passed) for tap in taps}
    seen: dict[Tap, int] = {}
    found = []
    for tap, out in passed:
        step = seen[tap] = seen.get(tap, -1) + 1
        name = taps[tap].replace("taps.", "").removeprefix("network.")
        layout = out.permute(0, 2, 3, 1) if out.dim() == 4 else out
        found.append(
            TapValue(
                name if times[tap] == 1 else f"{name}/{step}",
                float(tap.low),
                float(tap.high),
                layout.reshape(-1).numpy(),
            )
        )
    return found


def name_tensors(tflite: bytes, taps: list[TapValue], inputs: Mapping[str, Array]) -> bytes:
    """The same network with its tensors named after the `taps` that hold their values.

    `inputs` are those that the taps saw, in TFLite's layout. Tensors that only carry numbers are
    named after their source and the operator that moved them, weights and biases after the tensor
    that is computed with them; other constants are numbered.

    Raises:
        ExportError: a computed tensor has no tap: the converter made another network of it.
    """
    graph = Graph(tflite)
    # Names must differ for their values to be told apart.
    for index in range(graph.num_tensors):
        if index not in graph.inputs:
            graph.rename(index, f"t{index}")
    network = Network(graph.to_bytes(), keep_tensors=True)
    network.run(**inputs)
    values = network.tensors()
    graph = Graph(graph.to_bytes())
    names: dict[int, str] = {}
    left = list(taps)
    for operator, output in graph.computed():
        kind = graph.kind(operator)
        if kind in CARRIERS:
            source = next(int(i) for i in operator.inputs if graph.constant(int(i)) is None)
            names[output] = f"{names.get(source, graph.name(source))}|{kind.lower()}"
            continue
        computed = values.get(graph.name(output))  # none where it holds counts or indices
        tap = None if computed is None else _find(computed.reshape(-1), left)
        if tap is None:
            raise ExportError(
                f"the converter made a {kind} of shape {graph.shape(output)} that the network has"
                " no counterpart of; use the versions of constraints.txt"
            )
        left.remove(tap)
        names[output] = tap.name
        for role, index in zip(("weight", "bias"), operator.inputs[1:], strict=False):
            constant = None if index < 0 else graph.constant(int(index))
            if constant is not None and constant.dtype == np.float32:
                names.setdefault(int(index), f"{tap.name.split('/')[0]}.{role}")
    _rename(graph, names)
    return graph.to_bytes()


def _find(values: Array, taps: list[TapValue]) -> TapValue | None:
    """The tap with the nearest values; None where none has these."""
    largest = max(float(np.abs(values).max(initial=0.0)), 1e-3)
    near = [
        (apart, tap)
        for tap in taps
        if len(tap.values) == len(values)
        and (apart := float(np.abs(tap.values - values).max()) / largest) <= MAX_DIFFERENCE
    ]
    nearest = min((apart for apart, _ in near), default=0.0)
    return next((tap for apart, tap in near if apart <= nearest + _ROUNDING), None)


def _rename(graph: Graph, names: Mapping[int, str]) -> None:
    """Give tensors their names; the second of one name gets a number."""
    counts: dict[str, int] = {}
    for index, name in names.items():
        counts[name] = count = counts.get(name, 0) + 1
        graph.rename(index, name if count == 1 else f"{name}#{count}")
