"""Things that may hang or take the program down with them, tried in a process of its own.

    python -m edge_asc.doctor.probe NAME {"keyword": value, ...}

prints one line of JSON: {"answer": {...}} or, for an EdgeAscError, {"error": its text}.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from edge_asc.errors import EdgeAscError, ProbeError

LEVEL_S = 2.0
RATES_HZ = (8_000, 16_000, 22_050, 32_000, 44_100, 48_000, 96_000)
"""What sound cards have."""

Answer = dict[str, Any]

_ADVICE = {
    "SIGILL": "its kernels do not fit this processor: is /proc/cpuinfo that of this machine? Try"
    " another version of the package",
    "SIGKILL": "memory ran out, most likely: see `dmesg`, and the finding about memory",
    "SIGSEGV": "it may need /proc/cpuinfo and /sys/devices/system/cpu, which some containers hide;"
    " else try another version of the package",
    "SIGSYS": "a sandbox (seccomp) forbids what it needs",
}


def run_probe(name: str, *, timeout_s: float, **arguments: Any) -> Answer:  # noqa: ANN401
    """What the function `name` of this file answers.

    Raises ProbeError if it tells an error, dies, or takes longer than `timeout_s`.
    """
    command = [sys.executable, "-m", "edge_asc.doctor.probe", name, json.dumps(arguments)]
    # Not a pipe: what the probe itself started could hold it open after the probe is dead.
    with tempfile.TemporaryFile() as said:
        try:
            done = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=said,
                timeout=timeout_s,
                check=False,
            )
        except subprocess.TimeoutExpired:
            raise ProbeError(f"no answer within {timeout_s:g} s: it hangs") from None
        said.seek(0)
        words = said.read().decode(errors="replace").strip()
    try:
        reply = json.loads(done.stdout)
    except ValueError:
        raise _death(done.returncode, words) from None
    if "error" in reply:
        raise ProbeError(reply["error"])
    answer: Answer = reply["answer"]
    return answer


def _death(exit_code: int, words: str) -> ProbeError:
    """How a probe ended that did not answer; `words` is what it said on stderr."""
    last_words = f": {words.splitlines()[-1]}" if words else ""
    if exit_code >= 0:
        return ProbeError(f"ended with exit code {exit_code} and without an answer{last_words}")
    try:
        name = signal.Signals(-exit_code).name
    except ValueError:
        name = f"signal {-exit_code}"
    return ProbeError(f"died of {name}{last_words}", _ADVICE.get(name, ""))


def interpreter() -> Answer:
    """Which interpreter is used, and with which numpy."""
    import numpy

    from edge_asc.interpreter import runtime_name

    return {"runtime": runtime_name(), "numpy": numpy.__version__}


def model(path: str, trust: str | None) -> Answer:
    """A model's name and signature; its golden windows were computed right."""
    from edge_asc.archive import read_file
    from edge_asc.model_file import ModelFile
    from edge_asc.signature import read_public_key
    from edge_asc.update import open_model

    trusted = None if trust is None else read_public_key(Path(trust))
    data = read_file(Path(path))
    manifest = open_model(data, path, trusted).manifest
    signature = ModelFile.from_bytes(data, path, trusted).signature
    return {
        "name": manifest.name,
        "quantization": manifest.quantization,
        "golden_windows": manifest.golden["windows"],
        "sample_rate_hz": manifest.features.sample_rate_hz,
        "demonstration": manifest.demonstration,
        "signed_by": None if signature is None else signature.key_id,
    }


def devices(device: str | None, preferred_rate_hz: int) -> Answer:
    """The devices that can record, the chosen one, and which rates that one accepts."""
    from edge_asc.sources.portaudio import find_input, list_inputs, load_portaudio, negotiate

    version = load_portaudio().get_portaudio_version()[1]
    inputs = list_inputs()
    answer: Answer = {"version": version, "names": [found.name for found in inputs]}
    try:
        chosen = find_input(inputs, device)
        answer |= {"chosen": chosen.name, "host_api": chosen.host_api}
        answer["rate_hz"], answer["channels"] = negotiate(chosen, preferred_rate_hz)
        answer["rates_hz"] = [rate for rate in RATES_HZ if negotiate(chosen, rate)[0] == rate]
    except EdgeAscError as error:
        answer["refusal"] = str(error)
    return answer


def level(source: str, device: str | None, preferred_rate_hz: int, raw: list[Any]) -> Answer:
    """How loud `LEVEL_S` of live sound are."""
    import numpy as np

    from edge_asc.level import FULL_SCALE, measure_level
    from edge_asc.sources import RawFormat, open_source

    notes: list[str] = []
    heard: list[Any] = []
    heard_s = lost_s = 0.0
    with open_source(
        source,
        preferred_rate_hz=preferred_rate_hz,
        device=device,
        raw=RawFormat(*raw),
        retry=False,
        say=notes.append,
    ) as chunks:
        for chunk in chunks:
            heard.append(chunk.samples)
            heard_s += len(chunk.samples) / chunk.sample_rate_hz
            lost_s += chunk.lost_s
            if heard_s >= LEVEL_S:
                break
    if not heard:
        raise EdgeAscError("it ended before any sound came")
    samples = np.concatenate(heard)
    found = measure_level(samples)
    return {
        "rms_dbfs": found.rms_dbfs,
        "peak_dbfs": found.peak_dbfs,
        "dc": found.dc,
        "constant": bool(samples.min() == samples.max()),
        "clipped_share": float(np.mean(np.abs(samples) >= FULL_SCALE)),
        "heard_s": heard_s,
        "lost_s": lost_s,
        "notes": notes,
    }


PROBES: dict[str, Callable[..., Answer]] = {
    function.__name__: function for function in (interpreter, model, devices, level)
}


def main() -> None:
    """Answer on what was stdout; what libraries print there goes to stderr."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    name, arguments = sys.argv[1:]
    reply: Answer
    try:
        reply = {"answer": PROBES[name](**json.loads(arguments))}
    except EdgeAscError as error:
        reply = {"error": str(error)}
    print(json.dumps(reply), file=output, flush=True)
    # Closing PortAudio may hang, and there is nothing left to be kept.
    os._exit(0)


if __name__ == "__main__":
    main()
