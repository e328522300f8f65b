"""Does a package compute on boards what it must, and what does it cost there?

manifest.json: are all files as exported?
    -> the smallest program, linked into the memory of the board's part  -> flash, RAM, or too large
    -> measure.c on the emulated board  -> self-test, given windows, stack, instructions
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards import qemu, toolchain
from edge_asc.firmware_bridge.boards.board import HOST, Board, board_named
from edge_asc.firmware_bridge.boards.package import Package
from edge_asc.firmware_bridge.boards.vectors import Int8, Vectors

MEASURE_STACK_BYTES = 128 * 1024
"""Of an emulated board: measured, not limited"""
CLOCK_TOLERANCE = 1e-3


@dataclass(frozen=True, slots=True)
class Agreement:
    """Windows that were run on a board, and how many gave the answer that they must."""

    windows: int
    identical: int
    """Every byte of the logits"""
    same_scene: int
    largest_step: int
    """Most that a logit is off, in steps of int8"""


@dataclass(frozen=True, slots=True)
class Cost:
    """What a package takes of a board."""

    flash_bytes: int
    """Of the smallest program that runs it, start-up code included"""
    ram_bytes: int
    """The same, without stack"""
    stack_bytes: int
    """The deepest that asc_process(), or the network, was seen to reach"""
    instructions: Mapping[str, int]
    """By what they are for:

        encoder     a cell, which is a second of features
        head
        front end   a second of sound to features
        hop         one more second of a stream, from sound to scenes: the three above
        window      a whole window from sound to scenes, none of it known before
        network     of a package of one network: a run, and nothing else is there
    """


@dataclass(frozen=True, slots=True)
class BoardReport:
    """What one board said."""

    board: str
    core: str
    kernels: str
    front_end: str
    """"float" or "fixed"; "" without sound"""
    features: Agreement | None
    """None where no windows were given"""
    sound: Agreement | None
    cost: Cost | None
    """None on the host, where nothing is counted"""
    flash_allowed: int
    """Of the board's part; 0 on the host"""
    ram_allowed: int

    @property
    def failure(self) -> str | None:
        """What did not come out as it must, if anything."""
        if self.features is not None and self.features.identical < self.features.windows:
            return (
                f"{self.core}: {self.features.windows - self.features.identical} of"
                f" {self.features.windows} windows of features gave other bytes than they must, up"
                f" to {self.features.largest_step} steps off"
            )
        if self.sound is not None and self.sound.same_scene < self.sound.windows:
            return (
                f"{self.core}: {self.sound.windows - self.sound.same_scene} of"
                f" {self.sound.windows} windows of sound gave another scene than Python's runtime"
            )
        return None


def check_package(
    folder: Path,
    boards: Sequence[Board | str],
    kernels: str | None = None,
    vectors: Vectors | None = None,
    limit_s: float = qemu.RUN_LIMIT_S,
) -> list[BoardReport]:
    """Build and run the package in `folder` on each of `boards`; "host" is this computer.

    The self-test always runs. `vectors` are windows with known answers; whether all came out right
    is `BoardReport.failure`. `kernels` "portable" or "dsp": other ones than it was exported with.
    `limit_s` is for the run on one board.

    Raises:
        FirmwareError: no package or one that was changed; a golden vector of its self-test that
            came out wrong; a model too large for a board's part; a program that hangs or faults;
            no toolchain; kernels that a core cannot run.
    """
    package, given = Package.read(folder), vectors or Vectors()
    kernels = kernels or package.kernels
    if vectors is not None and not package.hears:
        raise FirmwareError(
            f"{folder} holds one network, without sound: it has no windows to run but its self-test"
        )
    found = [
        board if isinstance(board, Board) or board == HOST else board_named(board)
        for board in boards
    ]
    reports = []
    for board in found:
        with tempfile.TemporaryDirectory(prefix="edge-asc-") as scratch:
            if isinstance(board, Board):
                reports.append(_check_board(package, board, kernels, given, Path(scratch), limit_s))
            else:
                reports.append(_check_host(package, kernels, given, Path(scratch), limit_s))
    return reports


def _check_board(
    package: Package, board: Board, kernels: str, given: Vectors, scratch: Path, limit_s: float
) -> BoardReport:
    toolchain.require("arm-none-eabi-gcc", "arm-none-eabi-size", "nano.specs", "qemu-system-arm")
    sizes = footprint(package, board, kernels, scratch)
    program = toolchain.build(
        board,
        [*package.sources, *_programs(package)],
        scratch,
        include=[package.folder],
        kernels=kernels,
        stack_bytes=MEASURE_STACK_BYTES,
    )
    given.write_raw(scratch)
    finished = qemu.run(board, program.elf, scratch, limit_s=limit_s)
    numbers = _numbers(scratch, board.core, finished)
    return BoardReport(
        board.name,
        board.core,
        kernels,
        package.front_end,
        *_agreements(given, scratch),
        cost=_cost(board, sizes, numbers),
        flash_allowed=board.part.flash_bytes,
        ram_allowed=board.part.ram_bytes,
    )


def _programs(package: Package) -> list[Path]:
    measure = "measure.c" if package.hears else "measure_network.c"
    return [toolchain.CSOURCE / name for name in (measure, "measuring.c")]


def footprint(package: Package, board: Board, kernels: str, scratch: Path) -> toolchain.Footprint:
    """Flash and RAM of the smallest program that classifies sound.

    Raises FirmwareError when it does not fit into the board's part.
    """
    smallest = "smallest.c" if package.hears else "smallest_network.c"
    folder = scratch / "smallest"
    folder.mkdir()
    program = toolchain.build(
        board,
        [*package.sources, toolchain.CSOURCE / smallest],
        folder,
        include=[package.folder],
        kernels=kernels,
        limited=True,
    )
    return program.footprint


def _check_host(
    package: Package, kernels: str, given: Vectors, scratch: Path, limit_s: float
) -> BoardReport:
    if kernels != "portable":
        raise FirmwareError(f"this computer runs the portable kernels only, got {kernels!r}")
    program = toolchain.build_for_host(
        [*package.sources, *_programs(package)], scratch, include=[package.folder]
    )
    given.write_raw(scratch)
    try:
        done = subprocess.run(
            [program], cwd=scratch, capture_output=True, text=True, timeout=limit_s
        )
    except subprocess.TimeoutExpired as error:
        raise FirmwareError(
            f"the package did not end within {limit_s:g} s on this computer"
        ) from error
    finished = qemu.Finished(done.returncode, done.stdout + done.stderr)
    _numbers(scratch, "this computer", finished)
    agreements = _agreements(given, scratch)
    return BoardReport(HOST, HOST, kernels, package.front_end, *agreements, None, 0, 0)


def _numbers(scratch: Path, core: str, finished: qemu.Finished) -> dict[str, int]:
    """What measure.c reported. Raises FirmwareError unless it ended and the self-test passed."""
    report = scratch / "report.txt"
    lines = report.read_text().splitlines() if report.exists() else []
    numbers = {name: int(value) for name, value in map(str.split, lines)}
    if numbers.get("selftest"):
        raise FirmwareError(_selftest_failure(core, numbers, finished.output.strip()))
    if finished.exit_code != 0 or "selftest" not in numbers:
        raise FirmwareError(
            f"the package failed on {core} with exit code {finished.exit_code}:"
            f" {finished.output.strip()[-2000:]!r}"
        )
    return numbers


def _selftest_failure(core: str, numbers: Mapping[str, int], network: str) -> str:
    expected, found = (_signed(numbers[name]) for name in ("expected", "found"))
    return (
        f"the self-test failed on {core}: golden vector {numbers['selftest'] - 1} of"
        f" {numbers['selftest_vectors']} (network {network!r}) is the first that came out wrong:"
        f" output byte {numbers['wrong_byte']} must be {expected}, it is {found}; the package's"
        " constants or this compiler are not those that it was made with: export it again, and try"
        " another version of the compiler"
    )


def _signed(byte: int) -> int:
    return byte - 256 if byte > 127 else byte


def _agreements(given: Vectors, scratch: Path) -> tuple[Agreement | None, Agreement | None]:
    return (
        _agreement(given.logits, scratch / "logits.bin"),
        _agreement(given.sound_logits, scratch / "results.bin"),
    )


def _agreement(expected: Int8 | None, path: Path) -> Agreement | None:
    if expected is None:
        return None
    found = np.frombuffer(path.read_bytes(), np.int8)
    if found.size != expected.size:
        raise FirmwareError(
            f"the package gave {found.size} logits for {len(expected)} windows, expected"
            f" {expected.size}: the windows are those of another model"
        )
    found = found.reshape(expected.shape)
    apart: npt.NDArray[np.int16] = np.abs(found.astype(np.int16) - expected)
    return Agreement(
        len(expected),
        int((apart.max(axis=1) == 0).sum()),
        int((found.argmax(axis=1) == expected.argmax(axis=1)).sum()),
        int(apart.max(initial=0)),
    )


def _cost(board: Board, sizes: toolchain.Footprint, numbers: Mapping[str, int]) -> Cost:
    _check_clock(board, numbers)

    def instructions(ticks: str, runs: int = 1) -> int:
        return round(numbers[ticks] * board.instructions_per_tick / runs)

    if "network_ticks" in numbers:
        counts = {"network": instructions("network_ticks")}
        return Cost(sizes.flash_bytes, sizes.ram_bytes, numbers["stack"], counts)
    cells, windows, sounds = numbers["cells"], numbers["windows"], numbers["sound_windows"]
    encoder = instructions("encoder_ticks", cells * windows)
    head = instructions("head_ticks", windows)
    early = instructions("early_ticks", (cells - 1) * sounds)
    counts = {
        "encoder": encoder,
        "head": head,
        "front end": early - encoder,
        "hop": early + head,
        "window": instructions("early_ticks", sounds) + instructions("last_ticks", sounds),
    }
    return Cost(sizes.flash_bytes, sizes.ram_bytes, numbers["stack"], counts)


def _check_clock(board: Board, numbers: Mapping[str, int]) -> None:
    """Raises FirmwareError when a loop of known length took another time than it must."""
    found = numbers["loop_ticks"] * board.instructions_per_tick / numbers["loop_instructions"]
    if abs(found - 1.0) > CLOCK_TOLERANCE:
        raise FirmwareError(
            f"a loop of {numbers['loop_instructions']} instructions took {numbers['loop_ticks']}"
            f" ticks on {board.machine}, {found:.4f} times what a clock of {board.clock_hz} Hz"
            " gives: this QEMU counts in another way; use that of Debian 12 (7.2)"
        )
