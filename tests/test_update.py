"""Models of a device: installed whole or not at all, passed over when unusable, gone back from."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from edge_asc import classifier as classifier_module
from edge_asc import update
from edge_asc.archive import read_file
from edge_asc.errors import ModelFileError, SignatureError, UpdateError
from edge_asc.interpreter import runtime_name
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.signature import make_keys, sign
from edge_asc.update import ModelFolder, model_folder, model_in_use, open_best_model, open_model


def named(name: str) -> bytes:
    """The shipped model under another name: a whole model file that differs."""
    model = ModelFile.read(default_model_path())
    return replace(model, manifest=replace(model.manifest, name=name)).to_bytes()


def wrong(name: str) -> bytes:
    """A whole model file whose networks do not give the golden logits."""
    model = ModelFile.read(default_model_path())
    golden = {**model.golden, "logits": model.golden["logits"] + np.float32(100)}
    return replace(model, manifest=replace(model.manifest, name=name), golden=golden).to_bytes()


OLDER, OLD, NEW, WRONG = named("older"), named("old"), named("new"), wrong("wrong")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModelFolder:
    monkeypatch.setenv(update.FOLDER_VARIABLE, str(tmp_path / "models"))
    return ModelFolder(tmp_path / "models")


class Said(list[str]):
    """What a function said; each may be said only in the order that is asked for."""

    def __call__(self, text: str) -> None:
        self.append(text)

    @property
    def text(self) -> str:
        return "\n".join(self)


@pytest.fixture
def said() -> Said:
    return Said()


def name_of(path: Path) -> str | None:
    return ModelFile.read(path).manifest.name if path.exists() else None


def state(folder: ModelFolder) -> tuple[str | None, str | None]:
    """The names of the installed and the previous model, both whole if they are there."""
    return name_of(folder.installed), name_of(folder.previous)


def in_use() -> str:
    return open_best_model(None, Said()).manifest.name


def put(folder: ModelFolder, installed: bytes | None, previous: bytes | None) -> None:
    folder.path.mkdir(exist_ok=True)
    for path, data in ((folder.installed, installed), (folder.previous, previous)):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)


def test_where_models_are_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(update.FOLDER_VARIABLE)
    monkeypatch.setenv("HOME", "/somebody")
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    assert model_folder() == Path("/somebody/.local/share/edge-asc")
    monkeypatch.setenv("XDG_DATA_HOME", "relative/is/ignored")
    assert model_folder() == Path("/somebody/.local/share/edge-asc")
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert model_folder() == Path("/data/edge-asc")
    monkeypatch.setenv(update.FOLDER_VARIABLE, "/var/lib/edge-asc")
    assert model_folder() == Path("/var/lib/edge-asc")
    monkeypatch.setenv(update.FOLDER_VARIABLE, "models")
    with pytest.raises(UpdateError, match="must be an absolute path, got 'models'"):
        model_folder()


def test_a_user_without_a_home_uses_the_shipped_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(update.FOLDER_VARIABLE)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setattr(os.path, "expanduser", lambda path: path)
    assert model_folder() is None
    assert model_in_use() == default_model_path()
    assert in_use() == "default"


def test_with_nothing_installed_the_shipped_model_is_used_without_a_word(
    folder: ModelFolder, said: Said
) -> None:
    assert open_best_model(None, said).manifest.name == "default"
    assert model_in_use() == default_model_path()
    assert said == []


def test_the_installed_model_is_used_and_said(folder: ModelFolder, said: Said) -> None:
    assert folder.install(NEW, said)
    assert said == []
    assert open_best_model(None, said).manifest.name == "new"
    assert said == [f"using the installed model {folder.installed}"]
    assert model_in_use() == folder.installed
    assert folder.installed.stat().st_mode & 0o777 == 0o644


def test_the_previous_model_is_kept(folder: ModelFolder, said: Said) -> None:
    for data, expected in ((OLDER, (None,)), (OLD, ("older",)), (NEW, ("old",))):
        assert folder.install(data, said)
        assert state(folder)[1:] == expected
    assert state(folder) == ("new", "old")
    assert sorted(path.name for path in folder.path.iterdir()) == [
        ".lock",
        "model.tflite",
        "previous.tflite",
    ]
    assert said == []


def test_the_same_model_again_changes_nothing(folder: ModelFolder, said: Said) -> None:
    put(folder, NEW, OLD)
    assert not folder.install(NEW, said)
    assert state(folder) == ("new", "old")


def test_a_model_that_cannot_be_used_is_not_kept(folder: ModelFolder, said: Said) -> None:
    put(folder, WRONG, OLD)
    folder.install(NEW, said)
    assert state(folder) == ("new", "old")
    assert "the installed model is not kept as the previous one: " in said.text


@pytest.mark.parametrize("broken", [WRONG, NEW[:-5], b"", NEW[:9000] + b"x" + NEW[9001:]])
def test_an_unusable_model_gives_way_to_the_previous_one(
    folder: ModelFolder, said: Said, broken: bytes
) -> None:
    put(folder, broken, OLD)
    assert open_best_model(None, said).manifest.name == "old"
    assert said[0].startswith("the installed model cannot be used: ")
    advice = "`edge-asc update --back` installs it"
    assert said[1:] == [f"using the previous model {folder.previous}; {advice}"]


@pytest.mark.parametrize("previous", [WRONG, b"", None])
def test_without_a_usable_one_the_shipped_model_is_used(
    folder: ModelFolder, said: Said, previous: bytes | None
) -> None:
    put(folder, WRONG, previous)
    assert open_best_model(None, said).manifest.name == "default"
    assert said[0].startswith("the installed model cannot be used: model wrong computes wrong")
    assert said[-1] == "using the model shipped with edge-asc instead"
    assert len(said) == (2 if previous is None else 3)


def test_an_installed_model_that_cannot_be_read_is_told(folder: ModelFolder, said: Said) -> None:
    folder.installed.mkdir(parents=True)
    assert open_best_model(None, said).manifest.name == "default"
    assert "cannot read the model file" in said[0]


def test_an_installed_model_that_cannot_be_looked_for_is_told(
    folder: ModelFolder, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    def denied(path: Path) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "lstat", denied)
    monkeypatch.setattr(update, "read_file", functools.partial(_denied, folder))
    assert open_best_model(None, said).manifest.name == "default"
    assert [line.split(": ")[0] for line in said[:2]] == [
        "the installed model cannot be used",
        "the previous model cannot be used",
    ]


def _denied(folder: ModelFolder, path: Path) -> bytes:
    if path.is_relative_to(folder.path):
        raise ModelFileError(f"cannot read the model file {path}: Permission denied")
    return read_file(path)


def test_an_interpreter_that_computes_otherwise_after_an_upgrade(
    folder: ModelFolder, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model was right with another version; with this one a logit is a step off."""
    model = ModelFile.read(default_model_path())
    logits = model.golden["logits"].copy()
    logits[0, 0] += np.float32(0.036)
    facts = model.manifest.golden | {"reference": runtime_name()}
    manifest = replace(model.manifest, name="upgraded", golden=facts)
    data = replace(model, manifest=manifest, golden={**model.golden, "logits": logits}).to_bytes()
    with monkeypatch.context() as before:
        before.setattr(classifier_module, "_golden_seen", set())
        before.setattr(classifier_module, "runtime_name", lambda: "ai-edge-litert 2.0.0")
        folder.install(OLD, said)
        open_model(data, "m", None)
        folder.install(data, said)
        assert in_use() == "upgraded"
    assert open_best_model(None, said).manifest.name == "old"
    assert "model upgraded computes wrong results with ai-edge-litert" in said[0]


def test_a_network_that_no_interpreter_runs_is_a_fault_of_the_model() -> None:
    model = ModelFile.read(default_model_path())
    for whole in (model.whole[:8] + bytes(500), model.encoder):
        assert whole is not None
        with pytest.raises(Exception, match=r"cannot run this network|its whole-window network"):
            open_model(replace(model, whole=whole).to_bytes(), "m", None)


@pytest.mark.parametrize("error", [RuntimeError, ValueError])
def test_an_interpreter_that_fails_while_it_runs_is_told(
    monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    def fail(_model: ModelFile) -> None:
        raise error("node 7 failed to invoke")

    monkeypatch.setattr(update, "SceneClassifier", fail)
    with pytest.raises(
        ModelFileError, match=r"m cannot be run by ai-edge-litert .*: node 7 failed"
    ):
        open_model(NEW, "m", None)


def test_going_back_exchanges_the_two(folder: ModelFolder, said: Said) -> None:
    put(folder, NEW, OLD)
    folder.go_back(None, said)
    assert state(folder) == ("old", "new")
    folder.go_back(None, said)
    assert state(folder) == ("new", "old")
    assert said == [
        f"went back to model old, now {folder.installed}",
        f"went back to model new, now {folder.installed}",
    ]


def test_going_back_from_the_first_model_is_to_the_shipped_one(
    folder: ModelFolder, said: Said
) -> None:
    folder.install(NEW, said)
    folder.go_back(None, said)
    assert state(folder) == (None, "new")
    assert in_use() == "default"
    folder.go_back(None, said)
    assert state(folder) == ("new", None)
    folder.go_back(None, said)
    folder.install(OLD, said)
    assert state(folder) == ("old", None)
    folder.go_back(None, said)
    assert in_use() == "default"


def test_a_wrong_model_is_not_gone_back_to(folder: ModelFolder, said: Said) -> None:
    put(folder, NEW, WRONG)
    with pytest.raises(ModelFileError, match="model wrong computes wrong results"):
        folder.go_back(None, said)
    assert state(folder) == ("new", "wrong")


def test_a_wrong_model_that_is_gone_back_from_is_dropped(folder: ModelFolder, said: Said) -> None:
    put(folder, WRONG, OLD)
    folder.go_back(None, said)
    assert state(folder) == ("old", None)


def test_nothing_to_go_back_to(folder: ModelFolder, said: Said) -> None:
    with pytest.raises(UpdateError, match=r"no model is installed in .*: nothing to go back from"):
        folder.go_back(None, said)
    put(folder, NEW, NEW)
    with pytest.raises(UpdateError, match="nothing older is kept"):
        folder.go_back(None, said)


def test_only_trusted_models_are_used(folder: ModelFolder, said: Said, tmp_path: Path) -> None:
    key, other = make_keys(tmp_path / "fleet"), make_keys(tmp_path / "other")
    signed, _ = sign(OLD, "m", tmp_path / "fleet")
    with pytest.raises(
        SignatureError, match=r"is not signed.*shipped with edge-asc; name a signed"
    ):
        open_best_model(key, said)
    put(folder, NEW, signed)
    model = open_best_model(key, said)
    assert model.manifest.name == "old"
    assert said[0].startswith(f"the installed model cannot be used: {folder.installed} is not sig")
    with pytest.raises(SignatureError, match=r"default\.tflite is not signed"):
        open_best_model(other, said)
    folder.go_back(key, said)
    assert state(folder) == ("old", "new")
    with pytest.raises(SignatureError, match=r"previous\.tflite is not signed"):
        folder.go_back(key, said)
    put(folder, signed, None)
    with pytest.raises(SignatureError, match=r"default\.tflite is not signed"):
        folder.go_back(key, said)
    assert state(folder) == ("old", None)


def test_one_update_at_a_time(folder: ModelFolder, said: Said) -> None:
    put(folder, OLD, None)
    with (folder.path / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        for change in (lambda: folder.install(NEW, said), lambda: folder.go_back(None, said)):
            with pytest.raises(UpdateError, match=r"another update of .* is going on; wait for it"):
                change()
    assert state(folder) == ("old", None)


def test_what_a_killed_update_left_is_cleared_away(folder: ModelFolder, said: Said) -> None:
    put(folder, OLD, None)
    (folder.path / ".model-abcdef.tflite").write_bytes(NEW[:1000])
    folder.install(NEW, said)
    assert not list(folder.path.glob(".*.tflite"))


def test_a_folder_that_cannot_be_written_is_named(folder: ModelFolder, said: Said) -> None:
    folder.path.write_text("a file in its place")
    with pytest.raises(UpdateError, match=f"cannot update {folder.path}: File exists; the inst"):
        folder.install(NEW, said)
