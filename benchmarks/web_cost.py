"""What the page, its history and the metrics take of a processor and of memory.

    python -m edge_asc.benchmarks.web_cost RECORDING [--seconds 60] [--runs 3]

Listeners with one estimate a second run side by side, each with other options; at the one with two
browsers, two event streams are read. Programs are in the system's cache when they start.
"""

from __future__ import annotations

import http.client
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path

import click

from edge_asc.benchmarks.listener import Listener
from edge_asc.benchmarks.process_facts import read_facts

SCRAPE_S = 15.0
"""As Prometheus does, unless told otherwise"""

_IMPORTS = {
    "--web": "edge_asc.web.opening",
    "--metrics": "edge_asc.web.opening, edge_asc.sinks.metrics",
}
_LISTENING = "edge_asc.listen, edge_asc.classifier, edge_asc.outputs, edge_asc.sinks.jsonl"


def read_stream(port: int) -> None:
    """Be a browser, until the server ends."""
    client = http.client.HTTPConnection("127.0.0.1", port)
    client.request("GET", "/api/events")
    response = client.getresponse()
    while response.readline():
        pass


def scrape(port: int, stop: threading.Event) -> None:
    """Be Prometheus."""
    while not stop.wait(SCRAPE_S):
        client = http.client.HTTPConnection("127.0.0.1", port)
        client.request("GET", "/metrics")
        client.getresponse().read()
        client.close()


def free_port() -> int:
    """One that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def costs(recording: Path, seconds: float) -> dict[str, tuple[float, float]]:
    """Share of a core and resident memory in MB, by options."""
    page, busy_page, metrics = (free_port() for _ in range(3))
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        options = {
            "neither": (),
            "--web": ("--web", str(page)),
            "--web, two browsers": ("--web", str(busy_page)),
            "--metrics, a scrape every 15 s": ("--metrics", str(metrics)),
            "--history": ("--history", f"{name}/history.sqlite", "--time", "2026-05-17T06:00"),
        }
        listeners = {
            what: stack.enter_context(Listener("--source", str(recording), *arguments))
            for what, arguments in options.items()
        }
        for listener in listeners.values():
            listener.wait_for_estimates(1)
        stop = threading.Event()
        stack.callback(stop.set)
        for _ in range(2):
            threading.Thread(target=read_stream, args=(busy_page,), daemon=True).start()
        threading.Thread(target=scrape, args=(metrics, stop), daemon=True).start()
        pids = {what: listener.process.pid for what, listener in listeners.items()}
        before = {what: read_facts(pid).cpu_s for what, pid in pids.items()}
        began_s = time.monotonic()
        time.sleep(seconds)
        passed_s = time.monotonic() - began_s
        after = {what: read_facts(pid) for what, pid in pids.items()}
    return {
        what: ((facts.cpu_s - before[what]) / passed_s, facts.rss_mb)
        for what, facts in after.items()
    }


def import_s(modules: str) -> float:
    """Seconds for `modules`, where all that listening needs is there already."""
    program = (
        f"import {_LISTENING}, time; began_s = time.perf_counter(); import {modules};"
        " print(time.perf_counter() - began_s)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    return float(done.stdout)


@click.command()
@click.argument("recording", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--seconds", type=click.FloatRange(min=1), default=60.0, show_default=True)
@click.option("--runs", type=click.IntRange(min=1), default=3, show_default=True)
def main(recording: Path, seconds: float, runs: int) -> None:
    """Print what each option takes. RECORDING lasts 15 s longer than --seconds."""
    found = [costs(recording, seconds) for _ in range(runs)]
    for what in found[0]:
        shares = [100 * run[what][0] for run in found]
        memory_mb = statistics.median(run[what][1] for run in found)
        told = ", ".join(f"{share:.2f}" for share in shares)
        click.echo(f"{what}: {told} % of a core, {memory_mb:.1f} MB")
    for what, modules in _IMPORTS.items():
        times_ms = [1000 * import_s(modules) for _ in range(10)]
        click.echo(f"to load {what}: median {statistics.median(times_ms):.0f} ms")


if __name__ == "__main__":
    main()
