"""From int8 TFLite networks to C99: `compile_network` each, `write_model` for all of a package."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.calls import Operand, Program
from edge_asc.firmware_bridge.codegen.constants import Constants
from edge_asc.firmware_bridge.codegen.elementwise import Elementwise
from edge_asc.firmware_bridge.codegen.layout import Layout
from edge_asc.firmware_bridge.codegen.lifetimes import Lifetimes
from edge_asc.firmware_bridge.codegen.loops import Loop, delay_means, find_loops
from edge_asc.firmware_bridge.codegen.oracle import Arithmetic, Oracle, oracle
from edge_asc.firmware_bridge.codegen.plan import Block, plan_memory
from edge_asc.firmware_bridge.codegen.source import Source
from edge_asc.firmware_bridge.codegen.weighted import WeightedLayers
from edge_asc.firmware_bridge.codegen.writing import Writer
from edge_asc.model_file import ModelFile

_HEADER = "asc_model.h"
_SOURCE = "asc_model.c"


@dataclass(frozen=True, slots=True)
class Place:
    """An input or output of a network in its arena."""

    name: str
    """As in the network, such as "features" """
    offset: int
    """Bytes from the arena's beginning"""
    shape: tuple[int, ...]
    scale: float
    zero_point: int
    num_bytes: int


@dataclass(frozen=True, slots=True)
class CompiledNetwork:
    """A network as C: `asc_<name>_run(arena)` and the constants it uses."""

    name: str
    arithmetic: Arithmetic
    oracle: str
    """The interpreter whose bytes it gives, with its version"""
    tflite_sha256: str
    source: str
    """Constants and the function"""
    header: str
    """Macros and the prototype"""
    arena_bytes: int
    inputs: tuple[Place, ...]
    """They do not survive a run: their bytes are used again"""
    outputs: tuple[Place, ...]
    operators: tuple[str, ...]
    """Kinds of the network's operators, in their order"""
    num_calls: int
    """Of kernels that are written down, a loop's only once"""
    loops: tuple[Loop, ...]
    macs: int
    """Multiply-adds of a run"""
    constant_bytes: int
    """Of weights, tables and descriptions, on a machine of 32 bits"""


def compile_network(tflite: bytes, name: str, arithmetic: Arithmetic) -> CompiledNetwork:
    """The network as C whose every output byte is that of the arithmetic's interpreter.

    `name` becomes a part of C names. Raises FirmwareError for a network that has no integer
    kernels here, saying which are supported; InterpreterError where the interpreter is missing.
    """
    if not name.isidentifier() or not name.isascii() or name != name.lower():
        raise FirmwareError(f"a network's name must be a C name in lower case, got {name!r}")
    asked = oracle(arithmetic)
    source, program, constants = Source(tflite, name), Program(), Constants(f"asc_{name}")
    _lower(source, program, constants, asked)
    graph = source.graph
    for output in graph.outputs:
        _check_is_made(source, program, output)
    delay_means(program)
    sizes = {at: _num_bytes(source, at) for at in range(graph.num_tensors)}
    lifetimes = Lifetimes(program, sizes, graph.inputs, graph.outputs)
    loops = find_loops(program, lifetimes)
    blocks = {
        f"t{tensor}": Block(lifetimes.sizes[tensor], tuple(sorted(intervals)))
        for tensor, intervals in lifetimes.intervals.items()
    }
    plan = plan_memory(blocks | _scratch(program, loops))

    def offset_of(operand: Operand) -> int:
        place = lifetimes.place(program.place(operand))
        return plan.offsets[f"t{place.tensor}"] + place.offset

    writer = Writer(name, program, lifetimes, plan, offset_of)
    inputs = tuple(_place(source, tensor, offset_of) for tensor in graph.inputs)
    outputs = tuple(_place(source, tensor, offset_of) for tensor in graph.outputs)
    sha256 = hashlib.sha256(tflite).hexdigest()
    origin = f"network {name!r}, SHA-256 {sha256}: bytes as of {asked.name}"
    return CompiledNetwork(
        name,
        arithmetic,
        asked.name,
        sha256,
        writer.source(constants, loops, origin),
        writer.header(inputs, outputs, origin),
        plan.arena_bytes,
        inputs,
        outputs,
        tuple(graph.kind(operator) for operator in graph.operators),
        len(program.calls) - sum(loop.period * (loop.count - 1) for loop in loops),
        tuple(loops),
        sum(call.macs for call in program.calls),
        constants.num_bytes,
    )


def compile_model(
    model: ModelFile, arithmetic: Arithmetic
) -> tuple[CompiledNetwork, CompiledNetwork]:
    """A model's encoder and head.

    Raises FirmwareError if it has none, or if the head does not take the encoder's bytes as they
    are; else as above.
    """
    if model.encoder is None or model.head is None:
        raise FirmwareError(
            f"model {model.manifest.name} has no encoder and head; only models that stream can"
            " become firmware: train the variant 'edge' and export it"
        )
    encoder = compile_network(model.encoder, "encoder", arithmetic)
    head = compile_network(model.head, "head", arithmetic)
    (made,) = encoder.outputs
    if not any(_means_the_same(made, place) for place in head.inputs):
        raise FirmwareError(
            f"the head of model {model.manifest.name} takes no input with its encoder's scale"
            f" {made.scale:g} and zero point {made.zero_point}: a device would have to compute"
            " its steps anew for every window; export the model again"
        )
    return encoder, head


def write_model(networks: Sequence[CompiledNetwork]) -> dict[str, str]:
    """The files `asc_model.h` and `asc_model.c` of all networks of a package, by name."""
    names = [network.name for network in networks]
    if len(set(names)) != len(names) or not names:
        raise FirmwareError(f"networks must have names of their own, got {names}")
    header = "\n".join(
        [
            "/* Generated by edge-asc. The networks of a model: memory and functions. */",
            "#ifndef ASC_MODEL_H\n#define ASC_MODEL_H\n\n#include <stdint.h>\n",
            '#ifdef __cplusplus\nextern "C" {\n#endif\n',
            *(network.header for network in networks),
            "#ifdef __cplusplus\n}\n#endif\n\n#endif\n",
        ]
    )
    source = "\n".join(
        [
            "/* Generated by edge-asc: constants, memory plan and calls. */",
            f'#include "{_HEADER}"\n\n#include "asc_kernels.h"\n',
            *(network.source for network in networks),
        ]
    )
    return {_HEADER: header, _SOURCE: source}


def _means_the_same(made: Place, taken: Place) -> bool:
    return (made.scale, made.zero_point) == (taken.scale, taken.zero_point)


def _lower(source: Source, program: Program, constants: Constants, asked: Oracle) -> None:
    """Every operator of the network as calls and views."""
    weighted = WeightedLayers(source, program, constants, asked)
    elementwise = Elementwise(source, program, constants, asked)
    layout = Layout(source, program)
    lowerings: dict[str, Callable[[Any], None]] = {
        "ADD": elementwise.pair,
        "AVERAGE_POOL_2D": elementwise.pool,
        "CONCATENATION": layout.concatenation,
        "CONV_2D": weighted.convolution,
        "DEPTHWISE_CONV_2D": weighted.depthwise,
        "FULLY_CONNECTED": weighted.fully_connected,
        "LOGISTIC": elementwise.table,
        "MAX_POOL_2D": elementwise.pool,
        "MEAN": elementwise.mean,
        "MUL": elementwise.pair,
        "PAD": layout.pad,
        "QUANTIZE": elementwise.table,
        "RESHAPE": layout.reshape,
        "STRIDED_SLICE": layout.strided_slice,
        "SUB": elementwise.pair,
        "TANH": elementwise.table,
    }
    source.check_operators(lowerings)
    for operator in source.graph.operators:
        kind = source.graph.kind(operator)
        first = len(program.calls)
        lowerings[kind](operator)
        program.kinds.append(kind)
        for call in program.calls[first:]:
            for operand in call.inputs:
                _keep_constant(source, program, constants, program.place(operand).tensor)


def _scratch(program: Program, loops: Sequence[Loop]) -> dict[str, Block]:
    """Memory that kernels need besides tensors; a loop has it in one place in all its steps."""
    first_steps = {
        loop.first + at: loop.first + at % loop.period
        for loop in loops
        for at in range(loop.period * loop.count)
    }
    needed: dict[int, list[int]] = {}
    for at, call in enumerate(program.calls):
        if call.scratch_bytes:
            needed.setdefault(first_steps.get(at, at), []).append(at)
    return {
        f"s{first}": Block(program.calls[first].scratch_bytes, tuple((at, at) for at in all_steps))
        for first, all_steps in needed.items()
    }


def _keep_constant(source: Source, program: Program, constants: Constants, tensor: int) -> None:
    """Give a constant operand a C array."""
    values = source.graph.constant(tensor)
    if values is not None and tensor not in program.constants:
        source.size(tensor)
        label = source.graph.name(tensor)
        program.constants[tensor] = constants.array("int8_t", np.asarray(values), label)


def _check_is_made(source: Source, program: Program, output: int) -> None:
    base = program.place(Operand(output)).tensor
    made = any(program.place(call.output).tensor == base for call in program.calls)
    if base in source.graph.inputs or not made:
        raise source.refused(output, "is an output that no kernel computes")


def _num_bytes(source: Source, tensor: int) -> int:
    return int(np.prod(source.shape(tensor), dtype=np.int64))


def _place(source: Source, tensor: int, offset_of: Callable[[Operand], int]) -> Place:
    return Place(
        source.graph.name(tensor),
        offset_of(Operand(tensor)),
        source.shape(tensor),
        source.scale(tensor),
        source.zero(tensor),
        source.size(tensor),
    )
