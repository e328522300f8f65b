"""Numbers are those printed in Table 1 of Li et al., PMLR 312 (2026), pages 38-47."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.scenes import SCENES
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.harmonise import (
    COCHLSCENE,
    HARMONISATIONS,
    SELECTED,
    TAU2020,
    table1_counts,
    table1_discrepancies,
)


def clip(source_set: str, scene: str) -> Clip:
    return Clip(Path("a.wav"), 0.0, None, scene, SceneContext(), "g", None, source_set)


def test_all_classes_of_both_sets():
    assert len(TAU2020.scenes) + len(TAU2020.dropped) == 10
    assert len(COCHLSCENE.scenes) + len(COCHLSCENE.dropped) == 13
    for harmonisation in HARMONISATIONS.values():
        assert not set(harmonisation.scenes) & set(harmonisation.dropped)
        assert set(harmonisation.scenes.values()) == set(harmonisation.printed)
    # Eight scenes are left; construction site and bar have no source.
    mapped = {scene for each in HARMONISATIONS.values() for scene in each.scenes.values()}
    assert set(SCENES) - mapped == {"construction_site", "bar"}
    assert mapped == set(SELECTED)


@pytest.mark.parametrize(
    ("harmonisation", "name", "scene"),
    [
        (TAU2020, "park", "urban_park"),
        (TAU2020, "street_traffic", "traffic_street"),
        (TAU2020, "tram", None),
        (COCHLSCENE, "Subway", "metro"),
        (COCHLSCENE, "Street", "traffic_street"),
        (COCHLSCENE, "SubwayStation", None),
    ],
)
def test_scene_of(harmonisation, name, scene):
    assert harmonisation.scene_of(name) == scene


def test_a_class_that_is_neither_mapped_nor_dropped():
    with pytest.raises(DataError, match="'Bar' is no class of cochlscene; classes: Bus, Cafe, Car"):
        COCHLSCENE.scene_of("Bar")


def test_counts_beside_those_of_the_paper():
    clips = [clip("tau2020", "bus")] * 2 + [clip("cas2023", "bus")]
    counts = table1_counts(clips)
    assert {count.source_set for count in counts} == {"tau2020"}
    by_scene = {count.scene: (count.printed, count.found) for count in counts}
    assert by_scene["bus"] == (2304, 2)
    assert by_scene["airport"] == (2302, 0)
    assert len(table1_counts([*clips, clip("cochlscene", "bus")])) == 12
    assert table1_counts([clip("cas2023", "bus")]) == []


def test_where_the_paper_does_not_add_up():
    # 2304 + 5821 = 8125, printed 8152; 2302 alone, printed 2303. The other six add up.
    assert table1_discrepancies() == {"airport": (2303, 2302), "bus": (8152, 8125)}
