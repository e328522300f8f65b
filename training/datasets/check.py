"""What is wrong with a data set, before hours are spent on it: `edge-asc data check`."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edge_asc.audio import open_audio, read_blocks
from edge_asc.clip_folder import AUDIO_SUFFIXES
from edge_asc.errors import AudioError
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.cas2023 import SOURCE_SET as CAS2023
from edge_asc.training.datasets.cas2023 import without_absent_evaluation
from edge_asc.training.datasets.folder import FolderContents
from edge_asc.training.datasets.harmonise import Table1Count, table1_counts
from edge_asc.training.datasets.parallel import map_in_processes
from edge_asc.training.datasets.registry import detect_set, read_set
from edge_asc.training.datasets.tables import TableError

CLIP_S = 10.0
"""What a clip of the three published sets lasts."""
LENGTH_TOLERANCE_S = 0.05

_BLOCK_SAMPLES = 1 << 20
_FILES_AT_ONCE = 32


@dataclass(frozen=True, slots=True)
class FileFacts:
    """What reading one sound file from beginning to end has shown."""

    problem: str | None
    """Why it cannot be used, or None; the rest says nothing then."""
    sha256: str = ""
    sample_rate_hz: int = 0
    channels: int = 0
    duration_s: float = 0.0
    is_silent: bool = False
    """Every sample is 0, once mixed to mono."""


@dataclass(frozen=True, slots=True)
class Duplicate:
    """Files that are the same, byte for byte."""

    files: list[str]
    labels: list[str]
    groups: list[str]

    @property
    def is_contradictory(self) -> bool:
        """The same sound has two labels; at most one of them can be right."""
        return len(self.labels) > 1


@dataclass(frozen=True, slots=True)
class Report:
    """All that was found; file names are relative to the folder."""

    source_set: str
    num_clips: int = 0
    num_excluded: int = 0
    """Rows whose class has no CAS scene; their sound was not looked at."""
    duration_s: float = 0.0
    table_errors: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    duplicates: list[Duplicate] = field(default_factory=list)
    wrong_length: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    formats: dict[str, int] = field(default_factory=dict)
    counts: dict[str, dict[str, int]] = field(default_factory=dict)
    """Clips by scene, fold and city; groups in one fold or in several."""
    table1: list[Table1Count] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def faults(self) -> dict[str, int]:
        """What makes the set unfit, and how often."""
        contradictory = sum(duplicate.is_contradictory for duplicate in self.duplicates)
        found = {
            "wrong rows": len(self.table_errors),
            "missing": len(self.missing),
            "broken": len(self.broken),
            "contradictory": contradictory,
        }
        return {name: count for name, count in found.items() if count}

    @property
    def doubts(self) -> dict[str, int]:
        """What can be worked with, but should be known."""
        leaks = sum(not duplicate.is_contradictory for duplicate in self.duplicates)
        found = {
            "duplicated": leaks,
            "of the wrong length": len(self.wrong_length),
            "silent": len(self.silent),
        }
        return {name: count for name, count in found.items() if count}

    @property
    def verdict(self) -> str:
        """One line: fit or not, and why."""
        if self.faults:
            return f"not ready: {_listed(self.faults)}"
        doubts = f"; {_listed(self.doubts)}" if self.doubts else ""
        return f"ready: {self.num_clips:,} clips, {self.duration_s / 3600:.1f} h{doubts}"


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in counts.items())


def check_set(folder: Path, name: str | None = None, *, num_workers: int | None = None) -> Report:
    """Read the tables of data set `name` (None: what it looks like) and every sound file.

    Wrong rows end it, because without them nobody knows what to look at. Raises DataError if the
    folder is no such set at all.
    """
    name = name or detect_set(folder)
    try:
        contents = read_set(folder, name, require_audio=False)
    except TableError as error:
        note = "the sound was not looked at: mend the rows first"
        return Report(name, table_errors=list(error.problems), notes=[note])
    clips, notes = contents.clips, []
    if name == CAS2023:
        clips = without_absent_evaluation(contents.clips)
        if len(clips) < len(contents.clips):
            notes.append(
                f"none of the {len(contents.clips) - len(clips):,} evaluation clips is there:"
                " that part is left out"
            )
    present = [clip for clip in clips if clip.path.is_file()]
    facts = map_in_processes(
        inspect_file,
        [clip.path for clip in present],
        f"{name}: file",
        num_workers=num_workers,
        chunk_size=_FILES_AT_ONCE,
    )
    return _report(folder, name, clips, contents, dict(zip(present, facts, strict=True)), notes)


def _report(
    folder: Path,
    name: str,
    clips: Sequence[Clip],
    contents: FolderContents,
    facts: dict[Clip, FileFacts],
    notes: list[str],
) -> Report:
    def relative(clip: Clip) -> str:
        return clip.path.relative_to(folder).as_posix()

    good = {clip: fact for clip, fact in facts.items() if fact.problem is None}
    known = {clip.path for clip in contents.clips} | set(contents.excluded)
    has_set_length = name != "folder"
    return Report(
        source_set=name,
        num_clips=len(clips),
        num_excluded=contents.num_excluded,
        duration_s=sum(fact.duration_s for fact in good.values()),
        missing=[relative(clip) for clip in clips if clip not in facts],
        extra=[path.relative_to(folder).as_posix() for path in _sound_files(folder, known)],
        broken=[fact.problem.replace(f"{folder}/", "") for fact in facts.values() if fact.problem],
        duplicates=_duplicates(good, relative),
        wrong_length=[
            f"{relative(clip)} ({fact.duration_s:.2f} s)"
            for clip, fact in good.items()
            if has_set_length and abs(fact.duration_s - CLIP_S) > LENGTH_TOLERANCE_S
        ],
        silent=[relative(clip) for clip, fact in good.items() if fact.is_silent],
        formats=_count(_format_name(fact) for fact in good.values()),
        counts=_counts(clips),
        table1=table1_counts(clips),
        notes=notes,
    )


def inspect_file(path: Path) -> FileFacts:
    """Decode all of `path`. What is wrong is returned, so that one file never stops the others."""
    try:
        _check_riff_length(path)
        with open_audio(path) as file:
            num_samples, is_silent = 0, True
            for block in read_blocks(file, _BLOCK_SAMPLES):
                num_samples += len(block)
                is_silent = is_silent and not block.any()
            if num_samples < file.frames:
                raise AudioError(
                    f"{path} is cut off: {num_samples} of {file.frames} samples can be read"
                )
            rate_hz, channels = file.samplerate, file.channels
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except (AudioError, OSError) as error:
        return FileFacts(str(error))
    return FileFacts(None, digest, rate_hz, channels, num_samples / rate_hz, is_silent)


def _check_riff_length(path: Path) -> None:
    """Raise AudioError if a WAV file is shorter than its header says: libsndfile does not mind."""
    with path.open("rb") as file:
        head = file.read(8)
    promised = 8 + int.from_bytes(head[4:], "little")
    size = path.stat().st_size
    # Writers that cannot seek back leave the largest number.
    if head[:4] == b"RIFF" and size < promised < 8 + 0xFFFFFFFF - 1024:
        raise AudioError(f"{path} is cut off: {size:,} of {promised:,} bytes are there")


def _sound_files(folder: Path, known: set[Path]) -> Iterator[Path]:
    """Sound files under `folder` that are not `known`; hidden ones do not count."""
    for path in sorted(folder.rglob("*")):
        is_sound = path.suffix.lower() in AUDIO_SUFFIXES and not path.name.startswith(".")
        if is_sound and path not in known and path.is_file():
            yield path


def _duplicates(facts: dict[Clip, FileFacts], relative: Callable[[Clip], str]) -> list[Duplicate]:
    """Clips of the same bytes. Silence is told elsewhere, and of course it is alike."""
    alike: defaultdict[str, list[Clip]] = defaultdict(list)
    for clip, fact in facts.items():
        if not fact.is_silent:
            alike[fact.sha256].append(clip)
    return [
        Duplicate(
            files=[relative(clip) for clip in clips],
            labels=sorted({clip.scene for clip in clips if clip.scene is not None}),
            groups=sorted({clip.group for clip in clips}),
        )
        for clips in alike.values()
        if len(clips) > 1
    ]


def _format_name(fact: FileFacts) -> str:
    return f"{fact.sample_rate_hz:,} Hz, {fact.channels} channel{'s'[: fact.channels - 1]}"


def _counts(clips: Sequence[Clip]) -> dict[str, dict[str, int]]:
    folds: defaultdict[str, set[str | None]] = defaultdict(set)
    for clip in clips:
        folds[clip.group].add(clip.fold)
    return {
        "scene": _count(clip.scene or "(not labelled)" for clip in clips),
        "fold": _count(clip.fold or "(none)" for clip in clips),
        "city": _count(clip.context.city or "(unknown)" for clip in clips),
        "group": _count(
            "in one fold" if len(its) == 1 else "in several folds" for its in folds.values()
        ),
    }


def _count(names: Iterator[str]) -> dict[str, int]:
    """How often each name occurs, the most frequent first."""
    return dict(Counter(names).most_common())
