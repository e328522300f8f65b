"""`edge-asc bench peers`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from edge_asc.commands.options import PATH, format_option
from edge_asc.commands.status_line import StatusLine

if TYPE_CHECKING:
    from edge_asc.benchmarks.bench.peers import Peer
    from edge_asc.benchmarks.bench.peers_workbench import Workbench

_FRONT_ENDS = ("log-mel", "samples")
_GROUPS = ("edge", "paper", "official", "yamnet")
_INTERRUPTED = 130


class _File(NamedTuple):
    name: str
    path: Path
    front_end: str


def _parse_files(
    ctx: click.Context, param: click.Parameter, values: tuple[str, ...]
) -> list[_File]:
    files = []
    for value in values:
        name, _, rest = value.partition("=")
        path, _, front_end = rest.rpartition(":") if rest.endswith(_ENDINGS) else (rest, "", "")
        if not name or not path:
            raise click.BadParameter(
                f"must be NAME=FILE or NAME=FILE:FRONTEND with one of {', '.join(_FRONT_ENDS)},"
                f" got {value!r}",
                ctx,
                param,
            )
        if not Path(path).is_file():
            raise click.BadParameter(f"{path}: no such file", ctx, param)
        files.append(_File(name, Path(path), front_end or _FRONT_ENDS[0]))
    return files


_ENDINGS = tuple(f":{name}" for name in _FRONT_ENDS)


@click.command("peers")
@click.option(
    "--model", type=PATH, metavar="FILE", help="The model of the first row; else the shipped one."
)
@click.option(
    "--peer",
    "files",
    multiple=True,
    callback=_parse_files,
    metavar="NAME=FILE[:FRONTEND]",
    help="A .tflite file, which hears patches of 16 kHz sound: `log-mel` as YAMNet's (default), in"
    " as many frames and bands as its input has, or `samples`.",
)
@click.option(
    "--only",
    "groups",
    multiple=True,
    type=click.Choice(_GROUPS),
    help="Compare with these alone; may be given more than once.",
)
@click.option(
    "--audio", type=PATH, metavar="FILE", help="A recording of at least 10 s; else a clip of ours."
)
@click.option("--runs", type=click.IntRange(min=1), default=100, show_default=True)
@click.option(
    "--warm-up",
    type=click.IntRange(min=0),
    default=10,
    show_default=True,
    help="Runs of each that come first and do not count.",
)
@click.option(
    "--clock",
    type=click.Choice(["wall", "cpu"]),
    default="wall",
    show_default=True,
    help="cpu: processor time, for a machine that others use, too.",
)
@click.option("--seed", type=click.IntRange(min=0), default=1, show_default=True)
@click.option(
    "--networks",
    type=PATH,
    metavar="DIR",
    help="Keep converted networks here, and use those that are there: converting takes minutes.",
)
@click.option("-o", "--out", type=PATH, metavar="FILE", help="Write the result as JSON.")
@format_option
@click.pass_context
def peers(
    ctx: click.Context,
    /,
    model: Path | None,
    files: list[_File],
    groups: tuple[str, ...],
    audio: Path | None,
    networks: Path | None,
    out: Path | None,
    output_format: str,
    **settings: Any,  # noqa: ANN401 - click's values, by the names of Settings
) -> None:
    """Compare with other pipelines, networks and runtimes.

    All in one process on one thread, in shuffled order, from 10 s of real sound in memory to
    probabilities: the official pipeline, our variants in PyTorch, onnxruntime, LiteRT and
    tflite-runtime, a network of YAMNet's shape, and files of yours. A peer whose package is missing
    is left out, and that is said. See docs/peers.md.

    \b
    edge-asc bench peers
    edge-asc bench peers --peer birds=birds.tflite --only official -o peers.json
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.benchmarks.bench.peers_threads import one_thread

    if out is not None and out.is_dir():
        raise click.BadParameter(f"{out} is a folder; name a file in it", ctx, param_hint="--out")
    one_thread()  # before numpy is loaded, where nobody has done that
    from edge_asc.benchmarks.bench.peers import Comparison, Settings, gather
    from edge_asc.benchmarks.bench.peers_text import describe_peers

    line = StatusLine()
    with _workbench(model, audio, networks, settings["seed"], line) as (bench, facts):
        found, missing = gather(_makers(bench, groups or _GROUPS, files), line.say)
        comparison = Comparison(
            found, bench.hop(), bench.sound, facts, Settings(**settings), show=line.show
        )
        comparison.measure()
    result = comparison.result()
    if output_format == "json":
        click.echo(result.to_json())
    else:
        for text in describe_peers(result, missing):
            click.echo(text)
    if out is not None:  # after the table: where it cannot be written, that is not lost
        result.write(out)
        line.say(f"wrote {out}")
    if not result.complete:
        ctx.exit(_INTERRUPTED)


def _makers(bench: Workbench, groups: tuple[str, ...], files: list[_File]) -> Iterator[Any]:
    from edge_asc.benchmarks.bench.peers_list import makers

    yield from makers(bench, groups)
    for file in files:
        yield file.name, lambda file=file: _file_peer(file)


def _file_peer(file: _File) -> Peer:
    from edge_asc.benchmarks.bench.peers_patches import file_peer

    return file_peer(file.name, file.path, file.front_end)  # type: ignore[arg-type]


@contextmanager
def _workbench(
    model: Path | None, audio: Path | None, networks: Path | None, seed: int, line: StatusLine
) -> Iterator[tuple[Workbench, dict[str, Any]]]:
    """What peers are made of, and what is told of the sound."""
    from tempfile import TemporaryDirectory

    from edge_asc.audio import read_audio
    from edge_asc.benchmarks.bench.peers import RATE_HZ, WINDOW_S
    from edge_asc.benchmarks.bench.peers_workbench import Workbench
    from edge_asc.benchmarks.bench.subject import opened_sound
    from edge_asc.model_file import ModelFile, default_model_path

    read = ModelFile.read(model or default_model_path())
    with opened_sound(audio, WINDOW_S) as sound, TemporaryDirectory() as temporary:
        folder = networks or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        samples = read_audio(sound.path, RATE_HZ)
        yield Workbench(read, samples, folder, seed, line.say), dict(sound.facts)
