"""Layer errors, gains and drift as text to read."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence

from edge_asc.export.gru_drift import GruDrift
from edge_asc.export.layer_errors import LayerError
from edge_asc.export.layer_gains import LayerGain
from edge_asc.export.layer_names import LayerNames

DRIFT_STEPS = (20, 60, 600)

_NAME_WIDTH = 36
_WIDTH = 120

_HEAD = (
    f"{'':{_NAME_WIDTH}s}       | all error so far, dB  | own error, dB         | at ends, %    |"
    " used, %",
    f"{'tensor':{_NAME_WIDTH}s} steps |    SNR   mean  cosine |    SNR   mean  × best |"
    "    all    cut | steps range",
)


def layer_report_lines(
    errors: Sequence[LayerError], names: Mapping[str, LayerNames] | None = None
) -> list[str]:
    """The table of `layer_errors`, at most 120 columns wide; `names` are those of `layer_names`."""
    lines = list(_HEAD)
    for error in errors:
        lines.append(_error_line(error))
        if error.fault:
            lines += _wrapped("contradiction: " + error.fault)
        if names is not None:
            lines += _wrapped(_names_text(error, names))
    return lines


def step_lines(errors: Sequence[LayerError], layer: str = "gru.state") -> list[str]:
    """The error of one layer step by step: SNR in dB, twelve steps a line; none if not there."""
    found = [error for error in errors if error.name == layer]
    if not found:
        return []
    steps = [f"{step.name.rpartition('/')[2]}: {step.snr_db:.1f}" for step in found[0].steps]
    return [f"SNR of {layer} by step, dB", *textwrap.wrap("  ".join(steps), _WIDTH)]


def gain_lines(gains: Sequence[LayerGain], limit: int = 10) -> list[str]:
    """What float would gain in the `limit` layers that gain most."""
    first = gains[0]
    base_db = first.snr_db - first.gain_db
    lines = [f"all int8: SNR of the output {base_db:.1f} dB; with one layer in float:"]
    for gain in gains[:limit]:
        lines.append(f"  {gain.layer:{_NAME_WIDTH}s} {gain.snr_db:6.1f} dB {gain.gain_db:+5.1f} dB")
    return lines


def drift_lines(drifts: Mapping[str, GruDrift]) -> list[str]:
    """The error of the GRU's state after 20, 60 and 600 steps, for each input."""
    steps = [step for step in DRIFT_STEPS if all(step <= len(d.snr_db) for d in drifts.values())]
    heads = " ".join(f"{step:7d}" for step in steps)
    lines = [
        f"{'':{_NAME_WIDTH}s} largest error up to step | SNR, dB, at step",
        f"{'input':{_NAME_WIDTH}s} {heads}  | {heads}",
    ]
    for name, drift in drifts.items():
        largest = " ".join(f"{drift.max_error[:step].max():7.4f}" for step in steps)
        snr = " ".join(f"{_db(drift.snr_db[step - 1])}" for step in steps)
        lines.append(f"{name:{_NAME_WIDTH}s} {largest}  | {snr}")
    return lines


def _error_line(error: LayerError) -> str:
    several = bool(error.steps)
    cells = [
        f"{_shortened(error.name):{_NAME_WIDTH}s} {len(error.steps) if several else '':>5}",
        f"{_db(error.snr_db)}{_db(error.mean_snr_db) if several else '':>7s}{error.cosine:8.4f}",
        f"{_db(error.own_snr_db)}{_db(error.mean_own_snr_db) if several else '':>7s}",
    ]
    if error.dtype == "float32":
        return " |".join([*cells[:2], cells[2] + " " * 8, "  float"])
    cells[2] += f"{error.excess:8.2f}"
    cells.append(f"{100 * error.at_ends:7.1f}{100 * error.clipped:7.2f}")
    cells.append(f"{100 * error.levels_used:6.0f}{100 * error.range_used:6.0f}")
    return " |".join(cells)


def _names_text(error: LayerError, names: Mapping[str, LayerNames]) -> str:
    tensors = [step.name for step in error.steps] or [error.name]
    found = [names[name] for name in tensors if name in names]
    taps = _span([name.tap for name in found])
    nodes = _span([name.onnx for name in found])
    return f"= PyTorch {taps or '-'} = ONNX {nodes or '-'}"


def _span(names: Sequence[str]) -> str:
    known = list(dict.fromkeys(name for name in names if name))
    return known[0] if len(known) == 1 else " .. ".join(known[:1] + known[-1:])


def _wrapped(text: str) -> list[str]:
    indent = "      "
    return textwrap.wrap(text, _WIDTH, initial_indent=indent, subsequent_indent=indent)


def _shortened(name: str) -> str:
    if len(name) <= _NAME_WIDTH:
        return name
    return name[: _NAME_WIDTH - 15] + "..." + name[-12:]


def _db(value: float) -> str:
    return f"{'exact':>7s}" if math.isinf(value) and value > 0 else f"{value:7.1f}"
