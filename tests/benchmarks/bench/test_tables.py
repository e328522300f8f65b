"""Tables and Markdown of results: what stands there, and what does not."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from edge_asc.benchmarks.bench.compare import compare
from edge_asc.benchmarks.bench.markdown import (
    comparison_markdown,
    comparison_text,
    results_markdown,
)
from edge_asc.benchmarks.bench.result import (
    TOTAL,
    ColdStart,
    Energy,
    Memory,
    Result,
    Throughput,
    Timing,
)
from edge_asc.benchmarks.bench.tables import (
    Table,
    all_tables,
    device_names,
    latency_table,
    marks,
    number,
    stage_table,
)
from tests.benchmarks.bench.made_results import MODEL, made_result

OPERATOR = {
    "model": MODEL,
    "network": "encoder",
    "index": 0,
    "operators": 2,
    "operator": "PAD x + CONV_2D y",
    "median_s": 30e-6,
    "low_s": 29e-6,
    "high_s": 31e-6,
    "share": 0.5,
}


def exact_result() -> Result:
    """Totals of 1 to 101 ms: the p50 is 51, the p90 91, and so on."""
    samples_s = tuple(1e-3 * value for value in range(1, 102))
    result = made_result()
    return replace(
        result,
        timings=(
            Timing(MODEL, "window", TOTAL, samples_s),
            Timing(MODEL, "stream", TOTAL, samples_s),
            Timing(MODEL, "window", "read", (0.004,)),
        ),
    )


@pytest.mark.parametrize(
    ("value", "words"),
    [(0.0, "0"), (1234.4, "1234"), (33.66, "33.7"), (3.527, "3.53"), (0.00218, "0.00218"),
     (-0.5, "-0.500"), (99.96, "100.0")],
)  # fmt: skip
def test_numbers_have_three_digits_that_tell_something(value: float, words: str) -> None:
    assert number(value) == words


def test_latencies_are_percentiles_and_real_time_factors() -> None:
    table = latency_table([exact_result()])
    window, stream = table.rows
    # 51 ms of a window's 10 s, and of a hop's 1 s.
    assert window == (MODEL, "window", "51.0", "91.0", "96.0", "100", "101", "0.00510", "101")
    assert stream[-2:] == ("0.0510", "101")
    assert "window: one whole window" in table.note


def test_without_the_length_of_the_sound_there_is_no_real_time_factor() -> None:
    result = made_result(models=({"name": MODEL},))
    assert latency_table([result]).rows[0][-2] == "-"


def test_several_results_stand_side_by_side_and_what_one_lacks_is_absent() -> None:
    table = stage_table([exact_result(), made_result()], MODEL, "window")
    assert table.header == ("stage", "A p50 ms", "A p95 ms", "B p50 ms", "B p95 ms")
    rows = {row[0]: row[1:] for row in table.rows}
    assert rows["read"][:2] == ("4.00", "4.00")
    assert rows["features"][:2] == ("-", "-")
    assert rows[TOTAL][0] == "51.0"


def test_results_are_lettered_and_emulation_is_in_the_name() -> None:
    emulated = made_result(device={"cpu": "Cortex-A53", "emulated": "the process is qemu"})
    assert device_names([emulated]) == ["Cortex-A53 (emulated)"]
    assert device_names([made_result(), emulated]) == [
        "A: Raspberry Pi 5 Model B Rev 1.0",
        "B: Cortex-A53 (emulated)",
    ]
    assert device_names([made_result(device={})]) == ["unknown device"]
    assert marks([made_result()] * 28)[-3:] == ["Z", "A2", "B2"]


def test_what_was_not_measured_has_no_table() -> None:
    titles = [table.title for table in all_tables([replace(made_result(), live=())])]
    assert titles == ["From sound to answer", "Stages: m, window"]


def test_everything_else_that_was_measured_has_one() -> None:
    result = replace(
        made_result(),
        cold_start=(ColdStart(MODEL, (0.2, 0.3, 0.25), (0.04,), ()),),
        memory=(Memory(MODEL, 68.7, 70.1),),
        throughput=(Throughput(MODEL, 2, 36.4),),
        energy=(
            Energy(way="rest", meter="INA219 at 0x40", joules=3.0, seconds=1.0, answers=0),
            Energy("window", "INA219 at 0x40", 8.0, 2.0, 100, model=MODEL),
        ),
        operators=(OPERATOR,),
    )
    tables = {table.title: table.rows for table in all_tables([result])}
    assert tables["Listening in real time"] == ((MODEL, "1.00", "60", "0", "1.00"),)
    assert tables["Cold start"] == ((MODEL, "0.250", "0.0400", "-", "3"),)
    assert tables["Memory of a process"] == ((MODEL, "68.7", "70.1", "-"),)
    assert tables["Throughput"] == ((MODEL, "2", "36.4"),)
    rest, window = tables["Energy"]
    assert rest == ("(at rest)", "rest", "INA219 at 0x40", "3.00", "-")
    assert window == (MODEL, "window", "INA219 at 0x40", "4.00", "80.0")
    assert tables["Operators"] == (
        (MODEL, "encoder", "0 - 1", "PAD x + CONV_2D y", "30.0", "29.0 to 31.0", "50.0"),
    )
    assert "| m | encoder | 0 - 1 | PAD x + CONV_2D y | 30.0 | 29.0 to 31.0 | 50.0 |" in (
        results_markdown([result, result]).replace("| A | m", "| m")
    )


def test_markdown_sets_numbers_flush_right_and_keeps_bars_in_words() -> None:
    table = Table("t", ("name", "ms"), (("a|b", "1.5"), ("c", "-")), "a note")
    assert (
        table.to_markdown() == "| name | ms |\n| --- | ---: |\n| a\\|b | 1.5 |\n| c | - |\n\na note"
    )
    assert table.to_text() == "name   ms\na|b   1.5\nc       -\na note"


def test_markdown_of_one_has_no_letters() -> None:
    text = results_markdown([made_result(warnings=("the machine was busy",))])
    assert text.startswith("# Raspberry Pi 5 Model B Rev 1.0\n\n- **the machine was busy**\n\n## ")
    assert "| stage | p50 ms | p90 ms | p95 ms | p99 ms | max ms |" in text


def test_markdown_of_several_begins_with_their_warnings() -> None:
    busy = made_result(2, warnings=("the machine was busy",), complete=False)
    synthetic = replace(made_result(), settings={**made_result().settings, "synthetic": True})
    lines = results_markdown([synthetic, busy]).splitlines()
    assert lines[0].startswith("# A: Raspberry Pi 5")
    assert lines[2:5] == [
        "- **A: the sound is synthetic**",
        "- **B: the machine was busy**",
        "- **B: interrupted: not all was measured**",
    ]
    assert "|  | A: Raspberry Pi 5 Model B Rev 1.0 | B: Raspberry Pi 5 Model B Rev 1.0 |" in lines


def test_a_comparison_says_what_it_found_and_how() -> None:
    slowed = made_result(2, slowed={"features": 1.3}, warnings=("the machine was busy",))
    found = compare(made_result(1), replace(slowed, software={"numpy": "1.26.4"}))
    for text in (comparison_text(found), comparison_markdown(found)):
        assert "caution: B: the machine was busy" in text
        assert "software: numpy: 2.4.6 against 1.26.4" in text
        assert "B is slower: m, window, total p50 1.1" in text
        assert re.search(r"m, window, features p50 1\.[23]\d+ \(1\.\d+ - 1\.\d+\)", text)
        assert "B is faster" not in text
        assert "at least 1.05 times as much or as little" in text
        assert "12 ratios looked at together" in text
    few = comparison_text(compare(made_result(1, 50), made_result(2, 50)))
    assert "6 have too few samples: a median needs 20, a 95th percentile 100" in few
