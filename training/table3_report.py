"""Collect the runs of `edge-asc table3` into one table: text, JSON and a page."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from edge_asc.atomic import atomic_path
from edge_asc.features import FeatureConfig
from edge_asc.training.checkpoint import Checkpoint, load_checkpoint
from edge_asc.training.controls import Controls, mean_controls, pooled_controls
from edge_asc.training.corpus import FeatureReader, Standardization, make_windows
from edge_asc.training.html_page import Page
from edge_asc.training.loop import predict
from edge_asc.training.metrics import Interval, score
from edge_asc.training.models import count_parameters
from edge_asc.training.models.complexity import count_macs, estimate_bytes
from edge_asc.training.protocols import protocol_splits
from edge_asc.training.run_report import versions, write_json
from edge_asc.training.splits import Split
from edge_asc.training.table3 import Job, Row, Table, external_folder

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HEADER = (
    "row",
    "recall %",
    "95 % interval",
    "seeds +-",
    "stage 1",
    "k param",
    "M MAC",
    "int8 kB",
    "paper",
)
_WIDTH = 100
_Predictions = tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], list[str]]
"""Labels and predicted scenes, shape (N,), and groups."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One row under one protocol."""

    row: Row
    macro_recall: float
    """Mean over seeds; each seed's parts are pooled."""
    interval: Interval
    """Bootstrap over groups, all seeds together."""
    spread_over_seeds: float | None
    """Standard deviation; None with a single seed."""
    stage1_macro_recall: float | None
    accuracy: float
    num_clips: int
    num_groups: int
    parameters: int
    macs: int
    estimated_bytes: dict[str, int]
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return the figures as JSON types."""
        return asdict(self)

    def cells(self) -> list[str]:
        """The entry under `HEADER`."""
        row, low, high = self.row, 100.0 * self.interval.low, 100.0 * self.interval.high
        paper = "-"
        if row.paper_accuracy is not None:
            paper = f"{row.paper_accuracy:.1f} {row.paper_parameters} M"
        stage1 = self.stage1_macro_recall
        return [
            row.title + (" *" if self.note else ""),
            f"{100.0 * self.macro_recall:.1f}",
            f"{low:.1f} - {high:.1f}",
            "-" if self.spread_over_seeds is None else f"{100.0 * self.spread_over_seeds:.1f}",
            "-" if stage1 is None else f"{100.0 * stage1:.1f}",
            f"{self.parameters / 1000.0:.1f}",
            f"{self.macs / 1e6:.1f}",
            f"{self.estimated_bytes['int8'] / 1000.0:.0f}",
            paper,
        ]


@dataclass(frozen=True, slots=True)
class Part:
    """The table under one protocol."""

    protocol: str
    entries: list[Entry]
    controls: Controls | None

    def title(self, table: Table) -> str:
        """What was measured on what, protocol included."""
        options = table.options
        sets = sorted({clip.source_set for clip in table.clips})
        labelled = [clip for clip in table.clips if clip.scene is not None]
        groups = len({clip.group for clip in labelled})
        return (
            f"Table 3 by {self.protocol}: {', '.join(sets)}, {len(labelled)} labelled clips of "
            f"{groups} visits, seeds {', '.join(map(str, options.seeds))}, "
            f"{'recipe' if options.epochs is None else f'at most {options.epochs}'} epochs"
        )

    def control_line(self) -> str:
        """What metadata alone reach on these splits."""
        if self.controls is None:
            return "no control without ears: the clips have neither city nor time"
        best = self.controls.scores[self.controls.best]
        return f"{self.controls.line()} (macro recall {100.0 * best.macro_recall:.1f} %)"


def collect(table: Table) -> list[Part]:
    """Read every run of `table`, one `Part` a protocol."""
    return [_collect_protocol(table, protocol) for protocol in table.options.protocols]


def lines(table: Table, parts: Sequence[Part]) -> list[str]:
    """The table as text; sentences are wrapped."""
    text = []
    for part in parts:
        cells = [list(HEADER), *(entry.cells() for entry in part.entries)]
        widths = [max(len(row[i]) for row in cells) for i in range(len(HEADER))]
        text += [part.title(table), ""]
        text += [
            "  ".join(
                cell.ljust(width) if i == 0 else cell.rjust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in cells
        ]
        text += ["", *_notes(part), *textwrap.wrap(part.control_line(), _WIDTH), ""]
    text += [f"not run, needs --external: {row.title}" for row in table.skipped]
    return [*text, *textwrap.wrap(PAPER_NOTE, _WIDTH)]


PAPER_NOTE = (
    "recall: macro recall, the paper's accuracy. int8 kB: estimated from the parameters. paper: as "
    "published, on CAS 2023 with a random split of clips; only official-random compares with it, "
    "and it leaks"
)


def write_table(table: Table, parts: Sequence[Part]) -> None:
    """Write table3.txt, table3.json and table3.html into the output folder."""
    out = table.options.out
    with atomic_path(out / "table3.txt") as temporary:
        temporary.write_text("\n".join(lines(table, parts)) + "\n", encoding="utf-8")
    protocols = {
        part.protocol: {
            "title": part.title(table),
            "rows": {entry.row.recipe: entry.to_dict() for entry in part.entries},
            "controls": None if part.controls is None else part.controls.to_dict(),
        }
        for part in parts
    }
    skipped = [row.recipe for row in table.skipped]
    facts = {"protocols": protocols, "not_run": skipped, "versions": versions()}
    write_json(out / "table3.json", facts)
    _write_page(table, parts, out / "table3.html")


def _collect_protocol(table: Table, protocol: str) -> Part:
    seeds = table.options.seeds
    splits = {seed: protocol_splits(table.clips, protocol, seed) for seed in seeds}
    entries = [
        _external_entry(table, row, splits) if row.is_external else _entry(table, row, protocol)
        for row in table.rows
    ]
    found = [pooled_controls(splits[seed]) for seed in seeds]
    controls = [one for one in found if one is not None]
    return Part(protocol, entries, mean_controls(controls) if controls else None)


def _entry(table: Table, row: Row, protocol: str) -> Entry:
    per_seed, stage1 = [], []
    checkpoint: Checkpoint | None = None
    for seed in table.options.seeds:
        found = []
        for part in range(1, table.num_parts[protocol, seed] + 1):
            folder = Job(row, protocol, seed, part).folder(table.options.out)
            checkpoint = load_checkpoint(folder / "checkpoint.safetensors")
            with np.load(folder / "predictions.npz", allow_pickle=False) as stored:
                predicted = stored["logits"].argmax(axis=1)
                found.append((stored["label"], predicted, stored["group"].tolist()))
            if "stage1" in checkpoint.metrics:
                stage1.append(float(checkpoint.metrics["stage1"]["test"]["macro_recall"]))
        per_seed.append(_join(found))
    assert checkpoint is not None
    return _make_entry(row, table.scenes, per_seed, checkpoint, stage1)


def _external_entry(table: Table, row: Row, splits: dict[int, list[Split]]) -> Entry:
    """The external network on the scenes that its sets have, without any training on this set."""
    per_seed = []
    for seed, of_seed in splits.items():
        checkpoint = load_checkpoint(
            external_folder(table.options, seed) / "checkpoint.safetensors"
        )
        known = set(checkpoint.metrics["train_scenes"])
        clips = [clip for split in of_seed for clip in split.test if clip.scene in known]
        reader = FeatureReader(checkpoint.window_s, FeatureConfig())
        pieces, features = reader.read(clips, checkpoint.window_s)
        scale = Standardization(
            checkpoint.mel_mean, checkpoint.mel_std, checkpoint.standardized_range
        )
        windows = make_windows(pieces, features, scale, table.scenes)
        network = checkpoint.build_network()
        logits = predict(network, network, windows, torch.device("cpu"))
        per_seed.append((windows.label, logits.argmax(dim=1).numpy(), windows.group))
    note = f"on the {len(known)} scenes that the external sets have"
    return _make_entry(row, table.scenes, per_seed, checkpoint, [], note)


def _make_entry(
    row: Row,
    scenes: tuple[str, ...],
    per_seed: Sequence[_Predictions],
    checkpoint: Checkpoint,
    stage1: Sequence[float],
    note: str = "",
) -> Entry:
    means = np.array([score(scenes, *found).macro_recall for found in per_seed])
    pooled = score(scenes, *_join(per_seed))
    network = checkpoint.build_network()
    return Entry(
        row=row,
        macro_recall=float(means.mean()),
        interval=pooled.macro_recall_interval,
        spread_over_seeds=float(means.std(ddof=1)) if len(means) > 1 else None,
        stage1_macro_recall=float(np.mean(stage1)) if stage1 else None,
        accuracy=pooled.accuracy,
        num_clips=pooled.num_windows // len(per_seed),
        num_groups=pooled.num_groups,
        parameters=count_parameters(network),
        macs=count_macs(network),
        estimated_bytes=estimate_bytes(network),
        note=note,
    )


def _join(found: Sequence[_Predictions]) -> _Predictions:
    return (
        np.concatenate([label for label, _, _ in found]),
        np.concatenate([predicted for _, predicted, _ in found]),
        [group for _, _, groups in found for group in groups],
    )


def _notes(part: Part) -> list[str]:
    return [f"* {entry.row.title}: {entry.note}" for entry in part.entries if entry.note]


def _write_page(table: Table, parts: Sequence[Part], path: Path) -> None:
    verdict = " ".join(f"{part.protocol}: {part.control_line()}." for part in parts)
    page = Page("Table 3", verdict)
    for part in parts:
        page.heading(part.title(table))
        page.table(HEADER, [entry.cells() for entry in part.entries])
        for note in _notes(part):
            page.paragraph(note)
        page.figure(
            _plot(part), f"Macro recall of each row by {part.protocol}", part.control_line()
        )
    for row in table.skipped:
        page.paragraph(f"Not run, since no external set was given: {row.title}.")
    page.paragraph(PAPER_NOTE[0].upper() + PAPER_NOTE[1:] + ".")
    page.write(path)


def _plot(part: Part) -> Figure:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.0, 0.4 * len(part.entries) + 1.4), layout="constrained")
    axes = figure.add_subplot()
    for position, entry in enumerate(reversed(part.entries)):
        interval = 100.0 * entry.interval.low, 100.0 * entry.interval.high
        axes.plot(interval, [position, position], color="tab:blue", linewidth=2)
        axes.plot(100.0 * entry.macro_recall, position, "o", color="tab:blue")
        if entry.row.paper_accuracy is not None:
            axes.plot(entry.row.paper_accuracy, position, "x", color="tab:gray")
    if part.controls is not None:
        best = part.controls.scores[part.controls.best].macro_recall
        axes.axvline(100.0 * best, color="tab:red", linestyle="--", label="without ears")
        axes.legend(loc="lower left")
    axes.set_yticks(range(len(part.entries)), [entry.row.title for entry in reversed(part.entries)])
    axes.set_xlim(0.0, 101.0)
    axes.set_xlabel("macro recall, % (dot: here, with 95 % interval; cross: the paper)")
    return figure
