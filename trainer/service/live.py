"""Events for whoever watches: encoded once, kept for a while, and read from where each viewer is.

A viewer is a position in a list, not a queue of its own: one that reads slowly costs what its socket holds, and delays
nobody. What a lane does not hold any more is read from the database; it has everything but the points of runs that
ended long ago, of which a viewer is told that it should read the metrics instead.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.service.store import Event, Store

__all__ = ["Feed", "encoded"]

FLUSH = 0.25  # seconds between two wakings of all viewers
KEPT = 2048  # events of a lane
LANES = 512  # that somebody watches, or has watched
PIECE = 500  # rows that are read of the database at once


class Feed:
    """What happens, by run, by owner, and in all; what nobody watches is in the database alone."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()  # the one that was asked for last at the end
        self._owners: dict[str, str] = {}
        self.newest = 0  # the position after everything that has been told
        self._tick: asyncio.Future[None] | None = None
        self._later: asyncio.TimerHandle | None = None
        self._last = -FLUSH
        self._store: Store | None = None
        self.closing = False
        self.viewers = 0

    def begin(self, store: Store) -> None:
        """From now on what is not in memory is read from there."""
        self._store = store
        row = store.row("SELECT coalesce(max(seq), 0) AS seq FROM events")
        self.newest = row["seq"] if row else 0

    def told(self, events: Sequence[Event]) -> None:
        """What was committed."""
        for event in events:
            text = encoded(event.seq, event.run, event.kind, event.data)
            for name in (f"run:{event.run}", f"owner:{self._owner(event.run)}", "all"):
                if name in self._lanes:
                    self._lanes[name].add(event.seq, text)
            self.newest = event.seq
            if event.kind == "deleted":
                self._owners.pop(event.run, None)
        self._wake()

    def after(self, name: str, cursor: int) -> tuple[bytes, int]:
        """What comes after a position of a lane, and the position behind it."""
        if name not in self._lanes:
            self._lanes[name] = _Lane(self.newest)
            if len(self._lanes) > LANES:
                self._lanes.popitem(last=False)
        self._lanes.move_to_end(name)
        lane = self._lanes[name]
        return self._stored(name, cursor, lane.floor) if cursor < lane.floor else lane.after(cursor)

    async def wait(self, leaving: asyncio.Future[None], seconds: float) -> None:
        """Until there may be more, or the viewer leaves, or so long."""
        if self._tick is None or self._tick.done():
            self._tick = asyncio.get_running_loop().create_future()
        await asyncio.wait([self._tick, leaving], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)

    def close(self) -> None:
        """Let every viewer go."""
        self.closing = True
        self._ring()

    def _wake(self) -> None:
        if self._later is not None:
            return
        loop = asyncio.get_running_loop()
        due = self._last + FLUSH - loop.time()
        if due <= 0:
            self._ring()
        else:
            self._later = loop.call_later(due, self._ring)

    def _ring(self) -> None:
        self._later = None
        self._last = asyncio.get_running_loop().time()
        if self._tick is not None and not self._tick.done():
            self._tick.set_result(None)

    def _owner(self, run: str) -> str:
        if run not in self._owners and self._store is not None:
            row = self._store.row("SELECT owner FROM runs WHERE id = ?", run)
            self._owners[run] = row["owner"] if row else ""
        return self._owners.get(run, "")

    def _stored(self, name: str, cursor: int, floor: int) -> tuple[bytes, int]:
        assert self._store is not None
        kind, _, value = name.partition(":")
        of = {"run": "run = ?", "owner": "run IN (SELECT id FROM runs WHERE owner = ?)", "all": "? IS NOT NULL"}[kind]
        rows = self._store.rows(
            f"SELECT seq, run, kind, data FROM events WHERE {of} AND seq > ? AND seq <= ? ORDER BY seq LIMIT ?",  # noqa: S608  one of the three above
            value, cursor, floor, PIECE,
        )  # fmt: skip
        text = b"".join(encoded(row["seq"], row["run"], row["kind"], row["data"]) for row in rows)
        return text, rows[-1]["seq"] if len(rows) == PIECE else floor


class _Lane:
    def __init__(self, floor: int) -> None:
        self.floor = floor  # what is not above is in the database alone
        self.sequence: list[int] = []
        self.texts: list[bytes] = []

    def add(self, seq: int, text: bytes) -> None:
        self.sequence.append(seq)
        self.texts.append(text)
        if len(self.sequence) > 2 * KEPT:
            self.floor = self.sequence[KEPT - 1]
            del self.sequence[:KEPT], self.texts[:KEPT]

    def after(self, cursor: int) -> tuple[bytes, int]:
        start = bisect_right(self.sequence, cursor)
        return b"".join(self.texts[start:]), self.sequence[-1] if start < len(self.sequence) else cursor


def encoded(seq: int, run: str, kind: str, data: str) -> bytes:
    """An event as a stream has it; `data` is a JSON object, which gets its run.

    >>> encoded(7, "01J", "state", '{"state":"queued"}').decode()
    'id: 7\\nevent: state\\ndata: {"run":"01J","state":"queued"}\\n\\n'
    """
    rest = data[1:] if data == "{}" else f",{data[1:]}"
    return f'id: {seq}\nevent: {kind}\ndata: {{"run":"{run}"{rest}\n\n'.encode()
