"""Test and count on an emulated Raspberry Pi.

    make bench-aarch64 [BENCH_ARGS=--accept]
    python -m edge_asc.benchmarks.aarch64 [--accept]

Compares what Cortex-A53, A72 and A76 compute, emulated, with this machine; counts instructions,
twice, and holds them against `counts.json`. Prints tables as Markdown; all else goes to stderr.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import click

from edge_asc.benchmarks.aarch64.counts import (
    ACCEPT,
    Counts,
    growth_faults,
    read_counts,
    savings,
    write_counts,
)
from edge_asc.benchmarks.aarch64.session import run_all, say
from edge_asc.benchmarks.aarch64.system import EmulationError
from edge_asc.benchmarks.aarch64.tables import report, write_page


@click.command()
@click.option("--accept", is_flag=True, help="Keep these counts, here and in docs/aarch64.md.")
def main(accept: bool) -> None:
    """Test and count on an emulated Raspberry Pi."""
    began_s = time.monotonic()
    try:
        with tempfile.TemporaryDirectory() as name:
            counts = run_all(Path(name))
        click.echo(report(counts))
        if accept:
            write_counts(counts)
            write_page(report(counts))
            say("these counts are kept now")
        else:
            compare_with_kept(counts)
    except EmulationError as error:
        raise click.ClickException(f"emulated Raspberry Pi: {error}") from error
    say(f"done in {time.monotonic() - began_s:.0f} s")


def compare_with_kept(counts: Sequence[Counts]) -> None:
    """Raises EmulationError when a count grew by more than 2 %, or none is kept."""
    kept = read_counts()
    for line in savings(kept, counts):
        say(line)
    if faults := growth_faults(kept, counts):
        raise EmulationError("\n  ".join(["the counts are not as kept:", *faults, ACCEPT]))
    say("no count is more than 2 % above the kept one")


if __name__ == "__main__":
    main()
