"""What the user calls a port, and what is said of one that cannot be opened."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from edge_asc.errors import SourceError
from edge_asc.firmware_bridge.link.port import DEFAULT_BAUD, PortName, SerialPort
from tests.firmware_bridge.link.fake_device import plugged


def test_names(tmp_path: Path) -> None:
    assert PortName.parse("/dev/ttyACM0") == PortName("/dev/ttyACM0", DEFAULT_BAUD)
    assert PortName.parse("/dev/ttyUSB0:115200") == PortName("/dev/ttyUSB0", 115_200)
    by_path = "/dev/serial/by-path/pci-0000:00:14.0-usb-0:1:1.0"
    assert PortName.parse(by_path) == PortName(by_path, DEFAULT_BAUD)
    there = tmp_path / "usb-0:1"
    there.touch()
    assert PortName.parse(str(there)) == PortName(str(there), DEFAULT_BAUD)
    assert PortName.parse(f"{there}:9600") == PortName(str(there), 9_600)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "must be a port, as /dev/ttyACM0, or PORT:BAUD, got ''"),
        (":115200", "must be a port, as /dev/ttyACM0, or PORT:BAUD, got ':115200'"),
        ("/dev/ttyACM0:9", "BAUD must be from 300 to 20000000, got 9"),
        ("/dev/ttyACM0:99999999", "BAUD must be from 300 to 20000000, got 99999999"),
    ],
)
def test_names_that_are_none(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        PortName.parse(text)


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (errno.ENOENT, "there is no port /dev/x"),
        (errno.EACCES, "no permission to open /dev/x; .* sudo usermod -aG dialout"),
        (errno.EBUSY, "/dev/x is in use by another program"),
        (errno.EIO, "/dev/x cannot be opened as a serial port: .*Input/output error"),
    ],
)
def test_why_a_port_cannot_be_opened(
    number: int, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the system says it to pyserial: root may open anything."""

    def refuse(*args: object, **options: object) -> int:
        raise OSError(number, os.strerror(number), "/dev/x")

    monkeypatch.setattr("serial.serialposix.os.open", refuse)
    with pytest.raises(SourceError, match=words):
        SerialPort(PortName("/dev/x", 115_200))


def test_a_port_is_opened_by_one_program_at_a_time() -> None:
    with plugged() as line:
        first = SerialPort(PortName(line.path, 115_200))
        with pytest.raises(SourceError, match="is in use by another program, a serial monitor"):
            SerialPort(PortName(line.path, 115_200))
        first.close()
        SerialPort(PortName(line.path, 115_200)).close()


def test_a_file_is_no_port(tmp_path: Path) -> None:
    file = tmp_path / "sound.wav"
    file.write_bytes(b"RIFF")
    with pytest.raises(SourceError, match=r"sound.wav cannot be opened as a serial port: "):
        SerialPort(PortName(str(file), 115_200))


def test_a_port_that_goes_away() -> None:
    with plugged() as line:
        port = SerialPort(PortName(line.path, 115_200))
        os.write(line.master, b"\0hello")
        assert port.read() == b"\0hello"
        assert port.read() == b""
        port.write(b"there?")
        assert line.read() == b"there?"
        line.unplug()
        with pytest.raises(SourceError, match="is gone, unplugged perhaps"):
            port.read()
        with pytest.raises(SourceError, match="is gone, unplugged perhaps"):
            port.write(b"there?")
        port.close()


def test_a_device_that_takes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_asc.firmware_bridge.link.port._WRITE_WAIT_S", 0.05)
    with plugged() as line:
        port = SerialPort(PortName(line.path, 115_200))
        with pytest.raises(SourceError, match=r"takes nothing: 0.05 s for 100000 bytes"):
            port.write(bytes(100_000))
        port.close()
