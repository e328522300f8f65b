"""Standard output in its lane: a full disk is counted, all else ends listening."""

from __future__ import annotations

import errno

import pytest

from edge_asc.messages import Message, Report
from edge_asc.outputs import Outputs
from edge_asc.sinks.main_output import MainOutput
from tests.sample_messages import HEALTH, REPORT

WAIT_S = 30.0


class Reports:
    """A sink that has a form for reports alone, and for some time no room for them."""

    def __init__(self, *errors: OSError | None) -> None:
        self._errors = list(errors)
        self.written: list[Message] = []

    def takes(self, message: Message) -> bool:
        return isinstance(message, Report)

    def write(self, message: Message) -> None:
        if self._errors and (error := self._errors.pop(0)):
            raise error
        self.written.append(message)


def full() -> OSError:
    return OSError(errno.ENOSPC, "No space left on device")


def test_what_has_no_form_says_nothing_of_the_disk() -> None:
    """Health comes while the disk is full: that it takes no room does not make the disk work."""
    sink = Reports(full(), full(), None)
    said: list[str] = []
    outputs = Outputs([MainOutput(sink)], say=said.append)
    for message in (REPORT, HEALTH, REPORT, HEALTH, REPORT):
        outputs.write(message)
    outputs.close(WAIT_S)
    assert said == [
        "standard output: No space left on device; listening goes on",
        "standard output: works again; 2 messages lost so far",
    ]
    (state,) = outputs.states()
    assert (state.written, state.lost, outputs.num_unwritten) == (1, 2, 2)
    assert sink.written == [REPORT]


def test_a_reader_that_went_away_ends_listening() -> None:
    sink = Reports(BrokenPipeError(errno.EPIPE, "Broken pipe"))
    outputs = Outputs([MainOutput(sink)], say=print)
    outputs.write(REPORT)
    with pytest.raises(BrokenPipeError):
        outputs.close(WAIT_S)
