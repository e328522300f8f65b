"""An update that is interrupted at any step leaves the old model or the new one, whole."""

from __future__ import annotations

import errno
import fcntl
import functools
import os
import resource
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from edge_asc import update
from edge_asc.errors import UpdateError
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.update import ModelFolder


def small(name: str) -> bytes:
    """A whole model file of a few kB; what stands for its networks does not run."""
    model = ModelFile.read(default_model_path())
    manifest = replace(model.manifest, name=name)
    golden = {key: np.zeros_like(array) for key, array in model.golden.items()}
    return ModelFile(manifest, model.whole[:100], b"encoder", b"head", golden).to_bytes()


OLDER, OLD, NEW = small("older"), small("old"), small("new")


@pytest.fixture
def folder(tmp_path: Path) -> ModelFolder:
    return ModelFolder(tmp_path / "models")


def silent(_text: str) -> None:
    pass


def name_of(path: Path) -> str | None:
    return ModelFile.read(path).manifest.name if path.exists() else None


def state(folder: ModelFolder) -> tuple[str | None, str | None]:
    """The names of the installed and the previous model, both whole if they are there."""
    return name_of(folder.installed), name_of(folder.previous)


def put(folder: ModelFolder, installed: bytes | None, previous: bytes | None) -> None:
    folder.path.mkdir(exist_ok=True)
    for path, data in ((folder.installed, installed), (folder.previous, previous)):
        path.unlink(missing_ok=True)
        if data is not None:
            path.write_bytes(data)


STEPS = [
    (Path, "mkdir"),
    (Path, "open"),
    (Path, "write_bytes"),
    (Path, "chmod"),
    (Path, "replace"),
    (Path, "unlink"),
    (os, "fsync"),
    (os, "replace"),
    (os, "open"),
    (os, "close"),
    (tempfile, "mkstemp"),
    (fcntl, "flock"),
]
"""Everything that an update does to the file system, one call a step."""


@contextmanager
def interrupted(at: int, interrupt: Callable[[], None]) -> Iterator[list[str]]:
    """Call `interrupt` instead of step number `at`; the list yielded names the steps taken.

    Of a file that is being written, half has been written by then. Models are read and verified,
    but no interpreter runs them: it opens files of its own, and threads that a fork would lose.
    """
    taken: list[str] = []

    def stand_in(name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(real)
        def step(*arguments: Any, **options: Any) -> Any:
            if name == "open" and arguments[1:] == ("rb",) and arguments[0].name[0] != ".":
                return real(*arguments)  # looking at a model changes nothing
            taken.append(name)
            if len(taken) - 1 == at:
                if name == "write_bytes":
                    path, data = arguments
                    real(path, data[: len(data) // 2])
                interrupt()
            return real(*arguments, **options)

        return step

    with pytest.MonkeyPatch.context() as patch:
        for module, name in STEPS:
            patch.setattr(module, name, stand_in(name, getattr(module, name)))
        patch.setattr(
            update, "open_model", lambda data, source, _: ModelFile.from_bytes(data, source)
        )
        yield taken


CHANGES: dict[str, tuple[Callable[[ModelFolder], object], bytes | None, bytes | None]] = {
    "first": (lambda folder: folder.install(NEW, silent), None, None),
    "second": (lambda folder: folder.install(NEW, silent), OLD, None),
    "third": (lambda folder: folder.install(NEW, silent), OLD, OLDER),
    "after going back": (lambda folder: folder.install(NEW, silent), None, OLDER),
    "back": (lambda folder: folder.go_back(None, silent), OLD, NEW),
    "back to the shipped one": (lambda folder: folder.go_back(None, silent), OLD, None),
    "back from the shipped one": (lambda folder: folder.go_back(None, silent), None, NEW),
}
AFTERWARDS = {
    "first": ("new", None),
    "second": ("new", "old"),
    "third": ("new", "old"),
    "after going back": ("new", None),
    "back": ("new", "old"),
    "back to the shipped one": (None, "old"),
    "back from the shipped one": ("new", None),
}


def old_or_new(folder: ModelFolder, change: str) -> bool:
    """Whether the installed model is the one before or after the change.

    Reads it and the previous one, which raises if either is not whole.
    """
    before = CHANGES[change][1] and "old"
    return state(folder)[0] in (before, AFTERWARDS[change][0])


@pytest.mark.parametrize("change", CHANGES)
def test_an_error_at_any_step_leaves_the_old_model_or_the_new(
    folder: ModelFolder, change: str
) -> None:
    make, installed, previous = CHANGES[change]

    def fail() -> None:
        raise OSError(errno.EIO, "Input/output error")

    put(folder, installed, previous)
    with interrupted(-1, fail) as steps:
        make(folder)
    assert state(folder) == AFTERWARDS[change]
    assert {"flock", "fsync", "replace"} <= set(steps)
    assert steps.count("fsync") >= (1 if change == "back to the shipped one" else 2)
    for at, step in enumerate(steps):
        put(folder, installed, previous)
        with (
            interrupted(at, fail),
            pytest.raises(UpdateError, match="Input/output error; the installed model ") as caught,
        ):
            make(folder)
        assert old_or_new(folder, change), step
        unchanged = name_of(folder.installed) == (installed and "old")
        assert ("is unchanged" in str(caught.value)) == unchanged, step
        if unchanged:
            with interrupted(-1, fail):
                make(folder)
            assert state(folder)[0] == AFTERWARDS[change][0], step


def killed_updates(path: Path, change: str) -> None:
    """Print the state that a process leaves which is killed at each step."""
    make, installed, previous = CHANGES[change]
    folder = ModelFolder(path)
    at = 0
    while True:
        put(folder, installed, previous)
        child = os.fork()
        if child == 0:
            with interrupted(at, lambda: os.kill(os.getpid(), signal.SIGKILL)):
                make(folder)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        print(state(folder)[0], old_or_new(folder, change), flush=True)
        if status == 0:
            return
        at += 1


@pytest.mark.parametrize("change", ["third", "back"])
def test_a_process_killed_at_any_step_leaves_the_old_model_or_the_new(
    folder: ModelFolder, change: str
) -> None:
    here = Path(__file__)
    code = (
        f"import sys; from pathlib import Path; sys.path.insert(0, {str(here.parent)!r});"
        f"import {here.stem}; {here.stem}.killed_updates(Path(sys.argv[1]), sys.argv[2])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(folder.path), change],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    names = [line.split() for line in done.stdout.splitlines()]
    assert len(names) > 15
    assert {found for _, found in names} == {"True"}
    # Killed early it is the old one, late the new one, and it never changes back.
    assert [name for name, _ in names] == sorted((name for name, _ in names), reverse=True)
    assert {name for name, _ in names} == {"old", "new"}


def test_a_full_disk_leaves_the_old_model(folder: ModelFolder) -> None:
    """A true limit of the system's: no file of this process may grow beyond half a model."""
    put(folder, OLD, None)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(NEW) // 2, before[1]))
    try:
        with pytest.raises(UpdateError, match="File too large; the installed model is unchanged"):
            folder.install(NEW, silent)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert state(folder) == ("old", None)
    assert not list(folder.path.glob(".*.tflite"))
