"""`edge-asc config`, and the configuration as docs/configuration.md tells it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import click
import numpy as np
import pytest

from edge_asc.cli import main
from edge_asc.commands.config import template
from edge_asc.config import configurable_commands, read_configuration
from edge_asc.config_check import values_for
from edge_asc.config_file import parse_toml
from edge_asc.config_keys import allowed, default_of, file_options, to_toml
from tests.config_program import make_program, write

DOCUMENT = Path(__file__).parents[2] / "docs" / "configuration.md"


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The file that is found is an empty one."""
    path = write(tmp_path, "")
    monkeypatch.setenv("EDGE_ASC_CONFIG", str(path))
    return path


def table(command: click.Command) -> list[str]:
    """The rows that tell of a command's keys."""
    rows = ["| key | type | default | meaning |", "|---|---|---|---|"]
    for key, option in file_options(command).items():
        default = default_of(option)
        shown = "none" if default is None else f"`{to_toml(default)}`"
        meaning = str(option.help).replace("|", "\\|")
        rows.append(f"| `{key}` | {allowed(option)} | {shown} | {meaning} |")
    return rows


def uncommented(text: str) -> str:
    """A template with every key set."""
    return re.sub(r"^#(?=\w+ = )", "", text, flags=re.MULTILINE)


def test_help_alone(edge_asc: Any) -> None:
    done = edge_asc("config")
    assert "show " in done.output
    assert "template " in done.output
    assert "..." not in done.output.split("Commands:\n")[1]


def test_show(edge_asc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "model = 'm.tflite'\n[listen]\nrate = 48000\n")
    monkeypatch.setenv("EDGE_ASC_LISTEN_CHANNELS", "2")
    done = edge_asc("config", "show", "--config", path)
    assert done.exit_code == 0, done.stderr
    sections = dict(re.findall(r"^\[(\w+)\]\n(.*?)(?:\n\n|\Z)", done.stdout, re.S | re.M))
    assert sections.keys() == configurable_commands(main).keys()
    listen = [re.split(r" +# ", line) for line in sections["listen"].splitlines()]
    assert {entry.split(" = ")[0].lstrip("#") for entry, _ in listen} == file_options(
        main.commands["listen"]
    ).keys()
    assert done.stdout.startswith(f"# file: {path}\n\n[listen]\n")
    for expected in (
        ["rate = 48000", "line 3"],
        ["channels = 2", "EDGE_ASC_LISTEN_CHANNELS"],
        ['sample_format = "s16"', "default"],
        [f'model = "{tmp_path}/m.tflite"', "line 1"],
        ["#device", "not set"],
    ):
        assert expected in listen
    assert f'model = "{tmp_path}/m.tflite"' in sections["classify"]
    shown = parse_toml(done.stdout)
    assert shown["listen"]["fast"] is False
    again = write(tmp_path, done.stdout)
    assert edge_asc("config", "show", "--config", again).exit_code == 0


def test_show_as_json(edge_asc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "[listen]\nmodel = 'm.tflite'\n")
    monkeypatch.setenv("EDGE_ASC_CLASSIFY_CITY", "xian")
    shown = json.loads(edge_asc("config", "show", "--format", "json").stdout)
    assert (shown["file"], shown["looked_for"]) == (str(path), [str(path)])
    listen, classify = shown["commands"]["listen"], shown["commands"]["classify"]
    assert listen["model"] == {"value": f"{tmp_path}/m.tflite", "from": "file", "line": 2}
    assert listen["city"] == {"value": None, "from": "default"}
    variable = {"from": "environment", "variable": "EDGE_ASC_CLASSIFY_CITY"}
    assert classify["city"] == {"value": "Xi'an"} | variable


def test_show_without_a_file(
    edge_asc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("EDGE_ASC_CONFIG")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    monkeypatch.setattr("edge_asc.config_file.SYSTEM_FILE", tmp_path / "etc.toml")
    assert edge_asc("config", "show").stdout.startswith(
        "# no configuration file; looked for\n"
        f"#   {tmp_path}/edge-asc/config.toml\n#   {tmp_path}/etc.toml\n\n[listen]\n"
    )
    shown = json.loads(edge_asc("config", "show", "--format", "json").stdout)
    assert shown["file"] is None
    assert len(shown["looked_for"]) == 2


def test_show_tells_what_is_wrong(
    edge_asc: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "[listen]\nrate = 5\n[classify]\nfast = true\n")
    done = edge_asc("config", "show")
    assert (done.exit_code, done.stdout) == (2, "")
    assert f"{path}, line 2: rate in [listen]: 5 is not in the range" in done.stderr
    assert f"{path}, line 4: unknown key 'fast' in [classify]; it belongs in" in done.stderr
    path.write_text("")
    monkeypatch.setenv("EDGE_ASC_LISTEN_RATE", "5")
    done = edge_asc("config", "show")
    assert (done.exit_code, done.stdout) == (2, "")
    assert "EDGE_ASC_LISTEN_RATE (environment): 5 is not in the range" in done.stderr


def test_the_template_sets_nothing(edge_asc: Any, tmp_path: Path) -> None:
    text = edge_asc("config", "template").stdout
    assert parse_toml(text) == {section: {} for section in configurable_commands(main)}


@pytest.mark.parametrize("program", [main, make_program(lambda _: None)], ids=["own", "made up"])
def test_every_line_of_the_template_is_accepted(tmp_path: Path, program: click.Group) -> None:
    commands = configurable_commands(program)
    text = uncommented(template(commands))
    configuration = read_configuration(program, write(tmp_path, text))
    assert configuration.file is not None
    top = {key for key, value in configuration.file.table.items() if not isinstance(value, dict)}
    keys = [key for command in commands.values() for key in file_options(command)]
    assert top == {key for key in keys if keys.count(key) > 1}
    for section, command in commands.items():
        options = file_options(command)
        assert configuration.file.table[section].keys() == options.keys()
        for key, value in values_for(configuration.file, section, command).items():
            default = default_of(options[key])
            # A path in a file is relative to it, a default to where the command runs.
            assert default in (None, value, *([Path("recordings")] if key == "out" else []))


def test_the_template_explains_each_key() -> None:
    text = template(configurable_commands(main))
    assert (
        "# Sample rate of raw PCM, in Hz. (a whole number from 1000 to 768000)\n#rate = 44100\n"
    ) in text
    unexplained = re.findall(r"^\n#(\w+) = ", text, re.MULTILINE)
    assert not unexplained
    assert max(map(len, text.splitlines())) <= 100


@pytest.mark.parametrize("section", configurable_commands(main))
def test_the_document_has_every_key(section: str) -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    (rows,) = re.findall(rf"^### `\[{section}\]`\n\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert rows.splitlines() == table(configurable_commands(main)[section])


def test_the_document_tells_of_no_other_section() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    told = re.findall(r"^### `\[(\w+)\]`$", text, re.MULTILINE)
    assert told == list(configurable_commands(main))


def test_the_examples_of_the_document_are_accepted(tmp_path: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", DOCUMENT.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for text in examples:
        file = read_configuration(main, write(tmp_path, text)).file
        assert file is not None
        assert file.table


def test_listen_and_classify_take_values_from_the_file(
    edge_asc: Any, model_path: Path, write_wav: Any, rng: np.random.Generator, tmp_path: Path
) -> None:
    sound = write_wav(rng.uniform(-0.9, 0.9, 3 * 44_100))
    write(tmp_path, f"format = 'json'\n[listen]\nsource = '{sound}'\nfast = true\n")
    heard = edge_asc("listen")
    assert heard.exit_code == 0, heard.stderr
    lines = [json.loads(line) for line in heard.stdout.splitlines()]
    assert [line["end_s"] for line in lines if line["type"] == "estimate"] == [2, 3]
    classified = edge_asc("classify", sound)
    assert json.loads(classified.stdout)["scene"] == "bar"
    assert edge_asc("classify", sound, "--format", "csv").stdout.startswith("file,scene,")
