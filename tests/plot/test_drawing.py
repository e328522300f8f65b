"""Pictures: whole files, the same each time, with words and colours that are meant."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.image import imread

from edge_asc.plot import drawing
from edge_asc.plot.drawing import DPI, WIDTH_INCHES, draw
from edge_asc.plot.log import read_log
from edge_asc.plot.timeline import Series, Spectrogram, Stretch, Timeline
from edge_asc.scene_colours import SCENE_COLOURS, UNKNOWN_COLOUR
from tests.plot.log_material import write_log

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def timeline(tmp_path: Path) -> Timeline:
    return read_log(write_log(tmp_path / "log.jsonl"), lambda _: None, lambda _: None)


@pytest.fixture
def figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """Each figure that is drawn."""
    made: list[Figure] = []
    figure = drawing._figure

    def keep(timeline: Timeline) -> Figure:
        made.append(figure(timeline))
        return made[-1]

    monkeypatch.setattr(drawing, "_figure", keep)
    return made


Words = Callable[[Timeline], list[str]]


@pytest.fixture
def words(figures: list[Figure], tmp_path: Path) -> Words:
    """All that is written on a picture."""

    def of(timeline: Timeline) -> list[str]:
        draw(timeline, tmp_path / "words.png")
        figure = figures[-1]
        return [figure.get_suptitle()] + [
            text
            for axes in figure.axes
            for text in (
                axes.get_title(loc="left"),
                axes.get_xlabel(),
                *(label.get_text() for label in axes.get_yticklabels()),
                *(item.get_text() for item in axes.texts),
            )
            if text
        ]

    return of


def test_a_png_is_as_wide_as_it_should_be(timeline: Timeline, tmp_path: Path) -> None:
    draw(timeline, tmp_path / "a.png")
    assert imread(tmp_path / "a.png").shape[1] == WIDTH_INCHES * DPI


def test_an_svg_is_sound_xml(timeline: Timeline, tmp_path: Path) -> None:
    draw(replace(timeline, title='<b> & "$x$"'), tmp_path / "a.SVG")
    root = ElementTree.parse(tmp_path / "a.SVG").getroot()
    assert root.tag == f"{SVG}svg"
    assert len(root.findall(f".//{SVG}path")) > 20


@pytest.mark.parametrize("suffix", ["png", "svg"])
def test_the_same_timeline_gives_the_same_file(
    timeline: Timeline, tmp_path: Path, suffix: str
) -> None:
    one, other = tmp_path / f"a.{suffix}", tmp_path / f"b.{suffix}"
    draw(timeline, one)
    draw(timeline, other)
    assert one.read_bytes() == other.read_bytes()


def test_a_fault_leaves_what_was_there(
    timeline: Timeline, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    path.write_text("before")

    def fail(*args: object, **kwargs: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Figure, "savefig", fail)
    with pytest.raises(OSError, match="No space"):
        draw(timeline, path)
    assert path.read_text() == "before"
    assert [item.name for item in tmp_path.glob(".a*")] == []


def test_units_model_and_warning_are_told(timeline: Timeline, words: Words) -> None:
    told = words(timeline)
    title = (
        "log.jsonl: microphone 'USB'\nmodel: tiny; demonstration model: not fit to decide anything"
    )
    assert told[0] == title
    assert "Level, dBFS: RMS (a full-scale sine has 0); hatched: sound was lost" in told
    assert "Belief in each scene, after smoothing: white 0 %, full colour 100 %" in told
    assert "time of day (UTC+08:00)" in told
    assert {"bus", "shopping mall", "bar"} <= set(told)
    assert any(text.startswith("Decided scene: 2 changes; the triangles") for text in told)


def test_a_model_that_is_no_demonstration_has_no_warning(timeline: Timeline, words: Words) -> None:
    assert "demonstration" not in words(replace(timeline, demonstration=False))[0]


def test_shares_are_those_of_decided_time(timeline: Timeline, words: Words) -> None:
    assert "60 %" in words(timeline)  # 30 s of bus, 20 s of unknown


def test_dollars_and_letters_that_the_font_lacks_do_no_harm(
    timeline: Timeline, words: Words
) -> None:
    assert words(replace(timeline, title="$\\frac{$ 北京 \n.wav"))[0].startswith(
        "$\\frac{$ 北京 .wav\n"
    )


def colours_of(figure: Figure, title: str) -> set[tuple[int, ...]]:
    """The colours of the picture in the panel of that title."""
    axes = next(axes for axes in figure.axes if axes.get_title(loc="left").startswith(title))
    image = np.asarray(axes.images[0].get_array())
    return {tuple(np.round(255 * pixel).astype(int)) for pixel in image.reshape(-1, 3)}


def rgb(colour: str) -> tuple[int, ...]:
    return tuple(np.round(255 * np.array(to_rgb(colour))).astype(int))


def test_a_scene_has_its_own_colour_and_a_gap_none(
    timeline: Timeline, figures: list[Figure], tmp_path: Path
) -> None:
    draw(timeline, tmp_path / "a.png")
    assert colours_of(figures[0], "Decided scene") == {
        rgb(SCENE_COLOURS["bus"]),
        rgb(UNKNOWN_COLOUR),
        (255, 255, 255),
    }


def test_gaps_are_hatched_however_short(
    timeline: Timeline, figures: list[Figure], tmp_path: Path
) -> None:
    gaps = [Stretch("gap", 30.0, 30.001), Stretch("gap", 50.0, 51.0)]
    draw(replace(timeline, gaps=gaps), tmp_path / "a.png")
    level = figures[0].axes[0]
    hatched = [patch.get_extents() for patch in level.patches if patch.get_hatch() == "////"]
    assert [box.width >= 0.5 for box in hatched] == [True, True]  # pixels


def test_a_scene_is_named_beside_a_gap(
    timeline: Timeline, figures: list[Figure], tmp_path: Path
) -> None:
    decisions, gaps = [Stretch("bus", 0.0, 60.0)], [Stretch("gap", 20.0, 50.0)]
    draw(replace(timeline, decisions=decisions, gaps=gaps), tmp_path / "a.png")
    (name,) = figures[0].axes[2].texts
    assert (name.get_text(), name.get_position()[0]) == ("bus", 10.0)


def test_many_gaps_and_changes_do_not_make_a_large_file(timeline: Timeline, tmp_path: Path) -> None:
    seconds = np.linspace(0.0, 60.0, 20_000)
    gaps = [Stretch("gap", at_s, at_s + 0.002) for at_s in seconds]
    decisions = [Stretch("bus" if i % 2 else "bar", s, s + 0.003) for i, s in enumerate(seconds)]
    many = replace(timeline, gaps=gaps, decisions=decisions, changes_s=seconds.tolist())
    draw(many, tmp_path / "a.svg")
    assert (tmp_path / "a.svg").stat().st_size < 1e6


def test_a_recording_has_a_spectrogram(
    timeline: Timeline, words: Words, rng: np.random.Generator
) -> None:
    mel = rng.uniform(-100, 0, (3000, 64))
    spectrogram = Spectrogram(Series(0.0, 0.02, mel, mel, mel), np.geomspace(100, 20_000, 64))
    told = words(replace(timeline, spectrogram=spectrogram, states=(), gaps=()))
    assert "Log-mel spectrogram, dB below the loudest" in told
    assert {"1 kHz", "16 kHz"} <= set(told)
    assert not any(text.startswith("Listener") for text in told)


def test_one_estimate_without_a_decision_can_be_drawn(timeline: Timeline, words: Words) -> None:
    told = words(replace(timeline, decisions=(), changes_s=(), smoothed=False, states=(), gaps=()))
    assert "Network's probability: white 0 %, full colour 100 %" in told
    assert not any(text.startswith("Decided") for text in told)
