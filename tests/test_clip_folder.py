"""Adding clips to a folder, and what is mended when it is opened."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import soundfile

from edge_asc.clip_folder import encode_clip, open_clip_folder, read_tags
from edge_asc.clip_table import RECORDED, TableText, csv_line
from edge_asc.errors import DataError, RecordError
from tests.played_sound import RATE_HZ, noise

VALUES = {
    "label": "bar",
    "group": "friday",
    "city": "",
    "time": "2026-05-17 14:30:00",
    "duration_s": "10",
    "original_sample_rate_hz": "8000",
    "place": "the corner, Größe",
    "source": "test",
}
CLIP = encode_clip(noise(10.0), RATE_HZ, VALUES)
NAME = "bar-20260517T063000Z"
HEADER = csv_line(RECORDED)
LINE = TableText(Path("clips.csv"), HEADER).line({**VALUES, "file": f"{NAME}.flac"})


def mended(path: Path, table: bytes | None, **files: bytes) -> tuple[bytes, list[str]]:
    """The table after opening a folder of these files, and what was said."""
    path.mkdir(exist_ok=True)
    if table is not None:
        (path / "clips.csv").write_bytes(table)
    for name, data in files.items():
        (path / name).write_bytes(data)
    said: list[str] = []
    with open_clip_folder(path, say=said.append):
        pass
    return (path / "clips.csv").read_bytes(), said


def names(path: Path) -> list[str]:
    return sorted(child.name for child in path.iterdir())


class TestAdding:
    def test_a_clip_is_written_and_listed(self, tmp_path: Path) -> None:
        said: list[str] = []
        with open_clip_folder(tmp_path / "new" / "folder", say=said.append) as folder:
            assert folder.add(NAME, CLIP, VALUES) == f"{NAME}.flac"
            assert folder.num_bytes == len(CLIP)
        assert said == []
        assert names(folder.path) == [".record.lock", f"{NAME}.flac", "clips.csv"]
        assert (folder.path / f"{NAME}.flac").read_bytes() == CLIP
        assert (folder.path / "clips.csv").read_bytes() == HEADER + LINE

    def test_nothing_is_ever_overwritten(self, tmp_path: Path) -> None:
        (tmp_path / f"{NAME}.flac").write_bytes(b"a person's")
        with open_clip_folder(tmp_path, say=print) as folder:
            added = [folder.add(NAME, CLIP, VALUES) for _ in range(2)]
        assert added == [f"{NAME}-2.flac", f"{NAME}-3.flac"]
        assert (tmp_path / f"{NAME}.flac").read_bytes() == b"a person's"

    def test_everything_is_synced_before_it_is_listed(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What lasts beyond a loss of power is what was synced: clip, its name, then its line."""
        steps: list[str] = []
        fsync, replace = os.fsync, os.replace

        def remember_fsync(handle: int) -> None:
            steps.append(f"sync {Path(os.readlink(f'/proc/self/fd/{handle}')).name}")
            fsync(handle)

        def remember_replace(old: Path, new: Path) -> None:
            steps.append(f"rename {new.name}")
            replace(old, new)

        monkeypatch.setattr(os, "fsync", remember_fsync)
        monkeypatch.setattr(os, "replace", remember_replace)
        with open_clip_folder(tmp_path / "clips", say=print) as folder:
            steps.clear()
            folder.add(NAME, CLIP, VALUES)
        assert steps == [
            f"sync .{NAME}.flac.part",
            f"rename {NAME}.flac",
            "sync clips",
            "sync clips.csv",
        ]

    def test_a_group_is_new(self, tmp_path: Path) -> None:
        with open_clip_folder(tmp_path, say=print) as folder:
            assert folder.new_group("friday") == "friday"
            folder.add(NAME, CLIP, VALUES)
        with open_clip_folder(tmp_path, say=print) as folder:
            assert folder.new_group("friday") == "friday-2"

    def test_a_second_recorder_is_refused(self, tmp_path: Path) -> None:
        with (
            open_clip_folder(tmp_path, say=print),
            pytest.raises(RecordError, match="another `edge-asc record` is at work in"),
            open_clip_folder(tmp_path, say=print),
        ):
            pass
        with open_clip_folder(tmp_path, say=print):
            pass

    def test_a_folder_that_cannot_be_made(self, tmp_path: Path) -> None:
        (tmp_path / "file").touch()
        with (
            pytest.raises(RecordError, match=r"cannot record into .*file"),
            open_clip_folder(tmp_path / "file" / "in it", say=print),
        ):
            pass


class TestMending:
    def test_a_new_folder_gets_a_table(self, tmp_path: Path) -> None:
        assert mended(tmp_path, None) == (HEADER, [])

    def test_a_table_in_order_is_not_written(self, tmp_path: Path) -> None:
        mended(tmp_path, HEADER + LINE, **{f"{NAME}.flac": CLIP})
        before = (tmp_path / "clips.csv").stat()
        assert mended(tmp_path, None) == (HEADER + LINE, [])
        after = (tmp_path / "clips.csv").stat()
        assert (after.st_ino, after.st_mtime_ns) == (before.st_ino, before.st_mtime_ns)

    def test_a_clip_that_is_not_listed(self, tmp_path: Path) -> None:
        table, said = mended(tmp_path, HEADER, **{f"{NAME}.flac": CLIP})
        assert table == HEADER + LINE
        assert said == [f"listed {NAME}.flac, which was not in clips.csv yet"]

    @pytest.mark.parametrize("length", [1, 5, 30, len(LINE) - 1])
    def test_a_line_that_was_cut_off(self, tmp_path: Path, length: int) -> None:
        table, said = mended(tmp_path, HEADER + LINE[:length], **{f"{NAME}.flac": CLIP})
        assert table == HEADER + LINE
        assert said[0].startswith(
            "removed a line of clips.csv that was cut off: bar"[: 46 + length]
        )
        assert said[1:] == [f"listed {NAME}.flac, which was not in clips.csv yet"]

    def test_zeros_that_a_file_system_left(self, tmp_path: Path) -> None:
        end = bytes(len(LINE) - 20)
        table, _ = mended(tmp_path, HEADER + LINE[:20] + end, **{f"{NAME}.flac": CLIP})
        assert table == HEADER + LINE
        assert mended(tmp_path, HEADER + LINE + bytes(9)) == (HEADER + LINE, [])

    def test_a_cut_in_the_middle_of_a_letter(self, tmp_path: Path) -> None:
        cut = LINE.index("ö".encode()) + 1
        table, said = mended(tmp_path, HEADER + LINE[:cut], **{f"{NAME}.flac": CLIP})
        assert table == HEADER + LINE
        assert len(said) == 2

    def test_a_last_line_of_a_person_only_gets_its_end(self, tmp_path: Path) -> None:
        """Somebody corrected the label in an editor that leaves no end to the last line."""
        corrected = LINE.replace(b",bar,", b",restaurant,").rstrip()
        table, said = mended(tmp_path, HEADER + corrected, **{f"{NAME}.flac": CLIP})
        assert table == HEADER + corrected + b"\n"
        assert said == []

    def test_a_broken_line_of_a_person_is_left_alone(self, tmp_path: Path) -> None:
        broken = HEADER + b"mine.wav,bus"
        with pytest.raises(DataError, match="line 2: 2 fields, but the header has 9; mend that"):
            mended(tmp_path, broken)
        assert (tmp_path / "clips.csv").read_bytes() == broken

    def test_files_that_were_not_finished(self, tmp_path: Path) -> None:
        left = {f".{NAME}.flac.part": CLIP[:100], ".clips-x1.csv": HEADER, f"{NAME}.flac": b""}
        _, said = mended(tmp_path, HEADER, **left)
        assert sorted(said) == [
            "removed .bar-20260517T063000Z.flac.part, which was never finished",
            "removed .clips-x1.csv, which was never finished",
            "removed bar-20260517T063000Z.flac, which is empty",
        ]
        assert names(tmp_path) == [".record.lock", "clips.csv"]

    def test_a_damaged_clip_is_told_and_not_listed(self, tmp_path: Path) -> None:
        cut_off = CLIP[: len(CLIP) // 2]
        at_a_frame = CLIP[: CLIP.index(b"\xff\xf8", len(CLIP) // 2)]
        bit_flipped = bytearray(CLIP)
        bit_flipped[len(CLIP) // 2] ^= 1
        damaged = [cut_off, at_a_frame, bytes(bit_flipped), b"not sound"]
        files = {f"{NAME}-{number}.flac": data for number, data in enumerate(damaged)}
        table, said = mended(tmp_path, HEADER, **files)
        assert table == HEADER
        assert len(said) == 4
        for name, text in zip(files, said, strict=True):
            assert text.startswith(f"not listed: {name} cannot be read: ")

    def test_other_sound_is_left_alone(self, tmp_path: Path) -> None:
        soundfile.write(tmp_path / "mine.flac", noise(1.0), RATE_HZ)
        with soundfile.SoundFile(tmp_path / "theirs.flac", "w", RATE_HZ, 1) as file:
            file.comment = "a comment, not ours"
            file.write(noise(1.0))
        (tmp_path / "empty.flac").touch()
        (tmp_path / "notes.csv.txt").touch()
        before = names(tmp_path)
        assert mended(tmp_path, HEADER) == (HEADER, [])
        assert names(tmp_path) == sorted([*before, ".record.lock", "clips.csv"])
        assert read_tags(tmp_path / "theirs.flac") is None

    def test_a_clip_moved_from_another_folder_is_listed_as_the_table_wants(
        self, tmp_path: Path
    ) -> None:
        header = b"record_time,file,source_group,scene\n"
        table, _ = mended(tmp_path, header, **{"moved.flac": CLIP})
        assert table == header + b"2026-05-17 14:30:00,moved.flac,friday,bar\n"


class TestTableOfAPerson:
    def test_its_columns_are_kept(self, tmp_path: Path) -> None:
        header = b"\xef\xbb\xbffile,scene,source_group,licence,time\r\n"
        (tmp_path / "mine.csv").write_bytes(header)
        with open_clip_folder(tmp_path, say=print) as folder:
            folder.add(NAME, CLIP, VALUES)
        line = b"bar-20260517T063000Z.flac,bar,friday,,2026-05-17 14:30:00\n"
        assert (tmp_path / "mine.csv").read_bytes() == header + line
        assert not (tmp_path / "clips.csv").exists()

    @pytest.mark.parametrize("missing", ["group", "time", "city"])
    def test_a_column_that_a_clip_needs(self, tmp_path: Path, missing: str) -> None:
        columns = [name for name in RECORDED if name != missing]
        (tmp_path / "clips.csv").write_bytes(csv_line(columns))
        with (
            pytest.raises(DataError, match=f"no column {missing} or .* a recorded clip needs"),
            open_clip_folder(tmp_path, also_required=["city"], say=print),
        ):
            pass
        assert (tmp_path / "clips.csv").read_bytes() == csv_line(columns)
