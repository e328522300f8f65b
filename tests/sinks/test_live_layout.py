"""The whole picture, as text, in terminals of many sizes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge_asc.classifier import SceneEstimate
from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.level import Level
from edge_asc.messages import OutputState
from edge_asc.sinks.live_headline import headline
from edge_asc.sinks.live_layout import frame
from edge_asc.sinks.live_text import ASCII, BLOCKS, length
from tests.sinks.live_samples import ABOUT, REPORT, SNAPSHOT, plains, report, snapshot

FULL = """\
 edge-asc  walk.wav · model tiny (int8) · Luoyang
 demonstration model: not fit to decide anything
  S H O P P I N G   M A L L                                               75 %
  for 1 min 0 s, since 11:59:00
   B bus           │█▍                                               5 % │  0 %
   A airport       │███▊                                            10 % │  0 %
 ▶ S shopping mall ███████████│███████████████████████▎             75 % │ 25 %
   b bar           ████▊                              │             10 % │ 75 %
                                                 █ belief   │ this window alone
 sure                    ▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄▄     ▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆▆
 loud                    ▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂▂     ▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅▅
 scene         ··········b━━━━━━━━━━━━━━━━━━━━━━━━━━━━━×××××S━━━━━━━━━━━━━━━━━━━
        1 min 12 s ago                                                       now
 level  ▕██████████████████████████▊          │      ▏ -31.2 dBFS  peak -12.5
 ● listening · 1 gap, 3 s lost · latency 4 ms · heard 1 min 2 s
 ● web page  failing, 5 lost: disk full
 ● MQTT mqtt://broker  waiting, 37 queued: connection refused
 ● log a.csv  ok
 12:00:02  note 2
 12:00:03  note 3
 12:00:04  note 4

  q  quit    p  pause"""

SMALL = """\
  S H O P P I N G   M A L L       75 %
  for 1 min 0 s, since 11:59:00
   A airport    │▊                  10 %
 ▶ S shopping … ████│████████▌      75 %
   b bar        █▊           │      10 %
 level  ▕██████████▍   │  ▏ -31.2 dBFS
 ● listening · 1 gap, 3 s lost
 ● web page  failing, 5 lost: disk full
 12:00:04  note 4
  q  quit    p  pause"""

NARROW_ASCII = """\
 edge-asc  walk.wav - model tiny (int8)
 demonstration model: not fit to decide~
  S H O P P I N G   M A L L       75 %
  for 1 min 0 s, since 11:59:00
   B bus        |                    5 %
   A airport    |#                  10 %
 > S shopping ~ ####|#########      75 %
   b bar        ##           |      10 %
 sure                ==========  +++++++
 scene            ...b---------xxS------
        1 min 36 s ago               now
 level  [##########    |  ] -31.2 dBFS
 * listening - 1 gap, 3 s lost
 * web page  failing, 5 lost: disk full
 * MQTT mqtt://br~  waiting, 37 queued:~
 * log a.csv  ok
 12:00:02  note 2
 12:00:03  note 3
 12:00:04  note 4
  q  quit    p  pause"""


def drawn(width: int, height: int, **changes: Any) -> list[str]:
    return plains(frame(snapshot(**changes), width, height, BLOCKS))


@pytest.mark.parametrize(
    ("width", "height", "glyphs", "expected"),
    [(80, 23, BLOCKS, FULL), (40, 10, BLOCKS, SMALL), (40, 20, ASCII, NARROW_ASCII)],
    ids=["80x23", "40x10", "40x20 in ASCII"],
)
def test_the_picture(width: int, height: int, glyphs: Any, expected: str) -> None:
    assert "\n".join(plains(frame(SNAPSHOT, width, height, glyphs))) == expected


@given(
    st.integers(1, 250),
    st.integers(1, 80),
    st.sampled_from(["starting", "listening", "no sound", "paused", "ended"]),
    st.booleans(),
    st.sampled_from([BLOCKS, ASCII]),
)
def test_it_fits_whatever_the_size(
    width: int, height: int, state: Any, decided: bool, glyphs: Any
) -> None:
    long = ABOUT.__class__(
        "名" * 300, "int8", "w" * 300, ABOUT.scenes, "s\x1b" * 90, "c" * 90, True, True, True
    )
    shown = snapshot(
        about=long,
        state=state,
        report=REPORT if decided else replace(REPORT, decision=None),
        trouble="t" * 300,
        notes=((SNAPSHOT.notes[0][0], "n\n" * 300),),
        outputs=(OutputState("o" * 300, "failing", 0, 0, 1, "e" * 300),),
    )
    lines = frame(shown, width, height, glyphs)
    assert len(lines) == height
    assert all(length(line) <= width for line in lines)
    assert not any("\x1b" in text or "\n" in text for line in lines for text, _ in line)


def test_parts_are_given_up_in_the_order_of_the_documentation() -> None:
    """The height at which each part is there for the first time; docs/terminal.md has the list."""
    signs = {
        "keys": "q  quit",
        "headline": "S H O P P I N G",
        "since": "for 1 min",
        "state": "● listening",
        "level": "level  ▕",
        "decided scene": "▶ S",
        "output in trouble": "web page",
        "three scenes": "A airport",
        "note": "note 4",
        "header": "edge-asc",
        "strip": "scene ",
        "warning": "demonstration",
        "four scenes": "B bus",
        "confidence": "sure",
        "axis": "ago",
        "outputs": "log a.csv",
        "three notes": "note 2",
        "legend": "belief",
        "loudness": "loud",
    }
    first_seen: dict[str, int] = {}
    for height in range(1, 40):
        text = "\n".join(drawn(80, height))
        for part, sign in signs.items():
            if sign in text:
                first_seen.setdefault(part, height)
    assert sorted(first_seen, key=lambda part: first_seen[part]) == list(signs)
    assert first_seen["three scenes"] <= 10


def test_a_tall_terminal_has_air_and_high_charts() -> None:
    lines = drawn(80, 40)
    assert lines[2] == "" == lines[7]
    assert sum(line.endswith("▄") or "▄" in line for line in lines) >= 1
    at = next(number for number, line in enumerate(lines) if line.startswith(" sure"))
    assert lines[at].count("█") == 20 + 30
    assert lines[at - 2].split() == ["▂" * 20]


@pytest.mark.parametrize(
    ("changes", "title", "detail"),
    [
        ({"state": "paused", "state_s": 61}, "paused", "for 1 min 1 s; what sounds is thrown away"),
        (
            {"state": "paused", "about": replace(ABOUT, live=False)},
            "paused",
            "for 1 min 10 s; the recording waits",
        ),
        ({"state": "no sound", "trouble": "unplugged"}, "no sound", "for 1 min 10 s; unplugged"),
        ({"state": "no sound"}, "no sound", "for 1 min 10 s; nothing comes"),
        ({"state": "ended"}, "ended", "what waits is being delivered"),
        (
            {"state": "starting", "report": None},
            "starting",
            "no sound has come yet",
        ),
        (
            {"report": None, "progress": "listening ... 3 of 10 s"},
            "listening",
            "listening ... 3 of 10 s",
        ),
        (
            {"report": report(65.0, None, 0.25, 0.25, 0.25, 0.25)},
            "undecided",
            "no scene is far enough ahead",
        ),
        (
            {"report": report(65.0, UNKNOWN_SCENE, 0.25, 0.25, 0.25, 0.25)},
            "unknown scene",
            "for 1 min 0 s, since 11:59:00",
        ),
        (
            {"report": replace(REPORT, decision=None)},
            "bar",
            "the likeliest; nothing is decided",
        ),
        (
            {"about": replace(ABOUT, wall_clock=False)},
            "shopping mall",
            "for 1 min 0 s, since 5 s after the beginning",
        ),
        (
            {"progress": "listening ... 3 of 10 s"},
            "shopping mall",
            "for 1 min 0 s, since 11:59:00 (listening ... 3 of 10 s)",
        ),
    ],
)
def test_the_headline_says_what_is_decided_or_why_nothing(
    changes: dict[str, Any], title: str, detail: str
) -> None:
    what = headline(snapshot(**changes))
    assert (what.title, what.detail) == (title, detail)


def test_what_is_decided_is_told_without_colours() -> None:
    undecided = report(65.0, None, 0.25, 0.25, 0.25, 0.25)
    assert not any("▶" in line for line in drawn(80, 24, report=undecided))
    assert any(line.startswith(" ▶ S shopping mall") for line in drawn(80, 24))


def test_before_the_first_window_is_full_there_are_only_names() -> None:
    assert drawn(80, 24, report=None)[4:8] == [
        *("   B bus", "   A airport", "   S shopping mall", "   b bar"),
    ]


def test_raw_probabilities_have_no_mark_and_no_legend() -> None:
    lines = drawn(80, 24, report=replace(REPORT, decision=None))
    bars = [line for line in lines if line.startswith("   ")]
    assert [line.split()[-2:] for line in bars[:4]] == [
        ["0", "%"],
        ["0", "%"],
        ["25", "%"],
        ["75", "%"],
    ]
    assert not any("│" in line for line in bars)
    assert not any("belief" in line for line in lines)


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (Level(-31.25, -12.5, 0.0), "-31.2 dBFS  peak -12.5"),
        (Level(-3.0, 0.0, 0.0), "-3.0 dBFS  clipped"),
        (Level(-np.inf, -np.inf, 0.0), " level  digital silence"),
        (None, " level  ·"),
    ],
)
def test_the_level_meter(level: Level | None, text: str) -> None:
    assert any(line.endswith(text) for line in drawn(80, 24, level=level))


def test_a_level_from_before_is_not_shown_as_of_now() -> None:
    assert " level  ·" in drawn(80, 24, state="paused")
    assert " level  ·" in drawn(80, 24, state="no sound")


def test_the_state_tells_gaps_their_cause_and_trouble() -> None:
    def line(**changes: Any) -> str:
        return next(line for line in drawn(120, 24, **changes) if line.startswith(" ●"))

    assert line().endswith("heard 1 min 2 s · last gap: unplugged")
    assert line(num_gaps=3, state="paused", trouble="gone") == (
        " ● paused · 3 gaps, 3 s lost · latency 4 ms · heard 1 min 2 s · gone"
    )
    assert line(num_gaps=0, cause="", latency_ms=None) == " ● listening · no gap · heard 1 min 2 s"


def test_outputs_that_do_not_fit_are_summed_up() -> None:
    fine = tuple(OutputState(f"log {number}", "ok") for number in range(3))
    assert " ● 3 outputs: ok" in drawn(80, 14, outputs=fine)
    assert " ● log 0  ok" in drawn(80, 30, outputs=fine)


def test_keys_that_cannot_be_read_are_not_promised() -> None:
    foot = drawn(80, 24, about=replace(ABOUT, keys=False))[-1]
    assert foot == " no keys: there is no terminal to read them from"
    assert drawn(80, 24, state="paused")[-1] == "  q  quit    p  continue"


def test_a_model_of_many_scenes_with_long_names() -> None:
    scenes = tuple(f"scene_with_a_long_name_{number}" for number in range(30))
    estimate = SceneEstimate(scenes, np.linspace(0, 1, 30, dtype=np.float32), 0.0, 10.0)
    about = replace(ABOUT, scenes=scenes)
    many = {"about": about, "report": replace(REPORT, estimate=estimate, decision=None), "past": ()}
    # Eleven rows are of other parts; with 60 there is room for all.
    assert sum("scene with a" in line for line in drawn(80, 24, **many)) == 24 - 11
    assert sum("scene with a" in line for line in drawn(80, 60, **many)) == 30
