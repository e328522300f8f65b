"""What training costs: a step of each network per clip, and an epoch of the `edge` recipe.

    python -m edge_asc.benchmarks.training_step

All in one process on one thread, rounds in shuffled order, CPU time and not the clock's; the
windows are noise, since arithmetic does not care. The medians' ratios are what to quote.
"""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from lightning_fabric import Fabric

from edge_asc.context import TIME_FEATURES
from edge_asc.features import FeatureConfig
from edge_asc.scenes import CITIES, SCENES
from edge_asc.training.augment import Augmenter
from edge_asc.training.checkpoint import Windows
from edge_asc.training.loop import Task, Trainer, one_hot
from edge_asc.training.models import SceneNetwork
from edge_asc.training.network_setup import make_network
from edge_asc.training.recipe import load_recipe

WINDOW_S = 10.0
BATCH = 16
ROUNDS = 5
EPOCH_WINDOWS = 1740
RECIPES = ("edge", "table3_scratch", "table3_baseline", "linear")


def main() -> None:
    """Print milliseconds a clip for each network, its ratio, and seconds for an epoch of `edge`."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    steps = {name: _step_of(name) for name in RECIPES}
    for step in steps.values():
        step()  # the first one allocates
    rounds = [name for name in RECIPES for _ in range(ROUNDS)]
    random.Random(0).shuffle(rounds)
    seconds: dict[str, list[float]] = {name: [] for name in RECIPES}
    for name in rounds:
        seconds[name].append(_cpu_seconds(steps[name]))
    slowest = statistics.median(seconds["table3_baseline"])
    for name in RECIPES:
        median = statistics.median(seconds[name])
        print(
            f"{name}: {1000.0 * median / BATCH:.2f} ms a clip and training step, "
            f"{100.0 * median / slowest:.1f} % of SE-Trans's"
        )
    trainer = _trainer("edge", EPOCH_WINDOWS)
    epoch_s = _cpu_seconds(trainer.run_epoch)
    print(f"an epoch of edge over {EPOCH_WINDOWS} cached windows of 10 s: {epoch_s:.1f} s of CPU")


def _cpu_seconds(work: Callable[[], object]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


def _step_of(name: str) -> Callable[[], None]:
    """One training step of the bare network on a batch, without augmentation."""
    network = _network(name)
    optimizer = torch.optim.AdamW(network.parameters(), lr=1e-4)
    features = torch.randn(BATCH, 1, FeatureConfig().num_frames(WINDOW_S), 64)
    context = (torch.eye(len(CITIES) + 1)[:BATCH], torch.rand(BATCH, TIME_FEATURES))
    inputs = context if network.config.uses_context else ()
    target = torch.arange(BATCH) % len(SCENES)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(network(features, *inputs), target).backward()
        optimizer.step()

    return step


def _network(name: str) -> SceneNetwork:
    frames = FeatureConfig().num_frames(WINDOW_S)
    return make_network(load_recipe(name), num_scenes=len(SCENES), num_frames=frames)


def _trainer(name: str, num_windows: int) -> Trainer:
    """The project's own loop on noise, with everything that the recipe switches on."""
    recipe = load_recipe(name)
    rng = np.random.default_rng(0)
    config = FeatureConfig()
    label = np.arange(num_windows) % len(SCENES)
    windows = Windows(
        features=rng.standard_normal((num_windows, config.num_frames(WINDOW_S), 64), np.float32)
        .clip(-4.5, 4.5)
        .astype(np.float16),
        city=np.eye(len(CITIES) + 1, dtype=np.float32)[label],
        time=np.ones((num_windows, TIME_FEATURES), np.float32),
        label=label,
        group=[str(i) for i in range(num_windows)],
    )
    augment = Augmenter(
        recipe.augment,
        mel_mean=(0.0,) * config.num_mels,
        mel_std=(5.0,) * config.num_mels,
        limits=recipe.network.standardized_range,
        frames_per_second=config.frames_per_second,
    )
    network = _network(name)
    task = Task(network, windows, one_hot(label, len(SCENES)), None, augment, None)
    return Trainer(Fabric(accelerator="cpu", devices=1), task, recipe.optimizer, recipe.loop)


if __name__ == "__main__":
    main()
