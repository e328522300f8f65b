"""ONNX -> TFLite, float32 and float16: the only file that knows the converter, onnx2tf.

It runs in a process of its own, because it brings TensorFlow, a gigabyte of memory and much talk;
EDGE_ASC_CONVERTER_PYTHON may name another Python for it than the one that has torch.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError

Array = npt.NDArray[np.float32]

CONVERTER_VARIABLE = "EDGE_ASC_CONVERTER_PYTHON"
"""Environment variable: a Python that has onnx2tf, where that is not the one that runs this."""

TRIED_VERSIONS = ("1.29.24", "2.6.9")
"""The last onnx2tf for Python 3.10 and 3.11, and the one for 3.12 and 3.13, as in setup.cfg."""

_SUFFIXES = {
    "float32": "_float32.tflite",
    "float16": "_float16.tflite",
    "int8": "_full_integer_quant.tflite",
}
_IDENTIFIER = b"TFL3"  # bytes 4 to 8 of every TFLite file
_LOG_LINES = 12
_POLL_S = 0.05
_PROBE_LIMIT_S = 60.0
_PROBE = """
import importlib.metadata, importlib.util
versions = [found.version for found in importlib.metadata.distributions(name="onnx2tf")]
print(*versions[:1], "tensorflow" if importlib.util.find_spec("tensorflow") else "-")
"""


@dataclass(frozen=True, slots=True)
class Conversion:
    """The forms of one network, and what it took to make them."""

    float32: bytes
    float16: bytes
    int8: bytes | None
    """onnx2tf's own min/max int8; None where no calibration was given"""
    seconds: float
    peak_memory_mb: float
    """Largest resident set of the converter's process, 10^6 bytes"""
    converter: str
    """Such as "onnx2tf 1.29.24" """
    log: Path


class ConversionError(ExportError):
    """The converter gave no network; `onnx_path` and `log` are still there to look at."""

    def __init__(self, text: str, onnx_path: Path, log: Path) -> None:
        super().__init__(text)
        self.onnx_path = onnx_path
        self.log = log


@dataclass(frozen=True, slots=True)
class _Converter:
    python: str
    name: str
    backend: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Ended:
    why: str
    """What went wrong; "" where it ended by itself and without an error"""
    seconds: float
    peak_memory_mb: float


def convert(
    onnx_path: Path,
    folder: Path,
    *,
    calibration: Mapping[str, Array] | None = None,
    keep_layout: Sequence[str] = (),
    time_limit_s: float = 600.0,
    stop: threading.Event | None = None,
) -> Conversion:
    """Convert `onnx_path`; what the converter writes stays in `folder`/NAME and `folder`/NAME.log.

    Args:
        calibration: many examples of each input in TFLite's layout, shape (N, ...); with it the
            converter's own min/max int8 is made too. Without it, no int8.
        keep_layout: inputs to take as they are. All others are turned from channels first to
            channels last, which is right for images (1, 1, T, M) and wrong for a sequence.
        time_limit_s: after this many seconds the converter is ended.
        stop: an event by which another thread ends it sooner.

    Raises:
        ConversionError: the converter failed, was ended, or left a file out: onnx2tf 1.29 ends
            without an error when its int8 calibration fails, and simply writes no int8.
        ExportError: there is no onnx2tf, or one of an unknown version.
    """
    converter = _find_converter()
    folder, onnx_path = folder.resolve(), onnx_path.resolve()
    name = onnx_path.stem
    output, log = folder / name, folder / f"{name}.log"
    if output.exists():
        shutil.rmtree(output)  # an earlier run's files must not pass for this one's
    output.mkdir(parents=True)
    command = _command(converter, onnx_path, output, calibration, keep_layout)
    ended = _run(command, log, time_limit_s, stop)
    forms = [form for form in _SUFFIXES if form != "int8" or calibration is not None]
    files = {form: _read_tflite(output / f"{name}{_SUFFIXES[form]}") for form in forms}
    missing = [f"{name}{_SUFFIXES[form]}" for form in forms if files[form] is None]
    float32, float16, int8 = (files.get(form) for form in _SUFFIXES)
    if ended.why or float32 is None or float16 is None or missing:
        left_out = f", and left no {' and no '.join(missing)}" if missing else ""
        raise ConversionError(
            f"{converter.name} did not convert {onnx_path.name}: it"
            f" {ended.why or 'ended without an error'}{left_out}. The network is {onnx_path}, the"
            f" log {log}, which ends:\n{_last_lines(log)}",
            onnx_path,
            log,
        )
    return Conversion(
        float32, float16, int8, ended.seconds, ended.peak_memory_mb, converter.name, log
    )


def _find_converter() -> _Converter:
    """The Python to run onnx2tf with, and how to speak to its version. Raises ExportError."""
    named = os.environ.get(CONVERTER_VARIABLE)
    whose = f"{CONVERTER_VARIABLE}={named}" if named else sys.executable
    found = shutil.which(named or sys.executable)
    if found is None:
        raise ExportError(
            f"{whose} is not a program: give the path of a Python that has onnx2tf, or unset it"
        )
    python = os.path.abspath(found)  # a link stays a link: by it Python finds its environment
    *version, tensorflow = _ask(python, whose)
    if not version:
        raise ExportError(
            f"{whose} has no onnx2tf: pip install 'edge-asc[export]', or let {CONVERTER_VARIABLE}"
            " name a Python that has it"
        )
    if tensorflow != "tensorflow":
        raise ExportError(
            f"{whose} has onnx2tf {version[0]} without TensorFlow: pip install"
            f" 'onnx2tf[tensorflow]=={version[0]}'"
        )
    return _Converter(python, f"onnx2tf {version[0]}", _backend(version[0], whose))


def _ask(python: str, whose: str) -> list[str]:
    """What _PROBE prints, as words: onnx2tf's version if there is one, then "tensorflow" or "-"."""
    try:
        result = subprocess.run(
            [python, "-c", _PROBE],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=_PROBE_LIMIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise ExportError(f"{whose} does not run as a Python: {error}") from error
    words = " ".join(result.stdout.splitlines()[-1:]).split()
    if result.returncode != 0 or not words:
        said = (result.stderr or result.stdout).strip().splitlines()[-1:] or ["nothing"]
        raise ExportError(
            f"{whose} does not run as a Python: asked for onnx2tf's version, it ended with exit"
            f" code {result.returncode} and said: {said[0][:200]}"
        )
    return words


def _backend(version: str, whose: str) -> tuple[str, ...]:
    if version.startswith("1.29."):
        return ()
    if version.startswith("2."):
        # Its own default, flatbuffer_direct, writes float16 files that LiteRT does not load, and
        # one copy of a weight for every step of a recurrence that uses it.
        return ("--tflite_backend", "tf_converter")
    raise ExportError(
        f"{whose} has onnx2tf {version}, which is not known here; tried are"
        f" {' and '.join(TRIED_VERSIONS)}: pip install 'edge-asc[export]'"
    )


def _command(
    converter: _Converter,
    onnx_path: Path,
    output: Path,
    calibration: Mapping[str, Array] | None,
    keep_layout: Sequence[str],
) -> list[str]:
    command = [converter.python, "-m", "onnx2tf", *converter.backend]
    command += ["--input_onnx_file_path", str(onnx_path), "--output_folder_path", str(output)]
    # The graph is simplified already; a GRU node is unrolled, because a loop cannot be made int8.
    command += ["--not_use_onnxsim", "--enable_rnn_unroll", "--non_verbose"]
    if keep_layout:
        command += ["--keep_shape_absolutely_input_names", *keep_layout]
    return command if calibration is None else command + _int8_arguments(calibration, output)


def _int8_arguments(calibration: Mapping[str, Array], output: Path) -> list[str]:
    arguments = ["--output_integer_quantized_tflite", "--quant_type", "per-channel"]
    for name, values in calibration.items():
        path = output / f"{name}.npy"
        np.save(path, values)
        # Mean 0 and standard deviation 1 within as many brackets as the input has dimensions.
        mean, std = ("[" * values.ndim + number + "]" * values.ndim for number in "01")
        arguments += ["--custom_input_op_name_np_data_path", name, str(path), mean, std]
    return arguments


def _run(
    command: list[str], log: Path, time_limit_s: float, stop: threading.Event | None
) -> _Ended:
    """Run `command` to its end, or to the limit; whatever it started is ended with it."""
    began_s = time.monotonic()
    cut_short, peak_kib = "", 0
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        # WNOWAIT: an ended process keeps its number until wait(), so that killpg cannot hit others.
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            peak_kib = max(peak_kib, _peak_memory_kib(process.pid))
            if time.monotonic() - began_s >= time_limit_s:
                cut_short = f"was ended at the time limit of {time_limit_s:g} s"
                break
            if stop is not None and stop.is_set():
                cut_short = "was ended because the export stopped"
                break
            time.sleep(_POLL_S)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        exit_code = process.wait()
    why = cut_short or _why_it_ended(exit_code)
    return _Ended(why, time.monotonic() - began_s, peak_kib * 1024 / 1e6)


def _why_it_ended(exit_code: int) -> str:
    if exit_code == 0:
        return ""
    if exit_code > 0:
        return f"ended with exit code {exit_code}"
    number = -exit_code
    memory = ", as the system does when memory runs out" if number == signal.SIGKILL else ""
    return f"was ended by signal {number} ({signal.strsignal(number)}{memory})"


def _peak_memory_kib(pid: int) -> int:
    """The largest resident set of a process that has not been waited for; 0 once it has ended.

    The ru_maxrss of wait4 would not do: it begins with what this program held when it forked.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    return int(found[1]) if found else 0


def _read_tflite(path: Path) -> bytes | None:
    """The file, or None where it is missing or not a TFLite file."""
    if not path.is_file():
        return None
    data = path.read_bytes()
    return data if data[4:8] == _IDENTIFIER else None


def _last_lines(log: Path) -> str:
    text = re.sub(r"\x1b\[[\d;]*m", "", log.read_text(encoding="utf-8", errors="replace"))
    lines = [line.rstrip() for line in text.splitlines() if line.strip()]
    return "\n".join(lines[-_LOG_LINES:]) or "(it is empty)"
