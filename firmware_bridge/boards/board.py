"""The boards that a package is checked on, as data.

Each is an FPGA image of Arm's MPS2 or MPS3 board as QEMU emulates it, and stands for a class of
parts. The machine's own memory is larger than that of most parts, so what a program may take is a
figure of its own: `Part`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from difflib import get_close_matches

from edge_asc.errors import FirmwareError

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Region:
    """Consecutive memory of a machine."""

    origin: int
    size_bytes: int


@dataclass(frozen=True, slots=True)
class Part:
    """What a real part of the class has: no program may take more."""

    example: str
    flash_bytes: int
    ram_bytes: int


@dataclass(frozen=True, slots=True)
class Board:
    """One emulated board."""

    name: str
    """As `--cpu` takes it"""
    core: str
    machine: str
    """As QEMU calls it"""
    flags: tuple[str, ...]
    """What tells the compiler of the core"""
    has_dsp: bool
    """Whether the core has SMLAD and its like, which the "dsp" kernels need"""
    has_fpu: bool
    """Whether it computes in floating point; else the compiler's library does, slowly"""
    flash: Region
    ram: Region
    constants: Region | None
    """Where constant data lies when not in `flash`"""
    uart: int
    """Address of the first UART"""
    uart_receive_interrupt: int
    clock_hz: int
    """What SysTick counts; QEMU's clock runs 1 ns an instruction with -icount shift=0"""
    part: Part

    @property
    def instructions_per_tick(self) -> float:
        return 1e9 / self.clock_hz

    def with_part(self, flash_bytes: int | None = None, ram_bytes: int | None = None) -> Board:
        """The same board, for a part with so much memory. Raises FirmwareError for none."""
        for name, given in (("flash", flash_bytes), ("RAM", ram_bytes)):
            if given is not None and given <= 0:
                raise FirmwareError(f"{name} of a part must be more than 0 bytes, got {given}")
        limits = Part(
            "the part that was named",
            self.part.flash_bytes if flash_bytes is None else flash_bytes,
            self.part.ram_bytes if ram_bytes is None else ram_bytes,
        )
        return replace(self, part=limits)


def _mps2(name: str, core: str, machine: str, flags: tuple[str, ...], part: Part) -> Board:
    """A core in the image of an MPS2 board; those with an FPU have DSP instructions, too."""
    has_fpu = "-mfloat-abi=hard" in flags
    return Board(
        name,
        core,
        machine,
        flags,
        has_dsp=has_fpu,
        has_fpu=has_fpu,
        flash=Region(0x0000_0000, 4 * MIB),
        ram=Region(0x2000_0000, 4 * MIB),
        constants=None,
        uart=0x4000_4000,
        uart_receive_interrupt=0,
        clock_hz=25_000_000,
        part=part,
    )


# Memory of parts that are often met; a Cortex-M55 has no typical one. `with_part` takes others.
BOARDS = (
    _mps2(
        "m3",
        "Cortex-M3",
        "mps2-an385",
        ("-mcpu=cortex-m3", "-mfloat-abi=soft"),
        Part("STM32F207xG", 1 * MIB, 128 * KIB),
    ),
    _mps2(
        "m4",
        "Cortex-M4",
        "mps2-an386",
        ("-mcpu=cortex-m4", "-mfpu=fpv4-sp-d16", "-mfloat-abi=hard"),
        Part("nRF52840", 1 * MIB, 256 * KIB),
    ),
    _mps2(
        "m7",
        "Cortex-M7",
        "mps2-an500",
        ("-mcpu=cortex-m7", "-mfpu=fpv5-d16", "-mfloat-abi=hard"),
        Part("STM32F746xG", 1 * MIB, 320 * KIB),
    ),
    Board(
        name="m55",
        core="Cortex-M55",
        machine="mps3-an547",
        flags=("-mcpu=cortex-m55", "-mfloat-abi=hard"),
        has_dsp=True,
        has_fpu=True,
        flash=Region(0x0000_0000, 512 * KIB),
        ram=Region(0x2100_0000, 2 * MIB),
        constants=Region(0x0100_0000, 2 * MIB),
        uart=0x4930_3000,
        uart_receive_interrupt=33,
        clock_hz=32_000_000,
        part=Part("2 MiB of flash and of RAM", 2 * MIB, 2 * MIB),
    ),
)

HOST = "host"
"""This computer, with sanitizers: no board, but `check` takes it as one"""


def board_named(name: str) -> Board:
    """By its short name or its core's. Raises FirmwareError for another one."""
    for board in BOARDS:
        if name.lower() in (board.name, board.core.lower(), board.machine):
            return board
    allowed = [*(board.name for board in BOARDS), HOST]
    near = get_close_matches(name.lower(), allowed, 1)
    hint = f"; did you mean {near[0]!r}?" if near else ""
    raise FirmwareError(f"a board must be one of {', '.join(allowed)}, got {name!r}{hint}")
