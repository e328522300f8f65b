from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from edge_asc.context import SceneContext
from edge_asc.training.augment import Augmenter, Batch, hide_context, low_pass, mixup, roll
from edge_asc.training.recipe import AugmentRecipe, load_recipe

NUM_SCENES = 3


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


def augmenter(recipe: AugmentRecipe) -> Augmenter:
    return Augmenter(recipe, mel_std=[2.0] * 16, limits=(-4.5, 4.5), frames_per_second=10.0)


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
