"""Which models the C front end can serve; all others are refused with what to do."""

from __future__ import annotations

from edge_asc.errors import FirmwareError
from edge_asc.features import FeatureConfig
from edge_asc.manifest import Manifest
from edge_asc.mel_bands import BLOCK_FRAMES

MIN_FFT_SIZE, MAX_FFT_SIZE = 64, 4096
"""Above, working memory alone would take more than 16 kB of RAM."""

MAX_NUM_MELS = 255
"""Messages with features count bands in a byte."""

MAX_TOP_DB = 1000.0
"""Fixed-point levels reach from -2048 dB to 2048 dB."""


def check_manifest(manifest: Manifest, microphone_rate_hz: int | None = None) -> None:
    """Raise FirmwareError unless the C front end can serve this model, from this microphone."""
    _check_features(manifest.name, manifest.features)
    _check_cells(manifest)
    if len(manifest.scenes) > 127 or len(manifest.cities) > 254:
        raise FirmwareError(
            f"model {manifest.name}: firmware knows at most 127 scenes and 254 cities, the model"
            f" has {len(manifest.scenes)} and {len(manifest.cities)}"
        )
    rate_hz = manifest.features.sample_rate_hz
    if microphone_rate_hz not in (None, rate_hz):
        raise FirmwareError(
            f"model {manifest.name} takes sound of {rate_hz} Hz and firmware does not resample; a"
            f" microphone of {microphone_rate_hz} Hz cannot feed it. Set its clock to {rate_hz} Hz,"
            " or let the device send its sound to `edge-asc listen --source serial:PORT`, which"
            " resamples"
        )


def _check_features(name: str, features: FeatureConfig) -> None:
    size = features.fft_size
    if size & (size - 1) or not MIN_FFT_SIZE <= size <= MAX_FFT_SIZE:
        raise FirmwareError(
            f"model {name}: firmware computes an FFT of a power of two from {MIN_FFT_SIZE} to"
            f" {MAX_FFT_SIZE} points, fft_size is {size}; train and export a model with another"
        )
    if features.num_mels > MAX_NUM_MELS:
        raise FirmwareError(
            f"model {name}: firmware computes at most {MAX_NUM_MELS} mel bands, num_mels is"
            f" {features.num_mels}; train and export a model with fewer"
        )
    if not 0.0 < features.top_db <= MAX_TOP_DB:
        raise FirmwareError(
            f"model {name}: top_db must be above 0 and at most {MAX_TOP_DB:g} for firmware, got"
            f" {features.top_db:g}"
        )


def _check_cells(manifest: Manifest) -> None:
    if manifest.cell_frames != BLOCK_FRAMES or manifest.num_frames % BLOCK_FRAMES:
        cells = "none" if manifest.cell_frames is None else f"{manifest.cell_frames} frames"
        raise FirmwareError(
            f"model {manifest.name}: firmware hears cells of {BLOCK_FRAMES} frames, as many as fill"
            f" a window; the model has cells of {cells} and a window of {manifest.num_frames}"
            " frames. Train one of the `edge` variant, and export it with encoder and head"
        )
