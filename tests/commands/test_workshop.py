"""`edge-asc synth`, `train`, `export`: what they pass on, and what they say without."""

from __future__ import annotations

import sys
import types
from pathlib import Path
from typing import Any

import pytest
import soundfile

from edge_asc.training.train_options import TrainOptions

Calls = list[tuple[tuple[Any, ...], dict[str, Any]]]


def record(monkeypatch: pytest.MonkeyPatch, module: str, function: str) -> Calls:
    """Put a module in place of a heavy one, whose function writes down its calls."""
    calls: Calls = []
    fake = types.ModuleType(module)
    setattr(fake, function, lambda *args, **kwargs: calls.append((args, kwargs)))
    monkeypatch.setitem(sys.modules, module, fake)
    return calls


def test_train(edge_asc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = record(monkeypatch, "edge_asc.training.train", "train_command")
    options = ("--data", "a", "--data", "b", "--out", "run", "--train-folds", "2, 3", "--epochs", 5)
    more = ("--test-fold", "1", "--seed", "7", "--devices", 2, "--labelled-share", "0.2")
    done = edge_asc("train", "edge", *options, *more)
    assert done.exit_code == 0, done.stderr
    wanted = TrainOptions(
        data=[Path("a"), Path("b")],
        out=Path("run"),
        train_folds=["2", "3"],
        test_folds=["1"],
        num_devices=2,
        seed=7,
        epochs=5,
        labelled_share=0.2,
    )
    assert calls == [(("edge", wanted), {})]


def test_train_leaves_the_recipe_its_say(edge_asc: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = record(monkeypatch, "edge_asc.training.train", "train_command")
    edge_asc("train", "edge", "--data", "a", "--out", "run", "--protocol", "day-2fold")
    wanted = TrainOptions(data=[Path("a")], out=Path("run"), protocol="day-2fold")
    assert calls == [(("edge", wanted), {})]


def test_export(edge_asc: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    calls = record(monkeypatch, "edge_asc.export.pipeline", "export_command")
    card = tmp_path / "card.md"
    card.touch()
    edge_asc("export", "run/checkpoint.safetensors", "--float32", "--card", card)
    edge_asc("export", "c.safetensors", "--int8", "-o", "m.tflite", "--demonstration")
    (first, second) = calls
    assert first[0] == (Path("run/checkpoint.safetensors"), Path("run/checkpoint.tflite"))
    assert (first[1]["int8"], first[1]["card"], first[1]["demonstration"]) == (False, card, False)
    assert second[0][1] == Path("m.tflite")
    assert (second[1]["int8"], second[1]["card"], second[1]["demonstration"]) == (True, None, True)


def test_export_with_a_missing_card(edge_asc: Any) -> None:
    done = edge_asc("export", "c.safetensors", "--card", "none.md")
    assert done.exit_code == 2
    assert "none.md: no such file" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "module", "missing", "message"),
    [
        (
            ["train", "edge", "--data", "a", "--out", "b"],
            "edge_asc.training.train",
            "torch",
            "this needs the training packages (torch is missing): pip install 'edge-asc[train]'",
        ),
        (
            ["evaluate", "m", "--data", "a"],
            "edge_asc.training.evaluate",
            "torch",
            "this needs the training packages (torch is missing): pip install 'edge-asc[train]'",
        ),
        (
            ["export", "c"],
            "edge_asc.export.pipeline",
            "onnx2tf.utils",
            "this needs the export packages (onnx2tf.utils is missing):"
            " pip install 'edge-asc[export]'",
        ),
    ],
)
def test_a_missing_package(
    edge_asc: Any,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    module: str,
    missing: str,
    message: str,
) -> None:
    def command(*args: object, **options: object) -> None:
        raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    fake = types.ModuleType(module)
    fake.__dict__[f"{arguments[0]}_command"] = command
    monkeypatch.setitem(sys.modules, module, fake)
    done = edge_asc(*arguments)
    assert done.exit_code == 1
    assert done.stderr == f"edge-asc: error: {message}\n"


def test_synth_a_recording(edge_asc: Any, tmp_path: Path) -> None:
    path = tmp_path / "walk.wav"
    options = ("--scenes", "bus,Urban Park", "--seconds", "2", "--seed", "3")
    done = edge_asc("synth", "--recording", path, *options)
    assert done.exit_code == 0, done.stderr
    assert (done.stdout, done.stderr) == ("", f"wrote {path}\n")
    assert soundfile.info(path).duration == pytest.approx(4.0, abs=0.5)


def test_synth_a_corpus(edge_asc: Any, tmp_path: Path) -> None:
    options = ("--visits", "1", "--clips", "1", "--clip-seconds", "1")
    done = edge_asc("synth", "--out", tmp_path / "corpus", *options)
    assert done.exit_code == 0, done.stderr
    assert len((tmp_path / "corpus" / "clips.csv").read_text(encoding="utf-8").splitlines()) == 11


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ([], "give either --out DIR or --recording FILE"),
        (["--out", "a", "--recording", "b.wav"], "give either --out DIR or --recording FILE"),
        (["--recording", "b.wav", "--scenes", "buss"], "did you mean 'bus'?"),
    ],
)
def test_synth_wrong_usage(edge_asc: Any, options: list[str], message: str) -> None:
    done = edge_asc("synth", *options)
    assert done.exit_code == 2
    assert message in done.stderr
