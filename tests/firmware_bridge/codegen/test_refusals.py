"""Networks that no kernel here computes are refused, by name and with what is supported."""

from __future__ import annotations

import re
from collections.abc import Callable

import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.compiler import compile_network, write_model
from edge_asc.firmware_bridge.codegen.oracle import oracle
from tests.firmware_bridge.codegen.networks import Builder
from tests.firmware_bridge.codegen.random_operators import SAME


def soft_max() -> bytes:
    b = Builder()
    x, y = b.tensor((1, 4), 0.1), b.tensor((1, 4), 1 / 256, -128)
    b.operator("SOFTMAX", [x], y, beta=1.0)
    return b.build([x], [y])


def tanh_of(dtype: str, scale: float = 1 / 128) -> Callable[[], bytes]:
    def build() -> bytes:
        b = Builder()
        x, y = b.tensor((1, 4), 0.1, dtype=dtype), b.tensor((1, 4), scale, dtype=dtype)
        b.operator("TANH", [x], y)
        return b.build([x], [y])

    return build


def convolution(*, weights_zero: int = 0, **options: int) -> Callable[[], bytes]:
    def build() -> bytes:
        b = Builder()
        x, y = b.tensor((1, 6, 6, 2), 0.1), b.tensor((1, 6, 6, 3), 0.1)
        w = b.tensor((3, 3, 3, 2), 0.1, weights_zero, np.ones((3, 3, 3, 2)))
        b.operator("CONV_2D", [x, w, -1], y, strideH=1, strideW=1, padding=SAME, **options)
        return b.build([x], [y])

    return build


def depthwise_with_multiplier() -> bytes:
    b = Builder()
    x, y = b.tensor((1, 6, 6, 2), 0.1), b.tensor((1, 6, 6, 4), 0.1)
    w = b.tensor((1, 3, 3, 4), 0.1, 0, np.ones((1, 3, 3, 4)), axis=3)
    b.operator("DEPTHWISE_CONV_2D", [x, w, -1], y, strideH=1, strideW=1, depthMultiplier=2)
    return b.build([x], [y])


def computed_weights() -> bytes:
    b = Builder()
    x, w, y = b.tensor((1, 4), 0.1), b.tensor((3, 4), 0.1), b.tensor((1, 3), 0.1)
    b.operator("FULLY_CONNECTED", [x, w, -1], y)
    return b.build([x, w], [y])


def large_sums() -> bytes:
    b = Builder()
    x, y = b.tensor((1, 4), 0.1), b.tensor((1, 3), 0.1)
    w = b.tensor((3, 4), 0.1, 0, np.ones((3, 4)))
    bias = b.tensor((3,), 0.01, 0, [2**31 - 100] * 3, dtype="int32")
    b.operator("FULLY_CONNECTED", [x, w, bias], y)
    return b.build([x], [y])


def stretched_sum() -> bytes:
    b = Builder()
    x, z, y = b.tensor((4, 5), 0.1), b.tensor((4, 1), 0.1), b.tensor((4, 5), 0.1)
    b.operator("ADD", [x, z], y)
    return b.build([x, z], [y])


def mean_of_axes(*axes: int) -> Callable[[], bytes]:
    def build() -> bytes:
        b = Builder()
        x = b.tensor((2, 3, 4), 0.1)
        y = b.tensor(np.mean(np.zeros((2, 3, 4)), axis=axes).shape, 0.1)
        b.operator("MEAN", [x, b.tensor((len(axes),), values=axes, dtype="int32")], y)
        return b.build([x], [y])

    return build


def other_scale(kind: str) -> Callable[[], bytes]:
    def build() -> bytes:
        b = Builder()
        x, y = b.tensor((1, 4, 4, 1), 0.1), b.tensor((1, 4, 4, 1), 0.2)
        if kind == "RESHAPE":
            b.operator(kind, [x, b.tensor((4,), values=[1, 4, 4, 1], dtype="int32")], y)
        else:
            sizes = {"filterHeight": 1, "filterWidth": 1, "strideH": 1, "strideW": 1}
            b.operator(kind, [x], y, **sizes)
        return b.build([x], [y])

    return build


def two_graphs() -> bytes:
    b = Builder()
    x, y = b.tensor((1, 4), 0.1), b.tensor((1, 4), 1 / 128)
    b.operator("TANH", [x], y)
    return b.build([x], [y], sub_graphs=2)


def sizes_that_are_not_known() -> bytes:
    b = Builder()
    x, y = b.tensor((-1, 4), 0.1), b.tensor((-1, 4), 1 / 128)
    b.operator("TANH", [x], y)
    return b.build([x], [y])


def an_input_that_is_an_output() -> bytes:
    b = Builder()
    x, y = b.tensor((1, 4), 0.1, name="sound"), b.tensor((4,), 0.1, name="same")
    b.operator("RESHAPE", [x, b.tensor((1,), values=[4], dtype="int32")], y)
    return b.build([x], [y])


CASES: dict[str, tuple[Callable[[], bytes], str]] = {
    "an operator": (soft_max, "uses SOFTMAX, .* supported are ADD, AVERAGE_POOL_2D, .*, TANH"),
    "float": (tanh_of("float32"), "'t0' is float32, where int8"),
    "int16": (tanh_of("int16"), "'t0' is int16, where int8"),
    "a fixed scale": (tanh_of("int8", 0.1), "must have scale and zero point"),
    "dilation": (convolution(dilationHFactor=2), "is dilated"),
    "an activation": (convolution(fusedActivationFunction=4), "activation number 4; .*RELU6"),
    "skewed weights": (convolution(weights_zero=3), "weights with the zero point 0"),
    "a multiplier": (depthwise_with_multiplier, "supported is multiplier 1"),
    "computed weights": (computed_weights, "must be constant weights"),
    "large sums": (large_sums, "32 bits do not hold it"),
    "a stretched input": (stretched_sum, r"shape \(4, 1\) to \(4, 5\); supported"),
    "apart axes": (mean_of_axes(0, 2), "must follow each other"),
    "a view's scale": (other_scale("RESHAPE"), "must have the scale and zero point"),
    "a pool's scale": (other_scale("MAX_POOL_2D"), "must have the scale and zero point"),
    "two graphs": (two_graphs, "must have one sub-graph"),
    "unknown sizes": (sizes_that_are_not_known, "sizes must be known"),
    "no kernel": (an_input_that_is_an_output, "'same' is an output that no kernel computes"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_network_is_refused_with_its_name_and_why(case: str) -> None:
    build, reason = CASES[case]
    with pytest.raises(FirmwareError, match=f"network 'mine'.*{reason}"):
        compile_network(build(), "mine", "litert")


@pytest.mark.parametrize("name", ["", "9lives", "Head", "a-b", "größer"])
def test_a_name_must_do_in_c(name: str) -> None:
    with pytest.raises(FirmwareError, match=re.escape(repr(name))):
        compile_network(tanh_of("int8")(), name, "litert")


def test_names_of_a_package_must_differ() -> None:
    network = compile_network(tanh_of("int8")(), "twice", "litert")
    with pytest.raises(FirmwareError, match="names of their own"):
        write_model([network, network])


def test_another_arithmetic_is_refused() -> None:
    with pytest.raises(FirmwareError, match="one of litert, tflm, got 'cmsis'"):
        oracle("cmsis")  # type: ignore[arg-type]


def test_a_name_in_the_file_cannot_end_a_comment() -> None:
    b = Builder()
    x, y = b.tensor((1, 4), 0.1, name="x"), b.tensor((1, 4), 1 / 128, name="*/ #error\nné /*")
    b.operator("TANH", [x], y)
    source = compile_network(b.build([x], [y]), "mine", "litert").source
    assert "/* * / #error?n? / * */" in source
