"""`edge-asc plot`: recordings and logs as pictures."""

from __future__ import annotations

import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.plot.log_material import write_log

PNG = b"\x89PNG\r\n\x1a\n"
WavWriter = Callable[..., Path]


@pytest.fixture
def recording(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    """Eight seconds of loud noise, then eight of soft noise."""
    level = np.repeat([0.9, 0.001], 8 * 44_100)
    return write_wav(level * rng.uniform(-1, 1, 16 * 44_100))


def test_a_recording_becomes_a_png_beside_it(
    edge_asc: Any, model_path: Path, recording: Path
) -> None:
    done = edge_asc("plot", recording)
    assert done.exit_code == 0, done.stderr
    assert done.stdout == ""
    assert f"wrote {recording.with_suffix('.png')}" in done.stderr
    assert recording.with_suffix(".png").read_bytes().startswith(PNG)


def test_city_time_model_and_decisions_may_be_said(
    edge_asc: Any, model_path: Path, recording: Path, tmp_path: Path
) -> None:
    options = ("--city", "Hefei", "--time", "2026-05-17T14:30", "--model", model_path, "--raw")
    done = edge_asc("plot", recording, *options, "-o", tmp_path / "new" / "a.svg")
    assert done.exit_code == 0, done.stderr
    ElementTree.parse(tmp_path / "new" / "a.svg")


def test_a_log_that_listen_wrote_becomes_a_picture(
    edge_asc: Any, model_path: Path, recording: Path, tmp_path: Path
) -> None:
    log = tmp_path / "log.jsonl"
    edge_asc("listen", "--source", recording, "--fast", "--log", log)
    done = edge_asc("plot", log, "-o", tmp_path / "a.svg")
    assert done.exit_code == 0, done.stderr
    assert done.stderr == f"wrote {tmp_path / 'a.svg'}\n"
    ElementTree.parse(tmp_path / "a.svg")


def test_a_real_recording_becomes_a_picture(edge_asc: Any, data_dir: Path, tmp_path: Path) -> None:
    path = data_dir / "scenes_open" / "metro" / "taipei-komesker__inMrt.flac"
    done = edge_asc("plot", path, "--city", "Luoyang", "-o", tmp_path / "a.png")
    assert done.exit_code == 0, done.stderr
    assert (tmp_path / "a.png").read_bytes().startswith(PNG)


def test_a_torn_line_is_told(edge_asc: Any, tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl")
    with log.open("a") as file:
        file.write('{"schema": 3, "type": "est')
    done = edge_asc("plot", log)
    assert done.exit_code == 0
    lines = len(log.read_text().splitlines())
    assert (
        f"1 of {lines} lines are left out as damaged (line {lines}: it is not JSON)" in done.stderr
    )


def test_a_foreign_file_is_an_error_and_leaves_no_picture(edge_asc: Any, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"level": "info"}\n')
    done = edge_asc("plot", log)
    assert done.exit_code == 1
    assert "no estimate of a stream (line 1: it has no 'schema')" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["log.jsonl"]


def test_what_is_no_sound_is_an_error(edge_asc: Any, model_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "text.wav"
    path.write_text("no sound")
    assert edge_asc("plot", path).exit_code == 1
    assert not path.with_suffix(".png").exists()


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["missing.wav"], "missing.wav"),
        (["log.csv"], "`listen --log FILE.jsonl` writes a log that does"),
        (["log.jsonl", "-o", "a.gif"], "must end in .png or .svg, got a.gif"),
        (["log.jsonl", "--city", "Luoyang"], "--city is for a recording"),
        (["log.jsonl", "--raw"], "--raw is for a recording"),
        (["sound.wav", "--raw", "--stay", "5"], "--raw decides nothing"),
        (["sound.wav", "--city", "Bejing"], "did you mean 'Beijing'?"),
    ],
)
def test_wrong_usage_is_told(
    edge_asc: Any,
    recording: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    error: str,
) -> None:
    folder = recording.parent
    write_log(folder / "log.jsonl")
    (folder / "log.csv").write_text("type,time\n")
    monkeypatch.chdir(folder)
    done = edge_asc("plot", *arguments)
    assert done.exit_code == 2
    assert error in " ".join(done.stderr.split())


def run_program(program: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)


def test_without_matplotlib_the_command_to_get_it_is_told(tmp_path: Path) -> None:
    log = write_log(tmp_path / "log.jsonl")
    done = run_program(
        "import sys\n"
        "sys.modules['matplotlib'] = None\n"
        "from edge_asc.cli import main\n"
        f"main(['plot', {str(log)!r}])"
    )
    assert done.returncode == 1
    assert "pip install 'edge-asc[plot]'" in done.stderr
    assert "plotting packages" in done.stderr


def test_help_loads_nothing_heavy() -> None:
    done = run_program(
        "import sys\n"
        "from edge_asc.cli import main\n"
        "try:\n    main(['plot', '--help'])\n"
        "except SystemExit:\n    pass\n"
        "print(*sys.modules.keys() & {'matplotlib', 'numpy', 'soundfile'}, file=sys.stderr)"
    )
    assert "edge-asc plot walk.wav" in done.stdout
    assert done.stderr.split() == []


def test_no_window_is_opened(tmp_path: Path) -> None:
    """Figures are drawn by Agg, whatever the environment asks for."""
    log = write_log(tmp_path / "log.jsonl")
    done = run_program(
        "import os, sys\n"
        "os.environ['MPLBACKEND'] = 'tkagg'\n"
        "from edge_asc.cli import main\n"
        f"try:\n    main(['plot', {str(log)!r}])\n"
        "except SystemExit:\n    pass\n"
        "print(*sys.modules.keys() & {'matplotlib.pyplot', 'tkinter'})"
    )
    assert done.stdout.split() == []
    assert (tmp_path / "log.png").exists()
