"""Who may import whom: the arrows of docs/architecture.md, read off the source."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
OUTER = ("training", "export", "firmware_bridge", "benchmarks")


@dataclass(frozen=True)
class Import:
    """One imported module, as it is named from outside."""

    importer: str
    """Dotted, such as "edge_asc.sources.portaudio"."""

    imported: str
    inside_function: bool


def python_files() -> list[Path]:
    """Every module of the project, each once: the links in edge_asc are left out."""
    rooms = ("edge_asc", *OUTER)
    return [
        path
        for room in rooms
        for path in sorted((ROOT / room).rglob("*.py"))
        if not any(parent.is_symlink() for parent in path.parents)
    ]


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    inside = parts if parts[0] == "edge_asc" else ("edge_asc", *parts)
    return ".".join(part for part in inside if part != "__init__")


def is_type_checking(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def imports_below(node: ast.AST, importer: str, package: str, inside: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(importer, alias.name, inside)
        elif isinstance(child, ast.ImportFrom):
            base = child.module or ""
            if child.level:
                above = package.split(".")[: len(package.split(".")) - child.level + 1]
                base = ".".join([*above, *([base] if base else [])])
            for alias in child.names:
                yield Import(importer, f"{base}.{alias.name}", inside)
        elif not is_type_checking(child):
            function = isinstance(child, (ast.FunctionDef, ast.AsyncFunctionDef))
            yield from imports_below(child, importer, package, inside or function)


def imports_of(path: Path, source: str) -> list[Import]:
    importer = module_name(path)
    package = importer if path.name == "__init__.py" else importer.rpartition(".")[0]
    return list(imports_below(ast.parse(source), importer, package, inside=False))


ALL_IMPORTS = [item for path in python_files() for item in imports_of(path, path.read_text())]


def is_within(name: str, *packages: str) -> bool:
    return any(name == package or name.startswith(package + ".") for package in packages)


def room(module: str) -> str:
    """The room a module lives in: one of the four, or "edge_asc" for the runtime."""
    return next((outer for outer in OUTER if is_within(module, f"edge_asc.{outer}")), "edge_asc")


def is_command_line(module: str) -> bool:
    return is_within(module, "edge_asc.cli", "edge_asc.commands")


def test_imports_are_read_from_every_form() -> None:
    source = (
        "import a.b\n"
        "from edge_asc import export\n"
        "from ..scenes import SCENES\n"
        "if TYPE_CHECKING:\n    import unseen\n"
        "def f():\n    from . import console\n"
    )
    found = imports_of(ROOT / "edge_asc" / "sinks" / "jsonl.py", source)
    assert [(item.imported, item.inside_function) for item in found] == [
        ("a.b", False),
        ("edge_asc.export", False),
        ("edge_asc.scenes.SCENES", False),
        ("edge_asc.sinks.console", True),
    ]


def test_the_runtime_imports_none_of_the_four() -> None:
    upward = [
        item
        for item in ALL_IMPORTS
        if room(item.importer) == "edge_asc" and room(item.imported) != "edge_asc"
    ]
    assert not [item for item in upward if not is_command_line(item.importer)]
    assert not [item for item in upward if not item.inside_function]


def test_training_imports_neither_export_nor_firmware_bridge() -> None:
    assert not [
        item
        for item in ALL_IMPORTS
        if room(item.importer) == "training"
        and room(item.imported) in ("export", "firmware_bridge")
    ]


def test_export_takes_only_models_checkpoint_and_metrics_from_training() -> None:
    rooms = ("models", "checkpoint", "metrics")
    allowed = tuple(f"edge_asc.training.{room}" for room in rooms)
    assert not [
        item
        for item in ALL_IMPORTS
        if room(item.importer) == "export"
        and room(item.imported) == "training"
        and not is_within(item.imported, *allowed)
    ]


def test_firmware_takes_only_the_reader_of_tflite_files_from_export() -> None:
    allowed = ("edge_asc.export.flatbuffer", "edge_asc.export.kernel_rules")
    assert not [
        item
        for item in ALL_IMPORTS
        if room(item.importer) == "firmware_bridge"
        and room(item.imported) not in ("firmware_bridge", "edge_asc")
        and not is_within(item.imported, *allowed)
    ]


def test_nobody_imports_benchmarks() -> None:
    assert not [
        item
        for item in ALL_IMPORTS
        if room(item.imported) == "benchmarks" != room(item.importer)
        and not is_command_line(item.importer)
    ]


def test_the_folders_are_imported_under_edge_asc_only() -> None:
    assert not [item for item in ALL_IMPORTS if is_within(item.imported, *OUTER)]


def modules_named_in_strings(path: Path) -> list[str]:
    """Dotted names in string constants: what importlib.import_module may be fed."""
    constants = (
        node for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant)
    )
    values = (node.value for node in constants if isinstance(node.value, str))
    return [value for value in values if re.fullmatch(r"\w+(\.\w+)+", value)]


@pytest.mark.parametrize(
    ("packages", "only_importer"),
    [
        (("ai_edge_litert.interpreter", "tflite_runtime"), "edge_asc.interpreter"),
        (("ai_edge_litert.schema_py_generated",), "edge_asc.export.flatbuffer"),
        (("sounddevice",), "edge_asc.sources.portaudio"),
        (("cryptography",), "edge_asc.signature"),
        (("paho",), "edge_asc.sinks.mqtt"),
        (("rich",), "edge_asc.sinks.live_view"),
        (("tornado",), "edge_asc.web.server"),
        (("prometheus_client",), "edge_asc.sinks.metrics"),
        (("selenium",), "edge_asc.benchmarks.browser"),
        (("serial",), "edge_asc.firmware_bridge.link.port"),
        (("cobs",), "edge_asc.firmware_bridge.link.frames"),
    ],
)
def test_a_package_that_may_be_missing_has_one_importer(
    packages: tuple[str, ...], only_importer: str
) -> None:
    importers = {item.importer for item in ALL_IMPORTS if is_within(item.imported, *packages)} | {
        module_name(path)
        for path in python_files()
        for name in modules_named_in_strings(path)
        if is_within(name, *packages)
    }
    assert importers == {only_importer}


def test_the_converter_runs_only_in_a_process_of_its_own() -> None:
    assert not [item for item in ALL_IMPORTS if is_within(item.imported, "onnx2tf", "tensorflow")]
    starters = [
        module_name(path) for path in python_files() if '"-m", "onnx2tf"' in path.read_text()
    ]
    assert starters == ["edge_asc.export.tflite"]


@pytest.mark.parametrize(
    "modules",
    [
        "edge_asc.cli, edge_asc.commands.listen",
        "edge_asc.listen, edge_asc.classifier",
        "edge_asc.sources.live, edge_asc.sources.microphone",
    ],
)
def test_the_runtime_stays_light(modules: str) -> None:
    heavy = ["torch", "onnx", "onnxruntime", "tensorflow", "scipy", "pandas", "librosa", "sklearn"]
    heavy += ["matplotlib", "tornado", "prometheus_client"]
    program = f"import {modules}, sys; print(*sys.modules.keys() & set({heavy!r}))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []
