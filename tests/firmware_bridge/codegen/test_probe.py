"""An interpreter that rounds in a way that is not known is found out, layer by layer."""

from __future__ import annotations

import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen import scaling
from edge_asc.firmware_bridge.codegen.compiler import compile_network
from edge_asc.firmware_bridge.codegen.oracle import ARITHMETICS, Arithmetic
from edge_asc.firmware_bridge.codegen.rounding import double_rises
from tests.firmware_bridge.codegen.networks import Builder


def connected(bias: bool) -> bytes:
    b = Builder()
    x, y = b.tensor((1, 6), 2.0**-5, 3), b.tensor((1, 40), 2.0**-3, -9, name="y")
    w = b.tensor((40, 6), 2.0**-7, 0, np.random.default_rng(2).integers(-127, 128, (40, 6)))
    c = b.tensor((40,), 2.0**-12, 0, np.arange(40), dtype="int32")
    b.operator("FULLY_CONNECTED", [x, w, c if bias else -1], y)
    return b.build([x], [y])


def once(value: int, multiplier: int, shift: int) -> int:
    """Rounded once, half up: the rule of some builds and of CMSIS-NN's fully connected layers."""
    return (value * multiplier + (1 << (30 - shift))) >> (31 - shift)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("arithmetic", ARITHMETICS)
def test_the_known_rules_pass(arithmetic: Arithmetic, bias: bool) -> None:
    compile_network(connected(bias), "layer", arithmetic)


def test_tflm_does_not_round_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scaling, "scaled_twice", once)
    with pytest.raises(FirmwareError, match=r"tflite-micro .* FULLY_CONNECTED 'y'.*none that is"):
        compile_network(connected(bias=True), "layer", "tflm")


def test_litert_rounds_halves_away_from_zero(monkeypatch: pytest.MonkeyPatch) -> None:
    """With rises a sum later, negative halves go up."""

    def half_up(factor: float, zero: int, lowest: int, highest: int) -> object:
        rises = double_rises(factor, zero, lowest, highest)
        return type(rises)(lowest, [one - (1 if one <= 0 else 0) for one in rises.first_sums])

    monkeypatch.setattr(scaling, "double_rises", half_up)
    with pytest.raises(FirmwareError, match=r"ai-edge-litert .* makes"):
        compile_network(connected(bias=False), "layer", "litert")
