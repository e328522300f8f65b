"""What is recorded: every sample of it, with its line in the table; and what is not."""

from __future__ import annotations

import csv
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from edge_asc.clip_folder import ClipFolder, encode_clip, open_clip_folder, read_tags
from edge_asc.errors import RecordError, SourceError
from edge_asc.features import Samples
from edge_asc.record import RecordSummary, Visit, record
from edge_asc.sources import Chunk
from edge_asc.training.datasets.check import check_set
from edge_asc.training.datasets.folder import read_folder
from tests.played_sound import BEGIN, RATE_HZ, Notes, Played, chunks, noise

VISIT = Visit("bus", "bus-monday", "Beijing", "line 226, upper deck")


def trusted() -> None:
    return None


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
def clips(tmp_path: Path, notes: Notes) -> Iterator[ClipFolder]:
    with open_clip_folder(tmp_path / "clips", say=notes.say, min_free_bytes=0) as folder:
        yield folder


def run(
    folder: ClipFolder, notes: Notes, played: Iterator[Chunk], *, live: bool = True, **options: Any
) -> RecordSummary:
    options.setdefault("doubt", trusted)
    return record(Played(played, live=live), folder, VISIT, notes, **options)


def rows(folder: ClipFolder) -> list[dict[str, str]]:
    with (folder.path / "clips.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def heard(folder: ClipFolder) -> list[Samples]:
    """What the listed files hold, in the order of the table."""
    return [soundfile.read(folder.path / row["file"], dtype="float32")[0] for row in rows(folder)]


def test_clips_hold_every_sample(clips: ClipFolder, notes: Notes) -> None:
    sound = noise(34.5)
    summary = run(clips, notes, chunks(sound))
    assert summary.ended == "test microphone ended"
    assert not summary.interrupted
    progress = summary.progress
    assert (progress.num_clips, progress.lost_s) == (3, 0.0)
    assert progress.heard_s == pytest.approx(34.5)
    assert progress.dropped_s == pytest.approx(4.5)
    assert notes.said == ["the last 4.5 s fill no clip and are dropped"]
    assert len(notes.levels) == 345
    np.testing.assert_array_equal(np.concatenate(heard(clips)), sound[: 30 * RATE_HZ])


def test_the_table_says_what_the_clips_are(clips: ClipFolder, notes: Notes) -> None:
    run(clips, notes, chunks(noise(25.0)))
    assert rows(clips) == [
        {
            "file": f"bus-20260517T0630{second}Z.flac",
            "label": "bus",
            "group": "bus-monday",
            "city": "Beijing",
            "time": (BEGIN + timedelta(seconds=int(second)))
            .astimezone()
            .strftime("%Y-%m-%d %H:%M:%S"),
            "duration_s": "10",
            "original_sample_rate_hz": "8000",
            "place": "line 226, upper deck",
            "source": "test microphone",
        }
        for second in ("00", "10")
    ]
    assert notes.files == [row["file"] for row in rows(clips)]
    for row in rows(clips):
        tags = read_tags(clips.path / row["file"])
        assert tags == {name: text for name, text in row.items() if name != "file"}


def test_training_reads_the_folder(clips: ClipFolder, notes: Notes) -> None:
    run(clips, notes, chunks(noise(25.0)))
    found = read_folder(clips.path)
    assert [(clip.scene, clip.group, clip.context.city) for clip in found] == [
        ("bus", "bus-monday", "Beijing")
    ] * 2
    times = [clip.context.local_time for clip in found]
    assert times[0] == BEGIN.astimezone().replace(tzinfo=None)
    assert times[1] == times[0] + timedelta(seconds=10)
    report = check_set(clips.path, num_workers=1)
    assert report.verdict == "ready: 2 clips, 0.0 h"
    assert (report.duration_s, report.extra) == (20.0, [])


@pytest.mark.parametrize("bits", [16, 24])
def test_whole_numbers_of_16_and_24_bits_come_back(tmp_path: Path, bits: int) -> None:
    sound = noise(10.0, bits=bits)
    sound[:2] = -1.0, 1.0 - 2.0 ** (1 - bits)
    path = tmp_path / "clip.flac"
    path.write_bytes(encode_clip(sound, RATE_HZ, {"label": "bar", "duration_s": "10"}))
    read, rate_hz = soundfile.read(path, dtype="float32")
    assert rate_hz == RATE_HZ
    np.testing.assert_array_equal(read, sound)


def test_more_than_full_scale_is_clipped(tmp_path: Path) -> None:
    sound = np.array([1.5, -1.5, 1.0, 0.5], np.float32)
    path = tmp_path / "clip.flac"
    path.write_bytes(encode_clip(sound, RATE_HZ, {"label": "bar"}))
    highest = 1.0 - 2.0**-23
    assert soundfile.read(path)[0].tolist() == [highest, -1.0, highest, 0.5]


def test_a_rate_that_flac_does_not_know(clips: ClipFolder, notes: Notes) -> None:
    with pytest.raises(RecordError, match="700000 Hz cannot be kept as FLAC"):
        run(clips, notes, chunks(np.zeros(7_000_000, np.float32), rate_hz=700_000))


@pytest.mark.parametrize("chunk_samples", [1777, 79_999, 80_000, 80_001, 250_000])
def test_how_the_sound_was_cut_never_changes_the_clips(
    clips: ClipFolder, notes: Notes, chunk_samples: int
) -> None:
    sound = noise(31.0)
    run(clips, notes, chunks(sound, chunk_samples=chunk_samples))
    np.testing.assert_array_equal(np.concatenate(heard(clips)), sound[: 30 * RATE_HZ])
    names = [f"bus-20260517T0630{second}Z.flac" for second in ("00", "10", "20")]
    assert notes.files == names


class TestGaps:
    def test_no_clip_goes_across_a_gap(self, clips: ClipFolder, notes: Notes) -> None:
        before, after = noise(14.0, seed=1), noise(12.0, seed=2, rate_hz=16_000)
        later = BEGIN + timedelta(seconds=17.5)
        unplugged = chunks(after, later, rate_hz=16_000, lost_s=3.5, cause="it was unplugged")
        summary = run(clips, notes, iter([*chunks(before), *unplugged]))
        first, second = heard(clips)
        np.testing.assert_array_equal(first, before[: 10 * RATE_HZ])
        np.testing.assert_array_equal(second, after[: 10 * 16_000])
        assert [row["original_sample_rate_hz"] for row in rows(clips)] == ["8000", "16000"]
        assert notes.files[1] == "bus-20260517T063017Z.flac"
        assert notes.said == [
            "lost 3.5 s of sound (it was unplugged); 4.0 s before it are dropped;"
            " a new clip begins",
            "the last 2.0 s fill no clip and are dropped",
        ]
        progress = summary.progress
        assert progress.heard_s == pytest.approx(26.0)
        assert progress.lost_s == 3.5
        assert progress.dropped_s == pytest.approx(6.0)
        assert progress.heard_s - progress.dropped_s == pytest.approx(10.0 * progress.num_clips)

    def test_sound_lost_between_two_clips_drops_none(self, clips: ClipFolder, notes: Notes) -> None:
        later = chunks(noise(10.0), BEGIN + timedelta(seconds=11), lost_s=1.0)
        run(clips, notes, iter([*chunks(noise(10.0)), *later]))
        assert len(notes.files) == 2
        assert notes.said == ["lost 1.0 s of sound; a new clip begins"]

    def test_stuck_seconds_are_not_joined_across_a_gap(
        self, clips: ClipFolder, notes: Notes
    ) -> None:
        zeros = np.zeros(9 * RATE_HZ, np.float32)
        run(clips, notes, iter([*chunks(zeros), *chunks(zeros, lost_s=0.5)]))
        assert not any("muted" in text for text in notes.said)


def test_a_muted_microphone_is_told(clips: ClipFolder, notes: Notes) -> None:
    run(clips, notes, chunks(np.zeros(20 * RATE_HZ, np.float32)))
    assert notes.said == ["microphone muted? only zeros for 10 s"]


class TestEnd:
    def test_the_time_is_up(self, clips: ClipFolder, notes: Notes) -> None:
        sound = noise(100.0)
        played = chunks(sound, chunk_samples=777)
        summary = run(clips, notes, played, seconds=30.0)
        assert summary.ended == "time is up"
        assert summary.progress.heard_s == pytest.approx(30.0)
        assert summary.progress.dropped_s == 0.0
        np.testing.assert_array_equal(np.concatenate(heard(clips)), sound[: 30 * RATE_HZ])
        assert notes.left_s[-1] == 0.0
        assert notes.said == []

    def test_lost_time_counts(self, clips: ClipFolder, notes: Notes) -> None:
        later = chunks(noise(100.0), BEGIN + timedelta(seconds=25), lost_s=15.0)
        summary = run(clips, notes, iter([*chunks(noise(10.0)), *later]), seconds=40.0)
        assert summary.ended == "time is up"
        assert (summary.progress.num_clips, summary.progress.lost_s) == (2, 15.0)
        assert summary.progress.heard_s == pytest.approx(25.0)

    def test_the_time_may_be_up_while_sound_is_lost(self, clips: ClipFolder, notes: Notes) -> None:
        later = chunks(noise(100.0), BEGIN + timedelta(seconds=500), lost_s=490.0)
        summary = run(clips, notes, iter([*chunks(noise(10.0)), *later]), seconds=60.0)
        assert (summary.ended, summary.progress.num_clips) == ("time is up", 1)
        assert summary.progress.heard_s == pytest.approx(10.0)

    @pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
    def test_a_signal_ends_it(self, clips: ClipFolder, notes: Notes, number: int) -> None:
        def until_the_signal() -> Iterator[Chunk]:
            yield from chunks(noise(12.0))
            os.kill(os.getpid(), number)
            while True:
                yield from chunks(noise(0.1))

        source = Played(until_the_signal())
        handlers = [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]
        summary = record(source, clips, VISIT, notes, doubt=trusted)
        assert summary.ended == "stopped"
        assert summary.interrupted == (number == signal.SIGINT)
        assert source.is_closed
        assert summary.progress.num_clips == len(rows(clips)) == 1
        assert notes.said[-1].endswith("s fill no clip and are dropped")
        assert handlers == [signal.getsignal(known) for known in (signal.SIGINT, signal.SIGTERM)]

    def test_a_signal_waits_until_the_clip_is_written(
        self, clips: ClipFolder, notes: Notes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        replace = os.replace

        def interrupted_replace(*arguments: Any) -> None:
            os.kill(os.getpid(), signal.SIGTERM)
            replace(*arguments)

        monkeypatch.setattr(os, "replace", interrupted_replace)
        summary = run(clips, notes, chunks(noise(100.0)))
        assert (summary.ended, summary.progress.num_clips) == ("stopped", 1)
        assert notes.files == [row["file"] for row in rows(clips)]
        assert len(heard(clips)[0]) == 10 * RATE_HZ

    def test_what_stops_the_source_is_told(self, clips: ClipFolder, notes: Notes) -> None:
        def unplugged() -> Iterator[Chunk]:
            yield from chunks(noise(12.0))
            raise SourceError("test microphone was unplugged")

        with pytest.raises(SourceError, match="was unplugged"):
            run(clips, notes, unplugged())
        assert len(rows(clips)) == 1


class TestClock:
    def test_a_clip_that_began_before_the_clock_was_set_has_no_time(
        self, clips: ClipFolder, notes: Notes
    ) -> None:
        looks = iter(["no NTP", "no NTP", None])
        run(clips, notes, chunks(noise(40.0)), doubt=lambda: next(looks))
        assert [bool(row["time"]) for row in rows(clips)] == [False, False, True, True]
        assert notes.said == [
            "no NTP; the clips get no time",
            "the clock has been set: clips get their time from now on",
        ]

    def test_a_recording_does_not_know_its_time(self, clips: ClipFolder, notes: Notes) -> None:
        run(clips, notes, chunks(noise(10.0)), live=False)
        assert rows(clips)[0]["time"] == ""
        assert notes.said == ["a recording does not know its time of day; the clips get no time"]


class TestRoom:
    def test_the_folder_never_exceeds_its_size(self, tmp_path: Path, notes: Notes) -> None:
        clip_bytes = len(encode_clip(noise(10.0), RATE_HZ, {"label": "bus"}))
        (tmp_path / "sub").mkdir()
        (tmp_path / "sub" / "old.WAV").write_bytes(bytes(1000))
        most = 1000 + round(3.5 * clip_bytes)
        with open_clip_folder(tmp_path, max_bytes=most, min_free_bytes=0, say=notes.say) as folder:
            summary = run(folder, notes, chunks(noise(100.0)))
            assert summary.progress.num_clips == len(rows(folder)) == 3
        assert f"{most / 1e6:g} MB is the most (--max-size)" in summary.ended
        sizes = [path.stat().st_size for path in tmp_path.glob("*.flac")]
        assert summary.progress.num_bytes == 1000 + sum(sizes) <= most
        assert summary.progress.dropped_s == pytest.approx(10.0)

    def test_no_room_to_begin_with(self, tmp_path: Path, notes: Notes) -> None:
        (tmp_path / "old.flac").write_bytes(bytes(1001))
        with (
            open_clip_folder(tmp_path, max_bytes=1000, say=notes.say) as folder,
            pytest.raises(RecordError, match=r"no room for a clip: .*--max-size"),
        ):
            run(folder, notes, chunks(noise(10.0)))

    def test_the_disk_keeps_some_room(
        self, tmp_path: Path, notes: Notes, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        free = iter([10**9, 10**9, 100_100_000])

        class Disk:
            f_frsize = 1

            @property
            def f_bavail(self) -> int:
                return next(free)

        monkeypatch.setattr(os, "statvfs", lambda path: Disk())
        with open_clip_folder(tmp_path, say=notes.say) as folder:
            summary = run(folder, notes, chunks(noise(100.0)))
        assert summary.progress.num_clips == 1
        assert summary.ended.startswith("less than 100 MB would be left on the disk of")


def test_real_sound_comes_back(clips: ClipFolder, notes: Notes, data_dir: Path) -> None:
    path = data_dir / "scenes_open" / "bus" / "taipei-wolf__bus226.flac"
    sound, rate_hz = soundfile.read(path, dtype="float32")
    run(clips, notes, chunks(sound, rate_hz=rate_hz, chunk_samples=4410))
    assert len(notes.files) == len(sound) // (10 * rate_hz) == 4
    joined = np.concatenate(heard(clips))
    np.testing.assert_array_equal(joined, sound[: len(joined)])
    assert notes.said == ["the last 3.5 s fill no clip and are dropped"]
