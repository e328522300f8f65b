"""The models of a device: the installed one, the one before it, the shipped one.

    folder/model.tflite      what `listen` and `classify` use
    folder/previous.tflite   what they used before

Each file is replaced whole (a new file beside it, synced, renamed over it), so that whatever
interrupts an update, a device finds the old model or the new one. A model that cannot be used is
passed over for the next in line.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from edge_asc.archive import read_file
from edge_asc.atomic import atomic_path, sync_folder
from edge_asc.classifier import SceneClassifier
from edge_asc.errors import InterpreterError, ModelFileError, SignatureError, UpdateError
from edge_asc.interpreter import runtime_name
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.signature import PublicKey

FOLDER_VARIABLE = "EDGE_ASC_MODEL_DIR"
"""Environment variable that names the folder of installed models, for services"""

Say = Callable[[str], None]


def model_folder() -> Path | None:
    """Where models are installed: what `FOLDER_VARIABLE` says, else the user's data folder.

    None for a user without a home. Raises UpdateError for a relative path. After
    https://specifications.freedesktop.org/basedir-spec/latest/, which ignores a relative
    XDG_DATA_HOME.
    """
    chosen = os.environ.get(FOLDER_VARIABLE, "")
    if chosen and not os.path.isabs(chosen):
        raise UpdateError(
            f"{FOLDER_VARIABLE} must be an absolute path, got {chosen!r}: where a program is"
            " started must not decide which model it uses"
        )
    data = os.environ.get("XDG_DATA_HOME", "")
    home = data if os.path.isabs(data) else os.path.expanduser("~/.local/share")
    folder = chosen or os.path.join(home, "edge-asc")
    return Path(folder) if os.path.isabs(folder) else None


@dataclass(frozen=True, slots=True)
class ModelFolder:
    """The folder of a device's own models."""

    path: Path

    @property
    def installed(self) -> Path:
        return self.path / "model.tflite"

    @property
    def previous(self) -> Path:
        return self.path / "previous.tflite"

    def install(self, data: bytes, say: Say) -> bool:
        """Make `data`, a model file that was checked, the installed model; False if it is already.

        The installed model becomes the previous one if it can still be used; else the previous
        one stays, since it is what there is to go back to. Raises UpdateError.
        """
        with self._changing():
            if _holds(self.installed, data):
                return False
            was_there = _is_there(self.installed)
            if (replaced := self._usable_installed(say)) is not None:
                _write(self.previous, replaced)
                sync_folder(self.path)
            _write(self.installed, data)
            sync_folder(self.path)
            if not was_there:
                # What was used until now is the shipped model, so that is what to go back to.
                self.previous.unlink(missing_ok=True)
        return True

    def go_back(self, trusted: PublicKey | None, say: Say) -> None:
        """Exchange the installed model for the previous one, checked before.

        With no previous one, for the shipped one; doing it again undoes it. Raises UpdateError,
        and ModelFileError or InterpreterError if the model to go back to cannot be used.
        """
        with self._changing():
            if _is_there(self.previous):
                self._exchange(trusted, say)
            elif _is_there(self.installed):
                _open_shipped(trusted)
                os.replace(self.installed, self.previous)
                sync_folder(self.path)
                say(f"went back to the model shipped with edge-asc; {self.previous} is the other")
            else:
                raise UpdateError(f"no model is installed in {self.path}: nothing to go back from")

    def _exchange(self, trusted: PublicKey | None, say: Say) -> None:
        data = read_file(self.previous)
        if _holds(self.installed, data):
            raise UpdateError(
                f"{self.previous} is the model that is installed: nothing older is kept to go back"
                " to; install another with `edge-asc update MODEL`"
            )
        model = open_model(data, str(self.previous), trusted).manifest
        replaced = self._usable_installed(say)
        _write(self.installed, data)
        sync_folder(self.path)
        if replaced is not None:
            _write(self.previous, replaced)
        else:
            self.previous.unlink()
        sync_folder(self.path)
        say(f"went back to model {model.name}, now {self.installed}")

    def _usable_installed(self, say: Say) -> bytes | None:
        """The installed model, if there is one that is worth keeping."""
        if not _is_there(self.installed):
            return None
        try:
            data = read_file(self.installed)
            open_model(data, str(self.installed), None)
        except (ModelFileError, InterpreterError) as error:
            say(f"the installed model is not kept as the previous one: {error}")
            return None
        return data

    @contextmanager
    def _changing(self) -> Iterator[None]:
        """One change at a time; what the system refuses is told with the state that it left."""
        before = _identity(self.installed)
        try:
            self.path.mkdir(parents=True, exist_ok=True)
            with (self.path / ".lock").open("w") as lock:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                for left_over in self.path.glob(".*.tflite"):
                    left_over.unlink()  # by an update that was killed
                yield
        except BlockingIOError:
            raise UpdateError(f"another update of {self.path} is going on; wait for it") from None
        except OSError as error:
            unchanged = _identity(self.installed) == before
            state = "is unchanged" if unchanged else "was replaced, but what follows that failed"
            raise UpdateError(
                f"cannot update {self.path}: {error.strerror or error}; the installed model {state}"
            ) from error


def model_in_use() -> Path:
    """Where the installed model is, or the shipped one if none is installed."""
    path = model_folder()
    installed = path and ModelFolder(path).installed
    return installed if installed and _is_there(installed) else default_model_path()


def open_model(data: bytes, source: str, trusted: PublicKey | None) -> SceneClassifier:
    """A model that this device's interpreter computes right; `source` names it in errors.

    Raises ModelFileError, SignatureError, InterpreterError.
    """
    model = ModelFile.from_bytes(data, source, trusted)
    try:
        return SceneClassifier(model)
    except (RuntimeError, ValueError) as error:
        # What an interpreter raises for a network that it loads and then cannot run.
        raise ModelFileError(
            f"{source} cannot be run by {runtime_name()}: {error}; use another model"
        ) from error


def open_best_model(trusted: PublicKey | None, say: Say) -> SceneClassifier:
    """The installed model; if it cannot be used the previous one; else the shipped one.

    `say` is told of all but a shipped model that nothing stands before. Raises what the shipped
    model raises.
    """
    runtime_name()  # without an interpreter, no model is at fault
    path = model_folder()
    folder = ModelFolder(path) if path else None
    if folder is None or not _is_there(folder.installed):
        return _open_shipped(trusted)
    for kind, path in (("installed", folder.installed), ("previous", folder.previous)):
        if not _is_there(path):
            continue
        try:
            classifier = open_model(read_file(path), str(path), trusted)
        except (ModelFileError, InterpreterError) as error:
            say(f"the {kind} model cannot be used: {error}")
            continue
        advice = "" if path == folder.installed else "; `edge-asc update --back` installs it"
        say(f"using the {kind} model {path}{advice}")
        return classifier
    classifier = _open_shipped(trusted)
    say("using the model shipped with edge-asc instead")
    return classifier


def _open_shipped(trusted: PublicKey | None) -> SceneClassifier:
    path = default_model_path()
    try:
        return open_model(read_file(path), str(path), trusted)
    except SignatureError as error:
        raise SignatureError(
            f"{error}. That is the model shipped with edge-asc; name a signed one with --model, or"
            " install it with `edge-asc update MODEL`"
        ) from error


def _identity(path: Path) -> tuple[int, int] | None:
    """What differs between a file and the one that replaces it."""
    try:
        found = path.lstat()
    except OSError:
        return None
    return found.st_ino, found.st_mtime_ns


def _holds(path: Path, data: bytes) -> bool:
    """Whether `path` is a model file of these bytes; one that cannot be read is not."""
    try:
        return read_file(path) == data
    except ModelFileError:
        return False


def _is_there(path: Path) -> bool:
    """Also when it cannot be read: that is a fault to tell, not a model that is missing."""
    try:
        path.lstat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except OSError:
        return True
    return True


def _write(path: Path, data: bytes) -> None:
    with atomic_path(path) as temporary:
        temporary.write_bytes(data)
