"""The page of a report: complete in itself, readable without eyes, warnings first."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import lru_cache
from html.parser import HTMLParser
from pathlib import Path

import numpy as np

from edge_asc.benchmarks.bench.html_report import report_page, write_report
from edge_asc.benchmarks.bench.plots import COLOURS, stage_figure, timeline_figure
from edge_asc.benchmarks.bench.result import TOTAL, Moment, Timing
from tests.benchmarks.bench.made_results import MODEL, STAGES_MS, made_result


class Reader(HTMLParser):
    """Collects tags with their attributes."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))


@lru_cache
def page_of_one() -> str:
    return report_page([made_result()]).to_html()


def test_a_page_needs_nothing_else_and_runs_nothing() -> None:
    html = page_of_one()
    tags = Reader(html).tags
    assert not {"script", "link", "img", "iframe"} & {tag for tag, _ in tags}
    for _, attributes in tags:
        for name, value in attributes.items():
            if name in ("src", "href", "xlink:href"):
                assert str(value).startswith("#")
    assert not re.search(r"url\((?!#)", html)
    assert "prefers-color-scheme: dark" in html
    assert "width=device-width" in html


def test_every_picture_has_its_content_in_words() -> None:
    tags = Reader(page_of_one()).tags
    alts = [str(attributes["aria-label"]) for tag, attributes in tags if tag == "svg"]
    stages, timeline = alts
    assert stages.startswith("Distribution of times by stage of m, window. Medians: Raspberry Pi 5")
    assert all(f"{stage} " in stages for stage in (*STAGES_MS, TOTAL))
    assert "temperature from 50.0 to 59.0 °C, clock from 2400 to 2400 MHz" in timeline


def test_warnings_come_before_figures() -> None:
    busy = made_result(warnings=("the machine was <busy>",))
    html = report_page([busy]).to_html()
    assert 0 < html.index("the machine was &lt;busy&gt;") < html.index("From sound to answer</h2>")
    assert "<h2>Warnings" not in page_of_one()


def test_several_results_share_pictures_of_stages_and_have_their_own_timelines() -> None:
    results = [made_result(1), made_result(2, device={"model": "Raspberry Pi 4"})]
    html = report_page(results).to_html()
    assert sum(tag == "svg" for tag, _ in Reader(html).tags) == 3
    assert "B: Raspberry Pi 4: m, window: " in html


def test_the_same_results_give_the_same_bytes(tmp_path: Path) -> None:
    write_report([made_result()], tmp_path / "a.html")
    assert (tmp_path / "a.html").read_text(encoding="utf-8") == page_of_one()


def test_a_hill_for_each_stage_with_marks_at_its_percentiles() -> None:
    result = made_result()
    (axes,) = stage_figure([result], ["name"], MODEL, "window").axes
    labels = [text.get_text() for text in axes.get_yticklabels()]
    assert labels == [TOTAL, *reversed(STAGES_MS)]
    drawn = sorted(np.asarray(line.get_xdata())[0] for line in axes.lines)
    expected = [
        1e3 * float(value)
        for timing in result.timings
        for value in np.percentile(timing.samples_s, [50, 95])
    ]
    assert np.allclose(drawn, sorted(expected))


def test_times_that_no_clock_tells_can_be_drawn() -> None:
    zero = replace(made_result(), timings=(Timing(MODEL, "window", "decision", (0.0, 0.0)),))
    assert stage_figure([zero], ["name"], MODEL, "window").axes


def test_a_timeline_has_what_the_machine_told_and_nothing_else() -> None:
    figure = timeline_figure(made_result())
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes] == [
        "total / ms",
        "processor / °C",
        "clock / MHz",
    ]
    untold = replace(made_result(), timeline=(Moment(0.0, load_1min=0.1), Moment(9.0)))
    figure = timeline_figure(untold)
    assert figure is not None
    assert [axes.get_ylabel() for axes in figure.axes] == ["total / ms", "load (1 min)"]


def test_a_run_that_tells_no_times_has_no_timeline() -> None:
    timings = tuple(replace(timing, at_s=()) for timing in made_result().timings)
    silent = replace(made_result(), timeline=(), timings=timings)
    assert timeline_figure(silent) is None
    assert "Meanwhile" not in report_page([silent]).to_html()


def test_throttled_moments_are_marked() -> None:
    hot = tuple(
        Moment(float(at_s), 80.0, throttled="hot" if at_s > 7 else "") for at_s in range(10)
    )
    figure = timeline_figure(replace(made_result(), timeline=hot))
    assert figure is not None
    marks = [line for line in figure.axes[1].lines if line.get_color() == COLOURS[1]]
    assert [np.asarray(line.get_xdata())[0] for line in marks] == [8.0, 9.0]
    html = report_page([replace(made_result(), timeline=hot)]).to_html()
    assert "throttled at 2 of 10 moments" in html


def test_long_runs_are_drawn_by_few_points_with_their_extremes() -> None:
    samples_s = tuple(0.002 + 1e-6 * place for place in range(3600))
    timing = Timing(MODEL, "live", TOTAL, samples_s, tuple(map(float, range(3600))))
    figure = timeline_figure(replace(made_result(), timings=(timing,), timeline=()))
    assert figure is not None
    (line,) = figure.axes[0].lines
    assert len(np.asarray(line.get_xdata())) == 300
    (shade,) = figure.axes[0].collections
    low, high = np.asarray(shade.get_paths()[0].vertices)[:, 1]
    assert (low, high) == (2.0, 2.011)  # the first twelve
