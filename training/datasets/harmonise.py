"""Foreign classes as CAS scenes: Table 1 of the paper, by which a backbone is pretrained.

Eight of the ten scenes have a counterpart; construction site and bar have none. A class is either
mapped or named as dropped, so that one that is neither is an error and never lost in silence.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip


@dataclass(frozen=True, slots=True)
class Harmonisation:
    """What the classes of one data set are called among the CAS scenes."""

    source_set: str
    scenes: Mapping[str, str]
    """The CAS scene of a class."""
    dropped: tuple[str, ...]
    """Classes without a CAS scene."""
    printed: Mapping[str, int]
    """Clips a CAS scene that Table 1 gives for this set."""

    def scene_of(self, name: str) -> str | None:
        """The CAS scene of class `name`, None if it is dropped. Raises DataError if unknown."""
        if name in self.scenes:
            return self.scenes[name]
        if name in self.dropped:
            return None
        raise DataError(
            f"{name!r} is no class of {self.source_set};"
            f" classes: {', '.join(sorted((*self.scenes, *self.dropped)))}"
        )


TAU2020 = Harmonisation(
    source_set="tau2020",
    scenes={
        "airport": "airport",
        "bus": "bus",
        "metro": "metro",
        "shopping_mall": "shopping_mall",
        "public_square": "public_square",
        "park": "urban_park",
        "street_traffic": "traffic_street",
    },
    dropped=("metro_station", "street_pedestrian", "tram"),
    printed={
        "airport": 2302,
        "bus": 2304,
        "metro": 2304,
        "shopping_mall": 2303,
        "public_square": 2303,
        "urban_park": 2304,
        "traffic_street": 2304,
    },
)

COCHLSCENE = Harmonisation(
    source_set="cochlscene",
    scenes={
        "Bus": "bus",
        "Subway": "metro",
        "Restaurant": "restaurant",
        "Park": "urban_park",
        "Street": "traffic_street",
    },
    dropped=(
        "Cafe",
        "Car",
        "CrowdedIndoor",
        "Elevator",
        "Kitchen",
        "ResidentialArea",
        "Restroom",
        "SubwayStation",
    ),
    printed={
        "bus": 5821,
        "metro": 5897,
        "restaurant": 5933,
        "urban_park": 5744,
        "traffic_street": 5745,
    },
)

HARMONISATIONS = {each.source_set: each for each in (TAU2020, COCHLSCENE)}

SELECTED = {
    "airport": 2303,
    "bus": 8152,
    "metro": 8201,
    "restaurant": 5933,
    "shopping_mall": 2303,
    "public_square": 2303,
    "urban_park": 8048,
    "traffic_street": 8049,
}
"""The column "Selected for Pre-training" as printed. Not the sum of its parts everywhere: see
`table1_discrepancies`. Counts found are therefore compared with the parts."""


@dataclass(frozen=True, slots=True)
class Table1Count:
    """One cell of Table 1 beside what was found."""

    source_set: str
    scene: str
    printed: int
    found: int


def table1_counts(clips: Sequence[Clip]) -> list[Table1Count]:
    """Table 1 for the sets that `clips` come from, in the table's order; none for other sets."""
    found = Counter((clip.source_set, clip.scene) for clip in clips)
    sets = {clip.source_set for clip in clips}
    return [
        Table1Count(name, scene, printed, found[name, scene])
        for name, harmonisation in HARMONISATIONS.items()
        if name in sets
        for scene, printed in harmonisation.printed.items()
    ]


def table1_discrepancies() -> dict[str, tuple[int, int]]:
    """Scenes whose printed "Selected" is not the sum of the printed parts: (printed, sum)."""
    sums = {
        scene: sum(each.printed.get(scene, 0) for each in HARMONISATIONS.values())
        for scene in SELECTED
    }
    return {
        scene: (printed, sums[scene])
        for scene, printed in SELECTED.items()
        if printed != sums[scene]
    }
