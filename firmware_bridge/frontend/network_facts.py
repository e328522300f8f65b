"""What the C code must know of a model's networks: shapes, scales, tables that these give."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from edge_asc.context import TIME_FEATURES, SceneContext
from edge_asc.errors import FirmwareError
from edge_asc.interpreter import Network, TensorSpec
from edge_asc.mel_bands import BLOCK_FRAMES
from edge_asc.model_file import Manifest, ModelFile

Codes = npt.NDArray[Any]
"""int8"""


@dataclass(frozen=True, slots=True)
class NetworkFacts:
    """Inputs and outputs of a model's encoder and head, all int8."""

    features: TensorSpec
    encoded: TensorSpec
    """The encoder's output, shape (1, steps_per_cell, step_size)"""
    steps: TensorSpec
    city: TensorSpec | None
    time: TensorSpec | None
    logits: TensorSpec

    @property
    def step_bytes_per_cell(self) -> int:
        return self.encoded.shape[1] * self.encoded.shape[2]

    @property
    def step_map(self) -> Codes | None:
        """The head's number for each of the encoder's, from -128 on; None if they are the same."""
        if self.encoded.has_scale_of(self.steps):
            return None
        every = np.arange(-128, 128).astype(np.int8)
        return self.steps.quantize(self.encoded.dequantize(every))


def network_facts(model: ModelFile) -> NetworkFacts:
    """Raises FirmwareError for a model without encoder and head, or not of int8."""
    name = model.manifest.name
    if model.encoder is None or model.head is None:
        raise FirmwareError(
            f"model {name} takes whole windows only; firmware needs one that takes a second at a"
            " time: train the `edge` variant, and export it"
        )
    encoder, head = Network(model.encoder), Network(model.head)
    facts = NetworkFacts(
        encoder.inputs["features"],
        encoder.output,
        head.inputs["steps"],
        head.inputs.get("city"),
        head.inputs.get("time"),
        head.output,
    )
    specs = (facts.features, facts.encoded, facts.steps, facts.city, facts.time, facts.logits)
    for spec in specs:
        if spec is not None and spec.dtype != np.int8:
            raise FirmwareError(
                f"model {name}: firmware computes in int8 only, the tensor {spec.name!r} of its"
                f" networks is {spec.dtype}; export the model with --int8"
            )
    _check_shapes(model.manifest, facts)
    return facts


def _check_shapes(manifest: Manifest, facts: NetworkFacts) -> None:
    """The shapes that the manifest asks for, as `SceneClassifier` does."""
    _, steps_per_cell, step_size = facts.encoded.shape
    num_steps = manifest.num_frames // BLOCK_FRAMES * steps_per_cell
    wanted: dict[str, tuple[int, ...]] = {
        "features": (1, BLOCK_FRAMES, manifest.features.num_mels, 1),
        "steps": (1, num_steps, step_size),
        "logits": (1, len(manifest.scenes)),
    }
    if manifest.uses_context:
        wanted |= {"city": (1, len(manifest.cities) + 1), "time": (1, TIME_FEATURES)}
    specs = (facts.features, facts.steps, facts.logits, facts.city, facts.time)
    found = {
        name: spec.shape
        for name, spec in zip(("features", "steps", "logits", "city", "time"), specs, strict=True)
        if spec is not None
    }
    if found != wanted:
        raise FirmwareError(
            f"model {manifest.name}: its encoder and head take and give {found}, the manifest says"
            f" {wanted}; export the model again"
        )


@dataclass(frozen=True, slots=True)
class ContextCodes:
    """City and time as the head takes them."""

    city_on: int
    city_off: int
    city_rows: tuple[int, ...]
    """For each city; that of "unknown" where nothing was trained, as SceneClassifier does"""
    hours: Codes
    """shape (24, 2): sine and cosine"""
    months: Codes
    """shape (12, 2), January first"""
    weekdays: Codes
    """shape (7, 2), Monday first"""
    minutes: Codes
    """shape (60, 2)"""
    time_unknown: int
    """What each of the eight numbers of an unknown time is"""


def context_codes(manifest: Manifest, city: TensorSpec, time: TensorSpec) -> ContextCodes:
    """By `edge_asc.context` and the networks' own quantization, so that every code is equal."""
    unknown = len(manifest.cities)
    on, off = city.quantize(np.array([1.0, 0.0], np.float32)).tolist()
    start = datetime(2024, 1, 1)  # a Monday
    hours = [start.replace(hour=hour) for hour in range(24)]
    months = [start.replace(month=month) for month in range(1, 13)]
    weekdays = [start.replace(day=day) for day in range(1, 8)]
    minutes = [start.replace(minute=minute) for minute in range(60)]
    return ContextCodes(
        on,
        off,
        tuple(
            index if name in manifest.trained_cities else unknown
            for index, name in enumerate(manifest.cities)
        ),
        _time_codes(time, hours)[:, 0:2],
        _time_codes(time, months)[:, 2:4],
        _time_codes(time, weekdays)[:, 4:6],
        _time_codes(time, minutes)[:, 6:8],
        int(time.quantize(SceneContext().encode_time())[0]),
    )


def _time_codes(time: TensorSpec, moments: list[datetime]) -> Codes:
    known = [replace(SceneContext(), local_time=moment) for moment in moments]
    return time.quantize(np.stack([context.encode_time() for context in known]))
