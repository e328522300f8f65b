"""A child process whose output is sound."""

from __future__ import annotations

import contextlib
import fcntl
import os
import subprocess
from collections.abc import Sequence

from edge_asc.child_process import ChildProcess
from edge_asc.errors import SourceError

_PIPE_BYTES = 1 << 20
"""Five seconds of 48 kHz float32: a writer is not held up by a reader who is."""


class SoundProcess(ChildProcess):
    """Runs a command and reads what it writes. Raises SourceError if it cannot be started."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            super().__init__(command, stdout=subprocess.PIPE)
        except OSError as error:
            raise SourceError(f"cannot run {command[0]!r}: {error.strerror or error}") from error
        assert self._process.stdout is not None
        self._output = self._process.stdout.fileno()
        if hasattr(fcntl, "F_SETPIPE_SZ"):  # Linux, Python 3.10
            with contextlib.suppress(OSError):  # more than the user's share of pipes: then less
                fcntl.fcntl(self._output, fcntl.F_SETPIPE_SZ, _PIPE_BYTES)

    def read(self, size: int) -> bytes:
        """At most `size` bytes, as soon as there are any; none when the process closed its end."""
        return os.read(self._output, size)

    def read_exactly(self, size: int) -> bytes:
        """`size` bytes, fewer if the process closed its end before."""
        data = bytearray()
        while len(data) < size and (more := self.read(size - len(data))):
            data += more
        return bytes(data)

    def close_output(self) -> None:
        """For the reader, when it reads no more."""
        assert self._process.stdout is not None
        self._process.stdout.close()
