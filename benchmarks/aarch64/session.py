"""All runs of the emulated processors, and what must hold between them."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import click
import numpy as np

from edge_asc.benchmarks.aarch64 import comparison, sounds, system
from edge_asc.benchmarks.aarch64.boards import CPUS, cpu_named
from edge_asc.benchmarks.aarch64.counts import Counts
from edge_asc.benchmarks.aarch64.emulator import Emulator, Run, run_natively
from edge_asc.benchmarks.aarch64.guest import ONCE
from edge_asc.benchmarks.aarch64.system import EmulationError
from edge_asc.interpreter import Network
from edge_asc.model_file import ModelFile, default_model_path

SYSTEMS = (system.BOOKWORM, system.TRIXIE)

ONCE_NOISE = 1e-5

Item = TypeVar("Item")
Result = TypeVar("Result")


def say(text: str) -> None:
    """On stderr, with the word that everything here must carry."""
    click.echo(f"emulated Raspberry Pi: {text}", err=True)


@dataclass(frozen=True, slots=True)
class Inputs:
    """Files that every run gets."""

    sounds: Path
    """float32 (num_sounds, window_samples)"""
    features: Path
    """Those of the native run: float32 (num_sounds, num_frames, num_mels), standardized"""


def run_all(folder: Path) -> list[Counts]:
    """Make the systems, run every processor in each, check what must hold; returns the counts.

    Raises EmulationError. `folder` is for files between the runs.
    """
    system.check_tools(("qemu-aarch64", "mmdebstrap", "gcc"))
    say("this project's own wheel, the plugin; Debian's files and wheels for each system")
    wheel, plugin = system.project_wheel(), system.plugin()
    project = system.project_files(wheel)
    emulators = in_parallel(
        lambda one: Emulator(
            one, system.debian_files(one), system.wheels(one, wheel), project, plugin
        ),
        SYSTEMS,
    )
    inputs, native = hear(folder, wheel, project)
    say(f"natively on this machine: {software(native)}")
    in_parallel(lambda one: one.compile(CPUS[0], inputs.sounds, inputs.features), emulators)
    jobs = [(one, cpu, answer) for one in emulators for cpu in CPUS for answer in (True, False)]
    results = in_parallel(
        lambda job: job[0].run(job[1], inputs.sounds, inputs.features, answer=job[2]), jobs
    )
    runs = {}
    for (emulator, cpu, _), first, second in zip(
        jobs[::2], results[::2], results[1::2], strict=True
    ):
        runs[f"{cpu.name} in {emulator.system.suite}"] = first
        check_repeats(first, second)
        say(f"{cpu.name}, {software(first)}: two processes took the same instructions")
    check_answers(runs, native)
    check_kernels(emulators[0], inputs, runs)
    return [
        counted(run, cpu.name) for run, (_, cpu, _) in zip(results[::2], jobs[::2], strict=True)
    ]


def hear(folder: Path, wheel: Path, project: Path) -> tuple[Inputs, Run]:
    """Write what the guests hear; the native run is what they are compared with."""
    files = sounds.recordings()
    inputs = Inputs(folder / "sounds.npy", folder / "features.npy")
    np.save(inputs.sounds, np.stack([sounds.noise(), *map(sounds.window_of, files)]))
    say(f"sound: seeded noise (synthetic) and {len(files)} real recordings of 10 s")
    native = run_natively(system.native_wheels(wheel), project, inputs.sounds)
    np.save(inputs.features, native.arrays["standardized"])
    return inputs, native


def check_repeats(first: Run, second: Run) -> None:
    """Raises EmulationError unless two processes took the same instructions, each and every one.

    What is done once reads random numbers and the clock on its way, so it may take a few more.
    """
    for region, count in first.counts.items():
        again = second.counts[region]
        allowed = ONCE_NOISE * count.total if region in ONCE else 0
        if abs(count.total - again.total) > allowed:
            raise EmulationError(
                f"{region} took {count.total} instructions in one process and {again.total} in"
                f" another ({software(first)}); they must be equal"
            )


def check_answers(runs: Mapping[str, Run], native: Run) -> None:
    """Raises EmulationError when what was computed is not as it must be."""
    logit_step, input_step = steps_of_model()
    comparison.check_spread(native, logit_step)
    comparison.check_same_outputs(runs)
    say(f"the networks' outputs of all {len(runs)} are the same, bit for bit")
    for name, run in runs.items():
        found = comparison.compare(run, native, input_step)
        say(
            f"{name} against native: encoder off by {found.encoder:g}, TFLite's plain kernels by"
            f" {found.reference_kernels:g}; {found.logits_off} of {found.num_logits} logits with"
            f" XNNPACK by at most {found.logits:g}; log-mel by the same FFT (ln) by"
            f" {found.log_mel_by_fft:.2g}, by each one's own way: {found.log_mel};"
            f" {found.cells_off} of {found.log_mel.num_cells} cells of the int8 input are others"
        )
        if faults := found.faults():
            raise EmulationError(f"{name} against native: {'; '.join(faults)}")


def check_kernels(emulator: Emulator, inputs: Inputs, runs: Mapping[str, Run]) -> None:
    """Raises EmulationError unless the processors ran different kernels.

    Their outputs are equal, which says little if the same code ran. That the kernels follow
    /proc/cpuinfo is seen by one that promises what the processor cannot do.
    """
    for name, run in runs.items():
        dots, has_dots = run.counts["network"].dot, name.startswith("cortex-a76")
        if (dots > 0) != has_dots:
            raise EmulationError(f"{name}: {dots} dot products in the network")
    say("the network on Cortex-A76 uses dot products (SDOT), on A53 and A72 none")
    if len({run.counts["network"].total for name, run in runs.items() if "bookworm" in name}) < 3:
        raise EmulationError("two processors took the same instructions: did the same kernels run?")
    newest, oldest = cpu_named("cortex-a76"), cpu_named("cortex-a53")
    try:
        emulator.run(oldest, inputs.sounds, inputs.features, count=False, cpuinfo=newest.cpuinfo())
    except EmulationError as error:
        if "SIGILL" not in str(error):
            raise
        say("a Cortex-A53 with the /proc/cpuinfo of an A76 ends with SIGILL, as it must")
    else:
        raise EmulationError("a Cortex-A53 ran the kernels of an A76: /proc/cpuinfo was not read")


def counted(run: Run, cpu_name: str) -> Counts:
    """What is kept of a run."""
    return Counts(
        hashlib.sha256(default_model_path().read_bytes()).hexdigest(),
        run.software["interpreter"],
        run.software["numpy"],
        run.software["python"],
        cpu_name,
        {region: count.total for region, count in run.counts.items()},
        {region: count.dot for region, count in run.counts.items() if count.dot},
    )


def steps_of_model() -> tuple[float, float]:
    """The scales of the shipped model's logits and of its features."""
    network = Network(ModelFile.read(default_model_path()).whole)
    return network.output.scale, network.inputs["features"].scale


def software(run: Run) -> str:
    """What computed, in a line."""
    found = run.software
    return (
        f"Python {found['python']}, {found['interpreter']}, numpy {found['numpy']}, {found['blas']}"
    )


def in_parallel(work: Callable[[Item], Result], items: Iterable[Item]) -> list[Result]:
    """`work` on each item, as many at a time as there are cores."""
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        return list(pool.map(work, items))
