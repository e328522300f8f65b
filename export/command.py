"""`edge-asc export`: the pipeline with its files around it."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from edge_asc.atomic import atomic_path
from edge_asc.errors import ExportError
from edge_asc.export.parity_text import report_lines
from edge_asc.export.pipeline import Export, ExportOptions, export_model, say
from edge_asc.export.tflite import ConversionError
from edge_asc.model_file import ModelFile


@dataclass(frozen=True, slots=True)
class ExtraFiles:
    """What is written beside the model file, named after it."""

    onnx: bool = False
    """MODEL.whole.onnx, MODEL.encoder.onnx, MODEL.head.onnx: the device network in float"""
    tflite: bool = False
    """MODEL.whole.tflite, ...: the networks alone, without the parts that a model file appends"""
    json: bool = False
    """MODEL.json: the manifest"""


def export_command(
    checkpoint: Path,
    out: Path,
    options: ExportOptions,
    work_dir: Path | None = None,
    extra: ExtraFiles | None = None,
) -> None:
    """Export `checkpoint` to `out`, print the parity report, write what else is asked for.

    Raises EdgeAscError.
    """
    extra = extra or ExtraFiles()
    with _working_folder(work_dir) as folder:
        export = export_model(checkpoint, options, folder, say=say)
        print("\n".join(report_lines(export.report)))
        for doubt in export.doubts:
            print(f"in doubt: {doubt}")
        export.model.write(out)
        _say_what(export, out)
        for path in _write_extra(export, out, extra):
            print(f"{path}: {path.stat().st_size / 1000:.0f} kB")


def _say_what(export: Export, out: Path) -> None:
    facts = export.model.manifest
    print(f"{out}: {facts.quantization}, {out.stat().st_size / 1000:.0f} kB")
    for name, use in facts.footprint["bytes"].items():
        rest = ", ".join(
            f"{what.replace('_', ' ')} {count / 1000:.1f}" for what, count in use.items()
        )
        print(f"  {name:<8}{rest} kB")
    for name, size in facts.footprint.get("arena_bytes", {}).items():
        print(f"  {name:<8}{size / 1000:.1f} kB of arena in TensorFlow Lite Micro on this computer")
    for fault in export.refused:
        print(f"  not taken: {fault}")
    took = [
        f"{name} {made.seconds:.0f} s and {made.peak_memory_mb:.0f} MB"
        for name, made in export.converted.conversions.items()
    ]
    print(f"  converted by {export.converted.conversions['whole'].converter}: {', '.join(took)}")
    if export.costs:
        print(f"  {facts.quantization} costs: {export.costs}")


def _write_extra(export: Export, out: Path, extra: ExtraFiles) -> Iterator[Path]:
    """Write the files beside `out`, each whole or not at all."""
    contents: dict[str, bytes] = {}
    model = export.model
    if extra.onnx:
        contents |= {f"{n}.onnx": path.read_bytes() for n, path in export.converted.onnx.items()}
    if extra.tflite:
        parts = {"whole": model.whole, "encoder": model.encoder, "head": model.head}
        contents |= {f"{n}.tflite": part for n, part in parts.items() if part is not None}
    if extra.json:
        contents["json"] = ModelFile.read(out).manifest.to_json().encode()
    for ending, content in contents.items():
        path = out.with_suffix(f".{ending}")
        with atomic_path(path) as temporary:
            temporary.write_bytes(content)
        yield path


def read_metrics(path: Path) -> dict[str, Any]:
    """A training run's metrics.json. Raises ExportError for anything else."""
    try:
        metrics = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ExportError(
            f"{path} is not JSON ({error}); give a training run's metrics.json"
        ) from error
    if not isinstance(metrics, dict):
        raise ExportError(f"{path} holds no table of figures; give a training run's metrics.json")
    return metrics


@contextmanager
def _working_folder(kept: Path | None) -> Iterator[Path]:
    """`kept`, or a temporary folder that goes away afterwards, unless the converter failed."""
    if kept is not None:
        kept.mkdir(parents=True, exist_ok=True)
        yield kept
        return
    temporary = Path(tempfile.mkdtemp(prefix="edge-asc-export-"))
    try:
        yield temporary
    except ConversionError:
        raise  # its text names files in that folder
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        raise
    shutil.rmtree(temporary, ignore_errors=True)
