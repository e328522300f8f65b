"""Counts that are kept: what grew is refused, and the page says what the file says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from edge_asc.benchmarks.aarch64.boards import BOARDS, estimate_ms
from edge_asc.benchmarks.aarch64.counts import (
    Counts,
    growth_faults,
    read_counts,
    savings,
    write_counts,
)
from edge_asc.benchmarks.aarch64.system import EmulationError
from edge_asc.benchmarks.aarch64.tables import BEGIN, END, PAGE, report, write_page

KEPT = Counts("ab", "ai-edge-litert 2.3.0", "2.4.6", "3.11.2", "cortex-a53", {"hop": 1000}, {})


def grown(count: int) -> Counts:
    return replace(KEPT, instructions={"hop": count})


def test_up_to_two_percent_more_is_allowed() -> None:
    assert growth_faults([KEPT], [grown(1020)]) == []
    (fault,) = growth_faults([KEPT], [grown(1021)])
    assert fault == (
        "cortex-a53, Python 3.11.2: hop takes 1021 instructions, +2.1% of 1000; allowed are +2%"
    )


@pytest.mark.parametrize(
    "other",
    [
        replace(KEPT, model_sha256="cd"),
        replace(KEPT, interpreter="ai-edge-litert 2.2.0"),
        replace(KEPT, numpy="2.4.7"),
        replace(KEPT, python="3.11.3"),
        replace(KEPT, cpu="cortex-a72"),
    ],
)
def test_what_has_no_kept_count_is_told(other: Counts) -> None:
    (fault,) = growth_faults([KEPT], [other])
    assert fault.endswith("no counts are kept for this model and these versions")


def test_a_new_region_is_told() -> None:
    new = replace(KEPT, instructions={"hop": 1000, "head": 1})
    assert growth_faults([KEPT], [new]) == ["cortex-a53, Python 3.11.2: no count is kept for head"]


def test_what_fell_is_told() -> None:
    assert savings([KEPT], [grown(980)]) == []
    assert savings([KEPT], [grown(500)]) == ["cortex-a53, Python 3.11.2: hop takes 50.0% less"]


def test_what_is_written_is_read(tmp_path: Path) -> None:
    write_counts([KEPT], tmp_path / "counts.json")
    assert read_counts(tmp_path / "counts.json") == [KEPT]


def test_another_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "counts.json"
    path.write_text('{"schema_version": 9, "counts": []}')
    with pytest.raises(EmulationError, match="schema version 9, known is 1"):
        read_counts(path)


def test_the_page_shows_the_kept_counts() -> None:
    kept = read_counts()
    assert {entry.cpu for entry in kept} == {"cortex-a53", "cortex-a72", "cortex-a76"}
    _, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    assert rest.partition(END)[0].strip() == report(kept)


def test_the_kept_counts_are_what_must_hold_on_a_cortex_a53() -> None:
    """At most 60 M for features, 25 M for the network, 12 M for a hop: the project's own aims."""
    for entry in read_counts():
        if entry.cpu == "cortex-a53":
            assert entry.instructions["features"] <= 60e6
            assert entry.instructions["network"] <= 25e6
            assert entry.instructions["hop"] <= 12e6
        assert (entry.dot_products.get("network", 0) > 0) == (entry.cpu == "cortex-a76")


def test_a_page_without_marks_is_refused(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text("nothing")
    with pytest.raises(EmulationError, match="needs the lines"):
        write_page("table", page)
    page.write_text(f"before\n{BEGIN}\nold\n{END}\nafter\n")
    write_page("table", page)
    assert page.read_text() == f"before\n{BEGIN}\n\ntable\n\n{END}\nafter\n"


def test_estimates_are_instructions_over_instructions_a_second() -> None:
    zero, four = BOARDS[0], BOARDS[2]
    # 28.77 M at 0.8 a cycle and 29.3 M at 0.6, 1 GHz: 36 and 49 ms, worked out by hand.
    assert estimate_ms(zero, 28_770_000, 0) == pytest.approx(35.96, abs=0.01)
    assert estimate_ms(zero, 0, 29_300_000) == pytest.approx(48.83, abs=0.01)
    assert estimate_ms(four, 36_950_000, 0) == pytest.approx(36.95 / 1.1 / 1.5)
