"""All of `edge-asc table3` on tiny synthetic sets, and what it says when something is wrong."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from edge_asc.errors import CheckpointError, DataError, EdgeAscError
from edge_asc.training import table3
from edge_asc.training.datasets.published_layouts import write_layout
from edge_asc.training.recipe import load_recipe
from edge_asc.training.table3 import EXTERNAL_RECIPE, ROWS, TableOptions, plan_table, run_table
from edge_asc.training.table3_report import collect, lines, write_table


@pytest.fixture(scope="module")
def sets(tmp_path_factory) -> tuple[Path, Path]:
    """A CAS 2023 of 60 clips (half of them labelled) and a CochlScene of 10, all of a second."""
    folder = tmp_path_factory.mktemp("sets")
    counts: dict[str, Any] = {"clips_per_visit": 2, "clip_s": 1.0, "num_workers": 1}
    write_layout(
        folder / "cas", "cas2023", visits_per_scene=3, unlabelled_share=0.5, seed=0, **counts
    )
    write_layout(folder / "cochl", "cochlscene", visits_per_scene=3, seed=1, **counts)
    return folder / "cas", folder / "cochl"


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGE_ASC_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def make_options(sets: tuple[Path, Path], out: Path, **changes) -> TableOptions:
    options = TableOptions(
        data=sets[0],
        external=[sets[1]],
        out=out,
        protocols=["visit-2fold"],
        rows=[EXTERNAL_RECIPE, "table3_pretrained_freeze"],
        seeds=[0],
        jobs=2,
        epochs=1,
    )
    return replace(options, **changes)


@pytest.fixture(scope="module")
def finished(sets, tmp_path_factory) -> TableOptions:
    options = make_options(sets, tmp_path_factory.mktemp("table") / "out")
    run_table(plan_table(options))
    return options


def test_the_rows_are_those_of_the_paper():
    """Table 3 of the paper, in its order; then ours."""
    assert [row.paper_accuracy for row in ROWS] == [
        96.0, 97.3, 86.8, 96.8, 96.9, 96.3, 97.2, 97.5, None, None,
    ]  # fmt: skip
    assert [row.needs_external for row in ROWS] == [False, False] + [True] * 6 + [False, False]
    assert all(load_recipe(row.recipe).name for row in ROWS)


def test_a_whole_table(finished):
    table = plan_table(finished)
    (part,) = collect(table)
    external, frozen = part.entries
    assert external.note == "on the 5 scenes that the external sets have"  # those of CochlScene
    assert external.num_clips < frozen.num_clips == 30
    assert frozen.stage1_macro_recall is not None
    assert (frozen.parameters, frozen.spread_over_seeds) == (337_514, None)
    text = "\n".join(lines(table, [part]))
    assert "Table 3 by visit-2fold: cas2023 (synthetic), 30 labelled clips" in text
    assert "without ears" in text
    assert "96.9" in text
    write_table(table, [part])
    stored = json.loads((finished.out / "table3.json").read_text())
    rows = stored["protocols"]["visit-2fold"]["rows"]
    assert rows["table3_pretrained_freeze"]["macro_recall"] == frozen.macro_recall
    page = (finished.out / "table3.html").read_text()
    assert "Pretrained + Freeze" in page
    assert "<script" not in page


def test_what_is_done_is_not_done_again(finished, monkeypatch):
    runs: list[Path] = []
    monkeypatch.setattr(table3, "_run", lambda folder, arguments: runs.append(folder))
    run_table(plan_table(finished))
    assert runs == []
    run_table(plan_table(replace(finished, seeds=[0, 1])))
    # The external network of the new seed, and both parts of its split; the mock trains nothing.
    assert len(runs) == 3


def test_a_table_of_other_settings_is_not_mixed_in(finished):
    with pytest.raises(CheckpointError, match="epochs: 1 there, 2 here"):
        run_table(plan_table(replace(finished, epochs=2)))


def test_rows_that_need_external_sets_are_named_as_not_run(sets, tmp_path):
    table = plan_table(make_options(sets, tmp_path, external=[], rows=[]))
    assert [row.recipe for row in table.rows] == [
        "table3_baseline", "table3_scratch", "edge", "linear",
    ]  # fmt: skip
    assert len(table.skipped) == 6
    assert "not run, needs --external: Pretrained + Freeze" in lines(table, [])
    with pytest.raises(DataError, match="every row asked for begins with external sets"):
        plan_table(make_options(sets, tmp_path, external=[]))


def test_wrong_options_are_named(sets, tmp_path):
    with pytest.raises(DataError, match="no row 'gated'; the rows are table3_baseline"):
        plan_table(make_options(sets, tmp_path, rows=["gated"]))
    with pytest.raises(DataError, match="visit-2fold"):
        plan_table(make_options(sets, tmp_path, protocols=["visits"]))


def test_a_failed_run_is_told_with_its_last_words(sets, tmp_path, monkeypatch):
    (tmp_path / "out").mkdir()
    options = make_options(sets, tmp_path / "out", rows=["linear"], epochs=None)
    monkeypatch.setattr(table3, "_train", lambda options, job: ["no_such_recipe", "--data", "x"])
    with pytest.raises(EdgeAscError, match=r"2 of 2 runs failed; the first: linear control.*"):
        run_table(plan_table(options))
