"""What is wrong in a configuration file, and what click gets out of one that is right."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from edge_asc.config import configurable_commands
from edge_asc.config_check import check, check_environment, values_for
from edge_asc.config_file import read_config
from edge_asc.config_keys import NEVER_IN_A_FILE, Commands, file_options, to_toml, variable
from edge_asc.errors import ConfigError
from tests.config_program import make_program, write

ALL = "(`edge-asc config template` lists them all)"

FAULTS = """
[hear] |  |  | devise = 'x'
    line 4: unknown key 'devise' in [hear]; did you mean 'device'? (ALL)
devise = 'x'
    line 1: unknown key 'devise'; did you mean 'device'? (ALL)
zzz = 'x'
    line 1: unknown key 'zzz' (ALL)
count.windos = true
    line 1: unknown key 'windos' in [count]; did you mean 'windows'? (ALL)
hear.max-gain = 1
    line 1: unknown key 'max-gain' in [hear]; did you mean 'max_gain'? (ALL)
hear.max_gain_db = 1
    line 1: unknown key 'max_gain_db' in [hear]; did you mean 'max_gain'? (ALL)
[hear] | windows = true
    line 2: unknown key 'windows' in [hear]; it belongs in [count] (ALL)
[haer] | rate = 1
    line 1: unknown section [haer]; did you mean 'hear'? (there are [hear], [count],
    [service])
[[hear]] | rate = 1
    line 1: hear must be a section: write [hear], and its keys below
hear = 3
    line 1: hear must be a section: write [hear], and its keys below
haer = 3
    line 1: unknown key 'haer'; did you mean 'hear'? (ALL)
[device] | name = 1
    line 1: device: must be text, got a table; write for instance device = "USB"
[hear] | rate = '48000'
    line 2: rate in [hear]: must be a whole number, got "48000"; write for instance rate =
    44100
[hear] | rate = 48000.0
    line 2: rate in [hear]: must be a whole number, got 48000.0; write for instance rate =
    44100
[hear] | rate = true
    line 2: rate in [hear]: must be a whole number, got true; write for instance rate = 44100
[hear] | max_gain = '1'
    line 2: max_gain in [hear]: must be a number, got "1"; write for instance max_gain = 6.0
[hear] | loud = 1
    line 2: loud in [hear]: must be true or false, got 1; write for instance loud = false
[hear] | loud = 'yes'
    line 2: loud in [hear]: must be true or false, got "yes"; write for instance loud = false
[hear] | device = 7
    line 2: device in [hear]: must be text, got 7; write for instance device = "USB"
[hear] | model = 2026-01-01
    line 2: model in [hear]: must be text, got a date or time; write for instance model =
    "model.tflite"
[hear] | tag = 'a'
    line 2: tag in [hear]: must be a list, each text, got "a"; write for instance tag =
    ["..."]
[hear] | tag = ['a', 1]
    line 2: tag in [hear]: must be a list, each text, got ["a", 1]; write for instance tag =
    ["..."]
[hear] | rate = 5
    line 2: rate in [hear]: 5 is not in the range 1000<=x<=768000
[hear] | max_gain = 0
    line 2: max_gain in [hear]: 0.0 is not in the range x>0
[hear] | format = 'csv'
    line 2: format in [hear]: 'csv' is not one of 'text', 'json'
city = 'Bejing'
    line 1: city: city must be one of the 22 CAS cities, got 'Bejing'; did you mean 'Beijing'?
format = 'csv'
    line 1: format: 'csv' is not one of 'text', 'json' in [hear]; it suits [count], put it
    there
[hear] | model = '~nobody-of-this-name/x'
    line 2: model in [hear]: "~nobody-of-this-name/x" is no path: Could not determine home
    directory.
[hear] | model = ''
    line 2: model in [hear]: must be a path, got ""; leave the key out to have none
time = '12:00'
    line 1: 'time' cannot be in a file: it belongs to one recording; give --time on the
    command line
[hear] | seconds = 3
    line 2: 'seconds' cannot be in a file: it is the length of one run; give --seconds on the
    command line
[hear] | config = 'x'
    line 2: 'config' cannot be in a file: it names the file itself; give --config on the
    command line
[count] | help = true
    line 2: 'help' cannot be in a file: it asks for help; give --help on the command line
[count] | files = ['a.wav']
    line 2: 'files' cannot be in a file: it is an argument; give it on the command line
[count] | seconds = 3
    line 2: unknown key 'seconds' in [count] (ALL)
"""
"""The lines of a file with | between them; below, indented, what is said."""


def read_cases(table: str) -> list[tuple[str, str]]:
    """Pairs of a file's text and what is said about it."""
    cases = re.findall(r"^(\S.*)\n((?:    .*\n)+)", table, re.MULTILINE)
    assert sum(1 + said.count("\n") for _, said in cases) == table.strip("\n").count("\n") + 1
    return [
        (text.replace(" | ", "\n"), " ".join(said.split()).replace("(ALL)", ALL))
        for text, said in cases
    ]


@pytest.fixture
def commands() -> Commands:
    return configurable_commands(make_program(lambda _: None))


def faults(folder: Path, text: str, commands: Commands) -> list[str]:
    """What is said, without the path, line by line."""
    file = read_config(write(folder, text))
    with pytest.raises(ConfigError) as raised:
        check(file, commands)
    lines = str(raised.value).splitlines()
    assert all(line.startswith(f"{file.path}, ") for line in lines)
    return [line.removeprefix(f"{file.path}, ") for line in lines]


@pytest.mark.parametrize(("text", "said"), read_cases(FAULTS))
def test_each_fault_names_its_line_and_the_way_out(
    tmp_path: Path, commands: Commands, text: str, said: str
) -> None:
    assert faults(tmp_path, text, commands) == [said]


def test_all_faults_of_all_sections_are_told(tmp_path: Path, commands: Commands) -> None:
    text = (
        "format = 'xml'\n[count]\nwindows = 1\nfast = true\n[hear]\nrate = 44100\n[service]\nx=1\n"
    )
    said = faults(tmp_path, text, commands)
    assert [line.split(":")[0] for line in said] == ["line 1", "line 3", "line 4", "line 8"]


def test_the_environment_does_not_hide_a_wrong_value(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_ASC_HEAR_RATE", "48000")
    assert len(faults(tmp_path, "[hear]\nrate = 5", commands)) == 1


def test_a_section_wins_over_the_keys_above_all(tmp_path: Path, commands: Commands) -> None:
    text = "rate = 8000\nformat = 'text'\n[hear]\nrate = 16000\n[count]\nformat = 'csv'\n"
    file = read_config(write(tmp_path, text))
    check(file, commands)
    assert values_for(file, "hear", commands["hear"]) == {"rate": 16000, "format": "text"}
    assert values_for(file, "count", commands["count"]) == {"format": "csv"}
    assert values_for(file, "service", commands["service"]) == {}


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("m.tflite", "{folder}/m.tflite"),
        ("../m.tflite", "{folder}/../m.tflite"),
        ("/elsewhere/m.tflite", "/elsewhere/m.tflite"),
        ("~/m.tflite", "/a user/m.tflite"),
    ],
)
def test_paths_begin_where_the_file_is(
    tmp_path: Path, commands: Commands, monkeypatch: pytest.MonkeyPatch, value: str, expected: str
) -> None:
    monkeypatch.setenv("HOME", "/a user")
    write(tmp_path, f"[hear]\nmodel = '{value}'\nsource = 'walk.wav'\n")
    monkeypatch.chdir(tmp_path)
    values = values_for(read_config(Path("config.toml")), "hear", commands["hear"])
    assert values == {"model": expected.format(folder=tmp_path), "source": "walk.wav"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("rate", 1_000),
        ("max_gain", 3),
        ("max_gain", 3.5),
        ("loud", True),
        ("tag", []),
        ("tag", ["a", "b"]),
        ("city", "xi'an"),
    ],
)
def test_values_of_the_right_type(tmp_path: Path, commands: Commands, key: str, value: Any) -> None:
    file = read_config(write(tmp_path, f"[hear]\n{key} = {to_toml(value)}\n"))
    check(file, commands)
    assert values_for(file, "hear", commands["hear"]) == {key: value}


def test_a_variable_that_is_no_key_is_a_fault(
    commands: Commands, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGE_ASC_HEARD", "not a variable of [hear]")
    monkeypatch.setenv("EDGE_ASC_HEAR_DEVISE", "")
    check_environment(commands)
    monkeypatch.setenv("EDGE_ASC_HEAR_DEVISE", "USB")
    with pytest.raises(ConfigError) as raised:
        check_environment(commands)
    assert str(raised.value) == (
        "EDGE_ASC_HEAR_DEVISE (environment): no such key;"
        f" did you mean 'EDGE_ASC_HEAR_DEVICE'? {ALL}"
    )


def test_what_has_no_place_in_a_file_has_no_variable(commands: Commands) -> None:
    for section, command in commands.items():
        keys = file_options(command)
        assert not keys.keys() & NEVER_IN_A_FILE.keys()
        for param in command.params:
            of_key = next((key for key, option in keys.items() if option is param), None)
            own = "EDGE_ASC_CONFIG" if param.name == "config" else None
            assert param.envvar == (variable(section, of_key) if of_key else own)
