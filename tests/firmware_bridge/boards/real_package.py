"""The shipped model as a package."""

from __future__ import annotations

import shutil
from pathlib import Path

from edge_asc.firmware_bridge.codegen.compiler import compile_model, write_model
from edge_asc.firmware_bridge.codegen.host import CSOURCE
from edge_asc.firmware_bridge.codegen.selftest import write_selftest
from edge_asc.firmware_bridge.codegen.vectors import golden_vectors
from edge_asc.firmware_bridge.frontend.writer import SOURCES, write_frontend
from edge_asc.firmware_bridge.link.controls import model_hash
from edge_asc.model_file import ModelFile
from tests.firmware_bridge.boards.conftest import seal


def write_package(model: ModelFile, folder: Path, *, fixed_point: bool = False) -> Path:
    """All C files of `model` in `folder`, and their manifest."""
    networks = compile_model(model, "litert")
    sha256 = model_hash(model.manifest).hex()
    texts = {
        **write_model(networks),
        **write_selftest(networks, golden_vectors(model, *networks)),
        **write_frontend(model, model_sha256=sha256, fixed_point=fixed_point),
    }
    folder.mkdir(parents=True)
    for name, text in texts.items():
        (folder / name).write_text(text)
    for name in (*SOURCES, "asc_kernels.h", "asc_kernels.c"):
        shutil.copy(CSOURCE / name, folder / name)
    seal(folder)
    return folder
