"""Figures of judges whose answers are known, and the two real judges beside what they wrap."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from edge_asc.audio import read_audio
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.scenes import CITIES
from edge_asc.training.checkpoint import Checkpoint, save_checkpoint
from edge_asc.training.context_report import NO_SOUND, SHUFFLED, SOUND_ONLY, Condition
from edge_asc.training.datasets import Clip
from edge_asc.training.evaluate import (
    CheckpointJudge,
    ModelFileJudge,
    Subject,
    evaluate,
    evaluate_command,
)
from edge_asc.training.models import NetworkConfig, build

SCENES = ("bus", "bar", "metro")
SUBJECT = Subject("made-up", ("clips",), "all folds", None, None)
NOON = datetime(2023, 5, 1, 12)


@dataclass
class CityListener:
    """Knows each city's scene and nothing else: without a city it answers "bar"."""

    scene_of: Mapping[str, str]
    scenes: tuple[str, ...] = SCENES
    trained_cities: tuple[str, ...] = ("Jinan", "Hefei")
    uses_context: bool = True
    window_s: float = 10.0
    temperature: float = 1.0
    metrics: Mapping[str, Any] = field(default_factory=dict)

    def answer(
        self, pieces: Sequence[Clip], conditions: Sequence[Condition]
    ) -> dict[str, np.ndarray]:
        rows = dict(zip(SCENES, np.eye(3) * 0.7 + 0.1, strict=True))
        return {
            c.name: np.array([rows[self.scene_of.get(str(k.city), "bar")] for k in c.contexts])
            for c in conditions
        }


def clip(scene: str, city: str | None, group: str) -> Clip:
    context = SceneContext(city, NOON)
    return Clip(Path(f"{group}.wav"), 0.0, 10.0, scene, context, group, None, "clips")


CLIPS = [
    *(clip("bus", "Jinan", f"jinan {i}") for i in range(4)),
    *(clip("bar", "Hefei", f"hefei {i}") for i in range(4)),
    *(clip("bar", "Luoyang", f"luoyang {i % 2}") for i in range(4)),
]
JUDGE = CityListener({"Jinan": "bus", "Hefei": "metro", "Luoyang": "bus"})


def test_figures_of_a_judge_that_only_knows_the_city():
    found = evaluate(JUDGE, CLIPS, SUBJECT)
    # Jinan is known and right; Hefei is known and wrong; Luoyang, not trained, counts as unknown,
    # for which this judge says "bar", as it is.
    assert found.scores.accuracy == pytest.approx(8 / 12)
    assert found.scores.recalls == (1.0, 0.5, None)
    assert found.num_untrained_city == 4
    assert [(p.name, p.accuracy, p.num_groups) for p in found.by_city] == [
        ("Hefei", 0.0, 4),
        ("Jinan", 1.0, 4),
        ("Luoyang", 1.0, 2),
    ]
    assert len(found.by_group) == 10
    # Its confidence is always 0.8.
    assert found.calibration.error == pytest.approx(0.8 - 8 / 12)
    context = {row.name: row.accuracy for row in found.context.rows}
    assert context[SOUND_ONLY] == pytest.approx(8 / 12)  # "bar" for all is right for eight
    assert context["sound and time"] == context[SOUND_ONLY]
    assert context["sound and city"] == context["sound, city and time"] == pytest.approx(8 / 12)
    assert context[NO_SOUND] == context["sound, city and time"]
    assert SHUFFLED in context


def test_what_the_training_run_remembers_is_passed_on():
    metrics = {"train_clips": {"clips": 7}, "controls_line": "without ears: 99 %"}
    found = evaluate(replace(JUDGE, metrics=metrics), CLIPS, SUBJECT)
    assert found.trained_on == {"clips": 7}
    assert found.controls_line == "without ears: 99 %"
    assert evaluate(JUDGE, CLIPS, SUBJECT).controls_line is None


def test_a_network_without_context_is_asked_once():
    found = evaluate(replace(JUDGE, uses_context=False, trained_cities=()), CLIPS, SUBJECT)
    assert [row.name for row in found.context.rows] == [SOUND_ONLY]
    assert found.num_untrained_city == 0
    assert len(found.by_city) == 3


def test_clips_without_a_city_have_no_cities():
    clips = [replace(c, context=SceneContext()) for c in CLIPS]
    assert evaluate(JUDGE, clips, SUBJECT).by_city == ()


def test_a_label_that_the_model_does_not_know():
    with pytest.raises(DataError, match="'tram', which this model does not know; it knows bus, "):
        evaluate(JUDGE, [clip("tram", None, "a")], SUBJECT)


# The real judges


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight seconds of noise, ever louder, with city and time, in two folds."""
    folder = tmp_path_factory.mktemp("corpus")
    rng = np.random.default_rng(3)
    lines = ["file,label,fold,group,city,time"]
    for i in range(8):
        sound = 0.02 * (i + 1) * rng.standard_normal(44_100)
        soundfile.write(folder / f"{i}.wav", sound, 44_100)
        city = ("Jinan", "Hefei")[i % 2]
        lines.append(f"{i}.wav,{SCENES[i % 2]},{1 + i // 4},visit {i // 2},{city},2023-05-01 12:30")
    (folder / "clips.csv").write_text("\n".join(lines) + "\n")
    return folder


@pytest.fixture(autouse=True)
def _cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_ASC_CACHE", str(tmp_path / "cache"))


def checkpoint(temperature: float = 1.0, fusion: str = "gated") -> Checkpoint:
    """A network with the weights that it began with."""
    config = NetworkConfig("edge", fusion, len(SCENES), len(CITIES) + 1, 50, cell_frames=50)  # type: ignore[arg-type]
    torch.manual_seed(0)
    return Checkpoint(
        state_dict=build(config).state_dict(),
        network=config,
        features=FeatureConfig(),
        scenes=SCENES,
        cities=CITIES,
        trained_cities=("Jinan",),
        window_s=1.0,
        mel_mean=(-20.0,) * 64,
        mel_std=(5.0,) * 64,
        standardized_range=(-4.5, 4.5),
        recipe={},
        versions={},
        metrics={"train_clips": {"elsewhere": 5}},
        name="fresh",
        licence="MIT",
        temperature=temperature,
    )


def piece(path: Path, city: str | None = "Jinan", duration_s: float | None = None) -> Clip:
    return Clip(path, 0.0, duration_s, "bus", SceneContext(city, NOON), "g", None, "corpus")


def test_a_checkpoint_answers_by_condition_and_temperature(corpus: Path):
    pieces = [piece(corpus / f"{i}.wav") for i in range(3)]
    conditions = [
        Condition("told", [p.context for p in pieces]),
        Condition("nothing", [SceneContext()] * 3),
        Condition("silent", [p.context for p in pieces], has_sound=False),
    ]
    plain = CheckpointJudge(checkpoint()).answer(pieces, conditions)
    warm = CheckpointJudge(checkpoint(temperature=2.0)).answer(pieces, conditions)
    for name, values in plain.items():
        np.testing.assert_allclose(values.sum(axis=1), 1.0)
        root = np.sqrt(values)  # softmax(z / 2)
        np.testing.assert_allclose(warm[name], root / root.sum(axis=1, keepdims=True), rtol=1e-6)
    assert not np.allclose(plain["told"], plain["nothing"], atol=1e-5)
    # Without sound three windows of one context are the same.
    np.testing.assert_allclose(plain["silent"][0], plain["silent"][2], atol=1e-6)
    assert not np.allclose(plain["told"][0], plain["told"][2], atol=1e-5)


def test_a_model_file_answers_as_a_device_would(tmp_path: Path):
    path = tmp_path / "noise.wav"
    rng = np.random.default_rng(1)
    soundfile.write(path, 0.1 * rng.standard_normal(12 * 44_100), 44_100)
    model = ModelFile.read(default_model_path())
    contexts = [SceneContext("Hefei", NOON), SceneContext("Hefei", NOON)]
    pieces = [piece(path, "Hefei", 10.0), replace(piece(path, "Hefei", 10.0), start_s=2.0)]
    conditions = [
        Condition("told", contexts),
        Condition("nothing", [SceneContext()] * 2),
        Condition("silent", contexts, has_sound=False),
    ]
    found = ModelFileJudge(model).answer(pieces, conditions)
    device = SceneClassifier(model)
    for row, start_s in enumerate((0.0, 2.0)):
        samples = read_audio(path, 44_100, start_s, 10.0)
        for name, context in (("told", contexts[row]), ("nothing", SceneContext())):
            expected = device.classify(samples, context).probabilities
            np.testing.assert_array_equal(found[name][row], expected)
    np.testing.assert_array_equal(found["silent"][0], found["silent"][1])
    assert not np.array_equal(found["silent"][0], found["told"][0])


@pytest.fixture
def model(tmp_path: Path) -> Path:
    save_checkpoint(tmp_path / "checkpoint.safetensors", checkpoint(temperature=1.5))
    return tmp_path / "checkpoint.safetensors"


def test_the_command_writes_json_and_a_page(corpus: Path, model: Path, tmp_path: Path, capsys):
    evaluate_command(model, [corpus], ["2"], "json", html=tmp_path / "page.html")
    values = json.loads(capsys.readouterr().out)
    assert (values["folds"], values["num_clips"], values["num_windows"]) == (["2"], 4, 4)
    assert (values["temperature"], values["window_s"]) == (1.5, 1.0)
    assert values["trained_on"] == {"elsewhere": 5}
    assert values["not_testable"] == ["metro"]
    assert set(values["by_group"]) == {"visit 2", "visit 3"}
    assert values["num_untrained_city"] == 2
    assert len(values["context"]["conditions"]) == 6
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    assert page.count("<svg") == 4
    assert "corpus" in page


def test_the_command_takes_a_part_of_a_protocol(corpus: Path, model: Path, capsys):
    found = []
    for part in (1, 2):
        evaluate_command(model, [corpus], None, "json", protocol="visit-2fold", seed=3, part=part)
        found.append(json.loads(capsys.readouterr().out))
    assert found[0]["protocol"] == "protocol visit-2fold-1, seed 3"
    assert found[0]["folds"] is None
    assert all(values["controls_line"].startswith("without ears: ") for values in found)
    groups = [set(values["by_group"]) for values in found]
    assert groups[0].isdisjoint(groups[1])
    assert groups[0] | groups[1] == {f"visit {i}" for i in range(4)}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"protocol": "visit-2fold"}, r"has 2 parts.*\(1 visit-2fold-1, 2 visit-2fold-2\)"),
        ({"protocol": "visit-2fold", "part": 3}, "has no part 3; its parts: 1 visit-2fold-1"),
        ({"protocol": "visit-2fold", "folds": ["1"]}, "either folds or a protocol"),
        ({"folds": ["9"]}, "no such fold: 9; folds found: 1, 2"),
        ({"output_format": "xml"}, "format must be one of text, json, got 'xml'"),
    ],
)
def test_wrong_options_are_named(corpus: Path, model: Path, options, message):
    with pytest.raises(DataError, match=message):
        evaluate_command(model, [corpus], **{"folds": None, "output_format": "text", **options})
