"""A checkpoint becomes a model file: ONNX, TFLite, parity, one file; refused below its floor."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from edge_asc.errors import ExportError
from edge_asc.export.calibration import draw_calibration
from edge_asc.export.onnx import OnnxNetwork, network_parts, to_tflite_layout, write_onnx
from edge_asc.export.parity import ParityReport, parity_report
from edge_asc.export.tflite import Conversion, convert
from edge_asc.interpreter import Network, runtime_name
from edge_asc.model_file import Manifest, ModelFile
from edge_asc.training.checkpoint import Checkpoint, Windows, load_checkpoint, load_windows

Array = npt.NDArray[np.float32]
Run = Callable[..., Array]

GOLDEN_WINDOWS = 3
GOLDEN_BOUND_STEPS = 12
"""Quantization steps by which an interpreter's logits may differ from those seen at export.
LiteRT's kernels and tflite-runtime's differ by 1 to 4 on a convolutional network; the GRU adds to
that."""
GOLDEN_BOUND_FLOAT = 1e-3

_CONVERTER_PACKAGES = (
    "torch",
    "onnx",
    "onnxsim",
    "onnxruntime",
    "onnx2tf",
    "tensorflow",
    "ai-edge-litert",
)


@dataclass(frozen=True, slots=True)
class ExportOptions:
    """What the user decides about an export."""

    int8: bool = True
    name: str | None = None
    """The checkpoint's own name where None"""
    demonstration: bool = False
    card: str = ""
    """Text about data, licences and figures that travels with the model"""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """A training run's metrics.json, where the exported network itself has no unseen clips"""
    seed: int = 0
    """Draws the calibration windows"""


def export_command(
    checkpoint: Path,
    out: Path,
    int8: bool,
    name: str | None,
    work_dir: Path | None,
    *,
    demonstration: bool = False,
    card: Path | None = None,
    evaluation: Path | None = None,
) -> None:
    """Export `checkpoint` to `out` and print the parity report. Raises EdgeAscError."""
    options = ExportOptions(
        int8=int8,
        name=name,
        demonstration=demonstration,
        card=card.read_text(encoding="utf-8") if card else "",
        evaluation=_read_metrics(evaluation) if evaluation else {},
    )
    with _working_folder(work_dir) as folder:
        model, report = export_model(checkpoint, options, folder, say=_say)
    print("\n".join(report.lines()))
    report.check()
    model.write(out)
    print(f"{out}: {model.manifest.quantization}, {out.stat().st_size / 1000:.0f} kB")


def _read_metrics(path: Path) -> dict[str, Any]:
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(
            f"{path} is not JSON ({error}); give a training run's metrics.json"
        ) from error
    if not isinstance(metrics, dict):
        raise ExportError(f"{path} holds no table of figures; give a training run's metrics.json")
    return metrics


@torch.no_grad()
def export_model(
    checkpoint_path: Path, options: ExportOptions, folder: Path, say: Callable[[str], None]
) -> tuple[ModelFile, ParityReport]:
    """The model file and how it compares with its checkpoint; intermediate files go to `folder`.

    Calibration and test windows are those that the training run kept beside its checkpoint. Raises
    ExportError or CheckpointError.
    """
    checkpoint = load_checkpoint(checkpoint_path)
    windows = load_windows(checkpoint_path.with_name("windows.safetensors"))
    if len(windows.test) == 0:
        raise ExportError(
            f"{checkpoint_path.parent}/windows.safetensors has no test windows to judge the"
            " export by"
        )
    calibration = draw_calibration(checkpoint, windows.calibration, options.seed)
    onnx_paths = {
        part.name: write_onnx(part, folder) for part in network_parts(checkpoint.build_network())
    }
    say(f"converting {', '.join(onnx_paths)} to TFLite: about a minute")
    converted = _convert_all(onnx_paths, calibration.inputs, folder)
    say(f"comparing the stages on {len(windows.test)} windows")
    report = _measure(checkpoint, onnx_paths["whole"], converted, windows.test, options.int8)
    return _model_file(
        checkpoint, options, converted, calibration.facts, report, windows.test
    ), report


def _convert_all(
    onnx_paths: Mapping[str, Path], inputs: Mapping[str, Mapping[str, Array]], folder: Path
) -> dict[str, Conversion]:
    """Convert all parts, two at a time; where one fails, or on Ctrl-C, the others end at once."""
    stop = threading.Event()
    with ThreadPoolExecutor(max_workers=2) as pool:
        jobs = {}
        for part, path in onnx_paths.items():
            sequences = [name for name, values in inputs[part].items() if values.ndim != 4]
            jobs[part] = pool.submit(
                convert,
                path,
                folder,
                calibration=inputs[part],
                keep_layout=sequences,
                stop=stop,
            )
        try:
            return {part: job.result() for part, job in jobs.items()}
        finally:
            stop.set()


def _measure(
    checkpoint: Checkpoint,
    whole_onnx: Path,
    converted: Mapping[str, Conversion],
    test: Windows,
    int8: bool,
) -> ParityReport:
    network = checkpoint.build_network()
    onnx_network = OnnxNetwork(whole_onnx)

    def torch_run(**inputs: Array) -> Array:
        tensors = {name: torch.from_numpy(values) for name, values in inputs.items()}
        logits: Array = network(**tensors).numpy()
        return logits

    uses_context = network.config.uses_context
    reference = _logits(torch_run, test, uses_context)
    stages = {"ONNX": (_logits(onnx_network.run, test, uses_context), False)}
    forms = [("float32", False), ("int8", True)] if int8 else [("float32", False)]
    for form, is_int8 in forms:
        for how, run in _tflite_runs(converted, form):
            stages[f"TFLite {form} {how}"] = (_logits(run, test, uses_context), is_int8)
    return parity_report(
        reference,
        stages,
        label=test.label,
        group=test.group,
        scenes=checkpoint.scenes,
        data=f"the training run's test clips ({_test_clips(checkpoint)}), by {runtime_name()}",
    )


def _test_clips(checkpoint: Checkpoint) -> str:
    """Which clips the test windows were cut from, as "60 of synthetic"."""
    sources: Mapping[str, int] = checkpoint.metrics.get("test_clips", {})
    return ", ".join(f"{count} of {name}" for name, count in sources.items()) or "not recorded"


def _logits(run: Run, windows: Windows, uses_context: bool) -> Array:
    """Logits of every window, one at a time as a device would, shape (N, num_scenes)."""
    rows = []
    for index in range(len(windows)):
        inputs = {"features": windows.features[index][None, None]}
        if uses_context:
            inputs |= {"city": windows.city[index][None], "time": windows.time[index][None]}
        rows.append(run(**inputs)[0])
    return np.stack(rows)


def _tflite_runs(converted: Mapping[str, Conversion], form: str) -> Iterator[tuple[str, Run]]:
    """Ways to run the TFLite networks of `form` that take PyTorch's layout."""
    networks = {part: Network(getattr(files, form)) for part, files in converted.items()}

    def whole(**inputs: Array) -> Array:
        return networks["whole"].run(**to_tflite_layout(inputs))

    def streamed(features: Array, **context: Array) -> Array:
        encoder = networks["encoder"]
        cell_shape = encoder.inputs["features"].shape
        cells = features.reshape(-1, *cell_shape)
        steps = np.concatenate([encoder.run(features=cell) for cell in cells], axis=1)
        return networks["head"].run(steps=steps, **context)

    yield "whole window", whole
    if "encoder" in networks:
        yield "encoder + head", streamed


def _model_file(
    checkpoint: Checkpoint,
    options: ExportOptions,
    converted: Mapping[str, Conversion],
    calibration: dict[str, Any],
    report: ParityReport,
    test: Windows,
) -> ModelFile:
    form = "int8" if options.int8 else "float32"
    files = {part: getattr(both, form) for part, both in converted.items()}
    golden, golden_facts = _golden(checkpoint, converted, form, test)
    config = checkpoint.network
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
        quantization=form,
        demonstration=options.demonstration,
        licence=checkpoint.licence,
        temperature=checkpoint.temperature,
        card={
            "text": options.card,
            "evaluation": options.evaluation or checkpoint.metrics,
        },
        calibration=calibration if options.int8 else {},
        parity=report.to_dict(),
        golden=golden_facts,
        recipe=checkpoint.recipe,
        versions=checkpoint.versions | _versions(),
    )
    return ModelFile(manifest, files["whole"], files.get("encoder"), files.get("head"), golden)


def _golden(
    checkpoint: Checkpoint, converted: Mapping[str, Conversion], form: str, test: Windows
) -> tuple[dict[str, Array], dict[str, Any]]:
    """A few windows with the exported networks' logits, and how far off these may be elsewhere."""
    chosen = np.unique(np.linspace(0, len(test) - 1, GOLDEN_WINDOWS).round().astype(np.int64))
    windows = test.take(chosen)
    uses_context = checkpoint.network.uses_context
    golden = {"features": windows.features}
    if uses_context:
        golden |= {"city": windows.city, "time": windows.time}
    for (_, run), name in zip(
        _tflite_runs(converted, form), ("logits", "streamed_logits"), strict=False
    ):
        golden[name] = _logits(run, windows, uses_context)
    scale = Network(getattr(converted["whole"], form)).output.scale
    bound = GOLDEN_BOUND_STEPS * scale if scale else GOLDEN_BOUND_FLOAT
    facts = {
        "windows": len(windows),
        "reference": runtime_name(),
        "bound_logits": bound,
        "runtimes": {},
    }
    return golden, facts


def _versions() -> dict[str, str]:
    return {package: importlib.metadata.version(package) for package in _CONVERTER_PACKAGES}


@contextmanager
def _working_folder(kept: Path | None) -> Iterator[Path]:
    """`kept`, or a temporary folder that goes away afterwards."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    temporary = Path(tempfile.mkdtemp(prefix="edge-asc-export-"))
    try:
        yield temporary
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
