"""`edge-asc data check`: what it prints and how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

RATE_HZ = 8000


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A TAU 2020 of three clips, one of them of a class that is dropped."""
    files = [f"audio/{name}-lyon-1-{n}-a.wav" for n, name in enumerate(("bus", "park", "tram"))]
    rows = [f"{file}\t{file[6:].split('-')[0]}\tlyon-1\ta" for file in files]
    (tmp_path / "evaluation_setup").mkdir()
    (tmp_path / "audio").mkdir()
    header = "filename\tscene_label\tidentifier\tsource_label"
    (tmp_path / "meta.csv").write_text("\n".join((header, *rows)) + "\n")
    for name, file in {"train": files[0], "test": files[1], "evaluate": files[1]}.items():
        (tmp_path / "evaluation_setup" / f"fold1_{name}.csv").write_text(f"filename\n{file}\n")
    for seed, file in enumerate(files):
        samples = np.random.default_rng(seed).uniform(-0.1, 0.1, 10 * RATE_HZ)
        soundfile.write(tmp_path / file, samples, RATE_HZ)
    return tmp_path


def test_a_set_that_is_ready(edge_asc: Any, folder: Path) -> None:
    done = edge_asc("data", "check", folder)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.splitlines() == [
        "data set         tau2020",
        "left out         1, of classes without a CAS scene",
        "scene            bus: 1; urban_park: 1",
        "fold             train: 1; test: 1",
        "city             (unknown): 2",
        "group            in several folds: 1",
        "sound            8,000 Hz, 1 channel: 2",
        "paper's Table 1  differs (paper): airport 0 (2,302), bus 1 (2,304), metro 0 (2,304),"
        " shopping_mall 0 (2,303), public_square 0 (2,303), urban_park 1 (2,304),"
        " traffic_street 0 (2,304)",
        "ready: 2 clips, 0.0 h",
    ]
    assert "tau2020: file 2 of 2" in done.stderr


def test_one_that_is_not(edge_asc: Any, folder: Path) -> None:
    audio = folder / "audio"
    (audio / "bus-lyon-1-0-a.wav").unlink()
    (audio / "park-lyon-1-1-a.wav").write_bytes(b"")
    for name in "abcd":
        (audio / f"{name}.wav").write_bytes(b"")
    done = edge_asc("data", "check", "--set", "tau2020", folder)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-10:] == [
        "extra            4",
        "  audio/a.wav",
        "  audio/b.wav",
        "  audio/c.wav",
        "  and 1 more; --format json lists all",
        "missing          1",
        "  audio/bus-lyon-1-0-a.wav",
        "broken           1",
        "  audio/park-lyon-1-1-a.wav is empty (0 bytes): nothing was ever written to it",
        "not ready: 1 missing, 1 broken",
    ]


def test_two_labels_for_one_sound(edge_asc: Any, folder: Path) -> None:
    audio = folder / "audio"
    (audio / "park-lyon-1-1-a.wav").write_bytes((audio / "bus-lyon-1-0-a.wav").read_bytes())
    done = edge_asc("data", "check", folder)
    assert done.exit_code == 1
    assert done.stdout.splitlines()[-3:] == [
        "duplicated       1",
        "  audio/bus-lyon-1-0-a.wav = audio/park-lyon-1-1-a.wav, labelled bus and urban_park",
        "not ready: 1 contradictory",
    ]


def test_json(edge_asc: Any, folder: Path) -> None:
    done = edge_asc("data", "check", folder, "--format", "json")
    found = json.loads(done.stdout)
    assert (found["ready"], found["num_clips"], found["missing"]) == (True, 2, [])
    assert found["verdict"] == "ready: 2 clips, 0.0 h"
    assert found["table1"][0] == {
        "source_set": "tau2020",
        "scene": "airport",
        "printed": 2302,
        "found": 0,
    }


def test_a_folder_that_is_no_set(edge_asc: Any, tmp_path: Path) -> None:
    done = edge_asc("data", "check", tmp_path)
    assert done.exit_code == 1
    assert "holds none of cas2023, tau2020, cochlscene, folder" in done.stderr
    done = edge_asc("data", "check", "--set", "cas", tmp_path)
    assert "data set must be one of" in done.stderr
