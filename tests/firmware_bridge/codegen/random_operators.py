"""Networks of one operator with random sizes, scales and weights, and inputs that matter to them.

Sums are put beside the halves between two outputs, where rounding rules differ.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from edge_asc.firmware_bridge.codegen.oracle import Int8
from tests.firmware_bridge.codegen.networks import Builder

Rng = np.random.Generator
Case = tuple[bytes, list[list[Int8]]]
"""A network and vectors of its inputs"""

SAME, VALID = 0, 1
ACTIVATIONS = (0, 1, 2, 3)
EVERY_INT8 = np.arange(-128, 128, dtype=np.int8)


def scale_of(rng: Rng, low: float = 0.005, high: float = 0.2) -> float:
    """A float32 scale; one in three is a power of two, where products fall on halves."""
    if rng.random() < 1 / 3:
        powers = np.arange(math.ceil(math.log2(low)), math.floor(math.log2(high)) + 1)
        return float(2.0 ** rng.choice(powers))
    return float(np.float32(rng.uniform(low, high)))


def zero_of(rng: Rng) -> int:
    return int(rng.choice([-128, 127, 0, rng.integers(-100, 100)]))


def int8s(rng: Rng, shape: tuple[int, ...]) -> Int8:
    """Any int8, the outermost ones often."""
    values = rng.integers(-200, 200, shape).clip(-128, 127)
    return values.astype(np.int8)


def near_halves(rng: Rng, count: int, factor: float) -> np.ndarray:
    """Sums whose products with `factor` are beside a half, or on it."""
    wanted = rng.integers(-260, 260, count) + 0.5
    return (np.rint(wanted / factor) + rng.integers(-1, 2, count)).clip(-(2**29), 2**29).astype(int)


def scales_of_weights(rng: Rng, channels: int, *, per_channel: bool) -> np.ndarray:
    return np.array([scale_of(rng, 0.001, 0.05) for _ in range(channels if per_channel else 1)])


def fully_connected(rng: Rng) -> Case:
    """Some outputs have weights of 0 and the sum that is wanted as bias."""
    per_channel = rng.random() < 0.5
    rows, depth, channels = int(rng.integers(1, 5)), int(rng.integers(1, 40)), 97
    scales = scales_of_weights(rng, channels, per_channel=per_channel)
    weights = int8s(rng, (channels, depth)).clip(-127, 127)
    weights[rng.random(channels) < 0.7] = 0
    b, x_scale, y_scale = Builder(), scale_of(rng), scale_of(rng)
    x = b.tensor((rows, depth), x_scale, zero_of(rng))
    w = b.tensor((channels, depth), scales, 0, weights)
    bias = near_halves(rng, channels, x_scale * float(scales[0]) / y_scale)
    bias_scales = np.float32(x_scale) * np.float32(scales)
    c = b.tensor((channels,), bias_scales, 0, bias, dtype="int32")
    y = b.tensor((rows, channels), y_scale, zero_of(rng))
    third = c if rng.random() < 0.8 else -1
    activation = int(rng.choice(ACTIVATIONS))
    b.operator("FULLY_CONNECTED", [x, w, third], y, fusedActivationFunction=activation)
    return b.build([x], [y]), [[int8s(rng, (rows, depth))] for _ in range(4)]


def _sizes(rng: Rng, padding: int) -> tuple[int, int, int, int, int, int, int, int]:
    """Window, strides, input and output, each (height, width)."""
    window = rng.integers(1, 5, 2)
    stride = rng.integers(1, 4, 2)
    size = window + rng.integers(0, 9, 2)
    out = -(-size // stride) if padding == SAME else (size - window) // stride + 1
    wh, ww, sh, sw, ih, iw, oh, ow = (int(one) for one in (*window, *stride, *size, *out))
    return wh, ww, sh, sw, ih, iw, oh, ow


def convolution(rng: Rng) -> Case:
    padding = int(rng.choice([SAME, VALID]))
    wh, ww, sh, sw, ih, iw, oh, ow = _sizes(rng, padding)
    if rng.random() < 0.3:
        wh = ww = sh = sw = 1
        oh, ow = ih, iw
    channels, out_channels = int(rng.integers(1, 8)), int(rng.integers(1, 20))
    b, x_scale, y_scale = Builder(), scale_of(rng), scale_of(rng)
    per_channel = bool(rng.random() < 0.8)
    scales = scales_of_weights(rng, out_channels, per_channel=per_channel)
    weights = int8s(rng, (out_channels, wh, ww, channels)).clip(-127, 127)
    weights[rng.random(out_channels) < 0.5] = 0
    x = b.tensor((1, ih, iw, channels), x_scale, zero_of(rng))
    w = b.tensor(weights.shape, scales, 0, weights)
    bias = near_halves(rng, out_channels, x_scale * float(scales[0]) / y_scale)
    c = b.tensor((out_channels,), np.float32(x_scale) * scales, 0, bias, dtype="int32")
    y = b.tensor((1, oh, ow, out_channels), y_scale, zero_of(rng))
    activation = int(rng.choice(ACTIVATIONS))
    options = {"strideH": sh, "strideW": sw, "padding": padding}
    b.operator("CONV_2D", [x, w, c], y, fusedActivationFunction=activation, **options)
    return b.build([x], [y]), [[int8s(rng, (1, ih, iw, channels))] for _ in range(3)]


def depthwise(rng: Rng) -> Case:
    padding = int(rng.choice([SAME, VALID]))
    wh, ww, sh, sw, ih, iw, oh, ow = _sizes(rng, padding)
    sw = sh  # TFLite's kernels want it
    ow = -(-iw // sw) if padding == SAME else (iw - ww) // sw + 1
    channels = int(rng.integers(1, 20))
    b, x_scale, y_scale = Builder(), scale_of(rng), scale_of(rng)
    scales = scales_of_weights(rng, channels, per_channel=True)
    weights = int8s(rng, (1, wh, ww, channels)).clip(-127, 127)
    weights[..., rng.random(channels) < 0.5] = 0
    x = b.tensor((1, ih, iw, channels), x_scale, zero_of(rng))
    w = b.tensor(weights.shape, scales, 0, weights, axis=3)
    bias = near_halves(rng, channels, x_scale * float(scales[0]) / y_scale)
    c = b.tensor((channels,), np.float32(x_scale) * scales, 0, bias, dtype="int32")
    y = b.tensor((1, oh, ow, channels), y_scale, zero_of(rng))
    activation = int(rng.choice(ACTIVATIONS))
    options = {"strideH": sh, "strideW": sw, "padding": padding, "depthMultiplier": 1}
    b.operator("DEPTHWISE_CONV_2D", [x, w, c], y, fusedActivationFunction=activation, **options)
    return b.build([x], [y]), [[int8s(rng, (1, ih, iw, channels))] for _ in range(3)]


def _pool(rng: Rng, kind: str) -> Case:
    padding = int(rng.choice([SAME, VALID]))
    wh, ww, sh, sw, ih, iw, oh, ow = _sizes(rng, padding)
    channels = int(rng.integers(1, 9))
    b, scale, zero = Builder(), scale_of(rng), zero_of(rng)
    x = b.tensor((1, ih, iw, channels), scale, zero)
    y = b.tensor((1, oh, ow, channels), scale, zero)
    options = {"strideH": sh, "strideW": sw, "filterHeight": wh, "filterWidth": ww}
    activation = int(rng.choice(ACTIVATIONS))
    b.operator(kind, [x], y, fusedActivationFunction=activation, padding=padding, **options)
    return b.build([x], [y]), [[int8s(rng, (1, ih, iw, channels))] for _ in range(3)]


def average_pool(rng: Rng) -> Case:
    return _pool(rng, "AVERAGE_POOL_2D")


def max_pool(rng: Rng) -> Case:
    return _pool(rng, "MAX_POOL_2D")


def mean(rng: Rng) -> Case:
    """Over time, over a picture, over channels; every sum near a half comes with the size."""
    shape, axes = [
        ((int(rng.integers(2, 21)), 1, 64), (0,)),
        ((1, int(rng.integers(2, 7)), int(rng.integers(2, 7)), 16), (1, 2)),
        ((5, 7, int(rng.integers(2, 12))), (-1,)),
        ((2, int(rng.integers(2, 12)), 30), (1,)),
    ][int(rng.integers(4))]
    b, same = Builder(), rng.random() < 0.5
    scale, zero = scale_of(rng), zero_of(rng)
    x = b.tensor(shape, scale, zero)
    a = b.tensor((len(axes),), values=axes, dtype="int32")
    kept = bool(rng.random() < 0.5)
    out = tuple(np.mean(np.zeros(shape), axis=axes, keepdims=kept).shape)
    y_scale = scale if same else scale * float(rng.uniform(0.3, 1.2))
    y = b.tensor(out, y_scale, zero if same else zero_of(rng))
    b.operator("MEAN", [x, a], y, keepDims=kept)
    return b.build([x], [y]), [[int8s(rng, shape)] for _ in range(6)]


def _pair(rng: Rng, kind: str) -> Case:
    """Every int8 with every other; or a constant, one value or along the last axis."""
    b, how = Builder(), str(rng.choice(["both", "value", "last axis", "constant"]))
    low, high = (0.01, 0.1) if kind == "MUL" else (0.005, 0.2)
    y_scale = scale_of(rng) * (0.5 if kind == "MUL" else 1.0)
    a_scale, b_scale = scale_of(rng, low, high), scale_of(rng, low, high)
    shape: tuple[int, ...] = (256, 256)
    other: tuple[int, ...] = shape
    if how == "both":
        vectors = [[np.repeat(EVERY_INT8, 256).reshape(shape), np.tile(EVERY_INT8, (256, 1))]]
    else:
        shape = (4, 64)
        other = {"value": (), "last axis": (64,), "constant": (1, 64)}[how]
        vectors = [[EVERY_INT8.reshape(shape)]]
    x = b.tensor(shape, a_scale, zero_of(rng))
    values = None if how == "both" else int8s(rng, other)
    z = b.tensor(other, b_scale, zero_of(rng), values)
    y = b.tensor(shape, y_scale, zero_of(rng))
    swapped = bool(rng.random() < 0.5)
    activation = int(rng.choice(ACTIVATIONS))
    b.operator(kind, [z, x] if swapped else [x, z], y, fusedActivationFunction=activation)
    return b.build([x, z] if how == "both" else [x], [y]), vectors


def add(rng: Rng) -> Case:
    return _pair(rng, "ADD")


def subtract(rng: Rng) -> Case:
    return _pair(rng, "SUB")


def multiply(rng: Rng) -> Case:
    return _pair(rng, "MUL")


def _table(rng: Rng, kind: str) -> Case:
    b = Builder()
    x = b.tensor((3, 256), scale_of(rng, 0.01, 0.1), zero_of(rng))
    scale, zero = {"LOGISTIC": (1 / 256, -128), "TANH": (1 / 128, 0)}.get(
        kind, (scale_of(rng, 0.01, 0.1), zero_of(rng))
    )
    y = b.tensor((3, 256), scale, zero)
    b.operator(kind, [x], y)
    return b.build([x], [y]), [[np.tile(EVERY_INT8, (3, 1))]]


def logistic(rng: Rng) -> Case:
    return _table(rng, "LOGISTIC")


def tanh(rng: Rng) -> Case:
    return _table(rng, "TANH")


def quantize(rng: Rng) -> Case:
    return _table(rng, "QUANTIZE")


OPERATORS: dict[str, Callable[[Rng], Case]] = {
    "FULLY_CONNECTED": fully_connected,
    "CONV_2D": convolution,
    "DEPTHWISE_CONV_2D": depthwise,
    "AVERAGE_POOL_2D": average_pool,
    "MAX_POOL_2D": max_pool,
    "MEAN": mean,
    "ADD": add,
    "SUB": subtract,
    "MUL": multiply,
    "LOGISTIC": logistic,
    "TANH": tanh,
    "QUANTIZE": quantize,
}
