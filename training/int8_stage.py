"""The last stage of training: a network that int8 computes as float does.

```
trained network -> bounded, scaled -> (fine-tuned) -> weights on their grid -> checkpoint
```
Its float form cuts off what int8 cuts off and has the weights that int8 has. What is left between
the two is the rounding of tensors.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass, replace

import torch
from lightning_fabric import Fabric

from edge_asc.scenes import CITIES
from edge_asc.training.augment import Batch
from edge_asc.training.loop import Task, one_hot
from edge_asc.training.models import DeviceNet, SceneNetwork
from edge_asc.training.models.calibration_inputs import calibration_inputs
from edge_asc.training.models.device_layers import set_rounding
from edge_asc.training.models.folding import all_but, fold
from edge_asc.training.models.mobile_asc_net import MobileASCNet
from edge_asc.training.models.weight_rounding import round_weights
from edge_asc.training.recipe import Range, Recipe
from edge_asc.training.stages import Place, StageData, run_stage


@dataclass(frozen=True, slots=True)
class Imitation:
    """Augments, and gives every window the target that `teacher` sees in it."""

    augment: Callable[[Batch], Batch]
    teacher: SceneNetwork

    @torch.no_grad()
    def __call__(self, batch: Batch) -> Batch:
        """Return the changed copy of `batch`."""
        batch = self.augment(batch)
        context = (batch.city, batch.time) if self.teacher.config.uses_context else ()
        target = torch.softmax(self.teacher(batch.features, *context), dim=1)
        return replace(batch, target=target)


def make_int8_network(
    fabric: Fabric,
    network: SceneNetwork,
    data: StageData,
    recipe: Recipe,
    feature_range: Range,
    cities: Collection[str | None],
    place: Place,
) -> DeviceNet:
    """Return `network` bounded and on the int8 grid, as `recipe.int8` says.

    `cities` are those that training clips came from, `feature_range` what features are clipped to.
    """
    assert isinstance(network, MobileASCNet)  # Recipe allows [int8] for no other
    network = network.cpu().eval()
    columns = [index for index, city in enumerate(CITIES) if city in cities]
    train = data.train
    inputs = calibration_inputs(
        network.config, train.features, train.city, train.time, columns, recipe.loop.seed
    )
    device = fold(network, inputs, feature_range, all_but(recipe.int8.clip_share))
    if recipe.int8.epochs > 0:
        _fine_tune(fabric, device, network, data, recipe, place)
    round_weights(device, inputs, recipe.loop.seed)
    return device.to(fabric.device)


def _fine_tune(
    fabric: Fabric,
    device: DeviceNet,
    teacher: SceneNetwork,
    data: StageData,
    recipe: Recipe,
    place: Place,
) -> None:
    """Train `device`, rounding as int8 does, to give what `teacher` gives."""
    task = Task(
        network=device,
        train=data.train,
        target=one_hot(data.train.label, device.config.num_scenes),
        weights=data.weights,
        augment=Imitation(data.augment, teacher.to(fabric.device)),
        validation=None,
    )
    settings = replace(
        recipe,
        loop=replace(recipe.loop, epochs=recipe.int8.epochs, ema_decay=0.0),
        optimizer=replace(recipe.optimizer, learning_rate=recipe.int8.learning_rate),
    )
    set_rounding(device, True)
    fitted = run_stage(fabric, task, settings, place, lambda *_: None)
    set_rounding(device, False)
    device.cpu().load_state_dict(fitted.state_dict)
