"""The start-up code, the port and the UART on every board, and programs that go wrong."""

import os
import shutil
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards import qemu, toolchain
from edge_asc.firmware_bridge.boards.board import BOARDS, board_named

PROGRAMS = Path(__file__).parent / "programs"
LIMIT_S = 60.0

pytestmark = pytest.mark.usefixtures("boards_are_here")

every_board = pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.name)


def is_running(pid):
    """A process that has ended and was not waited for yet does not run."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def build(board, name, folder):
    sources = [PROGRAMS / f"{name}.c", toolchain.CSOURCE / "uart.c"]
    return toolchain.build(board, sources, folder).elf


@every_board
def test_files_output_and_exit_code(board, tmp_path):
    (tmp_path / "in.txt").write_text("from the host")
    finished = qemu.run(board, build(board, "ends", tmp_path), tmp_path, limit_s=LIMIT_S)
    assert (finished.exit_code, finished.output) == (7, "done\n")
    assert (tmp_path / "out.txt").read_text() == "from the host"


@every_board
def test_a_tick_is_as_many_instructions_as_the_board_says(board, tmp_path):
    """SysTick's 24 bits hold 671 million instructions at 25 MHz; the second loop takes 700."""
    finished = qemu.run(board, build(board, "counts", tmp_path), tmp_path, limit_s=LIMIT_S)
    short, long, shallow, deep = map(int, finished.output.split())
    assert abs(short * board.instructions_per_tick - 2e6) < 200
    assert abs(long * board.instructions_per_tick - 7e8) < 200
    assert shallow < 300
    assert 5000 <= deep - shallow + 64 <= 5200


@every_board
def test_a_fault_is_told_not_taken_for_a_result(board, tmp_path):
    with pytest.raises(
        FirmwareError, match=r"stopped with a fault \(exit code 99\): 'fault: status"
    ):
        qemu.run(board, build(board, "faults", tmp_path), tmp_path, limit_s=LIMIT_S)


def test_a_program_that_hangs_is_ended_and_told(tmp_path):
    board = board_named("m4")
    with pytest.raises(FirmwareError, match=r"did not end in 2 s .* 'still here"):
        qemu.run(board, build(board, "hangs", tmp_path), tmp_path, limit_s=2.0)


def test_what_still_runs_at_the_end_is_killed(tmp_path):
    board = board_named("m4")
    elf = build(board, "hangs", tmp_path)
    with qemu.emulated(board, elf, tmp_path) as emulation:
        pid = emulation.pid
        os.kill(pid, 0)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.skipif(shutil.which("setpriv") is None, reason="needs setpriv of util-linux")
def test_a_process_that_is_killed_leaves_no_emulator_behind(tmp_path):
    elf = build(board_named("m4"), "hangs", tmp_path)
    program = (
        "import sys, time; from pathlib import Path\n"
        "from edge_asc.firmware_bridge.boards import board, qemu\n"
        "elf = Path(sys.argv[1])\n"
        "with qemu.emulated(board.board_named('m4'), elf, elf.parent) as emulation:\n"
        "    while 'still here' not in emulation.output:\n"
        "        time.sleep(0.02)\n"
        "    print(emulation.pid, flush=True)\n"
        "    time.sleep(60)\n"
    )
    command = [sys.executable, "-c", program, str(elf)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        pid = int(process.stdout.readline())
        process.kill()
    end_s = time.monotonic() + 10.0
    while is_running(pid):
        if time.monotonic() > end_s:
            os.kill(pid, signal.SIGKILL)
            pytest.fail(f"QEMU {pid} still ran")
        time.sleep(0.05)


@every_board
def test_the_uart_on_a_terminal(board, tmp_path):
    """Every byte is an interrupt of its own, and none is slept through."""
    serial = pytest.importorskip("serial")
    elf = build(board, "echoes", tmp_path)
    with qemu.emulated(board, elf, tmp_path, uart="pty") as emulation:
        with serial.Serial(emulation.port, timeout=20) as port:
            for number in range(40):
                line = f"line {number} of the host\n".encode()
                port.write(line)
                assert port.readline() == line.upper()
            port.write(b".")
        assert emulation.wait(LIMIT_S).exit_code == 0


@every_board
def test_the_uart_on_a_socket_while_instructions_are_counted(board, tmp_path):
    """The socket stays open to the end: QEMU forgets what it has not read when it is closed."""
    elf, path = build(board, "echoes", tmp_path), tmp_path / "uart"
    with (
        qemu.emulated(board, elf, tmp_path, uart=path, counted=True) as emulation,
        emulation.connect() as line,
        line.makefile("rwb", buffering=0) as file,
    ):
        for text in (b"abc\n", b"the end\n"):
            file.write(text)
            assert file.readline() == text.upper()
        file.write(b".")
        assert emulation.wait(LIMIT_S).exit_code == 0


def test_a_machine_that_does_not_start_is_told(tmp_path):
    board = replace(board_named("m4"), machine="mps9")
    told = pytest.raises(FirmwareError, match=r"mps9 gave no terminal; it said: .*unsupported")
    with told, qemu.emulated(board, tmp_path / "no.elf", tmp_path, uart="pty"):
        pass


def test_without_qemu_it_says_what_to_install(only_tools, tmp_path):
    only_tools()
    with pytest.raises(FirmwareError, match=r"qemu-system-arm not found.* make firmware-tools"):
        qemu.run(board_named("m4"), tmp_path / "no.elf", tmp_path)
