"""Changes to training windows that leave their scene what it is.

All work on standardised features of shape (B, 1, T, M) and draw from torch's global generator,
which the training run seeds. Order: roll, level, low-pass, mixup, masks (torchaudio's SpecAugment).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from edge_asc.context import SceneContext
from edge_asc.training.recipe import AugmentRecipe, Range


@dataclass(frozen=True, slots=True)
class Batch:
    """Windows on their way into the network."""

    features: Tensor
    """Standardised log-mel, shape (B, 1, T, M)."""
    city: Tensor
    """One-hot, the last column for unknown, shape (B, C)."""
    time: Tensor
    """shape (B, 8)"""
    target: Tensor
    """Probability of every scene, shape (B, num_scenes)."""


class Augmenter:
    """Applies an `AugmentRecipe` to batches."""

    def __init__(
        self,
        recipe: AugmentRecipe,
        *,
        mel_std: Sequence[float],
        limits: Range,
        frames_per_second: float,
    ) -> None:
        self._recipe = recipe
        self._mel_std = torch.tensor(mel_std, dtype=torch.float32)
        self._limits = limits
        self._frames_per_second = frames_per_second

    def __call__(self, batch: Batch) -> Batch:
        """Return a changed copy of `batch`."""
        recipe = self._recipe
        features = batch.features
        if recipe.roll_s[1] > 0.0:
            features = roll(features, [s * self._frames_per_second for s in recipe.roll_s])
        if recipe.gain_db > 0.0:
            features = self._change_level(features)
        if recipe.low_pass_share > 0.0:
            features = low_pass(features, recipe.low_pass_share, self._limits[0])
        batch = Batch(features, batch.city, batch.time, batch.target)
        if recipe.mixup_probability[1] > 0.0:
            batch = mixup(batch, recipe.mixup_alpha, recipe.mixup_probability)
        return Batch(self._mask(batch.features), batch.city, batch.time, batch.target)

    def _change_level(self, features: Tensor) -> Tensor:
        level_db = (2.0 * _uniform(features) - 1.0) * self._recipe.gain_db  # (B, 1, 1, 1)
        return (features + level_db / self._mel_std.to(features.device)).clamp(*self._limits)

    def _mask(self, features: Tensor) -> Tensor:
        """SpecAugment; 0 is every band's mean, so a mask tells nothing."""
        longest = round(self._recipe.time_mask_s * self._frames_per_second)
        for _ in range(self._recipe.time_masks):
            features = mask_along_axis_iid(features, longest, 0.0, axis=2)
        for _ in range(self._recipe.mel_masks):
            features = mask_along_axis_iid(features, self._recipe.mel_mask_bands, 0.0, axis=3)
        return features


def roll(features: Tensor, frames: Sequence[float]) -> Tensor:
    """Rotate each window in time by a number of frames drawn from (low, high), either way."""
    low, high = frames
    num_frames = features.shape[2]
    distance = low + (high - low) * _uniform(features)
    sign = 1.0 - 2.0 * (_uniform(features) < 0.5).float()
    shift = (distance * sign).round().long()  # (B, 1, 1, 1)
    frame = torch.arange(num_frames, device=features.device).view(1, 1, -1, 1)
    source = ((frame - shift) % num_frames).expand_as(features)
    return features.gather(2, source)


def low_pass(features: Tensor, share: float, empty: float) -> Tensor:
    """Set all above a random band of the upper three quarters to `empty`, in a `share` of windows.

    So a poor recorder or a low sample rate sounds.
    """
    num_mels = features.shape[3]
    first_empty = num_mels * (0.25 + 0.75 * _uniform(features))
    chosen = _uniform(features) < share
    band = torch.arange(num_mels, device=features.device)  # broadcasts over the last axis
    return features.masked_fill(chosen & (band >= first_empty), empty)


def mixup(batch: Batch, alpha_range: Range, probability_range: Range) -> Batch:
    """Mix a share of the windows, their context and their targets with those of other windows."""
    alpha = float(torch.empty(()).uniform_(*alpha_range))
    probability = float(torch.empty(()).uniform_(*probability_range))
    size = len(batch.features)
    beta = torch.distributions.Beta(alpha, alpha).sample((size,)).to(batch.features.device)
    mixed = torch.rand(size, device=batch.features.device) < probability
    own = torch.where(mixed, beta, torch.ones_like(beta))
    other = torch.randperm(size, device=batch.features.device)

    def mix(values: Tensor) -> Tensor:
        weight = own.view(-1, *[1] * (values.dim() - 1))
        return weight * values + (1.0 - weight) * values[other]

    return Batch(mix(batch.features), mix(batch.city), mix(batch.time), mix(batch.target))


def hide_context(batch: Batch, city_share: float, time_share: float) -> Batch:
    """Replace the city, and independently the time, of a share of the windows by "unknown"."""
    size = len(batch.city)
    unknown_city = torch.zeros_like(batch.city)
    unknown_city[:, -1] = 1.0
    unknown_time = torch.from_numpy(SceneContext().encode_time()).to(batch.time)
    no_city = torch.rand(size, 1, device=batch.city.device) < city_share
    no_time = torch.rand(size, 1, device=batch.time.device) < time_share
    return Batch(
        batch.features,
        torch.where(no_city, unknown_city, batch.city),
        torch.where(no_time, unknown_time, batch.time),
        batch.target,
    )


def _uniform(features: Tensor) -> Tensor:
    """One number in [0, 1) a window, shape (B, 1, 1, 1)."""
    return torch.rand(len(features), 1, 1, 1, device=features.device)
