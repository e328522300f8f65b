"""An evaluation as text, as JSON, and as a page with plots."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from edge_asc.training.context_report import SOUND_ONLY, format_difference
from edge_asc.training.evaluation_plots import (
    confusion_figure,
    context_figure,
    recall_figure,
    reliability_figure,
)
from edge_asc.training.html_page import Page
from edge_asc.training.metrics import CONFIDENCE, Interval, Part, format_percent, format_share

if TYPE_CHECKING:
    from edge_asc.training.evaluate import Evaluation

OUTPUT_FORMATS = ("text", "json")

NUM_SHOWN = 5
"""Confusions and groups that the text names, the worst first; JSON and the page have all."""


def as_text(evaluation: Evaluation) -> str:
    """The figures as lines to read."""
    sections = [
        ("", _main_lines(evaluation)),
        ("recall by scene, 95 % interval, windows", _table_lines(_scene_rows(evaluation))),
        ("taken for another most often", _confusion_lines(evaluation)),
        (
            "accuracy by city, 95 % interval, windows, groups",
            _table_lines(_part_rows(evaluation.by_city)),
        ),
        (_group_title(evaluation), _table_lines(_group_rows(_worst(evaluation)))),
        ("what the network hears", evaluation.context.lines()),
    ]
    lines = [evaluation.subject.text(evaluation.num_clips)]
    for title, content in sections:
        if content and title:
            lines.append(f"  {title}")
        lines += [f"{'    ' if title else '  '}{line}".rstrip() for line in content]
    return "\n".join(lines)


def as_json(evaluation: Evaluation) -> str:
    """All figures as one line of JSON; shares and intervals are 0 to 1."""
    subject = evaluation.subject
    values: dict[str, Any] = {
        "model": subject.model,
        "data": list(subject.data),
        "folds": None if subject.folds is None else list(subject.folds),
        "protocol": subject.protocol,
        "num_clips": evaluation.num_clips,
        "window_s": evaluation.window_s,
        "trained_on": evaluation.trained_on,
        "controls_line": evaluation.controls_line,
        **evaluation.scores.to_dict(),
        "temperature": evaluation.temperature,
        "calibration": evaluation.calibration.to_dict(),
        "by_city": _parts_json(evaluation.by_city),
        "by_group": _parts_json(evaluation.by_group),
        "num_untrained_city": evaluation.num_untrained_city,
        "context": evaluation.context.to_dict(),
    }
    return json.dumps(values, allow_nan=False)


def write_page(evaluation: Evaluation, path: Path) -> None:
    """Write the figures as one HTML file with plots, whole or not at all."""
    scores, subject = evaluation.scores, evaluation.subject
    verdict = f"Accuracy {format_share(scores.accuracy, scores.accuracy_interval)}."
    if evaluation.controls_line:
        verdict += f" {evaluation.controls_line}"
    page = Page(f"Evaluation of {subject.model}", verdict)
    page.paragraph(f"{subject.text(evaluation.num_clips)}, windows of {evaluation.window_s:g} s.")
    for line in _main_lines(evaluation):
        page.paragraph(line[0].upper() + line[1:] + ".")
    page.paragraph(
        f"Intervals: {100 * CONFIDENCE:.0f} %, bootstrapped over the {scores.num_groups} groups"
        " (recordings, visits) that the windows were cut from."
    )
    on = f"{_data_words(evaluation)}."
    page.heading("Scenes")
    page.figure(recall_figure(scores), scores.lines()[2], f"Recall by scene. {on}")
    page.table(("scene", "recall", "interval", "windows"), _scene_rows(evaluation))
    page.heading("Confusion")
    page.figure(
        confusion_figure(scores),
        "Confusion matrix. Most often: " + "; ".join(_confusion_lines(evaluation)),
        f"Number of windows, and their share of the true scene's. {on}",
    )
    page.heading("Confidence")
    page.figure(
        reliability_figure(evaluation.calibration),
        f"Reliability diagram: {evaluation.calibration.line()}",
        "How often estimates of a confidence are right. On the dashed line confidence means what "
        f"it says; below it the model is too sure of itself. {on}",
    )
    _add_parts(page, evaluation)
    _add_context(page, evaluation, on)
    page.write(path)


def _add_parts(page: Page, evaluation: Evaluation) -> None:
    if evaluation.by_city:
        page.heading("Cities")
        header = ("city", "accuracy", "interval", "windows", "groups")
        page.table(header, _part_rows(evaluation.by_city))
    page.heading("Groups")
    page.paragraph("What windows were cut from, the worst first. One group has no interval.")
    page.table(("group", "accuracy", "windows"), _group_rows(_ranked(evaluation)))


def _add_context(page: Page, evaluation: Evaluation, on: str) -> None:
    report = evaluation.context
    page.heading("What the network hears")
    if report.note:
        page.paragraph(report.note[0].upper() + report.note[1:] + ".")
    if len(report.rows) == 1:
        return
    page.figure(
        context_figure(report),
        "Accuracy by what the network is told: " + "; ".join(report.lines()),
        f"The same windows with less, wrong or only context. {on}",
    )
    page.table(
        ("told", "accuracy", "against sound only"),
        [
            (
                row.name,
                format_share(row.accuracy, row.interval),
                "" if row.name == SOUND_ONLY else format_difference(row),
            )
            for row in report.rows
        ],
        f"Differences in points, with paired {100 * CONFIDENCE:.0f} % intervals.",
    )


# Lines and rows


def _main_lines(evaluation: Evaluation) -> list[str]:
    accuracy, macro_recall, _ = evaluation.scores.lines()
    controls = [evaluation.controls_line] if evaluation.controls_line else []
    lines = [accuracy, *controls, macro_recall]
    lines += [evaluation.calibration.line(), _temperature_line(evaluation)]
    if evaluation.num_untrained_city:
        lines.append(
            "windows from cities that the model was not trained on, which it takes as unknown: "
            f"{evaluation.num_untrained_city}"
        )
    trained = evaluation.trained_on
    if trained:
        counts = ", ".join(f"{count} clips of {name}" for name, count in trained.items())
        lines.append(f"it was trained on {counts}; figures hold for other clips only")
    else:
        lines.append("the model does not tell its training clips; figures hold for others only")
    return lines


def _temperature_line(evaluation: Evaluation) -> str:
    if evaluation.temperature == 1.0:
        return "temperature 1 (not fitted): confidence is as the network gives it"
    return f"temperature {evaluation.temperature:.3g}, fitted on validation clips"


def _scene_rows(evaluation: Evaluation) -> list[tuple[str, ...]]:
    scores = evaluation.scores
    return [
        (scene, "not testable", "", "0")
        if recall is None or interval is None
        else (scene, format_percent(recall), _format_interval(interval), str(sum(row)))
        for scene, recall, interval, row in zip(
            scores.scenes, scores.recalls, scores.recall_intervals, scores.confusion, strict=True
        )
    ]


def _confusion_lines(evaluation: Evaluation) -> list[str]:
    """The most frequent confusions, as "bus for metro: 12 of 30"."""
    scores = evaluation.scores
    matrix = np.array(scores.confusion)
    wrong = matrix - np.diag(matrix.diagonal())
    order = np.argsort(-wrong, axis=None, kind="stable")[:NUM_SHOWN]
    cells = [np.unravel_index(cell, matrix.shape) for cell in order]
    return [
        f"{scores.scenes[true]} for {scores.scenes[taken]}: {wrong[true, taken]} of "
        f"{matrix[true].sum()}"
        for true, taken in cells
        if wrong[true, taken]
    ]


def _part_rows(parts: Sequence[Part]) -> list[tuple[str, ...]]:
    return [
        (
            part.name,
            format_percent(part.accuracy),
            _format_interval(part.interval),
            f"{part.num_windows}",
            f"{part.num_groups}",
        )
        for part in parts
    ]


def _group_rows(parts: Sequence[Part]) -> list[tuple[str, ...]]:
    return [(part.name, format_percent(part.accuracy), f"{part.num_windows}") for part in parts]


def _ranked(evaluation: Evaluation) -> list[Part]:
    """Groups, those that lose the most windows first."""
    return sorted(evaluation.by_group, key=lambda part: (part.accuracy - 1) * part.num_windows)


def _worst(evaluation: Evaluation) -> list[Part]:
    return [part for part in _ranked(evaluation) if part.accuracy < 1.0][:NUM_SHOWN]


def _group_title(evaluation: Evaluation) -> str:
    return f"groups with most errors, of {len(evaluation.by_group)}: accuracy, windows"


def _table_lines(rows: Sequence[Sequence[str]]) -> list[str]:
    """Columns side by side: names to the left, numbers to the right."""
    if not rows:
        return []
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    return [
        "  ".join(
            [f"{row[0]:<{widths[0]}}"]
            + [f"{cell:>{width}}" for cell, width in zip(row[1:], widths[1:], strict=True)]
        )
        for row in rows
    ]


def _format_interval(interval: Interval) -> str:
    return f"{100.0 * interval.low:.1f} - {100.0 * interval.high:.1f}"


def _parts_json(parts: Sequence[Part]) -> dict[str, Any]:
    return {
        part.name: {
            "accuracy": part.accuracy,
            "interval": list(part.interval),
            "num_windows": part.num_windows,
            "num_groups": part.num_groups,
        }
        for part in parts
    }


def _data_words(evaluation: Evaluation) -> str:
    """What a figure shows, for its caption."""
    scores, subject = evaluation.scores, evaluation.subject
    return (
        f"{', '.join(subject.data)}, {subject.part}: {evaluation.num_clips} clips, "
        f"{scores.num_windows} windows of {scores.num_groups} groups; "
        f"{100 * CONFIDENCE:.0f} % intervals over groups"
    )
