"""What each remedy for int8 is worth, on a training run's test windows.

    python -m edge_asc.benchmarks.quantization_ladder RUN [--also "NAME=RUN"] [-o TABLE.md]

RUN is the folder of a run whose recipe bounds its network for int8 (`unbounded.safetensors` and
`checkpoint.safetensors`); `--also` adds the checkpoint of another such run, for instance one that
was fine-tuned (`edge-asc train --qat`). Every row is a TFLite file that was converted, quantized
and run by LiteRT; nothing is simulated. Latency is that of the whole-window network on one thread,
as a share of the last row's, in one process and in shuffled order.
"""

from __future__ import annotations

import random
import statistics
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import click
import numpy as np
import numpy.typing as npt
import torch

from edge_asc.atomic import atomic_path
from edge_asc.export.conversion import Converted, convert_network
from edge_asc.export.onnx import (
    Part,
    network_parts,
    require_exportable,
    to_tflite_layout,
    write_onnx,
)
from edge_asc.export.parity import compare
from edge_asc.export.precision import LADDER, quantize_parts
from edge_asc.export.quantizer import quantize
from edge_asc.export.runtimes import load_module
from edge_asc.export.stages import NetworkShape, whole_logits
from edge_asc.export.tflite import convert
from edge_asc.interpreter import Network
from edge_asc.training.checkpoint import (
    Checkpoint,
    Windows,
    WindowSets,
    load_checkpoint,
    load_windows,
)
from edge_asc.training.metrics import paired_drop
from edge_asc.training.models import DeviceNet
from edge_asc.training.models.calibration_inputs import calibration_inputs
from edge_asc.training.models.device_layers import Tap
from edge_asc.training.models.folding import (
    Inputs,
    Span,
    all_but,
    all_seen,
    calibrate,
    fold,
    least_error,
)
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from edge_asc.training.models.weight_rounding import round_weights

Array = npt.NDArray[np.float32]

TIMED_RUNS = 200


@dataclass(frozen=True, slots=True)
class Step:
    """One row of the table."""

    name: str
    tflite: bytes
    """The whole-window network"""
    reference: Array
    """Logits of the float network that it is to equal, shape (N, num_scenes)"""


def climb(run: Path, also: Mapping[str, Path], folder: Path) -> tuple[list[Step], Windows]:
    """All rows for `run`, and the windows that they are judged by."""
    windows = load_windows(run / "windows.safetensors")
    steps = list(_after_training(run / "unbounded.safetensors", windows, folder))
    checkpoints = {"bounded in training (1e-3, in float too)": run, **also}
    for number, (name, place) in enumerate(checkpoints.items()):
        checkpoint = load_checkpoint(place / "checkpoint.safetensors")
        device = require_exportable(checkpoint.build_network())
        if not isinstance(device, DeviceNet):
            raise click.UsageError(f"{place}: its recipe has no [int8] section")
        reference = _logits(checkpoint, windows.test)
        converted = _convert(device, windows.test, folder / f"bounded{number}")
        rungs = LADDER if number == 0 else LADDER[:1]
        for rung in rungs:
            parts = quantize_parts(converted.float32, converted.ranges, rung)
            label = name if rung is LADDER[0] else f"{name}, {rung.quantization}"
            steps.append(Step(label, parts["whole"], reference))
        steps.append(Step(f"{name}, float32", converted.float32["whole"], reference))
    return steps, windows.test


def _after_training(path: Path, windows: WindowSets, folder: Path) -> Iterator[Step]:
    """The rows of one trained network, each with one remedy more, against that network in float."""
    checkpoint = load_checkpoint(path)
    network = require_exportable(checkpoint.build_network())
    if not isinstance(network, MobileASCNet):
        raise click.UsageError(f"{path}: not the network as it was trained")
    reference = _logits(checkpoint, windows.test)
    inputs = _inputs(checkpoint, windows.calibration)
    limits = checkpoint.standardized_range
    yield Step("plain: onnx2tf's own int8 (min/max)", _own_int8(network, inputs, folder), reference)

    device = fold(network, inputs, limits, None)
    converted = _convert(device, windows.test, folder / "rearranged")
    spans = {"min/max": all_seen, "least square error": least_error, "all but 1e-4": all_but(1e-4)}
    for name, span in spans.items():
        _choose_ranges(device, inputs, span)
        quantized = _quantize(converted, device)
        yield Step(f"rearranged, ranges by {name}", quantized, reference)

    for name, scaled, feedback in (
        ("+ channels scaled to [0, 6], min/max", all_seen, False),
        ("+ channels scaled, weights with feedback", all_seen, True),
        ("+ the same, 1e-4 cut off", all_but(1e-4), True),
    ):
        device = fold(network, inputs, limits, scaled)
        if feedback:
            round_weights(device, inputs)
        converted = _convert(device, windows.test, folder / name.replace("/", " "))
        yield Step(name, _quantize(converted, device), reference)


def _own_int8(network: MobileASCNet, inputs: list[Inputs], folder: Path) -> bytes:
    """What onnx2tf makes of the network as it was trained, calibrated on the same windows."""
    whole = network_parts(network)[0]
    names = list(whole.example)
    columns = {name: torch.cat([batch[i] for batch in inputs]) for i, name in enumerate(names)}
    calibration = to_tflite_layout({name: values.numpy() for name, values in columns.items()})
    sequences = [name for name in names if name != "features"]
    made = convert(
        write_onnx(whole, folder), folder, calibration=calibration, keep_layout=sequences
    )
    assert made.int8 is not None
    return made.int8


def _convert(device: DeviceNet, test: Windows, folder: Path) -> Converted:
    folder.mkdir(parents=True)
    return convert_network(device, test, folder)


def _choose_ranges(device: DeviceNet, inputs: list[Inputs], span: Span) -> None:
    """Calibrate anew, by `span`, what has no range by construction."""
    fresh = dict(DeviceNet(device.config).named_modules())
    for name, tap in device.named_modules():
        other = fresh[name]
        if isinstance(tap, Tap) and isinstance(other, Tap) and name != "taps.features":
            tap.set_range(float(other.low), float(other.high))
    calibrate(device, inputs, span)


def _quantize(converted: Converted, device: DeviceNet) -> bytes:
    """The whole-window network in int8 with the ranges that `device` has now."""
    ranges = {
        name.replace("taps.", ""): (float(tap.low), float(tap.high))
        for name, tap in device.named_modules()
        if isinstance(tap, Tap)
    }
    steps = {name: ranges[name.split("/")[0]] for name in converted.ranges if name != "steps"}
    return quantize(converted.float32["whole"], steps)


def _inputs(checkpoint: Checkpoint, windows: Windows) -> list[Inputs]:
    columns = [checkpoint.cities.index(name) for name in checkpoint.trained_cities]
    return calibration_inputs(
        checkpoint.network, windows.features, windows.city, windows.time, columns, seed=0
    )


def _logits(checkpoint: Checkpoint, windows: Windows) -> Array:
    network = checkpoint.build_network()
    run = load_module(Part("whole", network, {}, "logits"))
    return whole_logits(run, windows, _shape(checkpoint), batch=32)


def _shape(checkpoint: Checkpoint) -> NetworkShape:
    return NetworkShape(checkpoint.network.uses_context, checkpoint.network.cell_frames)


def measure(steps: list[Step], windows: Windows, shape: NetworkShape) -> list[str]:
    """The table's lines, in Markdown."""
    networks = [Network(step.tflite) for step in steps]
    latency = _latency_ratios(networks)
    lines = [
        "| | accuracy | drop, points (95 %) | same scene | SNR | kB | latency |",
        "|---|---|---|---|---|---|---|",
    ]
    for step, network, ratio in zip(steps, networks, latency, strict=True):
        logits = whole_logits(network.run, windows, shape)
        found = compare(logits, step.reference)
        right = [rows.argmax(axis=1) == windows.label for rows in (step.reference, logits)]
        drop = paired_drop(right[0], right[1], windows.group)
        points = 100 * (drop.lost - drop.gained) / len(windows)
        low, high = (100 * end for end in drop.interval)
        snr = "equal" if found.snr_db is None else f"{found.snr_db:.1f} dB"
        cells = (
            step.name,
            f"{100 * right[1].mean():.1f} %",
            f"{points:+.2f} ({low:+.2f} to {high:+.2f})",
            f"{100 * found.agreement:.2f} %",
            snr,
            f"{len(step.tflite) / 1000:.0f}",
            f"{ratio:.2f}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return lines


def _latency_ratios(networks: list[Network]) -> list[float]:
    """Median time of each over that of the last one, in shuffled order, in one process."""
    order = random.Random(0)
    noise = np.random.default_rng(0)
    inputs = {
        name: noise.standard_normal(spec.shape).astype(np.float32)
        for name, spec in networks[-1].inputs.items()
    }
    seconds: list[list[float]] = [[] for _ in networks]
    for _ in range(TIMED_RUNS):
        places = list(range(len(networks)))
        order.shuffle(places)
        for place in places:
            started = time.perf_counter()
            networks[place].run(**inputs)
            seconds[place].append(time.perf_counter() - started)
    medians = [statistics.median(values) for values in seconds]
    return [median / medians[-1] for median in medians]


@click.command()
@click.argument("run", type=click.Path(path_type=Path, exists=True))
@click.option(
    "--also", multiple=True, metavar="NAME=RUN", help="Another bounded run on the same split."
)
@click.option("-o", "--out", type=click.Path(path_type=Path), help="Write the table here, too.")
def main(run: Path, also: tuple[str, ...], out: Path | None) -> None:
    """Print what each remedy for int8 is worth on the test windows of RUN."""
    torch.set_num_threads(1)
    others = {name: Path(place) for name, _, place in (text.partition("=") for text in also)}
    checkpoint = load_checkpoint(run / "checkpoint.safetensors")
    with tempfile.TemporaryDirectory() as folder:
        steps, windows = climb(run, others, Path(folder))
    title = (
        f"{checkpoint.name}: {len(windows)} windows of {len(set(windows.group))} groups,"
        f" {checkpoint.metrics.get('split', 'split not recorded')}"
    )
    text = "\n".join([title, "", *measure(steps, windows, _shape(checkpoint))]) + "\n"
    print(text, end="")
    if out is not None:
        with atomic_path(out) as temporary:
            temporary.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
