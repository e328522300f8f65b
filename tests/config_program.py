"""A program with options of every kind, for the tests of the configuration."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from edge_asc.cli import main
from edge_asc.commands.options import PATH, city_option
from edge_asc.config import configurable


def make_program(seen: Callable[[click.Context], None]) -> click.Group:
    """Its commands hand their contexts to `seen`."""

    @configurable
    @click.command("hear")
    @click.option("--source", default="mic")
    @click.option("--device", help="The microphone.")
    @city_option
    @click.option("--rate", type=click.IntRange(1_000, 768_000), default=44_100)
    @click.option("--max-gain", "max_gain_db", type=click.FloatRange(0, min_open=True), default=6.0)
    @click.option("--loud", is_flag=True)
    @click.option("--model", type=PATH)
    @click.option("--tag", multiple=True)
    @click.option("--format", "output_format", type=click.Choice(["text", "json"]), default="text")
    @click.option("--time", "local_time")
    @click.option("--seconds", type=float)
    @click.pass_context
    def hear(ctx: click.Context, /, **_: Any) -> None:
        seen(ctx)

    @configurable
    @click.command("count")
    @click.argument("files", nargs=-1)
    @click.option("--windows", is_flag=True)
    @click.option("--format", "output_format", type=click.Choice(["text", "csv"]), default="text")
    @click.pass_context
    def count(ctx: click.Context, /, **_: Any) -> None:
        seen(ctx)

    @click.command("install")
    @click.option("--out", type=PATH, required=True)
    @click.pass_context
    def install(ctx: click.Context, /, **_: Any) -> None:
        seen(ctx)

    service = click.Group("service", {"install": configurable(install, section="service")})
    program: click.Group = type(main)("program")
    for command in (hear, count, service):
        program.add_command(command)
    return program


def write(folder: Path, text: str) -> Path:
    """A configuration file."""
    path = folder / "config.toml"
    path.write_text(text, encoding="utf-8")
    return path
