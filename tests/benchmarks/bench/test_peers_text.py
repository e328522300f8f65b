"""The table of peers: ratios against the first row, what is random, what is missing."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from edge_asc.benchmarks.bench.peers_text import describe_peers, ratio
from edge_asc.benchmarks.bench.result import Result, Timing


def model(name: str, weights: str) -> dict[str, object]:
    return {
        "name": name,
        "runtime": "numpy 9",
        "quantization": "int8",
        "weights": weights,
        "about": f"what {name} is",
        "window_s": 10.0,
    }


def timings(name: str, front_s: float, network_s: float, runs: int) -> list[Timing]:
    parts = {"features": front_s, "network": network_s, "total": front_s + network_s}
    return [Timing(name, "window", part, (took,) * runs) for part, took in parts.items()]


def result(runs: int = 30, *, complete: bool = True) -> Result:
    return Result(
        device={"machine": "x86_64", "python": "3.11.2"},
        software={"numpy": "2.4.6"},
        settings={"runs": runs, "warm_up": 1, "seed": 1, "clock": "wall", "audio": "a train"},
        models=(model("ours", "trained"), model("theirs", "random weights, cost only")),
        timings=(
            *timings("ours", 0.003, 0.001, runs),
            Timing("ours", "stream", "total", (0.0005,) * runs),
            *timings("theirs", 0.010, 0.090, runs),
        ),
        created="2026-05-17T14:30:00+00:00",
        complete=complete,
    )


def test_each_row_is_compared_with_the_first() -> None:
    lines = list(describe_peers(result(), {}))
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[:5]]
    assert cells[0] == [
        "ms for 10 s of sound",
        "front end",
        "network",
        "together",
        "times the first",
    ]
    assert cells[2] == ["ours", "3.00", "1.00", "4.00", "1"]
    assert cells[3][0] == "one more second of its stream"
    assert cells[3][1:] == ["", "", "0.50", "0.125 (0.125 - 0.125)"]
    assert cells[4] == ["theirs*", "10.00", "90.00", "100.00", "25.0 (25.0 - 25.0)"]


def test_random_weights_and_missing_peers_are_told() -> None:
    missing = {"other": "torch is missing", "third": "torch is missing"}
    text = "\n".join(describe_peers(result(), missing))
    assert "`*`: random weights, cost only." in text
    assert "- theirs*: what theirs is; random weights, cost only; numpy 9" in text
    assert "- `other`, `third`: torch is missing" in text
    assert "30 runs of each row, in shuffled order in one process on one thread" in text
    assert "numpy 2.4.6" in text


def test_an_interrupted_comparison_says_so() -> None:
    assert "Interrupted" in "\n".join(describe_peers(result(complete=False), {}))


def test_few_runs_have_no_interval() -> None:
    assert ratio((4.0, 4.0, 5.0), (2.0, 2.0, 2.0), seed=1) == (2.0,)


def test_the_interval_holds_the_ratio() -> None:
    rng = np.random.default_rng(1)
    ours, theirs = rng.normal(4.0, 0.2, 200), rng.normal(100.0, 5.0, 200)
    found, low, high = ratio(theirs.tolist(), ours.tolist(), seed=1)
    assert low < found < high
    assert [found, low, high] == pytest.approx([25.0] * 3, rel=0.03)


def test_the_rows_of_the_readme_are_those_of_the_document() -> None:
    """One run made both tables."""
    root = Path(__file__).parents[3]
    readme = (root / "README.md").read_text(encoding="utf-8")
    document = (root / "docs" / "peers.md").read_text(encoding="utf-8")
    section = readme.split("## Beside others")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ")]
    assert len(rows) > 3
    assert not [row for row in rows if row not in document.splitlines()]
