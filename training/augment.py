"""Changes to training windows that leave their scene what it is.

All work on standardised features of shape (B, 1, T, M) and draw from torch's global generator,
which the training run seeds. They come in the order in which sound meets them:

    the sound itself      roll, stretch, mel shift, background
    the device            Freq-MixStyle, level, equalizer, low-pass
    for learning's sake   mixup, masks (torchaudio's SpecAugment)

"Feature dB" are 10 log10 of magnitudes, which is half the level in dB: power doubles every 1.5.
docs/augmentation.md shows each of them on a recording.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor
from torchaudio.functional import mask_along_axis_iid

from edge_asc.context import SceneContext
from edge_asc.training.recipe import AugmentRecipe, Range

EQUALIZER_KNOTS = 6
"""Points between which the random frequency response is a straight line."""

LOG_POWER_PER_FEATURE_DB = math.log(10.0) / 5.0
LOG_POWER_PER_LEVEL_DB = math.log(10.0) / 10.0

MIN_BAND_STD = 1e-3
"""A band whose standardised features vary less over time is as good as constant."""


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
    """Applies an `AugmentRecipe` to batches.

    `mel_mean` and `mel_std` (feature dB) and `limits` are those that the features were standardised
    and clipped by.
    """

    def __init__(
        self,
        recipe: AugmentRecipe,
        *,
        mel_mean: Sequence[float],
        mel_std: Sequence[float],
        limits: Range,
        frames_per_second: float,
    ) -> None:
        self._recipe = recipe
        self._mel_mean = torch.tensor(mel_mean, dtype=torch.float32)
        self._mel_std = torch.tensor(mel_std, dtype=torch.float32)
        self._limits = limits
        self._frames_per_second = frames_per_second

    def __call__(self, batch: Batch) -> Batch:
        """Return a changed copy of `batch`. What is switched off draws no random number."""
        recipe = self._recipe
        features = self._change_device(self._change_sound(batch.features))
        batch = Batch(features, batch.city, batch.time, batch.target)
        if recipe.mixup_probability[1] > 0.0:
            batch = mixup(batch, recipe.mixup_alpha, recipe.mixup_probability)
        return Batch(self._mask(batch.features), batch.city, batch.time, batch.target)

    def _change_sound(self, features: Tensor) -> Tensor:
        recipe = self._recipe
        if recipe.roll_s[1] > 0.0:
            features = roll(features, [s * self._frames_per_second for s in recipe.roll_s])
        if recipe.stretch > 0.0:
            features = stretch(features, 1.0 + recipe.stretch * _either_way(features))
        if recipe.mel_shift > 0.0:
            bands = recipe.mel_shift * _either_way(features)
            features = self._clip(shift_mels(features, bands, *self._scale(features)))
        if recipe.background_share > 0.0:
            features = self._add_background(features)
        return features

    def _change_device(self, features: Tensor) -> Tensor:
        recipe = self._recipe
        if recipe.freq_mix_style_share > 0.0:
            features = self._mix_style(features)
        if recipe.gain_db > 0.0:
            features = self._change_level(features)
        if recipe.equalizer_db > 0.0:
            features = self._equalize(features)
        if recipe.low_pass_share > 0.0:
            features = low_pass(features, recipe.low_pass_share, self._limits[0])
        return features

    def _add_background(self, features: Tensor) -> Tensor:
        low, high = self._recipe.background_snr_db
        snr_db = low + (high - low) * _uniform(features)
        chosen = _uniform(features) < self._recipe.background_share
        other = _others(features)
        changed = add_background(features, other, snr_db, *self._scale(features))
        return torch.where(chosen, self._clip(changed), features)

    def _mix_style(self, features: Tensor) -> Tensor:
        alpha = self._recipe.freq_mix_style_alpha
        own = torch.distributions.Beta(alpha, alpha).sample((len(features), 1, 1, 1))
        chosen = _uniform(features) < self._recipe.freq_mix_style_share
        changed = freq_mix_style(features, _others(features), own.to(features))
        return torch.where(chosen, self._clip(changed), features)

    def _change_level(self, features: Tensor) -> Tensor:
        level_db = self._recipe.gain_db * _either_way(features)  # (B, 1, 1, 1)
        return self._clip(features + level_db / self._mel_std.to(features))

    def _equalize(self, features: Tensor) -> Tensor:
        knots = torch.rand(len(features), 1, EQUALIZER_KNOTS, device=features.device)
        knots_db = (2.0 * knots - 1.0) * self._recipe.equalizer_db
        return self._clip(equalize(features, knots_db, self._mel_std.to(features)))

    def _mask(self, features: Tensor) -> Tensor:
        """SpecAugment (Park et al., Interspeech 2019); 0 is every band's mean and tells nothing."""
        longest = round(self._recipe.time_mask_s * self._frames_per_second)
        for _ in range(self._recipe.time_masks):
            features = mask_along_axis_iid(features, longest, 0.0, axis=2)
        for _ in range(self._recipe.mel_masks):
            features = mask_along_axis_iid(features, self._recipe.mel_mask_bands, 0.0, axis=3)
        return features

    def _scale(self, features: Tensor) -> tuple[Tensor, Tensor]:
        return self._mel_mean.to(features), self._mel_std.to(features)

    def _clip(self, features: Tensor) -> Tensor:
        return features.clamp(*self._limits)


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


def stretch(features: Tensor, speed: Tensor) -> Tensor:
    """Play windows, shape (B, 1, T, M), `speed` times as fast, shape (B, 1, 1, 1).

    Frames are interpolated linearly; a window is a circle, so it starts anew where it ends early.
    Pitch stays, as after time stretching (Salamon and Bello, IEEE SPL 24(3), 2017).
    """
    size, _, num_frames, num_mels = features.shape
    position = speed.view(size, 1) * torch.arange(num_frames, device=features.device)  # (B, T)
    before = position.floor()
    first_frame = torch.arange(size, device=features.device).view(size, 1) * num_frames
    frames = features.reshape(size * num_frames, num_mels)
    here = frames[first_frame + before.long() % num_frames]  # (B, T, M)
    after = frames[first_frame + (before.long() + 1) % num_frames]
    return torch.lerp(here, after, (position - before).unsqueeze(2)).view_as(features)


def shift_mels(features: Tensor, bands: Tensor, mel_mean: Tensor, mel_std: Tensor) -> Tensor:
    """Move the spectra of windows, shape (B, 1, T, M), up by `bands`, shape (B, 1, 1, 1).

    Feature dB, which `mel_mean` and `mel_std`, shape (M,), give back, are interpolated linearly and
    the outermost bands repeated. Above 1 kHz, where Slaney's scale is logarithmic, a band is 6.5 %
    of pitch; below, it is 61 Hz (pitch shifting: Salamon and Bello, as above).
    """
    num_mels = features.shape[3]
    band = torch.arange(num_mels, device=features.device)
    source = (band - bands).clamp(0, num_mels - 1)  # (B, 1, 1, M)
    weight = (1.0 - (band.view(-1, 1) - source).abs()).clamp_min(0.0)  # (B, 1, M from, M to)
    return ((features * mel_std + mel_mean) @ weight - mel_mean) / mel_std


def add_background(
    features: Tensor, other: Tensor, snr_db: Tensor, mel_mean: Tensor, mel_std: Tensor
) -> Tensor:
    """Add to windows, shape (B, 1, T, M), the sound of the windows `other`, shape (B,).

    Two sounds know nothing of each other, so their powers add. `snr_db`, shape (B, 1, 1, 1), is the
    level of a window above its background, by their mean power over all frames and bands (each
    Slaney band counts alike). After Salamon and Bello, as above, who add scenes to waveforms; here
    a band's squared magnitude stands for its power.
    """
    log_power = (features * mel_std + mel_mean) * LOG_POWER_PER_FEATURE_DB
    loudness = log_power.logsumexp(dim=(2, 3), keepdim=True)
    gain = loudness - loudness[other] - snr_db * LOG_POWER_PER_LEVEL_DB
    total = torch.logaddexp(log_power, log_power[other] + gain)
    return (total / LOG_POWER_PER_FEATURE_DB - mel_mean) / mel_std


def freq_mix_style(features: Tensor, other: Tensor, own: Tensor) -> Tensor:
    """Give windows, shape (B, 1, T, M), a frequency response between theirs and that of `other`.

    Mean and deviation over time of every band become `own`, shape (B, 1, 1, 1), times theirs plus
    the rest of those of the windows `other`, shape (B,). MixStyle (Zhou et al., ICLR 2021) on
    frequencies, where devices differ (Kim et al., Interspeech 2022, arXiv:2206.12513).
    """
    std, mean = torch.std_mean(features, dim=2, correction=0, keepdim=True)  # (B, 1, 1, M)
    std = std.clamp_min(MIN_BAND_STD)
    mixed_mean = torch.lerp(mean[other], mean, own)
    mixed_std = torch.lerp(std[other], std, own)
    return (features - mean) * (mixed_std / std) + mixed_mean


def equalize(features: Tensor, knots_db: Tensor, mel_std: Tensor) -> Tensor:
    """Add to windows, shape (B, 1, T, M), a frequency response, the same in every frame.

    It runs straight between `knots_db` (feature dB), shape (B, 1, K), which lie evenly from the
    lowest to the highest band. So microphones, bags and rooms colour sound; the idea is that of
    FilterAugment (Nam et al., ICASSP 2022).
    """
    response_db = F.interpolate(
        knots_db, size=features.shape[3], mode="linear", align_corners=True
    )  # (B, 1, M)
    return features + response_db.unsqueeze(2) / mel_std


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


def _others(features: Tensor) -> Tensor:
    """Index of another window for each, shape (B,); its own where there is no other."""
    size = len(features)
    distance = torch.randint(1, max(2, size), (1,), device=features.device)
    return (torch.arange(size, device=features.device) + distance) % size


def _either_way(features: Tensor) -> Tensor:
    """One number in [-1, 1) a window, shape (B, 1, 1, 1)."""
    return 2.0 * _uniform(features) - 1.0


def _uniform(features: Tensor) -> Tensor:
    """One number in [0, 1) a window, shape (B, 1, 1, 1)."""
    return torch.rand(len(features), 1, 1, 1, device=features.device)
