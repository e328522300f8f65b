"""Which windows travel with a model as test vectors, and how far off a runtime may be on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.export.parity import IntArray, StageLogits
from edge_asc.training.checkpoint import Windows

Array = npt.NDArray[np.float32]

GOLDEN_WINDOWS = 4
MARGIN = 2.0
"""A runtime may be so many times as far off as on the test windows: on a few hundred of them the
largest deviation of a runtime is seen, but not the largest that there is."""
MIN_STEPS = 2
"""Quantization steps of the logits that every runtime but the reference may always be off"""
MIN_STEPS_UNMEASURED = 12
"""The same for those that were not measured, such as another version of LiteRT"""
MIN_BOUND = 1e-3
"""The least bound where logits are float, which have no steps"""


def choose_golden(stages: Sequence[StageLogits], reference: Array) -> IntArray:
    """Places of a few test windows: the worst of them first, then others evenly spread.

    The worst is where a quantized stage that was run on all windows is farthest from `reference`,
    the logits in float, shape (N, num_scenes); without such a stage, any stage.
    """
    full = [stage for stage in stages if len(stage.indices) == len(reference)]
    chosen = [stage for stage in full if stage.kind == "quantized"] or full
    error = np.max([np.abs(stage.logits - reference).max(axis=1) for stage in chosen], axis=0)
    worst = int(error.argmax())
    others = np.linspace(0, len(reference) - 1, GOLDEN_WINDOWS + 1).round().astype(np.int64)
    spread = [int(place) for place in np.unique(others) if place != worst]
    return np.array([worst, *spread][:GOLDEN_WINDOWS], np.int64)


def deviations(stages: Sequence[StageLogits]) -> dict[str, float]:
    """Largest difference of a logit from the first runtime's, by runtime, over all `stages`.

    Only stages of one form, run in the same way on the same windows, are compared.
    """
    first = stages[0].runtime
    references = {(s.form, s.way): s for s in stages if s.runtime == first}
    largest: dict[str, float] = {}
    for stage in stages:
        reference = references.get((stage.form, stage.way))
        if stage.runtime == first or reference is None:
            continue
        rows = np.searchsorted(reference.indices, stage.indices)
        off = float(np.abs(stage.logits - reference.logits[rows]).max())
        largest[stage.runtime] = max(off, largest.get(stage.runtime, 0.0))
    return largest


def golden_record(
    stages: Sequence[StageLogits],
    golden: Sequence[StageLogits],
    windows: Windows,
    *,
    step: float,
    uses_context: bool,
) -> tuple[dict[str, Array], dict[str, Any]]:
    """Arrays of `golden.npz`, and what the manifest says of them.

    Args:
        stages: the shipped form in every runtime on the test windows, the reference first.
        golden: the same on the golden `windows` alone, each runtime on all of them.
        step: of the logits, as dequantized; 0 where they are float. The larger one, where the
            whole-window network and the head differ.
    """
    reference = golden[0]
    arrays: dict[str, Array] = {"features": windows.features.astype(np.float32)}
    if uses_context:
        arrays |= {"city": windows.city, "time": windows.time}
    of_class: dict[str, StageLogits] = {}
    for stage in golden:
        if stage.way == "whole window":
            of_class.setdefault(stage.runtime_class, stage)
        elif stage.runtime == reference.runtime:
            arrays["streamed_logits"] = stage.logits
    arrays["logits"] = of_class.pop(reference.runtime_class).logits
    if step > 0.0:
        arrays |= {f"{name}.logits": stage.logits for name, stage in of_class.items()}
    off = _join(deviations(stages), deviations(golden))
    facts = {
        "windows": len(windows),
        "reference": f"{reference.runtime_class} {reference.version}",
        "bound_logits": _bound(max(off.values(), default=0.0), MIN_STEPS_UNMEASURED * step),
        "runtimes": {
            name: {
                "version": stage.version,
                "bound_logits": _bound(off[stage.runtime], MIN_STEPS * step),
            }
            for name, stage in of_class.items()
            if step > 0.0
        },
    }
    return arrays, facts


def _bound(measured: float, least: float) -> float:
    return max(MARGIN * measured, least, MIN_BOUND)


def _join(one: dict[str, float], other: dict[str, float]) -> dict[str, float]:
    """The larger value of each key."""
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in one | other}
