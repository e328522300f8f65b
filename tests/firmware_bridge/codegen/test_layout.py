"""Operators that move values: views where they can be, copies where they must be, or a refusal."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.compiler import CompiledNetwork, compile_network
from edge_asc.firmware_bridge.codegen.host import HostModel
from edge_asc.firmware_bridge.codegen.oracle import oracle
from tests.firmware_bridge.codegen.networks import Builder
from tests.firmware_bridge.codegen.random_operators import SAME, VALID, Rng, int8s

SCALE, ZERO = 0.1, 7


def check(tflite: bytes, folder: Path, rng: Rng) -> CompiledNetwork:
    """Compile and compare with LiteRT on random bytes."""
    network = compile_network(tflite, "moves", "litert")
    vectors = [[int8s(rng, place.shape) for place in network.inputs] for _ in range(5)]
    run = oracle("litert").load(tflite)
    made = HostModel([network], folder).run("moves", vectors)
    for got, vector in zip(made, vectors, strict=True):
        for mine, wanted in zip(got, run(vector), strict=True):
            np.testing.assert_array_equal(mine, wanted)
    return network


def kernels(network: CompiledNetwork) -> list[str]:
    """The kernels that are called, in their order."""
    lines = [line.strip() for line in network.source.splitlines()]
    return [line.split("(")[0] for line in lines if line.startswith("asc_") and line.endswith(");")]


def table(b: Builder, x: int, shape: tuple[int, ...], y: int | None = None) -> int:
    """TANH in another scale's place, so that a tensor is made by a kernel."""
    made = b.tensor(shape, 1 / 128, 0) if y is None else y
    b.operator("TANH", [x], made)
    return made


def slice_network(
    shape: tuple[int, ...], begin: list[int], end: list[int], **masks: int
) -> tuple[bytes, tuple[int, ...]]:
    """x -> slice -> TANH; the slice's own output would be an input's part."""
    index = tuple(
        slice(
            None if masks.get("beginMask", 0) >> axis & 1 else first,
            None if masks.get("endMask", 0) >> axis & 1 else last,
        )
        for axis, (first, last) in enumerate(zip(begin, end, strict=True))
    )
    out = np.zeros(shape)[index].shape
    b = Builder()
    x, y = b.tensor(shape, SCALE, ZERO), b.tensor(out, SCALE, ZERO)
    numbers = [
        b.tensor((len(shape),), values=values, dtype="int32")
        for values in (begin, end, [1] * len(shape))
    ]
    b.operator("STRIDED_SLICE", [x, *numbers], y, **masks)
    return b.build([x], [table(b, y, out)]), out


@pytest.mark.parametrize(
    ("shape", "begin", "end", "masks", "copies"),
    [
        ((20, 12), [3, 0], [4, 0], {"endMask": 2}, 0),
        ((20, 12), [-2, 0], [20, 12], {}, 0),
        ((1, 12), [0, 4], [1, 9], {}, 0),
        ((5, 6, 4), [2, 1, 0], [3, 4, 4], {}, 0),
        ((5, 6, 4), [0, 1, 0], [5, -2, 4], {}, 1),
        ((5, 12), [0, 4], [0, 9], {"beginMask": 1, "endMask": 1}, 1),
    ],
)
def test_a_slice_is_a_view_where_it_lies_in_one_piece(
    shape: tuple[int, ...],
    begin: list[int],
    end: list[int],
    masks: dict[str, int],
    copies: int,
    tmp_path: Path,
    rng: Rng,
) -> None:
    tflite, _ = slice_network(shape, begin, end, **masks)
    network = check(tflite, tmp_path, rng)
    assert kernels(network) == ["asc_copy_rows"] * copies + ["asc_look_up"]


def test_a_slice_in_many_pieces_is_refused() -> None:
    tflite, _ = slice_network((5, 6, 4), [1, 1, 0], [3, 3, 4])
    with pytest.raises(FirmwareError, match="lies in many pieces"):
        compile_network(tflite, "moves", "litert")


def concatenation(axis: int, first: tuple[int, ...], second: tuple[int, ...]) -> bytes:
    """TANH of both inputs, and the second input's own TANH again behind them."""
    b = Builder()
    x, z = b.tensor(first, SCALE, ZERO), b.tensor(second, SCALE, ZERO)
    parts = [table(b, x, first), table(b, z, second)]
    whole = np.concatenate([np.zeros(first), np.zeros(second), np.zeros(second)], axis).shape
    y = b.tensor(whole, 1 / 128, 0)
    b.operator("CONCATENATION", [*parts, parts[1]], y, axis=axis)
    return b.build([x, z], [y])


def test_parts_that_follow_each_other_are_made_in_place(tmp_path: Path, rng: Rng) -> None:
    """All but what is there twice, which is copied."""
    network = check(concatenation(0, (3, 8), (2, 8)), tmp_path, rng)
    assert kernels(network) == ["asc_look_up", "asc_look_up", "asc_copy_rows"]


def test_parts_of_rows_are_copied(tmp_path: Path, rng: Rng) -> None:
    network = check(concatenation(-1, (4, 3), (4, 5)), tmp_path, rng)
    assert kernels(network) == ["asc_look_up"] * 2 + ["asc_copy_rows"] * 3


def test_a_reshaped_part_is_made_in_place_and_read_before(tmp_path: Path, rng: Rng) -> None:
    b = Builder()
    x = b.tensor((2, 6), 1 / 128, 0)
    made = table(b, x, (2, 6))
    flat = b.tensor((1, 12), 1 / 128, 0)
    b.operator("RESHAPE", [made, b.tensor((2,), values=[1, 12], dtype="int32")], flat)
    again = table(b, made, (2, 6))
    other = b.tensor((1, 12), 1 / 128, 0)
    b.operator("RESHAPE", [again, b.tensor((2,), values=[1, 12], dtype="int32")], other)
    y = b.tensor((1, 24), 1 / 128, 0)
    b.operator("CONCATENATION", [flat, other], y, axis=1)
    network = check(b.build([x], [y]), tmp_path, rng)
    assert kernels(network) == ["asc_look_up"] * 2


def padded(reader_padding: int, also_read: bool) -> bytes:
    """PAD in front of a convolution, and perhaps of something else."""
    b = Builder()
    x = b.tensor((2, 5, 4, 3), SCALE, ZERO)
    wide = b.tensor((2, 8, 6, 3), SCALE, ZERO)
    amounts = b.tensor((4, 2), values=[[0, 0], [1, 2], [0, 2], [0, 0]], dtype="int32")
    b.operator("PAD", [x, amounts], wide)
    weights = np.random.default_rng(5).integers(-127, 128, (4, 3, 3, 3))
    w = b.tensor(weights.shape, [0.01, 0.02, 0.03, 0.01], 0, weights)
    out = (2, 6, 4, 4) if reader_padding == VALID else (2, 8, 6, 4)
    y = b.tensor(out, 0.3, -5)
    c = b.tensor((4,), 0.001, 0, [100, -100, 0, 7], dtype="int32")
    b.operator("CONV_2D", [wide, w, c], y, strideH=1, strideW=1, padding=reader_padding)
    outputs = [y, table(b, wide, (2, 8, 6, 3))] if also_read else [y]
    return b.build([x], outputs)


def test_padding_is_left_to_the_window_that_reads_it(tmp_path: Path, rng: Rng) -> None:
    network = check(padded(VALID, also_read=False), tmp_path, rng)
    assert kernels(network) == ["asc_convolution"] * 2


@pytest.mark.parametrize(("padding", "also_read"), [(VALID, True), (SAME, False)])
def test_padding_is_made_where_others_read_it(
    padding: int, also_read: bool, tmp_path: Path, rng: Rng
) -> None:
    network = check(padded(padding, also_read), tmp_path, rng)
    assert kernels(network)[:3] == ["asc_fill", "asc_copy_rows", "asc_copy_rows"]


def test_a_part_of_a_constant_is_read_where_it_lies(tmp_path: Path, rng: Rng) -> None:
    """Another row for each of six sums, which are a loop along the constant."""
    b = Builder()
    x = b.tensor((1, 8), SCALE, ZERO)
    rows = b.tensor((6, 8), SCALE, ZERO, int8s(rng, (6, 8)))
    last = x
    for row in range(6):
        part, summed = b.tensor((1, 8), SCALE, ZERO), b.tensor((1, 8), SCALE, ZERO)
        numbers = ([row, 0], [row + 1, 8], [1, 1])
        limits = [b.tensor((2,), values=values, dtype="int32") for values in numbers]
        b.operator("STRIDED_SLICE", [rows, *limits], part)
        b.operator("ADD", [last, part], summed)
        last = summed
    network = check(b.build([x], [table(b, last, (1, 8))]), tmp_path, rng)
    assert network.constant_bytes < 2 * 48 + 256 + 100


def test_a_mean_never_comes_before_what_it_is_of(tmp_path: Path, rng: Rng) -> None:
    """It is written beside a part of the same tensor that is read before."""
    b = Builder()
    x = b.tensor((2, 4), 1 / 128, 0)
    first = table(b, x, (2, 4))
    second = table(b, first, (2, 4))
    mean = b.tensor((1, 4), 1 / 128, 0)
    b.operator("MEAN", [second, b.tensor((1,), values=[0], dtype="int32")], mean, keepDims=True)
    y = b.tensor((3, 4), 1 / 128, 0)
    b.operator("CONCATENATION", [first, mean], y, axis=0)
    network = check(b.build([x], [table(b, y, (3, 4))]), tmp_path, rng)
    assert kernels(network) == ["asc_look_up", "asc_look_up", "asc_mean", "asc_look_up"]
