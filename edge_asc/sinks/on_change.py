"""A command that is run when the scene changes."""

from __future__ import annotations

import atexit
import json
import os
from collections.abc import Collection, Sequence

from edge_asc.child_process import ChildProcess
from edge_asc.errors import OutputError
from edge_asc.messages import Message, SceneChange
from edge_asc.sinks.json_values import to_values

NO_SCENE = "none"
"""The argument that stands for no scene; the variable is empty."""


class OnChange:
    """Runs a command for each change of scene, one after the other, and waits for its end.

    It is told the scene and the one before as its last two arguments, and all of the event in its
    environment. What it writes to stdout is thrown away: standard output is for results.
    """

    is_main = False

    def __init__(self, command: Sequence[str], timeout_s: float, secrets: Collection[str]) -> None:
        """`secrets`: variables of the environment that are not handed on."""
        self.name = f"command {command[0]}"
        self._command, self._timeout_s, self._secrets = command, timeout_s, secrets
        self._child: ChildProcess | None = None
        # The thread that waits for it may be gone before it is.
        atexit.register(self._end_child)

    def takes(self, message: Message) -> bool:
        return isinstance(message, SceneChange)

    def write(self, message: Message) -> None:
        """Run the command, if `message` is a change of scene. Raises OutputError if it fails."""
        if not isinstance(message, SceneChange):
            return
        arguments = (message.scene, message.previous and message.previous.scene)
        command = [*self._command, *(scene or NO_SCENE for scene in arguments)]
        try:
            self._child = ChildProcess(command, environment=self._environment(message))
        except OSError as error:
            raise OutputError(f"cannot be run: {error.strerror}") from error
        try:
            if self._child.wait(self._timeout_s) is None:
                self._child.close()
                said = self._child.last_words
                raise OutputError(
                    f"was ended, with all that it had started: it took longer than"
                    f" {self._timeout_s:g} s{': ' if said else ''}{said}"
                )
            code, end = self._child.how_it_ended()
            if code != 0:
                raise OutputError(end)
        finally:
            self._child = None

    def close(self) -> None:
        """Nothing runs any more."""
        atexit.unregister(self._end_child)

    def _environment(self, change: SceneChange) -> dict[str, str]:
        inherited = {key: value for key, value in os.environ.items() if key not in self._secrets}
        return inherited | variables(change)

    def _end_child(self) -> None:
        if (child := self._child) is not None:
            child.close()


def variables(change: SceneChange) -> dict[str, str]:
    """What a command is told of a change; what is not known is empty."""
    event = to_values(change)
    previous = event["previous"] or {}
    values = {
        "SCENE": event["scene"],
        "PREVIOUS_SCENE": previous.get("scene"),
        "CONFIDENCE": event["confidence"],
        "START_S": event["start_s"],
        "TIME": event["time"],
        "DURATION_S": previous.get("duration_s"),
        "EVENT": json.dumps(event, allow_nan=False),
    }
    return {f"EDGE_ASC_{key}": "" if value is None else str(value) for key, value in values.items()}
