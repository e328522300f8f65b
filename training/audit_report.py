"""The leak report as text and as an HTML page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from edge_asc.training.audit import SHARED, UNKNOWN_CITY, Audit, ClassRow, ProtocolAudit
from edge_asc.training.audit_sound import Copy, SoundAudit, eta_squared, quartiles_by_class
from edge_asc.training.controls import CITY, NEAREST_TIME, TREE, Controls
from edge_asc.training.html_page import Page
from edge_asc.training.metrics import Interval, format_percent, format_share

WIDTH = 98
CONTROLS = (NEAREST_TIME, TREE, CITY)
ABSENT = "absent"
NUM_EXAMPLES = 5

CLASSES_CAPTION = "Classes: clips in visits, and where they are from"
CONTROLS_CAPTION = (
    "Accuracy in % without any sound (95 % interval over visits; means over the seeds)"
)
SHARED_CAPTION = "Groups of the test that training has too, of all in the test (means over splits)"
QUARTILES_CAPTION = "Lower quartile, median and upper quartile by class"

Table = tuple[list[str], list[list[str]]]
"""Header and rows."""


def text_lines(audit: Audit) -> list[str]:
    """The report, at most 100 columns wide but for the last line, which sums it up."""
    lines = [*_wrap(headline(audit)), "", CLASSES_CAPTION]
    lines += [line for row in audit.classes for line in _class_lines(row)]
    if any(one.controls is not None for one in audit.protocols):
        lines += ["", CONTROLS_CAPTION, *_columns(_controls_table(audit.protocols))]
    lines += ["", SHARED_CAPTION, *_columns(_shared_table(audit.protocols))]
    for note in protocol_notes(audit):
        lines += _wrap(note)
    lines += ["", *_sound_lines(audit), ""]
    if len(audit.protocols) > 1:
        for one in audit.protocols:
            lines += _wrap(f"{one.protocol}: {one.line()}")
    return [*lines, audit.last_line()]


def protocol_notes(audit: Audit) -> list[str]:
    """Sentences on what protocols cannot do with these clips."""
    notes = [
        f"{one.protocol} tests no clip of {', '.join(one.not_testable)} (not testable, never 0)"
        for one in audit.protocols
        if one.not_testable
    ]
    return notes + [f"{name} was not run: {reason}" for name, reason in audit.not_run.items()]


def headline(audit: Audit) -> str:
    """What was audited, in a sentence."""
    others = ""
    if audit.num_unlabelled:
        others += f", {audit.num_unlabelled} without a label"
    if audit.num_evaluation:
        others += f", {audit.num_evaluation} set apart for evaluation"
    return (
        f"{audit.name}: {audit.num_clips} clips{others}; {len(audit.classes)} classes,"
        f" {audit.num_visits} visits with a label"
    )


def _class_lines(row: ClassRow) -> list[str]:
    places = [f"{city} {clips} in {visits}" for city, (clips, visits) in row.by_city.items()]
    parts = ["NOT TESTABLE: one visit cannot be learnt and tested"] if not row.is_testable else []
    parts += [] if set(row.by_city) == {UNKNOWN_CITY} else [", ".join(places)]
    text = f"{row.scene:18}{row.num_clips:6} in {row.num_visits:4}   {'; '.join(parts)}"
    return textwrap.wrap(text, WIDTH, subsequent_indent=" " * 36)


def _controls_table(protocols: Sequence[ProtocolAudit]) -> Table:
    rows = []
    for audit in protocols:
        cells = [_score_cell(audit.controls, name) for name in CONTROLS]
        rate = ABSENT if audit.controls is None else f"{100.0 * audit.controls.chance:.1f}"
        rows.append([audit.protocol, *cells, rate])
    return ["protocol", *CONTROLS, "majority"], rows


def _score_cell(controls: Controls | None, name: str) -> str:
    if controls is None or name not in controls.scores:
        return ABSENT
    one = controls.scores[name]
    return f"{100.0 * one.accuracy:.1f} ({_range(one.accuracy_interval)})"


def _range(interval: Interval) -> str:
    return f"{100.0 * interval.low:.1f}-{100.0 * interval.high:.1f}"


def _shared_table(protocols: Sequence[ProtocolAudit]) -> Table:
    rows = []
    for audit in protocols:
        cells = [
            f"{audit.shared[by].num_in_both:.1f} of {audit.shared[by].num_in_test:.1f}"
            if by in audit.shared
            else "unknown"
            for by in SHARED
        ]
        copies = "-" if audit.copies is None else str(len(audit.copies))
        rows.append([audit.protocol, *cells, copies])
    return ["protocol", *(f"by {by}" for by in SHARED), "copies across"], rows


def _sound_lines(audit: Audit) -> list[str]:
    lines = [*_wrap(f"Sound: {audit.sound_note}")] if audit.sound_note else []
    sound = audit.sound
    if sound is None:
        return lines
    lines += _wrap(copies_sentence(sound.copies))
    lines += [f"    {_copy_text(copy)}" for copy in _examples(sound.copies)]
    lines += ["", QUARTILES_CAPTION, *_columns(_quartiles_table(sound)), ""]
    return lines + _wrap(spread_sentence(sound))


def copies_sentence(copies: Sequence[Copy]) -> str:
    """How many pairs of windows are nearly the same sound."""
    contrary = sum(copy.has_two_labels for copy in copies)
    return (
        f"{len(copies)} pairs of windows are nearly the same sound, {contrary} of them under two"
        " labels"
    )


def spread_sentence(sound: SoundAudit) -> str:
    """How much level and bandwidth depend on the class."""
    level = eta_squared(sound.windows, sound.level_db)
    bandwidth = eta_squared(sound.windows, sound.bandwidth_hz)
    text = (
        f"The class explains {format_percent(level)} of the variance of the level and"
        f" {format_percent(bandwidth)} of the bandwidth's (eta squared)"
    )
    if sound.rule is None:
        return f"{text}; too few groups to test how well they tell the class."
    share = format_share(sound.rule.accuracy, sound.rule.accuracy_interval)
    return (
        f"{text}. Level and bandwidth alone tell the class of groups not learnt from with {share},"
        f" where the most frequent class gives {format_percent(sound.rule.majority_rate)}."
    )


def _examples(copies: Sequence[Copy]) -> list[Copy]:
    """The most similar pairs, those with two labels first."""
    return sorted(copies, key=lambda copy: not copy.has_two_labels)[:NUM_EXAMPLES]


def _copy_text(copy: Copy) -> str:
    first, second = (
        f"{clip.path.name} from {clip.start_s:g} s ({clip.scene})"
        for clip in (copy.first, copy.second)
    )
    return f"{copy.similarity:.2f}  {first} = {second}"


def _quartiles_table(sound: SoundAudit) -> Table:
    level = quartiles_by_class(sound.windows, sound.level_db)
    bandwidth = quartiles_by_class(sound.windows, sound.bandwidth_hz)
    rows = [
        [
            scene,
            " ".join(f"{value:.0f}" for value in level[scene]),
            " ".join(f"{value / 1000.0:.1f}" for value in bandwidth[scene]),
        ]
        for scene in level
    ]
    return ["class", "level, dB of full scale", "bandwidth, kHz"], rows


def _wrap(text: str) -> list[str]:
    """`text` as lines; a number and its % stay together."""
    lines = textwrap.wrap(
        text.replace(" %", "\N{NO-BREAK SPACE}%"), WIDTH, subsequent_indent="    "
    )
    return [line.replace("\N{NO-BREAK SPACE}", " ") for line in lines]


def _columns(table: Table) -> list[str]:
    """A table as lines: the first column flush left, the others flush right."""
    header, rows = table
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    return [
        "  ".join([row[0].ljust(widths[0]), *map(str.rjust, row[1:], widths[1:])]).rstrip()
        for row in [header, *rows]
    ]


def write_page(audit: Audit, path: Path) -> None:
    """Write the report with its plots as one HTML file."""
    page = Page(f"Leak report: {audit.name}", audit.last_line())
    page.paragraph(f"{headline(audit)}.")
    page.heading("What a model without ears reaches")
    page.paragraph(
        "Controls see city and time, never the sound. A split on which one of them does far better"
        " than always naming the most frequent class does not measure hearing."
    )
    if any(one.controls is not None for one in audit.protocols):
        page.figure(controls_figure(audit.protocols), "Accuracy of the controls by protocol")
        page.table(*_controls_table(audit.protocols), caption=CONTROLS_CAPTION)
    for one in audit.protocols:
        page.paragraph(f"{one.protocol}: {one.line()}.")
    page.heading("What the two sides share")
    page.table(*_shared_table(audit.protocols), caption=SHARED_CAPTION)
    for note in protocol_notes(audit):
        page.paragraph(f"{note}.")
    page.heading("Where the classes come from")
    page.figure(classes_figure(audit.classes), "Number of clips by class and city")
    for row in audit.classes:
        if not row.is_testable:
            page.paragraph(f"{row.scene} is not testable: all its clips are of one visit.")
    _add_sound(page, audit)
    page.write(path)


def _add_sound(page: Page, audit: Audit) -> None:
    page.heading("Sound")
    if audit.sound_note:
        page.paragraph(f"{audit.sound_note}.")
    sound = audit.sound
    if sound is None:
        return
    page.paragraph(f"{copies_sentence(sound.copies)}.")
    for copy in _examples(sound.copies):
        page.paragraph(_copy_text(copy))
    page.paragraph(spread_sentence(sound))
    page.figure(sound_figure(sound), "Level and bandwidth by class, as box plots")
    page.table(*_quartiles_table(sound), caption=QUARTILES_CAPTION)


def controls_figure(protocols: Sequence[ProtocolAudit]) -> Figure:
    """Bars of every control by protocol; a line marks the rate of the most frequent class."""
    figure = Figure(figsize=(8.0, 3.5))
    axes = figure.add_subplot()
    shown = [(audit.protocol, audit.controls) for audit in protocols if audit.controls is not None]
    width = 0.8 / len(CONTROLS)
    for number, name in enumerate(CONTROLS):
        known = [(at, c.scores[name]) for at, (_, c) in enumerate(shown) if name in c.scores]
        middle = [at - 0.4 + (number + 0.5) * width for at, _ in known]
        axes.bar(middle, [100.0 * one.accuracy for _, one in known], width, label=name)
        lows = [100.0 * one.accuracy_interval.low for _, one in known]
        highs = [100.0 * one.accuracy_interval.high for _, one in known]
        axes.vlines(middle, lows, highs, color="#333333", linewidth=1)
    rates = [100.0 * controls.chance for _, controls in shown]
    x = np.arange(len(shown))
    axes.hlines(
        rates, x - 0.4, x + 0.4, color="black", linestyles="dashed", label="most frequent class"
    )
    axes.set_xticks(range(len(shown)), [name for name, _ in shown])
    axes.set_ylabel("accuracy, %")
    axes.set_ylim(0.0, 100.0)
    axes.legend(loc="upper right", fontsize="small")
    return figure


def classes_figure(classes: Sequence[ClassRow]) -> Figure:
    """A map of clips by class and city; each cell says clips and visits."""
    cities = sorted({city for row in classes for city in row.by_city})
    clips = np.array([[row.by_city.get(city, (0, 0))[0] for city in cities] for row in classes])
    figure = Figure(figsize=(1.5 + 0.9 * len(cities), 1.0 + 0.4 * len(classes)))
    axes = figure.add_subplot()
    axes.imshow(clips, cmap="Blues", aspect="auto")
    for y, row in enumerate(classes):
        for x, city in enumerate(cities):
            if city in row.by_city:
                color = "white" if clips[y, x] > 0.6 * clips.max() else "black"
                text = "{} in {}".format(*row.by_city[city])
                axes.text(x, y, text, ha="center", va="center", color=color, fontsize="small")
    axes.set_xticks(range(len(cities)), cities, rotation=30, ha="right")
    axes.set_yticks(range(len(classes)), [row.scene for row in classes])
    axes.set_title("clips in visits", fontsize="medium")
    return figure


def sound_figure(sound: SoundAudit) -> Figure:
    """Box plots of level and bandwidth by class."""
    scenes = np.array([str(clip.scene) for clip in sound.windows])
    names = sorted(set(scenes))
    figure = Figure(figsize=(2.0 + 0.7 * len(names), 5.5))
    values = ((sound.level_db, "level, dB of full scale"), (sound.bandwidth_hz, "bandwidth, Hz"))
    for number, (value, label) in enumerate(values, start=1):
        axes = figure.add_subplot(2, 1, number)
        axes.boxplot([value[scenes == name] for name in names])
        labels = names if number == len(values) else [""] * len(names)
        axes.set_xticks(range(1, len(names) + 1), labels, rotation=30, ha="right")
        axes.set_ylabel(label)
    return figure
