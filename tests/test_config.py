"""Command line over environment over file over default; what excludes what; reading again."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click
import pytest
from click.testing import CliRunner, Result

from edge_asc import config_file
from edge_asc.cli import main
from edge_asc.config import (
    config_path,
    configurable_commands,
    origin,
    read_configuration,
    refuse_together,
    reparse,
)
from edge_asc.config_keys import file_options, variable
from edge_asc.errors import ConfigError
from tests.config_program import make_program, write

PLACES = ("default", "file", "environment", "command line")
"""The weakest first."""


@pytest.fixture(autouse=True)
def no_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is found where the machine keeps its own."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("EDGE_ASC_CONFIG", "")
    monkeypatch.setattr(config_file, "SYSTEM_FILE", tmp_path / "etc.toml")


class Program:
    """Runs a program in this process; `ctx` is the context that its command saw."""

    def __init__(self) -> None:
        self.ctx: click.Context
        self.then: Callable[[click.Context], Any] = lambda _: None

    def __call__(self, *arguments: str | Path) -> Result:
        program = make_program(self._see)
        return CliRunner().invoke(program, [str(argument) for argument in arguments])

    def _see(self, ctx: click.Context) -> None:
        self.ctx = ctx
        self.then(ctx)


@pytest.fixture
def program() -> Program:
    return Program()


@pytest.mark.parametrize("strongest", range(4))
def test_precedence(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, strongest: int
) -> None:
    path = write(tmp_path, "rate = 8000\n[hear]\nrate = 16000\n" if strongest >= 1 else "")
    if strongest >= 2:
        monkeypatch.setenv("EDGE_ASC_HEAR_RATE", "22050")
    arguments = ["--rate", "32000"] if strongest >= 3 else []
    done = program("hear", "--config", path, *arguments)
    assert done.exit_code == 0, done.stderr
    assert program.ctx.params["rate"] == (44100, 16000, 22050, 32000)[strongest]
    expected = (
        "--rate (default)",
        f"rate ({path}, line 3)",
        "EDGE_ASC_HEAR_RATE (environment)",
        "--rate (command line)",
    )
    assert origin(program.ctx, "rate") == expected[strongest]


def test_every_kind_of_value_comes_out_as_from_the_command_line(
    program: Program, tmp_path: Path
) -> None:
    text = (
        "city = 'xian'\n[hear]\nrate = 16000\nmax_gain = 3\nloud = true\nmodel = 'm.tflite'\n"
        "tag = ['a', 'b']\nformat = 'json'\n"
    )
    program("hear", "--config", write(tmp_path, text))
    from_file = program.ctx.params
    typed = ["--city", "xian", "--rate", "16000", "--max-gain", "3", "--loud", "--tag", "a"]
    typed += ["--tag", "b", "--format", "json"]
    program("hear", *typed, "--model", tmp_path / "m.tflite")
    assert from_file == program.ctx.params
    assert from_file["city"] == "Xi'an"
    assert type(from_file["max_gain_db"]) is float
    assert from_file["model"] == tmp_path / "m.tflite"


def test_every_kind_of_value_from_the_environment(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = {"LOUD": "yes", "MAX_GAIN": "2.5", "FORMAT": "json", "TAG": "a b", "DEVICE": ""}
    for key, value in settings.items():
        monkeypatch.setenv(f"EDGE_ASC_HEAR_{key}", value)
    assert program("hear").exit_code == 0
    names = ("loud", "max_gain_db", "output_format", "tag", "device")
    assert [program.ctx.params[name] for name in names] == [True, 2.5, "json", ("a", "b"), None]
    assert origin(program.ctx, "device") == "--device (default)"


def test_a_flag_in_the_file_can_be_taken_back(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path, "loud = true\n")
    program("hear", "--config", path)
    assert program.ctx.params["loud"] is True
    monkeypatch.setenv("EDGE_ASC_HEAR_LOUD", "0")
    program("hear", "--config", path)
    assert program.ctx.params["loud"] is False


def test_which_file_is_read(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program("hear")
    assert config_path(program.ctx) is None
    user = tmp_path / "home" / "edge-asc" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("rate = 8000\n")
    program("hear")
    assert (config_path(program.ctx), program.ctx.params["rate"]) == (user, 8000)
    other = write(tmp_path, "rate = 16000\n")
    monkeypatch.setenv("EDGE_ASC_CONFIG", str(other))
    program("hear")
    assert (config_path(program.ctx), program.ctx.params["rate"]) == (other, 16000)
    program("hear", "--config", user)
    assert config_path(program.ctx) == user


def test_a_required_option_may_come_from_the_file(program: Program, tmp_path: Path) -> None:
    assert "Missing option '--out'" in program("service", "install").stderr
    program("service", "install", "--config", write(tmp_path, "[service]\nout = 'units'\n"))
    assert program.ctx.params == {"out": tmp_path / "units"}


def test_wrong_usage_is_told_on_stderr_with_exit_code_2(program: Program, tmp_path: Path) -> None:
    path = write(tmp_path, "[service]\nuot = 'x'\n")
    done = program("hear", "--config", path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == (
        f"edge-asc: error: {path}, line 2: unknown key 'uot' in [service]; did you mean 'out'?"
        " (`edge-asc config template` lists them all)\n"
    )
    assert program("hear", "--config", tmp_path / "none.toml").exit_code == 2
    assert program("hear", "--help", "--config", path).exit_code == 0


def test_a_wrong_variable_is_named(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EDGE_ASC_HEAR_RATE", "fast")
    done = program("hear")
    assert done.exit_code == 2
    assert "Error: Invalid value for EDGE_ASC_HEAR_RATE (environment): 'fast' is" in done.stderr
    assert program("hear", "--rate", "8000").exit_code == 0
    monkeypatch.setenv("EDGE_ASC_HEAR_RATE", "8000")
    assert "Invalid value for '--rate': 'x' is not" in program("hear", "--rate", "x").stderr


@pytest.mark.parametrize("hint", ["--source", None])
def test_a_value_that_a_command_refuses_is_named(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, hint: str | None
) -> None:
    """By the option that click knows of, or by the hint that the command gives."""

    def refuse(ctx: click.Context) -> None:
        source = next(param for param in ctx.command.params if param.name == "source")
        raise click.BadParameter("gone", param=None if hint else source, param_hint=hint)

    program.then = refuse
    assert "Invalid value for --source: gone" in program("hear", "--source", "x").stderr.replace(
        "'", ""
    )
    path = write(tmp_path, "\n\nsource = 'x'\n")
    done = program("hear", "--config", path)
    assert f"Invalid value for source ({path}, line 3): gone" in done.stderr
    monkeypatch.setenv("EDGE_ASC_HEAR_SOURCE", "y")
    done = program("hear", "--config", path)
    assert "Invalid value for EDGE_ASC_HEAR_SOURCE (environment): gone" in done.stderr


@pytest.mark.parametrize("unfit", range(1, 4))
@pytest.mark.parametrize("other", range(4))
def test_two_that_exclude_each_other(
    program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, unfit: int, other: int
) -> None:
    """A weaker value gives way; one as strong or stronger is an error that names both places."""
    arguments, text = [], "[hear]\n"
    for key, place in (("device", unfit), ("source", other)):
        text += f"{key} = '-'\n" if PLACES[place] == "file" else "\n"
        if PLACES[place] == "environment":
            monkeypatch.setenv(variable("hear", key), "-")
        arguments += [f"--{key}", "-"] if PLACES[place] == "command line" else []
    path = write(tmp_path, text)
    program.then = lambda ctx: refuse_together(ctx, "device", "source", "it is for a microphone")
    done = program("hear", "--config", path, *arguments)
    if unfit < other:
        assert done.exit_code == 0, done.stderr
        return
    at = {
        "default": "--{key} (default)",
        "file": f"{{key}} ({path}, line {{line}})",
        "environment": "EDGE_ASC_HEAR_{KEY} (environment)",
        "command line": "--{key} (command line)",
    }
    device = at[PLACES[unfit]].format(key="device", KEY="DEVICE", line=2)
    source = at[PLACES[other]].format(key="source", KEY="SOURCE", line=3)
    assert done.exit_code == 2
    assert done.stderr.endswith(
        f"Error: {device} cannot be used with {source}: it is for a microphone;"
        " leave one of them out\n"
    )


def test_reading_again(program: Program, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path, "rate = 8000\nloud = true\n[hear]\ndevice = 'old'\n")
    monkeypatch.setenv("EDGE_ASC_HEAR_MAX_GAIN", "2")
    program("hear", "--config", path, "--model", "m.tflite", "--tag", "a", "--format", "json")
    before, params = program.ctx, dict(program.ctx.params)
    assert reparse(before).params == params
    path.write_text("\n\n[hear]\ndevice = 'new'\ncity = 'sanya'\nformat = 'text'\n")
    after = reparse(before)
    changed = {"rate": 44100, "loud": False, "device": "new", "city": "Sanya"}
    assert after.params == params | changed
    assert before.params == params
    assert origin(after, "device") == f"device ({path}, line 4)"
    assert origin(after, "output_format") == "--format (command line)"
    assert origin(after, "max_gain_db") == "EDGE_ASC_HEAR_MAX_GAIN (environment)"
    assert origin(after, "rate") == "--rate (default)"
    with pytest.raises(click.UsageError, match="line 4"):
        refuse_together(after, "device", "source", "")


def test_reading_again_keeps_arguments_and_finds_the_file_anew(
    program: Program, tmp_path: Path
) -> None:
    program("count", "a.wav", "b.wav")
    user = tmp_path / "home" / "edge-asc" / "config.toml"
    user.parent.mkdir(parents=True)
    user.write_text("[count]\nwindows = true\n")
    after = reparse(program.ctx)
    assert after.params == {"files": ("a.wav", "b.wav"), "windows": True, "output_format": "text"}
    assert config_path(after) == user
    assert reparse(after).params == after.params


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[hear]\nrate = 5\n", "line 2: rate in .hear.: 5 is not in the range"),
        ("[service]\nout = 7\n", "line 2: out in .service.: must be text, got 7"),
        ("[hear", "line 1"),
        ("", "Missing option '--out'"),
    ],
)
def test_reading_again_what_is_wrong_now(
    program: Program, tmp_path: Path, text: str, said: str
) -> None:
    path = write(tmp_path, "[service]\nout = 'units'\n")
    program("service", "install", "--config", path)
    path.write_text(text)
    with pytest.raises(ConfigError, match=said):
        reparse(program.ctx)
    path.unlink()
    with pytest.raises(ConfigError, match="no such configuration file"):
        reparse(program.ctx)
    assert program.ctx.params == {"out": tmp_path / "units"}


def test_only_a_running_configurable_command_can_be_read_again() -> None:
    with pytest.raises(TypeError, match="not a running configurable command"):
        reparse(click.Context(click.Command("other"), info_name="other"))


def test_a_command_that_is_called_by_itself_knows_its_own_section(tmp_path: Path) -> None:
    seen: list[click.Context] = []
    hear = make_program(seen.append).commands["hear"]
    done = CliRunner().invoke(hear, ["--config", str(write(tmp_path, "[hear]\nrate = 8000\n"))])
    assert (done.exit_code, seen[0].params["rate"]) == (0, 8000)
    assert reparse(seen[0]).params["rate"] == 8000


def test_completion_in_a_shell_reads_no_file(tmp_path: Path) -> None:
    hear = make_program(lambda _: None).commands["hear"]
    arguments = ["--config", str(tmp_path / "none.toml")]
    ctx = hear.make_context("hear", arguments, resilient_parsing=True)
    assert ctx.default_map is None


def test_the_variables_of_the_program_are_its_own() -> None:
    """None is one that means something else, and no two keys share one."""
    commands = configurable_commands(main)
    variables = [
        variable(section, key)
        for section, command in commands.items()
        for key in file_options(command)
    ]
    taken = {"CONFIG", "DATA", "CACHE", "MODEL_DIR", "INTERPRETER", "CONVERTER_PYTHON"}
    assert len(set(variables)) == len(variables)
    assert not set(variables) & {f"EDGE_ASC_{name}" for name in taken}
    prefixes = tuple(variable(section, "") for section in commands)
    assert not [name for name in taken if f"EDGE_ASC_{name}".startswith(prefixes)]


def test_no_key_of_the_program_is_also_a_section() -> None:
    commands = configurable_commands(main)
    keys = {key for command in commands.values() for key in file_options(command)}
    assert {"listen", "classify"} <= commands.keys()
    assert not keys & commands.keys()


def test_a_configuration_without_a_file(tmp_path: Path) -> None:
    configuration = read_configuration(main, None)
    assert configuration.file is None
    assert configuration.places == [
        tmp_path / "home" / "edge-asc" / "config.toml",
        tmp_path / "etc.toml",
    ]
