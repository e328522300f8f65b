from __future__ import annotations

import errno
import os
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.audio import read_audio
from edge_asc.context import SceneContext
from edge_asc.errors import DataError
from edge_asc.features import FeatureConfig, log_mel
from edge_asc.training import feature_cache
from edge_asc.training.datasets import Clip
from edge_asc.training.feature_cache import FeatureCache

CONFIG = FeatureConfig()
WINDOW_S = 1.0


def make_clip(path: Path, start_s: float = 0.0, duration_s: float | None = None) -> Clip:
    return Clip(path, start_s, duration_s, "bus", SceneContext(), path.name, None, "test")


@pytest.fixture
def clips(tmp_path, rng) -> list[Clip]:
    """Six seconds of noise: four files, full, short, at another rate, and one cut in two."""
    files = {
        "a.wav": (1.0, 44100),
        "b.wav": (0.3, 44100),
        "c.wav": (1.0, 22050),
        "d.wav": (2.0, 44100),
    }
    for name, (seconds, rate_hz) in files.items():
        noise = rng.uniform(-0.5, 0.5, round(seconds * rate_hz))
        soundfile.write(tmp_path / name, noise, rate_hz)
    a, b, c, d = (tmp_path / name for name in files)
    return [
        make_clip(a),
        make_clip(b),
        make_clip(c),
        make_clip(d, 0.0, 1.0),
        make_clip(d, 1.0, 1.0),
    ]


@pytest.fixture
def computed(monkeypatch) -> list[str]:
    """Names of the files that were computed, not taken from the cache."""
    names: list[str] = []
    original = feature_cache.compute_window

    def count(task, **settings):
        names.append(task.clip.path.name)
        return original(task, **settings)

    monkeypatch.setattr(feature_cache, "compute_window", count)
    return names


def cached_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.npz"))


def packs(folder: Path) -> list[Path]:
    return sorted((folder / "packs").iterdir())


def test_values_are_those_of_log_mel(clips, tmp_path):
    array = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S).build(clips, num_workers=1)
    assert array.shape == (5, 50, 64)
    assert array.dtype == np.float16
    whole = read_audio(clips[3].path, 44100)
    exact = log_mel(whole[:44100], CONFIG)
    np.testing.assert_array_equal(array[3], exact.astype(np.float16))
    # Half of the distance between two float16 numbers from 64 to 128 feature dB.
    assert np.abs(array[3].astype(np.float32) - exact).max() <= 0.032
    np.testing.assert_array_equal(array[4], log_mel(whole[44100:], CONFIG).astype(np.float16))
    # 0.3 s: repeated until the second is full, as the runtime does with a short window.
    short = read_audio(clips[1].path, 44100)
    filled = log_mel(np.tile(short, 4)[:44100], CONFIG)
    np.testing.assert_array_equal(array[1], filled.astype(np.float16))


def test_parallel_equals_serial(clips, tmp_path):
    serial = FeatureCache(tmp_path / "serial", CONFIG, WINDOW_S).build(clips, num_workers=1)
    parallel = FeatureCache(tmp_path / "parallel", CONFIG, WINDOW_S).build(clips, num_workers=2)
    np.testing.assert_array_equal(serial, parallel)


def test_an_interrupted_build_goes_on(clips, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    first = np.array(cache.build(clips, num_workers=1))
    assert len(computed) == 5
    for path in [*cached_files(tmp_path / "cache")[:2], *packs(tmp_path / "cache")]:
        path.unlink()
    computed.clear()
    again = cache.build(clips[::-1], num_workers=1)
    assert len(computed) == 2
    np.testing.assert_array_equal(again, first[::-1])


@pytest.mark.parametrize("damage", ["truncated", "one byte", "empty"])
def test_a_damaged_file_is_computed_again(clips, tmp_path, computed, damage):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    first = np.array(cache.build(clips, num_workers=1))
    path = cached_files(tmp_path / "cache")[0]
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 0xFF
    damaged = {"truncated": bytes(content[:-1000]), "one byte": bytes(content), "empty": b""}[
        damage
    ]
    path.write_bytes(damaged)
    for pack in packs(tmp_path / "cache"):
        pack.unlink()
    computed.clear()
    np.testing.assert_array_equal(cache.build(clips, num_workers=1), first)
    assert len(computed) == 1


@pytest.mark.parametrize(
    ("config", "window_s"), [(FeatureConfig(fmin_hz=60.0), WINDOW_S), (CONFIG, 2.0)]
)
def test_other_settings_share_nothing(clips, tmp_path, computed, config, window_s):
    FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S).build(clips, num_workers=1)
    computed.clear()
    FeatureCache(tmp_path / "cache", config, window_s).build(clips, num_workers=1)
    assert len(computed) == 5


def test_a_changed_audio_file_is_computed_again(clips, tmp_path, computed):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    cache.build(clips, num_workers=1)
    computed.clear()
    status = clips[0].path.stat()
    os.utime(clips[0].path, ns=(status.st_atime_ns, status.st_mtime_ns + 1_000_000_000))
    cache.build(clips, num_workers=1)
    assert computed == ["a.wav"]


@pytest.mark.parametrize("num_workers", [1, 2])
def test_broken_audio_is_named_and_the_rest_is_kept(clips, tmp_path, num_workers):
    broken = tmp_path / "broken.wav"
    broken.write_bytes(b"RIFF no sound here")
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    with pytest.raises(DataError, match=r"1 of 6 clips could not be used: .*broken\.wav"):
        cache.build([make_clip(broken), *clips], num_workers=num_workers)
    assert len(cached_files(tmp_path / "cache")) == 5


def test_a_clip_longer_than_the_window_is_refused(clips, tmp_path):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    with pytest.raises(DataError, match=r"d\.wav lasts 2\.00 s, the window 1 s: cut it"):
        cache.build([make_clip(clips[3].path)], num_workers=1)


def test_a_missing_file_is_named(tmp_path):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    with pytest.raises(DataError, match=r"gone\.wav cannot be read: No such file"):
        cache.build([make_clip(tmp_path / "gone.wav")])


def test_no_clips_and_nothing_left_behind(clips, tmp_path):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    assert cache.build([]).shape == (0, 50, 64)
    cache.build(clips, num_workers=1)
    files = [path for path in (tmp_path / "cache").rglob("*") if path.is_file()]
    assert sorted(path.suffix for path in files) == [".f16"] + 5 * [".npz"]


@pytest.mark.parametrize("damage", ["truncated", "one byte"])
def test_a_damaged_pack_is_made_again(clips, tmp_path, computed, damage):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    first = np.array(cache.build(clips, num_workers=1))
    (pack,) = packs(tmp_path / "cache")
    content = bytearray(pack.read_bytes())
    content[len(content) // 3] ^= 0x10
    pack.write_bytes(bytes(content) if damage == "one byte" else bytes(content[:-6]))
    computed.clear()
    np.testing.assert_array_equal(cache.build(clips, num_workers=1), first)
    assert computed == []


def test_a_pack_is_mapped_and_cannot_be_written(clips, tmp_path):
    array = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S).build(clips, num_workers=1)
    assert isinstance(array, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        array[0] = 0.0


def test_a_full_disk_is_told_and_the_cache_stays_valid(clips, tmp_path, monkeypatch, computed):
    cache = FeatureCache(tmp_path / "cache", CONFIG, WINDOW_S)
    save = np.savez
    written: list[object] = []

    def savez(file, **arrays):
        if len(written) == 3:
            file.write(b"half a file")
            raise OSError(errno.ENOSPC, "No space left on device")
        written.append(file)
        save(file, **arrays)

    monkeypatch.setattr(np, "savez", savez)
    with pytest.raises(DataError, match="the disk is full; make room, or name another folder"):
        cache.build(clips, num_workers=1)
    assert len(cached_files(tmp_path / "cache")) == 3
    monkeypatch.undo()
    assert cache.build(clips, num_workers=1).shape == (5, 50, 64)
    assert len(cached_files(tmp_path / "cache")) == 5
