import json

import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.package import Package


def test_its_sources_are_all_but_the_example(package):
    names = [path.name for path in Package.read(package).sources]
    assert names == ["asc.c", "asc_model.c", "selftest.c"]


def test_a_changed_file_is_refused_by_name(package):
    path = package / "asc_model.c"
    path.write_bytes(path.read_bytes().replace(b"sum /= 2", b"sum /= 3"))
    with pytest.raises(FirmwareError, match=r"asc_model\.c was changed since it was exported"):
        Package.read(package)


def test_a_missing_file_is_refused(package):
    (package / "asc.h").unlink()
    with pytest.raises(FirmwareError, match=r"asc\.h is missing since the package was exported"):
        Package.read(package)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"files": 3}'])
def test_a_folder_without_a_manifest_of_files_is_no_package(package, text):
    (package / "manifest.json").write_text(text)
    with pytest.raises(FirmwareError, match=r"is no exported package: manifest\.json"):
        Package.read(package)


def test_a_package_without_c_files_is_refused(package):
    (package / "manifest.json").write_text(json.dumps({"files": {}}))
    with pytest.raises(FirmwareError, match="names no C file"):
        Package.read(package)


def test_no_folder_at_all(tmp_path):
    with pytest.raises(FirmwareError, match="firmware export"):
        Package.read(tmp_path / "nothing")
