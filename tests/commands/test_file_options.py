"""`--log`, `--on-change` and `--format csv` of `edge-asc listen`."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from edge_asc.cli import main
from edge_asc.commands.file_options import secret_variables
from edge_asc.config_keys import SecretOption

WavWriter = Callable[..., Path]


@pytest.fixture
def recording(write_wav: WavWriter, rng: np.random.Generator) -> Path:
    """Eight seconds of loud noise, then eight of soft noise."""
    level = np.repeat([0.9, 0.001], 8 * 44_100)
    return write_wav(level * rng.uniform(-1, 1, 16 * 44_100))


@pytest.fixture
def listen(edge_asc: Any, model_path: Path, recording: Path) -> Callable[..., Any]:
    def run(*options: object) -> Any:
        return edge_asc("listen", "--source", recording, "--fast", *options)

    return run


def values(line: str) -> dict[str, Any]:
    """A line of JSON, without what differs in each run."""
    message: dict[str, Any] = json.loads(line)
    for key in ("memory_mb", "latency", "uptime_s", "outputs", "time"):
        if message["type"] == "health":
            del message[key]
    return message


def test_every_output_tells_the_same(listen: Callable[..., Any], tmp_path: Path) -> None:
    jsonl, table = tmp_path / "log.jsonl", tmp_path / "LOG.CSV"
    done = listen("--format", "json", "--log", jsonl, "--log", table)
    assert done.exit_code == 0, done.stderr
    lines = jsonl.read_text().splitlines()
    assert [values(line) for line in lines] == [values(line) for line in done.stdout.splitlines()]
    messages = [json.loads(line) for line in lines]
    rows = list(csv.DictReader(io.StringIO(table.read_text())))
    told = [message for message in messages if message["type"] != "health"]
    assert [row["type"] for row in rows] == [message["type"] for message in told]
    assert {row["type"] for row in rows} == {"estimate", "event"}
    estimates = [message for message in told if message["type"] == "estimate"]
    assert [float(row["belief_bar"]) for row in rows if row["belief_bar"]] == [
        message["decision"]["probabilities"]["bar"] for message in estimates
    ]
    assert messages[-1]["type"] == "health"
    names = [output["name"] for output in messages[-1]["outputs"]]
    assert names == ["standard output", f"log {jsonl}", f"log {table}"]
    listen("--format", "none", "--log", table)
    assert len(table.read_text().splitlines()) == 1 + 2 * len(rows)


def test_csv_on_standard_output(listen: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    done = listen("--format", "csv", "--log", table)
    assert done.stdout == table.read_text()
    assert done.stdout.startswith("type,time,start_s,end_s,scene,")


def test_a_command_for_each_change(listen: Callable[..., Any], tmp_path: Path) -> None:
    out = tmp_path / "told"
    script = f'echo "$1 $2 $EDGE_ASC_START_S" >> {out}'
    done = listen("--smoothing", "none", "--on-change", f"sh -c '{script}' sh")
    assert done.exit_code == 0, done.stderr
    began, changed, ended = (line.split() for line in out.read_text().splitlines())
    assert began == ["bar", "none", "0.0"]
    assert changed[:2] == ["bus", "bar"]
    assert ended == ["none", "bus", "16.0"]


def test_a_command_that_fails_does_not_end_listening(listen: Callable[..., Any]) -> None:
    done = listen("--on-change", "sh -c 'echo broken >&2; exit 1'")
    assert done.exit_code == 0
    assert "command sh: ended with exit code 1: broken; listening goes on" in done.stderr


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--log", "scenes.txt"), "scenes.txt must end in .jsonl for JSON lines or in .csv for"),
        (("--log", "none/a.csv"), "none/a.csv: there is no folder none; make it first"),
        (("--log", "folder.csv"), "folder.csv is there, but is no ordinary file"),
        (("--log", "a.csv", "--log", "./b/../a.csv"), "a.csv: it is given twice; name another"),
        (("--log", "one.csv", "--log", "hard.csv"), "hard.csv: it is given twice"),
        (("--log", "one.csv", "--log", "soft.csv"), "soft.csv: it is given twice"),
        (("--on-change", "/none"), "there is no program '/none' to run; for instance --on-change"),
        (("--on-change", "sh -c '"), "cannot be read: No closing quotation"),
        (("--on-change", " "), "must be a command, got nothing"),
        (("--on-change", "true", "--on-change-timeout", "0"), "0.0 is not in the range"),
    ],
)
def test_what_cannot_be_is_wrong_usage(
    listen: Callable[..., Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("b", "folder.csv"):
        (tmp_path / name).mkdir()
    (tmp_path / "one.csv").touch()
    (tmp_path / "hard.csv").hardlink_to(tmp_path / "one.csv")
    (tmp_path / "soft.csv").symlink_to(tmp_path / "one.csv")
    done = listen(*options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.split())


def test_a_table_of_another_model_is_an_error(listen: Callable[..., Any], tmp_path: Path) -> None:
    table = tmp_path / "log.csv"
    table.write_text("type,time,bus\n")
    done = listen("--log", table)
    assert done.exit_code == 1
    assert f"edge-asc: error: {table} has other columns" in done.stderr
    assert table.read_text() == "type,time,bus\n"


def test_files_in_the_configuration(
    listen: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[listen]\nlog = ["a.jsonl", "b.csv"]\non_change = "touch changed"\n')
    monkeypatch.chdir(tmp_path)
    assert listen("--config", config).exit_code == 0
    assert {"a.jsonl", "b.csv", "changed"} < {entry.name for entry in tmp_path.iterdir()}
    monkeypatch.setenv("EDGE_ASC_LISTEN_LOG", "c.csv:d.jsonl")
    monkeypatch.setenv("EDGE_ASC_LISTEN_ON_CHANGE", "/none")
    done = listen()
    assert "Invalid value for EDGE_ASC_LISTEN_ON_CHANGE (environment)" in done.stderr
    monkeypatch.delenv("EDGE_ASC_LISTEN_ON_CHANGE")
    assert listen().exit_code == 0
    assert (tmp_path / "c.csv").is_file()
    assert (tmp_path / "d.jsonl").is_file()


def test_every_secret_of_every_command_is_known() -> None:
    listen = main.commands["listen"]
    secrets = [param for param in listen.params if isinstance(param, SecretOption)]
    with click.Context(main):
        assert {param.envvar for param in secrets} <= secret_variables()
