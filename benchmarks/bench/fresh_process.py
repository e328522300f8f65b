"""What a process that holds one model costs: `python -m ... MODEL SOUND STARTED_S`.

Run by cold_start.py. Prints JSON: when, since it was started, all was imported; how long loading
took; its memory after a window and some seconds of a stream.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path


def main(model: str, sound: str, started_s: str) -> None:
    """`started_s`: time.monotonic() of the process that started this one."""
    import json

    from edge_asc.audio import open_audio, read_blocks
    from edge_asc.classifier import SceneClassifier
    from edge_asc.context import SceneContext
    from edge_asc.interpreter import runtime_name
    from edge_asc.model_file import ModelFile
    from edge_asc.resample import resample

    runtime_name()  # imports the interpreter
    imported_s = time.monotonic()
    classifier = SceneClassifier(ModelFile.read(Path(model)))
    loaded_s = time.monotonic()
    with open_audio(Path(sound)) as file:
        window_samples = round(classifier.manifest.window_s * file.samplerate)
        samples = next(read_blocks(file, window_samples))
        window = resample(samples, file.samplerate, classifier.sample_rate_hz)
    window = window[: classifier.window_samples]
    classifier.classify(window, SceneContext())
    chunk_samples = classifier.sample_rate_hz // 10
    for start in range(0, len(window), chunk_samples):
        classifier.process(window[start : start + chunk_samples], SceneContext())
    print(
        json.dumps(
            {
                "import_s": imported_s - float(started_s),
                "load_s": loaded_s - imported_s,
                "status": Path("/proc/self/status").read_text(encoding="ascii"),
            }
        )
    )


if __name__ == "__main__":
    main(*sys.argv[1:])
