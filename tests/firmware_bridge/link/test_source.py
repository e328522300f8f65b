"""The source: a microcontroller on a pseudo-terminal, played in Python and by the C of the link."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest

from edge_asc.errors import LinkError, SourceError
from edge_asc.firmware_bridge.link.controls import Can, Hello, HelloRequest, Start, Stop
from edge_asc.firmware_bridge.link.port import PortName
from edge_asc.firmware_bridge.link.source import SerialMicrophone, choose_form
from edge_asc.firmware_bridge.link.streams import Adpcm, Flow
from edge_asc.sources import Chunk
from edge_asc.sources.live import LiveSource
from tests.firmware_bridge.link.conftest import compile_c
from tests.firmware_bridge.link.fake_device import FakeDevice, Line, flawless, plugged

BAUD = 4_000_000
PATIENCE_S = 20.0


@dataclass
class Heard:
    """Chunks and words of one source."""

    path: str
    retry: bool = True
    said: list[str] = field(default_factory=list)
    chunks: list[Chunk] = field(default_factory=list)
    slept_s: list[float] = field(default_factory=list)
    when_sleeping: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        capture = SerialMicrophone(PortName(self.path, BAUD), self.said.append)
        self._source = LiveSource(
            capture, retry=self.retry, say=self.said.append, sleep=self._sleep
        )
        self._iterator = iter(self._source)

    def _sleep(self, seconds: float) -> None:
        self.slept_s.append(seconds)
        self.when_sleeping()

    def take(self, num_samples: int) -> np.ndarray:
        """The next so many samples as 16 bits; the chunks, too, are kept."""
        taken: list[np.ndarray] = []
        while sum(map(len, taken)) < num_samples:
            chunk = next(self._iterator)
            self.chunks.append(chunk)
            taken.append(np.round(chunk.samples * 32_768).astype(np.int16))
        return np.concatenate(taken)

    @property
    def only_gap(self) -> Chunk:
        (chunk,) = [chunk for chunk in self.chunks if chunk.lost_s > 0]
        return chunk

    def close(self) -> None:
        self._iterator.close()  # type: ignore[attr-defined]


@pytest.fixture
def line() -> Iterator[Line]:
    with plugged() as one:
        yield one


@pytest.fixture
def sound(rng: np.random.Generator) -> np.ndarray:
    """Two seconds of noise at 44.1 kHz, and a bit, so that the last frame is a short one."""
    return rng.integers(-32_768, 32_768, 88_300).astype(np.int16)


def after_start(device: FakeDevice, act: Callable[[], None]) -> threading.Thread:
    """Do `act` when the host has asked for sound."""

    def run() -> None:
        assert device.started.wait(PATIENCE_S)
        act()

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    return thread


def test_chunks_equal_the_sound(line: Line, sound: np.ndarray) -> None:
    device = FakeDevice(line)
    thread = after_start(device, lambda: device.stream_pcm(sound))
    heard = Heard(line.path)
    np.testing.assert_array_equal(heard.take(len(sound)), sound)
    assert {chunk.lost_s for chunk in heard.chunks} == {0.0}
    assert {chunk.sample_rate_hz for chunk in heard.chunks} == {44_100}
    assert heard.said == [
        f"'fake' on {line.path} sends PCM of 16 bits",
        f"hearing serial port {line.path} at 44100 Hz",
    ]
    assert max(len(chunk.samples) for chunk in heard.chunks) < 4_410 + 441
    heard.close()
    assert device.stopped.wait(PATIENCE_S)
    assert [type(control) for control in device.asked] == [Start, Stop]
    thread.join(PATIENCE_S)


def test_what_is_missing_is_counted_to_the_sample(line: Line, sound: np.ndarray) -> None:
    device = FakeDevice(line)

    def act() -> None:
        device.stream_pcm(sound[:4_410])
        device.drop(1_000)
        device.stream_pcm(sound[5_410:9_820])
        device.lose(882)
        device.drop(441)
        device.stream_pcm(sound[11_143:15_553])

    after_start(device, act)
    heard = Heard(line.path)
    expected = np.concatenate([sound[:4_410], sound[5_410:9_820], sound[11_143:15_553]])
    np.testing.assert_array_equal(heard.take(3 * 4_410), expected)
    gaps = [(round(chunk.lost_s * 44_100), chunk.cause) for chunk in heard.chunks if chunk.lost_s]
    assert gaps == [
        (1_000, "the device had no room for 0.02 s: its line is too slow"),
        (
            1_323,
            "the device had no room for 0.01 s: its line is too slow; frames with 0.02 s were"
            " damaged on the line",
        ),
    ]
    heard.close()


def test_a_frame_that_comes_twice_is_heard_once(line: Line, sound: np.ndarray) -> None:
    device = FakeDevice(line, channel=lambda data: data * 2)
    after_start(device, lambda: device.stream_pcm(sound[:4_410]))
    heard = Heard(line.path)
    np.testing.assert_array_equal(heard.take(4_410), sound[:4_410])
    assert heard.chunks[0].lost_s == 0.0
    heard.close()


def test_unplugged_and_back(tmp_path: Path, sound: np.ndarray) -> None:
    port = tmp_path / "port"
    with plugged() as first, plugged() as second:
        port.symlink_to(first.path)
        device = FakeDevice(first)
        after_start(device, lambda: device.stream_pcm(sound[:4_410]))
        heard = Heard(str(port))
        heard.take(4_410)

        def bring_back() -> None:
            if len(heard.slept_s) == 1:  # as long as it is away
                port.unlink()
            elif len(heard.slept_s) == 2:
                port.symlink_to(second.path)
                again = FakeDevice(second)
                after_start(again, lambda: again.stream_pcm(sound[4_410:8_820]))

        heard.when_sleeping = bring_back
        first.unplug()
        np.testing.assert_array_equal(heard.take(4_410), sound[4_410:8_820])
        heard.close()
    assert heard.slept_s == [1.0, 2.0]
    assert heard.only_gap.cause.startswith(f"{port} is gone, unplugged perhaps (")
    gone, missing = [text for text in heard.said if "trying again" in text]
    assert gone.startswith(f"{port} is gone, unplugged perhaps (")
    assert missing.startswith(f"there is no port {port}; ")
    assert [text for text in heard.said if text.startswith(f"serial port {port} is back after ")]


def test_a_device_that_was_reset_is_a_gap(line: Line, sound: np.ndarray) -> None:
    device = FakeDevice(line)
    after_start(device, lambda: device.stream_pcm(sound[:4_410]))
    heard = Heard(line.path)
    heard.take(4_410)
    device.started.clear()
    announcement = Hello(1, 1, True, Can.PCM, 44_100, device.hello.model_sha256, "fake")
    device.send(announcement, 0)
    after_start(device, lambda: device.stream_pcm(sound[10_000:14_410]))
    np.testing.assert_array_equal(heard.take(4_410), sound[10_000:14_410])
    assert heard.only_gap.cause == "fake was reset"
    assert "fake was reset; trying again until it is back" in heard.said
    heard.close()


def test_a_device_that_streams_unasked_after_a_reset_is_not_heard(
    line: Line, sound: np.ndarray
) -> None:
    device = FakeDevice(line)
    after_start(device, lambda: device.stream_pcm(sound[:4_410]))
    heard = Heard(line.path)
    heard.take(4_410)
    device.started.clear()
    device.stream = (device.stream + 1) % 65_536
    device.stream_pcm(np.full(441, 99, np.int16))
    after_start(device, lambda: device.stream_pcm(sound[:4_410]))
    np.testing.assert_array_equal(heard.take(4_410), sound[:4_410])
    assert heard.only_gap.cause == "the device streams what nobody asked it for: it was reset"
    heard.close()


def test_control_frames_that_were_lost_are_sent_again(
    line: Line, sound: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("edge_asc.firmware_bridge.link.host.ANSWER_S", 0.1)
    device = FakeDevice(line)
    device.ignores = [HelloRequest, HelloRequest, Start]
    after_start(device, lambda: device.stream_pcm(sound[:4_410]))
    heard = Heard(line.path)
    np.testing.assert_array_equal(heard.take(4_410), sound[:4_410])
    heard.close()
    assert device.stopped.wait(PATIENCE_S)
    assert [type(control) for control in device.asked] == [Start, Stop]


def test_sound_left_from_the_host_before_is_not_heard(line: Line, sound: np.ndarray) -> None:
    device = FakeDevice(line)
    stale = np.full(441, 99, np.int16)
    device.stream = 1 << 15

    def channel(data: bytes) -> bytes:
        device.channel = flawless  # behind the hello, before the start
        device.stream_pcm(stale)
        return data

    device.channel = channel
    after_start(device, lambda: device.stream_pcm(sound[:4_410]))
    heard = Heard(line.path)
    np.testing.assert_array_equal(heard.take(4_410), sound[:4_410])
    heard.close()


def test_adpcm_of_a_slow_line(line: Line) -> None:
    device = FakeDevice(line, capabilities=Can.ADPCM)
    codes = bytes([0x17, 0x80]) * 1_103  # each frame begins with a state of its own

    def act() -> None:
        device.stream_message(Adpcm(Flow(0, 0, device.stream), 1_000, 3, False, codes))
        device.stream_message(Adpcm(Flow(4_412, 0, device.stream), -5, 20, False, codes))

    after_start(device, act)
    heard = Heard(line.path)
    sound = heard.take(8_824)
    # The standard's steps by hand: step 10 at index 3 and code 7 give 10/8 + 10/4 + 10/2 + 10,
    # each rounded down, and index 11; its step 21 and code 1 give 21/8 + 21/4.
    assert sound[:2].tolist() == [1_000 + 1 + 2 + 5 + 10, 1_018 + 2 + 5]
    assert sound[4_412] == -5 + 6 + 12 + 25 + 50
    assert heard.said[0] == f"'fake' on {line.path} sends IMA ADPCM of 4 bits"
    heard.close()


@pytest.mark.parametrize(
    ("protocol", "oldest", "words"),
    [
        (3, 2, r"speaks versions 2 to 3 of the link, this program 1; upgrade edge-asc"),
        (0, 0, r"speaks version 0 of the link, this program 1; build its firmware again"),
    ],
)
def test_another_version_is_refused(line: Line, protocol: int, oldest: int, words: str) -> None:
    FakeDevice(line, protocol=protocol, oldest=oldest)
    with pytest.raises(LinkError, match=words):
        Heard(line.path, retry=False).take(1)


def test_a_device_that_never_says_hello(line: Line, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("edge_asc.firmware_bridge.link.host.ANSWER_S", 0.01)
    with pytest.raises(LinkError, match=r"never said hello in 0.12 s \(nothing came from it\)"):
        Heard(line.path, retry=False).take(1)
    while line.read():
        pass

    def boot() -> None:
        while not line.read():  # the port was opened, and what came before is forgotten
            pass
        os.write(line.master, b"Booting...\r\n\0ready\0")

    threading.Thread(target=boot, daemon=True).start()
    with pytest.raises(LinkError, match=r"\(2 pieces that are no frames came from it\)"):
        Heard(line.path, retry=False).take(1)


def test_a_frame_that_is_not_as_described_is_a_fault_of_the_firmware(line: Line) -> None:
    device = FakeDevice(line)
    after_start(
        device, lambda: device.stream_message(Adpcm(Flow(0, 0, device.stream), 0, 89, False, b""))
    )
    with pytest.raises(LinkError, match=r"Adpcm with 14 bytes .* step index is 89, at most 88"):
        Heard(line.path, retry=False).take(1)


def test_numbers_that_go_back_are_refused(line: Line, sound: np.ndarray) -> None:
    device = FakeDevice(line)

    def act() -> None:
        device.stream_pcm(sound[:8_820])
        device._position = 441
        device.stream_pcm(sound[:4_410])

    after_start(device, act)
    with pytest.raises(LinkError, match="counts its samples wrongly: 441 with 0 dropped, after 88"):
        Heard(line.path, retry=False).take(13_230)


def hello(capabilities: Can, rate_hz: int = 44_100) -> Hello:
    return Hello(1, 1, False, capabilities, rate_hz, bytes(32), "it")


def test_pcm_where_the_line_is_fast_enough() -> None:
    both = Can.PCM | Can.ADPCM
    # 10 bits on the line for a byte; 44,100 samples of 2 bytes, or of a half, and 2,800 bytes of
    # framing a second: 910,000 and 248,500.
    assert choose_form(hello(both), 921_600) == Can.PCM
    assert choose_form(hello(both), 909_999) == Can.ADPCM
    assert choose_form(hello(both, 16_000), 460_800) == Can.PCM
    with pytest.raises(LinkError, match="115200 baud is too slow: it takes 248500"):
        choose_form(hello(both), 115_200)
    with pytest.raises(LinkError, match="it takes 910000"):
        choose_form(hello(Can.PCM), 460_800)


def test_a_device_without_sound_or_rate() -> None:
    with pytest.raises(LinkError, match="classifies by itself: edge-asc firmware monitor"):
        choose_form(hello(Can.ESTIMATES), BAUD)
    with pytest.raises(LinkError, match="its firmware offers neither PCM nor ADPCM"):
        choose_form(hello(Can.LOG), BAUD)
    with pytest.raises(LinkError, match="samples at 0 Hz; from 1000 to 768000 Hz is allowed"):
        choose_form(hello(Can.PCM, 0), BAUD)


@pytest.fixture(scope="session")
def c_device(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_c(tmp_path_factory.mktemp("device"), "device.c")


@pytest.mark.parametrize(("form", "room"), [("pcm", 10**6), ("adpcm", 10**6), ("pcm", 300)])
def test_the_c_of_the_link_streams_a_recording(
    form: str, room: int, line: Line, sound: np.ndarray, tmp_path: Path, c_device: Path
) -> None:
    """Room for 300 bytes is too little for frames of 10 ms: all is dropped, and none is sent."""
    recording = tmp_path / "sound.raw"
    recording.write_bytes(sound.astype("<i2").tobytes())
    process = subprocess.Popen(
        [c_device, form, "44100", recording, str(room)], stdin=line.master, stdout=line.master
    )
    heard = Heard(line.path, retry=False)
    try:
        if room == 300:
            # Of the last frame, which is short, 100 samples fit: all before it were dropped.
            np.testing.assert_array_equal(heard.take(100), sound[-100:])
            assert round(heard.chunks[0].lost_s * 44_100) == 88_200
            assert heard.chunks[0].cause.startswith("the device had no room for 2.00 s")
        elif form == "pcm":
            np.testing.assert_array_equal(heard.take(len(sound)), sound)
        else:
            decoded = heard.take(len(sound))
            assert len(decoded) == len(sound)
            assert np.corrcoef(decoded, sound)[0, 1] > 0.9
        heard.close()
    finally:
        process.kill()
        process.wait()


def test_a_port_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=rf"there is no port {tmp_path}/no; "):
        Heard(f"{tmp_path}/no", retry=False).take(1)
