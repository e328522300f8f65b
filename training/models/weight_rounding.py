"""Put weights on their int8 grid so that the layer's outputs, not the weights, stay what they were.

Column after column is rounded; what a rounding adds to the outputs on real inputs is taken back by
the columns that are still free, and at the end by the bias (Frantar et al., ICLR 2023, "GPTQ").
Inputs within [0, 6] all have a mean, so the errors of rounding to the nearest would add up: they
cost 10 to 15 dB here.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from edge_asc.training.models.device_net import DeviceNet
from edge_asc.training.models.folding import Inputs

MAX_ROWS = 20_000
MAX_CELLS = 2_000
MAX_NUMBERS = 200_000_000
"""Input vectors that a layer's second moments are taken from, and cells to cut them from, so many
that their vectors have no more numbers than this: a cell may be a whole window."""

DAMPING = 1e-3
"""Share of the mean square input that is added to each, so that the moments can be inverted."""


WEIGHT_STEPS = 127


@torch.no_grad()
def round_weights(network: DeviceNet, batches: list[Inputs], seed: int = 0) -> None:
    """Round all weights of `network`, first to last, each by the inputs that it then gets.

    A convolution has a step for each output channel, a linear layer one for its whole matrix:
    tflite-runtime 2.14 knows no other there, and takes the first row's for all without a word.
    """
    generator = torch.Generator().manual_seed(seed)
    for layer in _layers_in_order(network, batches[0]):
        inputs: list[Tensor] = []

        def keep(_: nn.Module, args: tuple[Tensor, ...], inputs: list[Tensor] = inputs) -> None:
            inputs.append(args[0].detach())

        hook = layer.register_forward_pre_hook(keep)
        for batch in batches:
            network(*batch)
        hook.remove()
        _round_layer(layer, _vectors(layer, torch.cat(inputs), generator))


def _layers_in_order(network: DeviceNet, batch: Inputs) -> list[nn.Conv2d | nn.Linear]:
    """The layers with weights, each once, as they come to be used."""
    order: dict[nn.Conv2d | nn.Linear, None] = {}

    def note(layer: nn.Module, _: object) -> None:
        assert isinstance(layer, (nn.Conv2d, nn.Linear))
        order.setdefault(layer)

    layers = [m for m in network.modules() if isinstance(m, (nn.Conv2d, nn.Linear))]
    hooks = [layer.register_forward_pre_hook(note) for layer in layers]
    network(*(part[:1] for part in batch))
    for hook in hooks:
        hook.remove()
    return list(order)


def _vectors(layer: nn.Conv2d | nn.Linear, x: Tensor, generator: torch.Generator) -> Tensor:
    """What `layer` multiplies its weights by, shape (groups, rows, columns)."""
    few = torch.randperm(len(x), generator=generator)[:MAX_ROWS]
    if isinstance(layer, nn.Linear):
        return x[few][None]
    assert isinstance(layer.padding, tuple)
    kernel, padding, stride = layer.kernel_size, layer.padding, layer.stride
    of_one = F.unfold(x[:1], kernel, padding=padding, stride=stride).numel()
    count = max(1, min(MAX_CELLS, MAX_NUMBERS // of_one))
    patches = F.unfold(x[few[:count]], kernel, padding=padding, stride=stride)
    columns = patches.shape[1] // layer.groups
    patches = patches.reshape(len(patches), layer.groups, columns, -1)
    rows = patches.permute(1, 0, 3, 2).reshape(layer.groups, -1, columns)
    return rows[:, torch.randperm(rows.shape[1], generator=generator)[:MAX_ROWS]]


def _round_layer(layer: nn.Conv2d | nn.Linear, vectors: Tensor) -> None:
    groups, num_rows, columns = vectors.shape
    weight = layer.weight.reshape(groups, -1, columns).clone()
    largest = weight.abs().amax(dim=2) if isinstance(layer, nn.Conv2d) else weight.abs().amax()
    scale = (largest.clamp_min(1e-8) / WEIGHT_STEPS).expand(weight.shape[:2])
    if layer.bias is not None:
        # The bias is as good as exact: the last column, which takes what is left.
        vectors = torch.cat((vectors, torch.ones(groups, num_rows, 1)), dim=2)
        weight = torch.cat((weight, layer.bias.reshape(groups, -1, 1)), dim=2)
    factor = _inverse_factor(vectors)
    for column in range(columns):
        wanted = weight[:, :, column]
        rounded = torch.round(wanted / scale).clamp(-WEIGHT_STEPS, WEIGHT_STEPS) * scale
        error = (wanted - rounded) / factor[:, column, column, None]
        weight[:, :, column] = rounded
        weight[:, :, column + 1 :] -= error[:, :, None] * factor[:, None, column, column + 1 :]
    layer.weight.copy_(weight[:, :, :columns].reshape(layer.weight.shape))
    if layer.bias is not None:
        layer.bias.copy_(weight[:, :, columns].reshape(-1))


def _inverse_factor(vectors: Tensor) -> Tensor:
    """The upper Cholesky factor of the inverse second moments of `vectors`, per group."""
    moments = (vectors.transpose(1, 2) @ vectors / vectors.shape[1]).double()
    mean_square = moments.diagonal(dim1=1, dim2=2).mean(dim=1).clamp_min(1e-12)
    moments += DAMPING * mean_square[:, None, None] * torch.eye(moments.shape[1])
    factor: Tensor = torch.linalg.cholesky(torch.linalg.inv(moments), upper=True)
    return factor.float()
