"""Counts and estimates as Markdown, printed and kept in docs/aarch64.md."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from edge_asc.atomic import atomic_path
from edge_asc.benchmarks.aarch64.boards import BOARDS, Board, estimate_ms
from edge_asc.benchmarks.aarch64.counts import Counts
from edge_asc.benchmarks.aarch64.system import PROJECT, EmulationError

PAGE = PROJECT / "docs" / "aarch64.md"
BEGIN, END = "<!-- made by make bench-aarch64: begin -->", "<!-- end -->"

REGIONS = {
    "import numpy": "`import numpy`",
    "import": "the rest of the runtime's imports",
    "load": "reading the model, LiteRT's import, golden windows",
    "features": "features of a 10 s window",
    "encoder": "encoder, a cell of 1 s",
    "head": "head",
    "network": "network, a whole window",
    "window": "a whole window, from sound to answer",
    "hop": "a hop of 1 s, from sound to answer",
    "hop from 48 kHz": "the same from sound at 48 kHz",
}
"""Region -> what it is, in the order of the table"""

KERNELS = {
    "window": ("network",),
    "hop": ("encoder", "head"),
    "hop from 48 kHz": ("encoder", "head"),
}
"""Which regions are the int8 kernels in another"""


def instruction_table(counts: Sequence[Counts]) -> str:
    """Millions of instructions, a column for each processor and Python."""
    header = " | ".join(
        f"{entry.cpu.removeprefix('cortex-').upper()}, {_python(entry)}" for entry in counts
    )
    lines = [
        f"| million aarch64 instructions, emulated | {header} |",
        f"|---|{'---:|' * len(counts)}",
    ]
    for region, what in REGIONS.items():
        cells = " | ".join(f"{entry.instructions[region] / 1e6:.2f}" for entry in counts)
        lines.append(f"| {what} | {cells} |")
    dots = " | ".join(f"{entry.dot_products.get('network', 0) / 1e6:.2f}" for entry in counts)
    lines.append(f"| dot products (SDOT) in the network | {dots} |")
    return "\n".join(lines)


def estimate_table(counts: Sequence[Counts], python: str) -> str:
    """Estimated milliseconds on every board, with the Python whose version begins so."""
    ways = ("window", "hop", "hop from 48 kHz", "features", "network", "import numpy")
    lines = [
        f"| **estimated** milliseconds, one core | {' | '.join(ways)} |",
        f"|---|{'---:|' * len(ways)}",
    ]
    for board in BOARDS:
        (entry,) = (
            one for one in counts if one.cpu == board.cpu and one.python.startswith(f"{python}.")
        )
        cells = " | ".join(f"{_estimate(board, entry, way):.3g}" for way in ways)
        lines.append(f"| {board.name} ({_core(board)}, {board.clock_ghz:g} GHz) | {cells} |")
    return "\n".join(lines)


def report(counts: Sequence[Counts]) -> str:
    """Both tables with what they rest on."""
    entry = counts[0]
    return "\n\n".join(
        [
            f"The shipped model (SHA-256 {entry.model_sha256[:12]}), {entry.interpreter}, numpy"
            f" {entry.numpy}, one thread, a seeded noise clip, emulated by QEMU:",
            instruction_table(counts),
            "From these, **estimated** and never measured, for Python 3.13:",
            estimate_table(counts, "3.13"),
        ]
    )


def write_page(text: str, page: Path = PAGE) -> None:
    """Put `text` between the page's marks. Raises EmulationError when it has none."""
    page_text = page.read_text(encoding="utf-8")
    before, begin, rest = page_text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise EmulationError(f"{page} needs the lines {BEGIN!r} and {END!r}, around the tables")
    with atomic_path(page) as temporary:
        temporary.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}", encoding="utf-8")


def _estimate(board: Board, entry: Counts, way: str) -> float:
    total = entry.instructions[way]
    inner = KERNELS.get(way, (way,) if way == "network" else ())
    kernels = sum(entry.instructions[name] for name in inner)
    return estimate_ms(board, kernels, total - kernels)


def _python(entry: Counts) -> str:
    return ".".join(entry.python.split(".")[:2])


def _core(board: Board) -> str:
    return board.cpu.replace("cortex-a", "Cortex-A")
