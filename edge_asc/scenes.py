"""The ten scenes and 22 cities of the CAS 2023 data set, in the order of the official baseline."""

from __future__ import annotations

import difflib
from collections.abc import Sequence

from edge_asc.errors import ContextError

SCENES = (
    "bus",
    "airport",
    "metro",
    "restaurant",
    "shopping_mall",
    "public_square",
    "urban_park",
    "traffic_street",
    "construction_site",
    "bar",
)

CITIES = (
    "Xi'an",
    "Xianyang",
    "Changchun",
    "Jinan",
    "Hefei",
    "Sanya",
    "Nanning",
    "Haikou",
    "Guilin",
    "Guangzhou",
    "Chongqing",
    "Shenyang",
    "Beijing",
    "Baishan",
    "Taiyuan",
    "Tianjin",
    "Nanchang",
    "Shanghai",
    "Luoyang",
    "Liupanshui",
    "Shangrao",
    "Dandong",
)


def display_name(scene: str) -> str:
    """The scene as people write it: "shopping mall"."""
    return scene.replace("_", " ")


def find_scene(name: str) -> str:
    """The scene called `name`, whatever its case, spaces or hyphens. Raises ContextError."""
    return _find(name, SCENES, "scene", f"one of the {len(SCENES)} CAS scenes")


def find_city(name: str) -> str:
    """The city called `name`, whatever its case, spaces or hyphens. Raises ContextError."""
    return _find(name, CITIES, "city", f"one of the {len(CITIES)} CAS cities")


def _key(name: str) -> str:
    return "".join(letter for letter in name.casefold() if letter.isalnum())


def _find(name: str, allowed: Sequence[str], what: str, which: str) -> str:
    by_key = {_key(known): known for known in allowed}
    key = _key(name)
    if key in by_key:
        return by_key[key]
    near = difflib.get_close_matches(key, list(by_key), n=1, cutoff=0.5)
    hint = f"did you mean {by_key[near[0]]!r}?" if near else f"allowed: {', '.join(allowed)}"
    raise ContextError(f"{what} must be {which}, got {name!r}; {hint}")
