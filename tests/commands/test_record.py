"""`edge-asc record`: from a command line to a folder that training reads."""

from __future__ import annotations

import csv
import io
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from click.testing import Result

from edge_asc.commands.record import TerminalDisplay, meter
from edge_asc.level import Level
from edge_asc.record import Progress
from edge_asc.sources import RawFormat
from edge_asc.training.datasets.folder import read_folder
from tests.commands.conftest import Program
from tests.played_sound import BEGIN, Played, chunks, noise
from tests.training.tiny_runs import train, write_recipe

RATE_HZ = 8000


def pcm(seconds: float, seed: int = 1) -> bytes:
    values = noise(seconds, seed=seed) * 2**15
    return values.astype("<i2").tobytes()


@pytest.fixture
def out(tmp_path: Path) -> Path:
    return tmp_path / "collected"


def run(edge_asc: Program, out: Path, *arguments: str, sound: bytes = b"") -> Result:
    raw = ("--source", "-", "--rate", str(RATE_HZ))
    return edge_asc("record", "--out", out, *raw, *arguments, stdin=sound)


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_from_standard_input_to_a_data_set(edge_asc: Program, out: Path) -> None:
    sound = pcm(24.0)
    arguments = ("--scene", "Public Square", "--city", "xian", "--place", "Bell Tower, south")
    done = run(edge_asc, out, *arguments, sound=sound)
    assert done.exit_code == 0, done.output
    assert done.stdout == ""
    first, second = rows(out)
    assert (first["label"], first["city"], first["place"], first["source"]) == (
        "public_square",
        "Xi'an",
        "Bell Tower, south",
        "standard input",
    )
    assert first["group"] == second["group"]
    joined = b"".join(
        soundfile.read(out / row["file"], dtype="int16")[0].tobytes() for row in (first, second)
    )
    assert joined == sound[: len(joined)]
    assert len(joined) == 2 * 20 * RATE_HZ
    checked = edge_asc("data", "check", out)
    assert checked.exit_code == 0
    assert "ready: 2 clips" in checked.output


def test_it_says_at_once_where_sound_is_written(edge_asc: Program, out: Path) -> None:
    lines = run(edge_asc, out, "--scene", "bar", sound=pcm(10.0)).stderr.splitlines()
    assert lines[0].startswith("recording standard input (8000 Hz")
    assert f"all sound from now on is written to {out}, in clips of 10 s" in lines[0]
    assert lines[-1] == f"standard input ended: 1 clip recorded into {out}, heard 10.0 s"
    (file,) = [line for line in lines if line.startswith("bar-")]
    assert file.endswith(".flac: -2 dBFS, peak 0 dBFS; 1 clip, 0.2 MB")


def test_each_run_is_a_visit_unless_it_goes_on_with_one(edge_asc: Program, out: Path) -> None:
    for arguments in ((), (), ("--group", "monday"), ("--group", "monday")):
        done = run(edge_asc, out, "--scene", "bus", *arguments, sound=pcm(10.0))
        assert done.exit_code == 0, done.output
    groups = [row["group"] for row in rows(out)]
    assert groups[2:] == ["monday", "monday"]
    assert len(set(groups)) == 3
    assert len({row["file"] for row in rows(out)}) == 4


def test_minutes(edge_asc: Program, out: Path) -> None:
    done = run(edge_asc, out, "--scene", "bus", "--minutes", "0.5", sound=pcm(60.0))
    assert done.exit_code == 0
    assert len(rows(out)) == 3
    assert done.stderr.splitlines()[-1].startswith("time is up: 3 clips recorded into")
    assert "2 clips, 0.3 MB, 0:10 left" in done.stderr


def test_what_a_loss_of_power_left_is_told(edge_asc: Program, out: Path) -> None:
    run(edge_asc, out, "--scene", "bus", sound=pcm(10.0))
    table = (out / "clips.csv").read_bytes()
    (out / "clips.csv").write_bytes(table[:-5])
    done = run(edge_asc, out, "--scene", "bus", sound=pcm(10.0))
    assert "removed a line of clips.csv that was cut off" in done.stderr
    assert "which was not in clips.csv yet" in done.stderr
    assert (out / "clips.csv").read_bytes().startswith(table)
    assert len(rows(out)) == 2


def test_the_size_cap(edge_asc: Program, out: Path) -> None:
    done = run(edge_asc, out, "--scene", "bus", "--max-size", "0.4", sound=pcm(60.0))
    assert done.exit_code == 0
    assert len(rows(out)) == 2
    assert "holds 0.3 MB of sound, and 0.4 MB is the most (--max-size): 2 clips" in done.stderr
    again = run(edge_asc, out, "--scene", "bus", "--max-size", "0.3", sound=pcm(60.0))
    assert again.exit_code == 1
    assert "error: no room for a clip" in again.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--scene", "buss"), "got 'buss'; did you mean 'bus'? (a class of your own: --own-class)"),
        (("--scene", "Küche", "--own-class"), "up to 64 of a-z, 0-9, _ and -, got 'Küche'"),
        (("--scene", "bus", "--city", "Bejing"), "did you mean 'Beijing'?"),
        (("--scene", "bus", "--minutes", "0.1"), "0.1 minutes are shorter than one clip of 10 s"),
        (("--scene", "bus", "--place", "two\nlines"), "must be one line of up to 200 characters"),
        (("--scene", "bus", "--group", " monday"), "must be one line of up to 200 characters"),
        (("--scene", "bus", "--source", "walk.wav"), "must be mic, -, exec:COMMAND or serial:PORT"),
        (("--scene", "bus", "--device", "USB"), "--device is for a microphone"),
        ((), "Missing option '--scene'"),
    ],
)
def test_wrong_usage(
    edge_asc: Program, out: Path, arguments: tuple[str, ...], message: str
) -> None:
    done = run(edge_asc, out, *arguments)
    assert done.exit_code == 2, done.output
    assert message in " ".join(done.stderr.split())
    assert not out.exists()


def test_what_the_source_is_asked_for(
    edge_asc: Program, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[dict[str, Any]] = []

    def open_source(spec: str, **options: Any) -> Played:
        asked.append({"spec": spec, **options})
        return Played(chunks(noise(10.0)))

    monkeypatch.setattr("edge_asc.sources.open_source", open_source)
    monkeypatch.setattr("edge_asc.clock.clock_doubt", lambda: "no NTP")
    arguments = ("record", "--scene", "bus", "--out", out, "--device", "USB", "--no-retry")
    for more in ((), ("--trust-clock",)):
        done = edge_asc(*arguments, *more)
        assert done.exit_code == 0, done.output
        assert ("no NTP; the clips get no time" in done.stderr) == (more == ())
    local = BEGIN.astimezone().strftime("%Y-%m-%d %H:%M:%S")
    assert [row["time"] for row in rows(out)] == ["", local]
    assert asked[0].pop("say")
    assert asked[0] == {
        "spec": "mic",
        "preferred_rate_hz": 44_100,
        "device": "USB",
        "fast": False,
        "raw": RawFormat(),
        "retry": False,
        "max_lag_s": 5.0,
    }


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 0)])
def test_a_signal_ends_the_program_with_a_summary(
    tmp_path: Path, out: Path, number: int, code: int
) -> None:
    sound = tmp_path / "sound.raw"
    sound.write_bytes(pcm(1.0))
    play = f"exec:sh -c 'cat {sound}; sleep 100'"
    program = "from edge_asc.cli import main; main()"
    arguments = ["record", "--scene", "bus", "--source", play, "--rate", "8000", "--out", str(out)]
    with subprocess.Popen(
        [sys.executable, "-c", program, *arguments], stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if line.startswith("hearing sh at 8000 Hz"):
                process.send_signal(number)
        assert process.wait() == code, lines
    assert lines[-1].startswith(f"stopped: 0 clips recorded into {out}, heard "), lines
    assert rows(out) == []


def test_training_reads_what_was_recorded(
    edge_asc: Program, out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two visits of each of two classes: half of the visits train, the other half tests."""
    monkeypatch.setenv("EDGE_ASC_CACHE", str(tmp_path / "cache"))
    t = np.arange(20 * RATE_HZ) / RATE_HZ
    hum = (8000 * np.sin(2 * np.pi * 440 * t)).astype("<i2").tobytes()
    for visit in range(2):
        run(edge_asc, out, "--scene", "kitchen", "--own-class", sound=pcm(20.0, seed=visit))
        run(edge_asc, out, "--scene", "cellar", "--own-class", sound=hum)
    assert [clip.scene for clip in read_folder(out)] == (["kitchen"] * 2 + ["cellar"] * 2) * 2
    recipe = Path(write_recipe(tmp_path))
    recipe.write_text(recipe.read_text().replace("[data]", "[data]\nnum_group_folds = 2"))
    train(str(recipe), out, tmp_path / "run", ["1"], epochs=1)
    assert (tmp_path / "run" / "checkpoint.safetensors").exists()


class TestDisplay:
    LEVEL = Level(-40.0, -20.0, 0.0)
    PROGRESS = Progress(num_clips=3, num_bytes=2_100_000, left_s=85.0)

    def test_the_meter(self) -> None:
        assert meter(self.LEVEL, self.PROGRESS) == (
            "[##########----------          ]  -40 dBFS, peak  -20 dBFS; 3 clips, 2.1 MB, 1:25 left"
        )
        silence = meter(Level(-np.inf, -np.inf, 0.0), Progress())
        assert silence == f"[{30 * ' '}]   silence, peak   silence; 0 clips, 0.0 MB"
        full = meter(Level(3.0, 0.0, 0.0), Progress(num_clips=1))
        assert full.startswith(f"[{30 * '#'}]    3 dBFS, peak    0 dBFS; 1 clip,")

    def test_a_terminal_shows_one_line(self, monkeypatch: pytest.MonkeyPatch) -> None:
        class Terminal(io.StringIO):
            def isatty(self) -> bool:
                return True

        stderr = Terminal()
        monkeypatch.setattr(sys, "stderr", stderr)
        monkeypatch.setenv("COLUMNS", "60")
        display = TerminalDisplay()
        display.heard(self.LEVEL, self.PROGRESS)
        display.kept("bus-1.flac", self.LEVEL, self.PROGRESS)
        display.say("muted?")
        shown = meter(self.LEVEL, self.PROGRESS)[:59]
        assert stderr.getvalue() == f"\r{shown}\r{59 * ' '}\rmuted?\n"

    def test_elsewhere_a_line_a_clip(self, capsys: pytest.CaptureFixture[str]) -> None:
        display = TerminalDisplay()
        display.heard(self.LEVEL, self.PROGRESS)
        display.kept("bus-1.flac", self.LEVEL, self.PROGRESS)
        captured = capsys.readouterr()
        assert captured.out == ""
        assert captured.err == "bus-1.flac: -40 dBFS, peak -20 dBFS; 3 clips, 2.1 MB, 1:25 left\n"
