"""Lanes of outputs: what waits, what is counted as lost, and what is not held up."""

from __future__ import annotations

import errno
import threading
import time
from collections.abc import Callable
from dataclasses import replace

import pytest

from edge_asc import outputs as lanes
from edge_asc.errors import OutputError, OutputUnavailableError
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


class Obedient:
    """Writes down what it gets, after the errors that it was given are used up."""

    def __init__(self, *errors: Exception, name: str = "obedient", is_main: bool = False) -> None:
        self.name, self.is_main, self._errors = name, is_main, list(errors)
        self.written: list[Message] = []
        self.closed = False

    def write(self, message: Message) -> None:
        if self._errors:
            raise self._errors.pop(0)
        self.written.append(message)

    def close(self) -> None:
        self.closed = True


def wait_until(happened: Callable[[], bool]) -> None:
    until_s = time.monotonic() + PATIENCE_S
    while not happened():
        assert time.monotonic() < until_s
        time.sleep(0.01)


def test_every_output_gets_every_message_in_order_and_is_closed() -> None:
    both = [Obedient(), Obedient()]
    outputs = Outputs(both, say=print)
    for number in range(500):
        outputs.write(gap(number))
    outputs.close()
    assert [output.written for output in both] == 2 * [[gap(number) for number in range(500)]]
    assert all(output.closed for output in both)


def test_what_was_away_is_offered_again_and_both_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lanes, "FIRST_RETRY_S", 0.01)
    said: list[str] = []
    output = Obedient(OutputUnavailableError("the broker is away"), OutputUnavailableError("still"))
    outputs = Outputs([output], say=said.append)
    outputs.write(gap(0))
    wait_until(lambda: bool(output.written))
    outputs.close()
    assert said == [
        "obedient: the broker is away; 1 message waiting, at most 1000",
        "obedient: works again",
    ]
    assert outputs.states()[0].written == 1


def test_a_message_that_is_refused_is_counted_and_the_next_one_goes() -> None:
    said: list[str] = []
    output = Obedient(OutputError("too large"), OSError(errno.ENOSPC, "no room"))
    outputs = Outputs([output], say=said.append)
    for number in range(3):
        outputs.write(gap(number))
    outputs.close()
    assert output.written == [gap(2)]
    assert said == [
        "obedient: too large; listening goes on",
        "obedient: works again; 2 messages lost so far",
    ]


def test_an_error_of_the_main_output_reaches_the_listener() -> None:
    outputs = Outputs([Obedient(BrokenPipeError(), is_main=True)], say=print)
    outputs.write(gap(0))
    with pytest.raises(BrokenPipeError):
        outputs.close()
    with pytest.raises(BrokenPipeError):
        outputs.write(gap(1))


def test_a_fault_in_an_output_is_told_and_ends_nothing() -> None:
    said: list[str] = []
    outputs = Outputs([Obedient(ZeroDivisionError("by zero"))], say=said.append)
    outputs.write(gap(0))
    outputs.close()
    assert said == ["obedient: a fault in it, ZeroDivisionError('by zero'); listening goes on"]
    assert outputs.states()[0].lost == 1


def test_a_fault_in_the_main_output_is_not_hidden() -> None:
    outputs = Outputs([Obedient(ZeroDivisionError(), is_main=True)], say=print)
    outputs.write(gap(0))
    with pytest.raises(ZeroDivisionError):
        outputs.close()


def test_what_cannot_be_delivered_at_the_end_is_told() -> None:
    said: list[str] = []
    output = Hesitant()
    outputs = Outputs([output], say=said.append)
    for number in range(4):
        outputs.write(gap(number))
    outputs.close(0.0)
    assert said == ["hesitant: 4 messages could not be delivered"]
    assert outputs.states()[0].lost == 4
    output.decided.set()


def test_an_output_that_takes_nothing_is_seen_and_holds_up_nobody(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lanes, "SLOW_S", 0.0)
    said: list[str] = []
    hesitant, obedient = Hesitant(), Obedient()
    outputs = Outputs([hesitant, obedient], say=said.append)
    outputs.write(gap(0))
    assert hesitant.offered.wait(PATIENCE_S)
    time.sleep(0.001)
    outputs.write(gap(1))
    assert outputs.states()[0].state == "waiting"
    wait_until(lambda: len(obedient.written) == 2)
    hesitant.decided.set()
    wait_until(lambda: outputs.states()[0].state == "ok")
    outputs.close()
    assert said == [
        "hesitant: has taken no message for 0 s; 2 messages waiting, at most 1000",
        "hesitant: works again",
    ]
