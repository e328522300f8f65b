"""Sound files: read alike whatever their format, refused with a clear text."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from edge_asc.audio import open_audio, read_audio, read_blocks
from edge_asc.errors import AudioError
from edge_asc.resample import resample

WavWriter = Callable[..., Path]
RATE_HZ = 44_100


def tone(seconds: float, rate_hz: int = RATE_HZ) -> npt.NDArray[np.float64]:
    turns = 440 * np.arange(round(seconds * rate_hz)) / rate_hz
    sine: npt.NDArray[np.float64] = 0.5 * np.sin(2 * np.pi * turns)
    return sine


@pytest.mark.parametrize(
    ("subtype", "step"),
    [
        ("PCM_U8", 2**-7),
        ("PCM_16", 2**-15),
        ("PCM_24", 2**-23),
        ("PCM_32", 2**-24),  # as fine as float32 near 0.5
        ("FLOAT", 2**-24),
        ("DOUBLE", 2**-24),
    ],
)
def test_every_sample_type_gives_the_same_sound(
    write_wav: WavWriter, subtype: str, step: float
) -> None:
    path = write_wav(tone(0.1), subtype=subtype)
    samples = read_audio(path, RATE_HZ)
    assert samples.dtype == np.float32
    np.testing.assert_allclose(samples, tone(0.1), atol=step)


def test_sixteen_bits_are_exact(write_wav: WavWriter) -> None:
    whole = np.array([0, 1, -1, 32_767, -32_768], np.int16)
    np.testing.assert_array_equal(read_audio(write_wav(whole), RATE_HZ) * 32_768, whole)


def test_channels_are_averaged(write_wav: WavWriter) -> None:
    stereo = np.array([[16_384, 0], [-16_384, 16_384], [100, 300]], np.int16)
    samples = read_audio(write_wav(stereo), RATE_HZ)
    np.testing.assert_array_equal(samples * 32_768, [8_192, 0, 200])


@pytest.mark.parametrize("rate_hz", [8_000, 22_050, 48_000, 192_000])
def test_other_rates_are_resampled(write_wav: WavWriter, rate_hz: int) -> None:
    samples = read_audio(write_wav(tone(0.5, rate_hz), rate_hz), RATE_HZ)
    assert len(samples) == RATE_HZ // 2
    np.testing.assert_allclose(samples[4_000:-4_000], tone(0.5)[4_000:-4_000], atol=2e-4)


def test_a_piece_is_what_lies_there(write_wav: WavWriter) -> None:
    counting = np.arange(RATE_HZ, dtype=np.int16)
    path = write_wav(counting)
    piece = read_audio(path, RATE_HZ, start_s=0.25, duration_s=0.01)
    np.testing.assert_array_equal(piece * 32_768, counting[11_025:11_466])


def test_a_piece_is_resampled_on_its_own(write_wav: WavWriter) -> None:
    path = write_wav(tone(1, 48_000), 48_000)
    piece = read_audio(path, RATE_HZ, start_s=0.5, duration_s=0.25)
    expected = resample(read_audio(path, 48_000)[24_000:36_000], 48_000, RATE_HZ)
    np.testing.assert_array_equal(piece, expected)


def test_a_piece_ends_with_its_file(write_wav: WavWriter) -> None:
    path = write_wav(tone(1))
    assert len(read_audio(path, RATE_HZ, start_s=0.9, duration_s=5)) == RATE_HZ // 10


def test_a_piece_after_the_end_is_refused(write_wav: WavWriter) -> None:
    path = write_wav(tone(1))
    with pytest.raises(AudioError, match=r"lasts 1\.00 s; it cannot be read from 2\.00 s"):
        read_audio(path, RATE_HZ, start_s=2)


def test_blocks_are_the_file(write_wav: WavWriter) -> None:
    path = write_wav(tone(0.3))
    with open_audio(path) as file:
        blocks = list(read_blocks(file, 1_000))
    assert [len(block) for block in blocks] == [1_000] * 13 + [230]
    np.testing.assert_array_equal(np.concatenate(blocks), read_audio(path, RATE_HZ))


@pytest.mark.parametrize("format_name", ["FLAC", "OGG", "AIFF"])
def test_other_formats(tmp_path: Path, format_name: str) -> None:
    path = tmp_path / f"sound.{format_name.lower()}"
    soundfile.write(path, tone(1), RATE_HZ, format=format_name)
    assert len(read_audio(path, RATE_HZ)) == RATE_HZ


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"nothing\.wav: no such file"):
        read_audio(tmp_path / "nothing.wav", RATE_HZ)


def test_folder(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"is a folder; name the files in it, .*/\*\.wav"):
        read_audio(tmp_path, RATE_HZ)


def test_empty_file(tmp_path: Path) -> None:
    path = tmp_path / "empty.wav"
    path.touch()
    with pytest.raises(AudioError, match=r"empty\.wav is empty \(0 bytes\)"):
        read_audio(path, RATE_HZ)


def test_header_without_samples(write_wav: WavWriter) -> None:
    with pytest.raises(AudioError, match="holds no sound"):
        read_audio(write_wav([]), RATE_HZ)


@pytest.mark.parametrize("name", ["notes.wav", "notes.txt", "notes.raw"])
def test_not_sound(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_text("this is not sound\n" * 50, encoding="ascii")
    with pytest.raises(AudioError, match=rf"{name} cannot be read as sound.*Allowed are WAV"):
        read_audio(path, RATE_HZ)


def test_damaged_in_the_middle(tmp_path: Path, rng: np.random.Generator) -> None:
    path = tmp_path / "sound.flac"
    soundfile.write(path, rng.uniform(-1, 1, 4 * RATE_HZ), RATE_HZ)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2] + bytes(len(whole) // 2))
    with pytest.raises(AudioError, match=r"sound\.flac is damaged at 0\.00 s"):
        read_audio(path, RATE_HZ)


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("channels", [1, 2])
def test_samples_that_are_no_numbers(write_wav: WavWriter, bad: float, channels: int) -> None:
    frames = np.zeros((RATE_HZ, channels))
    frames[11_025, -1] = bad
    path = write_wav(frames, subtype="FLOAT")
    with pytest.raises(AudioError, match=r"sound\.wav .* not a finite number at 0\.2500 s"):
        read_audio(path, RATE_HZ)


def test_no_libsndfile(
    tmp_path: Path, write_wav: WavWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_wav(tone(0.1))
    (tmp_path / "soundfile.py").write_text("raise OSError('sndfile library not found')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "soundfile")
    with pytest.raises(AudioError, match="sudo apt install libsndfile1"):
        read_audio(path, RATE_HZ)
