"""Test a 32-bit Raspberry Pi OS, emulated: Debian 12 with tflite-runtime and Debian's numpy.

    make bench-armhf

LiteRT has no wheels for 32-bit ARM; tflite-runtime 2.14 is the last that has. Its int8 kernels
round otherwise than LiteRT's, so outputs are held against the model's golden windows, within what
its manifest allows. No instructions are counted.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from pathlib import Path

import click
import numpy as np

from edge_asc.benchmarks.aarch64 import sounds, system
from edge_asc.benchmarks.aarch64.boards import CORTEX_A7
from edge_asc.benchmarks.aarch64.comparison import Array, log_mel_error
from edge_asc.benchmarks.aarch64.emulator import Emulator
from edge_asc.benchmarks.aarch64.session import say, software
from edge_asc.benchmarks.aarch64.system import ARMHF, EmulationError
from edge_asc.features import log_mel
from edge_asc.golden import allowed_error
from edge_asc.mel_bands import FourierBands
from edge_asc.model_file import ModelFile, default_model_path

TFLITE_RUNTIME = "tflite-runtime==2.14.0"


@click.command()
def main() -> None:
    """Test an emulated 32-bit Raspberry Pi OS."""
    try:
        system.check_tools(("qemu-arm", "mmdebstrap"))
        say("Debian's files for armhf, tflite-runtime, this project's own wheel")
        root, wheels = system.debian_files(ARMHF), system.loose_wheels(ARMHF, TFLITE_RUNTIME)
        emulator = Emulator(ARMHF, root, wheels, system.project_files(system.project_wheel()))
        with tempfile.TemporaryDirectory() as name:
            run(emulator, Path(name) / "sounds.npy")
    except EmulationError as error:
        raise click.ClickException(f"emulated Raspberry Pi: {error}") from error


def run(emulator: Emulator, sounds_file: Path) -> None:
    """Raises EmulationError when the guest fails or an output is too far off."""
    heard = np.stack([sounds.noise(), *map(sounds.window_of, sounds.recordings())])
    np.save(sounds_file, heard)
    found = emulator.run(CORTEX_A7, sounds_file, count=False)
    say(f"{CORTEX_A7.name}, 32 bits: {software(found)}")
    model = ModelFile.read(default_model_path())
    allowed = allowed_error(model.manifest, found.software["interpreter"])
    for name, error in golden_errors(found.arrays, model).items():
        click.echo(
            f"emulated armhf: {name} golden logits within {error:.3g}, allowed {allowed:.3g}"
        )
        if not error <= allowed:
            raise EmulationError(f"{name} golden logits are off by {error:.3g}")
    config = model.manifest.features
    frames = np.stack([log_mel(sound, config, FourierBands(config)) for sound in heard])
    apart = log_mel_error(found.arrays["log_mel_by_fft"], frames)
    click.echo(f"emulated armhf: log-mel of {len(heard)} sounds (ln) {apart}")
    if faults := apart.faults():
        raise EmulationError("; ".join(faults))


def golden_errors(arrays: Mapping[str, Array], model: ModelFile) -> dict[str, float]:
    """How far the logits of each way are from those that were kept at export."""
    kept = {"whole": model.golden["logits"], "streamed": model.golden["streamed_logits"]}
    return {name: float(np.abs(arrays[name] - logits).max()) for name, logits in kept.items()}


if __name__ == "__main__":
    main()
