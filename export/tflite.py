"""ONNX -> TFLite, float32 and full int8: the only file that knows the converter, onnx2tf.

It runs in a process of its own: it brings TensorFlow, 2 GB of memory and much talk.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from edge_asc.errors import ExportError

_FLOAT_SUFFIX, _INT8_SUFFIX = "_float32.tflite", "_full_integer_quant.tflite"
_LOG_LINES = 12


@dataclass(frozen=True, slots=True)
class TfliteParts:
    """The two forms of one network."""

    float32: bytes
    int8: bytes


def convert(
    onnx_path: Path, calibration: Mapping[str, npt.NDArray[np.float32]], folder: Path
) -> TfliteParts:
    """Convert `onnx_path`; `calibration` holds many examples of each input, in TFLite's layout.

    Raises ExportError with the end of the converter's log when a file is missing: onnx2tf 1.29 ends
    without an error when int8 calibration fails, and simply leaves the int8 files out.
    """
    output = folder / onnx_path.stem
    command = [sys.executable, "-m", "onnx2tf", "-i", str(onnx_path), "-o", str(output)]
    # The graph is simplified already; the GRU is unrolled, because a loop cannot be made int8.
    command += ["--not_use_onnxsim", "--enable_rnn_unroll", "--output_integer_quantized_tflite"]
    command += ["--quant_type", "per-channel", "--non_verbose"]
    # Only images are turned from NCHW to NHWC; onnx2tf would turn a sequence too.
    command += _keep_layout([name for name, values in calibration.items() if values.ndim != 4])
    for name, values in calibration.items():
        path = folder / f"{onnx_path.stem}_{name}.npy"
        np.save(path, values)
        mean, std = (_nested(number, values.ndim) for number in (0, 1))
        command += ["--custom_input_op_name_np_data_path", name, str(path), mean, std]
    environment = os.environ | {"TF_CPP_MIN_LOG_LEVEL": "2", "CUDA_VISIBLE_DEVICES": "-1"}
    result = subprocess.run(
        command,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    (folder / f"{onnx_path.stem}.log").write_text(result.stdout)
    files = [output / f"{onnx_path.stem}{suffix}" for suffix in (_FLOAT_SUFFIX, _INT8_SUFFIX)]
    missing = [path.name for path in files if not path.exists()]
    if missing:
        end = "\n".join(result.stdout.splitlines()[-_LOG_LINES:])
        raise ExportError(
            f"onnx2tf gave no {' and no '.join(missing)} (exit code {result.returncode}). Use the"
            f" versions of constraints.txt. The end of its log:\n{end}"
        )
    return TfliteParts(*(path.read_bytes() for path in files))


def _keep_layout(names: list[str]) -> list[str]:
    return ["--keep_shape_absolutely_input_names", *names] if names else []


def _nested(number: int, depth: int) -> str:
    """`number` within `depth` brackets, as onnx2tf wants the mean and std of an input."""
    return "[" * depth + str(number) + "]" * depth
