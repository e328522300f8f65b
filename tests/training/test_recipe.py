from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_asc.errors import DataError
from edge_asc.training.recipe import load_recipe, shipped_recipes

HEAD = 'name = "x"\ndescription = "y"\n'


def load(tmp_path: Path, text: str):
    path = tmp_path / "recipe.toml"
    path.write_text(HEAD + text, encoding="utf-8")
    return load_recipe(str(path))


def test_defaults_are_the_papers(tmp_path):
    recipe = load(tmp_path, "")
    optimizer, loop = recipe.optimizer, recipe.loop
    assert (optimizer.name, optimizer.learning_rate) == ("adam", 1e-4)
    assert (optimizer.schedule, optimizer.step_epochs, optimizer.step_factor) == ("step", 2, 0.9)
    assert (loop.epochs, loop.batch_size, loop.patience) == (100, 64, 10)


@pytest.mark.parametrize("name", shipped_recipes())
def test_shipped_recipes_load_and_travel_as_json(name):
    recipe = load_recipe(name)
    assert json.loads(json.dumps(recipe.to_dict()))["name"] == recipe.name


def test_the_shipped_recipes():
    assert shipped_recipes() == ["default", "edge", "esc10", "paper", "urban_events"]


def test_the_paper_recipe_augments_as_the_paper_says():
    augment = load_recipe("paper").augment
    assert augment.roll_s == (0.1, 0.3)
    assert augment.mixup_alpha == (0.6, 0.8)
    assert augment.mixup_probability == (0.3, 0.8)


def test_values_are_converted(tmp_path):
    recipe = load(
        tmp_path,
        "[data]\nwindow_s = 4\nbalance = ['scene']\n[data.exclude.folder]\nlicence = 'CC*'\n"
        "[augment]\nroll_s = [0, 1]\n",
    )
    assert recipe.data.window_s == 4.0
    assert isinstance(recipe.data.window_s, float)
    assert recipe.data.balance == ("scene",)
    assert recipe.data.exclude == {"folder": {"licence": "CC*"}}
    assert recipe.augment.roll_s == (0.0, 1.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs = 3", "unknown key 'epochs'; allowed: name"),
        ("[loop]\nepoch = 3", "loop.unknown key 'epoch'; did you mean 'epochs'"),
        ("[loop]\nepochs = 2.5", "loop.epochs must be int, got 2.5"),
        ("[loop]\nepochs = true", "loop.epochs must be int, got True"),
        ("[loop]\nprecision = 'fp8'", "loop.precision must be one of"),
        ("[augment]\nroll_s = [1.0]", "augment.roll_s must be"),
        ("[data]\nbalance = ['city']", "data.balance must be one of"),
        ("[data.exclude]\nlicence = 'CC*'", "data.exclude.licence must be"),
        ("[loop", "not a TOML file"),
    ],
)
def test_mistakes_are_named(tmp_path, text, message):
    with pytest.raises(DataError) as caught:
        load(tmp_path, text)
    assert message in str(caught.value)


def test_a_missing_name_is_an_error(tmp_path):
    path = tmp_path / "r.toml"
    path.write_text('description = "y"\n', encoding="utf-8")
    with pytest.raises(DataError, match="key 'name' is missing"):
        load_recipe(str(path))


def test_an_unknown_recipe_lists_the_shipped_ones():
    with pytest.raises(DataError, match="default, edge, esc10, paper, urban_events"):
        load_recipe("egde")
