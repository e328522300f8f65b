"""Run the test windows through every form of a network, in every runtime."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError, InterpreterError
from edge_asc.export.parity import IntArray, Kind, StageLogits, Way
from edge_asc.export.runtimes import Form, Run, Runtime, Survey
from edge_asc.training.checkpoint import Windows

Array = npt.NDArray[np.float32]

SLOW_WINDOWS = 128
"""Windows given to a slow runtime, evenly spread over the test windows"""


@dataclass(frozen=True, slots=True)
class NetworkForm:
    """One form of the exported network."""

    name: str
    """Such as "TFLite int8" """
    kind: Kind
    takes: Form
    """What kind of runtime runs it"""
    parts: Mapping[str, Any]
    """`whole`, and for streaming `encoder` and `head`, each as `Runtime.load` takes it"""
    everywhere: bool = False
    """To be run by every runtime that takes it, as the form that is shipped; else by the first"""


@dataclass(frozen=True, slots=True)
class NetworkShape:
    """What must be known to feed a network."""

    uses_context: bool
    cell_frames: int | None
    """Frames of one streaming cell; None for a network of whole windows only"""


def run_stages(
    forms: Sequence[NetworkForm],
    survey: Survey,
    windows: Windows,
    shape: NetworkShape,
    *,
    slow_windows: int | None = SLOW_WINDOWS,
) -> tuple[list[StageLogits], dict[str, str]]:
    """Logits of every form in its runtimes; and which runtimes were not run, and why.

    Slow runtimes get `slow_windows` of the windows, all of them where it is None.

    Raises:
        ExportError: the first runtime for a form, with which the others are compared, is not there
            or refuses it. A refusal of another one is a fact for the report.
    """
    some = len(windows) if slow_windows is None else slow_windows
    not_run = dict(survey.missing)
    jobs: list[Callable[[], StageLogits]] = []
    for form in forms:
        found = [runtime for runtime in survey.runtimes if runtime.takes == form.takes]
        if not found:
            why = "; ".join(f"{name}: {reason}" for name, reason in survey.missing.items())
            raise ExportError(f"nothing here runs {form.name}: {why or 'no such runtime'}")
        for runtime in found if form.everywhere else found[:1]:
            count = min(some, len(windows)) if runtime.is_slow else len(windows)
            try:
                jobs += _jobs(form, runtime, windows, _spread(count, len(windows)), shape)
            except InterpreterError as error:
                if runtime is found[0]:
                    raise ExportError(f"{form.name} does not run: {error}") from error
                not_run[f"{runtime.name}, {form.name}"] = str(error)
    with ThreadPoolExecutor(max_workers=2) as pool:
        return list(pool.map(lambda job: job(), jobs)), not_run


def _jobs(
    form: NetworkForm,
    runtime: Runtime,
    windows: Windows,
    indices: IntArray,
    shape: NetworkShape,
) -> list[Callable[[], StageLogits]]:
    """One job for each way of running `form`; all its networks are loaded, nothing has run."""
    networks = {part: runtime.load(network) for part, network in form.parts.items()}
    chosen = windows.take(indices)

    def job(way: Way, run: Callable[[], Array]) -> Callable[[], StageLogits]:
        return lambda: StageLogits(
            form=form.name,
            kind=form.kind,
            runtime=runtime.name,
            runtime_class=runtime.runtime_class,
            version=runtime.version,
            way=way,
            logits=run(),
            indices=indices,
        )

    whole = networks["whole"]
    jobs = [job("whole window", lambda: whole_logits(whole, chosen, shape, batch=runtime.batch))]
    if "encoder" in networks:
        encoder, head = networks["encoder"], networks["head"]
        jobs.append(job("encoder + head", lambda: streamed_logits(encoder, head, chosen, shape)))
    return jobs


def whole_logits(run: Run, windows: Windows, shape: NetworkShape, *, batch: int = 1) -> Array:
    """Logits of every window by the whole-window network `run`, shape (N, num_scenes)."""
    rows = []
    for start in range(0, len(windows), batch):
        part = slice(start, start + batch)
        features = windows.features[part, :, :, None].astype(np.float32)
        rows.append(run(features=features, **_context(windows, part, shape)))
    return np.concatenate(rows)


def streamed_logits(encoder: Run, head: Run, windows: Windows, shape: NetworkShape) -> Array:
    """The same by encoder and head, cell by cell as a stream is."""
    rows = []
    for index in range(len(windows)):
        part = slice(index, index + 1)
        frames = windows.features[index].astype(np.float32)
        cells = frames.reshape(-1, 1, shape.cell_frames or len(frames), frames.shape[1], 1)
        steps = np.concatenate([encoder(features=cell) for cell in cells], axis=1)
        rows.append(head(steps=steps, **_context(windows, part, shape)))
    return np.concatenate(rows)


def _context(windows: Windows, part: slice, shape: NetworkShape) -> dict[str, Array]:
    if not shape.uses_context:
        return {}
    return {"city": windows.city[part], "time": windows.time[part]}


def _spread(count: int, total: int) -> IntArray:
    """`count` of `total` places, evenly spread."""
    return np.unique(np.linspace(0, total - 1, count).round().astype(np.int64))
