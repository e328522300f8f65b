"""What listening takes of a machine: time of the processor, time to begin, time to end.

    python -m edge_asc.benchmarks.listen_cost [--minutes 2] [--runs 20]

`edge-asc listen` with one estimate a second, at a microphone of PulseAudio that hears real
recordings. Programs are in the system's cache when they start, as after the first time.
"""

from __future__ import annotations

import signal
import statistics
import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import click

from edge_asc.benchmarks.listener import LISTEN, Listener
from edge_asc.benchmarks.process_facts import read_facts
from edge_asc.benchmarks.programme import playing, recordings_option, write_programme
from edge_asc.benchmarks.sound_server import DEVICE, SoundServer, missing_parts
from edge_asc.sources.microphone import CAPTURE_COMMAND

MICROPHONE = ("--device", DEVICE)
COMMAND = ("--source", "exec:cat /dev/zero")


def cpu_share(server: SoundServer, minutes: float) -> tuple[float, float]:
    """Shares of a core that listener and capture process take, once the first window is full."""
    with Listener(*MICROPHONE, env=server.env) as listener:
        listener.wait_for_estimates(2)
        capture_pid = listener.capture_pid()
        assert capture_pid is not None
        pids = (listener.process.pid, capture_pid)
        began_s, before = time.monotonic(), [read_facts(pid).cpu_s for pid in pids]
        time.sleep(60 * minutes)
        passed_s, after = time.monotonic() - began_s, [read_facts(pid).cpu_s for pid in pids]
        listener.finish()
    shares = [(end_s - begin_s) / passed_s for begin_s, end_s in zip(before, after, strict=True)]
    return shares[0], shares[1]


def time_to_help() -> float:
    """Seconds from the start of `edge-asc --help` to its end."""
    began_s = time.perf_counter()
    subprocess.run([*LISTEN[:3], "--help"], capture_output=True, check=True)
    return time.perf_counter() - began_s


def time_to_sound(server: SoundServer, source: tuple[str, ...]) -> float:
    """Seconds from the start of a listener to the first block that it heard."""
    began_s = time.perf_counter()
    heard_s: list[float] = []

    def listen(word: str) -> None:
        if word.startswith("hearing "):
            heard_s.append(time.perf_counter() - began_s)

    with Listener(*source, env=server.env, on_word=listen) as listener:
        listener.wait_for_word("^hearing ")
        listener.finish()
    return heard_s[0]


def time_to_capture(server: SoundServer) -> float:
    """Seconds from the start of the capture process to a stream that runs."""
    began_s = time.perf_counter()
    command = [*CAPTURE_COMMAND, "44100", DEVICE]
    with subprocess.Popen(command, env=server.env, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        running_s = time.perf_counter() - began_s
        process.kill()
    return running_s


def time_to_end(server: SoundServer, prepare: Callable[[SoundServer], None]) -> float:
    """Seconds from SIGTERM to the end of a listener at the microphone."""
    with Listener(*MICROPHONE, env=server.env) as listener:
        listener.wait_for_word("^hearing ")
        prepare(server)
        began_s = time.perf_counter()
        listener.process.send_signal(signal.SIGTERM)
        listener.process.wait()
        ended_s = time.perf_counter() - began_s
    server.release()
    return ended_s


def time_to_end_blocked() -> float:
    """The same for one whose reader does not read, so that it waits in the middle of a line."""
    with (
        Path("/dev/zero").open("rb") as zeros,
        subprocess.Popen(
            [*LISTEN, "--source", "-", "--fast"],
            stdin=zeros,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        time.sleep(5.0)
        began_s = time.perf_counter()
        process.terminate()
        process.wait()
        return time.perf_counter() - began_s


@click.command()
@click.option("--minutes", type=click.FloatRange(min=0.1), default=2.0, show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=20, show_default=True)
@recordings_option
def main(minutes: float, runs: int, recordings: list[Path]) -> None:
    """Print what `edge-asc listen` takes."""
    if missing := missing_parts():
        raise click.UsageError(f"needs {', '.join(missing)}")
    with tempfile.TemporaryDirectory() as name, SoundServer(Path(name)) as server:
        programme = Path(name) / "programme.wav"
        write_programme(recordings, programme, seed=1)
        with playing(server, programme):
            listener, capture = cpu_share(server, minutes)
            click.echo(
                f"share of a core over {minutes:g} minutes: listener {100 * listener:.2f} %,"
                f" capture process {100 * capture:.2f} %"
            )
            measures: dict[str, Callable[[], float]] = {
                "edge-asc --help": time_to_help,
                "to the first sound of a command": lambda: time_to_sound(server, COMMAND),
                "capture process, to a running stream": lambda: time_to_capture(server),
                "to the first sound of PulseAudio": lambda: time_to_sound(server, MICROPHONE),
                "SIGTERM while listening": lambda: time_to_end(server, lambda _: None),
                "SIGTERM, sound server frozen": lambda: time_to_end(server, SoundServer.freeze),
                "SIGTERM, stdout blocked": time_to_end_blocked,
            }
            for what, measure in measures.items():
                tell(what, [measure() for _ in range(runs)])


def tell(what: str, times_s: list[float]) -> None:
    """Print median and maximum."""
    median_s, most_s = statistics.median(times_s), max(times_s)
    click.echo(f"{what}: median {median_s:.2f} s, at most {most_s:.2f} s of {len(times_s)}")


if __name__ == "__main__":
    main()
