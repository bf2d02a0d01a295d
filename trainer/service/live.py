"""Events for whoever watches: encoded once, kept for a while, and read from where each viewer is.

A viewer is a position in a list, not a queue of its own: one that reads slowly costs what its socket holds, and delays
nobody. All are woken by one timer, and those that are at the same position are given the same bytes. What a lane does
not hold any more is read from the database; it has everything but the points of runs that ended long ago, of which a
viewer is told that it should read the metrics instead.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from trainer.service.store import Event, Store

__all__ = ["Feed", "encoded"]

FLUSH = 0.25  # seconds between two wakings of all viewers
BEAT = 5.0  # after which they are woken although nothing has happened
SEND_SECONDS = 10.0  # a viewer that takes longer for what its socket holds is let go, and may come back
KEPT, BYTES = 2048, 1 << 18  # events of a lane, and of their texts; there may be twice as many
LANES = 512  # that somebody watches, or has watched
PIECE = 500  # rows that are read of the database at once


class Feed:
    """What happens, by run, by owner, and in all; what nobody watches is in the database alone."""

    def __init__(self) -> None:
        self._lanes: OrderedDict[str, _Lane] = OrderedDict()  # the one that was asked for last at the end
        self._owners: dict[str, str] = {}
        self.newest = 0  # the position after everything that has been told
        self._waiting: set[asyncio.Future[None]] = set()
        self._sending: dict[asyncio.Timeout, float] = {}
        self._later: asyncio.TimerHandle | None = None
        self._beating: asyncio.TimerHandle | None = None
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

    @contextmanager
    def viewer(self) -> Iterator[None]:
        """Inside, somebody watches."""
        self.viewers += 1
        if self._beating is None:
            self._beating = asyncio.get_running_loop().call_later(BEAT, self._beat)
        try:
            yield
        finally:
            self.viewers -= 1

    async def wait(self, leaving: asyncio.Future[None]) -> None:
        """Until there may be more, or the viewer leaves, or for a moment."""
        woken: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake(left: object) -> None:
            if not woken.done():
                woken.set_result(None)

        self._waiting.add(woken)
        leaving.add_done_callback(wake)
        try:
            await woken
        finally:
            leaving.remove_done_callback(wake)
            self._waiting.discard(woken)

    @contextmanager
    def sending(self, limit: asyncio.Timeout) -> Iterator[None]:
        """Inside, a viewer is sent something; where that takes too long, its limit of time is over."""
        self._sending[limit] = asyncio.get_running_loop().time()
        try:
            yield
        finally:
            del self._sending[limit]

    def close(self) -> None:
        """Let every viewer go."""
        self.closing = True
        self._ring()

    def _beat(self) -> None:
        loop = asyncio.get_running_loop()
        self._beating = loop.call_later(BEAT, self._beat) if self.viewers and not self.closing else None
        for limit, since in self._sending.items():
            if loop.time() - since > SEND_SECONDS:
                limit.reschedule(loop.time())
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
        waiting, self._waiting = self._waiting, set()
        for woken in waiting:
            if not woken.done():
                woken.set_result(None)

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
        self._bytes = 0
        self._asked: tuple[int, tuple[bytes, int]] | None = None  # what was asked for last, which most ask for

    def add(self, seq: int, text: bytes) -> None:
        self._asked = None
        self.sequence.append(seq)
        self.texts.append(text)
        self._bytes += len(text)
        if len(self.sequence) > 2 * KEPT or self._bytes > 2 * BYTES:
            away = max(1, len(self.sequence) // 2)
            self.floor = self.sequence[away - 1]
            del self.sequence[:away], self.texts[:away]
            self._bytes = sum(map(len, self.texts))

    def after(self, cursor: int) -> tuple[bytes, int]:
        if self._asked is None or self._asked[0] != cursor:
            start = bisect_right(self.sequence, cursor)
            found = b"".join(self.texts[start:]), self.sequence[-1] if start < len(self.sequence) else cursor
            self._asked = cursor, found
        return self._asked[1]


def encoded(seq: int, run: str, kind: str, data: str) -> bytes:
    """An event as a stream has it; `data` is a JSON object, which gets its run.

    >>> encoded(7, "01J", "state", '{"state":"queued"}').decode()
    'id: 7\\nevent: state\\ndata: {"run":"01J","state":"queued"}\\n\\n'
    """
    rest = data[1:] if data == "{}" else f",{data[1:]}"
    return f'id: {seq}\nevent: {kind}\ndata: {{"run":"{run}"{rest}\n\n'.encode()
