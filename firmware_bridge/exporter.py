"""From a model file to a folder of C99: `edge-asc firmware export`.

model file     encoder, head    -> asc_model.*, selftest.c      codegen
               features, scenes -> asc_facts.h, tables, asc.*   frontend
plain .tflite  network          -> asc_model.*, selftest.c      codegen: no sound, no front end
                                -> build files, example         layouts
                                -> manifest.json: what it is, what it needs, every file's hash
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import zipfile
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Literal

import numpy as np

from edge_asc import __version__
from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.package import MANIFEST
from edge_asc.firmware_bridge.codegen.compiler import (
    CompiledNetwork,
    compile_model,
    compile_network,
    write_model,
)
from edge_asc.firmware_bridge.codegen.host import CSOURCE
from edge_asc.firmware_bridge.codegen.oracle import Arithmetic, oracle
from edge_asc.firmware_bridge.codegen.selftest import write_selftest
from edge_asc.firmware_bridge.codegen.vectors import Vector, golden_vectors
from edge_asc.firmware_bridge.frontend.writer import SOURCES, write_frontend
from edge_asc.firmware_bridge.layouts import (
    EXAMPLE,
    LISTENING_EXAMPLE,
    NETWORK_EXAMPLE,
    Build,
    layout_files,
)
from edge_asc.firmware_bridge.link import C_SOURCES
from edge_asc.firmware_bridge.link.controls import model_hash
from edge_asc.model_file import ModelFile

SCHEMA_VERSION = 1
PLAIN_NETWORK = "network"
"""Name in C of a .tflite file that is no model of this project"""

Kernels = Literal["portable", "dsp"]
FrontEnd = Literal["float", "fixed"]

_KERNEL_SOURCES = ("asc_kernels.h", "asc_kernels.c")
_TFLITE_MARK = b"TFL3"
_NUM_RANDOM_VECTORS = 3


@dataclass(frozen=True, slots=True)
class Options:
    """How a package computes."""

    arithmetic: Arithmetic = "litert"
    kernels: Kernels = "portable"
    front_end: FrontEnd = "float"
    microphone_rate_hz: int | None = None
    """If it is known: it must be the model's"""

    @property
    def definitions(self) -> list[str]:
        """What the C compiler is told."""
        return ["ASC_KERNELS_DSP"] if self.kernels == "dsp" else []


def export_package(model: Path, folder: Path, options: Options) -> dict[str, Any]:
    """Write the package of a model file, or of any int8 .tflite; return its manifest.

    The folder appears whole or not at all; one that is there is replaced only if it is a package.

    Raises:
        FirmwareError: the networks have no integer kernels, the front end cannot serve the model,
            or `folder` holds something else.
        ModelFileError: the model file is damaged.
        InterpreterError: the interpreter of that arithmetic is missing.
    """
    check_target(folder)
    data = _read(model)
    if zipfile.is_zipfile(BytesIO(data)):
        files, facts = _model_package(ModelFile.from_bytes(data, str(model)), options)
    elif data[4:8] == _TFLITE_MARK:
        files, facts = _plain_package(data, model.stem, options)
    else:
        raise FirmwareError(f"{model} is neither a model file nor a .tflite file")
    hashes = {name: hashlib.sha256(text.encode()).hexdigest() for name, text in files.items()}
    manifest = {
        "schema_version": SCHEMA_VERSION,
        "edge_asc": __version__,
        "source_sha256": hashlib.sha256(data).hexdigest(),
        "arithmetic": options.arithmetic,
        "kernels": options.kernels,
        **facts,
        "files": dict(sorted(hashes.items())),
    }
    _write(folder, {**files, MANIFEST: json.dumps(manifest, indent=1) + "\n"})
    return manifest


def check_target(folder: Path) -> None:
    """Raises FirmwareError for a folder that is not to be replaced."""
    if folder.is_symlink() or (folder.exists() and not folder.is_dir()):
        raise FirmwareError(f"{folder} is no folder; name another one")
    if folder.exists() and any(folder.iterdir()) and not (folder / MANIFEST).is_file():
        raise FirmwareError(
            f"{folder} is there and holds no package ({MANIFEST} is missing): nothing was written;"
            " name a new folder"
        )


def _read(model: Path) -> bytes:
    try:
        return model.read_bytes()
    except OSError as error:
        raise FirmwareError(f"{model} cannot be read: {error.strerror}") from error


def _model_package(model: ModelFile, options: Options) -> tuple[dict[str, str], dict[str, Any]]:
    """A package that hears, and what its manifest says of it."""
    networks = compile_model(model, options.arithmetic)
    manifest = model.manifest
    named = model_hash(manifest).hex()
    files = {
        **_fixed(CSOURCE, (*SOURCES, *_KERNEL_SOURCES)),
        **{f"link/{name}": text for name, text in _fixed(C_SOURCES, None).items()},
        **write_frontend(
            model,
            model_sha256=named,
            fixed_point=options.front_end == "fixed",
            microphone_rate_hz=options.microphone_rate_hz,
        ),
        **write_model(networks),
        **write_selftest(networks, golden_vectors(model, *networks)),
        EXAMPLE: LISTENING_EXAMPLE,
    }
    files |= _layouts(manifest.name, files, options, hears=True)
    facts = {
        "model": {"name": manifest.name, "sha256": named, "licence": manifest.licence},
        "scenes": list(manifest.scenes),
        "sample_rate_hz": manifest.features.sample_rate_hz,
        "front_end": options.front_end,
        **_network_facts(networks),
    }
    return files, facts


def _plain_package(
    tflite: bytes, name: str, options: Options
) -> tuple[dict[str, str], dict[str, Any]]:
    """A package of one network."""
    network = compile_network(tflite, PLAIN_NETWORK, options.arithmetic)
    files = {
        **_fixed(CSOURCE, _KERNEL_SOURCES),
        **write_model([network]),
        **write_selftest([network], _random_vectors(tflite, network)),
        EXAMPLE: NETWORK_EXAMPLE,
    }
    files |= _layouts(name, files, options, hears=False)
    return files, {"model": {"name": name}, **_network_facts([network])}


def _random_vectors(tflite: bytes, network: CompiledNetwork) -> list[Vector]:
    """Seeded inputs of every value, and the interpreter's outputs."""
    rng = np.random.default_rng(0)
    run = oracle(network.arithmetic).load(tflite)
    vectors = []
    for _ in range(_NUM_RANDOM_VECTORS):
        inputs = {
            place.name: rng.integers(-128, 128, place.shape).astype(np.int8)
            for place in network.inputs
        }
        vectors.append(Vector(network.name, inputs, run(list(inputs.values()))))
    return vectors


def _fixed(folder: Path, names: Sequence[str] | None) -> dict[str, str]:
    """Texts of C files that are the same for every model; all of the folder without `names`."""
    paths = [folder / name for name in names] if names else sorted(folder.glob("*.[ch]"))
    return {path.name: path.read_text(encoding="ascii") for path in paths}


def _layouts(
    name: str, files: Mapping[str, str], options: Options, *, hears: bool
) -> dict[str, str]:
    sources = sorted(
        path for path in files if path.endswith(".c") and "/" not in path and path != EXAMPLE
    )
    one_line = " ".join(name.split())
    return layout_files(Build(one_line, __version__, sources, options.definitions, hears))


def _network_facts(networks: Sequence[CompiledNetwork]) -> dict[str, Any]:
    return {
        "oracle": networks[0].oracle,
        "networks": [
            {
                "name": network.name,
                "tflite_sha256": network.tflite_sha256,
                "operators": dict(sorted(Counter(network.operators).items())),
                "multiply_adds": network.macs,
                "arena_bytes": network.arena_bytes,
                "constant_bytes": network.constant_bytes,
                "inputs": [asdict(place) for place in network.inputs],
                "outputs": [asdict(place) for place in network.outputs],
            }
            for network in networks
        ],
    }


def _write(folder: Path, files: Mapping[str, str]) -> None:
    """All files, or none: into a new folder beside it, which then takes its name."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{folder.name}-") as scratch:
        made = Path(scratch) / "new"
        for name, text in files.items():
            path = made / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        if folder.exists():
            folder.rename(Path(scratch) / "old")
        made.rename(folder)
