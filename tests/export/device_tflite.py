"""A DeviceNet without context as float32 TFLite, built operator by operator.

The layout and the names are those that the export gives what the converter made; but this takes
milliseconds, and the weights can be any.
"""

from __future__ import annotations

from typing import Any

import flatbuffers
import numpy as np
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from edge_asc.export.flatbuffer import Graph
from edge_asc.training.models.device_net import DeviceBlock, DeviceNet

RELU6 = schema.ActivationFunctionType.RELU6
NONE = schema.ActivationFunctionType.NONE


def encoder_tflite(device: DeviceNet) -> bytes:
    """`device.encode_cells` for one cell, features (1, frames, mels, 1) to (1, steps, 1024)."""
    config = device.config
    builder = Builder()
    x = builder.input("features", (1, config.frames_per_cell, config.num_mels, 1))
    for number, block in enumerate(device.blocks):
        assert isinstance(block, DeviceBlock)
        x = add_block(builder, x, f"blocks.{number}", block)
    shape = (1, config.steps_per_cell, config.step_size)
    return builder.finish(builder.reshape(x, shape))


def head_tflite(device: DeviceNet) -> bytes:
    """`device.classify` for one window, steps (1, S, 1024) to logits (1, num_scenes)."""
    config, gru = device.config, device.gru
    size = gru.size
    builder = Builder()
    steps = builder.input("steps", (1, config.num_steps, config.step_size))
    gates = builder.linear("gru.input_gates", steps, gru.input_gates, config.num_steps)
    candidates = builder.linear("gru.input_candidate", steps, gru.input_candidate, config.num_steps)
    one = builder.constant("one", np.float32(1.0))
    state, states = -1, []
    for k in range(config.num_steps):
        gates_in = builder.slice(gates, (k, 0), (k + 1, 2 * size))
        if k:
            state_gates = builder.linear(f"gru.state_gates/{k}", state, gru.state_gates)
            gates_in = builder.pair("ADD", f"gru.gates_in/{k}", gates_in, state_gates)
            from_state = builder.linear(f"gru.state_candidate/{k}", state, gru.state_candidate)
        else:  # the state of zeros is folded away, as the converter does it
            bias = gru.state_candidate.bias.detach().numpy()[None]
            from_state = builder.constant("gru.reset.weight", bias)
        gate = builder.unary("LOGISTIC", f"gru.gates/{k}", gates_in)
        reset = builder.slice(gate, (0, 0), (1, size))
        update = builder.slice(gate, (0, size), (1, 2 * size))
        remembered = builder.pair("MUL", f"gru.reset/{k}", reset, from_state)
        candidate = builder.slice(candidates, (k, 0), (k + 1, size))
        candidate = builder.pair("ADD", f"gru.candidate_in/{k}", candidate, remembered)
        candidate = builder.unary("TANH", f"gru.candidate/{k}", candidate)
        share = builder.pair("SUB", f"gru.share/{k}", one, update)
        new = builder.pair("MUL", f"gru.new/{k}", share, candidate)
        if k:
            kept = builder.pair("MUL", f"gru.kept/{k}", update, state)
            new = builder.pair("ADD", f"gru.state/{k}", new, kept)
        states.append(state := new)
    joined = builder.reshape(builder.concatenate(states, 0), (config.num_steps, 1, size))
    axes = builder.constant("axes", np.array([0], np.int32))
    sound = builder.add("MEAN", "sound", [joined, axes], (1, size), schema.ReducerOptionsT())
    return builder.finish(builder.linear("logits", sound, device.head))


def add_block(builder: Builder, x: int, name: str, block: DeviceBlock) -> int:
    """`block` on the tensor `x`; the number of its output."""
    assert isinstance(block.expand.padding, tuple)
    time_pad, mel_pad = block.expand.padding
    padded = builder.pad(x, time_pad, mel_pad)
    inner = builder.convolve(f"{name}.expand", padded, block.expand)
    inner = builder.convolve(f"{name}.depthwise", inner, block.depthwise)
    if isinstance(block.pool, nn.AvgPool2d):
        past = builder.average(f"{name}.pool", x, block.pool.kernel_size)
    else:
        past = builder.convolve(f"{name}.pool", x, block.pool)
    return builder.convolve(f"{name}.mix", builder.concatenate([inner, past], 3), block.mix)


class Builder:
    """Appends operators to an empty network."""

    def __init__(self) -> None:
        model = schema.ModelT()
        model.version, model.subgraphs, model.buffers = 3, [schema.SubGraphT()], [schema.BufferT()]
        packed = flatbuffers.Builder()
        packed.Finish(model.Pack(packed), b"TFL3")
        self._graph = Graph(bytes(packed.Output()))
        self._graph.model.operatorCodes = []
        (self._sub_graph,) = self._graph.model.subgraphs
        self._sub_graph.tensors, self._sub_graph.operators = [], []
        self._sub_graph.inputs, self._sub_graph.outputs = [], []
        self._names: dict[str, int] = {}
        self._constants: dict[int, int] = {}

    def finish(self, output: int) -> bytes:
        self._sub_graph.outputs = [output]
        return self._graph.to_bytes()

    def input(self, name: str, shape: tuple[int, ...]) -> int:
        index = self._graph.add_tensor(name, shape, np.float32)
        self._sub_graph.inputs.append(index)
        return index

    def constant(self, name: str, values: Any) -> int:
        values = np.asarray(values)
        return self._graph.add_tensor(name, values.shape, values.dtype, constant=values)

    def add(
        self,
        kind: str,
        name: str,
        inputs: list[int],
        shape: tuple[int, ...],
        options: Any = None,
    ) -> int:
        self._names[name] = count = self._names.get(name, 0) + 1
        output = self._graph.add_tensor(
            name if count == 1 else f"{name}#{count}", shape, np.float32
        )
        operator = self._graph.new_operator(kind, 1, inputs, [output])
        if options is not None:
            operator.builtinOptions = options
            title = type(options).__name__.removesuffix("T")
            operator.builtinOptionsType = getattr(schema.BuiltinOptions, title)
        self._graph.operators.append(operator)
        return output

    def unary(self, kind: str, name: str, x: int) -> int:
        return self.add(kind, name, [x], self._graph.shape(x))

    def pair(self, kind: str, name: str, x: int, y: int) -> int:
        options = getattr(schema, f"{kind.title()}OptionsT")()
        shape = max(self._graph.shape(x), self._graph.shape(y), key=len)
        return self.add(kind, name, [x, y], shape, options)

    def linear(self, name: str, x: int, layer: nn.Linear, rows: int = 1) -> int:
        weight = self._once(layer.weight, f"{name.split('/')[0]}.weight")
        bias = -1
        if layer.bias is not None:
            bias = self._once(layer.bias, f"{name.split('/')[0]}.bias")
        options = schema.FullyConnectedOptionsT()
        return self.add(
            "FULLY_CONNECTED", name, [x, weight, bias], (rows, layer.out_features), options
        )

    def _once(self, parameter: torch.Tensor, name: str) -> int:
        """A weight that all steps share."""
        if id(parameter) not in self._constants:
            self._constants[id(parameter)] = self.constant(name, parameter.detach().numpy())
        return self._constants[id(parameter)]

    def convolve(self, name: str, x: int, layer: nn.Conv2d) -> int:
        depthwise = layer.groups > 1
        options = schema.DepthwiseConv2DOptionsT() if depthwise else schema.Conv2DOptionsT()
        options.strideH, options.strideW = layer.stride
        options.dilationHFactor = options.dilationWFactor = 1
        options.fusedActivationFunction = RELU6
        options.padding = schema.Padding.SAME if depthwise else schema.Padding.VALID
        if depthwise:
            options.depthMultiplier = 1
        weight = layer.weight.detach().permute(1, 2, 3, 0) if depthwise else None
        if weight is None:
            weight = layer.weight.detach().permute(0, 2, 3, 1)
        assert layer.bias is not None
        constants = [
            self.constant(f"{name}.weight", weight.contiguous().numpy()),
            self.constant(f"{name}.bias", layer.bias.detach().numpy()),
        ]
        shape = self._graph.shape(x)
        sides = shape[1:3] if depthwise else self._sides(shape, layer.kernel_size, layer.stride)
        kind = "DEPTHWISE_CONV_2D" if depthwise else "CONV_2D"
        return self.add(kind, name, [x, *constants], (1, *sides, layer.out_channels), options)

    def average(self, name: str, x: int, kernel: Any) -> int:
        options = schema.Pool2DOptionsT()
        options.filterHeight, options.filterWidth = options.strideH, options.strideW = kernel
        options.padding = schema.Padding.VALID
        shape = self._graph.shape(x)
        sides = self._sides(shape, kernel, kernel)
        return self.add("AVERAGE_POOL_2D", name, [x], (1, *sides, shape[3]), options)

    @staticmethod
    def _sides(shape: tuple[int, ...], kernel: Any, stride: Any) -> tuple[int, int]:
        return (
            (shape[1] - kernel[0]) // stride[0] + 1,
            (shape[2] - kernel[1]) // stride[1] + 1,
        )

    def pad(self, x: int, time: int, mel: int) -> int:
        shape = self._graph.shape(x)
        sides = self.constant("sides", np.array([[0, 0], [time, time], [mel, mel], [0, 0]], "i4"))
        padded = (1, shape[1] + 2 * time, shape[2] + 2 * mel, shape[3])
        return self.add("PAD", f"{self._graph.name(x)}|pad", [x, sides], padded)

    def concatenate(self, parts: list[int], axis: int) -> int:
        shape = list(self._graph.shape(parts[0]))
        shape[axis] = sum(self._graph.shape(part)[axis] for part in parts)
        options = schema.ConcatenationOptionsT()
        options.axis = axis
        name = f"{self._graph.name(parts[0])}|concatenation"
        return self.add("CONCATENATION", name, parts, tuple(shape), options)

    def reshape(self, x: int, shape: tuple[int, ...]) -> int:
        sizes = self.constant("sizes", np.array(shape, np.int32))
        return self.add("RESHAPE", f"{self._graph.name(x)}|reshape", [x, sizes], shape)

    def slice(self, x: int, begin: tuple[int, int], end: tuple[int, int]) -> int:
        numbers = [
            self.constant("slice", np.array(pair, np.int32)) for pair in (begin, end, (1, 1))
        ]
        shape = (end[0] - begin[0], end[1] - begin[1])
        name = f"{self._graph.name(x).split('#')[0]}|strided_slice"
        return self.add("STRIDED_SLICE", name, [x, *numbers], shape, schema.StridedSliceOptionsT())
