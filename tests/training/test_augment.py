from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.training.augment import Augmenter, Batch, hide_context, low_pass, mixup, roll
from edge_asc.training.recipe import AugmentRecipe, load_recipe, shipped_recipes

NUM_SCENES = 3
LIMITS = (-4.5, 4.5)

EACH_SWITCH = {
    "roll": AugmentRecipe(roll_s=(0.1, 0.9)),
    "stretch": AugmentRecipe(stretch=0.2),
    "mel shift": AugmentRecipe(mel_shift=3.0),
    "background": AugmentRecipe(background_share=0.7, background_snr_db=(-5.0, 20.0)),
    "freq-mix-style": AugmentRecipe(freq_mix_style_share=0.7, freq_mix_style_alpha=0.3),
    "gain": AugmentRecipe(gain_db=5.0),
    "equalizer": AugmentRecipe(equalizer_db=4.0),
    "low-pass": AugmentRecipe(low_pass_share=0.5),
    "mixup": AugmentRecipe(mixup_alpha=(0.3, 0.6), mixup_probability=(0.5, 0.9)),
    "masks": AugmentRecipe(time_masks=1, time_mask_s=0.6, mel_masks=1, mel_mask_bands=5),
}
EVERYTHING = AugmentRecipe(
    **{
        key: value
        for recipe in EACH_SWITCH.values()
        for key in AugmentRecipe.__dataclass_fields__
        if (value := getattr(recipe, key)) != getattr(AugmentRecipe(), key)
    }
)


@pytest.fixture
def batch() -> Batch:
    torch.manual_seed(0)
    size = 400
    label = torch.randint(NUM_SCENES, (size,))
    return Batch(
        features=torch.randn(size, 1, 20, 16),
        city=torch.eye(5)[torch.randint(4, (size,))],
        time=torch.rand(size, 8) * 0.5,
        target=torch.nn.functional.one_hot(label, NUM_SCENES).float(),
    )


def augmenter(recipe: AugmentRecipe, limits: tuple[float, float] = LIMITS) -> Augmenter:
    return Augmenter(
        recipe,
        mel_mean=torch.linspace(-10.0, -40.0, 16).tolist(),
        mel_std=[2.0] * 16,
        limits=limits,
        frames_per_second=10.0,
    )


def test_nothing_is_changed_by_default(batch):
    changed = augmenter(AugmentRecipe())(batch)
    assert torch.equal(changed.features, batch.features)
    assert torch.equal(changed.target, batch.target)


def test_a_seed_fixes_everything(batch):
    recipe = replace(
        load_recipe("default").augment, time_mask_s=0.5, mel_mask_bands=4, roll_s=(0.1, 0.9)
    )
    results = []
    for _ in range(2):
        torch.manual_seed(7)
        results.append(augmenter(recipe)(batch))
    assert torch.equal(results[0].features, results[1].features)
    assert not torch.equal(results[0].features, batch.features)


@pytest.mark.parametrize("name", [*EACH_SWITCH, "everything"])
def test_each_switch_keeps_shape_range_and_distributions_and_obeys_the_seed(batch, name):
    recipe = EACH_SWITCH.get(name, EVERYTHING)
    batch = replace(batch, features=batch.features.clamp(*LIMITS))
    before = batch.features.clone()
    results = []
    for seed in (7, 7, 8):
        torch.manual_seed(seed)
        results.append(augmenter(recipe)(batch))
    assert torch.equal(results[0].features, results[1].features)
    assert torch.equal(results[0].target, results[1].target)
    assert not torch.equal(results[0].features, results[2].features)
    assert torch.equal(batch.features, before)  # the caller's windows are left alone
    changed = results[0].features
    assert changed.shape == before.shape
    assert changed.dtype == torch.float32
    # Mixup may round an equal mixture of two limits in its last digit.
    assert changed.min() >= LIMITS[0] - 1e-6
    assert changed.max() <= LIMITS[1] + 1e-6
    torch.testing.assert_close(results[0].target.sum(dim=1), torch.ones(400))
    torch.testing.assert_close(results[0].city.sum(dim=1), torch.ones(400))


@pytest.mark.parametrize("name", ["background", "freq-mix-style", "equalizer", "mel shift"])
def test_what_leaves_the_range_is_clipped_to_it(batch, name):
    narrow = (-0.5, 0.5)
    tight = replace(batch, features=batch.features.clamp(*narrow))
    changed = augmenter(EACH_SWITCH[name], narrow)(tight).features
    assert changed.min() >= -0.5
    assert changed.max() <= 0.5


@pytest.mark.parametrize("name", [*EACH_SWITCH, "everything"])
def test_a_batch_of_one_works(batch, name):
    one = Batch(batch.features[:1], batch.city[:1], batch.time[:1], batch.target[:1])
    changed = augmenter(EACH_SWITCH.get(name, EVERYTHING))(one)
    assert changed.features.shape == (1, 1, 20, 16)
    assert changed.features.isfinite().all()
    assert torch.equal(changed.target, one.target)


@pytest.mark.parametrize("name", ["background", "freq-mix-style"])
def test_only_the_share_is_changed_and_its_target_is_kept(batch, name):
    changed = augmenter(EACH_SWITCH[name])(batch)
    touched = (changed.features != batch.features).flatten(1).any(dim=1)
    assert touched.float().mean() == pytest.approx(0.7, abs=0.07)
    assert torch.equal(changed.target, batch.target)


@pytest.mark.parametrize("name", shipped_recipes())
def test_what_is_off_draws_no_random_number(batch, name):
    """The seed gives what the five other steps give by hand, to the last bit."""
    recipe = replace(
        load_recipe(name).augment,
        stretch=0.0,
        mel_shift=0.0,
        background_share=0.0,
        freq_mix_style_share=0.0,
        equalizer_db=0.0,
        time_mask_s=0.5,
        mel_mask_bands=4,
    )
    torch.manual_seed(7)
    changed = augmenter(recipe)(batch)
    torch.manual_seed(7)
    features = batch.features
    if recipe.roll_s[1] > 0.0:
        features = roll(features, [10.0 * s for s in recipe.roll_s])
    if recipe.gain_db > 0.0:
        level_db = (2.0 * torch.rand(400, 1, 1, 1) - 1.0) * recipe.gain_db
        features = (features + level_db / 2.0).clamp(*LIMITS)
    if recipe.low_pass_share > 0.0:
        features = low_pass(features, recipe.low_pass_share, LIMITS[0])
    expected = replace(batch, features=features)
    if recipe.mixup_probability[1] > 0.0:
        expected = mixup(expected, recipe.mixup_alpha, recipe.mixup_probability)
    masks = AugmentRecipe(
        time_masks=recipe.time_masks,
        time_mask_s=0.5,
        mel_masks=recipe.mel_masks,
        mel_mask_bands=4,
    )
    assert torch.equal(changed.features, augmenter(masks)(expected).features)
    assert torch.equal(changed.target, expected.target)


@pytest.mark.parametrize(
    ("switch", "message"),
    [
        ({"background_share": 1.5}, r"background_share must be 0 to 1, got 1.5"),
        ({"freq_mix_style_alpha": 0.0}, r"freq_mix_style_alpha must be 0.001 to 1000"),
        ({"stretch": 1.0}, r"stretch must be 0 to 0.9, got 1.0"),
        ({"equalizer_db": -3.0}, r"equalizer_db must be 0 to 40, got -3.0"),
    ],
)
def test_switches_out_of_range_are_refused(switch, message):
    with pytest.raises(DataError, match=message):
        AugmentRecipe(**switch)


def test_roll_rotates_by_a_distance_in_range(batch):
    rolled = roll(batch.features, (3, 5))
    shifts = set()
    for before, after in zip(batch.features, rolled, strict=True):
        found = [s for s in range(-10, 10) if torch.equal(before.roll(s, dims=1), after)]
        assert len(found) == 1
        shifts.add(found[0])
    assert shifts == {-5, -4, -3, 3, 4, 5}


def test_gain_moves_all_bands_by_one_level_in_decibels(batch):
    quiet = replace(batch, features=batch.features * 0.1)
    changed = augmenter(AugmentRecipe(gain_db=4.0))(quiet)
    shift = changed.features - quiet.features
    assert shift.flatten(1).std(dim=1).max() < 1e-6
    level = shift[:, 0, 0, 0]
    assert level.min() < -1.8
    assert level.max() > 1.8
    assert level.abs().max() <= 4.0 / 2.0  # a band's std is 2 dB


def test_gain_stays_within_the_clip_limits(batch):
    loud = replace(batch, features=torch.full_like(batch.features, 4.4))
    assert augmenter(AugmentRecipe(gain_db=6.0))(loud).features.max() <= 4.5


def test_equalizer_stays_within_its_decibels_and_uses_them(batch):
    quiet = replace(batch, features=batch.features * 0.1)
    changed = augmenter(AugmentRecipe(equalizer_db=3.0))(quiet)
    added_db = 2.0 * (changed.features - quiet.features)  # a band's std is 2 dB
    assert added_db.abs().max() <= 3.0 + 1e-4
    assert added_db.abs().max() > 2.9


def test_low_pass_empties_upper_bands_of_its_share(batch):
    changed = low_pass(batch.features, 0.25, -4.5)
    emptied = (changed == -4.5).all(dim=2)[:, 0]  # (B, M)
    assert emptied.any(dim=1).float().mean() == pytest.approx(0.25, abs=0.06)
    assert not emptied[:, :4].any()
    # Once empty, empty up to the top.
    assert torch.equal(emptied, emptied.int().cummax(dim=1).values.bool())


def test_mixup_keeps_a_distribution_and_mixes_its_share(batch):
    mixed = mixup(batch, (0.7, 0.7), (0.5, 0.5))
    torch.testing.assert_close(mixed.target.sum(dim=1), torch.ones(400))
    torch.testing.assert_close(mixed.city.sum(dim=1), torch.ones(400))
    changed = (mixed.features != batch.features).flatten(1).any(dim=1)
    assert changed.float().mean() == pytest.approx(0.5, abs=0.08)


def test_mixup_mixes_features_and_targets_with_one_weight(batch):
    whole = replace(batch, features=batch.target.view(400, 1, 1, 3).expand(-1, 1, 20, 3).clone())
    mixed = mixup(whole, (0.7, 0.7), (1.0, 1.0))
    torch.testing.assert_close(mixed.features[:, 0, 0], mixed.target)


def test_masks_are_the_mean_and_no_wider_than_allowed(batch):
    recipe = AugmentRecipe(time_masks=1, time_mask_s=0.6, mel_masks=1, mel_mask_bands=5)
    changed = augmenter(recipe)(batch).features
    masked_frames = (changed == 0.0).all(dim=3)[:, 0].sum(dim=1)
    masked_bands = (changed == 0.0).all(dim=2)[:, 0].sum(dim=1)
    assert 0 < masked_frames.max() <= 6
    assert 0 < masked_bands.max() <= 5
    untouched = changed != 0.0
    assert torch.equal(changed[untouched], batch.features[untouched])


def test_hidden_context_is_the_code_for_unknown(batch):
    unknown_time = torch.from_numpy(SceneContext().encode_time())
    hidden = hide_context(batch, 1.0, 1.0)
    assert torch.equal(hidden.city, torch.eye(5)[[4] * 400])
    assert torch.equal(hidden.time, unknown_time.expand(400, 8))
    assert torch.equal(hidden.features, batch.features)


def test_city_and_time_are_hidden_independently(batch):
    hidden = hide_context(batch, 0.3, 0.6)
    no_city = hidden.city[:, -1] == 1.0
    no_time = (hidden.time == 1.0).all(dim=1)
    assert no_city.float().mean() == pytest.approx(0.3, abs=0.07)
    assert no_time.float().mean() == pytest.approx(0.6, abs=0.07)
    assert (no_city & no_time).float().mean() == pytest.approx(0.18, abs=0.06)
