"""Reproduce Table 3 of the paper: every row, on splits that leak and on splits that do not.

    OUT/external/seed0/                         the pretrained backbone, one a seed
    OUT/runs/ROW/PROTOCOL/seed0/part1/          one run of `edge-asc train` a part of a split
    OUT/table3.json  table3.txt  table3.html    what came of it
    OUT/settings.json                           what it was about

Each run is a process of its own on one core, several side by side. What an interrupted command had
finished is not done again; the runs themselves go on where they stopped.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from edge_asc.errors import DataError, EdgeAscError
from edge_asc.features import FeatureConfig
from edge_asc.training.corpus import FeatureReader, needed_clips, read_clips, scene_names
from edge_asc.training.datasets import Clip
from edge_asc.training.protocols import protocol_splits
from edge_asc.training.recipe import DataRecipe, load_recipe
from edge_asc.training.run_report import write_json
from edge_asc.training.training_state import require_same

EXTERNAL_RECIPE = "table3_external"
_LAST_LINES = 12


@dataclass(frozen=True, slots=True)
class Row:
    """One row of the table."""

    recipe: str
    title: str
    paper_accuracy: float | None = None
    """Percent, as published; None for a row that the paper does not have."""
    paper_parameters: float | None = None
    """Millions, as published."""

    @property
    def needs_external(self) -> bool:
        """Whether the row begins with, or is, the network trained on external sets."""
        return self.is_external or load_recipe(self.recipe).transfer.backbone != "none"

    @property
    def is_external(self) -> bool:
        """Whether the row is the external network itself, without fine-tuning."""
        return self.recipe == EXTERNAL_RECIPE


ROWS = (
    Row("table3_baseline", "Baseline (SE-Trans)", 96.0, 0.44),
    Row("table3_scratch", "From scratch", 97.3, 0.37),
    Row(EXTERNAL_RECIPE, "Backbone with external set", 86.8, 0.37),
    Row("table3_pretrained", "Pretrained backbone", 96.8, 0.37),
    Row("table3_pretrained_freeze", "Pretrained + Freeze", 96.9, 0.37),
    Row("table3_pretrained_mixup", "Pretrained + Mixup", 96.3, 0.37),
    Row("table3_pretrained_early", "Pretrained + Early fusion", 97.2, 0.37),
    Row("table3_pretrained_gated", "Pretrained + Gated fusion", 97.5, 0.37),
    Row("edge", "edge, for devices"),
    Row("linear", "linear control"),
)


@dataclass(frozen=True, slots=True)
class TableOptions:
    """What the command line decides."""

    data: Path
    """The CAS 2023 folder, or any set with cities, times and visits."""
    external: list[Path]
    """Folders of the pretraining sets; without any, rows that need them are not run."""
    out: Path
    protocols: list[str]
    rows: list[str]
    """Recipes of `ROWS` to run; empty = all."""
    seeds: list[int]
    jobs: int
    epochs: int | None = None
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Job:
    """One run of one row on one part of one protocol's split."""

    row: Row
    protocol: str
    seed: int
    part: int

    def folder(self, out: Path) -> Path:
        """Where the run lies."""
        return out / "runs" / self.row.recipe / self.protocol / f"seed{self.seed}/part{self.part}"


@dataclass(frozen=True, slots=True)
class Table:
    """What was asked for, on which data: all that a report needs beside the runs."""

    options: TableOptions
    clips: list[Clip]
    scenes: tuple[str, ...]
    rows: list[Row]
    skipped: list[Row]
    """Rows that need external sets, where none was given."""
    num_parts: dict[tuple[str, int], int]
    """Parts of each protocol's split, by protocol and seed."""

    @property
    def jobs(self) -> list[Job]:
        """All runs that train, the quick comparison first."""
        return [
            Job(row, protocol, seed, part)
            for (protocol, seed), parts in self.num_parts.items()
            for row in self.rows
            if not row.is_external
            for part in range(1, parts + 1)
        ]


def plan_table(options: TableOptions) -> Table:
    """Read the data and decide what is to run.

    Raises:
        DataError: an unknown row or protocol, or data without the facts that a protocol needs.
    """
    known = [row.recipe for row in ROWS]
    unknown = [name for name in options.rows if name not in known]
    if unknown:
        raise DataError(f"no row {unknown[0]!r}; the rows are {', '.join(known)}")
    wanted = [row for row in ROWS if not options.rows or row.recipe in options.rows]
    rows = [row for row in wanted if options.external or not row.needs_external]
    if not rows:
        raise DataError("every row asked for begins with external sets: name them by --external")
    clips = read_clips([options.data], DataRecipe(), with_unlabelled=True)
    num_parts = {
        (protocol, seed): len(protocol_splits(clips, protocol, seed))
        for protocol in options.protocols
        for seed in options.seeds
    }
    skipped = [row for row in wanted if row not in rows]
    return Table(options, clips, scene_names(clips, "cas"), rows, skipped, num_parts)


def run_table(table: Table) -> None:
    """Train whatever is not trained yet, `options.jobs` processes side by side.

    Raises:
        EdgeAscError: a run failed; its last words are in the message. The others were finished.
    """
    options = table.options
    _require_same_settings(table)
    recipe = load_recipe("table3_scratch")
    for folders in ([options.data], options.external):
        if folders:  # once, here: the processes then only map what is cached
            clips = needed_clips(read_clips(folders, DataRecipe(), with_unlabelled=True), recipe)
            FeatureReader(recipe.data.window_s, FeatureConfig()).prepare(
                clips, recipe.data.test_hop_s
            )
    if any(row.needs_external for row in table.rows):
        _in_parallel(
            [
                (
                    f"external sets, seed {seed}",
                    external_folder(options, seed),
                    _pretrain(options, seed),
                )
                for seed in options.seeds
            ],
            options.jobs,
        )
    _in_parallel(
        [
            (
                f"{job.row.title}, {job.protocol}, seed {job.seed}, part {job.part}",
                job.folder(options.out),
                _train(options, job),
            )
            for job in table.jobs
        ],
        options.jobs,
    )


def _require_same_settings(table: Table) -> None:
    """Never mix runs of different data or lengths in one folder."""
    options = table.options
    settings = {
        "epochs": options.epochs,
        "data": options.data.resolve().name,
        "clips": len(table.clips),
        "external": sorted(folder.resolve().name for folder in options.external),
    }
    path = options.out / "settings.json"
    if path.is_file():
        require_same(path, json.loads(path.read_text(encoding="utf-8")), settings)
    else:
        write_json(path, settings)


def external_folder(options: TableOptions, seed: int) -> Path:
    """Where the network trained on external sets lies."""
    return options.out / "external" / f"seed{seed}"


def _pretrain(options: TableOptions, seed: int) -> list[str]:
    data = [argument for folder in options.external for argument in ("--data", str(folder))]
    out = external_folder(options, seed)
    return [EXTERNAL_RECIPE, *data, "--test-fold", "none", *_common(options, seed, out)]


def _train(options: TableOptions, job: Job) -> list[str]:
    arguments = [job.row.recipe, "--data", str(options.data)]
    arguments += ["--protocol", job.protocol, "--part", str(job.part)]
    if job.row.needs_external:
        checkpoint = external_folder(options, job.seed) / "checkpoint.safetensors"
        arguments += ["--backbone", str(checkpoint)]
    return [*arguments, *_common(options, job.seed, job.folder(options.out))]


def _common(options: TableOptions, seed: int, out: Path) -> list[str]:
    epochs = [] if options.epochs is None else ["--epochs", str(options.epochs)]
    run = ["--seed", str(seed), "--out", str(out), "--resume", "--device", options.device]
    return [*run, *epochs]


def _in_parallel(runs: Sequence[tuple[str, Path, list[str]]], jobs: int) -> None:
    """Run what is not done; report each on stderr; raise at the end if one failed."""
    waiting = [run for run in runs if not (run[1] / "metrics.json").is_file()]
    say = _progress(len(waiting))

    def work(run: tuple[str, Path, list[str]]) -> str | None:
        title, folder, arguments = run
        started = time.monotonic()
        error = _run(folder, arguments)
        say(f"{title}: {'failed' if error else f'{time.monotonic() - started:.0f} s'}")
        return None if error is None else f"{title}: {error}"

    with ThreadPoolExecutor(jobs) as pool:
        errors = [error for error in pool.map(work, waiting) if error is not None]
    if errors:
        raise EdgeAscError(f"{len(errors)} of {len(waiting)} runs failed; the first: {errors[0]}")


def _progress(total: int) -> Callable[[str], None]:
    done = 0

    def say(text: str) -> None:
        nonlocal done
        done += 1
        print(f"[{done}/{total}] {text}", file=sys.stderr, flush=True)

    return say


def _run(folder: Path, arguments: Sequence[str]) -> str | None:
    """Run `edge-asc train` with its output in FOLDER.log; return its last words if it failed."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(folder.name + ".log")
    # One core a process: several on all cores would wait for each other.
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    with log.open("w", encoding="utf-8") as file:
        code = subprocess.run(
            [sys.executable, "-m", "edge_asc", "train", *arguments],
            stdout=file,
            stderr=subprocess.STDOUT,
            env=environment,
            check=False,
        ).returncode
    if code == 0:
        return None
    words = log.read_text(encoding="utf-8").strip().splitlines()[-_LAST_LINES:]
    return words[-1] if words else f"exit code {code}, see {log}"
