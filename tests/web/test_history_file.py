"""The history's file: what is in it again, how large it gets, what it survives."""

from __future__ import annotations

import math
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from edge_asc.decision import UNKNOWN_SCENE
from edge_asc.errors import OutputError
from edge_asc.messages import Message
from edge_asc.outputs import Outputs
from edge_asc.web import history_file
from edge_asc.web.chart import chart
from edge_asc.web.history import Rows, Span, row_type
from edge_asc.web.history_database import WAL_BYTES
from edge_asc.web.history_file import HistoryFile
from tests.sample_messages import CHANGE, HEALTH
from tests.web.history_material import BEGIN_S, SCENES, gap, report, seconds

MAX_BYTES = 50_000_000
TEN = tuple(f"scene {number}" for number in range(10))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "history.sqlite"


def opened(path: Path, scenes: tuple[str, ...] = SCENES, max_bytes: int = MAX_BYTES) -> HistoryFile:
    return HistoryFile(path, max_bytes, scenes, say=lambda text: None)


def kept(path: Path, *messages: Message) -> HistoryFile:
    """The file, opened again after it was written and closed."""
    history = opened(path)
    for message in messages:
        history.write(message)
    history.close()
    return opened(path)


def all_rows(history: HistoryFile) -> Rows:
    return np.concatenate([np.zeros(0, row_type(len(history.scenes()))), *history.rows(0.0, 1e10)])


def wait_until(happened: Callable[[], bool]) -> None:
    for _ in range(3_000):
        if happened():
            return
        time.sleep(0.01)
    raise TimeoutError("it did not come")


def size_bytes(path: Path) -> int:
    return sum(item.stat().st_size for item in path.parent.glob(f"{path.name}*"))


def test_after_a_restart_all_of_it_is_there(path: Path) -> None:
    history = kept(
        path,
        *seconds("bus", 0, 20, 0.0),
        CHANGE,
        gap(20.0, 30.0),
        HEALTH,
        report(UNKNOWN_SCENE, 40.0, 30.0, level=-math.inf),
        report(None, 41.0, None, level=-12.34),
    )
    with closing(history):
        rows = all_rows(history)
        assert (rows["time_s"] - BEGIN_S).tolist() == [*map(float, range(1, 21)), 40.0, 41.0]
        assert rows["scene"].tolist() == [0] * 20 + [-1, -2]
        np.testing.assert_allclose(rows["probabilities"][0], [0.8, 0.1, 0.1], atol=1 / 65_535)
        np.testing.assert_allclose(rows["level_dbfs"][[0, -1]], [-40.0, -12.3], atol=1e-6)
        assert math.isnan(rows["level_dbfs"][-2])
        spans = history.spans(0.0, 1e10)
        assert [(span.scene, span.start_s - BEGIN_S, span.end_s - BEGIN_S) for span in spans] == [
            ("bus", 0.0, 20.0),
            (UNKNOWN_SCENE, 30.0, 40.0),
        ]
        assert spans[0].confidence == pytest.approx(0.8)
        assert spans[1].confidence is None
        (lost,) = history.gaps(0.0, 1e10)
        assert (lost.start_s - BEGIN_S, lost.lost_s, lost.cause) == (20.0, 9.5, "it was unplugged")
        assert history.newest_s() == BEGIN_S + 41.0


def test_it_goes_on_where_the_run_before_ended(path: Path) -> None:
    history = kept(path, *seconds("bus", 0, 20, 0.0))
    for item in seconds("bus", 100, 120, 95.0):
        history.write(item)
    history.close()
    with closing(opened(path)) as again:
        assert len(all_rows(again)) == 40
        assert len(again.spans(0.0, 1e10)) == 2


def test_only_the_time_that_is_asked_for_is_read(path: Path) -> None:
    with closing(kept(path, *seconds("bus", 0, 100, 0.0), gap(100.0, 110.0))) as history:
        (rows,) = history.rows(BEGIN_S + 30.0, BEGIN_S + 35.0)
        assert (rows["time_s"] - BEGIN_S).tolist() == [30.0, 31.0, 32.0, 33.0, 34.0, 35.0]
        assert history.gaps(BEGIN_S + 111.0, BEGIN_S + 200.0) == []
        assert list(history.rows(BEGIN_S + 101.0, BEGIN_S + 200.0)) == []


def test_much_is_read_in_pieces(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(history_file, "PIECE_ROWS", 7)
    with closing(kept(path, *seconds("bus", 0, 20, 0.0))) as history:
        pieces = list(history.rows(0.0, 1e10))
        assert [len(piece) for piece in pieces] == [7, 7, 6]
        assert (np.concatenate(pieces)["time_s"] - BEGIN_S).tolist() == list(range(1, 21))


def test_a_model_with_other_scenes_adds_columns(path: Path) -> None:
    kept(path, report("metro", 1.0)).close()
    with closing(opened(path, ("bar", "forest", "bus"))) as history:
        assert history.scenes() == ("bar", "forest", "bus", "metro")
        (row,) = all_rows(history)
        assert row["scene"] == 3
        np.testing.assert_allclose(row["probabilities"], [0.1, math.nan, 0.1, 0.8], atol=2e-5)
        (point,) = chart(history, BEGIN_S - 60.0, BEGIN_S + 60.0)["points"]
        assert point["probabilities"] == [0.1, None, 0.1, 0.8]


def test_ten_seconds_are_one_commit(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now_s = 1_000.0
    monkeypatch.setattr(history_file, "elapsed_s", lambda: now_s)
    with closing(opened(path)) as history:
        for item in seconds("bus", 0, 25, 0.0):
            history.write(item)
            now_s += 1.0
        assert len(all_rows(history)) == 20
        history.write(HEALTH)  # it comes when no sound does
        assert len(all_rows(history)) == 25


def fill(history: HistoryFile, begin_s: int, count: int) -> None:
    """Rows for `count` seconds, as if they waited for the next commit."""
    history._rows += [
        (round(1000 * (BEGIN_S + second)), history._list_id, 0, -400, b"\1" * 2 * len(TEN))
        for second in range(begin_s, begin_s + count)
    ]


def test_the_file_stays_below_its_size_and_the_oldest_go(path: Path) -> None:
    max_bytes, largest = 5_000_000, 0
    with closing(opened(path, TEN, max_bytes)) as history:
        for begin_s in range(0, 180_000, 60):
            fill(history, begin_s, 60)
            history._ended.append(Span("bus", BEGIN_S + begin_s, BEGIN_S + begin_s + 60.0, 0.5))
            history.write(HEALTH)
            largest = max(largest, size_bytes(path))
        rows = all_rows(history)
        assert max_bytes - 1.5 * WAL_BYTES < largest <= max_bytes
        assert rows["time_s"][-1] == BEGIN_S + 179_999
        assert rows["time_s"][0] > BEGIN_S + 50_000
        assert np.all(np.diff(rows["time_s"]) == 1.0)
        assert history.spans(0.0, 1e10)[0].end_s >= rows["time_s"][0]


def test_a_smaller_size_makes_a_large_file_smaller(path: Path) -> None:
    with closing(opened(path, TEN)) as history:
        fill(history, 0, 200_000)
    assert size_bytes(path) > 7_000_000
    with closing(opened(path, TEN, 5_000_000)) as history:
        assert size_bytes(path) < 5_000_000
        assert all_rows(history)["time_s"][-1] == BEGIN_S + 199_999
    assert size_bytes(path) <= 5_000_000 - WAL_BYTES + 32_768


def other_program(path: Path) -> None:
    with closing(sqlite3.connect(path)) as database:
        database.execute("CREATE TABLE mine (value)")
        database.commit()


def no_database(path: Path) -> None:
    path.write_bytes(b"time,scene\n" * 1_000)


def newer(path: Path) -> None:
    opened(path).close()
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA user_version = 99")


def damaged(path: Path) -> None:
    kept(path, *seconds("bus", 0, 5_000, 0.0)).close()
    content = bytearray(path.read_bytes())
    content[8_192:40_000] = os.urandom(40_000 - 8_192)
    path.write_bytes(content)


def cut(path: Path) -> None:
    kept(path, *seconds("bus", 0, 5_000, 0.0)).close()
    os.truncate(path, path.stat().st_size // 2)


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (other_program, "another program's SQLite file; it was left as it is"),
        (no_database, "is no SQLite file, or a damaged one .*; it was left as it is"),
        (newer, "made by a newer edge-asc: it has schema 99"),
        (damaged, "damaged .*; it was left as it is"),
        (cut, "damaged .*; it was left as it is"),
    ],
)
def test_what_cannot_be_gone_on_with_is_refused_and_left_alone(
    path: Path, spoil: Callable[[Path], None], words: str
) -> None:
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(OutputError, match=words):
        opened(path)
    assert path.read_bytes() == before


def test_a_place_where_nothing_can_be_kept_is_refused(path: Path) -> None:
    with pytest.raises(OutputError, match="there is no folder"):
        opened(path.parent / "nowhere" / "history.sqlite")
    with pytest.raises(OutputError, match="cannot be used"):
        opened(path.parent)


def test_two_listeners_do_not_share_a_file(path: Path) -> None:
    with closing(opened(path)) as first:
        with pytest.raises(OutputError, match="is used by another program"):
            subprocess_open(path)
        first.write(report("bus", 1.0))
    opened(path).close()


def subprocess_open(path: Path) -> None:
    """Open it in another process: locks are a process's."""
    code = f"""
from pathlib import Path
from edge_asc.errors import OutputError
from edge_asc.web.history_file import HistoryFile
try:
    HistoryFile(Path({str(path)!r}), 50_000_000, ("bus",), say=print)
except OutputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    raise OutputError(done.stdout)


WRITER = """
import os, sys
from pathlib import Path
from edge_asc.web import history_file
from tests.web.history_material import SCENES, report
history_file.COMMIT_S = 0.0
history = history_file.HistoryFile(Path(sys.argv[1]), 50_000_000, SCENES, say=print)
for second in range(1, int(sys.argv[2]) + 1):
    history.write(report("bus", float(second)))  # commits those before
    print(second, flush=True)
os.kill(os.getpid(), 9)
"""


def writer(path: Path, count: int) -> subprocess.Popen[bytes]:
    """Writes `count` reports, each in a commit of its own, and is killed."""
    command = [sys.executable, "-c", WRITER, str(path), str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE)


def kept_seconds(path: Path) -> list[float]:
    with closing(opened(path)) as history:
        return (all_rows(history)["time_s"] - BEGIN_S).tolist()


@pytest.mark.parametrize("lines", [3, 300])
def test_a_writer_that_is_killed_loses_nothing_that_was_committed(path: Path, lines: int) -> None:
    with writer(path, 10_000_000) as process:
        assert process.stdout is not None
        told = [process.stdout.readline() for _ in range(lines)]
        process.send_signal(signal.SIGKILL)
        told += process.stdout.readlines()
    found = kept_seconds(path)
    assert len(found) >= len(told) - 2  # the last line may be torn, its report was not committed
    assert found == list(range(1, len(found) + 1))


@pytest.mark.parametrize(("share", "least"), [(0.0, 0), (0.5, 50), (0.9, 110), (0.999, 147)])
def test_a_log_that_lacks_its_end_loses_that_and_nothing_else(
    path: Path, share: float, least: int
) -> None:
    with writer(path, 150) as process:
        process.communicate()
    log = path.with_name(f"{path.name}-wal")
    os.truncate(log, int(share * log.stat().st_size))
    found = kept_seconds(path)
    assert least <= len(found) <= 149
    assert found == list(range(1, len(found) + 1))


def test_while_the_disk_is_full_messages_wait_and_it_is_said(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history_file, "COMMIT_S", 0.0)
    said: list[str] = []
    outputs = Outputs([opened(path)], say=said.append)
    usual = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, usual[1]))
    try:
        for item in seconds("bus", 0, 200, 0.0):
            outputs.write(item)
        wait_until(lambda: outputs.states()[0].state == "waiting")
        assert said[0].startswith(f"history {path}: disk I/O error; ")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, usual)
    outputs.close(60.0)
    assert said[1:] == [f"history {path}: works again"]
    assert kept_seconds(path) == list(range(1, 201))


def test_what_a_full_disk_kept_out_at_the_end_is_said(path: Path) -> None:
    said: list[str] = []
    history = HistoryFile(path, MAX_BYTES, SCENES, say=said.append)
    for item in seconds("bus", 0, 3, 0.0):
        history.write(item)
    history._database.execute("PRAGMA query_only = 1")
    history.close()
    (words,) = said
    assert words.startswith(f"history {path}: the last 3 estimates are lost: ")


def test_a_history_that_was_closed_cannot_be_read(path: Path) -> None:
    history = opened(path)
    history.close()
    with pytest.raises(OutputError, match="cannot be read"):
        list(history.rows(0.0, 1e10))
