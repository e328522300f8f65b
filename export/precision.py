"""What a network may compute in: the smallest and fastest rung first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge_asc.export.flatbuffer import Graph
from edge_asc.export.quantizer import Precision, Ranges, quantize

ENCODER = ("features", "blocks.")
HEAD = ("city", "time", "gru.", "sound", "fusion.", "logits", "steps")
"""How the names of their tensors begin"""


@dataclass(frozen=True, slots=True)
class Rung:
    """One way to quantize a network."""

    quantization: str
    """As the manifest names it"""
    costs: str
    """What it costs against int8, for people"""
    choice: Mapping[tuple[str, ...], Precision]
    """What is not int8, by the beginnings of tensor names"""


LADDER = (
    Rung("int8", "", {}),
    Rung(
        "int8, encoder in int16",
        "tensors of 16 bits in the encoder: twice the memory, and no fast kernels on a PC or a Pi",
        {ENCODER: "int16"},
    ),
    Rung(
        "int8, head in float32",
        "GRU and all that follows in float32: weights of four bytes, not for a chip without"
        " floating point",
        {HEAD: "float"},
    ),
    Rung(
        "dynamic range",
        "weights in 8 bits, all else in float32: not for a chip without floating point",
        {ENCODER + HEAD: "dynamic"},
    ),
)


def quantize_parts(parts: Mapping[str, bytes], ranges: Ranges, rung: Rung) -> dict[str, bytes]:
    """The float32 networks in `parts` as `rung` has them. Raises ExportError."""
    return {
        name: quantize(float32, ranges, dict(_choose(Graph(float32), rung)))
        for name, float32 in parts.items()
    }


def _choose(graph: Graph, rung: Rung) -> Iterator[tuple[str, Precision]]:
    for _, output in graph.computed():
        name = graph.name(output)
        for beginnings, precision in rung.choice.items():
            if name.startswith(beginnings):
                yield name, precision
