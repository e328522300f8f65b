"""`edge-asc listen`, in this process."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest

from edge_asc.sources import Chunk
from edge_asc.sources.audio_file import AudioFile
from edge_asc.sources.microphone import Microphone

WavWriter = Callable[..., Path]
SCHEMA_PATH = Path(__file__).parents[2] / "docs" / "messages.schema.json"
SCHEMA = json.loads(SCHEMA_PATH.read_text(encoding="utf-8"))


@pytest.fixture
def recording(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    """Three seconds of loud noise, then three of soft noise, in stereo at 48 kHz."""
    level = np.repeat([0.9, 0.001], 3 * 48_000)[:, None]
    return write_wav(level * rng.uniform(-1, 1, (6 * 48_000, 2)), 48_000)


def json_lines(text: str) -> list[dict[str, Any]]:
    """Estimates and gaps; events and health are checked and left out."""
    lines = [json.loads(line) for line in text.splitlines()]
    for line in lines:
        jsonschema.validate(line, SCHEMA)
    return [line for line in lines if line["type"] in ("estimate", "gap")]


def test_json_of_a_recording(edge_asc: Any, model_path: Path, recording: Path) -> None:
    done = edge_asc("listen", "--source", recording, "--fast", "--format", "json")
    assert done.exit_code == 0, done.stderr
    estimates = json_lines(done.stdout)
    assert [(estimate["start_s"], estimate["end_s"]) for estimate in estimates] == [
        (0, 2),
        (1, 3),
        (2, 4),
        (3, 5),
        (4, 6),
    ]
    assert estimates[0]["scene"] == "bar"
    assert estimates[-1]["scene"] == "bus"
    assert {estimate["time"] for estimate in estimates} == {None}
    assert {estimate["source"] for estimate in estimates} == {str(recording)}
    assert done.stderr.splitlines() == [
        f"listening to {recording} (48000 Hz, as fast as it can be read) with model level (int8):"
        " windows of 2 s, one every 1 s, each computed as a whole",
        "demonstration model: not fit to decide anything",
        done.stderr.splitlines()[-1],
    ]
    assert done.stderr.splitlines()[-1] == "heard 6.0 s; 5 estimates: bar 80 %, bus 20 %"
    done = edge_asc("listen", "--source", recording, "--fast", "--raw")
    assert re.fullmatch(
        r"heard 6\.0 s; 5 estimates: (bar|bus) \d\d %, (bar|bus) \d\d %",
        done.stderr.splitlines()[-1],
    )


def test_text_of_a_recording(edge_asc: Any, model_path: Path, recording: Path) -> None:
    arguments = ("--fast", "--model", model_path, "--smoothing", "none")
    done = edge_asc("listen", "--source", recording, *arguments)
    first, begins, *_, last, ends = done.stdout.splitlines()
    assert re.fullmatch(r"    2 s  bar +\d+ %  [█▏▎▍▌▋▊▉]+ +\(bus \d+ %, airport \d+ %\)", first)
    assert begins == "    0 s  === bar begins ==="
    assert last.startswith("    6 s  bus ")
    assert re.fullmatch(r"    6 s  === end of bus for [12] s ===", ends)


def test_a_city_without_training_clips_is_told_once(
    edge_asc: Any, model_path: Path, recording: Path
) -> None:
    done = edge_asc("listen", "--source", recording, "--fast", "--city", "beijing")
    notes = [line for line in done.stderr.splitlines() if "unknown city" in line]
    assert notes == [
        "no training clip of this model came from Beijing: it is used as 'unknown city'"
    ]


def test_time_counts_on_from_the_one_given(
    edge_asc: Any, model_path: Path, recording: Path
) -> None:
    arguments = ("listen", "--source", recording, "--fast", "--time", "2026-05-17T23:59:58Z")
    estimates = json_lines(edge_asc(*arguments, "--format", "json").stdout)
    assert estimates[0]["time"] == "2026-05-18T00:00:00.000+00:00"
    assert estimates[-1]["time"] == "2026-05-18T00:00:04.000+00:00"
    first, begins, *_ = edge_asc(*arguments).stdout.splitlines()
    assert first.startswith("00:00:00  bar")
    assert begins == "23:59:58  === bar begins ==="


def test_seconds(edge_asc: Any, model_path: Path, recording: Path) -> None:
    done = edge_asc("listen", "--source", recording, "--fast", "--seconds", "2.5")
    assert [line[9:17] for line in done.stdout.splitlines()] == ["bar     ", "=== bar ", "=== end "]
    assert "heard 2.5 s; 1 estimate: bar 100 %" in done.stderr


def test_a_short_recording_is_marked(edge_asc: Any, model_path: Path, write_wav: WavWriter) -> None:
    path = write_wav(np.full(22_050, 0.1))
    done = edge_asc("listen", "--source", path, "--fast")
    assert done.stdout.splitlines()[0].endswith("[short, repeated to a whole window]")


def test_raw_sound_on_stdin(edge_asc: Any, model_path: Path, rng: np.random.Generator) -> None:
    frames = rng.integers(-30_000, 30_000, (3 * 16_000, 2)).astype("<i2")
    options = ("--rate", "16000", "--channels", "2", "--sample-format", "s16")
    done = edge_asc(
        "listen", "--source", "-", *options, "--format", "json", stdin=frames.tobytes() + b"\1"
    )
    assert done.exit_code == 0, done.stderr
    estimates = json_lines(done.stdout)
    assert [estimate["end_s"] for estimate in estimates] == [2, 3]
    assert estimates[0]["source"] == "standard input"
    assert "listening to standard input (16000 Hz, as fast as it can be read)" in done.stderr
    assert "its last 1 bytes, of 4 a sample, are left out" in done.stderr


def test_nothing_on_stdin(edge_asc: Any, model_path: Path) -> None:
    done = edge_asc("listen", "--source", "-", stdin=b"")
    assert done.exit_code == 1
    assert "edge-asc: error: standard input: nothing was heard" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--city", "Bejing"], "got 'Bejing'; did you mean 'Beijing'?"),
        (["--source", "nothing.wav"], "nothing.wav: no such file"),
        (["--source", "."], "is a folder"),
        (["--source", "-", "--device", "usb"], "--device is for a microphone"),
        (["--time", "yesterday"], "ISO 8601, for instance 2026-05-17T14:30, got 'yesterday'"),
        (["--seconds", "0"], "--seconds"),
        (["--sample-format", "s24"], "s24"),
    ],
)
def test_wrong_usage(edge_asc: Any, model_path: Path, options: list[str], message: str) -> None:
    done = edge_asc("listen", *options)
    assert done.exit_code == 2
    assert message in done.stderr
    assert done.stdout == ""


def test_not_sound(edge_asc: Any, model_path: Path, tmp_path: Path) -> None:
    path = tmp_path / "notes.wav"
    path.write_text("not sound", encoding="ascii")
    done = edge_asc("listen", "--source", path)
    assert done.exit_code == 1
    assert done.stderr.startswith(f"edge-asc: error: {path} cannot be read as sound")


def test_a_missing_model(edge_asc: Any, recording: Path, tmp_path: Path) -> None:
    done = edge_asc("listen", "--source", recording, "--model", tmp_path / "none.tflite")
    assert done.exit_code == 1
    assert "no model file at" in done.stderr


def test_only_a_signed_model_with_trust(
    edge_asc: Any, model_path: Path, signed_path: Path, recording: Path, key: Path
) -> None:
    arguments = ("listen", "--source", recording, "--fast", "--trust", f"{key}.pub")
    for model in ((), ("--model", model_path)):
        done = edge_asc(*arguments, *model)
        assert (done.exit_code, done.stdout) == (1, "")
        assert f"edge-asc: error: {model_path} is not signed" in done.stderr
    assert edge_asc(*arguments, "--model", signed_path).exit_code == 0


def test_the_installed_model_is_used(
    edge_asc: Any, model_path: Path, recording: Path, models: Path
) -> None:
    edge_asc("update", model_path)
    arguments = ("listen", "--source", recording, "--fast")
    line = f"using the installed model {models / 'model.tflite'}"
    assert edge_asc(*arguments).stderr.splitlines()[0] == line
    assert line not in edge_asc(*arguments, "--model", model_path).stderr
    (models / "model.tflite").write_bytes(b"broken")
    done = edge_asc(*arguments)
    assert done.exit_code == 0
    first, second = done.stderr.splitlines()[:2]
    assert first.startswith("the installed model cannot be used: ")
    assert second == "using the model shipped with edge-asc instead"


def test_a_command_is_a_source(edge_asc: Any, model_path: Path, tmp_path: Path) -> None:
    """Three seconds of loud sound; a command that ends has stopped, and that is not waited for."""
    path = tmp_path / "loud.raw"
    rng = np.random.default_rng(4)
    path.write_bytes(rng.integers(-30_000, 30_000, 3 * 16_000).astype("<i2").tobytes())
    options = ("--rate", "16000", "--no-retry", "--format", "json")
    done = edge_asc("listen", "--source", f"exec:cat {path}", *options)
    assert done.exit_code == 1
    estimates = json_lines(done.stdout)
    assert [estimate["end_s"] for estimate in estimates] == [2]
    assert estimates[0]["time"] is not None
    assert f"listening to cat {path} (16000 Hz, live)" in done.stderr
    assert done.stderr.endswith("edge-asc: error: cat ended with exit code 0\n")


def test_the_program_of_a_command_must_be_there(edge_asc: Any, model_path: Path) -> None:
    done = edge_asc("listen", "--source", "exec:no-such-program -r 1")
    assert done.exit_code == 1
    assert "there is no program 'no-such-program' to run; for instance" in done.stderr


def test_a_missing_microphone_without_retry(
    edge_asc: Any, model_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = '{"error": "no microphone found", "final": false}'
    command = ("sh", "-c", f"echo '{line}'")
    microphone = partial(Microphone, command=command)
    monkeypatch.setattr("edge_asc.sources.microphone.Microphone", microphone)
    done = edge_asc("listen", "--no-retry")
    assert done.exit_code == 1
    assert done.stderr.splitlines()[0].startswith("listening to the default microphone with model")
    assert done.stderr.endswith("edge-asc: error: no microphone found\n")


def test_a_gap_is_told(
    edge_asc: Any, model_path: Path, recording: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The file's sixth second is said to come after a loss."""

    def with_a_hole(self: AudioFile) -> Iterator[Chunk]:
        for number, chunk in enumerate(unbroken(self)):
            yield replace(chunk, lost_s=2.5, cause="a mouse") if number == 33 else chunk

    unbroken = AudioFile.__iter__
    monkeypatch.setattr(AudioFile, "__iter__", with_a_hole)
    done = edge_asc("listen", "--source", recording, "--fast", "--format", "json")
    lines = json_lines(done.stdout)
    assert [(line["type"], line["start_s"], line["end_s"]) for line in lines] == [
        ("estimate", 0, 2),
        ("estimate", 1, 3),
        ("gap", 3, 5.8),
        ("estimate", 5.8, 7.8),
    ]
    assert (lines[2]["lost_s"], lines[2]["cause"], lines[3]["after_gap"]) == (2.5, "a mouse", True)
    assert "heard 6.0 s, lost 2.5 s in 1 gap; 3 estimates" in done.stderr
    text = edge_asc("listen", "--source", recording, "--fast", "--raw").stdout.splitlines()
    assert text[2] == "    6 s  --- lost 2.5 s of sound: a mouse ---"
    assert text[3].endswith("[first after lost sound]")


def test_a_device_in_the_configuration_does_not_forbid_a_file(
    edge_asc: Any, model_path: Path, recording: Path, tmp_path: Path
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('device = "USB"\n')
    arguments = ("listen", "--config", config, "--fast", "--seconds", "3")
    assert edge_asc(*arguments, "--source", recording).exit_code == 0
    config.write_text(f'device = "USB"\n[listen]\nsource = "{recording}"\n')
    done = edge_asc(*arguments)
    assert done.exit_code == 2
    assert f"device ({config}, line 1) cannot be used with source ({config}, line 3)" in done.stderr
