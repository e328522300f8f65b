"""onnx2tf as a process that may fail, hang, or be the wrong one."""

from __future__ import annotations

import configparser
import json
import re
import sys
import threading
import time
from pathlib import Path
from textwrap import dedent

import numpy as np
import pytest

from edge_asc.errors import ExportError
from edge_asc.export.tflite import (
    CONVERTER_VARIABLE,
    TRIED_VERSIONS,
    Conversion,
    ConversionError,
    convert,
)

ROOT = Path(__file__).parents[2]
VERSION = TRIED_VERSIONS[0]
SUFFIXES = ("_float32.tflite", "_float16.tflite", "_full_integer_quant.tflite")
WRITE_ALL = """
for suffix in SUFFIXES:
    (output / (output.name + suffix)).write_bytes(b"....TFL3" + suffix.encode())
"""


class FakeConverter:
    """A Python whose onnx2tf does what a test says, in place of the real one."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.python = folder / "python"
        # -S: without the packages installed here, of which one is the real onnx2tf.
        self.python.write_text(f'#!/bin/sh\nPYTHONPATH={folder} exec {sys.executable} -S "$@"\n')
        self.python.chmod(0o755)
        self.onnx = folder / "whole.onnx"
        self.onnx.write_bytes(b"a network")
        self.work = folder / "work"
        (folder / "tensorflow").mkdir()
        (folder / "tensorflow" / "__init__.py").touch()

    def install(self, code: str, version: str = VERSION) -> None:
        """Give it onnx2tf `version`, which runs `code`; `output` is the folder it is to fill."""
        package = self.folder / "onnx2tf"
        package.mkdir()
        (package / "__init__.py").touch()
        start = f"""
            import os, pathlib, signal, subprocess, sys, time
            SUFFIXES = {SUFFIXES}
            output = pathlib.Path(sys.argv[sys.argv.index("--output_folder_path") + 1])
            """
        (package / "__main__.py").write_text(dedent(start) + dedent(code))
        facts = self.folder / f"onnx2tf-{version}.dist-info"
        facts.mkdir()
        (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: onnx2tf\nVersion: {version}")

    def convert(self, **options: object) -> Conversion:
        return convert(self.onnx, self.work, **options)  # type: ignore[arg-type]

    def failure(self, **options: object) -> ConversionError:
        with pytest.raises(ConversionError) as caught:
            self.convert(**options)
        return caught.value


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeConverter:
    converter = FakeConverter(tmp_path)
    monkeypatch.setenv(CONVERTER_VARIABLE, str(converter.python))
    return converter


def test_all_forms_come_back_with_what_they_took(fake: FakeConverter) -> None:
    fake.install(WRITE_ALL + "print('done', file=sys.stderr)")
    conversion = fake.convert(calibration={"features": np.zeros((2, 50, 64, 1), np.float32)})
    assert conversion.float32 == b"....TFL3_float32.tflite"
    assert conversion.float16 == b"....TFL3_float16.tflite"
    assert conversion.int8 == b"....TFL3_full_integer_quant.tflite"
    assert conversion.converter == f"onnx2tf {VERSION}"
    assert conversion.log == fake.work / "whole.log"
    assert conversion.log.read_text() == "done\n"


def test_without_calibration_there_is_no_int8(fake: FakeConverter) -> None:
    fake.install(WRITE_ALL)
    assert fake.convert().int8 is None


def test_a_failure_tells_where_log_and_network_are_and_how_the_log_ends(
    fake: FakeConverter,
) -> None:
    fake.install("for n in range(40): print('line', n)\nsys.exit('\\x1b[31mno such operator: Gru')")
    error = fake.failure()
    assert str(error) == "\n".join(
        [
            f"onnx2tf {VERSION} did not convert whole.onnx: it ended with exit code 1, and left no"
            " whole_float32.tflite and no whole_float16.tflite. The network is"
            f" {fake.onnx}, the log {fake.work}/whole.log, which ends:",
            *(f"line {n}" for n in range(29, 40)),
            "no such operator: Gru",
        ]
    )
    assert error.onnx_path.read_bytes() == b"a network"
    assert "line 0\n" in error.log.read_text()


def test_files_of_a_converter_that_failed_are_not_taken(fake: FakeConverter) -> None:
    fake.install(WRITE_ALL + "sys.exit(3)")
    assert "it ended with exit code 3. The network" in str(fake.failure())


def is_running(pid: int) -> bool:
    """False for a process that is gone, or dead and only not yet waited for."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False
    return re.search(r"^State:\s+Z", status, re.MULTILINE) is None


def wait_until_ended(pid: int) -> bool:
    for _ in range(200):
        if not is_running(pid):
            return True
        time.sleep(0.05)
    return False


HANG_WITH_A_CHILD = """
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
(output / "pids").write_text(f"{os.getpid()} {child.pid}")
print("working", flush=True)
time.sleep(600)
"""


def test_a_converter_that_hangs_is_ended_with_all_it_started(fake: FakeConverter) -> None:
    fake.install(HANG_WITH_A_CHILD)
    text = str(fake.failure(time_limit_s=2.0))
    assert "it was ended at the time limit of 2 s, and left no whole_float32.tflite" in text
    assert text.endswith("which ends:\nworking")
    pids = [int(pid) for pid in (fake.work / "whole" / "pids").read_text().split()]
    assert len(pids) == 2
    assert all(wait_until_ended(pid) for pid in pids)


def test_what_a_converter_leaves_running_is_ended_too(fake: FakeConverter) -> None:
    fake.install(WRITE_ALL + HANG_WITH_A_CHILD.replace("time.sleep(600)\n", "", 1))
    fake.convert()
    _, child = (int(pid) for pid in (fake.work / "whole" / "pids").read_text().split())
    assert wait_until_ended(child)


def test_another_thread_can_end_it(fake: FakeConverter) -> None:
    fake.install(HANG_WITH_A_CHILD)
    stop = threading.Event()
    stop.set()
    assert "it was ended because the export stopped" in str(fake.failure(stop=stop))


def test_a_converter_out_of_memory_is_recognised_by_its_signal(fake: FakeConverter) -> None:
    fake.install("os.kill(os.getpid(), signal.SIGKILL)")
    text = str(fake.failure())
    assert "ended by signal 9 (Killed, as the system does when memory runs out)" in text
    assert text.endswith("which ends:\n(it is empty)")


def test_a_converter_that_crashes_is_told_from_one_out_of_memory(fake: FakeConverter) -> None:
    fake.install(WRITE_ALL + "os.kill(os.getpid(), signal.SIGSEGV)")
    assert "ended by signal 11 (Segmentation fault). The" in str(fake.failure())


def test_a_form_that_is_silently_left_out_is_found_out(fake: FakeConverter) -> None:
    fake.install("SUFFIXES = SUFFIXES[:2]" + WRITE_ALL)
    calibration = {"features": np.zeros((2, 50, 64, 1), np.float32)}
    text = str(fake.failure(calibration=calibration))
    assert "it ended without an error, and left no whole_full_integer_quant.tflite. The" in text


def test_files_of_an_earlier_conversion_do_not_count(fake: FakeConverter) -> None:
    fake.install("SUFFIXES = SUFFIXES[1:]" + WRITE_ALL)
    (fake.work / "whole").mkdir(parents=True)
    (fake.work / "whole" / "whole_float32.tflite").write_bytes(b"....TFL3 old")
    assert "without an error, and left no whole_float32.tflite. The" in str(fake.failure())


def test_a_file_that_is_no_network_does_not_count(fake: FakeConverter) -> None:
    fake.install(WRITE_ALL + '(output / "whole_float16.tflite").write_bytes(b"")')
    assert "without an error, and left no whole_float16.tflite. The" in str(fake.failure())


def test_the_memory_figure_is_the_converters_own(fake: FakeConverter) -> None:
    """This process, with torch, is larger than the 100 MB that the converter is told to fill."""
    fake.install(WRITE_ALL + "held = b'x' * 100_000_000\ntime.sleep(1)")
    own = np.ones(30_000_000)  # 240 MB
    assert 100.0 < fake.convert().peak_memory_mb < 150.0
    assert own.sum() == 30_000_000


@pytest.mark.parametrize(
    ("version", "backend"),
    [("1.29.24", []), ("2.6.9", ["--tflite_backend", "tf_converter"])],
)
def test_each_version_is_spoken_to_in_its_own_words(
    fake: FakeConverter, version: str, backend: list[str]
) -> None:
    fake.install(
        WRITE_ALL + "import json; (output / 'argv').write_text(json.dumps(sys.argv[1:]))", version
    )
    steps = np.arange(12, dtype=np.float32).reshape(2, 2, 3)
    conversion = fake.convert(calibration={"steps": steps}, keep_layout=["steps", "time"])
    assert conversion.converter == f"onnx2tf {version}"
    output = fake.work / "whole"
    arguments = json.loads((output / "argv").read_text())
    assert arguments == [
        *backend,
        *("--input_onnx_file_path", str(fake.onnx), "--output_folder_path", str(output)),
        *("--not_use_onnxsim", "--enable_rnn_unroll", "--non_verbose"),
        *("--keep_shape_absolutely_input_names", "steps", "time"),
        *("--output_integer_quantized_tflite", "--quant_type", "per-channel"),
        *("--custom_input_op_name_np_data_path", "steps", f"{output}/steps.npy"),
        *("[[[0]]]", "[[[1]]]"),
    ]
    np.testing.assert_array_equal(np.load(output / "steps.npy"), steps)


@pytest.mark.parametrize("version", ["1.28.8", "3.0.0"])
def test_an_unknown_version_is_refused_with_the_tried_ones(
    fake: FakeConverter, version: str
) -> None:
    fake.install(WRITE_ALL, version)
    with pytest.raises(
        ExportError, match=rf"has onnx2tf {version}.*1\.29\.24 and 2\.6\.9: pip install"
    ):
        fake.convert()


def test_without_onnx2tf_it_says_what_to_install(fake: FakeConverter) -> None:
    with pytest.raises(ExportError, match=r"has no onnx2tf: pip install 'edge-asc\[export\]'"):
        fake.convert()


def test_without_tensorflow_it_says_what_to_install(fake: FakeConverter) -> None:
    fake.install(WRITE_ALL, "2.6.9")
    (fake.folder / "tensorflow" / "__init__.py").unlink()
    (fake.folder / "tensorflow").rmdir()
    with pytest.raises(ExportError, match=r"without TensorFlow: pip install 'onnx2tf\[tensorflow"):
        fake.convert()


def test_a_converter_that_is_no_program_is_named(
    fake: FakeConverter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(CONVERTER_VARIABLE, str(fake.onnx))
    with pytest.raises(ExportError, match=rf"{CONVERTER_VARIABLE}={fake.onnx} is not a program"):
        fake.convert()


def test_a_program_that_is_no_python_is_named(fake: FakeConverter) -> None:
    fake.python.write_text("#!/bin/sh\necho cannot open >&2\nexit 2\n")
    with pytest.raises(ExportError, match=r"does not run as a Python: .* code 2 .*: cannot open"):
        fake.convert()


def test_the_tried_versions_are_the_ones_that_are_installed() -> None:
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg", encoding="utf-8")
    extra = setup["options.extras_require"]["export"]
    assert tuple(re.findall(r"onnx2tf.*==([\d.]+);", extra)) == TRIED_VERSIONS
    files = ("constraints.txt", "constraints-converter.txt")
    pinned = "".join((ROOT / name).read_text(encoding="utf-8") for name in files)
    assert tuple(re.findall(r"^onnx2tf==(.*)$", pinned, re.MULTILINE)) == TRIED_VERSIONS
