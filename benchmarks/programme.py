"""Real recordings, one after the other: what is played to a listener that is measured."""

from __future__ import annotations

import os
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
import soundfile

from edge_asc.audio import open_audio, read_blocks
from edge_asc.benchmarks.sound_server import SoundServer
from edge_asc.resample import Resampler

_BLOCK_SAMPLES = 1 << 14
"""Read and written piece by piece: memory is what is measured."""


def find_recordings(ctx: click.Context, param: click.Parameter, folder: Path | None) -> list[Path]:
    """Every FLAC file in `folder` and below. Raises click.BadParameter if there is none."""
    if folder is None:
        data = os.environ.get("EDGE_ASC_DATA")
        if not data:
            raise click.BadParameter(
                "name a folder of FLAC files, or set EDGE_ASC_DATA", ctx, param
            )
        folder = Path(data) / "scenes_open"
    found = sorted(folder.rglob("*.flac"))
    if not found:
        raise click.BadParameter(f"there is no FLAC file in or below {folder}", ctx, param)
    return found


recordings_option = click.option(
    "--recordings",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    callback=find_recordings,
    help="A folder with FLAC files, or with folders of them; default: $EDGE_ASC_DATA/scenes_open.",
)


def write_programme(
    recordings: list[Path], file: Path, seed: int, *, rate_hz: int = 44_100, most_s: float = 600.0
) -> None:
    """Write recordings in a seeded order, mono, 16 bits, until `most_s` or all are in `file`."""
    order = random.Random(seed).sample(recordings, len(recordings))
    with soundfile.SoundFile(file, "w", rate_hz, 1, "PCM_16") as programme:
        for path in order:
            with open_audio(path) as recording:
                resampler = Resampler(recording.samplerate, rate_hz)
                for samples in read_blocks(recording, _BLOCK_SAMPLES):
                    programme.write(resampler.process(samples))
                programme.write(resampler.finish())
            if programme.frames >= most_s * rate_hz:
                break


@contextmanager
def playing(server: SoundServer, file: Path) -> Iterator[None]:
    """Play `file` over and over, whatever becomes of the server."""
    over = threading.Event()

    def play() -> None:
        while not over.is_set():
            with server.play(file) as player:
                while player.poll() is None and not over.wait(0.5):
                    pass
                player.kill()
            over.wait(1.0)

    thread = threading.Thread(target=play)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
