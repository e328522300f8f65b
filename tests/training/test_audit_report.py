from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from edge_asc.context import SceneContext
from edge_asc.training.audit import Audit, ClassRow, ProtocolAudit, Shared
from edge_asc.training.audit_report import (
    classes_figure,
    controls_figure,
    sound_figure,
    text_lines,
    write_page,
)
from edge_asc.training.audit_sound import Copy, Rule, SoundAudit
from edge_asc.training.controls import CITY, MAJORITY, NEAREST_TIME, Controls, ControlScore
from edge_asc.training.datasets import Clip
from edge_asc.training.metrics import Interval


def clip(name: str, scene: str) -> Clip:
    return Clip(Path(name), 0.0, None, scene, SceneContext(), name, None, "test")


def controls(accuracy: float) -> Controls:
    def one(value: float) -> ControlScore:
        around = Interval(value - 0.05, value + 0.05)
        return ControlScore(value, around, value, around)

    return Controls({NEAREST_TIME: one(accuracy), CITY: one(0.25), MAJORITY: one(0.1)}, 0.125, 80)


def protocol(name: str, accuracy: float | None) -> ProtocolAudit:
    return ProtocolAudit(
        protocol=name,
        num_splits=2,
        num_seeds=5,
        num_test_clips=80.0,
        not_testable=["bar"] if name == "city-held-out" else [],
        controls=None if accuracy is None else controls(accuracy),
        shared={"visit": Shared(12.0, 3.5)},
        copies=[],
    )


@pytest.fixture
def sound() -> SoundAudit:
    windows = [clip("a.wav", "bus"), clip("b.wav", "bus"), clip("c.wav", "bar"), clip("d", "bar")]
    return SoundAudit(
        windows=windows,
        level_db=np.array([-20.0, -22.0, -30.0, -32.0]),
        bandwidth_hz=np.array([16_000.0, 16_000.0, 8_000.0, 8_000.0]),
        copies=[Copy(windows[0], windows[1], 0.95), Copy(windows[1], windows[2], 0.5)],
        rule=Rule(0.75, Interval(0.5, 1.0), 0.5, 2),
    )


@pytest.fixture
def audit(sound) -> Audit:
    cities = {f"City number {n}": (20, 2) for n in range(8)}
    return Audit(
        name="test",
        num_clips=200,
        num_unlabelled=30,
        num_evaluation=10,
        num_visits=17,
        classes=[ClassRow("bus", 160, 16, cities), ClassRow("bar", 5, 1, {"unknown": (5, 1)})],
        protocols=[
            protocol("official-random", 0.95),
            protocol("visit-2fold", 0.3),
            protocol("city-held-out", 0.2),
        ],
        not_run={"folds": "the clips have none, as the table has no such column" * 2},
        sound=sound,
        sound_note="",
    )


def test_the_text_fits_and_ends_in_the_verdict(audit):
    *lines, last = text_lines(audit)
    assert max(map(len, lines)) <= 100
    assert last == (
        "without ears (%): official-random 95.0 LEAKS, visit-2fold 30.0, city-held-out 25.0"
    )
    text = "\n".join(lines)
    for expected in (
        "test: 200 clips, 30 without a label, 10 set apart for evaluation; 2 classes, 17 visits",
        "NOT TESTABLE",
        "95.0 (90.0-100.0)",
        "3.5 of 12.0",
        "city-held-out tests no clip of bar (not testable, never 0)",
        "folds was not run: the clips have none",
        "2 pairs of windows are nearly the same sound, 1 of them under two labels",
        "0.50 b.wav from 0 s (bus) = c.wav from 0 s (bar)",
        "Level and bandwidth alone tell the class of groups not learnt from with 75.0 %",
        "where the most frequent class gives 50.0 %",
    ):
        assert expected in re.sub(r"\s+", " ", text), expected
    # A control that could not run is absent, not 0.
    assert re.search(r"official-random +95\.0 \S+ +absent +25\.0", text)
    # Pairs with two labels come first.
    assert text.index("b.wav from 0 s (bus) = c.wav") < text.index("a.wav from 0 s (bus) = b.wav")


def test_without_metadata_and_sound(audit):
    silent = replace(audit, sound=None, sound_note="sound was not looked at")
    lines = text_lines(replace(silent, protocols=[protocol("folds", None)]))
    assert lines[-1] == (
        "without ears: no guess, as the clips do not tell city or time;"
        " 3.5 of 12.0 visits of the test are in training too"
    )
    text = "\n".join(lines)
    assert "Accuracy in %" not in text
    assert "sound was not looked at" in text
    assert "pairs of windows" not in text


def test_too_few_groups_for_the_rule(audit, sound):
    text = " ".join(text_lines(replace(audit, sound=replace(sound, rule=None))))
    assert "too few groups to test how well they tell the class" in re.sub(r"\s+", " ", text)


def test_the_page(audit, tmp_path):
    path = tmp_path / "report" / "leak.html"
    write_page(audit, path)
    html = path.read_text(encoding="utf-8")
    assert html.count("<svg") == 3
    assert "<script" not in html
    verdict = re.search(r'class="verdict">([^<]+)<', html)
    assert verdict is not None
    assert verdict[1] == audit.last_line()
    assert "bar is not testable: all its clips are of one visit." in html
    write_page(replace(audit, sound=None, protocols=[protocol("folds", None)]), path)
    assert path.read_text(encoding="utf-8").count("<svg") == 1


def test_the_plots_show_the_figures(audit, sound):
    (axes,) = controls_figure(audit.protocols).axes
    heights = sorted(round(bar.get_height()) for bar in axes.patches if isinstance(bar, Rectangle))
    assert heights == [20, 25, 25, 25, 30, 95]
    (axes,) = classes_figure(audit.classes).axes
    assert sorted({text.get_text() for text in axes.texts}) == ["20 in 2", "5 in 1"]
    assert [axes.get_ylabel() for axes in sound_figure(sound).axes] == [
        "level, dB of full scale",
        "bandwidth, Hz",
    ]
