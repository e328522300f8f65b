"""`edge-asc update`."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from edge_asc.commands.options import PATH, read_trust, trust_option


@click.command("update")
@click.argument("model", required=False, type=PATH)
@trust_option
@click.option("--back", is_flag=True, help="Use the model again that was used before.")
def update_model(model: Path | None, trust: Path | None, back: bool) -> None:
    """Install a model on this device.

    MODEL is verified, run by this device's interpreter on the windows kept in it, and then becomes
    the one that `listen` and `classify` use, in one step: they find the old model or the new one,
    whatever happens. The old one is kept. The folder is ~/.local/share/edge-asc, or what
    EDGE_ASC_MODEL_DIR says.

    \b
    edge-asc update signed.tflite --trust fleet.pub
    edge-asc update --back
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.archive import read_file
    from edge_asc.errors import UpdateError
    from edge_asc.update import FOLDER_VARIABLE, ModelFolder, model_folder, open_model

    if (model is None) != back:
        raise click.UsageError("give either MODEL, to install it, or --back")
    trusted = read_trust(trust)
    say = partial(click.echo, err=True)
    path = model_folder()
    if path is None:
        raise UpdateError(f"this user has no home folder: name one for models in {FOLDER_VARIABLE}")
    folder = ModelFolder(path)
    if model is None:
        folder.go_back(trusted, say)
        return
    data = read_file(model)
    name = open_model(data, str(model), trusted).manifest.name
    if folder.install(data, say):
        say(f"installed model {name} as {folder.installed}")
    else:
        say(f"model {name} is installed already: {folder.installed} is the same file")
