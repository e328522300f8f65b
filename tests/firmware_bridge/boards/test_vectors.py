import numpy as np
import pytest

from edge_asc.errors import FirmwareError
from edge_asc.firmware_bridge.boards.vectors import Vectors


def test_windows_come_back_from_a_file(vectors, tmp_path):
    path = tmp_path / "windows.npz"
    vectors.write(path)
    again = Vectors.read(path)
    for name in ("features", "city", "time", "logits", "samples", "sound_logits"):
        np.testing.assert_array_equal(getattr(again, name), getattr(vectors, name))


def test_raw_windows_hold_features_city_and_time_in_turn(vectors, tmp_path):
    vectors.write_raw(tmp_path)
    rows = np.frombuffer((tmp_path / "features.bin").read_bytes(), np.int8).reshape(20, -1)
    np.testing.assert_array_equal(rows[3, :24], vectors.features[3].ravel())
    np.testing.assert_array_equal(rows[3, 24:27], vectors.city[3])
    np.testing.assert_array_equal(rows[3, 27:], vectors.time[3])
    assert (tmp_path / "samples.bin").read_bytes()[:2] == vectors.samples[0, :1].tobytes()


def test_windows_of_other_types_are_refused(tmp_path):
    path = tmp_path / "windows.npz"
    np.savez(path, features=np.zeros((2, 24), np.float32), logits=np.zeros((2, 3), np.int8))
    with pytest.raises(FirmwareError, match="found features float32"):
        Vectors.read(path)


def test_what_is_no_file_of_arrays_is_refused(tmp_path):
    path = tmp_path / "windows.npz"
    path.write_text("features")
    with pytest.raises(FirmwareError, match=r"cannot be read as an \.npz file of windows"):
        Vectors.read(path)


def test_features_need_their_answers():
    with pytest.raises(FirmwareError, match=r"features and logits, of one length; got .*\[2, 0\]"):
        Vectors(features=np.zeros((2, 24), np.int8))
    zeros = np.zeros((2, 3), np.int8)
    with pytest.raises(FirmwareError, match="city and time"):
        Vectors(features=zeros, logits=zeros, city=zeros)
