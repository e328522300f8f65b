"""What is needed to listen, looked at piece by piece: `edge-asc doctor`.

Each check stands alone: whatever one meets, the others are made. What may hang or die (an
interpreter, PortAudio, a microphone) is tried in a process of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from edge_asc.doctor import machine, model, software, sound
from edge_asc.doctor.finding import Finding, Subject
from edge_asc.errors import EdgeAscError

Check = Callable[[Subject], Iterator[Finding]]

CHECKS: dict[str, Check] = {
    "python": software.check_python,
    "platform": machine.check_platform,
    "processor": machine.check_processor,
    "memory": machine.check_memory,
    "temperature": machine.check_temperature,
    "throttling": machine.check_throttling,
    "clock": machine.check_clock,
    "configuration": software.check_configuration,
    "interpreter": software.check_interpreter,
    "model": model.check_model,
    "sound cards": sound.check_sound_cards,
    "microphone": sound.check_microphone,
}
"""In the order of the report: what others rest on first. A check may give several findings."""


def examine(subject: Subject, checks: dict[str, Check] | None = None) -> Iterator[Finding]:
    """Make each check; what it finds comes as soon as it is found."""
    for name, check in (CHECKS if checks is None else checks).items():
        try:
            yield from check(subject)
        except EdgeAscError as error:
            yield Finding(name, "problem", str(error))
        except Exception as error:  # a check that fails must not take the others along
            yield Finding(
                name,
                "problem",
                f"this check itself failed: {type(error).__name__}: {error}",
                "please report it, with the output of edge-asc doctor --format json",
            )
