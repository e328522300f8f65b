"""Programs for emulated boards that speak the serial link: an ear, and one that classifies.

Both play recording.bin of the emulator's folder (16 bits, little-endian) as if they heard it, from
its beginning whenever a host asks.
"""

from __future__ import annotations

from pathlib import Path

from edge_asc.firmware_bridge.boards.board import Board
from edge_asc.firmware_bridge.boards.package import Package
from edge_asc.firmware_bridge.boards.toolchain import CSOURCE, Program, build
from edge_asc.firmware_bridge.boards.vectors import Int16
from edge_asc.firmware_bridge.link import C_SOURCES

RECORDING = "recording.bin"


def write_recording(samples: Int16, folder: Path) -> None:
    """What the board hears, shape (num_samples,)."""
    (folder / RECORDING).write_bytes(samples.astype("<i2").tobytes())


def build_ear(board: Board, folder: Path, sample_rate_hz: int) -> Program:
    """A board that sends sound of this rate as PCM. Raises as `build`."""
    defines = [f"ASC_EAR_SAMPLE_RATE_HZ={sample_rate_hz}u"]
    return build(board, _sources("ear.c"), folder, include=[C_SOURCES], defines=defines)


def build_classifier(
    board: Board, package: Package, folder: Path, *, kernels: str | None = None, speed: int = 1
) -> Program:
    """A board that classifies by itself, its sound `speed` times as fast. Raises as `build`."""
    return build(
        board,
        [*package.sources, *_sources("classify.c")],
        folder,
        include=[package.folder, C_SOURCES],
        defines=[f"ASC_PLAYER_SPEED={speed}u"],
        kernels=kernels or package.kernels,
    )


def _sources(program: str) -> list[Path]:
    own = [CSOURCE / name for name in (program, "player.c", "uart.c")]
    return [*own, *sorted(C_SOURCES.glob("*.c"))]
