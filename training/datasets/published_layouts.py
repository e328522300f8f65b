"""The synthetic corpus in the layouts in which CAS 2023, TAU 2020 and CochlScene are published.

So the readers, the recipes and the audit can be run from end to end without the recordings. The
three layouts never share a visit, so a backbone pretrained on one has not heard another.
"""

from __future__ import annotations

import csv
import hashlib
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import numpy as np
import soundfile

from edge_asc.atomic import atomic_path
from edge_asc.errors import DataError
from edge_asc.scenes import SCENES, display_name
from edge_asc.training.datasets import cas2023, cochlscene, tau2020
from edge_asc.training.datasets.harmonise import COCHLSCENE, TAU2020
from edge_asc.training.datasets.parallel import map_in_processes
from edge_asc.training.datasets.registry import SYNTHETIC_MARK
from edge_asc.training.datasets.sound_parts import SAMPLE_RATE_HZ, samples_in
from edge_asc.training.datasets.synthetic import (
    CORPUS,
    Visit,
    check_corpus,
    draw_context,
    render_clip,
    write_corpus,
)

LAYOUTS = ("folder", "cas2023", "tau2020", "cochlscene")
EUROPEAN_CITIES = ("barcelona", "helsinki", "lisbon", "london", "lyon", "milan", "paris", "prague")
APART = timedelta(hours=1)
"""At least so long between two visits of one city: more than what connects recordings."""

# Streams of random numbers beside those of `synthetic`; the CAS layout has the corpus's own visits.
_TAU, _COCHL, _LABELS = 2, 3, 4
_TAU_FOLDS = ("train", "test", "train", "train")
_COCHL_FOLDS = ("Train", "Test", "Val", "Train")


@dataclass(frozen=True, slots=True)
class _Job:
    """The files of one visit, in the order of its clips."""

    visit: Visit
    files: tuple[Path, ...]


def write_layout(
    out: Path,
    layout: str,
    *,
    visits_per_scene: int,
    clips_per_visit: int,
    clip_s: float,
    unlabelled_share: float = 0.0,
    seed: int,
    num_workers: int | None = None,
) -> None:
    """Write a synthetic corpus to `out` in one of `LAYOUTS`; "folder" is `write_corpus`.

    `unlabelled_share` is for "cas2023". Raises DataError if `out` is not empty, the layout is
    unknown or has no unlabelled clips, ValueError for counts, lengths or shares that cannot be.
    """
    if layout == "cas2023":
        write_cas2023(
            out, visits_per_scene, clips_per_visit, clip_s, unlabelled_share, seed, num_workers
        )
        _mark(out)
        return
    if layout not in LAYOUTS:
        raise DataError(f"layout must be one of {', '.join(LAYOUTS)}, got {layout!r}")
    if unlabelled_share:
        raise DataError(f"only the cas2023 layout has unlabelled clips, not {layout}")
    if layout == "folder":
        write_corpus(
            out,
            visits_per_scene=visits_per_scene,
            clips_per_visit=clips_per_visit,
            clip_s=clip_s,
            seed=seed,
            num_workers=num_workers,
        )
        return
    write = write_tau2020 if layout == "tau2020" else write_cochlscene
    write(out, visits_per_scene, clips_per_visit, clip_s, seed, num_workers)
    _mark(out)


def _mark(out: Path) -> None:
    """Nobody shall take it for the real set."""
    text = "Made sound in the layout of a published data set: no recording, no evidence.\n"
    with atomic_path(out / SYNTHETIC_MARK) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_cas2023(
    out: Path,
    visits_per_scene: int,
    clips_per_visit: int,
    clip_s: float,
    unlabelled_share: float,
    seed: int,
    num_workers: int | None = None,
) -> None:
    """Write the development part of a CAS 2023; `read_cas2023` reads it back.

    Each visit is one recording of consecutive slices in one of the eight development cities, at
    least an hour from the city's other visits, of whatever scene: so (city, time) tells the visit
    and with it the label, as in the real set, while the city alone tells nothing. Of each scene's
    clips `unlabelled_share` have no label.
    """
    check_corpus(out, visits_per_scene, clips_per_visit, clip_s, seed)
    if clips_per_visit > cas2023.MAX_SLICES:
        raise DataError(
            f"a recording of CAS 2023 has at most {cas2023.MAX_SLICES} slices,"
            f" got {clips_per_visit} clips a visit; write more visits instead"
        )
    if not 0.0 <= unlabelled_share < 1.0:
        raise ValueError(f"unlabelled_share must be in [0, 1), got {unlabelled_share}")
    part = cas2023.PARTS[0]
    visits = _visits(seed, CORPUS, SCENES, visits_per_scene)
    jobs, rows = [], []
    for (visit, (city, time)), labelled in zip(
        _contexts(visits), _labelled(visits, clips_per_visit, unlabelled_share, seed), strict=True
    ):
        names = [_cas_name(visit, clip) for clip in range(clips_per_visit)]
        jobs.append(_Job(visit, tuple(out / part.audio / f"{name}.wav" for name in names)))
        label = display_name(visit.scene).capitalize()
        rows += [
            (name, city, f"{time:%Y-%m-%d %H:%M:%S}", label if known else "")
            for name, known in zip(names, labelled, strict=True)
        ]
    _render(jobs, clip_s, num_workers)
    # The original's byte order mark, too, which trips up readers that do not expect it.
    _write_table(out / part.table, [cas2023.COLUMNS, *rows], ",", "utf-8-sig")


def write_tau2020(
    out: Path,
    visits_per_scene: int,
    clips_per_visit: int,
    clip_s: float,
    seed: int,
    num_workers: int | None = None,
) -> None:
    """Write a TAU 2020 Mobile of the seven classes that have a CAS scene; a visit is a location."""
    check_corpus(out, visits_per_scene, clips_per_visit, clip_s, seed)
    classes = {scene: name for name, scene in TAU2020.scenes.items()}
    visits = _visits(seed, _TAU, classes, visits_per_scene)
    jobs, rows, folds = [], [], []
    for index, visit in enumerate(visits):
        label, place = classes[visit.scene], _european_place(visit, 1000 + index)
        segments = [40_000 + index * clips_per_visit + clip for clip in range(clips_per_visit)]
        files = [f"audio/{label}-{place}-{segment}-a.wav" for segment in segments]
        jobs.append(_Job(visit, tuple(out / file for file in files)))
        rows += [(file, label, place, "a") for file in files]
        folds += [_TAU_FOLDS[visit.number % len(_TAU_FOLDS)]] * len(files)
    _render(jobs, clip_s, num_workers)
    for name, fold in tau2020.FOLD_TABLES.items():
        columns = 1 if name == "fold1_test.csv" else 2
        chosen = [row[:columns] for row, its in zip(rows, folds, strict=True) if its == fold]
        lines = [tau2020.COLUMNS[:columns], *chosen]
        _write_table(out / tau2020.SETUP / name, lines, "\t", "utf-8")
    _write_table(out / tau2020.META, [tau2020.COLUMNS, *rows], "\t", "utf-8")


def write_cochlscene(
    out: Path,
    visits_per_scene: int,
    clips_per_visit: int,
    clip_s: float,
    seed: int,
    num_workers: int | None = None,
) -> None:
    """Write a CochlScene of the five classes that have a CAS scene; a visit is a recorder."""
    check_corpus(out, visits_per_scene, clips_per_visit, clip_s, seed)
    classes = {scene: name for name, scene in COCHLSCENE.scenes.items()}
    jobs = []
    for index, visit in enumerate(_visits(seed, _COCHL, classes, visits_per_scene), start=1):
        label = classes[visit.scene]
        fold = _COCHL_FOLDS[visit.number % len(_COCHL_FOLDS)]
        stem = f"{label}_user{index:04d}_{14_000_000 + index}"
        files = (f"{stem}_{clip:03d}.wav" for clip in range(1, clips_per_visit + 1))
        jobs.append(_Job(visit, tuple(out / fold / label / file for file in files)))
    for fold in cochlscene.FOLDS:
        (out / fold).mkdir(parents=True, exist_ok=True)
    _render(jobs, clip_s, num_workers)


def _visits(seed: int, purpose: int, scenes: Iterable[str], count: int) -> list[Visit]:
    return [Visit(seed, purpose, scene, number) for scene in scenes for number in range(count)]


def _contexts(visits: Sequence[Visit]) -> list[tuple[Visit, tuple[str, datetime]]]:
    """City and time of each visit, moved on by hours where the city is taken at that time."""
    taken: defaultdict[str, list[datetime]] = defaultdict(list)
    contexts = []
    for visit in visits:
        city, time = draw_context(visit)
        while any(abs(time - other) < APART for other in taken[city]):
            time += APART
        taken[city].append(time)
        contexts.append((visit, (city, time)))
    return contexts


def _labelled(
    visits: Sequence[Visit], num_clips: int, unlabelled_share: float, seed: int
) -> list[list[bool]]:
    """For each visit which of its clips keep their label: the same share of each scene."""
    known: dict[str, list[bool]] = {}
    for index, scene in enumerate(SCENES):
        total = num_clips * sum(visit.scene == scene for visit in visits)
        rng = np.random.default_rng([seed, _LABELS, index])
        order = rng.permutation(total)
        known[scene] = (order >= round(unlabelled_share * total)).tolist()
    return [
        known[visit.scene][visit.number * num_clips : (visit.number + 1) * num_clips]
        for visit in visits
    ]


def _cas_name(visit: Visit, clip: int) -> str:
    digits = hashlib.sha256(f"{visit.name} clip {clip}".encode()).hexdigest()[:32]
    return f"{digits}{clip + 1}_1"


def _european_place(visit: Visit, location: int) -> str:
    city = EUROPEAN_CITIES[visit.number % len(EUROPEAN_CITIES)]
    return f"{city}-{location}"


def _render(jobs: Sequence[_Job], clip_s: float, num_workers: int | None) -> None:
    for folder in {path.parent for job in jobs for path in job.files}:
        folder.mkdir(parents=True, exist_ok=True)
    work = partial(_render_visit, clip_s=clip_s)
    map_in_processes(work, jobs, "synthetic corpus: visit", num_workers=num_workers)


def _render_visit(job: _Job, clip_s: float) -> None:
    for clip, path in enumerate(job.files):
        samples = render_clip(job.visit, clip, samples_in(clip_s))
        soundfile.write(path, samples, SAMPLE_RATE_HZ, subtype="PCM_16")


def _write_table(path: Path, lines: Sequence[Sequence[str]], delimiter: str, encoding: str) -> None:
    with (
        atomic_path(path) as temporary,
        temporary.open("w", newline="", encoding=encoding) as file,
    ):
        csv.writer(file, delimiter=delimiter, lineterminator="\n").writerows(lines)
