"""Make the pictures of docs/web.md: the page as a browser shows it.

    python tools/web_pictures.py --out docs/web

Recordings of `$EDGE_ASC_DATA/scenes_open`, or without it what `edge-asc synth` makes, become a day:
each scene's own follow each other for as long as `DAY` says. `listen` hears it fast, with gaps put
into it, and writes the history; then `edge-asc listen` hears the last two scenes in real time and
serves the page.
"""

from __future__ import annotations

import argparse
import os
import random
import shlex
import socket
import subprocess
import sys
import tempfile
from base64 import b64decode
from collections.abc import Iterator
from datetime import datetime, timedelta
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from edge_asc.audio import read_audio
from edge_asc.benchmarks.browser import Browser, find_browser, open_browser
from edge_asc.benchmarks.listener import Listener
from edge_asc.classifier import SceneClassifier
from edge_asc.context import SceneContext
from edge_asc.decision import Decider
from edge_asc.features import Samples
from edge_asc.listen import Judgement, listen
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.outputs import Outputs
from edge_asc.sources import Chunk
from edge_asc.web.history_file import HistoryFile

# Scenes and their hours, up to now; "off" is a listener that does not run, a cause lost sound.
DAY = (
    ("public_square", 0.7), ("restaurant", 1.4), ("metro", 0.6), ("unplugged", 0.2), ("bus", 0.5),
    ("bar", 1.6), ("traffic_street", 0.4), ("off", 7.0), ("urban_park", 0.8), ("bus", 0.7),
    ("metro", 0.6), ("construction_site", 2.4), ("the microphone was muted by its switch", 0.4),
    ("construction_site", 0.6), ("restaurant", 0.9), ("shopping_mall", 1.3), ("unplugged", 0.05),
    ("traffic_street", 0.6), ("public_square", 1.2), ("urban_park", 2.0),
)  # fmt: skip
CAUSES = {"unplugged": "'USB' sends no more sound (unplugged, or its sound server ended)"}
NOW = (("traffic_street", 25.0), ("urban_park", 90.0))
"""Heard in real time: seconds of each"""

HISTORY_BYTES = 50_000_000
NUM_COLOURS = 255
"""Of a picture: as many as the eye needs, and a third of the bytes"""

Recordings = dict[str, list[Samples]]


class Day:
    """A source that is heard as fast as it can be; a part of the day without a pause."""

    name, description, trouble, live = "the day", "a day of recordings", "", False

    def __init__(
        self, parts: list[tuple[str, float]], recordings: Recordings, rate_hz: int
    ) -> None:
        self._parts, self._recordings, self._rate_hz = parts, recordings, rate_hz

    def __enter__(self) -> Day:
        return self

    def __exit__(self, *exc: object) -> None:
        pass

    def __iter__(self) -> Iterator[Chunk]:
        lost_s, cause = 0.0, ""
        for what, hours in self._parts:
            if what not in self._recordings:
                lost_s, cause = 3600.0 * hours, CAUSES.get(what, what)
                continue
            for samples in endless(self._recordings[what], self._rate_hz, 3600.0 * hours):
                yield Chunk(samples, self._rate_hz, datetime.now().astimezone(), lost_s, cause)
                lost_s, cause = 0.0, ""


def endless(recordings: list[Samples], rate_hz: int, seconds: float) -> Iterator[Samples]:
    """Recordings in a random order, over and over, for so long; a second at a time."""
    rng, left = random.Random(1), round(seconds)
    while left > 0:
        sound = np.concatenate(rng.sample(recordings, len(recordings)))
        for start in range(0, len(sound) - rate_hz, rate_hz)[:left]:
            yield sound[start : start + rate_hz]
            left -= 1


def read_recordings(classifier: SceneClassifier, folder: Path) -> Recordings:
    """The recordings of each scene that has any."""
    rate_hz = classifier.sample_rate_hz
    return {
        scene: [read_audio(path, rate_hz) for path in sorted((folder / scene).glob("*.flac"))]
        for scene in classifier.manifest.scenes
        if (folder / scene).is_dir()
    }


def fill_history(file: Path, classifier: SceneClassifier, recordings: Recordings) -> None:
    """Hear `DAY`, which ends now."""
    manifest = classifier.manifest
    begins = datetime.now().astimezone() - timedelta(hours=sum(hours for _, hours in DAY))
    stretch: list[tuple[str, float]] = []
    for what, hours in (*DAY, ("off", 0.0)):
        if what != "off":
            stretch.append((what, hours))
            continue
        classifier.begin_at(0.0)
        outputs = Outputs(
            [HistoryFile(file, HISTORY_BYTES, manifest.scenes, say=print)], say=print, patient=True
        )
        decider = Decider(manifest.scenes, manifest.decision_config, classifier.hop_s)
        listen(
            Day(stretch, recordings, classifier.sample_rate_hz),
            classifier,
            outputs,
            SceneContext(None, begins),
            judgement=Judgement(decider),
            say=print,
        )
        outputs.close()
        begins += timedelta(hours=hours + sum(hours for _, hours in stretch))
        stretch = []


def write_programme(file: Path, recordings: Recordings, rate_hz: int) -> None:
    """What is heard in real time, as raw 16-bit samples."""
    with file.open("wb") as raw:
        for scene, seconds in NOW:
            for samples in endless(recordings[scene], rate_hz, seconds):
                raw.write((samples * 32_767).astype("<i2").tobytes())


def free_port() -> int:
    """A port that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def take(
    browser: Browser, file: Path, width: int, height: int, *, dark: bool = False, at: str = ""
) -> None:
    """A picture of a window of that size, from the panel that holds `at`; a phone's finer."""
    browser.look(width, height, dark=dark, scale=1.5 if width < 600 else 1.0)
    browser.run("document.getElementById(arguments[0])?.closest('.panel').scrollIntoView()", at)
    browser.wait_for(lambda: browser.run("return document.getAnimations().length") == 0)
    png = b64decode(browser.command("Page.captureScreenshot", format="png")["data"])
    picture = Image.open(BytesIO(png)).convert("RGB").quantize(NUM_COLOURS)
    picture.save(file, optimize=True)
    print(f"{file}: {file.stat().st_size / 1000:.0f} kB")


def main() -> None:
    """Read the options; make the pictures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, metavar="DIR")
    out: Path = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)
    programs = find_browser()
    if programs is None:
        raise SystemExit("needs a browser: apt-get install chromium chromium-driver")
    classifier = SceneClassifier(ModelFile.read(default_model_path()))
    with tempfile.TemporaryDirectory() as name:
        folder, data = Path(name), os.environ.get("EDGE_ASC_DATA")
        clips = Path(data) / "scenes_open" if data else folder / "clips"
        if not data:
            command = (sys.executable, "-m", "edge_asc", "synth", "--out", str(clips))
            subprocess.run((*command, "--visits", "2", "--clip-seconds", "30"), check=True)
        recordings = read_recordings(classifier, clips)
        history, programme = folder / "history.db", folder / "programme.raw"
        write_programme(programme, recordings, classifier.sample_rate_hz)
        fill_history(history, classifier, recordings)
        player = folder / "programme"
        player.write_text(f"#!/bin/sh\nexec cat {shlex.quote(str(programme))}\n", "utf-8")
        player.chmod(0o755)
        found = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}"}
        port = free_port()
        options = ("--source", "exec:programme", "--trust-clock", "--health", "5")
        with (
            Listener(
                *options, "--history", str(history), "--web", str(port), env=found
            ) as listener,
            open_browser(*programs) as browser,
        ):
            listener.wait_for_word("web page")
            browser.open(f"http://127.0.0.1:{port}/")
            browser.wait_for(lambda: "Before that" in browser.text("scene-detail"), 180.0)
            take(browser, out / "desktop-light.png", 1280, 900)
            take(browser, out / "desktop-dark.png", 1280, 900, dark=True)
            take(browser, out / "phone.png", 390, 844)
            take(browser, out / "phone-history.png", 390, 844, dark=True, at="history-heading")


if __name__ == "__main__":
    main()
