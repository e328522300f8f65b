"""Data sets from a record, on a server of this machine."""

from __future__ import annotations

import hashlib
import io
import json
import shutil
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from edge_asc.errors import DataError
from edge_asc.training import download as download_module
from edge_asc.training.download import CAS_METADATA, CATALOGUE, download, find_packages
from edge_asc.training.http_download import Patience

IMPATIENT = Patience(attempts=1)


class Handler(SimpleHTTPRequestHandler):
    """Serves a folder and says nothing."""

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


class Publisher:
    """A folder that is served as Zenodo serves its records."""

    def __init__(self, folder: Path, url: str) -> None:
        self.folder = folder
        self.url = url

    def offer(self, record: int, contents: dict[str, bytes], **changes: Any) -> dict[str, Any]:
        """Publish `contents` under `record`; `changes` replace parts of its description."""
        entries = []
        for name, content in contents.items():
            (self.folder / f"{record}-{name}").write_bytes(content)
            digest = hashlib.md5(content, usedforsecurity=False).hexdigest()
            url = f"{self.url}/{record}-{name}"
            entries.append(
                {"key": name, "size": len(content), "checksum": f"md5:{digest}"}
                | {"links": {"self": url}}
            )
        answer = {
            "metadata": {"title": f"Record {record}", "license": {"id": "cc-by-4.0"}},
            "files": entries,
        }
        answer |= changes
        (self.folder / "api" / "records").mkdir(parents=True, exist_ok=True)
        (self.folder / "api" / "records" / str(record)).write_text(json.dumps(answer))
        return answer


@pytest.fixture
def publisher(tmp_path: Path) -> Iterator[Publisher]:
    folder = tmp_path / "served"
    folder.mkdir()
    handler = partial(Handler, directory=str(folder))
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield Publisher(folder, f"http://127.0.0.1:{server.server_port}")
        server.shutdown()


def zipped(**files: bytes) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as bundle:
        for name, content in files.items():
            bundle.writestr(name, content)
    return stream.getvalue()


def find(publisher: Publisher, set_name: str, *parts: str) -> list[download_module.Package]:
    return find_packages(set_name, parts, base_url=publisher.url, patience=IMPATIENT)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_record_says_what_it_offers(publisher):
    answer = publisher.offer(7080122, {"a.z01": b"12", "a.zip": b"345"})
    (package,) = find(publisher, "cochlscene")
    assert (package.part, package.title, package.licence) == ("all", "Record 7080122", "cc-by-4.0")
    assert package.page == f"{publisher.url}/records/7080122"
    assert package.size_bytes == 5
    assert [file.name for file in package.files] == ["a.z01", "a.zip"]
    assert f"md5:{package.files[0].md5}" == answer["files"][0]["checksum"]


def test_a_set_is_fetched_and_unpacked(publisher, tmp_path, capsys):
    files = {
        "tau.audio.1.zip": zipped(**{"tau/audio/a.wav": b"aaa"}),
        "tau.audio.2.zip": zipped(**{"tau/audio/b.wav": b"bbb"}),
        "README.md": b"# tau",
    }
    publisher.offer(3819968, files)
    out = tmp_path / "out"
    found = download(find(publisher, "tau2020"), out, patience=IMPATIENT)
    assert found == [out / "README.md", out / "tau", *(out / f"tau.audio.{i}.zip" for i in (1, 2))]
    assert (out / "tau" / "audio" / "b.wav").read_bytes() == b"bbb"
    assert "and at least" in capsys.readouterr().err
    # Once more: nothing is fetched, for nothing is served any more.
    packages = find(publisher, "tau2020")
    shutil.rmtree(publisher.folder)
    assert download(packages, out, patience=IMPATIENT) == found


def test_archives_can_be_left_packed(publisher, tmp_path):
    publisher.offer(3819968, {"tau.zip": zipped(**{"tau/a.wav": b"aaa"})})
    download(find(publisher, "tau2020"), tmp_path / "out", extract=False, patience=IMPATIENT)
    assert names(tmp_path / "out") == ["tau.zip"]


def test_parts_are_chosen(publisher):
    publisher.offer(10616533, {"ICME2024_GC_ASC_dev.zip": b""})
    assert [package.part for package in find(publisher, "cas2023", "metadata")] == ["metadata"]
    both = find(publisher, "cas2023", "metadata", "development")
    assert [package.part for package in both] == ["development", "metadata"]
    with pytest.raises(DataError, match=r"says 404.*in a browser"):
        find(publisher, "cas2023")  # the evaluation record is not served here
    with pytest.raises(DataError, match=r"parts of cas2023 are development, .*; got 'test'"):
        find(publisher, "cas2023", "test")
    with pytest.raises(DataError, match=r"set must be one of cas2023, .*, got 'esc50'"):
        find(publisher, "esc50")


def test_the_official_table_is_the_one_of_that_commit(data_dir):
    """The same file as was handed out with the challenge: its size identifies it."""
    (file,) = CAS_METADATA.files
    assert (data_dir / "cas2023" / file.name).stat().st_size == file.size_bytes
    assert CATALOGUE["cas2023"]["metadata"] is CAS_METADATA


GOOD = {"key": "a.zip", "size": 1, "checksum": "md5:" + "0" * 32, "links": {"self": "http://x/a"}}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"files": []}, "offers no files; its access may be restricted"),
        ({"files": None}, "offers no files"),
        ({"files": [GOOD | {"key": "../a.zip"}]}, "'../a.zip' is no plain file name"),
        ({"files": [GOOD | {"key": ".."}]}, "no plain file name"),
        ({"files": [GOOD | {"checksum": "sha256:00"}]}, "expected md5"),
        ({"files": [{"key": "a.zip"}]}, "not described as expected"),
        ({"metadata": {}}, "not described as expected"),
        ({"metadata": []}, "not described as expected"),
    ],
)
def test_a_strange_record_is_refused(publisher, changes, message):
    publisher.offer(3819968, {"a.zip": b"a"}, **changes)
    with pytest.raises(DataError, match=message) as caught:
        find(publisher, "tau2020")
    assert "/records/3819968" in str(caught.value)


def test_a_record_without_a_licence_says_so(publisher):
    publisher.offer(3819968, {"a.zip": b"a"}, metadata={"title": "A"})
    assert find(publisher, "tau2020")[0].licence == "none stated"


def test_the_content_has_its_own_address_in_the_newer_form(publisher, tmp_path):
    answer = publisher.offer(3819968, {"a.txt": b"a"})
    links = answer["files"][0]["links"]
    links["content"], links["self"] = links["self"], f"{publisher.url}/nowhere"
    publisher.offer(3819968, {"a.txt": b"a"}, files=answer["files"])
    (path,) = download(find(publisher, "tau2020"), tmp_path / "out", patience=IMPATIENT)
    assert path.read_bytes() == b"a"


def test_room_is_needed_for_what_is_missing(publisher, tmp_path, monkeypatch):
    archive = zipped(**{"a.wav": b"\0" * 60_000})  # stored: 60 kB and a little
    publisher.offer(3819968, {"a.zip": archive, "README.md": b"#" * 10_000})
    packages = find(publisher, "tau2020")
    out = tmp_path / "out"

    def leave(free: int) -> None:
        room = shutil.disk_usage(tmp_path)._replace(free=free)
        monkeypatch.setattr("shutil.disk_usage", lambda path: room)

    leave(125_000)
    with pytest.raises(
        DataError, match=r"out: the download with .* takes 130.2 kB.* 125.0 kB free"
    ):
        download(packages, out, patience=IMPATIENT)
    assert not out.exists()
    out.mkdir()
    (out / "README.md").write_bytes(b"#" * 10_000)
    assert len(download(packages, out, patience=IMPATIENT)) == 3
    leave(0)
    download(packages, out, patience=IMPATIENT)  # all is there


def test_damage_on_the_way_is_found(publisher, tmp_path):
    publisher.offer(3819968, {"a.txt": b"right"})
    (publisher.folder / "3819968-a.txt").write_bytes(b"wrong")
    with pytest.raises(DataError, match="it was deleted"):
        download(find(publisher, "tau2020"), tmp_path / "out", patience=IMPATIENT)
    assert names(tmp_path / "out") == []
