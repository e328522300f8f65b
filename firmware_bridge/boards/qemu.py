"""Programs on emulated boards: started, watched, and always ended.

With `counted`, QEMU's clock runs one nanosecond an instruction, so a program's SysTick counts its
instructions, the same in every run. A program may read and write files of one folder (semihosting),
and its first UART can be a terminal or a socket of this computer.
"""

from __future__ import annotations

import re
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.board import Board
from edge_asc.firmware_bridge.boards.toolchain import require

FAULT_EXIT_CODE = 99
"""What `startup.c` ends with after a fault, or an interrupt that nobody handles"""
RUN_LIMIT_S = 300.0
_START_LIMIT_S = 20.0
_POLL_S = 0.02
_PTY = re.compile(r"char device redirected to (\S+)")


@dataclass(frozen=True, slots=True)
class Finished:
    """A program that ended by itself."""

    exit_code: int
    output: str
    """What it printed, and what QEMU said"""


class Emulation:
    """A board that runs, with its UART at `port`."""

    def __init__(self, board: Board, process: subprocess.Popen[bytes], log: Path) -> None:
        self.board = board
        self.port: str | None = None
        """Path of the terminal or socket that is its UART, if it has one"""
        self._process = process
        self._log = log

    @property
    def output(self) -> str:
        """What the program printed so far, and what QEMU said."""
        return self._log.read_text(errors="replace")

    @property
    def pid(self) -> int:
        """Of QEMU."""
        return self._process.pid

    def connect(self) -> socket.socket:
        """The UART, when it is a socket. Raises FirmwareError when QEMU made none."""
        assert self.port is not None, "start it with a path as its UART"
        end_s = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < end_s and self._process.poll() is None:
            line = socket.socket(socket.AF_UNIX)
            try:
                line.connect(self.port)
            except (FileNotFoundError, ConnectionRefusedError):
                line.close()
                time.sleep(_POLL_S)
                continue
            line.settimeout(_START_LIMIT_S)
            return line
        raise FirmwareError(f"{self.board.machine} made no socket; it said: {self.output!r}")

    def wait(self, limit_s: float) -> Finished:
        """Until the program ends. Raises FirmwareError when it does not within `limit_s`."""
        try:
            code = self._process.wait(limit_s)
        except subprocess.TimeoutExpired:
            raise FirmwareError(
                f"the program on {self.board.core} did not end in {limit_s:g} s and was stopped;"
                f" so far it said: {self.output[-1000:]!r}. It hangs, or this machine is too slow:"
                " a longer limit tells which"
            ) from None
        return Finished(code, self.output)

    def find_terminal(self) -> str:
        """The path of the terminal that QEMU made. Raises FirmwareError when it makes none."""
        end_s = time.monotonic() + _START_LIMIT_S
        while time.monotonic() < end_s:
            if found := _PTY.search(self.output):
                return found[1]
            if self._process.poll() is not None:
                break
            time.sleep(_POLL_S)
        raise FirmwareError(f"{self.board.machine} gave no terminal; it said: {self.output!r}")


@contextmanager
def emulated(
    board: Board,
    elf: Path,
    folder: Path,
    *,
    uart: str | Path | None = None,
    arguments: Sequence[str] = (),
    counted: bool = False,
) -> Iterator[Emulation]:
    """Run `elf` on `board` while the context lasts; what still runs at its end is killed.

    `folder` holds the files that it reads and writes. `uart`: "pty" for a terminal, a path for
    a Unix socket to which the board waits for one connection, None for nothing. On a terminal
    QEMU drops what is sent before it notices a reader, up to a second: let the host speak first.

    Raises FirmwareError: no qemu-system-arm, or it does not start.
    """
    require("qemu-system-arm")
    log = folder / "qemu.log"
    command = [*_command(board, elf, uart, arguments), *(["-icount", "shift=0"] * counted)]
    with log.open("wb") as said:
        process = subprocess.Popen(
            command, cwd=folder, stdin=subprocess.DEVNULL, stdout=said, stderr=subprocess.STDOUT
        )
    try:
        emulation = Emulation(board, process, log)
        if uart == "pty":
            emulation.port = emulation.find_terminal()
        elif uart is not None:
            emulation.port = str(uart)
        yield emulation
    finally:
        if process.poll() is None:
            process.kill()
        process.wait()


def run(
    board: Board,
    elf: Path,
    folder: Path,
    *,
    arguments: Sequence[str] = (),
    limit_s: float = RUN_LIMIT_S,
) -> Finished:
    """Run `elf` on `board` to its end, counted; any exit code but a fault's is the caller's.

    Raises FirmwareError: it hangs, faults, or QEMU is missing or fails.
    """
    with emulated(board, elf, folder, arguments=arguments, counted=True) as emulation:
        finished = emulation.wait(limit_s)
    if finished.exit_code == FAULT_EXIT_CODE or finished.exit_code < 0:
        raise FirmwareError(
            f"the program on {board.core} stopped with a fault (exit code {finished.exit_code}):"
            f" {finished.output.strip()!r}"
        )
    return finished


def _dying_with_this_process() -> list[str]:
    """util-linux has a program for it: one that was killed must not leave QEMU behind."""
    return ["setpriv", "--pdeathsig", "KILL"] if shutil.which("setpriv") else []


def _command(
    board: Board, elf: Path, uart: str | Path | None, arguments: Sequence[str]
) -> list[str]:
    words = "".join(f",arg={word}" for word in (elf.name, *arguments))
    if uart is None:
        serial = "none"
    else:
        serial = "pty" if uart == "pty" else f"unix:{uart},server=on,wait=on"
    return [
        *_dying_with_this_process(),
        *("qemu-system-arm", "-M", board.machine, "-display", "none", "-monitor", "none"),
        *("-serial", serial, "-semihosting-config", f"enable=on,target=native{words}"),
        *("-kernel", str(elf.resolve())),
    ]
