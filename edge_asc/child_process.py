"""A command that runs beside the listener: started, and ended whatever state it is in."""

from __future__ import annotations

import contextlib
import os
import shlex
import shutil
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Mapping, Sequence

END_S = 0.3
"""For so long a process may tidy up before it is killed."""

_LINES_KEPT = 3


def split_command(command: str) -> list[str]:
    """The words of a command, as a shell splits them; no shell will run it.

    Raises ValueError for open quotes, and for a program that is not there; none for no words.
    """
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise ValueError(f"the command {command!r} cannot be read: {error}") from error
    if words and shutil.which(words[0]) is None:
        raise ValueError(f"there is no program {words[0]!r} to run")
    return words


class ChildProcess:
    """Runs a command in a session of its own: Ctrl-C is for the listener, who ends it.

    Its last words on stderr are kept, its other output goes to `stdout`, if anywhere. Raises
    OSError if it cannot be started.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        stdout: int = subprocess.DEVNULL,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """`environment`: that of this process where there is none."""
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=stdout,
            stderr=subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            env=environment,
        )
        self._last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._errors = threading.Thread(target=self._keep_errors, daemon=True)
        self._errors.start()

    def wait(self, seconds: float) -> int | None:
        """Its exit code, None if it still runs after so long."""
        try:
            return self._process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    @property
    def last_words(self) -> str:
        """The last lines that it wrote to stderr."""
        return "; ".join(self._last_lines)

    def how_it_ended(self) -> tuple[int | None, str]:
        """Its exit code, None while it runs, and that with its last words as a text."""
        code = self.wait(END_S)
        if code is None:
            return None, "closed its output"
        self._errors.join(END_S)
        died = code < 0
        end = f"died of {signal.Signals(-code).name}" if died else f"ended with exit code {code}"
        return code, f"{end}{': ' if self.last_words else ''}{self.last_words}"

    def close(self) -> None:
        """End it and what it started. A process that even SIGKILL does not end is left alone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            self.wait(END_S)

    def _keep_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            # Lines of a program that never ends one are cut.
            while line := stream.readline(1_000):
                if text := line.decode(errors="replace").strip():
                    self._last_lines.append(text)
