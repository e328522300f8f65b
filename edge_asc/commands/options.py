"""Options that several sub-commands share, and how their values are checked."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from edge_asc.errors import ContextError, EdgeAscError
from edge_asc.scenes import find_city, find_scene

if TYPE_CHECKING:
    from edge_asc.classifier import SceneClassifier
    from edge_asc.signature import PublicKey

Command = TypeVar("Command", bound=Callable[..., Any])

DEMONSTRATION_NOTE = "demonstration model: not fit to decide anything"


def parse_city(ctx: click.Context, param: click.Parameter, value: str | None) -> str | None:
    """One of the 22 CAS cities, for click."""
    try:
        return None if value is None else find_city(value)
    except ContextError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def parse_scenes(ctx: click.Context, param: click.Parameter, value: str) -> tuple[str, ...]:
    """CAS scenes with commas between them, for click."""
    try:
        return tuple(find_scene(name) for name in value.split(","))
    except ContextError as error:
        raise click.BadParameter(str(error), ctx, param) from error


def parse_time(ctx: click.Context, param: click.Parameter, value: str | None) -> datetime | None:
    """A date and time as ISO 8601 writes it, for click."""
    try:
        # Before Python 3.11, fromisoformat did not know the Z that stands for UTC.
        return None if value is None else datetime.fromisoformat(value.replace("Z", "+00:00"))
    except ValueError as error:
        raise click.BadParameter(
            f"must be written as ISO 8601, for instance 2026-05-17T14:30, got {value!r}", ctx, param
        ) from error


PATH = click.Path(path_type=Path)
data_option = click.option(
    "--data",
    type=PATH,
    multiple=True,
    required=True,
    metavar="DIR",
    help="Folder of a data set; may be given more than once.",
)
city_option = click.option(
    "--city",
    callback=parse_city,
    metavar="CITY",
    help="Where the sound was heard: one of the 22 CAS cities.",
)
time_option = click.option(
    "--time",
    "local_time",
    callback=parse_time,
    metavar="ISO",
    help="Local time when the sound begins, as 2026-05-17T14:30.",
)
model_option = click.option(
    "--model",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Model file; without it, the installed one (see `update`), else the shipped one.",
)
trust_option = click.option(
    "--trust",
    type=PATH,
    metavar="KEY.pub",
    help="Use only a model that this key signed (see `sign`).",
)
format_option = click.option(
    "--format",
    "output_format",
    type=click.Choice(["text", "json"]),
    default="text",
    show_default=True,
    help="Form of the results.",
)


def raw_format_options(command: Command) -> Command:
    """`--rate`, `--channels` and `--sample-format`: how raw PCM is written."""
    rate = click.option(
        "--rate",
        type=click.IntRange(1_000, 768_000),
        default=44_100,
        show_default=True,
        help="Sample rate of raw PCM, in Hz.",
    )
    channels = click.option(
        "--channels",
        type=click.IntRange(1, 64),
        default=1,
        show_default=True,
        help="Channels of raw PCM; they are averaged.",
    )
    sample_format = click.option(
        "--sample-format",
        type=click.Choice(["s16", "s32", "f32"]),
        default="s16",
        show_default=True,
        help="Samples of raw PCM, little-endian.",
    )
    return rate(channels(sample_format(command)))


def load_classifier(model: Path | None, trust: Path | None) -> SceneClassifier:
    """The classifier of a model file, None for the installed or the shipped one.

    With `trust`, a public key's file, only a model that this key signed. Raises EdgeAscError.
    """
    from edge_asc.archive import read_file
    from edge_asc.update import open_best_model, open_model

    trusted = read_trust(trust)
    if model is not None:
        return open_model(read_file(model), str(model), trusted)
    return open_best_model(trusted, partial(click.echo, err=True))


def read_trust(path: Path | None) -> PublicKey | None:
    """The key of `--trust`, None without one. Raises KeyFileError."""
    from edge_asc.signature import read_public_key

    return None if path is None else read_public_key(path)


@contextmanager
def packages(extra: str) -> Iterator[None]:
    """Turn a missing third-party package into advice on how to get it."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.split(".")[0] == "edge_asc":
            raise
        what = {
            "train": "training",
            "export": "export",
            "live": "terminal view",
            "metrics": "metrics",
            "mqtt": "MQTT",
            "plot": "plotting",
            "serial": "serial port",
            "web": "web page",
        }[extra]
        raise EdgeAscError(
            f"this needs the {what} packages ({error.name} is missing):"
            f" pip install 'edge-asc[{extra}]'"
        ) from error


def split_names(folds: str | None) -> list[str] | None:
    """The folds of "2,3" as a list; None, for the command's own choice, stays."""
    return None if folds is None else [fold.strip() for fold in folds.split(",")]
