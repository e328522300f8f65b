"""Every operator as C against both interpreters, byte for byte."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest

from edge_asc.firmware_bridge.codegen.compiler import compile_network
from edge_asc.firmware_bridge.codegen.host import HostModel
from edge_asc.firmware_bridge.codegen.oracle import ARITHMETICS, Arithmetic, oracle
from tests.firmware_bridge.codegen.random_operators import OPERATORS

CASES = 8


@pytest.mark.parametrize("arithmetic", ARITHMETICS)
@pytest.mark.parametrize("kind", OPERATORS)
def test_an_operator_gives_the_interpreters_bytes(
    kind: str, arithmetic: Arithmetic, tmp_path: Path
) -> None:
    """The random numbers are the same for both arithmetics."""
    rng = np.random.default_rng(zlib.crc32(kind.encode()))
    cases = [OPERATORS[kind](rng) for _ in range(CASES)]
    networks = [
        compile_network(tflite, f"case{at}", arithmetic) for at, (tflite, _) in enumerate(cases)
    ]
    host = HostModel(networks, tmp_path)
    for network, (tflite, vectors) in zip(networks, cases, strict=True):
        run = oracle(arithmetic).load(tflite)
        for got, vector in zip(host.run(network.name, vectors), vectors, strict=True):
            np.testing.assert_array_equal(got, run(vector), err_msg=network.name)
