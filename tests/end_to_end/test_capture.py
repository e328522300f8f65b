"""Sound that is really captured: sounddevice, PortAudio, ALSA, PulseAudio; no sound card needed.

PulseAudio's null sink plays into the void, and its monitor hears what is played: a microphone whose
sound is known to the bit.
"""

from __future__ import annotations

import ctypes.util
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
import soundfile

from edge_asc.features import FeatureConfig, Samples, log_mel
from edge_asc.model_file import default_model_path
from edge_asc.resample import resample

RATE_HZ = 48_000
SOUND_S = 5
EDGE_ASC = Path(sys.executable).with_name("edge-asc")

CAPTURE = f"""
import sys, threading
import numpy as np
from edge_asc.sources.microphone import Microphone

stop = threading.Event()
threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
chunks = []
with Microphone("pulse", {RATE_HZ}) as source:
    assert source.sample_rate_hz == {RATE_HZ}
    for chunk in source:
        assert chunk.lost_samples == 0
        if not chunks:
            print("ready", flush=True)
        chunks.append(chunk.samples)
        if stop.is_set():
            break
np.save(sys.argv[1], np.concatenate(chunks))
"""


def missing_parts() -> list[str]:
    """What this test needs and the machine has not."""
    missing = [name for name in ("pulseaudio", "paplay", "pactl") if shutil.which(name) is None]
    if ctypes.util.find_library("portaudio") is None:
        missing.append("libportaudio2")
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        missing.append("libasound2-plugins")
    return missing


pytestmark = pytest.mark.skipif(
    bool(missing_parts()), reason=f"real capture needs {', '.join(missing_parts())}"
)


def wait_until_up(server: subprocess.Popen[bytes], env: dict[str, str]) -> None:
    for _ in range(150):
        if server.poll() is not None:
            break
        asked = subprocess.run(["pactl", "info"], env=env, capture_output=True)
        if asked.returncode == 0:
            return
        time.sleep(0.1)
    pytest.fail("PulseAudio did not start")


@pytest.fixture(scope="module")
def pulse_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of a sound server of this test's own, with one known microphone."""
    home = tmp_path_factory.mktemp("pulse")
    runtime = home / "run"
    (runtime / "pulse").mkdir(parents=True)
    runtime.chmod(0o700)
    (home / ".asoundrc").write_text("pcm.!default { type pulse }\nctl.!default { type pulse }\n")
    script = home / "null.pa"
    script.write_text(
        "load-module module-native-protocol-unix\n"
        f"load-module module-null-sink sink_name=mic rate={RATE_HZ} channels=1\n"
        "set-default-source mic.monitor\n"
    )
    ours = {
        "HOME": home,
        "XDG_RUNTIME_DIR": runtime,
        "PULSE_RUNTIME_PATH": runtime / "pulse",
        "XDG_CONFIG_HOME": home / "config",
    }
    env = {name: value for name, value in os.environ.items() if not name.startswith("PULSE_")}
    env |= {name: str(path) for name, path in ours.items()}
    command = ["pulseaudio", "-n", "-F", str(script), "--daemonize=no", "--exit-idle-time=-1"]
    with subprocess.Popen(
        [*command, "--use-pid-file=no"], env=env, stderr=subprocess.DEVNULL, start_new_session=True
    ) as server:
        try:
            wait_until_up(server, env)
            yield env
        finally:
            server.terminate()


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five seconds of a rising tone under noise, 16 bits: no moment of it is like another."""
    rng = np.random.default_rng(7)
    time_s = np.arange(SOUND_S * RATE_HZ) / RATE_HZ
    chirp = np.sin(2 * np.pi * (200 * time_s + 0.5 * 3_000 * time_s**2))
    sound = np.round(8_000 * chirp + 2_000 * rng.standard_normal(len(time_s)))
    path = tmp_path_factory.mktemp("played") / "chirp.wav"
    soundfile.write(path, sound.astype(np.int16), RATE_HZ)
    return path


@pytest.fixture(scope="module")
def captured(
    pulse_env: dict[str, str], played: Path, tmp_path_factory: pytest.TempPathFactory
) -> Samples:
    """What our microphone heard while the file was played; it listened before and after."""
    saved = tmp_path_factory.mktemp("captured") / "heard.npy"
    with subprocess.Popen(
        [sys.executable, "-c", CAPTURE, str(saved)],
        env=pulse_env,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as listener:
        try:
            assert listener.stdout is not None
            ready = listener.stdout.readline()
            if ready:
                subprocess.run(["paplay", "-d", "mic", str(played)], env=pulse_env, check=True)
                time.sleep(2.5)  # the null sink may lag by two seconds
            _, stderr = listener.communicate(timeout=60)
        finally:
            listener.kill()
    assert listener.returncode == 0, stderr
    heard: Samples = np.load(saved)
    return heard


def find_offset(sound: Samples, heard: Samples) -> int:
    """Where in `heard` the sound begins, by the peak of their cross-correlation."""
    size = len(sound) + len(heard)
    spectrum = np.fft.rfft(heard, size) * np.conj(np.fft.rfft(sound, size))
    return int(np.argmax(np.fft.irfft(spectrum, size)[: len(heard)]))


@pytest.fixture(scope="module")
def aligned(played: Path, captured: Samples) -> tuple[Samples, Samples]:
    """The file and the captured sound of the same time, without a tenth of a second at each end."""
    sound, _ = soundfile.read(played, dtype="float32")
    offset = find_offset(sound, captured)
    assert offset + len(sound) <= len(captured), "the end was not heard"
    inner = slice(RATE_HZ // 10, -RATE_HZ // 10)
    return sound[inner], captured[offset : offset + len(sound)][inner]


def as_int16(samples: Samples) -> npt.NDArray[np.float32]:
    return samples * np.float32(2**15)


def test_captured_samples_are_those_played(aligned: tuple[Samples, Samples]) -> None:
    sound, heard = aligned
    np.testing.assert_array_equal(as_int16(heard), as_int16(sound))


def test_captured_features_are_those_of_the_file(aligned: tuple[Samples, Samples]) -> None:
    config = FeatureConfig()
    of_file, of_capture = (
        log_mel(resample(samples, RATE_HZ, config.sample_rate_hz), config) for samples in aligned
    )
    assert of_file.shape == (240, 64)  # 4.8 s at 50 frames a second
    np.testing.assert_array_equal(of_capture, of_file)


def test_devices_lists_it(pulse_env: dict[str, str]) -> None:
    done = subprocess.run(
        [EDGE_ASC, "devices", "--format", "json"], env=pulse_env, capture_output=True, check=True
    )
    assert "pulse" in [row["name"] for row in json.loads(done.stdout)]


@pytest.mark.skipif(not default_model_path().exists(), reason="there is no default model yet")
def test_listening_to_it(pulse_env: dict[str, str]) -> None:
    command = [str(EDGE_ASC), "listen", "--device", "pulse", "--seconds", "12", "--format", "json"]
    done = subprocess.run(command, env=pulse_env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    estimates = [json.loads(line) for line in done.stdout.splitlines()]
    assert [estimate["end_s"] for estimate in estimates] == [10, 11, 12]
    assert all(estimate["time"] and estimate["source"] == "pulse" for estimate in estimates)
