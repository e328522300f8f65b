"""What is told of a result that is made up; each figure can be done in one's head."""

from __future__ import annotations

from dataclasses import replace

from edge_asc.benchmarks.bench.result import (
    ColdStart,
    Energy,
    Live,
    Memory,
    Moment,
    Result,
    Throughput,
    Timing,
)
from edge_asc.benchmarks.bench.text import describe, markdown_table

MODEL = {
    "name": "m",
    "quantization": "int8",
    "runtime": "ai-edge-litert 2.1.0",
    "window_s": 10.0,
    "hop_s": 1.0,
}
SETTINGS = {
    "audio": "clip",
    "audio_format": "WAV PCM_16",
    "rate_hz": 44_100,
    "runs": 2,
    "warm_up": 1,
    "seed": 7,
}
RESULT = Result(
    device={"machine": "aarch64", "cores": 4, "kernel": "6.12", "python": "3.13.5"},
    software={"edge-asc": "1.2.3"},
    settings=SETTINGS,
    models=(MODEL,),
    timings=(
        Timing("m", "window", "network", (0.01, 0.03)),
        Timing("m", "window", "total", (0.04, 0.06)),
        Timing("m", "stream", "total", (0.004, 0.006)),
    ),
    created="2026-05-17T12:00:00+00:00",
)


def told(**changes: object) -> list[str]:
    return list(describe(replace(RESULT, **changes)))  # type: ignore[arg-type]


def test_times_and_how_much_faster_than_sound() -> None:
    lines = told()
    assert lines[0] == "# aarch64"
    assert lines[2] == "4 cores, Linux, 6.12, Python 3.13.5"
    assert "window: a whole window at once; 2 times" in lines
    assert "| network        | 20.000 | 28.000 | 29.000 | 29.800 | 30.000 |" in lines
    assert "| **end to end** | 50.000 | 58.000 | 59.000 | 59.800 | 60.000 |" in lines
    assert "- real-time factor, window: 0.00500 (200 times real time)" in lines
    assert "- real-time factor, stream: 0.00500 (200 times real time)" in lines


def test_what_was_not_measured_is_not_told() -> None:
    text = "\n".join(told())
    for word in ("live", "cold start", "memory", "W by", "meanwhile", "Warnings", "governor"):
        assert word not in text


def test_a_board_that_is_emulated_is_called_so_in_its_title() -> None:
    device = {**RESULT.device, "model": "Raspberry Pi 4", "cpu": "Cortex-A72", "emulated": "sign"}
    assert told(device=device)[0] == "# Raspberry Pi 4, Cortex-A72 (emulated)"


def test_sound_that_is_synthetic_is_called_so() -> None:
    lines = told(settings={**SETTINGS, "synthetic": True})
    assert lines[3].startswith("synthetic sound: clip (44100 Hz, WAV PCM_16); 2 runs in shuffled")


def test_all_that_may_be_measured() -> None:
    lines = told(
        live=(Live("m", 1.0, 15, 2, 15.0, 0.0125),),
        throughput=(Throughput("m", 1, 20.0), Throughput("m", 2, 38.5)),
        cold_start=(ColdStart("m", (0.2, 0.3, 0.4), (0.1, 0.1, 0.1), (0.5, 0.6, 0.9)),),
        memory=(Memory("m", 60.0, 62.5, 80_000),),
        timeline=(Moment(0.0, 48.0, 600.0, "", 0.1), Moment(1.0, 61.0, 1000.0, "", 0.5)),
        warnings=("the machine was busy",),
        complete=False,
    )
    assert "meanwhile: temperature 48 to 61 °C, clock 600 to 1000 MHz, load 0.10 to 0.50" in lines
    assert "not complete: this is what had been measured when the run ended" in lines
    assert "- windows a second (threads): 20.0 (1), 38.5 (2)" in lines
    assert (
        "- live, a hop every 1 s for 15 s: 2 of 15 answers came after the next hop was due; 1.25 %"
        " of a core" in lines
    )
    assert (
        "- cold start, median of 3 processes: modules imported 0.30 s, model loaded 0.10 s;"
        " `edge-asc classify` answers after 0.60 s (slowest 0.90 s)" in lines
    )
    assert "- memory: 60.0 MB, at most 62.5 MB; arena in TFLite Micro 80 kB" in lines
    assert lines[-3:] == ["## Warnings", "", "- the machine was busy"]


def test_energy_above_rest_is_told_of_what_was_measured_only() -> None:
    constant = "constant given by the user"
    lines = told(
        energy=(
            Energy("rest", "RAPL package-0", 4.0, 2.0, 0),
            Energy("rest", constant, 6.0, 2.0, 0),
            Energy("window", "RAPL package-0", 10.0, 2.0, 100, "m"),
            Energy("window", constant, 6.0, 2.0, 100, "m"),
            Energy("live", "RAPL package-0", 30.0, 10.0, 10, "m"),
        )
    )
    assert lines[-5:] == [
        "- at rest: 2.00 W by RAPL package-0",
        "- at rest: 3.00 W by constant given by the user",
        "- window, 1 thread: 5.00 W by RAPL package-0, 100.0 mJ a window (60.0 mJ above rest)",
        "- window, 1 thread: 3.00 W by constant given by the user, 60.0 mJ a window",
        "- live, 1 thread: 3.00 W by RAPL package-0, 3000.0 mJ a hop (1000.0 mJ above rest)",
    ]


def test_a_long_run_tells_whether_it_became_slower() -> None:
    slower = tuple([0.010] * 100 + [0.013] * 100)
    lines = told(
        timings=(Timing("m", "live", "total", slower),),
        live=(Live("m", 1.0, 200, 0, 200.0, 0.01),),
    )
    assert "- the last tenth of them took 1.30 times as long as the first" in lines


def test_a_table_is_markdown_and_aligned() -> None:
    assert list(markdown_table([["ms", "p50"], ["features", "1.5"]])) == [
        "| ms       | p50 |",
        "|----------|----:|",
        "| features | 1.5 |",
    ]
