"""Every operator as C against both interpreters, byte for byte."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.compiler import compile_network
from edge_asc.firmware_bridge.codegen.host import SANITIZED, HostModel
from edge_asc.firmware_bridge.codegen.oracle import ARITHMETICS, Arithmetic, oracle
from tests.firmware_bridge.codegen.random_operators import OPERATORS

CASES = 8
DSP = (
    *SANITIZED,
    "-DASC_KERNELS_DSP",
    "-D__ARM_FEATURE_DSP=1",
    f"-I{Path(__file__).parent / 'acle'}",
)
"""The kernels' code for cores with DSP instructions, these in plain C"""


def check(kind: str, arithmetic: Arithmetic, folder: Path, flags: tuple[str, ...]) -> None:
    """The random numbers are the same for both arithmetics and all flags."""
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    cases = [OPERATORS[kind](rng) for _ in range(CASES)]
    networks = [
        compile_network(tflite, f"case{at}", arithmetic) for at, (tflite, _) in enumerate(cases)
    ]
    host = HostModel(networks, folder, flags)
    for network, (tflite, vectors) in zip(networks, cases, strict=True):
        run = oracle(arithmetic).load(tflite)
        for got, vector in zip(host.run(network.name, vectors), vectors, strict=True):
            np.testing.assert_array_equal(got, run(vector), err_msg=network.name)


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("kind", OPERATORS)
def test_an_operator_gives_the_interpreters_bytes(
    kind: str, arithmetic: Arithmetic, tmp_path: Path
) -> None:
    check(kind, arithmetic, tmp_path, SANITIZED)


@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "CONV_2D"])
def test_dsp_kernels_give_the_same(kind: str, tmp_path: Path) -> None:
    check(kind, "litert", tmp_path, DSP)


def test_dsp_kernels_need_a_core_that_has_the_instructions(tmp_path: Path) -> None:
    flags = tuple(flag for flag in DSP if "FEATURE" not in flag)
    with pytest.raises(FirmwareError, match="needs a core with DSP instructions"):
        check("TANH", "litert", tmp_path, flags)
