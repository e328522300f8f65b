"""Raw PCM from pipes, live: standard input, and commands such as arecord and ffmpeg."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Callable, Iterator

from edge_asc.child_process import split_command
from edge_asc.clock import elapsed_s
from edge_asc.errors import SourceError
from edge_asc.sources import RawFormat
from edge_asc.sources.flow import Block
from edge_asc.sources.pcm import PcmDecoder
from edge_asc.sources.process import SoundProcess

STDIN_NAME = "standard input"


def refuse_terminal(is_terminal: bool, raw: RawFormat) -> None:
    """Raise SourceError for a terminal: nobody types sound."""
    if is_terminal:
        raise SourceError(
            "standard input is a terminal; pipe raw PCM into it, for instance"
            f" arecord -t raw -f S16_LE -r {raw.sample_rate_hz} | edge-asc listen --source -"
        )


def stdin_is_recorded() -> bool:
    """Whether standard input is a file (`< sound.raw`), whose sound does not happen now."""
    try:
        return stat.S_ISREG(os.fstat(sys.stdin.fileno()).st_mode)
    except OSError:  # not of the operating system: a test's
        return True


class StandardInput:
    """Captures raw PCM that is piped in while it sounds. Raises SourceError for a terminal."""

    start_grace_s = 10.0
    can_restart = False
    may_flood = True

    def __init__(self, raw: RawFormat, say: Callable[[str], None]) -> None:
        refuse_terminal(sys.stdin.isatty(), raw)
        self.name = STDIN_NAME
        self.description = f"{self.name} ({raw.sample_rate_hz} Hz, live)"
        self._raw, self._say = raw, say

    def open(self) -> _StandardInputSession:
        """Begin to read."""
        return _StandardInputSession(self._raw, self._say)


class _StandardInputSession:
    def __init__(self, raw: RawFormat, say: Callable[[str], None]) -> None:
        self._raw, self._say = raw, say
        self._closed = False

    def blocks(self) -> Iterator[Block]:
        decoder = PcmDecoder(self._raw, STDIN_NAME)
        yield from _decoded(self._read, decoder, self._raw)
        if note := decoder.finish():
            self._say(note)

    def close(self) -> None:
        """Standard input belongs to the process and stays open; a read that waits is the last."""
        self._closed = True

    def _read(self, size: int) -> bytes:
        # Not through Python's buffer: its lock would be held when the program ends.
        data = os.read(sys.stdin.fileno(), size)
        return b"" if self._closed else data


class Command:
    """Captures raw PCM that a command writes, split into words as a shell does, run without one.

    Raises SourceError for an empty command, open quotes, and a program that is not there.
    """

    start_grace_s = 20.0
    can_restart = True
    may_flood = True

    def __init__(self, command: str, raw: RawFormat) -> None:
        example = "; for instance --source 'exec:arecord -q -t raw -f S16_LE -r 44100'"
        try:
            self._words = split_command(command)
        except ValueError as error:
            raise SourceError(
                f"{error}{example}; for pipes and variables of a shell: exec:sh -c '...'"
            ) from error
        if not self._words:
            raise SourceError(f"exec: must be followed by a command{example}")
        self.name = self._words[0]
        self.description = f"{command} ({raw.sample_rate_hz} Hz, live)"
        self._raw = raw

    def open(self) -> _CommandSession:
        """Start the command. Raises SourceError."""
        return _CommandSession(SoundProcess(self._words), self.name, self._raw)


class _CommandSession:
    def __init__(self, process: SoundProcess, name: str, raw: RawFormat) -> None:
        self._process, self._name, self._raw = process, name, raw

    def blocks(self) -> Iterator[Block]:
        decoder = PcmDecoder(self._raw, self._name)
        try:
            yield from _decoded(self._process.read, decoder, self._raw)
        finally:
            self._process.close_output()
        _, end = self._process.how_it_ended()
        raise SourceError(f"{self._name} {end}")

    def close(self) -> None:
        self._process.close()


def _decoded(read: Callable[[int], bytes], decoder: PcmDecoder, raw: RawFormat) -> Iterator[Block]:
    while data := read(decoder.chunk_bytes):
        samples = decoder.process(data)
        if len(samples):
            yield Block(samples, raw.sample_rate_hz, elapsed_s())
