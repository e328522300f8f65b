"""The last minutes: charts, and the strip of scenes that can be read without colours."""

from __future__ import annotations

import math

import pytest

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.scenes import SCENES as CAS_SCENES
from edge_asc.sinks.live_past import LABEL_CELLS, Past, level_share, scene_letters
from edge_asc.sinks.live_state import Moment
from edge_asc.sinks.live_text import ASCII, BLOCKS
from tests.sinks.live_samples import SCENES, SNAPSHOT, plain, plains


def seconds(begin: int, end: int, scene: str | None, confidence: float | None) -> list[Moment]:
    return [Moment(s, s + 1, False, scene, confidence, -40.0) for s in range(begin, end)]


def width_of(num_columns: int) -> int:
    return LABEL_CELLS + 1 + num_columns


def test_every_scene_has_a_letter_of_its_own() -> None:
    letters = scene_letters(CAS_SCENES)
    assert "".join(letters.values()) == "BAMRSPUTCb"
    assert list(scene_letters(("bus", "bar", "bank", "b", "北京", "")).values()) == [
        *("B", "b", "A", "0", "1", "2"),
    ]
    many = scene_letters([f"scene {number}" for number in range(60)])
    assert len(set(many.values())) == 60


def test_the_strip_shows_which_scene_was_decided_when() -> None:
    past = Past(SNAPSHOT.past, SCENES, width_of(66), BLOCKS)
    strip = " scene   " + "·" * 10 + "b" + "━" * 29 + "×" * 5 + "S" + "━" * 19
    assert plain(past.strip()) == strip
    in_ascii = strip.replace("·", ".").replace("━", "-").replace("×", "x")
    assert plain(Past(SNAPSHOT.past, SCENES, width_of(66), ASCII).strip()) == in_ascii


def test_an_unknown_scene_has_a_mark_and_no_confidence() -> None:
    moments = [*seconds(0, 3, "bus", 0.5), *seconds(3, 6, UNKNOWN_SCENE, None)]
    past = Past(moments, SCENES, width_of(6), BLOCKS)
    assert plain(past.strip()) == " scene  B━━?━━"
    assert plains(past.confidence(1)) == [" sure   ▄▄▄"]
    assert plains(past.level(1)) == [" loud   ▄▄▄▄▄▄"]


def test_columns_are_as_long_as_the_past_needs() -> None:
    def axis(heard_s: int) -> str:
        moments = seconds(0, heard_s, "bus", 0.5)
        return plain(Past(moments, SCENES, width_of(60), BLOCKS).axis()).split(" ago")[0].strip()

    assert [axis(heard_s) for heard_s in (30, 60, 61, 121, 900)] == [
        *("1 min 0 s", "1 min 0 s", "2 min 0 s", "3 min 0 s", "5 min 0 s"),
    ]


def test_a_column_shows_what_there_was_most_of_and_stands_still() -> None:
    moments = [*seconds(0, 13, "bus", 0.5), *seconds(13, 26, "bar", 1.0)]
    # 5 s a column: the third is bus for 3 s, bar for 2.
    for more in range(5):
        past = Past([*moments, *seconds(26, 26 + more, "bar", 1.0)], SCENES, width_of(6), BLOCKS)
        assert plain(past.strip()) == " scene  B━━b━━"


def test_a_past_that_is_longer_than_the_picture_goes_on_at_its_left_edge() -> None:
    moments = seconds(0, 900, "bus", 0.5)
    assert plain(Past(moments, SCENES, width_of(10), BLOCKS).strip()) == " scene  B" + "━" * 9


def test_without_a_past_the_picture_is_empty() -> None:
    past = Past((), SCENES, width_of(20), BLOCKS)
    assert plain(past.strip()) == " scene"
    assert plains(past.confidence(2)) == ["", " sure"]


@pytest.mark.parametrize(
    ("level_dbfs", "share"), [(-math.inf, 0), (-120, 0), (-80, 0), (-20, 0.75), (0, 1), (3, 1)]
)
def test_the_scale_of_levels(level_dbfs: float, share: float) -> None:
    assert level_share(level_dbfs) == share
