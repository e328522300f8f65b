from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc.training.calibration import calibration_error
from edge_asc.training.context_report import SOUND_ONLY, context_report
from edge_asc.training.evaluate import Evaluation, Subject
from edge_asc.training.evaluation_report import as_json, as_text, write_page
from edge_asc.training.metrics import break_down, score

SCENES = ("bus", "bar", "metro")
LABEL = np.array([0, 0, 0, 0, 1, 1], np.int64)
PREDICTED = np.array([0, 0, 1, 1, 1, 2], np.int64)
GROUP = ["visit 1", "visit 1", "visit 2", "visit 2", "visit 3", "visit 4"]


def evaluation(uses_context: bool = True) -> Evaluation:
    right = LABEL == PREDICTED
    answers = np.eye(3)[PREDICTED] * 0.7 + 0.1
    conditions = {SOUND_ONLY: answers}
    if uses_context:
        conditions["sound and city"] = np.eye(3)[LABEL]
    return Evaluation(
        subject=Subject("model.tflite", ("corpus",), "folds 1", ("1",), None),
        num_clips=6,
        window_s=10.0,
        trained_on={"corpus": 12},
        controls_line=None,
        temperature=1.0,
        scores=score(SCENES, LABEL, PREDICTED, GROUP),
        calibration=calibration_error(answers, LABEL, group=GROUP),
        by_city=break_down(["Jinan"] * 4 + ["Hefei", None], right, GROUP),
        by_group=break_down(GROUP, right, GROUP),
        num_untrained_city=1,
        context=context_report(conditions, LABEL, GROUP, uses_context=uses_context),
    )


def test_text_tells_everything_in_lines():
    lines = as_text(evaluation()).splitlines()
    assert lines[0] == "model.tflite on 6 clips of corpus (folds 1)"
    assert lines[1].startswith("  accuracy 50.0 % (95 % interval ")
    for expected in (
        "  temperature 1 (not fitted): confidence is as the network gives it",
        "  it was trained on 12 clips of corpus; figures hold for other clips only",
        "  windows from cities that the model was not trained on, which it takes as unknown: 1",
        "    bus          50.0 %  0.0 - 100.0  4",
        "    metro  not testable               0",
        "    bus for bar: 2 of 4",
        "    Jinan     50.0 %  0.0 - 100.0  4  2",
        "    visit 2  0.0 %  2",
    ):
        assert expected in lines, expected
    shown = "\n".join(lines)
    assert shown.index("visit 2  ") < shown.index("visit 4  ")  # two lost windows before one
    assert "visit 1  " not in shown  # nothing wrong there
    assert any(line.startswith("    sound and city  100.0 %") for line in lines)


def test_a_fitted_temperature_and_a_split_that_leaks_are_said():
    found = replace(evaluation(), temperature=1.25, controls_line="without ears: 99.0 %")
    text = as_text(found)
    assert "\n  temperature 1.25, fitted on validation clips\n" in text
    lines = text.splitlines()
    assert lines[2] == "  without ears: 99.0 %"  # beside the accuracy
    assert json.loads(as_json(found))["controls_line"] == "without ears: 99.0 %"


def test_json_has_all_figures():
    values = json.loads(as_json(evaluation()))
    assert values["accuracy"] == 0.5
    assert values["recall"] == {"bus": 0.5, "bar": 0.5, "metro": None}
    assert values["confusion"] == [[2, 2, 0], [0, 1, 1], [0, 0, 0]]
    assert values["calibration"]["error"] == pytest.approx(0.8 - 0.5)
    assert values["by_city"]["unknown"]["num_windows"] == 1
    assert values["by_group"]["visit 2"]["accuracy"] == 0.0
    assert values["context"]["conditions"]["sound and city"]["difference"] == 0.5


def test_a_page_has_every_plot_and_names_its_data(tmp_path: Path):
    write_page(replace(evaluation(), controls_line="without ears: 99.0 %"), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert re.findall("<h2>([^<]+)</h2>", page) == [
        "Scenes",
        "Confusion",
        "Confidence",
        "Cities",
        "Groups",
        "What the network hears",
    ]
    assert page.count("<svg") == 4
    assert "without ears: 99.0 %" in page[: page.index("<h2>")]
    captions = re.findall("<figcaption>([^<]+)</figcaption>", page)
    assert len(captions) == 4
    for caption in captions:
        assert "corpus, folds 1: 6 clips, 6 windows of 4 groups; 95 % intervals" in caption
    assert "metro not testable" in re.findall('aria-label="([^"]+)"', page)[0]
    assert all(f'<th scope="row">{group}</th>' in page for group in GROUP)


def test_an_audio_only_network_has_no_context_plot(tmp_path: Path):
    write_page(evaluation(uses_context=False), tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 3
    assert "This network takes no city and no time: all it knows, it hears." in page


def test_many_scenes_are_drawn_without_numbers(tmp_path: Path):
    scenes = tuple(f"scene {i}" for i in range(40))
    label = np.arange(40)
    found = replace(evaluation(), scores=score(scenes, label, label, [str(i) for i in label]))
    write_page(found, tmp_path / "page.html")
    assert (tmp_path / "page.html").stat().st_size < 2_000_000


def test_the_same_evaluation_gives_the_same_page(tmp_path: Path):
    write_page(evaluation(), tmp_path / "a.html")
    write_page(evaluation(), tmp_path / "b.html")
    assert (tmp_path / "a.html").read_bytes() == (tmp_path / "b.html").read_bytes()
