"""What the page, its history and the metrics take of a processor and of memory.

    python -m edge_asc.benchmarks.web_cost RECORDING [--seconds 60]

The recording is classified first, and fast. Then its messages are given to the outputs in real
time, each in a process that does nothing else. Memory is that of whole listeners, run side by side.
"""

from __future__ import annotations

import http.client
import multiprocessing
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import click

from edge_asc.benchmarks.listener import Listener
from edge_asc.benchmarks.process_facts import read_facts
from edge_asc.benchmarks.view_cost import hear
from edge_asc.messages import Message
from edge_asc.outputs import Output, Outputs
from edge_asc.sinks.metrics import Metrics
from edge_asc.update import open_best_model
from edge_asc.vitals import Vitals
from edge_asc.web.history_file import HistoryFile
from edge_asc.web.http import Address
from edge_asc.web.opening import open_metrics, open_page

SCRAPE_S = 15.0
"""As Prometheus does, unless told otherwise"""

NEITHER, PAGE, BROWSERS = "neither", "--web", "--web, two browsers"
METRICS, HISTORY = "--metrics, a scrape every 15 s", "--history"
KINDS = (NEITHER, PAGE, BROWSERS, METRICS, HISTORY)

_IMPORTS = {
    "--web": "edge_asc.web.opening",
    "--metrics": "edge_asc.web.opening, edge_asc.sinks.metrics",
}
_LISTENING = "edge_asc.listen, edge_asc.classifier, edge_asc.outputs, edge_asc.sinks.jsonl"
_SETTLE_S = 3.0


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


def open_output(kind: str, port: int, folder: str) -> list[Output]:
    """The output that is measured."""
    manifest = open_best_model(None, click.echo).manifest
    listening: Any = SimpleNamespace(
        source=SimpleNamespace(name="recording", live=True), manifest=manifest, say=click.echo
    )
    address = Address("127.0.0.1", port)
    if kind in (PAGE, BROWSERS):
        return [open_page(address, None, listening)]
    if kind == METRICS:
        return [open_metrics(address, None, listening, Metrics(Vitals("x", "x", live=True)))]
    if kind == HISTORY:
        path = Path(folder) / "history.sqlite"
        return [HistoryFile(path, 50_000_000, manifest.scenes, say=click.echo)]
    return []


def cpu_share(kind: str, port: int, messages: list[Message], seconds: float) -> float:
    """Share of a core, with an estimate a second."""
    with tempfile.TemporaryDirectory() as folder:
        outputs = Outputs(open_output(kind, port, folder), say=click.echo)
        time.sleep(_SETTLE_S)
        began_s, before_s = time.monotonic(), time.process_time()
        for number in range(round(seconds)):
            outputs.write(messages[number % len(messages)])
            time.sleep(max(0.0, began_s + number + 1 - time.monotonic()))
        share = (time.process_time() - before_s) / (time.monotonic() - began_s)
        outputs.close()
    return share


def cpu_shares(recording: Path, seconds: float) -> dict[str, float]:
    """Of every kind, at the same time."""
    messages = hear(recording, open_best_model(None, click.echo), seconds)
    ports = {kind: free_port() for kind in KINDS}
    stop = threading.Event()
    with multiprocessing.get_context("spawn").Pool(len(KINDS)) as pool:
        found = pool.starmap_async(
            cpu_share, [(kind, ports[kind], messages, seconds) for kind in KINDS]
        )
        clients = [
            threading.Thread(target=read_stream, args=(ports[BROWSERS],), daemon=True),
            threading.Thread(target=read_stream, args=(ports[BROWSERS],), daemon=True),
            threading.Thread(target=scrape, args=(ports[METRICS], stop), daemon=True),
        ]
        wait_for_server(ports[BROWSERS])
        for client in clients:
            client.start()
        shares = found.get()
    stop.set()
    return dict(zip(KINDS, shares, strict=True))


def wait_for_server(port: int) -> None:
    """Until somebody listens there."""
    while True:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)


def memory_mb(recording: Path) -> dict[str, float]:
    """Of listeners after ten estimates, in MB."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        options: dict[str, tuple[str, ...]] = {
            NEITHER: (),
            PAGE: ("--web", str(free_port())),
            METRICS: ("--metrics", str(free_port())),
            HISTORY: ("--history", f"{folder}/history.sqlite", "--time", "2026-05-17T06:00"),
        }
        listeners = {
            kind: stack.enter_context(Listener("--source", str(recording), *arguments))
            for kind, arguments in options.items()
        }
        for listener in listeners.values():
            listener.wait_for_estimates(10)
        return {kind: read_facts(item.process.pid).rss_mb for kind, item in listeners.items()}


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
def main(recording: Path, seconds: float) -> None:
    """Print what each option takes."""
    for kind, share in cpu_shares(recording, seconds).items():
        click.echo(f"{kind}: {100 * share:.2f} % of a core")
    for kind, used_mb in memory_mb(recording).items():
        click.echo(f"{kind}: {used_mb:.1f} MB")
    for what, modules in _IMPORTS.items():
        times_ms = [1000 * import_s(modules) for _ in range(10)]
        click.echo(f"to load {what}: median {statistics.median(times_ms):.0f} ms")


if __name__ == "__main__":
    main()
