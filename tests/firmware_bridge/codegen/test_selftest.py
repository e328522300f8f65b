"""The self-test of a package: right as it is written, and every corrupt byte found."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.codegen.compiler import write_model
from edge_asc.firmware_bridge.codegen.host import CSOURCE, SANITIZED, compile_c
from edge_asc.firmware_bridge.codegen.selftest import write_selftest
from edge_asc.firmware_bridge.codegen.vectors import Vector, golden_vectors
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.codegen.conftest import Compiled

_MAIN = """\
#include "asc_selftest.h"
#include <stdio.h>
static int32_t memory[(ASC_SELFTEST_MEMORY_BYTES + 3) / 4];
int main(void)
{
    asc_selftest_fault_t fault = {"", -1, -1, 0, 0};
    const int result = asc_selftest_fault(memory, &fault);
    printf("%d %s %d %d %d %d\\n", asc_selftest(memory), fault.network, (int)fault.vector,
           (int)fault.output_byte, fault.expected, fault.found);
    return result;
}
"""


@pytest.fixture(scope="module")
def vectors(default_model: ModelFile, compiled: Compiled) -> list[Vector]:
    return golden_vectors(default_model, *compiled["litert"], windows=1, cells=2)


def run(files: dict[str, str], folder: Path, flags: tuple[str, ...] = ("-O1",)) -> str:
    for name, text in (files | {"main.c": _MAIN}).items():
        (folder / name).write_text(text)
    sources = [folder / name for name in ("main.c", "asc_model.c", "selftest.c")]
    program = folder / "selftest"
    include = [f"-I{folder}", f"-I{CSOURCE}"]
    compile_c([*sources, CSOURCE / "asc_kernels.c"], program, [*include, *flags])
    done = subprocess.run([program], capture_output=True, text=True, check=False)
    assert done.stderr == ""
    assert done.returncode == int(done.stdout.split()[0])
    return done.stdout.strip()


@pytest.fixture
def files(compiled: Compiled, vectors: list[Vector]) -> dict[str, str]:
    networks = compiled["litert"]
    return write_model(networks) | write_selftest(networks, vectors)


def test_a_package_passes_its_own_test(files: dict[str, str], tmp_path: Path) -> None:
    assert "#define ASC_SELFTEST_VECTORS 3\n" in files["asc_selftest.h"]
    assert run(files, tmp_path, SANITIZED) == "0  -1 -1 0 0"


@pytest.mark.parametrize(("at", "byte"), [(0, 0), (1, 2047), (2, 9)])
def test_a_wrong_golden_byte_is_found(
    at: int, byte: int, compiled: Compiled, vectors: list[Vector], tmp_path: Path
) -> None:
    """The first, the last, and one of the head's."""
    corrupt = list(vectors)
    wanted = vectors[at].outputs[0].copy()
    right = int(wanted.ravel()[byte])
    wanted.ravel()[byte] ^= 1
    corrupt[at] = Vector(vectors[at].network, vectors[at].inputs, [wanted])
    networks = compiled["litert"]
    said = run(write_model(networks) | write_selftest(networks, corrupt), tmp_path)
    assert said == f"{at + 1} {vectors[at].network} {at} {byte} {right ^ 1} {right}"


def test_a_wrong_weight_is_found(files: dict[str, str], tmp_path: Path) -> None:
    """The first weight of the last layer."""
    pattern = re.compile(r"(/\* logits \*/\nstatic const int8_t \w+\[\] = \{\n\s*)(-?\d+)")
    changed, count = pattern.subn(
        lambda found: f"{found[1]}{127 if int(found[2]) < 0 else -127}", files["asc_model.c"]
    )
    assert count == 1
    said = run(files | {"asc_model.c": changed}, tmp_path)
    assert said.startswith("3 head 2 0 ")


def test_steps_that_are_repeated_take_their_room_once(
    compiled: Compiled, vectors: list[Vector]
) -> None:
    """Two cells fill twenty steps: their bytes are those that the encoder must give."""
    text = write_selftest(compiled["litert"], vectors)["selftest.c"]
    names = re.findall(r"static const int8_t (\w+)\[\]", text)
    counts = dict(re.findall(r"sizeof (\w+) == (\d+) \*", text))
    assert sum(int(counts[name]) for name in names) < 2 * (3200 + 2048) + 100


def test_a_lost_byte_does_not_compile(files: dict[str, str], tmp_path: Path) -> None:
    """C would fill the end of the array with zeros, and say nothing."""
    changed = re.sub(
        r"(static const int8_t \w+\[\] = \{\n\s*)-?\d+,", r"\1", files["selftest.c"], count=1
    )
    assert changed != files["selftest.c"]
    with pytest.raises(FirmwareError, match="asc_check_golden"):
        run(files | {"selftest.c": changed}, tmp_path)


def test_vectors_of_no_network_are_refused(compiled: Compiled, vectors: list[Vector]) -> None:
    networks = compiled["litert"]
    with pytest.raises(FirmwareError, match="got no vectors"):
        write_selftest(networks, [])
    other = Vector("tail", vectors[0].inputs, [np.zeros(1, np.int8)])
    with pytest.raises(FirmwareError, match="vectors of tail"):
        write_selftest(networks, [other])
