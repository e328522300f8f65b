"""Where the bytes of a TFLite file go."""

from __future__ import annotations

import numpy as np

from edge_asc.export.flatbuffer import Graph
from edge_asc.export.kernel_rules import WEIGHTED

_SCALE_BYTES, _ZERO_POINT_BYTES = 4, 8


def bytes_by_use(tflite: bytes) -> dict[str, int]:
    """Bytes of `weights`, `biases`, `other_constants`, `scales` and `operators`; and the `total`.

    "operators" is the rest: operators and tensors with their names and shapes. Constants that
    several tensors share are counted once.
    """
    graph = Graph(tflite)
    uses: dict[int, str] = {}
    from_half: dict[int, int] = {}  # float16 constants, by the tensors that they become
    scales = 0
    for operator, output in graph.computed():
        if graph.kind(operator) == "DEQUANTIZE":
            from_half[output] = int(operator.inputs[0])
        weighted = graph.kind(operator) in WEIGHTED
        for place, index in enumerate(operator.inputs):
            if weighted and place in (1, 2):
                constant = from_half.get(int(index), int(index))
                uses[constant] = ("weights", "biases")[place - 1]
    found = {"weights": 0, "biases": 0, "other_constants": 0}
    seen: set[bytes] = set()
    for index in range(graph.num_tensors):
        quantization = graph.quantization(index)
        if quantization is not None:
            scales += len(quantization.scale) * (_SCALE_BYTES + _ZERO_POINT_BYTES)
        values = graph.constant(index)
        if values is None or (content := np.ascontiguousarray(values).tobytes()) in seen:
            continue
        seen.add(content)
        found[uses.get(index, "other_constants")] += len(content)
    rest = len(tflite) - sum(found.values()) - scales
    return {**found, "scales": scales, "operators": rest, "total": len(tflite)}
