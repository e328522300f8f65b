"""The C front end on emulated boards: the bytes of this computer, few instructions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_asc.firmware_bridge.boards import qemu, toolchain
from edge_asc.firmware_bridge.boards.board import board_named
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.frontend.programs import (
    CSOURCE,
    DRIVERS,
    FRACTION,
    FrontEnd,
    write_sources,
)

INSTRUCTIONS_A_SECOND = {
    ("m3", False): 169.1e6,
    ("m3", True): 16.72e6,
    ("m4", False): 7.72e6,
    ("m4", True): 17.03e6,
    ("m7", False): 7.70e6,
    ("m7", True): 16.89e6,
    ("m55", False): 7.74e6,
    ("m55", True): 16.52e6,
}
"""By board, and whether in integers: of gcc 12.2 -O2 in QEMU 7.2, the same in every run. An M4 is
to take at most 8 million in single precision: 80 million for ten seconds."""

OTHER_COMPILERS = 1.03


@pytest.mark.parametrize("name", ["m3", "m4", "m7", "m55"])
def test_a_board_gives_the_same_bytes(
    model: ModelFile, front_end: FrontEnd, name: str, tmp_path: Path
) -> None:
    """Sound of every loudness, silence and full scale in one cell."""
    if missing := toolchain.missing_tools():
        pytest.skip(f"needs {', '.join(missing)}: make firmware-tools installs them")
    fixed = front_end.fixed
    rng = np.random.default_rng(5)
    loudness = np.exp2(np.arange(44_100) / 2500.0)
    sound = np.clip(np.rint(rng.standard_normal(44_100) * loudness), -32768, 32767)
    sound[9000:14_000] = 0
    sound[40_000:42_000] = 32767
    sound.astype(np.int16).tofile(tmp_path / "sound.bin")
    board, defines = board_named(name), [f"ASC_FRONTEND_FIXED={int(fixed)}"]
    sources = [*write_sources(model, tmp_path), DRIVERS / "cell.c"]
    include = (tmp_path, CSOURCE)
    program = toolchain.build(board, sources, tmp_path, include=include, defines=defines)
    finished = qemu.run(board, program.elf, tmp_path)
    assert finished.exit_code == 0, finished.output
    here = front_end.hear(sound.astype(np.int16))
    raw = np.fromfile(tmp_path / "levels.bin", np.int32 if fixed else np.float32)
    levels = raw.astype(np.float64) / (FRACTION if fixed else 1.0)
    assert np.array_equal(levels.reshape(-1, 64), here.levels)
    features = np.fromfile(tmp_path / "features.bin", np.int8)
    assert np.array_equal(features.reshape(-1, 64), here.features)
    instructions = (
        int(np.fromfile(tmp_path / "ticks.bin", np.uint32)[0]) * board.instructions_per_tick
    )
    assert instructions <= OTHER_COMPILERS * INSTRUCTIONS_A_SECOND[name, fixed]
