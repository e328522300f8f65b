"""What runs on the emulated device, and natively for comparison.

    python -m edge_asc.benchmarks.aarch64.guest --count=1 --answer=1 SOUNDS.npy OUT.npz [FEATURES]

Instructions between two calls of `os.getppid` are counted by the plugin; here only the names of
what was counted are told, in order, as JSON on standard output. What is computed goes to OUT.npz;
FEATURES.npy are those of another machine, to see what the network alone makes of the same input.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from edge_asc.classifier import SceneClassifier
    from edge_asc.model_file import ModelFile

    Array = npt.NDArray[np.float32]

RUNTIME = ("classifier", "context", "model_file", "resample")
"""What is imported before a first answer can be given"""

ONCE = ("import numpy", "import", "load")
"""What a process does once; all else is counted when it is warm"""

WARM_UP = 2
"""Runs before the two that are counted: caches are filled, memory has been asked for"""


class Marks:
    """Names, in order, of the regions that were marked for the plugin."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def once(self, name: str, work: Callable[[], Any]) -> Any:  # noqa: ANN401
        """Do `work` between two marks."""
        self.names.append(name)
        os.getppid()
        result = work()
        os.getppid()
        return result

    def steady(self, name: str, work: Callable[[], Any]) -> None:
        """Count `work` twice, once it is warm."""
        for _ in range(WARM_UP):
            work()
        for _ in range(2):
            self.once(name, work)


def main() -> None:
    """Count first, since nothing may have been imported; then compute what is compared."""
    # No parser: what it imports would be missing from the counts.
    counts, answers_wanted = sys.argv[1] == "--count=1", sys.argv[2] == "--answer=1"
    sounds_file, out_file, *features_file = sys.argv[3:]
    marks = Marks()
    if counts:
        gc.disable()  # where a collection falls is chance
        marks.once(ONCE[0], lambda: importlib.import_module("numpy"))
        marks.once(ONCE[1], import_runtime)
    model, classifier = marks.once(ONCE[2], load) if counts else load()

    import numpy as np

    sounds = np.load(sounds_file)
    if counts:
        count_steady(marks, model, classifier, sounds[0])
    if answers_wanted:
        arrays = answers(model, sounds)
        features = np.load(features_file[0]) if features_file else arrays["standardized"]
        np.savez(out_file, **arrays, of_sounds=logits(classifier, features))
    print(json.dumps({"regions": marks.names, "software": software()}))


def import_runtime() -> None:
    """All of the runtime that a first answer needs, but not yet the interpreter."""
    for name in RUNTIME:
        importlib.import_module(f"edge_asc.{name}")


def load() -> tuple[ModelFile, SceneClassifier]:
    """The shipped model, ready to listen: read, verified, its golden windows computed."""
    from edge_asc.classifier import SceneClassifier
    from edge_asc.model_file import ModelFile, default_model_path

    model = ModelFile.read(default_model_path())
    return model, SceneClassifier(model)


def count_steady(marks: Marks, model: ModelFile, classifier: SceneClassifier, sound: Array) -> None:
    """Features and networks alone, and a window and a hop from sound to answer."""
    from edge_asc.context import SceneContext
    from edge_asc.interpreter import load_interpreter
    from edge_asc.resample import resample

    unknown, rate_hz = SceneContext(), classifier.sample_rate_hz
    marks.steady("features", lambda: classifier.window_features(sound))
    networks = {"encoder": model.encoder, "head": model.head, "network": model.whole}
    for name, tflite in networks.items():
        assert tflite is not None
        # What int8 kernels take does not depend on the values.
        marks.steady(name, load_interpreter(tflite).invoke)
    marks.steady("window", lambda: classifier.classify(sound, unknown))
    marks.steady("hop", Stream(classifier, sound, rate_hz).hop)
    at_48 = resample(sound, rate_hz, 48_000)
    marks.steady("hop from 48 kHz", Stream(classifier, at_48, 48_000).hop)


class Stream:
    """A listener in the middle of a stream; its sound begins anew when it has been heard."""

    def __init__(self, classifier: SceneClassifier, sound: Array, rate_hz: int) -> None:
        from edge_asc.context import SceneContext
        from edge_asc.resample import Resampler
        from edge_asc.sources import CHUNK_S

        self._classifier, self._sound, self._unknown = classifier, sound, SceneContext()
        self._resampler = Resampler(rate_hz, classifier.sample_rate_hz)
        self._chunk_samples, self._at = round(CHUNK_S * rate_hz), 0
        self._chunks_per_hop = round(classifier.hop_s / CHUNK_S)
        classifier.reset()
        for _ in range(round(classifier.manifest.window_s / classifier.hop_s) + 1):
            self.hear()

    def hop(self) -> None:
        """One more second, in chunks of 0.1 s. Raises RuntimeError unless it gives one estimate."""
        if (estimates := self.hear()) != 1:
            raise RuntimeError(f"a hop must give one estimate, got {estimates}")

    def hear(self) -> int:
        estimates = 0
        for _ in range(self._chunks_per_hop):
            chunk = self._sound[self._at : self._at + self._chunk_samples]
            self._at = (self._at + self._chunk_samples) % len(self._sound)
            samples = self._resampler.process(chunk)
            estimates += len(self._classifier.process(samples, self._unknown))
        return estimates


def answers(model: ModelFile, sounds: Array) -> dict[str, Array]:
    """Features of every sound; outputs for every golden window, by each way there is.

    `log_mel`, the same always `log_mel_by_fft` (as on ARM), and `standardized`: shape (num_sounds,
    num_frames, num_mels). `whole`, `streamed` and
    `reference` (the whole window by TFLite's plain code): (num_golden, num_scenes). `steps`:
    (num_golden, num_steps, step_size), what the encoder makes of each golden window.
    """
    import numpy as np

    from edge_asc.features import log_mel, standardize
    from edge_asc.interpreter import Network
    from edge_asc.mel_bands import FourierBands, mel_bands

    assert model.encoder is not None
    assert model.head is not None
    facts = model.manifest
    whole, reference = Network(model.whole), Network(model.whole, kernels="reference")
    encoder, head = Network(model.encoder), Network(model.head)
    frames = [log_mel(sound, facts.features) for sound in sounds]
    by_fft = frames
    if not isinstance(mel_bands(facts.features), FourierBands):
        bands = FourierBands(facts.features)
        by_fft = [log_mel(sound, facts.features, bands) for sound in sounds]
    scaling = facts.mel_mean, facts.mel_std, facts.standardized_range
    rows: dict[str, list[Any]] = {
        "log_mel": frames,
        "log_mel_by_fft": by_fft,
        "standardized": [standardize(one, *scaling) for one in frames],
        **{name: [] for name in ("whole", "streamed", "reference", "steps")},
    }
    for index, window in enumerate(model.golden["features"]):
        context = {name: model.golden[name][index][None] for name in ("city", "time")}
        cells = window.reshape(-1, 1, facts.cell_frames, window.shape[1], 1)
        steps = np.concatenate([encoder.run(features=cell) for cell in cells], axis=1)
        rows["steps"].append(steps[0])
        rows["streamed"].append(head.run(steps=steps, **context)[0])
        for name, network in (("whole", whole), ("reference", reference)):
            rows[name].append(network.run(features=window[None, :, :, None], **context)[0])
    return {name: np.stack(arrays) for name, arrays in rows.items()}


def logits(classifier: SceneClassifier, features: Array) -> Array:
    """Of standardized features, shape (num_windows, num_frames, num_mels), without context."""
    import numpy as np

    from edge_asc.context import SceneContext

    return np.stack([classifier.whole_logits(window, SceneContext()) for window in features])


def software() -> dict[str, str]:
    """Versions, and the kernels that numpy's BLAS chose."""
    import platform

    import numpy as np

    from edge_asc.interpreter import runtime_name

    return {
        "python": platform.python_version(),
        "interpreter": runtime_name(),
        "numpy": np.__version__,
        "blas": blas_core(),
    }


def blas_core() -> str:
    """As "OpenBLAS CORTEXA53"; numpy's wheels bring their own OpenBLAS."""
    import ctypes
    from pathlib import Path

    import numpy as np

    for path in Path(np.__file__).parents[1].glob("numpy.libs/libscipy_openblas*"):
        name = ctypes.CDLL(str(path)).scipy_openblas_get_corename64_
        name.restype = ctypes.c_char_p
        return f"OpenBLAS {name().decode()}"
    return "the system's BLAS"


if __name__ == "__main__":
    main()
