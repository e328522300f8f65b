"""Does a split measure hearing? What metadata alone reach on it, and what its two sides share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from edge_asc.errors import DataError
from edge_asc.training.audit_sound import Copy, SoundAudit, audit_sound, crossing
from edge_asc.training.controls import Controls, mean_controls, pooled_controls
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.registry import read_set
from edge_asc.training.protocols import EVALUATION_FOLD, PROTOCOLS, protocol_splits
from edge_asc.training.splits import Grouping, Split, fold_names, grouping_keys, select_folds

OWN_FOLDS = "folds"
"""The protocol of the data set's own fold column."""

SHARED: tuple[Grouping, ...] = ("recording", "visit", "day", "city")
"""What may lie on both sides of a split."""

NO_GUESS = "without ears: no guess, as the clips do not tell city or time"
UNKNOWN_CITY = "unknown"
OUTPUT_FORMATS = ("text", "json")
NUM_SEEDS = 5


@dataclass(frozen=True, slots=True)
class Shared:
    """Groups of one kind in the test, and those of them that training has too; means of splits."""

    num_in_test: float
    num_in_both: float


@dataclass(frozen=True, slots=True)
class ProtocolAudit:
    """What one protocol's splits let through, over all seeds."""

    protocol: str
    num_splits: int
    num_seeds: int
    num_test_clips: float
    """Mean over seeds, all splits together."""
    not_testable: list[str]
    """Classes of which no split tests a clip."""
    controls: Controls | None
    """Means over seeds; None: no metadata to guess from."""
    shared: dict[Grouping, Shared]
    """Without those groupings that the clips do not tell."""
    copies: list[Copy] | None
    """Nearly the same sound on both sides with the first seed; None: sound was not looked at."""

    def line(self) -> str:
        """One line on what a model without ears reaches here."""
        if self.controls is not None:
            return self.controls.line()
        visits = self.shared["visit"]
        both = f"{visits.num_in_both:.1f} of {visits.num_in_test:.1f}"
        return f"{NO_GUESS}; {both} visits of the test are in training too"

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        return {
            "protocol": self.protocol,
            "num_splits": self.num_splits,
            "num_seeds": self.num_seeds,
            "num_test_clips": self.num_test_clips,
            "not_testable": self.not_testable,
            "metadata": None if self.controls is None else self.controls.to_dict(),
            "shared": {
                by: {"in_test": s.num_in_test, "in_both": s.num_in_both}
                for by, s in self.shared.items()
            },
            "copies_across": None if self.copies is None else [c.to_dict() for c in self.copies],
            "line": self.line(),
        }


@dataclass(frozen=True, slots=True)
class ClassRow:
    """Where the clips of one class come from."""

    scene: str
    num_clips: int
    num_visits: int
    by_city: dict[str, tuple[int, int]]
    """City (or "unknown") -> clips, visits."""

    @property
    def is_testable(self) -> bool:
        """A class of one visit cannot be both learnt and tested on another."""
        return self.num_visits >= 2


@dataclass(frozen=True, slots=True)
class Audit:
    """The whole leak report of a data set."""

    name: str
    num_clips: int
    num_unlabelled: int
    num_evaluation: int
    """Clips set apart by the data set for its evaluation; nothing else here counts them."""
    num_visits: int
    """Visits with a labelled clip."""
    classes: list[ClassRow]
    protocols: list[ProtocolAudit]
    not_run: dict[str, str]
    """Protocol -> why it cannot be run on these clips."""
    sound: SoundAudit | None
    sound_note: str
    """What was left out and why; empty if nothing was."""

    def last_line(self) -> str:
        """One line: the accuracy that a model without ears reaches on each protocol."""
        if len(self.protocols) == 1:
            return self.protocols[0].line()
        guessed = [audit for audit in self.protocols if audit.controls is not None]
        if guessed:
            return "without ears (%): " + ", ".join(map(_short, guessed))
        mixed = [audit.protocol for audit in self.protocols if audit.shared["visit"].num_in_both]
        return f"{NO_GUESS}; visits on both sides: {', '.join(mixed) or 'none'}"

    def to_dict(self) -> dict[str, Any]:
        """Return all figures as JSON types."""
        return {
            "data": self.name,
            "num_clips": self.num_clips,
            "num_unlabelled": self.num_unlabelled,
            "num_evaluation": self.num_evaluation,
            "num_visits": self.num_visits,
            "classes": [
                {
                    "scene": row.scene,
                    "num_clips": row.num_clips,
                    "num_visits": row.num_visits,
                    "is_testable": row.is_testable,
                    "cities": {
                        city: {"clips": clips, "visits": visits}
                        for city, (clips, visits) in row.by_city.items()
                    },
                }
                for row in self.classes
            ],
            "protocols": [audit.to_dict() for audit in self.protocols],
            "not_run": self.not_run,
            "sound": None if self.sound is None else self.sound.to_dict(),
            "sound_note": self.sound_note,
            "line": self.last_line(),
        }


def _short(audit: ProtocolAudit) -> str:
    controls = audit.controls
    assert controls is not None
    leak = " LEAKS" if controls.is_leaky else ""
    return f"{audit.protocol} {100.0 * controls.scores[controls.best].accuracy:.1f}{leak}"


def audit_command(
    data: Sequence[Path],
    protocols: Sequence[str] | None,
    num_seeds: int,
    html: Path | None,
    output_format: str,
    with_sound: bool,
) -> None:
    """Print the leak report of `data`, and write it as a page to `html` if given.

    Raises DataError for a data set that cannot be read, and where a named protocol (or, by
    default, every one) cannot be run.
    """
    from edge_asc.training.audit_report import text_lines, write_page

    if output_format not in OUTPUT_FORMATS:
        raise DataError(f"format must be one of {', '.join(OUTPUT_FORMATS)}, got {output_format!r}")
    clips = [clip for folder in data for clip in read_set(folder, require_audio=False).clips]
    name = ", ".join(folder.resolve().name for folder in data)
    audit = audit_clips(clips, name, protocols, num_seeds, with_sound=with_sound)
    if html is not None:
        write_page(audit, html)
    if output_format == "json":
        print(json.dumps(audit.to_dict()))
    else:
        print("\n".join(text_lines(audit)))


def audit_clips(
    clips: Sequence[Clip],
    name: str,
    protocols: Sequence[str] | None = None,
    num_seeds: int = NUM_SEEDS,
    *,
    with_sound: bool = True,
) -> Audit:
    """Examine `clips`; `protocols` None means all that can be run.

    Raises DataError if there is no labelled clip, and where a named protocol, or every one, cannot
    be run.
    """
    used = [clip for clip in clips if clip.fold != EVALUATION_FOLD]
    labelled = [clip for clip in used if clip.scene is not None]
    if not labelled:
        raise DataError(f"{name} has no labelled clip outside its evaluation set to audit")
    sound, note = _sound(labelled) if with_sound else (None, "sound was not looked at (--no-sound)")
    results, not_run = [], {}
    for protocol in protocols or (*PROTOCOLS, OWN_FOLDS):
        try:
            results.append(_audit_protocol(used, protocol, num_seeds, sound))
        except DataError as error:
            if protocols:
                raise
            not_run[protocol] = str(error)
    if not results:
        raise DataError(f"{name}: no protocol can be run; {next(iter(not_run.values()))}")
    return Audit(
        name=name,
        num_clips=len(clips),
        num_unlabelled=len(used) - len(labelled),
        num_evaluation=len(clips) - len(used),
        num_visits=len({clip.group for clip in labelled}),
        classes=class_table(labelled),
        protocols=results,
        not_run=not_run,
        sound=sound,
        sound_note=note,
    )


def _sound(labelled: Sequence[Clip]) -> tuple[SoundAudit | None, str]:
    present = [clip for clip in labelled if clip.path.is_file()]
    if not present:
        return None, "sound was not looked at: the folder holds none of the audio files"
    missing = len(labelled) - len(present)
    note = f"{missing} of {len(labelled)} labelled clips have no audio file" if missing else ""
    return audit_sound(present), note


def _audit_protocol(
    clips: Sequence[Clip], protocol: str, num_seeds: int, sound: SoundAudit | None
) -> ProtocolAudit:
    # Neither the data set's own folds nor cities are drawn; seeds only vary the tree's ties.
    by_seed = [
        own_fold_splits(clips) if protocol == OWN_FOLDS else protocol_splits(clips, protocol, seed)
        for seed in range(num_seeds)
    ]
    if not by_seed[0]:
        raise DataError(f"{protocol} leaves no clip to test whose class is in the training clips")
    controls = [pooled_controls(splits, seed) for seed, splits in enumerate(by_seed)]
    known = [one for one in controls if one is not None]
    tested = {clip.scene for splits in by_seed for split in splits for clip in split.test}
    return ProtocolAudit(
        protocol=protocol,
        num_splits=len(by_seed[0]),
        num_seeds=num_seeds,
        num_test_clips=fmean(sum(len(split.test) for split in splits) for splits in by_seed),
        not_testable=sorted({clip.scene for clip in clips if clip.scene} - tested),
        controls=mean_controls(known) if known else None,
        shared=shared_groups([split for splits in by_seed for split in splits]),
        copies=None if sound is None else crossing(sound.copies, by_seed[0]),
    )


def own_fold_splits(clips: Sequence[Clip]) -> list[Split]:
    """Each of the data set's own folds as the test of the others; "test" only, where it has one.

    Unlike in training, groups on both sides are no error here: they are what is looked for.

    Raises DataError if a labelled clip has no fold, or all have the same one.
    """
    labelled = [clip for clip in clips if clip.scene is not None]
    names = fold_names(labelled)
    if len(names) < 2:
        raise DataError(f"all labelled clips are in one fold, {names[0]!r}")
    tests = ["test"] if "test" in names else names
    return [
        Split(
            f"fold{test}",
            train=select_folds(labelled, [name for name in names if name != test]),
            test=select_folds(labelled, [test]),
            is_fair_test=True,
        )
        for test in tests
    ]


def shared_groups(splits: Sequence[Split]) -> dict[Grouping, Shared]:
    """How many recordings, visits, days, cities of the test are in training too; means."""
    shared: dict[Grouping, Shared] = {}
    for by in SHARED:
        try:
            counts = [_count_shared(split, by) for split in splits]
        except DataError:
            continue
        shared[by] = Shared(fmean(c[0] for c in counts), fmean(c[1] for c in counts))
    return shared


def _count_shared(split: Split, by: Grouping) -> tuple[int, int]:
    """Groups in the test, and in the test and in training."""
    keys = grouping_keys([*split.train, *split.test], by)
    train, test = set(keys[: len(split.train)]), set(keys[len(split.train) :])
    return len(test), len(train & test)


def class_table(labelled: Sequence[Clip]) -> list[ClassRow]:
    """Clips and visits of every class, by city; the class with most visits first."""
    return sorted(
        (
            _class_row(scene, [clip for clip in labelled if clip.scene == scene])
            for scene in sorted({str(clip.scene) for clip in labelled})
        ),
        key=lambda row: -row.num_visits,
    )


def _class_row(scene: str, clips: Sequence[Clip]) -> ClassRow:
    groups: dict[str, list[str]] = {}
    for clip in clips:
        groups.setdefault(clip.context.city or UNKNOWN_CITY, []).append(clip.group)
    by_city = {city: (len(names), len(set(names))) for city, names in sorted(groups.items())}
    return ClassRow(scene, len(clips), len({clip.group for clip in clips}), by_city)
