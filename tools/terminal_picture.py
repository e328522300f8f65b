"""Make docs/terminal.svg: the terminal view, as it is after four minutes of a synthetic walk.

    python tools/terminal_picture.py --out docs/terminal.svg

The program itself runs, in tmux, in real time. It hears a command that plays what `edge-asc synth`
made at the pace of time; after two and a half minutes it is paused for a moment. One of its outputs
is a broker that is not there.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import soundfile
from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

EDGE_ASC = Path(sys.executable).with_name("edge-asc")
COLUMNS, ROWS = 100, 36
SCENES, SECONDS_EACH = "bus,urban_park,restaurant,metro,bar", 48
PAUSED_AT_S, PAUSED_S, TAKEN_AT_S = 150.0, 12.0, 236.0
CHUNK_S = 0.1

THEME = TerminalTheme(
    (30, 33, 38),
    (214, 218, 224),
    [
        (30, 33, 38),
        (226, 102, 92),
        (120, 184, 92),
        (224, 176, 72),
        (86, 160, 211),
        (184, 134, 210),
        (86, 178, 186),
        (214, 218, 224),
    ],
)
"""Of the terminal: background, foreground, and the eight colours that have names"""

SVG = """\
<svg viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font: {char_height}px "DejaVu Sans Mono", Menlo, Consolas, monospace; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
<rect width="{width}" height="{height}" rx="8" fill="#1e2126"/>
<text x="21" y="27" class="{unique_id}-matrix" fill="#8c9095">$ edge-asc listen --format live</text>
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix">{matrix}</g>
</g>
</svg>
"""
"""Without a font from elsewhere; the names in braces are those of rich's export_svg"""


def play(file: Path) -> None:
    """Write the samples of `file` to standard output, when they would have been heard."""
    samples, rate_hz = soundfile.read(file, dtype="int16")
    size, begin_s = round(CHUNK_S * rate_hz), time.monotonic()
    for start in range(0, len(samples), size):
        chunk = samples[start : start + size]
        time.sleep(max(0.0, begin_s + (start + len(chunk)) / rate_hz - time.monotonic()))
        sys.stdout.buffer.write(chunk.tobytes())
        sys.stdout.buffer.flush()


def take(folder: Path) -> str:
    """The screen with its styles, as a terminal would be sent it."""

    def tmux(*arguments: str) -> str:
        return subprocess.run(
            ["tmux", "-u", "-S", "socket", "-f", os.devnull, *arguments],
            cwd=folder,
            env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "COLORTERM": "truecolor"},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    made = ("--recording", "walk.wav", "--scenes", SCENES, "--seconds", str(SECONDS_EACH))
    subprocess.run([EDGE_ASC, "synth", *made], cwd=folder, check=True, capture_output=True)
    player = folder / "street-player"
    player.write_text(f"#!{sys.executable}\n{Path(__file__).read_text(encoding='utf-8')}")
    player.chmod(0o755)
    options = "--format live --city Luoyang --trust-clock --log day.jsonl --mqtt mqtt://localhost"
    source = shlex.quote("exec:./street-player --play walk.wav")
    command = f"{EDGE_ASC} listen --source {source} {options}"
    tmux("new-session", "-d", "-x", str(COLUMNS), "-y", str(ROWS), command)
    try:
        time.sleep(PAUSED_AT_S)
        tmux("send-keys", "p")
        time.sleep(PAUSED_S)
        tmux("send-keys", "p")
        time.sleep(TAKEN_AT_S - PAUSED_AT_S - PAUSED_S)
        return tmux("capture-pane", "-p", "-e", "-N")
    finally:
        tmux("kill-server")


def draw(screen: str) -> str:
    """The same as SVG."""
    with Path(os.devnull).open("w") as nowhere:
        console = Console(
            record=True,
            width=COLUMNS,
            file=nowhere,
            force_terminal=True,
            color_system="truecolor",
        )
        console.print(Text.from_ansi(screen.rstrip("\n")), no_wrap=True, crop=True)
        return console.export_svg(theme=THEME, code_format=SVG, unique_id="terminal")


def main() -> None:
    """Make the picture, or play a file for it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--out", type=Path, default=Path("docs/terminal.svg"))
    parser.add_argument("--play", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.play is not None:
        play(arguments.play)
        return
    with tempfile.TemporaryDirectory() as name:
        arguments.out.write_text(draw(take(Path(name))), encoding="utf-8")


if __name__ == "__main__":
    main()
