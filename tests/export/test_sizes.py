"""Where the bytes go: counted against what the network is known to hold."""

from __future__ import annotations

import pytest
from torch import nn

from edge_asc.export.precision import LADDER, Rung, quantize_parts
from edge_asc.export.sizes import bytes_by_use
from edge_asc.model_file import ModelFile, default_model_path
from tests.export import device_material
from tests.export.device_material import Material, device_net

MAX_WHOLE_BYTES, MAX_PARTS_BYTES = 640_000, 520_000
"""What an int8 model of 369,000 weights may take on a device."""


@pytest.fixture(scope="module")
def encoder() -> Material:
    return device_material.encoder()


@pytest.fixture(scope="module")
def encoder_layers() -> list[nn.Conv2d]:
    return [module for module in device_net().blocks.modules() if isinstance(module, nn.Conv2d)]


def test_int8_has_a_byte_a_weight_and_four_a_bias(
    encoder: Material, encoder_layers: list[nn.Conv2d]
) -> None:
    use = bytes_by_use(encoder.int8)
    assert use["weights"] == sum(layer.weight.numel() for layer in encoder_layers)
    assert use["biases"] == 4 * sum(layer.out_channels for layer in encoder_layers)


def test_a_scale_has_twelve_bytes_for_each_channel_of_weights_and_biases_and_for_each_tensor(
    encoder: Material, encoder_layers: list[nn.Conv2d]
) -> None:
    channels = sum(layer.out_channels for layer in encoder_layers)
    tensors = len(encoder.ranges)
    assert bytes_by_use(encoder.int8)["scales"] == 12 * (2 * channels + tensors)


def test_a_float_network_has_no_scales_and_four_bytes_a_weight(
    encoder: Material, encoder_layers: list[nn.Conv2d]
) -> None:
    use = bytes_by_use(encoder.float32)
    assert use["weights"] == 4 * sum(layer.weight.numel() for layer in encoder_layers)
    assert use["scales"] == 0


def test_weights_that_all_steps_share_are_counted_once() -> None:
    head = device_material.head()
    layers = [m for m in device_net().modules() if isinstance(m, nn.Linear)]
    use = bytes_by_use(head.float32)
    assert use["weights"] == 4 * sum(layer.weight.numel() for layer in layers)


@pytest.mark.parametrize("part", ["encoder", "head"])
@pytest.mark.parametrize("rung", LADDER, ids=lambda rung: rung.quantization)
def test_all_uses_add_up_to_the_file(part: str, rung: Rung) -> None:
    material: Material = getattr(device_material, part)()
    tflite = quantize_parts({part: material.float32}, material.ranges, rung)[part]
    use = bytes_by_use(tflite)
    assert use["total"] == len(tflite)
    assert sum(use.values()) == 2 * use["total"]
    # An operator and its tensors take 200 to 400 bytes, names and shapes included.
    operators = len(material.ranges)
    assert 100 * operators < use["operators"] < 600 * operators


def test_the_shipped_model_is_small_and_says_so() -> None:
    model = ModelFile.read(default_model_path())
    assert model.encoder is not None
    assert model.head is not None
    parts = {"whole": model.whole, "encoder": model.encoder, "head": model.head}
    said = model.manifest.footprint["bytes"]
    assert {name: use["total"] for name, use in said.items()} == {
        name: len(part) for name, part in parts.items()
    }
    assert said == {name: bytes_by_use(part) for name, part in parts.items()}
    assert len(parts["whole"]) <= MAX_WHOLE_BYTES
    assert len(parts["encoder"]) + len(parts["head"]) <= MAX_PARTS_BYTES
