"""Lanes of outputs: what waits, what is counted as lost, and what is not held up."""

from __future__ import annotations

import threading
from dataclasses import replace

from edge_asc.errors import OutputUnavailableError
from edge_asc.messages import Message
from edge_asc.outputs import Outputs
from tests.sample_messages import GAP

PATIENCE_S = 30.0


class Hesitant:
    """Takes a message and holds it until it is told what becomes of it."""

    name, is_main = "hesitant", False

    def __init__(self) -> None:
        self.written: list[Message] = []
        self.offered, self.decided = threading.Event(), threading.Event()
        self.is_away = False

    def write(self, message: Message) -> None:
        self.offered.set()
        assert self.decided.wait(PATIENCE_S)
        if self.is_away:
            raise OutputUnavailableError("away")
        self.written.append(message)

    def close(self) -> None:
        pass


def gap(number: int) -> Message:
    return replace(GAP, start_s=float(number))


def test_what_is_being_written_is_not_dropped_from_a_full_lane() -> None:
    output = Hesitant()
    outputs = Outputs([output], say=print, queue_messages=3)
    outputs.write(gap(0))
    assert output.offered.wait(PATIENCE_S)
    for number in range(1, 6):
        outputs.write(gap(number))
    output.decided.set()
    outputs.close()
    assert output.written == [gap(0), gap(4), gap(5)]
    (state,) = outputs.states()
    assert (state.written, state.lost) == (3, 3)


def test_a_patient_lane_waits_for_one_that_is_slow_but_not_for_one_that_is_away() -> None:
    output = Hesitant()
    outputs = Outputs([output], say=print, patient=True, queue_messages=2)

    def write() -> None:
        for number in range(5):
            outputs.write(gap(number))

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    assert output.offered.wait(PATIENCE_S)
    writer.join(0.1)
    assert writer.is_alive()
    assert outputs.states()[0].lost == 0
    output.is_away = True
    output.decided.set()
    writer.join(PATIENCE_S)
    assert not writer.is_alive()
    assert outputs.states()[0].lost == 3
    outputs.close(0.0)
