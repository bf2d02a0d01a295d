"""Two hundred viewers of a service that is stopped and killed meanwhile: none of them misses an event.

    python -m tools.service_viewers

A run trains and its note is changed, which makes ten events a second; every viewer hears all of them, but for some that
never read. What a viewer costs is measured of the server's process, with viewers and without: processor seconds of a
viewer and an event, and memory that is its own. Then the service is ended by SIGTERM and later by SIGKILL and begun
again each time; viewers come back with the last event that they had. At the end each of them has had, in order, every
event that is in the database. Reads /proc, so it runs on Linux.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import re
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from urllib.parse import urlsplit

from tools.service_kills import RUN, Served
from tools.service_soak import look, ready
from trainer.errors import TrainerError

RATE = 10  # events a second
TRAINED = RUN.format(seed=0, epochs=10**6).replace("rows: 60", "rows: 20_000")
AGAIN = 0.2  # seconds until a viewer that was let go comes back
TICKS = os.sysconf("SC_CLK_TCK")
_ID = re.compile(rb"^id: (\d+)$", re.MULTILINE)


class Viewer(asyncio.Protocol):
    """What somebody has heard who watches all runs; where the connection ends it is made again."""

    def __init__(self, served: Served, first: int) -> None:
        self.served, self.first = served, first
        self.heard: list[int] = []
        self.over = asyncio.Event()
        self._rest = b""

    async def watch(self) -> None:
        """Until it is cancelled."""
        while True:
            self.over.clear()
            self._rest = b""
            with suppress(OSError):
                await connected(self.served, self.last, lambda: self)
                await self.over.wait()
            await asyncio.sleep(AGAIN)

    @property
    def last(self) -> int:
        """The event that it has had last."""
        return self.heard[-1] if self.heard else self.first

    def data_received(self, data: bytes) -> None:
        whole, found, self._rest = (self._rest + data).rpartition(b"\n\n")
        self.heard += map(int, _ID.findall(whole + found))

    def connection_lost(self, exc: Exception | None) -> None:
        self.over.set()


async def connected(served: Served, after: int, protocol: Callable[[], asyncio.BaseProtocol]) -> asyncio.WriteTransport:
    """A connection on which the events come that are behind that one."""
    address = urlsplit(served.client.url).netloc
    host, _, port = address.rpartition(":")
    transport, _ = await asyncio.get_running_loop().create_connection(protocol, host, int(port))
    head = f"GET /v1/events?after={after} HTTP/1.1\r\nHost: {address}\r\n"
    transport.write(f"{head}Authorization: Bearer {served.client.token}\r\n\r\n".encode())
    return transport


async def stalled(served: Served, after: int) -> asyncio.WriteTransport:
    """A viewer that does not read."""
    transport = await connected(served, after, asyncio.Protocol)
    assert isinstance(transport, asyncio.ReadTransport)
    transport.pause_reading()
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return transport


async def changes(served: Served, run: str) -> None:
    """Change the note of a run, whose training makes four events a second, so often that there are ten."""

    async def change(note: str) -> None:
        with suppress(TrainerError):  # there is nobody just now
            await asyncio.to_thread(served.client.ask, "PATCH", f"/v1/runs/{run}", {"note": note})

    async with asyncio.TaskGroup() as group:  # one does not wait for the one before
        for number in count():
            group.create_task(change(str(number)))
            await asyncio.sleep(1 / (RATE - 4))


def newest(served: Served) -> int:
    """The last event that is in the database."""
    with sqlite3.connect(served.root / "service.sqlite") as db:
        (found,) = db.execute("SELECT coalesce(max(seq), 0) FROM events").fetchone()
    db.close()
    return int(found)


def busy(pid: int) -> float:
    """Processor seconds of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


async def spent(served: Served, seconds: float) -> tuple[float, int]:
    """Processor seconds of the server in so long, and how many events there were."""
    busy_before, newest_before = busy(served.process.pid), newest(served)
    await asyncio.sleep(seconds)
    return busy(served.process.pid) - busy_before, newest(served) - newest_before


async def again(served: Served, number: signal.Signals, viewers: list[Viewer], when: str) -> None:
    """End the service by a signal and begin it again; print how long it took."""
    began = time.monotonic()
    served.process.send_signal(number)
    for viewer in viewers:
        await viewer.over.wait()
    let_go = time.monotonic() - began
    await asyncio.to_thread(served.process.wait)
    ended = time.monotonic() - began
    print(f"{number.name} {when}: viewers are let go after {let_go:.2f} s, and it ends after {ended:.2f} s", flush=True)
    served.process.stdout.close()  # type: ignore[union-attr]  # it was asked for
    await asyncio.to_thread(served.start)


async def until(condition: Callable[[], bool]) -> None:
    """Wait, for two minutes at most."""
    async with asyncio.timeout(120):
        while not condition():
            await asyncio.sleep(0.05)


async def measured(served: Served, many: int, lazy: int, seconds: float) -> list[str]:
    """Print what it costs; gives what is wrong."""
    run = served.client.ask("POST", "/v1/runs", {"config": TRAINED})["id"]
    await until(lambda: served.client.ask("GET", f"/v1/runs/{run}")["progress"]["step"] > 0)
    changing = asyncio.create_task(changes(served, run))
    await asyncio.sleep(2)
    alone, events = await spent(served, seconds)
    before, _ = look(served.process.pid)
    viewers = [Viewer(served, newest(served)) for _ in range(many)]
    watching = [asyncio.create_task(viewer.watch()) for viewer in viewers]
    asleep = [await stalled(served, newest(served)) for _ in range(lazy)]
    await until(lambda: all(viewer.heard for viewer in viewers))
    both, told = await spent(served, seconds)
    each = max(both - alone * told / events, 1 / TICKS) / (many * told)  # no less than a processor's time is told in
    memory, _ = look(served.process.pid)
    print(f"{many} viewers, {lazy} that never read, {told / seconds:.1f} events a second")
    print(
        f"{1e6 * each:.1f} µs of a processor for a viewer and an event: {1 / (RATE * each):,.0f} viewers at {RATE} Hz"
    )
    print(f"{(memory - before) / (many + lazy):.1f} KiB of memory for each", flush=True)
    for number in (signal.SIGTERM, signal.SIGKILL):
        await again(served, number, viewers, "while a run trains")
        behind = newest(served)
        await until(lambda behind=behind: all(viewer.last > behind for viewer in viewers))  # type: ignore[misc]  # of now
        await asyncio.sleep(seconds / 2)
    changing.cancel()
    served.client.ask("POST", f"/v1/runs/{run}/cancel")
    await until(lambda: bool(served.client.ask("GET", f"/v1/runs/{run}")["state"] == "cancelled"))
    await until(lambda: all(viewer.last == newest(served) for viewer in viewers))
    await again(served, signal.SIGTERM, viewers, "while nothing trains")
    for task in (*watching, changing):
        task.cancel()
    await asyncio.gather(*watching, changing, return_exceptions=True)
    for transport in asleep:
        transport.abort()
    return gaps(served, viewers)


def gaps(served: Served, viewers: list[Viewer]) -> list[str]:
    """Of each viewer that has not had every event once, in order, what it has not."""
    with sqlite3.connect(served.root / "service.sqlite") as db:
        there = [row[0] for row in db.execute("SELECT seq FROM events ORDER BY seq")]
    db.close()
    found = []
    for number, viewer in enumerate(viewers):
        wanted = [seq for seq in there if seq > viewer.first]
        if viewer.heard != wanted:
            missed, more = set(wanted) - set(viewer.heard), len(viewer.heard) - len(wanted)
            found.append(f"viewer {number} missed {len(missed)} of {len(wanted)}, and had {more} more")
    print(f"{len(wanted)} events each, {len(found)} viewers with a gap")
    return found


def main() -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--viewers", type=int, default=200, help="that read (%(default)s)")
    parser.add_argument("--stalled", type=int, default=10, help="that do not (%(default)s)")
    parser.add_argument("--seconds", type=float, default=30.0, help="of each measurement (%(default)s)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        served = Served(Path(folder) / "root")
        try:
            while not ready(served.client):
                time.sleep(0.2)
            found = asyncio.run(measured(served, given.viewers, given.stalled, given.seconds))
        finally:
            served.process.terminate()
            served.process.wait()
    print(*found[:5], sep="\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
