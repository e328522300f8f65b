"""docs/bench.md says what the program does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edge_asc.benchmarks.bench import watch
from edge_asc.benchmarks.bench.energy import _SAMPLES_PER_S, CONSTANT
from edge_asc.benchmarks.bench.result import STAGES, WAYS
from edge_asc.benchmarks.bench.run import REST_S, Settings
from edge_asc.benchmarks.bench.warnings import AWAY_SHARE, BUSY_CORES
from edge_asc.commands.bench import run
from edge_asc.doctor.machine import HOT_C

DEFAULTS = Settings()
PAGE = (Path(__file__).parents[3] / "docs" / "bench.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())


def test_every_way_and_every_stage_is_told() -> None:
    told = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    names = {name for cell in told for name in re.findall(r"`(\w+)`", cell)}
    assert names == {*WAYS, *STAGES}


@pytest.mark.parametrize(
    "text",
    [
        f"`--runs` times each ({DEFAULTS.runs})",
        f"after `--warm-up` runs each ({DEFAULTS.warm_up})",
        f"`--minutes` for each model ({DEFAULTS.minutes:g})",
        f"fresh processes of each model ({DEFAULTS.starts})",
        f"those of the interpreter ({DEFAULTS.threads})",
        f"more than {BUSY_CORES:g} cores in the second before the run",
        f"more than {100 * AWAY_SHARE:g} % of the time that it measured",
        f"the processor reached {HOT_C:g} °C",
        f'called "{CONSTANT}" wherever it is shown',
        f"Power is read {_SAMPLES_PER_S:g} times a second",
    ],
)
def test_the_numbers_are_those_of_the_program(text: str) -> None:
    assert text in WORDS


def test_defaults_of_the_command_are_those_of_a_run() -> None:
    defaults = {str(param.name): param.default for param in run.params}
    for name in ("runs", "warm_up", "minutes", "starts", "threads", "seed"):
        assert defaults[name] == getattr(Settings(), name)


def test_how_often_the_machine_is_looked_at() -> None:
    assert (REST_S, watch._EVERY_S) == (1.0, 1.0)
    assert "one second at rest before the run" in WORDS
    assert "are looked at once a second" in WORDS
