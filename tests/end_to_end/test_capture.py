"""Sound that is really captured, compared with what was played: sounddevice, PortAudio, ALSA,
PulseAudio; no sound card needed.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile
import soxr

from edge_asc.benchmarks.sound_server import DEVICE, NullMicrophone, SoundServer, missing_parts
from edge_asc.features import FeatureConfig, Samples, log_mel
from edge_asc.resample import resample

SOUND_S = 5.0
AT_44 = NullMicrophone("at44", 44_100)
AT_48 = NullMicrophone("at48", 48_000)
STEREO = NullMicrophone("stereo", 48_000, channels=2)

EDGE_ASC = Path(sys.executable).with_name("edge-asc")

CAPTURE = """
import sys, threading
import numpy as np
from edge_asc.sources.live import LiveSource
from edge_asc.sources.microphone import CAPTURE_COMMAND, Microphone

saved, rate_hz, two_channels = sys.argv[1], int(sys.argv[2]), sys.argv[3]
command = (sys.executable, "-c", two_channels) if two_channels else CAPTURE_COMMAND
stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
chunks = []
with LiveSource(Microphone("pulse", rate_hz, command), retry=False, say=sys.stderr.write) as source:
    for chunk in source:
        assert chunk.sample_rate_hz == rate_hz, chunk.sample_rate_hz
        assert chunk.lost_s == 0, chunk
        if not chunks:
            print("ready", flush=True)
        chunks.append(chunk.samples)
        if stop.is_set():
            break
np.save(saved, np.concatenate(chunks))
"""

REFUSES_MONO = """
from edge_asc.sources import capture_process
capture_process.negotiate = lambda device, preferred_rate_hz: (preferred_rate_hz, 2)
capture_process.main()
"""
"""The process that captures, from a device that takes two channels only."""

pytestmark = pytest.mark.skipif(
    bool(missing_parts()), reason=f"real capture needs {', '.join(missing_parts())}"
)


@dataclass
class Take:
    """A microphone, the rate it is asked for, and what was heard of what was played."""

    microphone: NullMicrophone
    rate_hz: int
    capture_program: str = ""
    played: npt.NDArray[np.float32] = field(default_factory=lambda: np.zeros((0, 1), np.float32))
    """shape (num_samples, channels), at the microphone's rate"""
    heard: Samples = field(default_factory=lambda: np.zeros(0, np.float32))
    """at `rate_hz`"""

    def expected(self) -> Samples:
        """The mean of the channels at `rate_hz`, by the best resampler there is."""
        mono = self.played.mean(axis=1, dtype=np.float32)
        if self.microphone.rate_hz == self.rate_hz:
            return mono
        resampled: Samples = soxr.resample(mono, self.microphone.rate_hz, self.rate_hz, "VHQ")
        return resampled

    def aligned(self) -> tuple[Samples, Samples]:
        """What was expected and heard at the same time, without a tenth of a second at each end."""
        expected = self.expected()
        offset = find_offset(expected, self.heard)
        assert offset + len(expected) <= len(self.heard), "the end was not heard"
        inner = slice(self.rate_hz // 10, -self.rate_hz // 10)
        return expected[inner], self.heard[offset : offset + len(expected)][inner]


def sound(microphone: NullMicrophone) -> npt.NDArray[np.float32]:
    """Five seconds of a tone that rises from 200 Hz to 7 kHz, under noise, 16 bits; no moment of it
    is like another. Each channel has another noise, and the tone has another height.
    """
    rng = np.random.default_rng(7)
    time_s = np.arange(round(SOUND_S * microphone.rate_hz)) / microphone.rate_hz
    channels = []
    for channel in range(microphone.channels):
        slope_hz = 1_360 / (1 + channel)
        tone = np.sin(2 * np.pi * (200 * time_s + 0.5 * slope_hz * time_s**2))
        channels.append(8_000 * tone + 400 * rng.standard_normal(len(time_s)))
    whole = np.round(np.stack(channels, axis=1))
    samples: npt.NDArray[np.float32] = (whole / 2**15).astype(np.float32)
    return samples


def find_offset(sound: Samples, heard: Samples) -> int:
    """Where in `heard` the sound begins, by the peak of their cross-correlation."""
    size = len(sound) + len(heard)
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))


def delayed(sound: Samples, delay_samples: float) -> Samples:
    """`sound`, later by a part of a sample."""
    spectrum = np.fft.rfft(sound)
    turns = np.fft.rfftfreq(len(sound)) * delay_samples
    return np.fft.irfft(spectrum * np.exp(-2j * np.pi * turns), len(sound)).astype(np.float32)


def best_correlation(expected: Samples, heard: Samples) -> float:
    """The highest over delays of up to a sample: a resampler's output falls between samples."""
    delays = np.arange(-16, 17) / 16
    return max(float(np.corrcoef(delayed(expected, by), heard)[0, 1]) for by in delays)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SoundServer]:
    with SoundServer(tmp_path_factory.mktemp("pulse"), (AT_44, AT_48, STEREO)) as server:
        yield server


@pytest.fixture(scope="module")
def takes(server: SoundServer, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Take]:
    """All that is captured, at the same time: each waits for seconds."""
    folder = tmp_path_factory.mktemp("takes")
    takes = {
        "44100 Hz": Take(AT_44, 44_100),
        "48000 Hz": Take(AT_48, 48_000),
        "48000 Hz asked for 44100": Take(AT_48, 44_100),
        "48000 Hz asked for 16000": Take(AT_48, 16_000),
        "stereo, asked for mono": Take(STEREO, 48_000),
        "stereo, refuses mono": Take(STEREO, 48_000, REFUSES_MONO),
    }
    listeners = {}
    for name, take in takes.items():
        arguments = [str(folder / f"{name}.npy"), str(take.rate_hz), take.capture_program]
        listeners[name] = subprocess.Popen(
            [sys.executable, "-c", CAPTURE, *arguments],
            env=server.env_for(take.microphone),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    try:
        for listener in listeners.values():
            assert listener.stdout is not None
            listener.stdout.readline()
        players = []
        for microphone in (AT_44, AT_48, STEREO):
            file = folder / f"{microphone.name}.wav"
            soundfile.write(file, sound(microphone), microphone.rate_hz, subtype="PCM_16")
            players.append(server.play(file, microphone))
        for player in players:
            assert player.wait(timeout=60) == 0
        time.sleep(2.5)  # the null sink may lag by two seconds
        for name, listener in listeners.items():
            _, stderr = listener.communicate(timeout=60)
            assert listener.returncode == 0, f"{name}: {stderr}"
    finally:
        for listener in listeners.values():
            listener.kill()
    for name, take in takes.items():
        take.played = sound(take.microphone)
        take.heard = np.load(folder / f"{name}.npy")
    return takes


@pytest.mark.parametrize("name", ["44100 Hz", "48000 Hz"])
def test_samples_are_those_played(takes: dict[str, Take], name: str) -> None:
    played, heard = takes[name].aligned()
    np.testing.assert_array_equal(heard, played)


@pytest.mark.parametrize("name", ["44100 Hz", "48000 Hz"])
def test_features_are_those_of_the_file(takes: dict[str, Take], name: str) -> None:
    config = FeatureConfig()
    of_file, of_capture = (
        log_mel(resample(samples, takes[name].rate_hz, config.sample_rate_hz), config)
        for samples in takes[name].aligned()
    )
    assert of_file.shape == (240, 64)  # 4.8 s at 50 frames a second
    np.testing.assert_array_equal(of_capture, of_file)


@pytest.mark.parametrize("name", ["48000 Hz asked for 44100", "48000 Hz asked for 16000"])
def test_another_rate_is_nearly_the_ideal_one(takes: dict[str, Take], name: str) -> None:
    # 0.9997 and 0.992 were measured: PulseAudio's default resampler is a small one.
    assert 0.98 < best_correlation(*takes[name].aligned()) <= 1.0


@pytest.mark.parametrize("name", ["stereo, asked for mono", "stereo, refuses mono"])
def test_a_stereo_device_gives_the_mean_of_both_sides(takes: dict[str, Take], name: str) -> None:
    mean, heard = takes[name].aligned()
    np.testing.assert_allclose(heard, mean, atol=2**-15)  # one step of 16 bits
    left, right = takes[name].played.T
    assert abs(np.corrcoef(left, right)[0, 1]) < 0.1


def test_devices_lists_it(server: SoundServer) -> None:
    done = subprocess.run(
        [EDGE_ASC, "devices", "--format", "json"], env=server.env, capture_output=True, check=True
    )
    assert DEVICE in [row["name"] for row in json.loads(done.stdout)]
