"""Which peers there are; what one of them needs is imported only when it is made."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

from edge_asc.interpreter import Package

if TYPE_CHECKING:
    from edge_asc.benchmarks.bench.peers import Make, Peer
    from edge_asc.benchmarks.bench.peers_workbench import Workbench

GROUPS = ("edge", "paper", "official", "yamnet")

PACKAGES: dict[str, Package] = {"LiteRT": "ai-edge-litert", "tflite-runtime": "tflite-runtime"}
"""Runtimes that take TFLite files"""


@dataclass(frozen=True, slots=True)
class Form:
    """What runs a network, and what in."""

    runtime: str
    """One of PACKAGES, "onnxruntime" or "PyTorch" """
    arithmetic: str = "float32"

    def __str__(self) -> str:
        if self.runtime in PACKAGES:
            return f"{self.arithmetic}, {self.runtime}"
        return self.runtime


_FORMS = (
    *(Form(runtime, form) for form in ("int8", "float32") for runtime in PACKAGES),
    Form("onnxruntime"),
    Form("PyTorch"),
)
_YAMNET_FORMS = (
    Form("LiteRT", "int8"),
    Form("LiteRT"),
    Form("onnxruntime"),
    Form("PyTorch"),
)


def makers(bench: Workbench, groups: Sequence[str] = GROUPS) -> Iterator[tuple[str, Make]]:
    """Names of peers, and how to make each; the first is the model itself."""
    manifest = bench.model.manifest
    for runtime in PACKAGES:
        name = f"{manifest.variant} {Form(runtime, manifest.quantization)}"
        yield name, partial(_model, bench, name, runtime)
    for variant in ("edge", "paper"):
        for form in _FORMS if variant in groups else ():
            is_model = (variant, form.arithmetic) == (manifest.variant, manifest.quantization)
            if form.runtime not in PACKAGES or not is_model:
                name = f"{variant} {form}"
                yield name, partial(_variant, bench, name, variant, form)
    if "official" in groups:
        yield from _official_makers(bench)
    for form in _YAMNET_FORMS if "yamnet" in groups else ():
        name = f"YAMNet's shape {form}"
        yield name, partial(_yamnet, bench, name, form)


def _official_makers(bench: Workbench) -> Iterator[tuple[str, Make]]:
    for name, form, as_published in (
        ("official pipeline", Form("PyTorch"), True),
        ("official pipeline at its best", Form("PyTorch"), False),
        ("official pipeline onnxruntime", Form("onnxruntime"), False),
    ):
        yield name, partial(_official, bench, name, form, as_published)


def _model(bench: Workbench, name: str, runtime: str) -> Peer:
    from edge_asc.benchmarks.bench.peers_workbench import model_peer

    return model_peer(bench, name, PACKAGES[runtime])


def _variant(bench: Workbench, name: str, variant: Literal["edge", "paper"], form: Form) -> Peer:
    from edge_asc.benchmarks.bench.peers_ours import variant_peer

    return variant_peer(bench, name, variant, form)


def _official(bench: Workbench, name: str, form: Form, as_published: bool) -> Peer:
    from edge_asc.benchmarks.bench.peers_official import official_peer

    return official_peer(bench, name, form, as_published=as_published)


def _yamnet(bench: Workbench, name: str, form: Form) -> Peer:
    from edge_asc.benchmarks.bench.peers_yamnet import yamnet_peer

    return yamnet_peer(bench, name, form)
