"""All that is known about where an integer network loses, as text and pictures in a folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.atomic import atomic_path
from edge_asc.errors import ExportError
from edge_asc.export.gru_drift import GruDrift, adversarial_inputs, gru_drift, real_inputs
from edge_asc.export.layer_errors import layer_errors
from edge_asc.export.layer_gains import layer_gains
from edge_asc.export.layer_names import layer_names
from edge_asc.export.layer_picture import draw_drift, draw_layers
from edge_asc.export.layer_report import (
    DRIFT_STEPS,
    drift_lines,
    gain_lines,
    layer_report_lines,
    step_lines,
)
from edge_asc.export.onnx import Part
from edge_asc.export.quantizer import Ranges
from edge_asc.export.stages import NetworkShape
from edge_asc.interpreter import Network
from edge_asc.training.checkpoint import Windows

Array = npt.NDArray[np.float32]

NUM_WINDOWS = 60
NUM_SEQUENCES = 4


@dataclass(frozen=True, slots=True)
class DebugPart:
    """One network (whole, encoder or head) in the forms that are compared."""

    part: Part
    """In PyTorch, with its taps"""
    onnx: Path
    float32: bytes
    int8: bytes


def debug_layers(
    parts: Mapping[str, DebugPart],
    ranges: Ranges,
    windows: Windows,
    shape: NetworkShape,
    folder: Path,
) -> list[str]:
    """Compare int8 with float layer by layer; return the report and leave it in `folder`.

    `folder` then holds layers.txt, and as pictures layers_NAME.png of every part and gru_drift.png.

    Args:
        parts: `whole`, and for a streaming network `encoder` and `head`.
        ranges: those that `quantize` made the whole network with.
        windows: real ones; up to 60 are used, evenly spread.

    Raises:
        ExportError: no windows.
    """
    inputs = part_inputs(parts, windows, shape)
    lines: list[str] = []
    for name, part in parts.items():
        errors = layer_errors(part.float32, part.int8, inputs[name], ranges)
        first = [_to_torch_layout(one) for one in inputs[name][:2]]
        names = layer_names(part.float32, part.part, part.onnx, first)
        title = f"{name}: int8 against float, {len(inputs[name])} windows"
        lines += [title + ", worst first", *layer_report_lines(errors, names), ""]
        steps = step_lines(errors)
        lines += [*steps, ""] if steps else []
        draw_layers(folder / f"layers_{name}.png", errors, title)
    lines += [*gain_lines(layer_gains(parts["whole"].float32, ranges, inputs["whole"])), ""]
    drifts = measure_drift(parts["whole"].float32, parts["whole"].int8, inputs["whole"])
    lines += ["the GRU's state over many steps, int8 against float", *drift_lines(drifts)]
    draw_drift(folder / "gru_drift.png", drifts)
    with atomic_path(folder / "layers.txt") as temporary:
        temporary.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return lines


def part_inputs(
    parts: Mapping[str, DebugPart], windows: Windows, shape: NetworkShape
) -> dict[str, list[dict[str, Array]]]:
    """Inputs of every part in TFLite's layout for up to 60 windows, evenly spread.

    The encoder gets one cell of each window, in turn the first, the second and so on; the head gets
    the steps that the float encoder makes of the window.

    Raises:
        ExportError: no windows.
    """
    if len(windows) == 0:
        raise ExportError("layers are compared on real windows: give at least one, got none")
    chosen = np.linspace(0, len(windows) - 1, min(NUM_WINDOWS, len(windows))).round()
    windows = windows.take(np.unique(chosen.astype(np.int64)))
    features = windows.features[..., None].astype(np.float32)
    context: list[dict[str, Array]] = [{}] * len(windows)
    if shape.uses_context:
        rows = zip(windows.city[:, None], windows.time[:, None], strict=True)
        context = [{"city": city, "time": time} for city, time in rows]
    inputs = {"whole": [{"features": f[None], **c} for f, c in zip(features, context, strict=True)]}
    if "encoder" in parts:
        assert shape.cell_frames is not None
        encoder = Network(parts["encoder"].float32)
        cells = features.reshape(len(features), -1, 1, shape.cell_frames, *features.shape[2:])
        inputs["encoder"] = [
            {"features": window[number % len(window)]} for number, window in enumerate(cells)
        ]
        steps = [np.concatenate([encoder.run(features=c) for c in w], axis=1) for w in cells]
        inputs["head"] = [{"steps": s, **c} for s, c in zip(steps, context, strict=True)]
    return {name: inputs[name] for name in parts}


def measure_drift(
    float32: bytes, int8: bytes, windows: list[dict[str, Array]]
) -> dict[str, GruDrift]:
    """Error of the GRU's state over 600 steps, on real and on adversarial inputs."""
    real = real_inputs(float32, windows, NUM_SEQUENCES, DRIFT_STEPS[-1])
    inputs = {"real windows": real, **adversarial_inputs(real)}
    return {name: gru_drift(float32, int8, one) for name, one in inputs.items()}


def _to_torch_layout(inputs: Mapping[str, Array]) -> dict[str, Array]:
    return {
        name: np.ascontiguousarray(values.transpose(0, 3, 1, 2)) if name == "features" else values
        for name, values in inputs.items()
    }
