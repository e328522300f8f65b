"""A sound server of one's own, and a microphone whose sound is known: no sound card needed.

PulseAudio's null sink plays into the void, and its monitor hears what is played. PortAudio calls
it "pulse", through ALSA's plugin. The server can be killed, frozen and started again, and the
microphone taken away, as in real life.
"""

from __future__ import annotations

import ctypes.util
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

DEVICE = "pulse"
"""What PortAudio calls the microphone."""

_STARTS_S = 30.0


@dataclass(frozen=True, slots=True)
class NullMicrophone:
    """One that hears what is played to the sink of its name."""

    name: str = "mic"
    rate_hz: int = 48_000
    channels: int = 1

    @property
    def arguments(self) -> str:
        return f"sink_name={self.name} rate={self.rate_hz} channels={self.channels}"


def missing_parts() -> list[str]:
    """What real capture needs and the machine has not."""
    missing = [name for name in ("pulseaudio", "paplay", "pactl") if shutil.which(name) is None]
    if ctypes.util.find_library("portaudio") is None:
        missing.append("libportaudio2")
    if not list(Path("/usr/lib").glob("*/alsa-lib/libasound_module_pcm_pulse.so")):
        missing.append("libasound2-plugins")
    return missing


class SoundServer:
    """PulseAudio in `folder`, with `microphones`, the first of them the default.

    Used as a context manager it is started at once, unless `absent`, and ended.
    """

    def __init__(
        self,
        folder: Path,
        microphones: Sequence[NullMicrophone] = (NullMicrophone(),),
        *,
        absent: bool = False,
    ) -> None:
        self._default, self._absent = microphones[0], absent
        self._process: subprocess.Popen[bytes] | None = None
        runtime = folder / "run"
        (runtime / "pulse").mkdir(parents=True)
        runtime.chmod(0o700)
        (folder / ".asoundrc").write_text(
            "pcm.!default { type pulse }\nctl.!default { type pulse }\n"
        )
        self._script = folder / "null.pa"
        sinks = [f"load-module module-null-sink {one.arguments}\n" for one in microphones]
        self._script.write_text(
            "load-module module-native-protocol-unix\n"
            + "".join(sinks)
            + f"set-default-source {self._default.name}.monitor\n"
        )
        ours = {
            "HOME": folder,
            "XDG_RUNTIME_DIR": runtime,
            "PULSE_RUNTIME_PATH": runtime / "pulse",
            "XDG_CONFIG_HOME": folder / "config",
        }
        inherited = {name: value for name, value in os.environ.items() if "PULSE" not in name}
        self.env = inherited | {name: str(path) for name, path in ours.items()}
        """The environment in which programs find this server."""

    def __enter__(self) -> SoundServer:
        if not self._absent:
            self.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self.kill()

    def env_for(self, microphone: NullMicrophone) -> dict[str, str]:
        """The environment in which "pulse" is `microphone`, not the default one."""
        return self.env | {"PULSE_SOURCE": f"{microphone.name}.monitor"}

    def start(self) -> None:
        """Start the server; returns when it answers. Raises RuntimeError if it does not."""
        command = ["pulseaudio", "-n", "-F", str(self._script), "--daemonize=no"]
        self._process = subprocess.Popen(
            [*command, "--exit-idle-time=-1", "--use-pid-file=no"],
            env=self.env,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        until_s = time.monotonic() + _STARTS_S
        while self._process.poll() is None and time.monotonic() < until_s:
            if subprocess.run(["pactl", "info"], env=self.env, capture_output=True).returncode == 0:
                return
            time.sleep(0.1)
        raise RuntimeError(f"PulseAudio did not start: exit code {self._process.poll()}")

    def kill(self) -> None:
        """SIGKILL: its clients get no word."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def freeze(self) -> None:
        """SIGSTOP: its clients hear nothing more, and are not told."""
        self._signal(signal.SIGSTOP)

    def release(self) -> None:
        """SIGCONT."""
        self._signal(signal.SIGCONT)

    def unplug(self) -> None:
        """Take the microphones away, as a cable that is pulled; the server stays."""
        self._control("unload-module", "module-null-sink")

    def plug_in(self) -> None:
        """Bring the first microphone back."""
        self._control("load-module", "module-null-sink", *self._default.arguments.split())
        self._control("set-default-source", f"{self._default.name}.monitor")

    def play(self, file: Path, microphone: NullMicrophone | None = None) -> subprocess.Popen[bytes]:
        """Begin to play a sound file to a microphone, by default the first."""
        sink = (microphone or self._default).name
        return subprocess.Popen(
            ["paplay", "-d", sink, str(file)], env=self.env, stderr=subprocess.DEVNULL
        )

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    def _control(self, *words: str) -> None:
        subprocess.run(["pactl", *words], env=self.env, check=True, capture_output=True)
