"""Scenes and cities: the official order, and help with misspelt names."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from edge_asc.errors import ContextError
from edge_asc.scenes import CITIES, SCENES, display_name, find_city, find_scene


def test_counts_and_order_are_those_of_the_official_baseline() -> None:
    assert len(SCENES) == len(set(SCENES)) == 10
    assert len(CITIES) == len(set(CITIES)) == 22
    assert (SCENES[0], SCENES[-1]) == ("bus", "bar")
    assert (CITIES[0], CITIES[12], CITIES[-1]) == ("Xi'an", "Beijing", "Dandong")


def test_every_name_of_the_official_metadata_is_known(data_dir: Path) -> None:
    for part in ("dev", "eval"):
        path = data_dir / "cas2023" / f"APSIPA2025_GC_ASC_{part}_metadata.csv"
        with path.open(encoding="utf-8-sig", newline="") as table:
            for row in csv.DictReader(table):
                assert find_city(row["location"]) == row["location"]
                if row["scene_label"]:
                    assert find_scene(row["scene_label"]) in SCENES


@pytest.mark.parametrize("written", ["xian", "XI'AN", " xi an ", "Xi-an"])
def test_case_spaces_and_marks_do_not_matter(written: str) -> None:
    assert find_city(written) == "Xi'an"


def test_a_misspelt_city_is_answered_with_the_nearest() -> None:
    with pytest.raises(ContextError, match=r"one of the 22 CAS cities, got 'Bejing'.*'Beijing'"):
        find_city("Bejing")


def test_a_city_like_no_other_is_answered_with_all_of_them() -> None:
    with pytest.raises(ContextError, match=r"allowed: Xi'an, Xianyang, .*Dandong"):
        find_city("Qqqq")


def test_display_name_is_what_people_write() -> None:
    assert display_name("shopping_mall") == "shopping mall"
