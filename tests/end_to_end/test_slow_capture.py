"""A callback that is too slow, on JACK's dummy driver: sound is lost and no flag tells it."""

from __future__ import annotations

import ctypes.util
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge_asc.benchmarks.listener import Listener
from tests.end_to_end.streams import check_stream

missing = [name for name in ("jackd", "jack_lsp") if shutil.which(name) is None]
if ctypes.util.find_library("portaudio") is None:
    missing.append("libportaudio2")

pytestmark = pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")

SLEEPS, SLEEP_S = 5, 0.5

SLOW_CAPTURE = f"""
import time
from edge_asc.sources import capture_process

class Slow(capture_process.Capture):
    blocks = 0

    def _on_audio(self, *arguments):
        Slow.blocks += 1
        if 30 < Slow.blocks <= 30 + 10 * {SLEEPS} and Slow.blocks % 10 == 0:
            time.sleep({SLEEP_S})
        super()._on_audio(*arguments)

capture_process.Capture = Slow
capture_process.main()
"""
"""Three seconds of sound as they should be, then a second of which half is slept, five times."""

LISTEN = f"""
import sys
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.listen import listen
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.outputs import Outputs
from edge_asc.sinks.jsonl import JsonLines
from edge_asc.sinks.main_output import MainOutput
from edge_asc.sources.live import LiveSource
from edge_asc.sources.microphone import Microphone

def say(text):
    print(text, file=sys.stderr, flush=True)

command = (sys.executable, "-c", {SLOW_CAPTURE!r})
source = LiveSource(Microphone("system", 48_000, command), say=say)
classifier = SceneClassifier(ModelFile.read(default_model_path()))
outputs = Outputs([MainOutput(JsonLines(sys.stdout))], say=say)
listen(source, classifier, outputs, SceneContext(), say=say)
"""


@pytest.fixture(scope="module")
def jack_env(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment in which JACK's clients find a server of this test's own."""
    name = f"edge-asc-{os.getpid()}"
    folder = tmp_path_factory.mktemp("jack")
    env = os.environ | {"JACK_DEFAULT_SERVER": name, "HOME": str(folder)}
    with (folder / "jackd.log").open("wb") as log:
        command = ["jackd", "-n", name, "-r", "-d", "dummy", "-r", "48000", "-p", "1024"]
        server = subprocess.Popen(command, env=env, stdout=log, stderr=log)
    try:
        wait_until_up(server, env, folder / "jackd.log")
        yield env
    finally:
        server.terminate()
        server.wait()


def wait_until_up(server: subprocess.Popen[bytes], env: dict[str, str], log: Path) -> None:
    for _ in range(150):
        asked = subprocess.run(["jack_lsp"], env=env, capture_output=True)
        if asked.returncode == 0:
            return
        if server.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"JACK did not start: {log.read_text()}")


def test_sound_that_is_lost_without_a_word_is_counted(jack_env: dict[str, str]) -> None:
    with Listener(command=(sys.executable, "-c", LISTEN), env=jack_env) as listener:
        listener.wait_until(lambda listener: listener.timeline.lost_s > 0)
        listener.wait_for_estimates(2)
        listener.process.kill()
    check_stream(listener)
    timeline = listener.timeline
    # Each sleep costs what it lasts, but for what a block of 0.1 s and JACK's own buffers hold.
    assert SLEEPS * (SLEEP_S - 0.15) < timeline.lost_s < SLEEPS * (SLEEP_S + 0.1)
    assert abs(timeline.clock_ahead_s) < 0.5
    causes = [gap.cause for gap in timeline.gaps]
    assert "it did not come, without a word" in causes
    # Estimates begin after the last sleep.
    assert timeline.gaps[0].start_s == 0.0
    assert timeline.gaps[-1].end_s == pytest.approx(8.0 + timeline.lost_s, abs=1.0)
