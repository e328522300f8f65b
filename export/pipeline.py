"""A checkpoint becomes a model file: one network in float and int8, compared everywhere, one file.

```
checkpoint -> device network -> ONNX -> float32 TFLite -> quantized, rung by rung -> parity -> file
```
"""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError
from edge_asc.export.context_coverage import ContextCoverage, context_coverage
from edge_asc.export.conversion import Converted, convert_network
from edge_asc.export.device import DeviceNetwork, device_network
from edge_asc.export.golden_windows import choose_golden, golden_record
from edge_asc.export.layer_debug import DebugPart, debug_layers
from edge_asc.export.onnx import Part, require_exportable
from edge_asc.export.parity import (
    MAX_DROP_POINTS,
    ParityReport,
    StageLogits,
    parity_report,
)
from edge_asc.export.precision import LADDER, quantize_parts
from edge_asc.export.runtimes import (
    MICRO,
    Run,
    Survey,
    available_runtimes,
    load_module,
    measure_arenas,
)
from edge_asc.export.sizes import bytes_by_use
from edge_asc.export.stages import (
    SLOW_WINDOWS,
    NetworkForm,
    NetworkShape,
    run_stages,
    whole_logits,
)
from edge_asc.interpreter import Network
from edge_asc.model_file import Manifest, ModelFile
from edge_asc.training.checkpoint import Checkpoint, Windows, load_checkpoint, load_windows

Array = npt.NDArray[np.float32]
Arithmetic = Literal["int8", "float32", "float16"]

_PACKAGES = ("torch", "onnx", "onnxsim", "onnxruntime", "ai-edge-litert")
"""Whose versions the manifest keeps, beside that of the converter"""


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the user decides about an export."""

    arithmetic: Arithmetic = "int8"
    max_drop_points: float | None = None
    """Go down the ladder until the accuracy drop is no more than this; None: int8 or nothing"""
    every_window: bool = False
    """Give slow runtimes every test window, too"""
    name: str | None = None
    """The checkpoint's own name where None"""
    demonstration: bool = False
    card: str = ""
    """Text about data, licences and figures that travels with the model"""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """A training run's metrics.json, where the exported network itself has no unseen clips"""
    layers: Path | None = None
    """A new folder for the error of every layer of the int8 network, as text and pictures"""
    seed: int = 0
    """Draws the calibration windows of a network that was not bounded in training"""


@dataclass(frozen=True, slots=True)
class Export:
    """A model file and all that it was made from."""

    model: ModelFile
    report: ParityReport
    doubts: list[str]
    """What the report could not know for lack of windows"""
    refused: list[str]
    """Rungs of the ladder that lost too much, and how much"""
    costs: str
    """What the chosen rung costs against int8; "" for int8 itself"""
    converted: Converted
    test: Windows


@dataclass(frozen=True, slots=True)
class _Judge:
    """Runs networks on the test windows and compares them with the checkpoint's."""

    checkpoint: Checkpoint
    device: DeviceNetwork
    converted: Converted
    survey: Survey
    test: Windows
    options: ExportOptions

    @property
    def shape(self) -> NetworkShape:
        config = self.checkpoint.network
        return NetworkShape(config.uses_context, config.cell_frames)

    def checkpoint_run(self) -> Run:
        """The checkpoint's network in PyTorch."""
        network = require_exportable(self.checkpoint.build_network())
        return load_module(Part("whole", network, {}, "logits"))

    def float_stages(self) -> tuple[list[StageLogits], dict[str, str]]:
        """Logits of every form in float, and which runtimes were not run."""
        converted = self.converted
        forms = [NetworkForm("ONNX", "float", "ONNX", converted.onnx)]
        if self.options.arithmetic != "float32":  # else it is what is shipped
            forms.append(NetworkForm("TFLite float32", "float", "TFLite", converted.float32))
        if not self.device.is_checkpoint:
            modules = {part.name: part for part in converted.parts}
            forms.insert(0, NetworkForm("device network", "device", "PyTorch", modules))
        return run_stages(forms, self.survey, self.test, self.shape)

    def stages(
        self, quantization: str, parts: Mapping[str, bytes]
    ) -> tuple[list[StageLogits], dict[str, str]]:
        """Logits of the networks that are shipped, in every runtime, and which were not run."""
        kind: Literal["float", "quantized"] = "float" if quantization == "float32" else "quantized"
        form = NetworkForm(f"TFLite {quantization}", kind, "TFLite", parts, everywhere=True)
        slow = None if self.options.every_window else SLOW_WINDOWS
        return run_stages([form], self.survey, self.test, self.shape, slow_windows=slow)

    def compare(
        self,
        quantization: str,
        parts: Mapping[str, bytes],
        reference: Array,
        float_stages: Sequence[StageLogits],
    ) -> tuple[list[StageLogits], ParityReport]:
        """What `parts` give in every runtime, and how that compares; raises ExportError."""
        stages, not_run = self.stages(quantization, parts)
        context = self.context(parts["whole"]) if quantization != "float32" else None
        return stages, self.report(reference, [*float_stages, *stages], not_run, context)

    def debug(self, int8: Mapping[str, bytes], folder: Path) -> list[str]:
        """Which layer of the networks in `int8` is how far from float; pictures go to `folder`."""
        folder.mkdir(parents=True, exist_ok=True)
        parts = {
            part.name: DebugPart(
                part,
                self.converted.onnx[part.name],
                self.converted.float32[part.name],
                int8[part.name],
            )
            for part in self.converted.parts
        }
        return debug_layers(parts, self.converted.ranges, self.test, self.shape, folder)

    def report(
        self,
        reference: Array,
        stages: Sequence[StageLogits],
        not_run: Mapping[str, str],
        context: ContextCoverage | None,
    ) -> ParityReport:
        """Compare `stages` with the checkpoint's logits, `reference`."""
        return parity_report(
            reference,
            stages,
            label=self.test.label,
            group=self.test.group,
            scenes=self.checkpoint.scenes,
            data=f"the training run's test clips ({_test_clips(self.checkpoint)})",
            reference_name=next(r.name for r in self.survey.runtimes if r.takes == "PyTorch"),
            not_run=not_run,
            context=context,
        )

    def context(self, whole: bytes) -> ContextCoverage | None:
        """How `whole` agrees with the checkpoint in every context; None for one without context."""
        if not self.checkpoint.network.uses_context:
            return None
        reference, network = self.checkpoint_run(), Network(whole)
        return context_coverage(
            lambda asked: whole_logits(reference, asked, self.shape, batch=32),
            lambda asked: whole_logits(network.run, asked, self.shape),
            self.test,
            cities=self.checkpoint.cities,
            trained_cities=self.checkpoint.trained_cities,
        )


def export_model(
    checkpoint_path: Path, options: ExportOptions, folder: Path, say: Callable[[str], None]
) -> Export:
    """Export the checkpoint; intermediate files go to `folder`.

    Test windows, and those that calibrate a network that is not bounded yet, are what the training
    run kept beside its checkpoint.

    Raises:
        ExportError: a stage is below its floor, or the conversion failed.
        CheckpointError: the checkpoint or its windows cannot be read.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    windows = load_windows(checkpoint_path.with_name("windows.safetensors"))
    if len(windows.test) == 0:
        raise ExportError(
            f"{checkpoint_path.parent}/windows.safetensors has no test windows to judge the"
            " export by"
        )
    integer = options.arithmetic == "int8"
    device = device_network(checkpoint, windows.calibration, integer=integer, seed=options.seed)
    say("converting the network to TFLite: about a minute")
    converted = convert_network(device.network, windows.test, folder)
    judge = _Judge(checkpoint, device, converted, available_runtimes(), windows.test, options)
    say(f"comparing every form in every runtime on {len(windows.test)} windows")
    reference = whole_logits(judge.checkpoint_run(), windows.test, judge.shape, batch=32)
    float_stages, _ = judge.float_stages()
    max_drop = MAX_DROP_POINTS if options.max_drop_points is None else options.max_drop_points
    # What these lose, every form loses that is made of them.
    judge.report(reference, float_stages, {}, None).check(max_drop)
    refused: list[str] = []
    sizes: list[int] = []
    for quantization, costs, parts in _candidates(converted, options):
        if options.layers is not None and quantization == "int8":
            # Before it is judged: whose network is refused needs it most.
            say("\n".join(judge.debug(parts, options.layers)))
        sizes.append(sum(map(len, parts.values())))
        try:
            stages, report = judge.compare(quantization, parts, reference, float_stages)
            faults = report.faults(max_drop)
        except ExportError as error:  # a kernel that cannot run this form, or gives no numbers
            faults = [str(error).removeprefix("refused: ")]
        if not faults:
            if costs:
                costs += f"; networks of {sizes[-1] / 1000:.0f} kB, int8 {sizes[0] / 1000:.0f} kB"
            model = _model_file(judge, quantization, parts, report, stages, reference)
            doubts = report.doubts(max_drop)
            return Export(model, report, doubts, refused, costs, converted, windows.test)
        refused.append(faults[0])
        say(f"{quantization} is refused: {faults[0]}")
    raise ExportError("refused: " + refused[-1])


def _candidates(
    converted: Converted, options: ExportOptions
) -> Iterator[tuple[str, str, dict[str, bytes]]]:
    """Arithmetic, what it costs, and the networks, in the order in which to try them."""
    if options.arithmetic == "float32":
        yield "float32", "", dict(converted.float32)
        return
    if options.arithmetic == "float16":
        halves = {name: conversion.float16 for name, conversion in converted.conversions.items()}
        yield "float16", "", halves
        return
    for rung in LADDER[:1] if options.max_drop_points is None else LADDER:
        parts = quantize_parts(converted.float32, converted.ranges, rung)
        yield rung.quantization, rung.costs, parts


def _test_clips(checkpoint: Checkpoint) -> str:
    """Which clips the test windows were cut from, as "60 of synthetic"."""
    sources: Mapping[str, int] = checkpoint.metrics.get("test_clips", {})
    return ", ".join(f"{count} of {name}" for name, count in sources.items()) or "not recorded"


def _model_file(
    judge: _Judge,
    quantization: str,
    parts: Mapping[str, bytes],
    report: ParityReport,
    stages: Sequence[StageLogits],
    reference: Array,
) -> ModelFile:
    checkpoint, options = judge.checkpoint, judge.options
    config = checkpoint.network
    golden, golden_facts = _golden(judge, quantization, parts, stages, reference)
    footprint: dict[str, Any] = {
        "bytes": {name: bytes_by_use(part) for name, part in parts.items()}
    }
    if any(stage.runtime_class == MICRO for stage in stages):
        footprint["arena_bytes"] = measure_arenas(parts)
    manifest = Manifest(
        name=options.name or checkpoint.name,
        scenes=checkpoint.scenes,
        cities=checkpoint.cities,
        trained_cities=checkpoint.trained_cities,
        features=checkpoint.features,
        mel_mean=checkpoint.mel_mean,
        mel_std=checkpoint.mel_std,
        standardized_range=checkpoint.standardized_range,
        variant=config.variant,
        fusion=config.fusion,
        window_s=checkpoint.window_s,
        cell_frames=config.cell_frames,
        quantization=quantization,
        demonstration=options.demonstration,
        licence=checkpoint.licence,
        temperature=checkpoint.temperature,
        card={
            "text": options.card,
            "evaluation": options.evaluation or checkpoint.metrics,
        },
        calibration=judge.device.facts,
        parity=report.to_dict(),
        golden=golden_facts,
        footprint=footprint,
        recipe=checkpoint.recipe,
        versions=checkpoint.versions | _versions(judge.converted),
    )
    return ModelFile(manifest, parts["whole"], parts.get("encoder"), parts.get("head"), golden)


def _golden(
    judge: _Judge,
    quantization: str,
    parts: Mapping[str, bytes],
    stages: Sequence[StageLogits],
    reference: Array,
) -> tuple[dict[str, Array], dict[str, Any]]:
    """A few windows, the worst one first, with what every runtime gave for them."""
    windows = judge.test.take(choose_golden(stages, reference))
    form = NetworkForm(quantization, "quantized", "TFLite", parts, everywhere=True)
    golden, _ = run_stages([form], judge.survey, windows, judge.shape)
    last = [Network(parts[name]).output.scale for name in ("whole", "head") if name in parts]
    uses_context = judge.checkpoint.network.uses_context
    return golden_record(stages, golden, windows, step=max(last), uses_context=uses_context)


def _versions(converted: Converted) -> dict[str, str]:
    converter, version = converted.conversions["whole"].converter.split()
    found = {package: importlib.metadata.version(package) for package in _PACKAGES}
    return found | {converter: version}


def say(text: str) -> None:
    """Progress, to stderr."""
    print(text, file=sys.stderr, flush=True)
