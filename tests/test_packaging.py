"""What is installed is what is here, and says the same everywhere."""

from __future__ import annotations

import configparser
import fnmatch
import re
import subprocess
from importlib.metadata import version
from pathlib import Path

import pytest

import edge_asc

ROOT = Path(__file__).parents[1]
MAPPED = ("benchmarks", "export", "firmware_bridge", "training")


@pytest.fixture(scope="module")
def setup_cfg() -> configparser.ConfigParser:
    parser = configparser.ConfigParser()
    parser.read(ROOT / "setup.cfg", encoding="utf-8")
    return parser


def lines(text: str) -> list[str]:
    return text.split("\n")[1:]


def folders_with_code() -> set[str]:
    """Every folder with an __init__.py, as a package's name."""
    found = set()
    for top in ("edge_asc", *MAPPED):
        for init in (ROOT / top).rglob("__init__.py"):
            if any(parent.is_symlink() for parent in init.parents):
                continue
            name = ".".join(init.parent.relative_to(ROOT).parts)
            found.add(name if top == "edge_asc" else f"edge_asc.{name}")
    return found


def repository_files() -> list[Path]:
    """What git holds or would take: neither ignored files nor links."""
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    if listed.returncode != 0:
        pytest.skip("needs a git checkout, to know which files are the project's")
    paths = [ROOT / name for name in listed.stdout.split("\0") if name]
    return [path for path in paths if path.is_file() and not path.is_symlink()]


def test_every_package_is_listed(setup_cfg: configparser.ConfigParser) -> None:
    listed = lines(setup_cfg["options"]["packages"])
    assert sorted(listed) == sorted(folders_with_code())


def test_no_code_folder_lacks_its_init() -> None:
    folders = {path.parent for top in ("edge_asc", *MAPPED) for path in (ROOT / top).rglob("*.py")}
    assert not [folder for folder in folders if not (folder / "__init__.py").exists()]


@pytest.mark.parametrize("name", MAPPED)
def test_each_mapped_folder_has_its_link(name: str, setup_cfg: configparser.ConfigParser) -> None:
    link = ROOT / "edge_asc" / name
    assert link.is_symlink()
    assert link.readlink() == Path("..") / name
    assert f"edge_asc.{name} = {name}" in lines(setup_cfg["options"]["package_dir"])


@pytest.mark.parametrize(
    ("package", "folder"),
    [
        ("edge_asc", "edge_asc"),
        ("edge_asc.benchmarks.aarch64", "benchmarks/aarch64"),
        ("edge_asc.benchmarks.bench", "benchmarks/bench"),
        ("edge_asc.training", "training"),
    ],
)
def test_every_data_file_is_packaged(
    package: str, folder: str, setup_cfg: configparser.ConfigParser
) -> None:
    patterns = lines(setup_cfg["options.package_data"][package])
    top = ROOT / folder
    data = [
        path.relative_to(top).as_posix()
        for path in repository_files()
        if path.is_relative_to(top) and path.suffix != ".py"
    ]
    assert data
    unpackaged = [name for name in data if not any(fnmatch.fnmatch(name, p) for p in patterns)]
    assert not unpackaged


def test_the_version_is_written_once() -> None:
    assert version("edge-asc") == edge_asc.__version__
    places = [
        path.relative_to(ROOT).as_posix()
        for path in repository_files()
        if path.suffix in {".py", ".cfg", ".toml"}
        and re.search(rf"""["'=]\s*{re.escape(edge_asc.__version__)}\b""", path.read_text("utf-8"))
    ]
    assert places == ["edge_asc/__init__.py"]


def test_the_changelog_knows_this_version() -> None:
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"## {edge_asc.__version__}" in changelog


def test_the_makefile_has_every_command_of_the_documents() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z][a-z0-9-]*):", makefile, flags=re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")]
    named = {
        target
        for document in documents
        for target in re.findall(
            r"(?:^|`)make ([a-z][a-z0-9-]*)", document.read_text("utf-8"), re.MULTILINE
        )
    }
    assert {"demo", "test"} <= named <= targets


def test_the_documents_link_to_files_that_exist() -> None:
    broken = []
    for document in (path for path in repository_files() if path.suffix == ".md"):
        for target in re.findall(r"\]\(([^)#\s]+)", document.read_text(encoding="utf-8")):
            if "://" not in target and not (document.parent / target).exists():
                broken.append(f"{document.relative_to(ROOT)}: {target}")
    assert not broken


def test_no_file_names_a_machine_or_a_package_index() -> None:
    machine = "|".join(("w" + "ork", "ro" + "ot", "ho" + "me"))
    forbidden = re.compile(
        rf"(?<![\w.}}])/(?:{machine})/|--(?:extra-)?index-ur[l]|https?://\S+\.wh[l]|/simpl[e]/"
    )
    found = []
    for path in repository_files():
        data = path.read_bytes()
        if b"\0" in data:
            continue
        for number, line in enumerate(data.decode("utf-8").splitlines(), 1):
            if forbidden.search(line):
                found.append(f"{path.relative_to(ROOT)}:{number}: {line.strip()[:90]}")
    assert not found
