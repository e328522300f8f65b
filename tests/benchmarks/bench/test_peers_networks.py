"""Networks with random weights have the sizes that are known, and give the same in each runtime."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from edge_asc.audio import read_audio
from edge_asc.benchmarks.bench.peers_list import Form, makers
from edge_asc.benchmarks.bench.peers_ours import random_network, variant_peer
from edge_asc.benchmarks.bench.peers_torch import FORMATS, EagerNetwork
from edge_asc.benchmarks.bench.peers_workbench import TfliteForms, Workbench
from edge_asc.benchmarks.bench.peers_yamnet import YamnetShaped, yamnet_peer
from edge_asc.benchmarks.bench.subject import CLIP
from edge_asc.model_file import ModelFile, default_model_path
from edge_asc.resample import resample
from edge_asc.training.models.complexity import count_macs


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    model = ModelFile.read(default_model_path())
    return Workbench(model, read_audio(CLIP, 44_100), tmp_path)


def test_our_variants_cost_what_the_paper_and_its_reconstruction_say() -> None:
    # 37.9 M and 126.7 M multiply-accumulates for 10 s: docs/training.md
    macs = {variant: count_macs(random_network(variant, 1)) for variant in ("edge", "paper")}
    assert macs == {
        "edge": pytest.approx(37.9e6, rel=0.01),
        "paper": pytest.approx(126.7e6, rel=0.01),
    }


def test_yamnets_shape_costs_what_yamnet_does() -> None:
    """Its README: 3.7 M weights, 69.2 M multiplies for each 960 ms."""
    network = YamnetShaped(1)
    assert sum(each.numel() for each in network.parameters()) == pytest.approx(3.74e6, rel=1e-3)
    total = 0

    def count(layer: torch.nn.Module, _: object, out: torch.Tensor) -> None:
        nonlocal total
        weight = layer.get_parameter("weight")
        total += out.numel() * weight[0].numel()

    for layer in network.modules():
        if isinstance(layer, (torch.nn.Conv2d, torch.nn.Linear)):
            layer.register_forward_hook(count)
    assert network(torch.zeros(1, 1, 96, 64)).shape == (1, 521)
    assert total == pytest.approx(69.2e6, rel=0.01)


@pytest.mark.parametrize("variant", ["edge", "paper"])
def test_pytorch_and_onnxruntime_give_the_same(bench: Workbench, variant: str) -> None:
    made = [variant_peer(bench, runtime, variant, Form(runtime)) for runtime in _FLOAT]  # type: ignore[arg-type]
    window = bench.windows()[0]
    eager, onnx = (peer.network(peer.front_end(window)) for peer in made)
    assert eager.shape == (10,)
    np.testing.assert_allclose(eager, onnx, rtol=0, atol=1e-4)
    assert float(eager.sum()) == pytest.approx(1.0, abs=1e-5)


def test_yamnets_shape_gives_the_same_in_both(bench: Workbench) -> None:
    made = [yamnet_peer(bench, runtime, Form(runtime)) for runtime in _FLOAT]
    window = resample(bench.windows()[0], 44_100, 16_000)
    eager, onnx = (peer.network(peer.front_end(window)) for peer in made)
    assert eager.shape == (521,)
    np.testing.assert_allclose(eager, onnx, rtol=0, atol=1e-4)


_FLOAT = ("PyTorch", "onnxruntime")


def test_memory_formats_give_the_same(rng: np.random.Generator) -> None:
    inputs = {"features": rng.standard_normal((2, 1, 96, 64)).astype(np.float32)}
    network = EagerNetwork(YamnetShaped(1))
    contiguous = network.run(**inputs)
    network.choose_format(inputs)
    assert network.format in FORMATS
    np.testing.assert_allclose(network.run(**inputs), contiguous, rtol=0, atol=1e-5)


def test_converted_networks_are_made_once(bench: Workbench) -> None:
    said: list[str] = []
    bench.say = said.append
    forms = TfliteForms(b"float", b"int")
    assert bench.kept("edge", lambda: forms) == forms
    assert said == ["converting edge to TFLite: about a minute"]
    assert bench.kept("edge", lambda: pytest.fail("they are there")) == forms
    assert sorted(path.name for path in bench.folder.iterdir()) == [
        "edge.float32.tflite",
        "edge.int8.tflite",
    ]


def test_the_model_itself_comes_first_and_answers_as_the_classifier_does(bench: Workbench) -> None:
    names = [name for name, _ in makers(bench)]
    assert names[0] == "edge int8, LiteRT"
    assert len(names) == len(set(names)) == 19
    peer = next(iter(makers(bench)))[1]()
    assert peer.weights == "trained"
    window = bench.windows()[0]
    answer = bench.classifier.classify(window, bench.context)
    temperature = bench.model.manifest.temperature
    found = peer.network(peer.front_end(window)) ** (1 / temperature)
    np.testing.assert_allclose(found / found.sum(), answer.probabilities, rtol=0, atol=1e-5)


def test_only_some_groups_are_made(bench: Workbench) -> None:
    names = [name for name, _ in makers(bench, ["official"])]
    assert names == [
        "edge int8, LiteRT",
        "edge int8, tflite-runtime",
        "official pipeline",
        "official pipeline at its best",
        "official pipeline onnxruntime",
    ]
