"""Models under names of their own, and sound that is long enough."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.bench.subject import BUILT_IN, CLIP, opened_sound, read_subjects
from edge_asc.errors import AudioError, ModelFileError
from edge_asc.model_file import default_model_path
from tests.conftest import WavWriter

WINDOW_S = 10.0


def test_a_model_is_known_by_its_hash() -> None:
    path = default_model_path()
    (subject,) = read_subjects([path])
    facts = subject.facts()
    assert facts["sha256"] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert (facts["name"], facts["bytes"]) == ("default", path.stat().st_size)
    assert (facts["quantization"], facts["streams"]) == ("int8", True)


def test_models_of_one_name_are_told_apart(tmp_path: Path) -> None:
    first, second = tmp_path / "a" / "m.tflite", tmp_path / "b" / "m.tflite"
    for path in (first, second):
        path.parent.mkdir()
        shutil.copy(default_model_path(), path)
    subjects = read_subjects([default_model_path(), first, second, second])
    names = [subject.name for subject in subjects]
    assert names == ["default", "default (m.tflite)", "default (m.tflite 2)"]


def test_a_broken_model(tmp_path: Path) -> None:
    path = tmp_path / "broken.tflite"
    path.write_bytes(default_model_path().read_bytes()[:-100])
    with pytest.raises(ModelFileError, match=r"broken\.tflite"):
        read_subjects([path])


def test_the_built_in_clip_is_ten_seconds_and_real() -> None:
    info = soundfile.info(CLIP)
    assert (info.frames, info.samplerate, info.channels) == (441_000, 44_100, 1)
    assert CLIP.stat().st_size < 200_000
    credit = CLIP.with_suffix(".md").read_text(encoding="utf-8")
    assert "Creative Commons Attribution 3.0" in credit
    assert "SDLx" in credit


def test_the_built_in_clip_is_heard_as_a_wav_file() -> None:
    with opened_sound(None, WINDOW_S) as sound:
        assert sound.facts == {
            "audio": BUILT_IN,
            "audio_format": "WAV PCM_16",
            "audio_seconds": 10.0,
            "rate_hz": 44_100,
            "channels": 1,
            "synthetic": False,
        }
        path = sound.path
        assert path == sound.window_path
        assert path.is_file()
    assert not path.exists()


def test_a_file_of_ones_own(write_wav: WavWriter, rng: np.random.Generator) -> None:
    """It is read as it is; only its first window is written anew, for fresh processes."""
    path = write_wav(0.1 * rng.standard_normal((12 * 48_000, 2)), 48_000)
    with opened_sound(path, WINDOW_S) as sound:
        assert sound.path == path
        assert "synthetic" not in sound.facts
        told = {name: sound.facts[name] for name in ("audio", "rate_hz", "channels")}
        assert told == {"audio": "sound.wav", "rate_hz": 48_000, "channels": 2}
        window, rate_hz = soundfile.read(sound.window_path)
        assert (window.shape, rate_hz) == ((480_000,), 48_000)
        wanted = soundfile.read(path, 480_000)[0].mean(axis=1)
        np.testing.assert_allclose(window, wanted, atol=2 / 32_768)  # of 16 bits


def test_sound_that_is_too_short(write_wav: WavWriter) -> None:
    path = write_wav(np.zeros(3 * 44_100))
    with (
        pytest.raises(AudioError, match=r"lasts 3\.00 s; a window of the model is 10 s long"),
        opened_sound(path, WINDOW_S),
    ):
        pass


def test_sound_that_holds_no_numbers(write_wav: WavWriter) -> None:
    path = write_wav(np.full(441_000, np.nan), subtype="FLOAT")
    with pytest.raises(AudioError, match="not a finite number"), opened_sound(path, WINDOW_S):
        pass


@pytest.mark.parametrize(
    ("content", "said"), [(None, "no such file"), (b"", "empty"), (b"no sound at all", "cannot be")]
)
def test_sound_that_is_none(tmp_path: Path, content: bytes | None, said: str) -> None:
    path = tmp_path / "odd.wav"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(AudioError, match=said), opened_sound(path, WINDOW_S):
        pass
