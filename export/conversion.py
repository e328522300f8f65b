"""A device network's parts -> ONNX -> float32 TFLite whose tensors have the network's own names."""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from edge_asc.export.alignment import name_tensors, tap_values
from edge_asc.export.onnx import Part, network_parts, to_tflite_layout, write_onnx
from edge_asc.export.quantizer import Ranges
from edge_asc.export.tflite import Conversion, convert
from edge_asc.training.checkpoint import Windows
from edge_asc.training.models import DeviceNet

Array = npt.NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Converted:
    """A network in float, part by part."""

    parts: Sequence[Part]
    onnx: Mapping[str, Path]
    float32: Mapping[str, bytes]
    """With tensors named as the network's taps"""
    conversions: Mapping[str, Conversion]
    ranges: Ranges
    """Lowest and highest value of every tensor, by its name"""


def convert_network(network: DeviceNet, windows: Windows, folder: Path) -> Converted:
    """Convert `network`; one of `windows` tells its tensors. Intermediate files go to `folder`.

    Raises ExportError.
    """
    parts = network_parts(network)
    paths = {part.name: write_onnx(part, folder) for part in parts}
    conversions = _convert_all(parts, paths, folder)
    named: dict[str, bytes] = {}
    ranges: dict[str, tuple[float, float]] = {}
    for part in parts:
        inputs = _example(network, part, windows)
        taps = tap_values(part, inputs)
        named[part.name] = name_tensors(
            conversions[part.name].float32, taps, to_tflite_layout(inputs)
        )
        ranges |= {tap.name: (tap.low, tap.high) for tap in taps}
    # What the encoder gives is what the head takes.
    ranges["steps"] = ranges[f"blocks.{len(network.blocks) - 1}.mix"]
    return Converted(parts, paths, named, conversions, ranges)


def _convert_all(
    parts: Sequence[Part], paths: Mapping[str, Path], folder: Path
) -> dict[str, Conversion]:
    """Convert all parts, two at a time; where one fails, or on Ctrl-C, the others end at once."""
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs: dict[str, Future[Conversion]] = {}
        for part in parts:
            sequences = [name for name, values in part.example.items() if values.dim() != 4]
            jobs[part.name] = pool.submit(
                convert, paths[part.name], folder, keep_layout=sequences, stop=stop
            )
        try:
            done, _ = wait(jobs.values(), return_when=FIRST_EXCEPTION)
            for job in done:
                job.result()  # raises what went wrong, before others are ended for it
            return {name: job.result() for name, job in jobs.items()}
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            stop.set()


def _example(network: DeviceNet, part: Part, windows: Windows) -> dict[str, Array]:
    """A real window's inputs of `part`: on it no two tensors are equal by chance."""
    window = windows.take(np.array([len(windows) // 2]))
    features = window.features[:, None].astype(np.float32)
    inputs = {"features": features}
    if part.name == "encoder":
        inputs["features"] = features[:, :, : network.config.frames_per_cell]
    if part.name == "head":
        with torch.no_grad():
            inputs = {"steps": network.encode(torch.from_numpy(features)).numpy()}
    if network.config.uses_context and part.name != "encoder":
        inputs |= {"city": window.city, "time": window.time}
    return inputs
