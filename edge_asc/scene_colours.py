"""One fixed colour for each scene, wherever scenes are drawn.

Found by a search for ten colours that stay apart for eyes that lack one kind of cone, too: any two
are at least 0.12 apart in OKLab for full colour vision and without red or green cones, and 0.085
without blue ones (Machado et al., IEEE TVCG 15(6), 2009). Matplotlib's petroff10 reaches 0.06.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge_asc.decision import UNKNOWN_SCENE

SCENE_COLOURS = {
    "bus": "#13328f",
    "airport": "#00adeb",
    "metro": "#8a50d6",
    "restaurant": "#b42d02",
    "shopping_mall": "#ee5394",
    "public_square": "#e9b733",
    "urban_park": "#94cda7",
    "traffic_street": "#555568",
    "construction_site": "#c77e00",
    "bar": "#462400",
}
UNKNOWN_COLOUR = "#c9c9c9"
"""Of `UNKNOWN_SCENE`; to be hatched, too"""


def scene_colours(scenes: Sequence[str]) -> dict[str, str]:
    """A colour for each of a model's `scenes`, and for `UNKNOWN_SCENE`.

    A scene of the ten has its own; others take, in their order, those that are left, and begin
    again when none is.
    """
    free = [colour for scene, colour in SCENE_COLOURS.items() if scene not in scenes]
    free = free or list(SCENE_COLOURS.values())
    others = [scene for scene in scenes if scene not in SCENE_COLOURS]
    chosen = {scene: free[index % len(free)] for index, scene in enumerate(others)}
    return {
        **{scene: SCENE_COLOURS.get(scene) or chosen[scene] for scene in scenes},
        UNKNOWN_SCENE: UNKNOWN_COLOUR,
    }
