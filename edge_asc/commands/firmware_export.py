"""`edge-asc firmware export`: a model as C99."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from edge_asc.commands.options import packages


@click.command("export")
@click.argument(
    "model", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "--out",
    "folder",
    required=True,
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="A new folder, or a package to replace.",
)
@click.option(
    "--arith",
    "arithmetic",
    type=click.Choice(["litert", "tflm"]),
    default="litert",
    show_default=True,
    help="Whose bytes it gives: LiteRT's reference kernels or TensorFlow Lite Micro.",
)
@click.option(
    "--kernels",
    type=click.Choice(["portable", "dsp"]),
    default="portable",
    show_default=True,
    help="dsp: with the DSP instructions of Cortex-M4, M7, M33 and M55; the same bytes.",
)
@click.option(
    "--front-end",
    type=click.Choice(["float", "fixed"]),
    default="float",
    show_default=True,
    help="fixed: integers only, for a core without FPU.",
)
@click.option(
    "--microphone-rate",
    "microphone_rate_hz",
    type=click.IntRange(min=1),
    metavar="HZ",
    help="What your microphone gives, if known: it must be the model's rate.",
)
def export(
    model: Path | None,
    folder: Path,
    arithmetic: str,
    kernels: str,
    front_end: str,
    microphone_rate_hz: int | None,
) -> None:
    """Write MODEL as a package of C99, with a self-test, into DIR.

    MODEL is a model file (without it, the one in use), from which the package hears sound and tells
    scenes; or any int8 .tflite of supported operators, which becomes a function.

    \b
    edge-asc firmware export --out scene_model
    edge-asc firmware check scene_model --cpu m4
    """  # noqa: D301 (click wants the backspace character)
    with packages("export"):
        from edge_asc.firmware_bridge.exporter import Options, export_package
    from edge_asc.update import model_in_use

    options = Options(arithmetic, kernels, front_end, microphone_rate_hz)  # type: ignore[arg-type]
    click.echo(_summary(folder, export_package(model or model_in_use(), folder, options)))


def _summary(folder: Path, manifest: dict[str, Any]) -> str:
    networks = manifest["networks"]
    lines = [f"{folder}: {manifest['model']['name']}, {len(manifest['files'])} files"]
    lines += [
        f"  {network['name']:<8} {network['multiply_adds'] / 1e6:.2f} M multiply-adds,"
        f" {network['constant_bytes'] / 1e3:.1f} kB of constants,"
        f" {network['arena_bytes'] / 1e3:.1f} kB of memory"
        for network in networks
    ]
    lines.append(f"  bytes as of {manifest['oracle']}; kernels: {manifest['kernels']}")
    lines.append(f"next: edge-asc firmware check {folder}")
    return "\n".join(lines)
