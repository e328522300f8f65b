"""Draw docs/augmentation.png: what every switch of [augment] does to a window of a recording.

    python tools/augmentation_pictures.py --audio FILE [--other FILE] --out docs/augmentation.png

The windows are standardised as for the shipped model, changed by the training's own `Augmenter` and
drawn in level decibels, which are twice the feature decibels.
"""

from __future__ import annotations

import argparse
import io
from dataclasses import fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor

from edge_asc.audio import read_audio
from edge_asc.features import (
    FeatureConfig,
    log_mel,
    standardize,
)
from edge_asc.mel_bands import mel_matrix
from edge_asc.model_file import Manifest, ModelFile, default_model_path
from edge_asc.training.augment import Augmenter, Batch
from edge_asc.training.recipe import AugmentRecipe

START_S = 1.0
"""Recordings begin with a moment of silence."""
COLUMNS = 3
SHOWN_RANGE_DB = 70.0
NUM_COLOURS = 200
"""Of the whole picture: as many as the eye needs, and a third of the bytes."""
TICKS_HZ = (200, 1000, 4000, 16_000)

# A panel each: its seed and its switches, so drawn and so strong that the eye sees what they do.
CHANGES = {
    "time shift": (5, AugmentRecipe(roll_s=(3.0, 4.0))),
    "speed": (11, AugmentRecipe(stretch=0.5)),
    "pitch": (5, AugmentRecipe(mel_shift=5.0)),
    "background": (5, AugmentRecipe(background_share=1.0, background_snr_db=(0.0, 0.0))),
    "Freq-MixStyle": (5, AugmentRecipe(freq_mix_style_share=1.0)),
    "level": (11, AugmentRecipe(gain_db=8.0)),
    "equalizer": (11, AugmentRecipe(equalizer_db=8.0)),
    "low-pass": (17, AugmentRecipe(low_pass_share=1.0)),
    "mixup": (5, AugmentRecipe(mixup_alpha=(4.0, 4.0), mixup_probability=(1.0, 1.0))),
    "SpecAugment": (
        11,
        AugmentRecipe(time_masks=2, time_mask_s=1.0, mel_masks=2, mel_mask_bands=8),
    ),
}


def main() -> None:
    """Read the two windows, change the first in every way, draw all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--audio", type=Path, required=True, help="a recording of 11 s or more")
    parser.add_argument("--other", type=Path, help="what is mixed in; default: the next 10 s")
    parser.add_argument("--out", type=Path, required=True, help="the PNG to write")
    options = parser.parse_args()

    manifest = ModelFile.read(default_model_path()).manifest
    own = read_window(options.audio, START_S, manifest)
    if options.other is not None:
        other = read_window(options.other, START_S, manifest)
    else:
        other = read_window(options.audio, START_S + manifest.window_s, manifest)
    pair = torch.stack([own, other]).unsqueeze(1)  # (2, 1, T, M)

    panels = [("original", "", own), ("the other window", "", other)]
    for name, (seed, recipe) in CHANGES.items():
        panels.append((name, switches(recipe), change(pair, recipe, seed, manifest)))
    write_png(draw(panels, manifest), options.out)
    print(f"{options.out}: {len(panels)} panels, {options.out.stat().st_size / 1000:.0f} kB")


def read_window(path: Path, start_s: float, manifest: Manifest) -> Tensor:
    """One window of a recording, standardised, shape (T, M)."""
    samples = read_audio(path, manifest.features.sample_rate_hz, start_s, manifest.window_s)
    if len(samples) < manifest.window_samples:
        raise SystemExit(
            f"{path} must last {start_s + manifest.window_s:g} s or more; choose a longer recording"
        )
    frames = log_mel(samples, manifest.features)
    return torch.from_numpy(
        standardize(frames, manifest.mel_mean, manifest.mel_std, manifest.standardized_range)
    )


def change(pair: Tensor, recipe: AugmentRecipe, seed: int, manifest: Manifest) -> Tensor:
    """The first of two windows, shape (2, 1, T, M), as training might get to see it."""
    augment = Augmenter(
        recipe,
        mel_mean=manifest.mel_mean,
        mel_std=manifest.mel_std,
        limits=manifest.standardized_range,
        frames_per_second=manifest.features.frames_per_second,
    )
    torch.manual_seed(seed)
    unused = torch.zeros(2, 1)
    return augment(Batch(pair, unused, unused, unused)).features[0, 0]


def switches(recipe: AugmentRecipe) -> str:
    """What `recipe` switches on, as in a recipe file."""
    lines = []
    for part in fields(recipe):
        value = getattr(recipe, part.name)
        if value != part.default:
            low_high = isinstance(value, tuple)
            shown = f"[{value[0]:g}, {value[1]:g}]" if low_high else f"{value:g}"
            lines.append(f"{part.name} = {shown}")
    if len(lines) > 2:  # two on a line
        lines = [", ".join(lines[i : i + 2]) for i in range(0, len(lines), 2)]
    return "\n".join(lines)


def draw(panels: list[tuple[str, str, Tensor]], manifest: Manifest) -> Figure:
    """All `panels` (name, switches, window) on one scale."""
    rows = -(-len(panels) // COLUMNS)
    figure = Figure(figsize=(12.0, 2.5 * rows + 0.4), layout="constrained")
    grid = figure.subplots(rows, COLUMNS, sharex=True, sharey=True)
    loudest = level_db(panels[0][2], manifest).max()
    for axes, (name, text, window) in zip(grid.flat, panels, strict=True):
        image = axes.imshow(
            level_db(window, manifest).T - loudest,
            origin="lower",
            aspect="auto",
            extent=(0.0, manifest.window_s, -0.5, manifest.features.num_mels - 0.5),
            vmin=-SHOWN_RANGE_DB,
            vmax=0.0,
            interpolation="nearest",
            cmap="magma",
        )
        label(axes, name, text, manifest.features)
    figure.supxlabel("seconds")
    figure.colorbar(image, ax=grid, shrink=0.4, label="level above the loudest of the original, dB")
    return figure


def write_png(figure: Figure, path: Path) -> None:
    """Write `figure` in few colours."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=100)
    picture = Image.open(buffer).convert("RGB")
    picture.quantize(NUM_COLOURS, dither=Image.Dither.NONE).save(path, "PNG", optimize=True)


def label(axes: Axes, name: str, text: str, config: FeatureConfig) -> None:
    """Name a panel and put frequencies beside its bands."""
    axes.set_title(name, loc="left", fontsize=10, fontweight="bold")
    axes.set_title(text, loc="right", fontsize=7, family="monospace")
    peak_bins = mel_matrix(config).argmax(axis=1)
    centres_hz = peak_bins * config.sample_rate_hz / config.fft_size
    axes.set_yticks(
        np.interp(TICKS_HZ, centres_hz, np.arange(config.num_mels)),
        [f"{hz // 1000} kHz" if hz >= 1000 else f"{hz} Hz" for hz in TICKS_HZ],
    )


def level_db(window: Tensor, manifest: Manifest) -> npt.NDArray[np.float64]:
    """Undo the standardisation of a window, shape (T, M), into decibels of power."""
    feature_db = window.numpy() * np.array(manifest.mel_std) + np.array(manifest.mel_mean)
    return np.asarray(2.0 * feature_db)


if __name__ == "__main__":
    main()
