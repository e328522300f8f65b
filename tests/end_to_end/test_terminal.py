"""`edge-asc listen --format live`, as somebody at a terminal sees it: in tmux, by its own keys.

All runs go on at the same time, because each takes as long as it is listened to.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from edge_asc.benchmarks.process_facts import children
from edge_asc.benchmarks.timeline import Timeline

pytestmark = pytest.mark.skipif(shutil.which("tmux") is None, reason="needs tmux")

EDGE_ASC = Path(sys.executable).with_name("edge-asc")
RATE_HZ = 44_100
PATIENCE_S = 180.0


HEARD = r"heard (?:(\d+) min )?(\d+) s"


def heard_s(found: re.Match[str]) -> int:
    minutes, seconds = found.groups(default="0")
    return 60 * int(minutes) + int(seconds)


class Shell:
    """A shell in a tmux of its own, in which programs are started, typed at and looked at."""

    def __init__(self, folder: Path, columns: int = 80, rows: int = 24) -> None:
        self.folder = folder
        kept = ("PATH", "HOME", "PYTHONPATH", "EDGE_ASC_MODEL_DIR")
        self._environment = {name: os.environ[name] for name in kept if name in os.environ}
        self._environment |= {"LC_ALL": "C.UTF-8", "PS1": "$ ", "EDGE_ASC_CONFIG": os.devnull}
        size = ("-x", str(columns), "-y", str(rows))
        self._tmux("new-session", "-d", *size, "bash --norc --noprofile")
        self.type("stty -g > before; PS1='$ '; clear")
        self.wait_for(r"^\$ *$")

    def __enter__(self) -> Shell:
        return self

    def __exit__(self, *exc: object) -> None:
        self._tmux("kill-server")

    def _tmux(self, *arguments: str) -> str:
        command = ["tmux", "-u", "-S", "socket", "-f", os.devnull, *arguments]
        return subprocess.run(
            command,
            cwd=self.folder,
            env=self._environment,
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    def type(self, line: str) -> None:
        self._tmux("send-keys", "-l", line)
        self.press("Enter")

    def press(self, key: str) -> None:
        self._tmux("send-keys", key)

    def resize(self, columns: int, rows: int) -> None:
        self._tmux("resize-window", "-x", str(columns), "-y", str(rows))

    def screen(self) -> str:
        return self._tmux("capture-pane", "-p")

    def wait_for(
        self, pattern: str, fits: Callable[[re.Match[str]], bool] = lambda found: True
    ) -> re.Match[str]:
        """Wait until the screen matches, and what is found fits."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            screen = self.screen()
            found = re.search(pattern, screen, re.MULTILINE)
            if found is not None and fits(found):
                return found
            assert time.monotonic() < until_s, f"{pattern!r} did not come; the screen was\n{screen}"
            time.sleep(0.1)

    def seconds_heard(self, at_least: int = 0) -> int:
        """As the view says; waits for `at_least` so many."""
        return heard_s(self.wait_for(HEARD, lambda found: heard_s(found) >= at_least))

    def listen(self, *options: str, before: str = "", after: str = "") -> None:
        """Start `edge-asc listen`; the shell will say its exit code."""
        command = f"{before} {EDGE_ASC} listen {' '.join(options)} {after}"
        self.type(f'clear; {command}; code=$?; stty -g > after; echo "code $code"')

    def pid(self) -> int:
        """Of what runs in the foreground."""
        (pid,) = children(int(self._tmux("display-message", "-p", "#{pane_pid}")))
        return pid

    def end(self) -> tuple[int, str]:
        """The exit code and what is on the screen, which is in order again."""
        code = int(self.wait_for(r"^code (\d+)")[1])
        assert self.is_in_order()
        return code, self.screen()

    def is_in_order(self) -> bool:
        """The main screen, with a cursor, and the modes of the terminal as they were."""
        modes = [(self.folder / name).read_text() for name in ("before", "after")]
        shown = self._tmux("display-message", "-p", "#{alternate_on} #{cursor_flag}").split()
        return modes[0] == modes[1] and shown == ["0", "1"]


def noise(folder: Path, seconds: float) -> Path:
    """Raw PCM."""
    samples = 1_000 * np.random.default_rng(3).standard_normal(round(seconds * RATE_HZ))
    path = folder / "noise.raw"
    path.write_bytes(samples.astype("<i2").tobytes())
    return path


def look_at_it(folder: Path) -> None:
    """A recording in real time: the picture at several sizes, a pause, the end."""
    recording = folder / "walk.wav"
    made = ("synth", "--recording", recording, "--scenes", "bus,urban_park", "--seconds", "60")
    subprocess.run([EDGE_ASC, *made], check=True, capture_output=True)
    with Shell(folder) as shell:
        shell.listen("--source", "walk.wav", "--city", "Luoyang", "--format", "live")
        shell.wait_for(r"L I S T E N I N G\s+listening \.\.\. \d+ of 10 s")
        shell.wait_for(r"U N D E C I D E D|B U S|U R B A N")
        screen = shell.screen()
        assert len(screen.splitlines()) == 24
        assert screen.splitlines()[0] == " edge-asc  walk.wav · model default (int8) · Luoyang"
        assert " demonstration model: not fit to decide anything" in screen
        for letter, scene in zip("BAMRSPUTCb", SCENES, strict=True):
            bar = rf"^ [▶ ] {letter} {scene} +[█▏▎▍▌▋▊▉│ ]+ \d+ % │ +\d+ %$"
            assert re.search(bar, screen, re.MULTILINE), (scene, screen)
        for part in (r"^ sure", r"^ loud +[▁▂▃▄▅▆▇█]+$", r"^ scene +[·BU━]+$", r"ago +now$"):
            assert re.search(part, screen, re.MULTILINE), (part, screen)
        assert re.search(r"^ level +▕[█▏▎▍▌▋▊▉│ ]+▏ -\d\d\.\d dBFS  peak -\d+\.\d$", screen, re.M)
        assert re.search(r"^ ● listening · no gap · latency \d+ ms · heard \d\d s$", screen, re.M)
        assert screen.splitlines()[-1] == "  q  quit    p  pause"

        shell.resize(40, 12)
        shell.wait_for(r"\A edge-asc  walk\.wav\n(.*\n)+  q  quit    p  pause\s*\Z")
        narrow = shell.screen().splitlines()
        assert len(narrow) == 12
        assert max(map(len, narrow)) <= 40
        assert sum(" % " in f"{line} " for line in narrow[2:8]) >= 3
        assert any(line.endswith("dBFS") for line in narrow)
        shell.resize(120, 40)
        shell.wait_for(r"\A edge-asc .* Luoyang\n(.*\n)+ loud(.*\n)+  q  quit")
        assert len(shell.screen().splitlines()) == 40
        shell.resize(80, 24)

        shell.press("C-s")  # stops nothing
        shell.press("p")
        shell.wait_for(r"P A U S E D\s+for \d+ s; the recording waits")
        before_s = shell.seconds_heard()
        shell.wait_for(r"for (?:[3-9]|\d\d) s; the recording waits")
        assert shell.seconds_heard() == before_s
        assert "● paused" in shell.screen()
        assert shell.screen().splitlines()[-1] == "  q  quit    p  continue"
        shell.press("p")
        shell.wait_for("● listening")
        shell.seconds_heard(at_least=before_s + 2)
        shell.press("q")
        code, screen = shell.end()
        assert code == 0
        heard = re.search(r"^heard (\d+)\.\d s; \d+ estimates: ", screen, re.MULTILINE)
        assert heard is not None
        assert int(heard[1]) >= before_s + 2
        assert "q  quit" not in screen


SCENES = (
    "bus",
    "airport",
    "metro",
    "restaurant",
    "shopping mall",
    "public square",
    "urban park",
    "traffic street",
    "construction site",
    "bar",
)


def pause_live_sound(folder: Path) -> None:
    """What sounds during a pause is a gap, in the log, too; and every second is in one line."""
    noise(folder, 60)
    with Shell(folder, columns=120) as shell:
        shell.listen("--source 'exec:cat noise.raw' --format live --log log.jsonl")
        shell.wait_for(r"heard [1-9]")
        shell.press("p")
        shell.wait_for(r"P A U S E D\s+for (?:[2-9]|\d\d) s; what sounds is thrown away")
        shell.press("p")
        shell.wait_for(r"● listening · 1 gap, \d+ s lost · .* · last gap: paused")
        shell.wait_for(r"heard (?:1[5-9]|[2-5]\d) s")
        shell.wait_for(r"^ scene +××+[A-Za-z·━]{2,}$")
        shell.press("q")
        code, screen = shell.end()
    assert code == 0
    assert re.search(r"^\d\d:\d\d:\d\d  hearing cat at 44100 Hz$", screen, re.MULTILINE)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    timeline = Timeline()
    for line in lines:
        timeline.add(line)
    (gap,) = timeline.gaps
    assert gap.cause == "paused"
    assert gap.lost_s >= 2.0
    assert timeline.num_estimates >= 2
    assert timeline.covered_s == pytest.approx(timeline.estimated_s + timeline.gap_s)
    states = [line["state"] for line in lines if line["type"] == "health"]
    assert "paused" in states
    assert "no sound" not in states[states.index("paused") :]


def suspend_it(folder: Path) -> None:
    """Ctrl-Z gives the terminal to the shell, fg takes it again, Ctrl-C ends it."""
    noise(folder, 60)
    with Shell(folder) as shell:
        shell.type(f"clear; {EDGE_ASC} listen --source 'exec:cat noise.raw' --format live")
        shell.wait_for(r"heard [1-9]")
        shell.press("C-z")
        shell.wait_for(r"^\[1\]\+  Stopped")
        shell.type("stty -g > after; echo written")
        shell.wait_for("^written$")
        assert shell.is_in_order()
        shell.type('fg; code=$?; stty -g > after; echo "code $code"')
        shell.wait_for(r"\A edge-asc (.*\n)+.* heard [1-9]\d* s")
        shell.press("C-c")
        code, screen = shell.end()
    assert code == 130
    assert re.search(r"^heard \d+\.\d s", screen, re.MULTILINE)


def end_by_signal(folder: Path, number: signal.Signals) -> int:
    """A signal from elsewhere; whatever it does, the terminal is in order."""
    noise(folder, 60)
    with Shell(folder) as shell:
        shell.listen("--source 'exec:cat noise.raw' --format live")
        shell.wait_for(r"heard [1-9]")
        os.kill(shell.pid(), number)
        code, screen = shell.end()
    assert ("heard " in screen) == (number == signal.SIGTERM)
    return code


def reload_it(folder: Path) -> None:
    """SIGHUP, where stderr is a file; who has paused it finds it paused."""
    noise(folder, 60)
    notes = folder / "notes"
    with Shell(folder) as shell:
        shell.listen("--source 'exec:cat noise.raw' --format live", after="2> notes")
        shell.wait_for(r"heard [1-9]")
        assert "hearing cat at 44100 Hz\n" in notes.read_text()  # at once
        shell.press("p")
        shell.wait_for("P A U S E D")
        os.kill(shell.pid(), signal.SIGHUP)
        shell.wait_for(r"P A U S E D(.*\n)+.*heard 0 s(.*\n)+  q  quit    p  continue")
        shell.press("p")
        shell.wait_for(r"heard [1-9]")
        shell.press("q")
        assert shell.end()[0] == 0
    assert notes.read_text().count("listening to cat noise.raw") == 2
    assert len(re.findall(r"^heard ", notes.read_text(), re.MULTILINE)) == 2


def fail_inside(folder: Path) -> None:
    """A recording that is damaged at its end."""
    samples = np.random.default_rng(3).standard_normal(60 * RATE_HZ)
    samples[-1] = np.nan
    soundfile.write(folder / "damaged.wav", 0.1 * samples, RATE_HZ, subtype="FLOAT")
    with Shell(folder) as shell:
        shell.listen("--source damaged.wav --fast --format live")
        code, screen = shell.end()
    assert code == 1
    assert "edge-asc: error: damaged.wav" in screen


def quit_before_sound_came(folder: Path) -> None:
    with Shell(folder) as shell:
        shell.listen("--source 'exec:false' --format live")
        shell.wait_for(r"S T A R T I N G\s+false ended with exit code 1; trying again")
        shell.press("q")
        code, screen = shell.end()
    assert code == 0
    assert "heard 0.0 s; 0 estimates" in screen


def listen_to_standard_input(folder: Path) -> None:
    """Sound comes by standard input, keys from the terminal all the same."""
    noise(folder, 60)
    with Shell(folder) as shell:
        shell.listen("--source - --format live", after="< <(cat noise.raw)")
        shell.wait_for(r"heard [1-9](.*\n)+  q  quit    p  pause")
        shell.press("p")
        shell.wait_for("P A U S E D")
        shell.press("q")
        assert shell.end()[0] == 0


def listen_without_keys(folder: Path) -> None:
    """There is no terminal that belongs to it: none is promised."""
    noise(folder, 60)
    with Shell(folder) as shell:
        shell.listen(
            "--source 'exec:cat noise.raw' --format live --seconds 4",
            before="setsid --wait",
            after="< /dev/null",
        )
        shell.wait_for(r"heard [1-9](.*\n)+ no keys: there is no terminal to read them from")
        code, screen = shell.end()
    assert code == 0
    assert "heard 4.0 s" in screen


def draw_in_ascii(folder: Path) -> None:
    noise(folder, 60)
    with Shell(folder) as shell:
        shell.listen(
            "--source 'exec:cat noise.raw' --format live", before="PYTHONIOENCODING=latin-1"
        )
        shell.wait_for(r"^ level +\[#+ *\| *\] -\d\d\.\d dBFS")
        assert shell.screen().isascii()
        shell.press("q")
        assert shell.end()[0] == 0


def plain_lines(folder: Path, before: str, after: str, reason: str) -> None:
    """The lines of --format text, and one word why."""
    samples = 0.1 * np.random.default_rng(3).standard_normal(12 * RATE_HZ)
    soundfile.write(folder / "noise.wav", samples, RATE_HZ)
    with Shell(folder, columns=120) as shell:
        shell.listen("--source noise.wav --fast --format live", before=before, after=after)
        code, screen = shell.end()
    assert code == 0
    assert screen.count(f"plain lines instead of the live view: {reason}") == 1
    assert len(re.findall(r"^   1[0-2] s  [a-z ]+\d+ %  ", screen, re.MULTILINE)) == 3


PLAIN = {
    "NO_COLOR": ("NO_COLOR=1", "", "NO_COLOR is set"),
    "a pipe": ("", "| cat", "standard output is not a terminal"),
    "a dumb terminal": ("TERM=dumb", "", "TERM names no terminal that can be drawn upon"),
}
SIGNALS = {signal.SIGTERM: 0, signal.SIGHUP: 129, signal.SIGQUIT: 131}
"""Exit codes; a shell adds 128 to the signal that a program died of"""
RUNS: tuple[Callable[[Path], None], ...] = (
    look_at_it,
    pause_live_sound,
    suspend_it,
    reload_it,
    fail_inside,
    quit_before_sound_came,
    listen_to_standard_input,
    listen_without_keys,
    draw_in_ascii,
)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[object, Future[object]]:
    with ThreadPoolExecutor(6) as pool:

        def begin(run: Callable[..., object], *arguments: object) -> Future[object]:
            return pool.submit(run, tmp_path_factory.mktemp("at"), *arguments)

        runs: dict[object, Future[object]] = {run: begin(run) for run in RUNS}
        runs |= {number: begin(end_by_signal, number) for number in SIGNALS}
        runs |= {name: begin(plain_lines, *arguments) for name, arguments in PLAIN.items()}
    return runs


@pytest.mark.parametrize("run", RUNS, ids=lambda run: run.__name__)
def test_what_somebody_at_a_terminal_sees(
    runs: dict[object, Future[object]], run: Callable[[Path], None]
) -> None:
    runs[run].result()


@pytest.mark.parametrize("number", SIGNALS, ids=lambda number: number.name)
def test_after_a_signal_the_terminal_is_in_order(
    runs: dict[object, Future[object]], number: signal.Signals
) -> None:
    assert runs[number].result() == SIGNALS[number]


@pytest.mark.parametrize("name", PLAIN)
def test_where_it_cannot_be_drawn_there_are_plain_lines(
    runs: dict[object, Future[object]], name: str
) -> None:
    runs[name].result()
