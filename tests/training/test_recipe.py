from __future__ import annotations

import json
from pathlib import Path

import pytest

from edge_asc.errors import DataError
from edge_asc.training.recipe import OptimizerRecipe, load_recipe, shipped_recipes

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
    rows = [name for name in shipped_recipes() if name.startswith("table3_")]
    assert len(rows) == 8
    assert {"default", "edge", "esc10", "linear", "urban_events"} <= set(shipped_recipes())


def test_the_rows_of_table_3_are_what_the_paper_says():
    rows = {name: load_recipe(name) for name in shipped_recipes() if name.startswith("table3_")}
    external = rows.pop("table3_external")
    # Section 3: augmentation in fine-tuning only; section 4.2: three stages for every row.
    assert external.augment.roll_s == (0.0, 0.0)
    assert all(row.semi.epochs == row.loop.epochs for row in rows.values())
    assert all(row.optimizer == OptimizerRecipe() for row in rows.values())
    del rows["table3_baseline"]
    assert all(row.augment.roll_s == (0.1, 0.3) for row in rows.values())
    mixup = [name for name, row in rows.items() if row.augment.mixup_probability != (0.0, 0.0)]
    assert mixup == ["table3_pretrained_mixup"]
    assert rows[mixup[0]].augment.mixup_alpha == (0.6, 0.8)
    frozen = [name for name, row in rows.items() if row.transfer.freeze]
    assert frozen == ["table3_pretrained_freeze"]
    scratch = [name for name, row in rows.items() if row.transfer.backbone == "none"]
    assert scratch == ["table3_scratch"]


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
        ("[transfer]\nfreeze = 1", "transfer.freeze must be bool, got 1"),
        ("[loop]\nprecision = 'fp8'", "loop.precision must be one of"),
        ("[augment]\nroll_s = [1.0]", "augment.roll_s must be"),
        ("[data]\nbalance = ['city']", "data.balance must be one of"),
        ("[data.exclude]\nlicence = 'CC*'", "data.exclude.licence must be"),
        ("[loop", "not a TOML file"),
        ("[int8]\nclip_share = 0.2", "int8.clip_share must be 0 to 0.1, got 0.2"),
        ("[int8]\nclip_share = -1e-3", "int8.clip_share must be 0 to 0.1, got -0.001"),
        ("[int8]\nclip_share = 1e-3\nepochs = -1", "int8.epochs must be at least 0, got -1"),
        ("[int8]\nepochs = 3", "(--qat) need a clip_share above 0: put clip_share = 1e-3 under"),
        (
            "[network]\nvariant = 'se_trans'\nfusion = 'none'\n[int8]\nclip_share = 1e-3",
            "[int8] is for the variants paper and edge, not for 'se_trans': leave the section out",
        ),
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
    with pytest.raises(
        DataError, match="default, edge, esc10, esc10_pretrained, linear, table3_baseline"
    ):
        load_recipe("egde")
