"""What a service tells systemd of itself: that it is ready, alive, reloading, about to stop.

The protocol of sd_notify(3): lines of NAME=value in a datagram to the socket that $NOTIFY_SOCKET
names. https://www.freedesktop.org/software/systemd/man/latest/sd_notify.html
"""

from __future__ import annotations

import os
import socket
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial

from edge_asc.clock import elapsed_s as seconds_elapsed
from edge_asc.errors import ServiceError

ALIVE_EVERY_S = 1.0
"""The unit's WatchdogSec is far longer; more often would only wake systemd."""

PATIENCE_S = 1.0
"""How long a change of state waits for a service manager that is busy."""

Say = Callable[[str], None]
_to_stderr = partial(print, file=sys.stderr, flush=True)


class ServiceManager:
    """Tells the service manager how the service is; without one, every method does nothing.

    A manager that cannot be reached is told of once, by `say`, and tried again each time: it may
    be restarting. No method raises for it, and none waits for longer than `PATIENCE_S`.
    """

    def __init__(
        self,
        address: str | None,
        *,
        watchdog: bool = False,
        elapsed_s: Callable[[], float] = seconds_elapsed,
        say: Say = _to_stderr,
    ) -> None:
        """`address` is the socket: a path, "@" and an abstract name, or None without a manager.

        `watchdog`: the manager ends the service if it does not hear of it. `elapsed_s` counts
        seconds. Raises ServiceError for an address of another kind.
        """
        if address is not None and (len(address) < 2 or address[0] not in "/@"):
            raise ServiceError(
                "NOTIFY_SOCKET must be the absolute path of a socket, or @ and a name, got"
                f" {address!r}; systemd sets it, elsewhere unset it"
            )
        self._address = address and (f"\0{address[1:]}" if address[0] == "@" else address)
        self._watchdog = watchdog
        self._elapsed_s, self._say = elapsed_s, say
        self._alive_at_s: float | None = None
        self._status = ""
        self._reachable = True

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, say: Say = _to_stderr
    ) -> ServiceManager:
        """What systemd put into the environment of this process. Raises ServiceError."""
        watchdog = environment.get("WATCHDOG_USEC", "0") != "0"
        # A watchdog of the process that started this one is not for us to feed.
        ours = environment.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(environment.get("NOTIFY_SOCKET"), watchdog=watchdog and ours, say=say)

    def ready(self) -> None:
        """Started, or done with reloading; from now on the watchdog waits for `alive`."""
        self._tell("READY=1", patience_s=PATIENCE_S)

    def alive(self, status: str) -> None:
        """Sound flows: feed the watchdog, and say how it is going. Call it for every chunk.

        It sends at most once in `ALIVE_EVERY_S`.
        """
        now_s = self._elapsed_s()
        if self._alive_at_s is not None and now_s - self._alive_at_s < ALIVE_EVERY_S:
            return
        self._alive_at_s = now_s
        if self._watchdog:
            self._tell("WATCHDOG=1")
        self.status(status)

    def status(self, text: str) -> None:
        """What `systemctl status` shows; does not feed the watchdog."""
        line = " ".join(text.split())  # a line break would begin another assignment
        if line != self._status and self._tell(f"STATUS={line}"):
            self._status = line

    def reloading(self) -> None:
        """The configuration is read anew; `ready` follows."""
        moment_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._tell("RELOADING=1", f"MONOTONIC_USEC={moment_us}", patience_s=PATIENCE_S)

    def stopping(self) -> None:
        """About to end."""
        self._tell("STOPPING=1", patience_s=PATIENCE_S)

    def _tell(self, *lines: str, patience_s: float = 0.0) -> bool:
        """Whether the manager took it; with `patience_s` 0, it does not wait for a full queue."""
        if self._address is None:
            return False
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
                channel.settimeout(patience_s)
                channel.sendto("\n".join(lines).encode("utf-8", "replace"), self._address)
        except OSError as error:
            if self._reachable:
                self._say(f"the service manager cannot be told how this service is: {error}")
            self._reachable = False
            return False
        self._reachable = True
        return True
