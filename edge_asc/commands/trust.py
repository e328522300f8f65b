"""`edge-asc keygen` and `sign`: models that a device can tell are yours."""

from __future__ import annotations

from pathlib import Path

import click

from edge_asc.commands.options import PATH


@click.command("keygen")
@click.argument("key", type=PATH)
def make_key(key: Path) -> None:
    """Make a pair of keys to sign models with.

    KEY gets the private key, which only you may read: keep it off devices, and keep a copy. KEY.pub
    gets the public key, which devices need. Nothing is overwritten.
    """
    from edge_asc.signature import make_keys

    public = make_keys(key)
    click.echo(f"wrote {key} (private) and {public.source}: key {public.key_id}", err=True)


@click.command("sign")
@click.argument("model", type=PATH)
@click.option("--key", type=PATH, required=True, metavar="KEY", help="The private key's file.")
@click.option(
    "-o", "--out", type=PATH, metavar="FILE", help="The signed model; else MODEL itself is changed."
)
def sign_model(model: Path, key: Path, out: Path | None) -> None:
    """Sign a model file.

    The signature covers every part of it. A signed model is used like any other; with `--trust
    KEY.pub` a program uses nothing else.

    \b
    edge-asc keygen fleet
    edge-asc sign model.tflite --key fleet -o signed.tflite
    edge-asc listen --model signed.tflite --trust fleet.pub
    """  # noqa: D301 (click wants the backspace character)
    from edge_asc.archive import read_file
    from edge_asc.atomic import atomic_path
    from edge_asc.model_file import ModelFile
    from edge_asc.signature import sign

    data = read_file(model)
    before = ModelFile.from_bytes(data, str(model)).signature
    signed, public = sign(data, str(model), key)
    target = out or model
    ModelFile.from_bytes(signed, str(target), public)
    with atomic_path(target) as temporary:
        temporary.write_bytes(signed)
    replaced = f", which replaces the signature by key {before.key_id}" if before else ""
    click.echo(f"signed {target} with key {public.key_id}{replaced}", err=True)
