from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.context import SceneContext
from edge_asc.features import FeatureConfig, log_mel
from edge_asc.training.audit_sound import (
    COPY_SIMILARITY,
    Copy,
    audit_sound,
    bandwidths_hz,
    crossing,
    eta_squared,
    fingerprints,
    level_bandwidth_rule,
    levels_db,
    similar_pairs,
)
from edge_asc.training.datasets import Clip
from edge_asc.training.datasets.folder import read_folder
from edge_asc.training.splits import Split

CONFIG = FeatureConfig()
RATE_HZ = CONFIG.sample_rate_hz


@pytest.fixture(autouse=True)
def _cache(tmp_path, monkeypatch):
    monkeypatch.setenv("EDGE_ASC_CACHE", str(tmp_path / "cache"))


def clip(name: str, scene: str = "bus", group: str | None = None) -> Clip:
    return Clip(Path(name), 0.0, None, scene, SceneContext(), group or name, None, "test")


def noise(rng, seconds: float = 4.0):
    return 0.1 * rng.standard_normal(round(seconds * RATE_HZ)).astype(np.float32)


def mel(*sounds):
    return np.array([log_mel(np.asarray(sound, np.float32), CONFIG) for sound in sounds])


def test_a_copy_is_found_through_level_noise_and_filter(rng):
    sound, other = noise(rng), noise(rng)
    spectrum = np.fft.rfft(sound)
    dull = np.fft.irfft(np.where(np.arange(spectrum.size) < 8000 * 4, spectrum, 1e-4 * spectrum))
    hissing = 0.3 * sound + 0.3 * 10 ** (-30 / 20) * noise(rng)
    prints = fingerprints(mel(sound, dull, hissing, np.roll(sound, RATE_HZ // 50), other))
    similar = prints @ prints[0]
    assert similar[0] == pytest.approx(1.0, abs=1e-5)
    assert (similar[1:4] > 0.4).all()
    # Signs of independent noise: a sum of about 1200 coins, 0 +- 0.03.
    assert abs(similar[4]) < 0.15
    found = {(i, j) for i, j, _ in similar_pairs(prints)}
    assert found == {(i, j) for i in range(4) for j in range(i + 1, 4)}


def test_silence_is_similar_to_nothing():
    prints = fingerprints(mel(np.zeros(2 * RATE_HZ), np.zeros(2 * RATE_HZ)))
    assert not prints.any()
    assert list(similar_pairs(prints)) == []


def test_pairs_do_not_depend_on_blocks(rng, monkeypatch):
    prints = rng.standard_normal((23, 5)).astype(np.float32)
    prints /= np.linalg.norm(prints, axis=1, keepdims=True)
    whole = [(i, j) for i, j, _ in similar_pairs(prints, 0.5)]
    monkeypatch.setattr("edge_asc.training.audit_sound._BLOCK", 4)
    assert sorted((i, j) for i, j, _ in similar_pairs(prints, 0.5)) == sorted(whole)
    cosines = prints @ prints.T
    assert sorted(whole) == [tuple(p) for p in np.argwhere(np.triu(cosines, 1) >= 0.5)]


@pytest.mark.parametrize("level_db", [-20.0, -40.0])
def test_level_of_noise(rng, level_db):
    sound = noise(rng) * 10.0 ** ((level_db + 20.0) / 20.0)
    assert levels_db(mel(sound), CONFIG)[0] == pytest.approx(level_db, abs=1.0)


def test_level_of_a_tone():
    # RMS of a sine of amplitude 0.1: -23.0 dB; up to 2 dB off, as a band is wider than a tone.
    sound = 0.1 * np.sin(2 * np.pi * 1000.0 * np.arange(2 * RATE_HZ) / RATE_HZ)
    assert levels_db(mel(sound), CONFIG)[0] == pytest.approx(-23.0, abs=2.0)


@pytest.mark.parametrize("cut_hz", [4000, 8000, 16000])
def test_bandwidth_of_filtered_noise(rng, cut_hz):
    spectrum = np.fft.rfft(noise(rng))
    spectrum[cut_hz * 4 :] *= 1e-6
    features = mel(np.fft.irfft(spectrum))
    # A mel band is 6 % wide here, and its triangle reaches one band further.
    assert bandwidths_hz(features, CONFIG)[0] == pytest.approx(cut_hz, rel=0.08)


def test_eta_squared_by_hand():
    windows = [clip(str(n), scene) for n, scene in enumerate(["bus", "bus", "bar", "bar"])]
    # Between: 2 x 2 x 1.5^2 = 9, within: 4 x 0.5^2 = 1.
    assert eta_squared(windows, np.array([1.0, 2.0, 4.0, 5.0])) == pytest.approx(0.9)
    assert eta_squared(windows, np.ones(4)) == 0.0


def test_the_rule_is_judged_on_unseen_groups(rng):
    windows = [
        clip(f"{scene}{n}", scene, f"{scene} {n // 4}")
        for scene in ("bus", "bar")
        for n in range(40)
    ]
    loud = np.array([-20.0 if w.scene == "bus" else -30.0 for w in windows])
    flat = np.full(80, 16_000.0)
    telling = level_bandwidth_rule(windows, loud, flat)
    assert telling is not None
    assert (telling.accuracy, telling.majority_rate, telling.num_folds) == (1.0, 0.5, 5)
    # A level of its own for each group tells nothing about the next one.
    groups = sorted({w.group for w in windows})
    levels = dict(zip(groups, rng.permutation(len(groups)), strict=True))
    mute = level_bandwidth_rule(windows, np.array([float(levels[w.group]) for w in windows]), flat)
    assert mute is not None
    assert mute.accuracy_interval.low < 0.5
    assert level_bandwidth_rule(windows[:4], loud[:4], flat[:4]) is None


def test_only_pairs_across_sides_count():
    a, b, c = clip("a"), clip("b", "bar"), clip("c")
    copies = [Copy(a, b, 0.9), Copy(a, c, 0.8), Copy(b, c, 0.7)]
    split = Split("1", train=[a, b], test=[c], is_fair_test=True)
    assert crossing(copies, [split]) == copies[1:]
    assert [copy.has_two_labels for copy in copies] == [True, False, True]


def test_audio_files_from_end_to_end(tmp_path, rng):
    sound, other = noise(rng, 3.0), noise(rng, 2.0)
    clips = []
    for name, scene, samples in (
        ("a", "bus", sound),
        ("b", "bar", 0.5 * sound),
        ("c", "bus", other),
    ):
        path = tmp_path / f"{name}.wav"
        soundfile.write(path, samples, RATE_HZ)
        clips.append(clip(str(path), scene))
    audit = audit_sound(clips)
    assert [(c.first.path.stem, c.second.path.stem) for c in audit.copies] == [("a", "b")]
    assert audit.copies[0].has_two_labels
    assert audit.level_db == pytest.approx([-20.0, -26.0, -20.0], abs=1.0)
    assert (audit.bandwidth_hz > 20_000.0).all()
    assert audit.to_dict()["num_copies_with_two_labels"] == 1


def test_two_uploads_of_one_fire_are_the_only_copies_in_esc10(data_dir):
    """Freesound 30322 is "FireBurning_v2.wav" by the author of 28314, "FireBurning.wav"."""
    clips = [c for c in read_folder(data_dir / "esc10") if c.scene == "fire_crackling"]
    (copy,) = audit_sound(clips).copies
    assert (copy.first.path.name, copy.second.path.name) == ("2-28314-A.ogg", "2-30322-A.ogg")
    assert copy.similarity > 2 * COPY_SIMILARITY


def test_originals_of_16_khz_are_seen(data_dir):
    """recordings.csv names four recordings as made at 16 kHz; nothing else ends at 8 kHz."""
    narrow = ("MrtCheckin", "traffic1", "traffic2", "StreetTrafficConstruction")
    wanted = (*narrow, "bus226", "bbq", "RiverBirds")
    every = read_folder(data_dir / "scenes_open")
    clips = [c for c in every if c.path.stem.rpartition("__")[2] in wanted]
    assert len(clips) == len(wanted)
    audit = audit_sound(clips)
    for window, bandwidth_hz in zip(audit.windows, audit.bandwidth_hz, strict=True):
        is_narrow = window.path.stem.rpartition("__")[2] in narrow
        assert 7000.0 < bandwidth_hz < 8300.0 if is_narrow else bandwidth_hz > 11_000.0
