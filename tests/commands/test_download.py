"""`edge-asc data download`, with a publisher on this machine's disk."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from edge_asc.commands import download as command_module
from edge_asc.errors import DataError
from edge_asc.training import download as publishers

MD5_OF_ABC = "900150983cd24fb0d6963f7d28e17f72"  # RFC 1321, section A.5


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture(autouse=True)
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Serves the record of CochlScene with one small file."""
    folder = tmp_path / "served"
    (folder / "api" / "records").mkdir(parents=True)
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        url = f"http://127.0.0.1:{server.server_port}"
        record = {
            "metadata": {"title": "CochlScene", "license": {"id": "cc-by-sa-3.0"}},
            "files": [
                {"key": "abc.txt", "size": 3, "checksum": f"md5:{MD5_OF_ABC}"}
                | {"links": {"self": f"{url}/abc.txt"}}
            ],
        }
        (folder / "api" / "records" / "7080122").write_text(json.dumps(record))
        (folder / "abc.txt").write_bytes(b"abc")
        find = partial(publishers.find_packages, base_url=url)
        monkeypatch.setattr(publishers, "find_packages", find)
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield
        server.shutdown()


def run(*arguments: str | Path) -> str:
    """Run the command; return what it wrote to stdout."""
    texts = [str(argument) for argument in arguments]
    done = CliRunner().invoke(command_module.download, texts, standalone_mode=False)
    if done.exception:
        raise done.exception
    return done.stdout


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_an_accepted_licence_downloads(tmp_path):
    out = tmp_path / "out"
    assert run("cochlscene", "--to", out, "--accept-licence") == f"{out / 'abc.txt'}\n"
    assert (out / "abc.txt").read_bytes() == b"abc"


def test_without_a_terminal_the_licence_is_shown_and_must_be_accepted(tmp_path):
    arguments = ["cochlscene", "--to", str(tmp_path / "out")]
    done = CliRunner().invoke(command_module.download, arguments)
    assert isinstance(done.exception, DataError)
    assert "--accept-licence" in str(done.exception)
    assert "licence: cc-by-sa-3.0" in done.stderr
    assert "1 files, 3 bytes, http" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_person_is_asked(tmp_path, monkeypatch, capsys):
    arguments = ["cochlscene", "--to", str(tmp_path / "out")]
    monkeypatch.setattr("sys.stdin", Terminal("n\n"))
    with pytest.raises(DataError, match="not accepted; nothing was downloaded"):
        command_module.download.main(arguments, standalone_mode=False)
    assert not (tmp_path / "out").exists()
    monkeypatch.setattr("sys.stdin", Terminal("y\n"))
    command_module.download.main(arguments, standalone_mode=False)
    captured = capsys.readouterr()
    assert captured.out == f"{tmp_path / 'out' / 'abc.txt'}\n"
    assert "Do you accept it?" in captured.err
    assert (tmp_path / "out" / "abc.txt").read_bytes() == b"abc"


def test_sets_and_parts_are_those_of_the_catalogue(tmp_path):
    assert tuple(publishers.CATALOGUE) == command_module.SETS
    with pytest.raises(click.BadParameter, match="'cas2023', 'tau2020', 'cochlscene'"):
        run("esc50", "--to", tmp_path)
    with pytest.raises(DataError, match="parts of cochlscene are all; got 'train'"):
        run("cochlscene", "--to", tmp_path, "--part", "train")
    with pytest.raises(click.MissingParameter):
        run("cochlscene")
