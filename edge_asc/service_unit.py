"""The text of the systemd unit that `edge-asc service install` writes.

Everything in it is explained in docs/service.md; man systemd.exec and systemd.service say what
each line does.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from edge_asc.errors import ServiceError

UNIT_NAME = "edge-asc.service"
MARK = "# Written by `edge-asc service install`"
"""Begins every unit that may be overwritten or removed."""

CONFIG_MARK = "# Configuration: "
STATE_FOLDER = Path("/var/lib/edge-asc")
"""Installed models of the system's service; what the unit's StateDirectory= makes."""

_HEAD = """\
{mark}, which overwrites it.
# Your own changes go beside it: {systemctl} edit edge-asc
{config_line}
[Unit]
Description=edge-asc: acoustic scenes from live sound
{order}# Never give up: the default is to stop after five starts in ten seconds.
StartLimitIntervalSec=0

[Service]
# The program says itself when it is ready, that sound flows, and what it is doing.
Type=notify
NotifyAccess=main
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
SyslogIdentifier=edge-asc
{folder}"""

_USER_FOLDER = """\
# Not the home folder: an edge_asc in it would be taken for the package.
WorkingDirectory=/
"""

_LIFE = """\
# Fed only while sound arrives: a minute without means a new start. SIGTERM instead of SIGABRT,
# because a core dump holds sound; LimitCORE= sees to the other signals, MemorySwapMax= to swap.
WatchdogSec=60
WatchdogSignal=SIGTERM
LimitCORE=0
MemorySwapMax=0
Restart=always
RestartSec=5
# Wrong usage (unknown option, bad configuration) does not mend itself.
RestartPreventExitStatus=2
# The main process ends the capture process; whatever is left after it is killed.
KillMode=mixed
TimeoutStopSec=5

Nice=5
# One core at most; listening takes a few per cent of it.
CPUQuota=100%
MemoryMax=200M
TasksMax=64
# One heap for all threads takes less memory than one for each.
Environment=MALLOC_ARENA_MAX=1
# Threads of its own would only cost memory.
Environment=OPENBLAS_NUM_THREADS=1
"""

_ACCOUNT = """\
{user}# The group that may open sound cards.
SupplementaryGroups=audio
# For `edge-asc update`; the service itself only reads there.
StateDirectory=edge-asc
Environment=EDGE_ASC_MODEL_DIR={state_folder}
"""

_SANDBOX = """\
# Not here, because it would break: MemoryDenyWriteExecute= (the callback that PortAudio calls is
# machine code made at run time, by cffi), ProcSubset=pid (the interpreter reads /proc/cpuinfo to
# choose its kernels, and crashes without), ProtectClock= (forbids to ask whether the clock is set).
NoNewPrivileges=yes
SystemCallArchitectures=native
# adjtimex only asks: setting the clock takes a capability.
SystemCallFilter=@system-service adjtimex clock_adjtime
SystemCallErrorNumber=EPERM
LockPersonality=yes
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
UMask=0077
"""

_SYSTEM_SANDBOX = """\
CapabilityBoundingSet=
ProtectSystem=strict
# Read-only and not hidden: programs and models may lie in a home folder.
ProtectHome=read-only
PrivateTmp=yes
ProtectProc=invisible
ProtectControlGroups=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelModules=yes
ProtectKernelTunables=yes
# Of all devices only sound cards.
DevicePolicy=closed
DeviceAllow=char-alsa rw
"""

_NO_NETWORK = """\
# No network: sound cannot leave this device. `--allow-network` at installation changes it.
RestrictAddressFamilies=AF_UNIX
"""

_NO_ADDRESSES = """\
IPAddressDeny=any
PrivateNetwork=yes
"""

_NETWORK = """\
# Network, because --allow-network was given: sources such as ffmpeg may fetch sound.
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
"""


@dataclass(frozen=True, slots=True)
class Unit:
    """What differs from one unit to the next."""

    python: Path
    """Absolute path of the interpreter whose package is run"""
    config: Path | None = None
    """Absolute path of the configuration file"""
    user_manager: bool = False
    """For `systemctl --user`, which can do a part of the sandbox only"""
    run_as: str | None = None
    """The system's user that it runs as; None for one that exists while it runs"""
    allow_network: bool = False

    def text(self) -> str:
        """The unit file. Raises ServiceError for a path or user that systemd does not take."""
        head = _HEAD.format(
            mark=MARK,
            systemctl="systemctl --user" if self.user_manager else "sudo systemctl",
            config_line=f"{CONFIG_MARK}{self.config}\n" if self.config else "",
            order=self._order(),
            command=self._command(),
            folder=_USER_FOLDER if self.user_manager else "",
        )
        network = _NETWORK if self.allow_network else _NO_NETWORK
        install = f"[Install]\nWantedBy={start_target(self.user_manager)}\n"
        if self.user_manager:
            return "\n".join((head, _LIFE, _SANDBOX + network, install))
        if not self.allow_network:
            network += _NO_ADDRESSES
        sandbox = _SANDBOX + _SYSTEM_SANDBOX + network
        return "\n".join((head, _LIFE, self._account(), sandbox, install))

    def _command(self) -> str:
        words = [str(self.python), "-m", "edge_asc", "listen", "--format", "json"]
        if self.config is not None:
            words += ["--config", str(self.config)]
        line = " ".join(_quoted(word) for word in words)
        # With a colon before it, systemd leaves a $ alone.
        return f":{line}" if "$" in line else line

    def _order(self) -> str:
        if self.user_manager:
            return "After=sound.target pipewire.service wireplumber.service pulseaudio.service\n"
        if self.allow_network:
            return "After=sound.target network-online.target\nWants=network-online.target\n"
        return "After=sound.target\n"

    def _account(self) -> str:
        user = (
            "# A user that exists only while the service runs and owns nothing else.\n"
            "DynamicUser=yes\n"
        )
        if self.run_as is not None:
            if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9_.-]*", self.run_as):
                raise ServiceError(
                    "a user's name must be of letters, digits, dots, dashes and underscores, got"
                    f" {self.run_as!r}"
                )
            user = f"User={self.run_as}\n"
        return _ACCOUNT.format(user=user, state_folder=STATE_FOLDER)


def start_target(user_manager: bool) -> str:
    """What starts the service: the system, or the user's session."""
    return "default.target" if user_manager else "multi-user.target"


def _quoted(word: str) -> str:
    """A word of ExecStart= as systemd.syntax(7) wants it.

    Raises ServiceError for characters that systemd refuses in the path of a program.
    """
    if re.search(r"[\x00-\x1f\x7f\\'\"\ud800-\udfff]", word):
        raise ServiceError(
            "systemd takes no path with quotes, backslashes, control characters or broken UTF-8,"
            f" got {word!r}; rename it"
        )
    escaped = word.replace("%", "%%")
    return escaped if re.fullmatch(r"[\w@%+=:,./-]+", escaped) else f'"{escaped}"'
