"""How long a cancelled run takes to end with its checkpoint, of each launcher that there is without a cluster.

    python -m tools.service_cancel

A service with runs of its own computer's, of a command's and of a Dask cluster's here: each run is cancelled while it
trains, and the time until it is heard that it was is taken by a clock, beside the processor's seconds of all runs of
this tool. So many busy processes beside (`--busy`) show what is left of it on a computer that has no time.
"""

from __future__ import annotations

import argparse
import json
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from tools.service_kills import RUN, Served
from tools.service_soak import ready

QUIET = ("--no-dashboard", "--dashboard-address", "127.0.0.1:0")


@contextmanager
def process(*command: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process, until it is not needed any more."""
    with log.open("ab") as file, subprocess.Popen(command, stdout=file, stderr=file, cwd=log.parent) as begun:
        try:
            yield begun
        finally:
            begun.terminate()


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """The address of a scheduler with a worker."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        address = f"tcp://127.0.0.1:{bound.getsockname()[1]}"
    dask = [sys.executable, "-m", "distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", address[16:]]
    worker = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--nthreads", "1", "--no-nanny"]
    with process(*dask, *QUIET, log=folder / "scheduler.log"), process(*worker, *QUIET, log=folder / "worker.log"):
        yield address


def cancelled(served: Served, launcher: str, number: int) -> float:
    """Seconds from the request to cancel a run that trains until it is heard that it was."""
    asked = {"config": RUN.format(seed=number, epochs=1_000_000), "again": True, "launcher": launcher}
    run = served.client.ask("POST", "/v1/runs", asked)["id"]
    began = 0.0
    for told in served.client.events(run):
        if not began and told.kind == "points" and told.data["step"] > 0:
            time.sleep(0.1 * (number % 10))  # wherever it is in what it does from time to time
            began = time.monotonic()
            served.client.ask("POST", f"/v1/runs/{run}/cancel")
        if told.kind == "state" and told.data["state"] == "cancelled":
            return time.monotonic() - began
    raise SystemExit(f"run {run} of {launcher} is {served.client.run(run)}")


def main() -> None:
    """Print the least, the middle and the most of each."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("times", nargs="?", type=int, default=10, help="how often each is tried (%(default)s)")
    parser.add_argument("--busy", type=int, default=0, metavar="N", help="so many busy processes beside (%(default)s)")
    parser.add_argument("--launchers", nargs="+", default=["local", "command", "dask"], help="which (all)")
    given = parser.parse_args()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        options = ["--launcher", "local"]
        if "command" in given.launchers:
            options += ["--launcher", f"command={sys.executable} -m trainer attempt"]
        if "dask" in given.launchers:
            scheduler = stack.enter_context(cluster(folder))
            options += ["--launcher", f"dask={json.dumps({'scheduler': scheduler})}"]
        served = Served(folder / "root", *options)
        stack.callback(served.process.wait)
        stack.callback(served.process.terminate)
        while not ready(served.client):
            time.sleep(0.5)
        for _ in range(given.busy):
            stack.enter_context(process(sys.executable, "-c", "while True: pass", log=folder / "busy.log"))
        for launcher in given.launchers:
            taken = [cancelled(served, launcher, number) for number in range(given.times + 1)][1:]
            print(
                f"{launcher}: {min(taken):.2f} s at least, {statistics.median(taken):.2f} s in the middle, "
                f"{max(taken):.2f} s at most, of {len(taken)}",
                flush=True,
            )


if __name__ == "__main__":
    main()
