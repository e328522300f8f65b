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


@pytest.fixture
def exports(monkeypatch: pytest.MonkeyPatch) -> Calls:
    """Calls of the export; its options are tables of what they were made of."""
    calls = record(monkeypatch, "edge_asc.export.command", "export_command")
    command = sys.modules["edge_asc.export.command"]
    pipeline = types.ModuleType("edge_asc.export.pipeline")
    monkeypatch.setitem(sys.modules, "edge_asc.export.pipeline", pipeline)
    command.__dict__["ExtraFiles"] = pipeline.__dict__["ExportOptions"] = dict
    command.__dict__["read_metrics"] = lambda path: {"read from": path}
    return calls


PLAIN_OPTIONS: dict[str, Any] = {
    "arithmetic": "int8",
    "max_drop_points": None,
    "layers": None,
    "every_window": False,
    "name": None,
    "demonstration": False,
    "card": "",
    "evaluation": {},
}
NO_FILES = {"onnx": False, "tflite": False, "json": False}


def test_export(edge_asc: Any, exports: Calls) -> None:
    done = edge_asc("export", "run/checkpoint.safetensors")
    assert done.exit_code == 0, done.stderr
    paths = Path("run/checkpoint.safetensors"), Path("run/checkpoint.tflite")
    assert exports == [((*paths, PLAIN_OPTIONS, None, NO_FILES), {})]


def test_export_with_every_option(edge_asc: Any, exports: Calls, tmp_path: Path) -> None:
    card, metrics = tmp_path / "card.md", tmp_path / "metrics.json"
    card.write_text("größer", encoding="utf-8")
    metrics.touch()
    flags = ("--int8", "--every-window", "--demonstration", "--onnx", "--tflite", "--json")
    done = edge_asc(
        *("export", "c.safetensors", "-o", "m.tflite", *flags, "--max-drop", "0.3"),
        *("--name", "parks", "--card", card, "--evaluation", metrics),
        *("--work-dir", "work", "--debug-layers", "layers"),
    )
    assert done.exit_code == 0, done.stderr
    options = PLAIN_OPTIONS | {
        "max_drop_points": 0.3,
        "layers": Path("layers"),
        "every_window": True,
        "name": "parks",
        "demonstration": True,
        "card": "größer",
        "evaluation": {"read from": metrics},
    }
    paths = Path("c.safetensors"), Path("m.tflite")
    assert exports == [((*paths, options, Path("work"), dict.fromkeys(NO_FILES, True)), {})]


@pytest.mark.parametrize("arithmetic", ["int8", "float32", "float16"])
def test_what_an_export_computes_in(edge_asc: Any, exports: Calls, arithmetic: str) -> None:
    edge_asc("export", "c.safetensors", f"--{arithmetic}")
    ((arguments, _),) = exports
    assert arguments[2] == PLAIN_OPTIONS | {"arithmetic": arithmetic}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--card", "none.md"], "none.md: no such file"),
        (["--evaluation", "none.json"], "none.json: no such file"),
        (["--float16", "--max-drop", "0.3"], "--max-drop chooses among integer forms: give it"),
        (["--float32", "--debug-layers", "d"], "--debug-layers compares int8 with float: give it"),
        (["--max-drop", "-1"], "-1.0 is not in the range x>=0.0"),
        (["-o", "m.json", "--json"], "-o must name a .tflite file"),
        (["-o", "models/"], "-o must name a .tflite file"),
    ],
)
def test_export_wrong_usage(
    edge_asc: Any, exports: Calls, options: list[str], message: str
) -> None:
    done = edge_asc("export", "c.safetensors", *options)
    assert (done.exit_code, exports) == (2, [])
    assert message in done.stderr


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
            "edge_asc.export.command",
            "onnxsim.model_info",
            "this needs the export packages (onnxsim.model_info is missing):"
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
    class Incomplete(types.ModuleType):
        def __getattr__(self, name: str) -> object:
            if name.startswith("__"):
                raise AttributeError(name)
            raise ModuleNotFoundError(f"No module named {missing!r}", name=missing)

    monkeypatch.setitem(sys.modules, module, Incomplete(module))
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
