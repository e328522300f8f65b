"""The default model's networks on emulated boards, with both kinds of kernels."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_asc.firmware_bridge.boards.board import board_named
from edge_asc.firmware_bridge.boards.qemu import run
from edge_asc.firmware_bridge.boards.toolchain import build, missing_tools
from edge_asc.firmware_bridge.codegen.compiler import write_model
from edge_asc.firmware_bridge.codegen.host import CSOURCE
from edge_asc.firmware_bridge.codegen.selftest import write_selftest
from edge_asc.firmware_bridge.codegen.vectors import golden_vectors
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.codegen.conftest import Compiled

NETWORKS_BUDGET = {"portable": 350_000_000, "dsp": 160_000_000}
"""Instructions of ten cells and one head on a Cortex-M4, beside which a front end of 80 M fits
into 450 M and 250 M"""

_MAIN = """\
#include "asc_model.h"
#include "asc_selftest.h"
#include "port.h"

static int32_t memory[(ASC_SELFTEST_MEMORY_BYTES + 3) / 4];

static void print_number(uint32_t number)
{
    char text[12] = "          \\n";
    int at = 9;
    for (; at == 9 || number > 0; --at, number /= 10) {
        text[at] = (char)('0' + number % 10);
    }
    asc_port_print(text);
}

int main(void)
{
    uint64_t begin;
    uint32_t encoder;
    uint32_t head;
    asc_port_start_clock(0);
    begin = asc_port_ticks();
    asc_encoder_run((int8_t *)memory);
    encoder = (uint32_t)(asc_port_ticks() - begin);
    begin = asc_port_ticks();
    asc_head_run((int8_t *)memory);
    head = (uint32_t)(asc_port_ticks() - begin);
    print_number(encoder);
    print_number(head);
    asc_port_exit(asc_selftest(memory));
    return 0;
}
"""


@pytest.mark.skipif(bool(missing_tools()), reason="needs what make firmware-tools installs")
@pytest.mark.parametrize(
    ("name", "kernels"), [("m3", "portable"), ("m4", "portable"), ("m4", "dsp"), ("m55", "dsp")]
)
def test_networks_pass_their_self_test_in_their_budget(
    name: str, kernels: str, default_model: ModelFile, compiled: Compiled, tmp_path: Path
) -> None:
    networks = compiled["litert"]
    vectors = golden_vectors(default_model, *networks, windows=1, cells=2)
    files = write_model(networks) | write_selftest(networks, vectors) | {"main.c": _MAIN}
    for file, text in files.items():
        (tmp_path / file).write_text(text)
    sources = [tmp_path / file for file in files if file.endswith(".c")]
    board = board_named(name)
    program = build(
        board,
        [*sources, CSOURCE / "asc_kernels.c"],
        tmp_path,
        include=[tmp_path, CSOURCE],
        kernels=kernels,
    )
    finished = run(board, program.elf, tmp_path)
    assert finished.exit_code == 0, finished.output
    encoder, head = (int(word) for word in finished.output.split()[:2])
    instructions = (10 * encoder + head) * board.instructions_per_tick
    assert instructions < NETWORKS_BUDGET[kernels]
