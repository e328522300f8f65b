"""A child process whose output is sound: started, read, and ended whatever state it is in."""

from __future__ import annotations

import contextlib
import fcntl
import os
import signal
import subprocess
import threading
from collections import deque
from collections.abc import Sequence

from edge_asc.errors import SourceError

_PIPE_BYTES = 1 << 20
"""Five seconds of 48 kHz float32: a writer is not held up by a reader who is."""

_END_S = 0.3
"""For so long a process may tidy up before it is killed."""

_LINES_KEPT = 3


class SoundProcess:
    """Runs a command in a session of its own: Ctrl-C is for the listener, who ends it.

    Raises SourceError if it cannot be started.
    """

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
            )
        except OSError as error:
            raise SourceError(f"cannot run {command[0]!r}: {error.strerror or error}") from error
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux, Python 3.10
            with contextlib.suppress(OSError):  # more than the user's share of pipes: then less
                fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)
        self._last_lines: deque[str] = deque(maxlen=_LINES_KEPT)
        self._errors = threading.Thread(target=self._keep_errors, daemon=True)
        self._errors.start()

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as soon as there are any; none when the process closed its end."""
        return os.read(self._output, size)

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes, fewer if the process closed its end before."""
        data = bytearray()
        while len(data) < size and (more := self.read(size - len(data))):
            data += more
        return bytes(data)

    def how_it_ended(self) -> tuple[int | None, str]:
        """Its exit code, None while it runs, and that with its last words as a text."""
        try:
            code = self._process.wait(timeout=_END_S)
        except subprocess.TimeoutExpired:
            return None, "closed its output"
        self._errors.join(timeout=_END_S)
        died = code < 0
        end = f"died of {signal.Signals(-code).name}" if died else f"ended with exit code {code}"
        said = "; ".join(self._last_lines)
        return code, f"{end}{': ' if said else ''}{said}"

    def close_output(self) -> None:
        """For the reader, when it reads no more."""
        assert self._process.stdout is not None
        self._process.stdout.close()

    def close(self) -> None:
        """End it and what it started. A process that even SIGKILL does not end is left alone."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=_END_S)

    def _keep_errors(self) -> None:
        assert self._process.stderr is not None
        with self._process.stderr as stream:
            # Lines of a program that never ends one are cut.
            while line := stream.readline(1_000):
                if text := line.decode(errors="replace").strip():
                    self._last_lines.append(text)
