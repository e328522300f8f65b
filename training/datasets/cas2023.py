"""CAS 2023, the set of the APSIPA ASC 2025 Grand Challenge, in its published layout.

    DIR/APSIPA2025_GC_ASC_dev_metadata.csv      or DIR/metadata/...: 8,700 clips, 1,740 labelled
    DIR/APSIPA2025_GC_ASC_eval_metadata.csv     or DIR/metadata/...: 1,100 clips, none labelled
    DIR/ICME2024_GC_ASC_dev/<filename>.wav      or .flac, or directly in DIR
    DIR/ICME2024_GC_ASC_eval/<filename>.wav     or .flac, or directly in DIR

Nobody has published what a file name means. Inferred from all 9,800: 32 hexadecimal digits that are
unique to the clip, the place 1 to 60 of the 10 s slice in its recording, and 1 or 2 for a channel
or recorder.

    6f6da4d9242645c69fd0a7dd233d7e5c 1 _2
    |---------- 32 digits ---------| |  |-- channel or recorder
                                     |-- slice: begins 10 s x (1 - 1) after record_time
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.tables import (
    Row,
    check_present,
    check_unique,
    parse_rows,
    read_rows,
    require_columns,
)

SOURCE_SET = "cas2023"
SLICE_S = 10.0
MAX_SLICES = 60
VISIT_GAP = timedelta(minutes=30)
COLUMNS = ("filename", "location", "record_time", "scene_label")
SUFFIXES = (".flac", ".wav")
"""From the one taken last to the one preferred."""

_NAME = re.compile(r"[0-9a-f]{32}([1-9]\d?)_[12]")


@dataclass(frozen=True, slots=True)
class Part:
    """One half of the set."""

    fold: str
    table: str
    audio: str


PARTS = (
    Part("development", "APSIPA2025_GC_ASC_dev_metadata.csv", "ICME2024_GC_ASC_dev"),
    Part("evaluation", "APSIPA2025_GC_ASC_eval_metadata.csv", "ICME2024_GC_ASC_eval"),
)

Place = tuple[str, datetime]
"""City and record_time: together one recording."""


@dataclass(frozen=True, slots=True)
class _Entry:
    """A row understood: where, what and which slice."""

    part: Part
    name: str
    place: Place
    slice_index: int
    scene: str | None


def read_cas2023(folder: Path, *, require_audio: bool = True) -> list[Clip]:
    """The clips of both parts, in the tables' order; fold is "development" or "evaluation".

    A clip's local time is its own: record_time + 10 s x (index - 1), as inferred above. Its
    recording is (city, record_time); its group is the visit (see `visits`), numbered over both
    parts. `require_audio` False: the files need not be there. True: all must be, except that an
    evaluation part of which no file is there is left out, as for those who only have its table.

    Raises DataError, naming table and line, for a file name, time, city or label that is not as it
    should be, a name that occurs twice, and missing audio.
    """
    tables = [(part, path) for part in PARTS if (path := find_table(folder, part)) is not None]
    if not tables:
        raise DataError(
            f"{folder} holds neither {PARTS[0].table} nor {PARTS[1].table}, directly or in"
            f" metadata; they are in the challenge's repository"
        )
    entries = _read_entries(tables)
    group_of = visits(entry.place for entry in entries)
    audio = {part: _audio_files(folder, part) for part in PARTS}
    clips = [_clip(entry, folder, audio[entry.part], group_of) for entry in entries]
    if require_audio:
        clips = without_absent_evaluation(clips)
        check_present(folder, clips)
    return clips


def find_table(folder: Path, part: Part) -> Path | None:
    """The table of `part`, or None."""
    places = (folder / part.table, folder / "metadata" / part.table)
    return next((path for path in places if path.is_file()), None)


def without_absent_evaluation(clips: Sequence[Clip]) -> list[Clip]:
    """`clips` without the evaluation part if none of its files is there."""
    if any(clip.fold == PARTS[1].fold and clip.path.is_file() for clip in clips):
        return list(clips)
    return [clip for clip in clips if clip.fold != PARTS[1].fold]


def visits(places: Iterable[Place]) -> dict[Place, str]:
    r"""The visit of every recording: those of one city connected by gaps of at most 30 minutes.

        record_time   18:44   19:10   19:36            21:00
                      |--26--|--26--|-----84 minutes---|
                      \___ visit 1 ___/                \_ visit 2

    Numbered by city in order of time. Whoever recorded for ten minutes in a square walked on and
    recorded its next corner: the same place, day, weather and device, so nearly the same sound.
    """
    names: dict[Place, str] = {}
    last: dict[str, tuple[datetime, int]] = {}
    for city, time in sorted(set(places)):
        before, number = last.get(city, (time, 1))
        if time - before > VISIT_GAP:
            number += 1
        last[city] = (time, number)
        names[city, time] = f"{SOURCE_SET}/{city} visit {number}"
    return names


def _read_entries(tables: Sequence[tuple[Part, Path]]) -> list[_Entry]:
    rows: list[Row] = []
    part_of: dict[Path, Part] = {}
    for part, table in tables:
        part_of[table] = part
        rows += read_rows(table)
        require_columns(rows[-1:], COLUMNS)
    entries = parse_rows(rows, lambda row: _entry(row, part_of[row.table]))
    check_unique(rows, [entry.name for entry in entries])
    return entries


def _entry(row: Row, part: Part) -> _Entry:
    name = row.values["filename"]
    match = _NAME.fullmatch(name)
    if match is None or int(match[1]) > MAX_SLICES:
        raise row.error(
            f"filename must be 32 hexadecimal digits, an index from 1 to {MAX_SLICES}, then _1 or"
            f" _2, got {name!r}"
        )
    label = row.values["scene_label"]
    return _Entry(
        part=part,
        name=name,
        place=(row.city(row.values["location"]), row.local_time(row.values["record_time"])),
        slice_index=int(match[1]),
        scene=row.scene(label) if label else None,
    )


def _audio_files(folder: Path, part: Part) -> dict[str, Path]:
    """The audio files that may belong to `part`, by name without suffix."""
    found: dict[str, Path] = {}
    for place in (folder, folder / part.audio):
        files = list(place.iterdir()) if place.is_dir() else []
        for suffix in SUFFIXES:
            found |= {path.stem: path for path in files if path.suffix.lower() == suffix}
    return found


def _clip(
    entry: _Entry, folder: Path, audio: Mapping[str, Path], group_of: Mapping[Place, str]
) -> Clip:
    city, record_time = entry.place
    begin = record_time + timedelta(seconds=SLICE_S * (entry.slice_index - 1))
    return Clip(
        path=audio.get(entry.name, folder / entry.part.audio / f"{entry.name}.wav"),
        start_s=0.0,
        duration_s=None,
        scene=entry.scene,
        context=SceneContext(city, begin),
        group=group_of[entry.place],
        fold=entry.part.fold,
        source_set=SOURCE_SET,
        recording=f"{SOURCE_SET}/{city} {record_time:%Y-%m-%d %H:%M:%S}",
    )
