import re

import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.board import BOARDS, board_named
from edge_asc.firmware_bridge.boards.toolchain import linker_script


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_a_board_is_found_by_its_name_its_core_and_its_machine(board):
    for name in (board.name, board.core, board.name.upper(), board.machine):
        assert board_named(name) is board


def test_an_unknown_board_is_refused_with_the_nearest_name():
    with pytest.raises(FirmwareError, match="m3, m4, m7, m55, host, got 'm5'; did you mean 'm55'"):
        board_named("m5")


def test_a_tick_of_25_mhz_is_40_instructions_of_a_nanosecond():
    assert board_named("m4").instructions_per_tick == 40
    assert board_named("m55").instructions_per_tick == 31.25


def test_a_part_may_be_named_by_its_memory():
    board = board_named("m4").with_part(flash_bytes=512_000)
    assert (board.part.flash_bytes, board.part.ram_bytes) == (512_000, 256 * 1024)
    with pytest.raises(FirmwareError, match="RAM of a part must be more than 0 bytes, got -1"):
        board.with_part(ram_bytes=-1)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)
def test_the_linker_script_has_the_memory_of_the_machine_or_of_the_part(board):
    whole, limited = (linker_script(board, 4096, limited=limited) for limited in (False, True))
    assert f"ORIGIN = {board.ram.origin:#x}, LENGTH = {board.ram.size_bytes}" in whole
    assert f"ORIGIN = {board.ram.origin:#x}, LENGTH = {board.part.ram_bytes}" in limited
    assert f"LENGTH = {board.part.flash_bytes}" in limited
    for script in (whole, limited):
        assert not re.search(r"@\w+@", script)
