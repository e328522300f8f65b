"""One colour a scene."""

from __future__ import annotations

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.scene_colours import SCENE_COLOURS, UNKNOWN_COLOUR, scene_colours
from edge_asc.scenes import SCENES


def test_each_scene_has_a_colour_of_its_own() -> None:
    assert set(SCENE_COLOURS) == set(SCENES)
    assert len({*SCENE_COLOURS.values(), UNKNOWN_COLOUR}) == len(SCENES) + 1


def test_other_scenes_take_what_is_left() -> None:
    colours = scene_colours(("bus", "kitchen", "bar"))
    assert (colours["bus"], colours["bar"]) == (SCENE_COLOURS["bus"], SCENE_COLOURS["bar"])
    assert colours["kitchen"] == SCENE_COLOURS["airport"]
    assert colours[UNKNOWN_SCENE] == UNKNOWN_COLOUR


def test_more_scenes_than_colours_begin_again() -> None:
    names = tuple(f"place {number}" for number in range(12))
    colours = scene_colours(names)
    assert colours["place 0"] == colours["place 10"]
    assert set(scene_colours((*SCENES, *names))) == {*SCENES, *names, UNKNOWN_SCENE}
