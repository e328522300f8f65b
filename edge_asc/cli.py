"""The command line: `edge-asc`.

What a sub-command needs is imported inside it, so that help answers at once and listening never
loads what only training uses. stdout carries results, stderr everything else. Exit codes: 0 done, 1
failed, 2 wrong usage, 130 interrupted.
"""

from __future__ import annotations

import os
import sys
from typing import Any

import click

from edge_asc import __version__
from edge_asc.commands.audit import audit
from edge_asc.commands.bench import bench
from edge_asc.commands.calibrate import calibrate
from edge_asc.commands.classify import classify_files
from edge_asc.commands.config import config
from edge_asc.commands.data import data
from edge_asc.commands.doctor import examine_this_machine
from edge_asc.commands.download import download
from edge_asc.commands.evaluate import evaluate
from edge_asc.commands.firmware import firmware
from edge_asc.commands.info import show_model
from edge_asc.commands.listen import listen_to_source
from edge_asc.commands.microphones import show_devices
from edge_asc.commands.plot import plot
from edge_asc.commands.record import record_clips
from edge_asc.commands.service import service
from edge_asc.commands.table3 import table3
from edge_asc.commands.train import train
from edge_asc.commands.trust import make_key, sign_model
from edge_asc.commands.update import update_model
from edge_asc.commands.workshop import export, synth
from edge_asc.config import name_origin
from edge_asc.errors import ConfigError, EdgeAscError

WRONG_USAGE = 2
INTERRUPTED = 130
"""128 + SIGINT, as shells count."""


class _Program(click.Group):
    """Turns the project's errors into one line on stderr and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401
        try:
            return super().invoke(ctx)
        except click.BadParameter as error:
            name_origin(error)
            raise
        except ConfigError as error:
            click.echo(f"edge-asc: error: {error}", err=True)
            ctx.exit(WRONG_USAGE)
        except EdgeAscError as error:
            click.echo(f"edge-asc: error: {error}", err=True)
            ctx.exit(1)
        except BrokenPipeError:
            # The reader has seen enough, as in `edge-asc listen | head -1`. What is still buffered
            # must go somewhere, or the interpreter complains when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            ctx.exit(0)
        except OSError as error:
            # The system's own words, with the file: a full disk, no permission.
            click.echo(f"edge-asc: error: {error}", err=True)
            ctx.exit(1)
        except KeyboardInterrupt:
            ctx.exit(INTERRUPTED)


@click.group(
    name="edge-asc", cls=_Program, context_settings={"help_option_names": ["-h", "--help"]}
)
@click.version_option(__version__, prog_name="edge-asc", message="%(prog)s %(version)s")
def main() -> None:
    """Tell the acoustic scene (bus, bar, urban park, ...) from sound, on a small device."""
    # Before numpy comes. Our matrix products are too small to share; its BLAS would start a thread
    # for every core, and they would wait for work in a loop.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")


for _command in (
    listen_to_source,
    classify_files,
    plot,
    record_clips,
    show_devices,
    examine_this_machine,
    bench,
    config,
    service,
    show_model,
    update_model,
    make_key,
    sign_model,
    synth,
    data,
    audit,
    train,
    evaluate,
    table3,
    export,
    calibrate,
    firmware,
):
    main.add_command(_command)
data.add_command(download)
