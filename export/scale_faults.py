"""Scales of an integer network that contradict each other or the float network.

A scale that is merely coarse makes an error that can be measured. But one wrong number in a file
may also shift blame: an operator forms its bias in steps of input times weight, so a wrong scale of
its input spoils *its* output most. What the file itself says tells which number is wrong:

- a weight or bias must stand for the float network's, to half a step;
- a bias is in steps of input times weight; where weight and bias are right, the input is wrong;
- tensors whose numbers are only moved (PAD, CONCATENATION ...) have one scale; most are right;
- so have the steps of a recurrence;
- LOGISTIC and TANH have scales that TFLite fixes;
- where it is known which range a tensor was to have, its scale must be that range's.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.export.flatbuffer import Graph, Quantization
from edge_asc.export.kernel_rules import FIXED_SCALES, KEEPS_SCALE, WEIGHTED
from edge_asc.training.models.device_layers import quantization

_HALF_STEP = 0.55
"""What rounding to the nearest may leave, and a little for the arithmetic of float32."""

_HALF_FULL = 64
_EXACT = 0.02

_SAME = 1e-3
"""Relative difference below which two scales are one."""

_STEP = re.compile(r"/\d+|#\d+")

Ranges = Mapping[str, tuple[float, float]]
Scale = tuple[float, int]


@dataclass(frozen=True, slots=True)
class Fault:
    """Something wrong in the file, and the computed tensor or input that it belongs to."""

    tensor: str
    text: str


def layer_of(tensor: str) -> str:
    """The name that all steps and pieces of a tensor share: "gru.state" of "gru.state/3"."""
    return _STEP.sub("", tensor)


def find_faults(
    float32: Graph, integer: Graph, seen: Ranges, intended: Ranges | None = None
) -> list[Fault]:
    """Every contradiction in the scales of `integer`, made of `float32`.

    Args:
        seen: lowest and highest value of each computed tensor in the float network, by name: where
            two scales contradict and nothing else tells which is right, they do.
        intended: the ranges that `quantize` was given, if they are known.
    """
    constants = list(_constant_faults(float32, integer))
    spoiled = {fault.tensor for fault in constants}
    biases = list(_bias_faults(integer, spoiled))
    blamed = {fault.tensor for fault in biases}
    moved = _odd_ones_out(
        integer, _moved_together(integer), blamed, seen, "where its values are moved"
    )
    steps = _odd_ones_out(integer, _steps(integer), blamed, {}, "in its other steps")
    other = [*_fixed_faults(integer), *_intention_faults(integer, intended or {})]
    return [*constants, *biases, *moved, *steps, *other]


def tensor_scale(graph: Graph, tensor: int) -> Scale | None:
    """Scale and zero point of a tensor that has one of each and is no constant; else None."""
    found = graph.quantization(tensor)
    if found is None or len(found.scale) != 1 or graph.constant(tensor) is not None:
        return None
    return float(found.scale[0]), found.zero_point


def _constant_faults(float32: Graph, integer: Graph) -> Iterator[Fault]:
    wanted = {float32.name(output): operator for operator, output in float32.computed()}
    for operator, output in integer.computed():
        source = wanted.get(integer.name(output))
        if source is None:
            continue
        for place, index in enumerate(operator.inputs):
            found = None if index < 0 else integer.quantization(int(index))
            values = None if found is None else integer.constant(int(index))
            right = None if values is None else float32.constant(int(source.inputs[place]))
            if found is not None and values is not None and right is not None:
                role = ("operand", "weight", "bias")[
                    place if _is_weighted(integer, operator) else 0
                ]
                text = _compare_constant(role, right, values, found)
                if text:
                    yield Fault(integer.name(output), text)


def _is_weighted(graph: Graph, operator: Any) -> bool:  # noqa: ANN401 - the schema's class has no types
    return graph.kind(operator) in WEIGHTED


def _compare_constant(
    role: str,
    right: npt.NDArray[Any],
    values: npt.NDArray[Any],
    found: Quantization,
) -> str:
    """What is wrong with a constant's scale; "" if it stands for the `right` values."""
    scale = found.scale.astype(np.float64)[:, None]
    rows = (
        np.moveaxis(array.astype(np.float64), found.axis if len(scale) > 1 else 0, 0)
        for array in (np.atleast_1d(values), np.atleast_1d(right))
    )
    steps, wanted = (array.reshape(len(scale), -1) for array in rows)
    steps, wanted = steps - found.zero_point, wanted / scale
    allowed = np.full(steps.shape, _HALF_STEP)
    if values.dtype == np.int8:
        # A scale that leaves half of the numbers unused was chosen because it is exact.
        allowed[np.abs(steps).max(axis=1) < _HALF_FULL] = _EXACT
    off = np.abs(steps - wanted)
    # float32 has 24 bits, a bias may have 31.
    if not (off > allowed + 2.0**-23 * np.abs(steps)).any():
        return ""
    channel, column = np.unravel_index(int(np.argmax(off / allowed)), off.shape)
    ratio = steps[channel, column] / wanted[channel, column] if wanted[channel, column] else np.inf
    where = f" of channel {channel}" if len(scale) > 1 else ""
    return (
        f"{role} scale{where} is {scale[channel, 0]:.3g}, by which its values are"
        f" {ratio:.3g} × those of the float network"
    )


def _bias_faults(integer: Graph, spoiled: set[str]) -> Iterator[Fault]:
    for operator, output in integer.computed():
        name = integer.name(output)
        if not _is_weighted(integer, operator) or name in spoiled or len(operator.inputs) < 3:
            continue
        source, weight, bias = (int(index) for index in operator.inputs)
        quantizations = [integer.quantization(i) for i in (source, weight, bias) if i >= 0]
        if len(quantizations) < 3 or None in quantizations:
            continue
        inputs, weights, biases = (found.scale for found in quantizations if found is not None)
        ratio = biases / (inputs * weights)
        if np.abs(ratio - 1).max() <= _SAME:
            continue
        if np.ptp(ratio) <= _SAME * ratio.max():
            right = float(inputs[0] * ratio.flat[0])
            text = f"scale is {inputs[0]:.3g}, but the biases of {name} were made for {right:.3g}"
            yield Fault(integer.name(source), text)
        else:
            channel = int(np.argmax(np.abs(ratio - np.median(ratio))))
            text = f"bias scale of channel {channel} is not that of input times weight"
            yield Fault(name, text)


def _moved_together(integer: Graph) -> list[list[int]]:
    """Tensors that hold the same numbers, or pieces of them: they must have one scale."""
    group: dict[int, int] = {}

    def root(index: int) -> int:
        while group.setdefault(index, index) != index:
            index = group[index]
        return index

    for operator, output in integer.computed():
        if integer.kind(operator) in KEEPS_SCALE:
            for index in operator.inputs:
                if tensor_scale(integer, int(index)) is not None:
                    group[root(int(index))] = root(output)
    return _groups(group, root)


def _steps(integer: Graph) -> list[list[int]]:
    """The computed tensors of all steps of one layer."""
    outputs = [o for _, o in integer.computed() if tensor_scale(integer, o) is not None]
    return _groups(outputs, lambda o: (layer_of(integer.name(o)), integer.dtype(o).name))


def _groups(tensors: Iterable[int], key: Callable[[int], object]) -> list[list[int]]:
    groups: defaultdict[object, list[int]] = defaultdict(list)
    for index in list(tensors):
        groups[key(index)].append(index)
    return [group for group in groups.values() if len(group) > 1]


def _odd_ones_out(
    integer: Graph, groups: list[list[int]], blamed: set[str], ranges: Ranges, of_which: str
) -> Iterator[Fault]:
    """Tensors whose scale is not that of the others in their group."""
    for group in groups:
        scales = {integer.name(i): tensor_scale(integer, i) for i in group}
        counts = Counter(scales.values())
        if len(counts) == 1:
            continue
        right = _right_scale(scales, blamed, ranges)
        for name, scale in scales.items():
            if right is not None and scale is not None and scale != right:
                what, values = ("scale", (scale[0], right[0]))
                if scale[0] == right[0]:
                    what, values = ("zero point", (scale[1], right[1]))
                yield Fault(name, f"{what} is {values[0]:.3g}, but {values[1]:.3g} {of_which}")


def _right_scale(
    scales: Mapping[str, Scale | None], blamed: set[str], ranges: Ranges
) -> Scale | None:
    """The scale that most have; of equally many, one that no bias speaks against, or that fits.

    None where nothing tells.
    """
    counts = Counter(scales.values())
    (_, most), *_ = counts.most_common(1)
    leading = [scale for scale, count in counts.items() if count == most and scale is not None]
    if len(leading) > 1:
        unblamed = [s for n, s in scales.items() if s in leading and n not in blamed]
        leading = [scale for scale in leading if scale in unblamed] or leading
    if len(leading) > 1 and all(name in ranges for name in scales):
        low = min(ranges[name][0] for name in scales)
        high = max(ranges[name][1] for name in scales)
        leading.sort(key=lambda scale: abs(np.log(scale[0] * 255 / max(high - low, 1e-9))))
        return leading[0]
    return leading[0] if len(leading) == 1 else None


def _fixed_faults(integer: Graph) -> Iterator[Fault]:
    for operator, output in integer.computed():
        fixed = FIXED_SCALES.get((integer.kind(operator), integer.dtype(output).name))
        found = tensor_scale(integer, output)
        if fixed is not None and found is not None and found != fixed:
            text = f"scale is {found[0]:.3g}, but {integer.kind(operator)} must have {fixed[0]:.3g}"
            yield Fault(integer.name(output), text)


def _intention_faults(integer: Graph, intended: Ranges) -> Iterator[Fault]:
    given = {
        output
        for operator, output in integer.computed()
        if integer.kind(operator) in KEEPS_SCALE
        or (integer.kind(operator), integer.dtype(output).name) in FIXED_SCALES
    }
    for index in [*integer.inputs, *(output for _, output in integer.computed())]:
        name, found = integer.name(index), tensor_scale(integer, index)
        if found is None or index in given or name not in intended:
            continue
        low, high = intended[name]
        right = quantization(low, high)[0]
        if integer.dtype(index) == np.int16:
            right = max(-low, high) / np.iinfo(np.int16).max
        if abs(found[0] / right - 1) > _SAME:
            yield Fault(name, f"scale is {found[0]:.3g}, but its range asks for {right:.3g}")


def with_conversions(int8: bytes) -> bytes:
    """The network with its contradictions resolved, so that kernels which refuse them run it.

    Every tensor keeps the scale that the file gives it; where an operator needs another one, its
    input or output is converted. So each tensor holds what its own scale makes of its values.
    """
    graph = Graph(int8)
    operators: list[Any] = []
    for operator, output in list(graph.computed()):
        kind = graph.kind(operator)
        fixed = FIXED_SCALES.get((kind, graph.dtype(output).name))
        if kind in KEEPS_SCALE:
            target = tensor_scale(graph, output)
            sources = [int(index) for index in operator.inputs]
            operator.inputs = [_converted(graph, operators, i, target) for i in sources]
        if kind in WEIGHTED:
            _fit_bias(graph, operator)
        operators.append(operator)
        if fixed is not None and tensor_scale(graph, output) not in (None, fixed):
            own = _copy(graph, output, fixed)
            operator.outputs = [own]
            operators.append(graph.new_operator("QUANTIZE", 2, [own], [output]))
    graph.operators[:] = operators
    return graph.to_bytes()


def _converted(graph: Graph, operators: list[Any], index: int, scale: Scale | None) -> int:
    found = tensor_scale(graph, index) if index >= 0 else None
    if found is None or scale is None or found == scale:
        return index
    target = _copy(graph, index, scale)
    operators.append(graph.new_operator("QUANTIZE", 2, [index], [target]))
    return target


def _copy(graph: Graph, index: int, scale: Scale) -> int:
    name = f"{graph.name(index)}|converted{graph.num_tensors}"
    own = Quantization(np.array([scale[0]], np.float32), scale[1])
    return graph.add_tensor(name, graph.shape(index), graph.dtype(index), own)


def _fit_bias(graph: Graph, operator: Any) -> None:  # noqa: ANN401 - the schema's class has no types
    """Say of the bias what the kernel takes it for, whatever its scale says."""
    indices = [int(index) for index in operator.inputs]
    found = [graph.quantization(index) for index in indices if index >= 0]
    if len(found) == 3 and found[0] is not None and found[1] is not None:
        graph.set_type(
            indices[2], graph.dtype(indices[2]), Quantization(found[0].scale * found[1].scale)
        )
