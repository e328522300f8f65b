"""A real run at a microphone, with all that can happen in it; every line is as the schema says."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.listener import Listener
from edge_asc.benchmarks.sound_server import DEVICE, SoundServer, missing_parts
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.decision_config import DecisionConfig
from edge_asc.features import Samples
from edge_asc.model_file import ModelFile, default_model_path
from tests.end_to_end.streams import check_stream
from tests.end_to_end.test_outages import kill_capture

pytestmark = pytest.mark.skipif(
    bool(missing_parts()), reason=f"real capture needs {', '.join(missing_parts())}"
)

RATE_HZ = 44_100
SECONDS = 22
FAMILIAR = (
    "urban_park/taipei-wolf__RiverBirds.flac",
    "public_square/taipei-komesker__operaCKS.flac",
)
UNFAMILIAR = "urban_park/taipei-wolf__DaanparkPlayground.flac"
"""A playground, of which the model is less sure than of all others."""


def of_length(sound: Samples) -> Samples:
    return np.resize(sound, SECONDS * RATE_HZ)


@pytest.fixture
def programme(data_dir: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A park, a square and a playground, and a model to which only the last is unknown."""
    sounds = [
        of_length(soundfile.read(data_dir / "scenes_open" / file, dtype="float32")[0])
        for file in (*FAMILIAR, UNFAMILIAR)
    ]
    model = ModelFile.read(default_model_path())
    classifier = SceneClassifier(model)
    park, square, playground = (
        classifier.classify(sound[: classifier.window_samples], SceneContext()).familiarity
        for sound in sounds
    )
    threshold = (playground + min(park, square)) / 2
    assert playground < threshold < min(park, square)
    config = asdict(DecisionConfig(smoothing="none", margin=0.0, unknown_below=threshold))
    decisions = {**model.manifest.decisions, "config": config}
    replace(model, manifest=replace(model.manifest, decisions=decisions)).write(
        tmp_path / "model.tflite"
    )
    path = tmp_path / "programme.wav"
    soundfile.write(path, np.concatenate(sounds), RATE_HZ)
    return path, tmp_path / "model.tflite"


def test_every_kind_of_message_of_a_real_run_is_as_described(
    programme: tuple[Path, Path], tmp_path: Path
) -> None:
    sound, model = programme
    with (
        SoundServer(tmp_path / "server") as server,
        Listener(
            "--device", DEVICE, "--model", str(model), "--health", "5", env=server.env
        ) as listener,
    ):
        listener.wait_for_word("hearing")
        with server.play(sound):
            listener.wait_until(
                lambda one: any(
                    line["type"] == "event" and line["scene"] == UNKNOWN_SCENE for line in one.lines
                )
            )
            kill_capture(server, listener)
            listener.wait_for_word("is back after")
            listener.wait_for_estimates(2)
            assert listener.finish() == 0
    check_stream(listener)
    kinds = {line["type"] for line in listener.lines}
    assert kinds == {"estimate", "gap", "event", "health"}
    events = [line for line in listener.lines if line["type"] == "event"]
    scenes = {event["scene"] for event in events}
    assert {UNKNOWN_SCENE, None} < scenes
    assert len(scenes - {UNKNOWN_SCENE, None}) >= 2
    assert events[-1]["scene"] is None
    assert [event["previous"]["scene"] for event in events[1:]] == [
        event["scene"] for event in events[:-1]
    ]
    last = listener.lines[-1]
    assert (last["type"], last["state"], last["num_gaps"]) == ("health", "ended", 1)
    assert last["lost_s"] == pytest.approx(listener.timeline.lost_s, abs=1e-4)
    assert last["num_estimates"] == listener.timeline.num_estimates
    assert last["num_changes"] == len(events) - 1
    assert last["drift"] is not None
