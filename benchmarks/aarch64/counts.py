"""Instruction counts that are kept with the code, and how new ones compare."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from edge_asc.atomic import atomic_path
from edge_asc.benchmarks.aarch64.system import HERE, EmulationError

KEPT = HERE / "counts.json"
SCHEMA_VERSION = 1

MAX_GROWTH = 0.02

ACCEPT = "to keep them: make bench-aarch64 BENCH_ARGS=--accept, and commit what it changed"


@dataclass(frozen=True, slots=True)
class Counts:
    """What one emulated processor took, with one set of versions."""

    model_sha256: str
    """Of the model file"""
    interpreter: str
    numpy: str
    python: str
    cpu: str
    instructions: Mapping[str, int]
    """Region -> instructions"""
    dot_products: Mapping[str, int]
    """Region -> SDOT and UDOT among them, where there are any"""

    @property
    def key(self) -> tuple[str, ...]:
        return (self.model_sha256, self.interpreter, self.numpy, self.python, self.cpu)

    @property
    def title(self) -> str:
        return f"{self.cpu}, Python {self.python}"


def read_counts(path: Path = KEPT) -> list[Counts]:
    """Raises EmulationError for a file of another schema."""
    document = json.loads(path.read_text(encoding="utf-8"))
    if document["schema_version"] != SCHEMA_VERSION:
        raise EmulationError(
            f"{path}: schema version {document['schema_version']}, known is {SCHEMA_VERSION}"
        )
    return [Counts(**entry) for entry in document["counts"]]


def write_counts(counts: Sequence[Counts], path: Path = KEPT) -> None:
    """Whole or not at all. Raises OSError."""
    document = {
        "schema_version": SCHEMA_VERSION,
        "what": "aarch64 instructions, emulated by QEMU, exact; see docs/aarch64.md",
        "counts": [asdict(entry) for entry in counts],
    }
    with atomic_path(path) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def growth_faults(kept: Iterable[Counts], new: Iterable[Counts]) -> list[str]:
    """Every count that grew by more than 2 %, and everything that has no count to compare with."""
    before = {entry.key: entry for entry in kept}
    faults = []
    for entry in new:
        if entry.key not in before:
            faults.append(f"{entry.title}: no counts are kept for this model and these versions")
            continue
        old = before[entry.key].instructions
        for region, count in entry.instructions.items():
            if region not in old:
                faults.append(f"{entry.title}: no count is kept for {region}")
            elif count > (1 + MAX_GROWTH) * old[region]:
                faults.append(
                    f"{entry.title}: {region} takes {count} instructions,"
                    f" {count / old[region] - 1:+.1%} of {old[region]}; allowed are"
                    f" {MAX_GROWTH:+.0%}"
                )
    return faults


def savings(kept: Iterable[Counts], new: Iterable[Counts]) -> list[str]:
    """Every count that fell by more than 2 %: worth keeping, so that it does not grow back."""
    before = {entry.key: entry.instructions for entry in kept}
    return [
        f"{entry.title}: {region} takes {1 - count / before[entry.key][region]:.1%} less"
        for entry in new
        if entry.key in before
        for region, count in entry.instructions.items()
        if count < (1 - MAX_GROWTH) * before[entry.key].get(region, 0)
    ]
