"""What a compiler asks of a TFLite network, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.errors import FirmwareError
from edge_asc.export.flatbuffer import Graph

_ACTIVATIONS: dict[int, tuple[str, float | None, float | None]] = {
    0: ("NONE", None, None),
    1: ("RELU", 0.0, None),
    2: ("RELU_N1_TO_1", -1.0, 1.0),
    3: ("RELU6", 0.0, 6.0),
}


class Source:
    """An int8 network of static shapes; every question that has no good answer is a FirmwareError.

    Errors name the network and the tensor.
    """

    def __init__(self, tflite: bytes, name: str) -> None:
        self.tflite = tflite
        self.name = name
        try:
            self.graph = Graph(tflite)
        except ValueError as error:
            raise FirmwareError(
                f"network {name!r} must have one sub-graph, and its file must be whole: {error}"
            ) from error
        self.consumers: dict[int, list[int]] = {}
        for index, operator in enumerate(self.graph.operators):
            for tensor in operator.inputs:
                self.consumers.setdefault(int(tensor), []).append(index)

    def check_operators(self, supported: Iterable[str]) -> None:
        """Raises FirmwareError for operators of other kinds, all of them named."""
        kinds = {self.graph.kind(operator) for operator in self.graph.operators}
        if unknown := kinds - set(supported):
            raise FirmwareError(
                f"network {self.name!r} uses {', '.join(sorted(unknown))}, for which there is no"
                f" kernel; supported are {', '.join(sorted(supported))}"
            )
        for index in range(self.graph.num_tensors):
            signature = self.graph.model.subgraphs[0].tensors[index].shapeSignature
            sizes = [*self.graph.shape(index), *([] if signature is None else signature)]
            if any(size < 0 for size in sizes):
                raise self.refused(index, f"has the shape {sizes}; sizes must be known")

    def refused(self, tensor: int, why: str) -> FirmwareError:
        """The error that says `why` a tensor cannot be used."""
        return FirmwareError(
            f"network {self.name!r}: {self.graph.name(tensor)!r} {why}; export the network anew"
            " in int8 or compute this part elsewhere"
        )

    def index(self, operator: Any) -> int:  # noqa: ANN401 - the schema's class has no types
        """The operator's place among all."""
        return next(at for at, one in enumerate(self.graph.operators) if one is operator)

    def shape(self, tensor: int) -> tuple[int, ...]:
        return self.graph.shape(tensor)

    def image(self, tensor: int) -> tuple[int, int, int]:
        """Height, width and channels of a tensor of pictures."""
        shape = self.shape(tensor)
        if len(shape) != 4:
            raise self.refused(
                tensor, f"must have the shape (pictures, height, width, channels), has {shape}"
            )
        return shape[1], shape[2], shape[3]

    def size(self, tensor: int) -> int:
        """Values, and bytes, of an int8 tensor."""
        if self.graph.dtype(tensor) != np.int8:
            raise self.refused(tensor, f"is {self.graph.dtype(tensor)}, where int8 is needed")
        return math.prod(self.shape(tensor))

    def scale(self, tensor: int) -> float:
        """The one scale of an int8 tensor, a float32."""
        self.size(tensor)
        found = self.graph.quantization(tensor)
        if found is None or len(found.scale) != 1 or not found.scale[0] > 0:
            raise self.refused(tensor, "must have one scale above 0")
        return float(found.scale[0])

    def zero(self, tensor: int) -> int:
        found = self.graph.quantization(tensor)
        return 0 if found is None else found.zero_point

    def check_same_scale(self, tensor: int, other: int) -> None:
        """Raises FirmwareError unless the same integer means the same in both."""
        mine, others = ((self.scale(one), self.zero(one)) for one in (tensor, other))
        if mine != others:
            raise self.refused(
                tensor, f"must have the scale and zero point of its input {others}, has {mine}"
            )

    def integers(self, tensor: int) -> list[int]:
        """A constant list of integers, such as axes or sizes."""
        values = self.graph.constant(tensor)
        if values is None or not np.issubdtype(values.dtype, np.integer):
            raise self.refused(tensor, "must be constant integers")
        return [int(value) for value in values.ravel()]

    def weights(self, tensor: int) -> npt.NDArray[np.int8]:
        """Constant int8 weights that are symmetric."""
        self.size(tensor)
        values = self.graph.constant(tensor)
        if values is None or self.zero(tensor) != 0:
            raise self.refused(tensor, "must be constant weights with the zero point 0")
        return values

    def weight_scales(self, tensor: int, axis: int, channels: int) -> npt.NDArray[np.float32]:
        """One scale, or one for each of the `channels` along `axis`."""
        found = self.graph.quantization(tensor)
        if found is None or not (found.scale > 0).all():
            raise self.refused(tensor, "must have scales above 0")
        if len(found.scale) == 1:
            return found.scale
        if len(found.scale) != channels or found.axis != axis:
            raise self.refused(
                tensor,
                f"has {len(found.scale)} scales along axis {found.axis}; it must have one, or"
                f" {channels} along axis {axis}",
            )
        return found.scale

    def bias(self, operator: Any, channels: int) -> npt.NDArray[np.int64]:  # noqa: ANN401
        """The third input, zeros where there is none."""
        if len(operator.inputs) < 3 or operator.inputs[2] < 0:
            return np.zeros(channels, np.int64)
        values = self.graph.constant(int(operator.inputs[2]))
        if values is None or values.dtype != np.int32:
            raise self.refused(int(operator.inputs[2]), "must be a constant int32 bias")
        return values.ravel().astype(np.int64)

    def activation_range(self, operator: Any) -> tuple[int, int]:  # noqa: ANN401
        """Lowest and highest int8 that the fused activation lets pass."""
        output = int(operator.outputs[0])
        code = int(operator.builtinOptions.fusedActivationFunction)
        if code not in _ACTIVATIONS:
            allowed = ", ".join(name for name, _, _ in _ACTIVATIONS.values())
            raise self.refused(
                output, f"has the fused activation number {code}; supported are {allowed}"
            )
        _, low, high = _ACTIVATIONS[code]
        return (
            -128 if low is None else max(-128, self._quantized(output, low)),
            127 if high is None else min(127, self._quantized(output, high)),
        )

    def check_no_activation(self, operator: Any) -> None:  # noqa: ANN401
        if int(operator.builtinOptions.fusedActivationFunction) != 0:
            raise self.refused(int(operator.outputs[0]), "must have no fused activation")

    def _quantized(self, tensor: int, real: float) -> int:
        """As TFLite quantizes the limits of an activation: float32, half away from zero."""
        steps = float(np.float32(real) / np.float32(self.scale(tensor)))
        return self.zero(tensor) + math.floor(abs(steps) + 0.5) * (1 if steps >= 0 else -1)
