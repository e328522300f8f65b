"""Levels as AES17 defines them; what the monitor says, and that real sound leaves it silent."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from edge_asc.features import Samples
from edge_asc.level import Level, LevelMonitor, measure_level

RATE_HZ = 1000
"""Low, so that minutes of sound cost nothing; the monitor counts seconds at any rate."""

STEP = 1.0 / 2**15


def sine(amplitude: float, *, cycles: int = 10, num_samples: int = 4800) -> Samples:
    turns = np.arange(num_samples) * cycles / num_samples
    return (amplitude * np.sin(2 * np.pi * turns)).astype(np.float32)


def noise(seconds: int, scale: float = 0.1, seed: int = 7) -> Samples:
    """Uniform within +-`scale`."""
    values = np.random.default_rng(seed).uniform(-scale, scale, seconds * RATE_HZ)
    return values.astype(np.float32)


def constant(value: float, seconds: int) -> Samples:
    return np.full(seconds * RATE_HZ, value, np.float32)


def said(*sounds: Samples, chunk_samples: int = 100) -> list[str]:
    """What the monitor says of `sounds`, one after the other."""
    lines: list[str] = []
    monitor = LevelMonitor(lines.append)
    joined = np.concatenate(sounds)
    for start in range(0, len(joined), chunk_samples):
        monitor.process(joined[start : start + chunk_samples], RATE_HZ)
    return lines


class TestLevel:
    def test_a_sine_of_full_scale_has_0_dbfs(self) -> None:
        level = measure_level(sine(1.0))
        assert level.rms_dbfs == pytest.approx(0.0, abs=1e-5)
        assert level.peak_dbfs == pytest.approx(0.0, abs=1e-5)
        assert level.dc == pytest.approx(0.0, abs=1e-8)

    def test_a_tenth_is_20_db_less(self) -> None:
        level = measure_level(sine(0.1))
        assert level.rms_dbfs == pytest.approx(-20.0, abs=1e-4)
        assert level.peak_dbfs == pytest.approx(-20.0, abs=1e-4)

    def test_a_square_wave_is_3_db_louder_than_a_sine(self) -> None:
        square = np.tile(np.array([1.0, -1.0], np.float32), 100)
        assert measure_level(square).rms_dbfs == pytest.approx(10 * math.log10(2), abs=1e-6)

    def test_the_offset_is_no_part_of_the_loudness(self) -> None:
        level = measure_level(sine(0.1) + np.float32(0.5))
        assert level.dc == pytest.approx(0.5, abs=1e-6)
        assert level.rms_dbfs == pytest.approx(-20.0, abs=1e-3)
        assert level.peak_dbfs == pytest.approx(20 * math.log10(0.6), abs=1e-4)

    def test_the_lowest_sample_is_a_peak_too(self) -> None:
        level = measure_level(np.array([0.25, -0.5], np.float32))
        assert level.peak_dbfs == pytest.approx(20 * math.log10(0.5))

    def test_digital_silence(self) -> None:
        level = measure_level(np.zeros(100, np.float32))
        assert level == Level(-math.inf, -math.inf, 0.0)

    def test_a_constant_has_a_peak_and_no_loudness(self) -> None:
        level = measure_level(np.full(999, 0.1, np.float32))
        assert level.rms_dbfs == -math.inf
        assert level.peak_dbfs == pytest.approx(-20.0, abs=1e-4)

    def test_no_samples_have_no_level(self) -> None:
        with pytest.raises(ValueError, match="at least one sample"):
            measure_level(np.empty(0, np.float32))


class TestStuck:
    def test_zeros_for_10_s_are_a_muted_microphone(self) -> None:
        assert said(noise(5), constant(0.0, 9), noise(40)) == []
        assert said(noise(5), constant(0.0, 10)) == ["microphone muted? only zeros for 10 s"]

    def test_any_other_value_is_stuck(self) -> None:
        assert said(constant(0.25, 300)) == ["stuck at 0.2500 for 10 s"]

    def test_it_is_over_when_the_samples_have_changed_for_20_s(self) -> None:
        muted = "microphone muted? only zeros for 10 s"
        assert said(constant(0.0, 15), noise(19)) == [muted]
        over = [muted, "the samples change again"]
        assert said(constant(0.0, 15), noise(300)) == over
        assert said(constant(0.0, 15), noise(20), constant(0.0, 10)) == [*over, muted]

    def test_a_crackle_in_between_is_not_told(self) -> None:
        crackling = [constant(0.0, 15), noise(1)] * 10
        assert said(*crackling) == ["microphone muted? only zeros for 10 s"]

    def test_another_value_is_told(self) -> None:
        assert said(constant(0.0, 15), constant(-1.0, 15)) == [
            "microphone muted? only zeros for 10 s",
            "stuck at -1.0000 for 10 s",
        ]

    def test_stuck_at_full_scale_is_neither_clipped_nor_offset(self) -> None:
        assert said(noise(9), constant(1.0, 60)) == ["stuck at 1.0000 for 10 s"]


class TestSilence:
    SILENT = "microphone off or covered? nothing above 2 steps of 16 bits for 60 s"

    def hiss(self, seconds: int) -> Samples:
        steps = np.random.default_rng(3).integers(-2, 3, seconds * RATE_HZ)
        return (steps * STEP).astype(np.float32)

    def test_two_steps_for_60_s(self) -> None:
        assert said(self.hiss(59)) == []
        assert said(self.hiss(600)) == [self.SILENT]

    def test_three_steps_are_a_sound(self) -> None:
        quiet = self.hiss(200)
        quiet[::RATE_HZ] = 3 * STEP
        assert said(quiet) == []

    def test_it_is_over_after_20_s_of_sound(self) -> None:
        assert said(self.hiss(60), noise(20)) == [self.SILENT, "the microphone is no longer silent"]

    def test_zeros_are_told_as_such_only(self) -> None:
        assert said(constant(0.0, 600)) == ["microphone muted? only zeros for 10 s"]


class TestClipping:
    def clipped(self, seconds: int, per_thousand: float) -> Samples:
        sound = noise(seconds, 0.5)
        at = sound[:: round(1000 / per_thousand)]
        at[::2], at[1::2] = 1.0, -1.0
        return sound

    def test_one_in_a_thousand_is_too_much(self) -> None:
        assert said(self.clipped(9, 1.0)) == []
        assert said(self.clipped(120, 1.0)) == [
            "the sound is clipped: 0.1 % of the samples of 10 s are at full scale; lower the gain"
        ]
        assert said(self.clipped(120, 0.5)) == []

    def test_the_largest_sample_of_16_bits_and_the_lowest_one_are_full_scale(self) -> None:
        for value in (1 - STEP, -1.0):
            sound = noise(10, 0.5)
            sound[::100] = value
            assert len(said(sound)) == 1

    def test_it_is_over_when_the_gain_is_lowered(self) -> None:
        lines = said(self.clipped(30, 50.0), noise(30))
        assert len(lines) == 2
        assert lines[1] == "the sound is no longer clipped"


class TestOffset:
    def test_three_percent_over_10_s(self) -> None:
        assert said(noise(9) + np.float32(0.05)) == []
        lines = said(noise(60) - np.float32(0.05), noise(60))
        assert len(lines) == 2
        assert lines[0].startswith("the sound has a DC offset: its mean over 10 s is -0.05")
        assert lines[1] == "the DC offset is gone"
        assert said(noise(60) + np.float32(0.025)) == []


class TestMonitor:
    def test_sound_before_and_after_a_gap_is_not_joined(self) -> None:
        lines: list[str] = []
        monitor = LevelMonitor(lines.append)
        for _ in range(2):
            monitor.process(constant(0.0, 9), RATE_HZ)
            monitor.process(constant(0.0, 1)[:-1], RATE_HZ)
            monitor.reset()
        assert lines == []
        monitor.process(constant(0.0, 10), RATE_HZ)
        assert lines == ["microphone muted? only zeros for 10 s"]
        monitor.reset()
        monitor.process(constant(0.0, 60), RATE_HZ)
        assert len(lines) == 1, "what was said still holds after a gap"

    def test_clipping_and_offset_before_a_gap_do_not_count_after_it(self) -> None:
        lines: list[str] = []
        monitor = LevelMonitor(lines.append)
        monitor.process(np.sign(noise(9)) * np.float32(0.4) + np.float32(0.6), RATE_HZ)
        monitor.reset()
        monitor.process(noise(9), RATE_HZ)
        assert lines == []

    def test_another_rate_begins_anew(self) -> None:
        lines: list[str] = []
        monitor = LevelMonitor(lines.append)
        monitor.process(np.zeros(8 * 1000, np.float32), 1000)
        monitor.process(np.zeros(8 * 500, np.float32), 500)
        assert lines == []
        monitor.process(np.zeros(2 * 500, np.float32), 500)
        assert lines == ["microphone muted? only zeros for 10 s"]

    @settings(max_examples=50, deadline=None)
    @given(sizes=st.lists(st.integers(0, 5000), min_size=1, max_size=30))
    def test_how_the_sound_was_cut_never_changes_what_is_said(self, sizes: list[int]) -> None:
        clipped = np.clip(noise(15, 3.0), -1, 1)
        offset = noise(25) + np.float32(0.05)
        sound = np.concatenate([constant(0.0, 12), clipped, offset, noise(30)])
        whole: list[str] = []
        LevelMonitor(whole.append).process(sound, RATE_HZ)
        assert len(whole) == 6, whole
        lines: list[str] = []
        monitor = LevelMonitor(lines.append)
        start = 0
        for size in [*sizes, len(sound)]:
            monitor.process(sound[start : start + size], RATE_HZ)
            start += size
        assert lines == whole


def scenes(data_dir: Path) -> list[Path]:
    paths = sorted((data_dir / "scenes_open").rglob("*.flac"))
    assert len(paths) == 43
    return paths


def test_nothing_is_said_of_real_scenes(data_dir: Path) -> None:
    """Each is heard for 60 s at least: repeated, as none but one is that long."""
    lines: list[str] = []
    for path in scenes(data_dir):
        samples, rate_hz = soundfile.read(path, dtype="float32")
        monitor = LevelMonitor(lines.append)
        for _ in range(max(1, 60 * rate_hz // len(samples) + 1)):
            monitor.process(samples, rate_hz)
    assert lines == []


def test_a_real_dc_offset_is_told(data_dir: Path) -> None:
    """Nine clips of one upload, whose means lie between 0.078 and 0.081."""
    paths = sorted((data_dir / "urban_events" / "fold1").glob("40722-8-0-*.ogg"))
    lines: list[str] = []
    monitor = LevelMonitor(lines.append)
    for path in paths:
        samples, rate_hz = soundfile.read(path, dtype="float32")
        monitor.process(samples, rate_hz)
    assert len(paths) == 9
    assert len(lines) == 1
    assert "DC offset: its mean over 10 s is +0.080" in lines[0]
