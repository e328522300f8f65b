"""Why an integer network differs from its float network: every layer, worst first."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError, InterpreterError
from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import FIXED_SCALES, KEEPS_SCALE
from edge_asc.export.scale_faults import (
    Ranges,
    find_faults,
    layer_of,
    tensor_scale,
    with_conversions,
)
from edge_asc.export.tensor_error import Grid, TensorError, joined
from edge_asc.interpreter import Network
from edge_asc.training.models.folding import SIGMOID_REACH, TANH_REACH

Array = npt.NDArray[np.float32]
Inputs = Mapping[str, Array]
"""Inputs of one window in TFLite's layout, by name."""

_CONVERSIONS = ("QUANTIZE", "DEQUANTIZE")


@dataclass(frozen=True, slots=True)
class LayerError:
    """One tensor of the integer network, or all steps of one, against the float network."""

    name: str
    """The tensor's name; of several steps what they have in common, such as "gru.state" """
    operator: str
    """TFLite's name of what computes it; "INPUT" for an input"""
    dtype: str
    place: int
    """In the order of computation, from 0"""
    fault: str
    """What contradicts in the file's scales; "" if nothing does"""
    snr_db: float
    """All error up to here: power of the float tensor over that of the difference. Infinite where
    both are equal. Of several steps, the worst."""
    mean_snr_db: float
    """Mean over the steps"""
    cosine: float
    own_snr_db: float
    """What this operator alone adds: against the float operator on the same, already rounded,
    inputs. Of several steps, the worst."""
    mean_own_snr_db: float
    excess: float
    """Own error over that of the best scale; 1 is as good as so many bits can be"""
    at_ends: float
    """Share of the values that are the lowest or the highest integer"""
    clipped: float
    """Share of the values that lie beyond the range, where it matters to those that read them"""
    levels_used: float
    """Share of the integers (256 for int8) that occur"""
    range_used: float
    """Width that the values need over the width of the range; above 1: cut off"""
    steps: tuple[LayerError, ...] = ()
    """Each step by itself; empty where there is one"""

    @property
    def at_ends_by_design(self) -> float:
        """Share at an end because the function ends there: ReLU6, or a gate that is shut."""
        return max(self.at_ends - self.clipped, 0.0)


def layer_errors(
    float32: bytes,
    int8: bytes,
    windows: Sequence[Inputs],
    ranges: Ranges | None = None,
) -> list[LayerError]:
    """Compare every tensor that `int8` computes with that of the same name in `float32`.

    The worst comes first: tensors whose scales contradict the rest of the file, then by own error
    in relation to what the best scale would leave (`excess`). So a layer that is inexact because
    its range is wrong stands above one that is as exact as 8 bits can be. The steps of the GRU are
    one row. With `ranges`, by which `quantize` made `int8`, its scales are checked against them.

    Raises:
        ExportError: no windows, or the networks are not the same graph.
        InterpreterError: a network cannot be run.
    """
    if not windows:
        raise ExportError("layers are compared on real windows: give at least one, got none")
    return _Comparison(float32, int8).run(windows, ranges)


class _Comparison:
    def __init__(self, float32: bytes, int8: bytes) -> None:
        self._float_graph, self._graph = Graph(float32), Graph(int8)
        self._float_network = Network(float32, keep_tensors=True)
        self._operators = _SeparateOperators(float32)
        try:
            self._network = Network(int8, keep_tensors=True)
        except InterpreterError:
            # One wrong scale can be enough; then show what it would do.
            self._network = Network(with_conversions(int8), keep_tensors=True)
        known = {self._float_graph.name(i) for i in self._float_graph.inputs}
        known |= {self._float_graph.name(o) for _, o in self._float_graph.computed()}
        self._outputs = [
            (operator, output)
            for operator, output in self._graph.computed()
            if self._graph.kind(operator) not in _CONVERSIONS
        ]
        strange = {self._graph.name(o) for _, o in self._outputs} - known
        if strange:
            raise ExportError(
                f"the integer network computes {sorted(strange)[:3]}, the float network does not:"
                " both must come from one conversion"
            )

    def run(self, windows: Sequence[Inputs], intended: Ranges | None) -> list[LayerError]:
        seen = self._float_ranges(windows)
        reach = _reach(self._float_graph, seen)
        graph = self._graph
        tensors = [*graph.inputs, *(output for _, output in self._outputs)]
        errors = {
            graph.name(i): TensorError(_grid(graph, i), reach.get(graph.name(i), math.inf))
            for i in tensors
        }
        for inputs in windows:
            self._add(inputs, errors)
        faults: defaultdict[str, list[str]] = defaultdict(list)
        for fault in find_faults(self._float_graph, graph, seen, intended):
            faults[fault.tensor].append(fault.text)
        rows = self._rows(errors, faults)
        return sorted(rows, key=lambda row: (-_num_faults(row, faults), -row.excess, row.place))

    def _float_ranges(self, windows: Sequence[Inputs]) -> dict[str, tuple[float, float]]:
        ranges: dict[str, tuple[float, float]] = {}
        for inputs in windows:
            self._float_network.run(**inputs)
            for name, values in self._float_network.tensors().items():
                low, high = ranges.get(name, (math.inf, -math.inf))
                ranges[name] = (min(low, float(values.min())), max(high, float(values.max())))
        return ranges

    def _add(self, inputs: Inputs, errors: Mapping[str, TensorError]) -> None:
        graph = self._graph
        self._float_network.run(**inputs)
        self._network.run(**inputs)
        wanted, found = self._float_network.tensors(), self._network.tensors()
        own = self._operators.run(
            {
                (graph.name(output), place): found[graph.name(int(index))]
                for operator, output in self._outputs
                for place, index in enumerate(operator.inputs)
                if index >= 0 and graph.constant(int(index)) is None
            }
        )
        for name, error in errors.items():
            error.add(wanted[name], found[name], own.get(name, wanted[name]))

    def _rows(
        self, errors: Mapping[str, TensorError], faults: Mapping[str, list[str]]
    ) -> list[LayerError]:
        kinds = {self._graph.name(o): self._graph.kind(operator) for operator, o in self._outputs}
        layers: defaultdict[str, list[str]] = defaultdict(list)
        for name in errors:
            layers[layer_of(name)].append(name)
        places = {name: place for place, name in enumerate(errors)}
        rows = []
        for layer, names in layers.items():
            kind = kinds.get(names[0], "INPUT")
            total = joined(errors[name] for name in names)
            least = math.nan
            if total.grid is not None:
                given = kind in KEEPS_SCALE or (kind, total.grid.dtype.name) in FIXED_SCALES
                least = total.least_error(scale_is_given=given)
            steps = [
                _row(name, kind, places[name], errors[name], least, faults.get(name, []))
                for name in names
            ]
            rows.append(steps[0] if len(steps) == 1 else _join(layer, total, steps))
        return rows


def _num_faults(row: LayerError, faults: Mapping[str, list[str]]) -> int:
    names = [step.name for step in row.steps] or [row.name]
    return max(len(faults.get(name, [])) for name in names)


def _row(
    name: str, kind: str, place: int, error: TensorError, least: float, faults: list[str]
) -> LayerError:
    levels = 1 if error.grid is None else error.grid.highest - error.grid.lowest + 1
    return LayerError(
        name=name,
        operator=kind,
        dtype="float32" if error.grid is None else error.grid.dtype.name,
        place=place,
        fault="; ".join(faults),
        snr_db=error.snr_db,
        mean_snr_db=error.snr_db,
        cosine=error.cosine,
        own_snr_db=error.own_snr_db,
        mean_own_snr_db=error.own_snr_db,
        excess=0.0 if error.grid is None or error.own_error == 0.0 else error.own_error / least,
        at_ends=error.at_ends / error.count,
        clipped=error.clipped / error.count,
        levels_used=len(error.levels) / levels,
        range_used=error.range_used,
    )


def _join(layer: str, total: TensorError, steps: list[LayerError]) -> LayerError:
    whole = _row(layer, steps[0].operator, steps[0].place, total, math.inf, [])
    faulty = {step.name: step.fault for step in steps if step.fault}
    texts = sorted(set(faulty.values()))
    where = "" if len(faulty) == len(steps) else f"{', '.join(list(faulty)[:3])}: "
    return LayerError(
        name=layer,
        operator=whole.operator,
        dtype=whole.dtype,
        place=whole.place,
        fault=where + "; ".join(texts[:3]) if texts else "",
        snr_db=min(step.snr_db for step in steps),
        mean_snr_db=_mean_db([step.snr_db for step in steps]),
        cosine=min(step.cosine for step in steps),
        own_snr_db=min(step.own_snr_db for step in steps),
        mean_own_snr_db=_mean_db([step.own_snr_db for step in steps]),
        excess=max(step.excess for step in steps),
        at_ends=whole.at_ends,
        clipped=whole.clipped,
        levels_used=whole.levels_used,
        range_used=whole.range_used,
        steps=tuple(steps),
    )


def _mean_db(values: list[float]) -> float:
    """Mean of those that are finite; infinite if none is."""
    finite = [value for value in values if math.isfinite(value)]
    return sum(finite) / len(finite) if finite else max(values)


def _grid(graph: Graph, tensor: int) -> Grid | None:
    scale = tensor_scale(graph, tensor)
    return None if scale is None else Grid(*scale, graph.dtype(tensor))


def _reach(graph: Graph, ranges: Mapping[str, tuple[float, float]]) -> dict[str, float]:
    """How large a value of each tensor can be before all that read it take it for the limit.

    A sigmoid is flat beyond ±8 in 256 steps, a tanh beyond ±4. What is added to or taken from a
    tensor before that can move it by no more than its own largest value.
    """
    reach: dict[int, float] = {}
    for operator, output in reversed(list(graph.computed())):
        kind = graph.kind(operator)
        sources = [int(i) for i in operator.inputs if i >= 0 and graph.constant(int(i)) is None]
        for source in sources:
            others = sum(
                max(map(abs, ranges[graph.name(other)])) for other in sources if other != source
            )
            limit = math.inf
            if kind == "LOGISTIC":
                limit = SIGMOID_REACH
            elif kind == "TANH":
                limit = TANH_REACH
            elif kind == "ADD":
                limit = reach.get(output, math.inf) + others
            elif kind in KEEPS_SCALE:
                limit = reach.get(output, math.inf)
            reach[source] = max(reach.get(source, 0.0), limit)
    return {graph.name(index): limit for index, limit in reach.items()}


class _SeparateOperators:
    """A float network taken apart: every operator with inputs of its own."""

    def __init__(self, float32: bytes) -> None:
        graph = Graph(float32)
        inputs = []
        for operator, output in list(graph.computed()):
            operator.inputs = [int(index) for index in operator.inputs]
            for place, index in enumerate(operator.inputs):
                if index >= 0 and graph.constant(index) is None:
                    name = _operand(graph.name(output), place)
                    own = graph.add_tensor(name, graph.shape(index), graph.dtype(index))
                    operator.inputs[place] = own
                    inputs.append(own)
        graph.model.subgraphs[0].inputs = inputs
        self._network = Network(graph.to_bytes(), keep_tensors=True)

    def run(self, operands: Mapping[tuple[str, int], Array]) -> dict[str, Array]:
        """Every operator's output, by its name, for operands by output and place."""
        self._network.run(**{_operand(*key): values for key, values in operands.items()})
        return self._network.tensors()


def _operand(output: str, place: int) -> str:
    return f"{output}<{place}"
