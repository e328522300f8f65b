"""The processors and boards of Raspberry Pis, as far as an emulator and an estimate need them."""

from __future__ import annotations

from dataclasses import dataclass

CORES = 4


@dataclass(frozen=True, slots=True)
class Cpu:
    """A processor that QEMU knows, and what Linux says of it on a Raspberry Pi."""

    name: str
    """As QEMU calls it"""
    part: int
    variant: int
    revision: int
    features: str
    """Linux's names of what it can do; libraries choose their kernels by them"""
    kernels_per_cycle: float
    """Instructions a cycle in int8 kernels, assumed"""
    python_per_cycle: float
    """The same in numpy and Python"""

    def cpuinfo(self) -> str:
        """The text of /proc/cpuinfo.

        XNNPACK crashes on that of another architecture, and believes what it says: a processor of
        another name than QEMU's gets kernels whose instructions it has not.
        """
        core = (
            f"BogoMIPS\t: 108.00\nFeatures\t: {self.features}\nCPU implementer\t: 0x41\n"
            f"CPU architecture: 8\nCPU variant\t: {self.variant:#x}\nCPU part\t: {self.part:#05x}\n"
            f"CPU revision\t: {self.revision}\n\n"
        )
        cores = "".join(f"processor\t: {number}\n{core}" for number in range(CORES))
        return f"{cores}Model\t\t: Raspberry Pi, emulated\n"


_OLDER = "fp asimd evtstrm crc32 cpuid"
_NEWER = (
    "fp asimd evtstrm aes pmull sha1 sha2 crc32 atomics fphp asimdhp cpuid asimdrdm lrcpc dcpop"
    " asimddp"
)

# Instructions a cycle: int8 kernels by published times of MobileNet V1 and V2 on these boards over
# the instructions that we counted for the same networks (0.87 and 0.79, 1.21 and 1.11, 1.28); numpy
# and Python by judgement. docs/aarch64.md names the sources.
CPUS = (
    Cpu("cortex-a53", 0xD03, 0x0, 4, _OLDER, 0.8, 0.6),
    Cpu("cortex-a72", 0xD08, 0x0, 3, _OLDER, 1.1, 0.9),
    Cpu("cortex-a76", 0xD0B, 0x4, 1, _NEWER, 1.3, 1.3),
)


CORTEX_A7 = Cpu(
    "cortex-a7",
    0xC07,
    0x0,
    5,
    "half thumb fastmult vfp edsp neon vfpv3 tls vfpv4 idiva idivt",
    0,
    0,
)
"""Of a Raspberry Pi 2, for 32-bit systems; no time is estimated for it"""


@dataclass(frozen=True, slots=True)
class Board:
    """A Raspberry Pi."""

    name: str
    cpu: str
    clock_ghz: float


BOARDS = (
    Board("Zero 2 W", "cortex-a53", 1.0),
    Board("3 B+", "cortex-a53", 1.4),
    Board("4", "cortex-a72", 1.5),
    Board("5", "cortex-a76", 2.4),
)


def cpu_named(name: str) -> Cpu:
    """By QEMU's name."""
    return next(cpu for cpu in CPUS if cpu.name == name)


def estimate_ms(board: Board, kernels: int, python: int) -> float:
    """Milliseconds on one core for so many instructions of int8 kernels, and of numpy and Python.

    An estimate: memory that is waited for, heat and other programs are not in it.
    """
    cpu = cpu_named(board.cpu)
    cycles = kernels / cpu.kernels_per_cycle + python / cpu.python_per_cycle
    return cycles / (1e6 * board.clock_ghz)
